package toy

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"sort"

	"torov/rsp"
)

// Where things are in a program's address space.
const (
	textBase  = 0x401000
	dataBase  = 0x403000
	dataSize  = 0x1000
	stackBase = 0x7ff000
	stackSize = 0x4000
	stackTop  = stackBase + stackSize - 64
	tlsBase   = dataBase + 0x800
)

// Image is a program: code, initial data, and symbols.
type Image struct {
	Entry   uint64
	Text    []byte
	Data    []byte
	Symbols map[string]uint64
}

// segment is one mapped area.
type segment struct {
	base uint64
	data []byte
	perm rsp.Permissions
	name string
}

// segments returns a fresh address space.
func (im *Image) segments() []segment {
	data := make([]byte, dataSize)
	copy(data, im.Data)
	text := make([]byte, (len(im.Text)+0xfff)&^0xfff)
	copy(text, im.Text)
	return []segment{
		{textBase, text, rsp.PermRead | rsp.PermExec, "/toy"},
		{dataBase, data, rsp.PermRead | rsp.PermWrite, "/toy"},
		{stackBase, make([]byte, stackSize), rsp.PermRead | rsp.PermWrite, "[stack]"},
	}
}

// ELF returns the image as an ELF file with a symbol table, which a debugger
// downloads to know the names.
func (im *Image) ELF() []byte {
	const headers = 64 + 2*56
	le := binary.LittleEndian
	textOff := uint64(0x1000)
	dataOff := textOff + uint64(len(im.Text)+15)&^15
	names := make([]string, 0, len(im.Symbols))
	for name := range im.Symbols {
		names = append(names, name)
	}
	sort.Strings(names)
	strtab := []byte{0}
	symtab := make([]byte, elf.Sym64Size)
	for _, name := range names {
		addr := im.Symbols[name]
		sym := elf.Sym64{Name: uint32(len(strtab)), Value: addr, Info: byte(elf.STB_GLOBAL)<<4 | byte(elf.STT_FUNC), Shndx: 1}
		if addr >= dataBase {
			sym.Info, sym.Shndx, sym.Size = byte(elf.STB_GLOBAL)<<4|byte(elf.STT_OBJECT), 2, 8
		}
		symtab, _ = binary.Append(symtab, le, sym)
		strtab = append(append(strtab, name...), 0)
	}
	shstr := []byte("\x00.text\x00.data\x00.symtab\x00.strtab\x00.shstrtab\x00")
	nameAt := func(s string) uint32 { return uint32(bytes.Index(shstr, []byte("\x00"+s+"\x00")) + 1) }
	symOff := (dataOff + uint64(len(im.Data)) + 7) &^ 7
	strOff := symOff + uint64(len(symtab))
	shstrOff := strOff + uint64(len(strtab))
	shOff := (shstrOff + uint64(len(shstr)) + 7) &^ 7

	eh := elf.Header64{
		Type: uint16(elf.ET_EXEC), Machine: uint16(elf.EM_X86_64), Version: 1, Entry: im.Entry, Phoff: 64, Shoff: shOff,
		Ehsize: 64, Phentsize: 56, Phnum: 2, Shentsize: 64, Shnum: 6, Shstrndx: 5,
	}
	copy(eh.Ident[:], elf.ELFMAG+"\x02\x01\x01")
	progs := []elf.Prog64{
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_X), Off: textOff, Vaddr: textBase, Paddr: textBase,
			Filesz: uint64(len(im.Text)), Memsz: uint64(len(im.Text)), Align: 0x1000},
		{Type: uint32(elf.PT_LOAD), Flags: uint32(elf.PF_R | elf.PF_W), Off: dataOff, Vaddr: dataBase, Paddr: dataBase,
			Filesz: uint64(len(im.Data)), Memsz: dataSize, Align: 16},
	}
	sections := []elf.Section64{
		{},
		{Name: nameAt(".text"), Type: uint32(elf.SHT_PROGBITS), Flags: uint64(elf.SHF_ALLOC | elf.SHF_EXECINSTR), Addr: textBase, Off: textOff, Size: uint64(len(im.Text)), Addralign: 16},
		{Name: nameAt(".data"), Type: uint32(elf.SHT_PROGBITS), Flags: uint64(elf.SHF_ALLOC | elf.SHF_WRITE), Addr: dataBase, Off: dataOff, Size: uint64(len(im.Data)), Addralign: 16},
		{Name: nameAt(".symtab"), Type: uint32(elf.SHT_SYMTAB), Off: symOff, Size: uint64(len(symtab)), Link: 4, Info: 1, Addralign: 8, Entsize: elf.Sym64Size},
		{Name: nameAt(".strtab"), Type: uint32(elf.SHT_STRTAB), Off: strOff, Size: uint64(len(strtab)), Addralign: 1},
		{Name: nameAt(".shstrtab"), Type: uint32(elf.SHT_STRTAB), Off: shstrOff, Size: uint64(len(shstr)), Addralign: 1},
	}
	file, _ := binary.Append(make([]byte, 0, headers), le, eh)
	file, _ = binary.Append(file, le, progs)
	put := func(off uint64, b []byte) {
		file = append(file, make([]byte, off-uint64(len(file)))...)
		file = append(file, b...)
	}
	put(textOff, im.Text)
	put(dataOff, im.Data)
	put(symOff, symtab)
	put(strOff, strtab)
	put(shstrOff, shstr)
	put(shOff, nil)
	file, _ = binary.Append(file, le, sections)
	return file
}
