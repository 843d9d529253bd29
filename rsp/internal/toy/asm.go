package toy

import (
	"encoding/binary"
	"fmt"

	"torov/rsp/amd64"
)

// asm assembles programs. Registers are package amd64's numbers; only the
// first eight can be encoded.
type asm struct {
	text   []byte
	labels map[string]uint64
	fixups []fixup
}

type fixup struct {
	at, size int
	label    string
}

func newAsm() *asm { return &asm{labels: map[string]uint64{}} }

// encoding is the processor's number of each register of package amd64.
var encoding = [8]byte{amd64.RAX: 0, amd64.RBX: 3, amd64.RCX: 1, amd64.RDX: 2, amd64.RSI: 6, amd64.RDI: 7, amd64.RBP: 5, amd64.RSP: 4}

func (a *asm) emit(b ...byte)    { a.text = append(a.text, b...) }
func (a *asm) label(name string) { a.labels[name] = textBase + uint64(len(a.text)) }

// ref emits a displacement of n bytes to a label.
func (a *asm) ref(n int, label string) {
	a.fixups = append(a.fixups, fixup{len(a.text), n, label})
	a.emit(make([]byte, n)...)
}

func (a *asm) mov(reg int, v uint64) {
	a.emit(0x48, 0xb8+encoding[reg])
	a.text = binary.LittleEndian.AppendUint64(a.text, v)
}

// movLabel loads a label's address.
func (a *asm) movLabel(reg int, label string) {
	a.emit(0x48, 0xb8+encoding[reg])
	a.ref(8, label)
}

func (a *asm) op(opcode byte, mod, rm, reg int) {
	a.emit(0x48, opcode, byte(mod)<<6|encoding[reg]<<3|encoding[rm])
}
func (a *asm) movReg(dst, src int)         { a.op(0x89, 3, dst, src) }
func (a *asm) store(addr, src int)         { a.op(0x89, 0, addr, src) }
func (a *asm) load(dst, addr int)          { a.op(0x8b, 0, addr, dst) }
func (a *asm) add(dst, src int)            { a.op(0x01, 3, dst, src) }
func (a *asm) inc(reg int)                 { a.emit(0x48, 0xff, 0xc0+encoding[reg]) }
func (a *asm) cmp(reg int, v byte)         { a.emit(0x48, 0x83, 0xf8+encoding[reg], v) }
func (a *asm) jne(label string)            { a.emit(0x75); a.ref(1, label) }
func (a *asm) jmp(label string)            { a.emit(0xeb); a.ref(1, label) }
func (a *asm) call(label string)           { a.emit(0xe8); a.ref(4, label) }
func (a *asm) ret()                        { a.emit(0xc3) }
func (a *asm) syscall(nr uint64)           { a.mov(amd64.RAX, nr); a.emit(0x0f, 0x05) }
func (a *asm) nop()                        { a.emit(0x90) }
func (a *asm) data(name string, at uint64) { a.labels[name] = dataBase + at }

// image resolves the labels.
func (a *asm) image(data []byte) *Image {
	for _, f := range a.fixups {
		addr, ok := a.labels[f.label]
		if !ok {
			panic(fmt.Sprintf("toy: label %s is not defined", f.label)) // a mistake in a program of this package
		}
		field := a.text[f.at : f.at+f.size]
		rel := addr - (textBase + uint64(f.at+f.size))
		switch f.size {
		case 1:
			field[0] = byte(rel)
		case 4:
			binary.LittleEndian.PutUint32(field, uint32(rel))
		case 8:
			binary.LittleEndian.PutUint64(field, addr)
		}
	}
	return &Image{Entry: a.labels["_start"], Text: a.text, Data: data, Symbols: a.labels}
}
