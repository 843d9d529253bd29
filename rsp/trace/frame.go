package trace

import "encoding/binary"

// Letters that blocks of a frame begin with. What follows is for registers the
// block of a fixed size; for memory the address (8 bytes), the length (2) and
// the bytes; for a variable its number (4) and value (8).
const (
	registerBlock = 'R'
	memoryBlock   = 'M'
	variableBlock = 'V'
)

const (
	memoryHeader   = 1 + 8 + 2
	variableLength = 1 + 4 + 8
	maxMemoryBlock = 1<<16 - 1
)

// Frame is what was recorded at one hit, or after one step. It is valid until
// the recorder records more.
type Frame struct {
	Point  int // the tracepoint's number
	layout Layout
	data   []byte
}

// Piece is a piece of memory in a frame.
type Piece struct {
	Addr uint64
	Data []byte
}

// blocks calls f for each block until it returns false. body is what follows
// the letter.
func (f Frame) blocks(do func(kind byte, body []byte) bool) {
	for rest := f.data; len(rest) > 0; {
		n := 0
		switch rest[0] {
		case registerBlock:
			n = 1 + f.layout.Size
		case memoryBlock:
			n = memoryHeader + int(binary.LittleEndian.Uint16(rest[1+8:]))
		case variableBlock:
			n = variableLength
		default:
			return
		}
		if !do(rest[0], rest[1:n]) {
			return
		}
		rest = rest[n:]
	}
}

// Registers returns the register block, nil if there is none.
func (f Frame) Registers() (block []byte) {
	f.blocks(func(kind byte, body []byte) bool {
		if kind == registerBlock {
			block = body
		}
		return block == nil
	})
	return block
}

// PC returns the program counter, if registers were collected.
func (f Frame) PC() (uint64, bool) {
	block := f.Registers()
	if block == nil {
		return 0, false
	}
	return binary.LittleEndian.Uint64(block[f.layout.PC:]), true
}

// Memory lists the memory in the frame.
func (f Frame) Memory() (pieces []Piece) {
	f.blocks(func(kind byte, body []byte) bool {
		if kind == memoryBlock {
			pieces = append(pieces, Piece{binary.LittleEndian.Uint64(body), body[8+2:]})
		}
		return true
	})
	return pieces
}

// Read fills buf with the memory from addr on that one piece of the frame
// holds, and returns how much that is.
func (f Frame) Read(addr uint64, buf []byte) (n int) {
	f.blocks(func(kind byte, body []byte) bool {
		if kind == memoryBlock {
			at, data := binary.LittleEndian.Uint64(body), body[8+2:]
			if addr >= at && addr-at < uint64(len(data)) {
				n = copy(buf, data[addr-at:])
			}
		}
		return n == 0
	})
	return n
}

// Variables lists the numbers of the variables in the frame.
func (f Frame) Variables() (numbers []int) {
	f.blocks(func(kind byte, body []byte) bool {
		if kind == variableBlock {
			numbers = append(numbers, int(int32(binary.LittleEndian.Uint32(body))))
		}
		return true
	})
	return numbers
}

// Variable returns the value of a variable as it was recorded last.
func (f Frame) Variable(number int) (value int64, ok bool) {
	f.blocks(func(kind byte, body []byte) bool {
		if kind == variableBlock && int(int32(binary.LittleEndian.Uint32(body))) == number {
			value, ok = int64(binary.LittleEndian.Uint64(body[4:])), true
		}
		return true
	})
	return value, ok
}
