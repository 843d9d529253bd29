package loader

import (
	"debug/elf"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
)

// GVA is a guest virtual address.
type GVA = engine.GVA

// Prot is a memory protection with the bits of mmap(2).
type Prot uint8

// Protections; combine them with |.
const (
	Read  Prot = unix.PROT_READ
	Write Prot = unix.PROT_WRITE
	Exec  Prot = unix.PROT_EXEC
)

// String shows the protection as ls -l would: "r-x".
func (p Prot) String() string {
	text := []byte("---")
	for i, bit := range [...]Prot{Read, Write, Exec} {
		if p&bit != 0 {
			text[i] = "rwx"[i]
		}
	}
	return string(text)
}

// Segment is one PT_LOAD program header. Addresses are the file's own: for a
// position-independent image the caller adds the bias of Place.
type Segment struct {
	Addr     GVA    // not page-aligned
	MemSize  uint64 // bytes; never 0
	FileSize uint64 // bytes; at most MemSize, the rest is zeros
	Offset   uint64 // in the file; congruent to Addr modulo the page size
	Prot     Prot
}

// end is the first address after the segment. Parse has checked the addition.
func (s Segment) end() GVA { return s.Addr + GVA(s.MemSize) }

// Image is a checked ELF file: everything needed to map it and start it.
type Image struct {
	Type      elf.Type // ET_EXEC or ET_DYN
	Entry     GVA
	PhdrAddr  GVA // where the program headers lie in memory
	HasPhdr   bool
	Phnum     int
	Phent     int // bytes
	Segments  []Segment
	Interp    string // path of the dynamic linker, "" for none
	ExecStack bool   // PT_GNU_STACK asks for an executable stack
	HasTLS    bool   // there is a PT_TLS segment
	Lo, Hi    GVA    // page-aligned borders of all segments
	Align     uint64 // largest p_align of a segment, bytes, at least a page
}

// PIE reports whether the image may be placed anywhere.
func (im *Image) PIE() bool { return im.Type == elf.ET_DYN }

// Static reports whether the image starts without a dynamic linker.
func (im *Image) Static() bool { return im.Interp == "" }

// Mapping is one step of putting an image into memory.
type Mapping struct {
	Start, End GVA // page-aligned
	Prot       Prot
	File       bool   // private mapping of the file; otherwise zeros
	Offset     uint64 // in the file, page-aligned
	// Zero is how many bytes before End must be cleared, even though the
	// file has something there. Less than a page. Only writable mappings
	// have it: like Linux, the end of the others shows the file.
	Zero uint64
}

// Mappings returns what to map for the image at the given bias, in ascending
// order and without overlaps. It does what fs/binfmt_elf.c does: where two
// segments meet in one page, the later one owns it, and pages beyond the file
// part are readable and writable whatever the segment says.
func (im *Image) Mappings(bias GVA) []Mapping {
	var maps []Mapping
	for _, s := range im.Segments {
		for _, m := range s.mappings() {
			maps = append(cutAt(maps, m.Start), m)
		}
	}
	for i := range maps {
		maps[i].Start += bias
		maps[i].End += bias
	}
	return maps
}

func (s Segment) mappings() (maps []Mapping) {
	start, end := s.Addr.PageDown(), pageUp(s.end())
	fileEnd := s.Addr + GVA(s.FileSize)
	border := start
	if s.FileSize > 0 {
		border = pageUp(fileEnd)
		m := Mapping{Start: start, End: border, Prot: s.Prot, File: true, Offset: s.Offset - uint64(s.Addr-start)}
		if s.MemSize > s.FileSize && s.Prot&Write != 0 {
			m.Zero = uint64(border - fileEnd)
		}
		maps = append(maps, m)
	}
	if border < end {
		maps = append(maps, Mapping{Start: border, End: end, Prot: Read | Write | s.Prot&Exec})
	}
	return maps
}

// cutAt removes everything from addr on. Only the last mappings can reach so
// far, because segments ascend.
func cutAt(maps []Mapping, addr GVA) []Mapping {
	for len(maps) > 0 {
		last := &maps[len(maps)-1]
		if last.End <= addr {
			break
		}
		if last.Start < addr {
			last.End, last.Zero = addr, 0
			break
		}
		maps = maps[:len(maps)-1]
	}
	return maps
}

// pageUp rounds up an address that is inside user space, where rounding
// cannot overflow.
func pageUp(a GVA) GVA {
	up, _ := a.PageUp()
	return up
}

// userTop is the first address a program cannot use.
const userTop GVA = linux.UserTop

// inUserSpace reports whether [addr, addr+size) lies in user space.
func inUserSpace(addr GVA, size uint64) bool {
	return size <= uint64(userTop) && addr <= userTop-GVA(size)
}
