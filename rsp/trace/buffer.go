package trace

import "encoding/binary"

// DefaultSize and MaxSize are the buffer's, in bytes.
const (
	DefaultSize = 5 << 20
	MaxSize     = 256 << 20
)

// headerSize is what a frame begins with: the tracepoint's number in two bytes
// and the length of the data in four, both little-endian.
const headerSize = 6

// buffer is a ring of frames, the oldest first.
type buffer struct {
	data     []byte // allocated with the first frame
	size     int
	start    int // of the oldest frame
	used     int
	frames   int
	created  uint64 // frames since the buffer was cleared
	circular bool
	// last is the frame found last: most clients walk from one to the next.
	last struct{ number, offset int }
}

func newBuffer() buffer { return buffer{size: DefaultSize} }

func (b *buffer) clear() {
	b.start, b.used, b.frames, b.created = 0, 0, 0, 0
	b.last.number, b.last.offset = 0, 0
}

// resize changes the size and forgets the frames.
func (b *buffer) resize(size int) {
	b.data, b.size = nil, size
	b.clear()
}

func (b *buffer) free() int { return b.size - b.used }

// add appends a frame, made of a header and data. In a circular buffer the
// oldest frames give way. It reports whether there was room.
func (b *buffer) add(point int, data []byte) bool {
	n := headerSize + len(data)
	if n > b.size || n > b.free() && !b.circular {
		return false
	}
	for n > b.free() {
		b.discard()
	}
	if b.data == nil {
		b.data = make([]byte, b.size)
	}
	var h [headerSize]byte
	binary.LittleEndian.PutUint16(h[:], uint16(point))
	binary.LittleEndian.PutUint32(h[2:], uint32(len(data)))
	b.write(h[:])
	b.write(data)
	b.frames++
	b.created++
	return true
}

func (b *buffer) write(p []byte) {
	at := (b.start + b.used) % b.size
	n := copy(b.data[at:], p)
	copy(b.data, p[n:])
	b.used += len(p)
}

// discard drops the oldest frame.
func (b *buffer) discard() {
	_, n := b.header(0)
	b.start = (b.start + headerSize + n) % b.size
	b.used -= headerSize + n
	b.frames--
	b.last.number, b.last.offset = 0, 0
}

// header reads the header at an offset from the oldest frame.
func (b *buffer) header(offset int) (point, length int) {
	h := b.bytes(offset, headerSize)
	return int(binary.LittleEndian.Uint16(h)), int(binary.LittleEndian.Uint32(h[2:]))
}

// bytes returns n bytes at an offset from the oldest frame, which must be there.
// They are valid until the next change.
func (b *buffer) bytes(offset, n int) []byte {
	at := (b.start + offset) % b.size
	if at+n <= b.size {
		return b.data[at : at+n]
	}
	joined := make([]byte, n)
	copy(joined[copy(joined, b.data[at:]):], b.data)
	return joined
}

// frame returns a frame by its number; the oldest one is 0.
func (b *buffer) frame(number int) (point int, data []byte, ok bool) {
	if number < 0 || number >= b.frames {
		return 0, nil, false
	}
	if number < b.last.number {
		b.last.number, b.last.offset = 0, 0
	}
	for b.last.number < number {
		_, n := b.header(b.last.offset)
		b.last.offset += headerSize + n
		b.last.number++
	}
	point, n := b.header(b.last.offset)
	return point, b.bytes(b.last.offset+headerSize, n), true
}
