package test

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
)

// elfFile is a minimal program to be broken: one header, some program
// headers, code that exits with status 0.
type elfFile struct {
	elf.Header64
	progs []elf.Prog64
	code  []byte
}

const (
	elfBase = 0x400000
	elfCode = 0x200 // where the code lies in the file and above elfBase
)

// exitCode is mov $60, %eax; xor %edi, %edi; syscall.
var exitCode = []byte{0xb8, 60, 0, 0, 0, 0x31, 0xff, 0x0f, 0x05}

// newELF returns a program that Linux runs.
func newELF() *elfFile {
	f := &elfFile{code: exitCode}
	f.Header64 = elf.Header64{
		Ident:     [16]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:      uint16(elf.ET_EXEC),
		Machine:   uint16(elf.EM_X86_64),
		Version:   uint32(elf.EV_CURRENT),
		Entry:     elfBase + elfCode,
		Phoff:     64,
		Ehsize:    64,
		Phentsize: 56,
	}
	f.progs = []elf.Prog64{{
		Type:   uint32(elf.PT_LOAD),
		Flags:  uint32(elf.PF_R | elf.PF_X),
		Vaddr:  elfBase,
		Paddr:  elfBase,
		Filesz: elfCode + uint64(len(exitCode)),
		Memsz:  elfCode + uint64(len(exitCode)),
		Align:  0x1000,
	}}
	f.Phnum = 1
	return f
}

// add adds a program header; the header's count follows.
func (f *elfFile) add(p elf.Prog64) {
	f.progs = append(f.progs, p)
	f.Phnum++
}

// interpreter adds a PT_INTERP with these bytes, which lie after the code.
func (f *elfFile) interpreter(name string) {
	at := elfCode + uint64(len(f.code))
	f.code = append(bytes.Clone(f.code), name...)
	f.progs[0].Filesz += uint64(len(name))
	f.progs[0].Memsz += uint64(len(name))
	f.add(elf.Prog64{Type: uint32(elf.PT_INTERP), Flags: uint32(elf.PF_R), Off: at, Vaddr: elfBase + at, Filesz: uint64(len(name)), Memsz: uint64(len(name)), Align: 1})
}

// bytes writes the file.
func (f *elfFile) bytes() []byte {
	var out bytes.Buffer
	// Into memory and of fixed size: these cannot fail.
	_ = binary.Write(&out, binary.LittleEndian, f.Header64)
	_ = binary.Write(&out, binary.LittleEndian, f.progs)
	if pad := elfCode - out.Len(); pad > 0 {
		out.Write(make([]byte, pad))
	}
	out.Write(f.code)
	return out.Bytes()
}
