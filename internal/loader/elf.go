package loader

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
)

const (
	headerSize = 64 // Elf64_Ehdr
	phdrSize   = 56 // Elf64_Phdr
	// maxPhdrTable is the largest program header table Linux reads.
	maxPhdrTable = 64 << 10
	// minAddr is the lowest address a segment may have: a null pointer must
	// not point at something (vm.mmap_min_addr).
	minAddr GVA = engine.PageSize
)

// Parse checks a program file of size bytes and returns what to load. The
// error is an *Error, unless reading failed.
//
// Everything Linux refuses is refused with the same errno (fs/binfmt_elf.c).
// Some things Linux lets through only to kill the program later are refused
// here, so that a person reads a sentence and not "Segmentation fault": a
// wrong class or byte order, segments outside the file, out of order, or
// overlapping, and offsets that cannot be mapped.
func Parse(r io.ReaderAt, size int64) (*Image, error) {
	hdr, err := readHeader(r, size)
	if err != nil {
		return nil, err
	}
	phdrs, err := readPhdrs(r, size, hdr)
	if err != nil {
		return nil, err
	}
	im := &Image{Type: elf.Type(hdr.Type), Entry: GVA(hdr.Entry), Phnum: len(phdrs), Phent: phdrSize, Align: engine.PageSize}
	for i, ph := range phdrs {
		switch elf.ProgType(ph.Type) {
		case elf.PT_INTERP:
			// Linux takes the first one.
			if im.Interp == "" {
				im.Interp, err = readInterp(r, size, ph)
			}
		case elf.PT_GNU_STACK:
			im.ExecStack = elf.ProgFlag(ph.Flags)&elf.PF_X != 0
		case elf.PT_TLS:
			im.HasTLS = true
		case elf.PT_LOAD:
			err = im.addSegment(i, ph, size)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := im.finish(hdr); err != nil {
		return nil, err
	}
	return im, nil
}

// ParseInterpreter checks a dynamic linker. What would be ENOEXEC for a
// program is ELIBBAD for its interpreter, as in Linux; an interpreter of its
// own is ignored.
func ParseInterpreter(r io.ReaderAt, size int64) (*Image, error) {
	im, err := Parse(r, size)
	var e *Error
	if errors.As(err, &e) {
		bad := *e
		if bad.errno == linux.ENOEXEC {
			bad.errno = linux.ELIBBAD
		}
		return nil, &bad
	}
	if err != nil {
		return nil, err
	}
	im.Interp = ""
	return im, nil
}

// readHeader reads the ELF header and decides whether this is a program for
// this processor.
func readHeader(r io.ReaderAt, size int64) (*elf.Header64, error) {
	// Like Linux, read a short file as if zeros followed: the checks below
	// then say what is missing.
	raw := make([]byte, headerSize)
	if _, err := r.ReadAt(raw[:max(0, min(size, headerSize))], 0); err != nil && err != io.EOF {
		return nil, fmt.Errorf("read ELF header: %w", err)
	}
	if err := checkIdent(raw, size); err != nil {
		return nil, err
	}
	hdr := new(elf.Header64)
	if _, err := binary.Decode(raw, binary.LittleEndian, hdr); err != nil {
		return nil, fmt.Errorf("decode ELF header: %w", err)
	}
	if err := checkType(elf.Type(hdr.Type)); err != nil {
		return nil, err
	}
	return hdr, nil
}

// checkIdent looks at magic, word size, byte order and machine.
func checkIdent(raw []byte, size int64) error {
	switch {
	case size <= 0:
		return &Error{What: "an empty file", Why: "there is nothing to run", Do: rebuild, errno: linux.ENOEXEC}
	case bytes.HasPrefix(raw, []byte("#!")):
		return &Error{What: "a script", Why: "its interpreter must be loaded in its place",
			Do: "name the interpreter as the program and the script as its argument", errno: linux.ENOEXEC}
	case !bytes.HasPrefix(raw, []byte(elf.ELFMAG)):
		return &Error{What: "not an ELF file", Why: fmt.Sprintf("it starts with % x instead of % x", raw[:4], elf.ELFMAG),
			Do: "give an x86-64 Linux program, or say that it is a flat image", errno: linux.ENOEXEC}
	case size < headerSize:
		return &Error{What: "a truncated ELF file", Why: fmt.Sprintf("it has %d bytes, the header alone %d", size, headerSize),
			Do: rebuild, errno: linux.ENOEXEC}
	}
	var order binary.ByteOrder = binary.LittleEndian
	bigEndian := elf.Data(raw[elf.EI_DATA]) == elf.ELFDATA2MSB
	if bigEndian {
		order = binary.BigEndian
	}
	machine := elf.Machine(order.Uint16(raw[18:]))
	var kind string
	switch class := elf.Class(raw[elf.EI_CLASS]); {
	case class == elf.ELFCLASS32 && machine == elf.EM_X86_64:
		kind = "an x32 program (32-bit pointers)"
	case class == elf.ELFCLASS32:
		kind = "a 32-bit program for " + machineName(machine)
	case class != elf.ELFCLASS64:
		return damaged(linux.ENOEXEC, fmt.Sprintf("ELF class %d is neither 32-bit nor 64-bit", class))
	case bigEndian:
		kind = "a big-endian program for " + machineName(machine)
	case elf.Data(raw[elf.EI_DATA]) != elf.ELFDATA2LSB:
		return damaged(linux.ENOEXEC, fmt.Sprintf("byte order %d is neither little- nor big-endian", raw[elf.EI_DATA]))
	case machine != elf.EM_X86_64:
		kind = "a program for " + machineName(machine)
	default:
		return nil
	}
	return &Error{What: kind, Why: "only 64-bit x86-64 programs can run", Do: "build it for x86-64 (GOARCH=amd64, gcc -m64)", errno: linux.ENOEXEC}
}

// machineName is the name by which people know a processor.
func machineName(m elf.Machine) string {
	switch m {
	case elf.EM_386:
		return "i386"
	case elf.EM_PPC64:
		return "powerpc64"
	case elf.EM_PPC:
		return "powerpc"
	}
	// The name of an unknown number is that of a lower one plus a distance.
	if name, ok := strings.CutPrefix(m.String(), "EM_"); ok && !strings.Contains(name, "+") {
		return strings.ToLower(name)
	}
	return fmt.Sprintf("processor number %d", m)
}

func checkType(t elf.Type) error {
	switch t {
	case elf.ET_EXEC, elf.ET_DYN:
		return nil
	case elf.ET_REL:
		return &Error{What: "a relocatable object file", Why: "it has not been linked", Do: "link it (gcc -o program file.o)", errno: linux.ENOEXEC}
	case elf.ET_CORE:
		return &Error{What: "a core dump", Why: "it is the memory of a program that died", Do: "open it with gdb", errno: linux.ENOEXEC}
	}
	return damaged(linux.ENOEXEC, fmt.Sprintf("file type %d is not an executable", t))
}

// readPhdrs reads the program header table (load_elf_phdrs).
func readPhdrs(r io.ReaderAt, size int64, hdr *elf.Header64) ([]elf.Prog64, error) {
	if hdr.Phentsize != phdrSize {
		return nil, damaged(linux.ENOEXEC, fmt.Sprintf("its program headers are %d bytes each, not %d", hdr.Phentsize, phdrSize))
	}
	table := int(hdr.Phnum) * phdrSize
	switch {
	case table == 0:
		return nil, damaged(linux.ENOEXEC, "it has no program headers, so nothing says what to load")
	case table > maxPhdrTable:
		return nil, damaged(linux.ENOEXEC, fmt.Sprintf("its %d program headers exceed %d bytes", hdr.Phnum, maxPhdrTable))
	case !inFile(hdr.Phoff, uint64(table), size):
		return nil, &Error{What: "a truncated ELF file", Why: fmt.Sprintf("its program headers at offset %#x lie beyond its %d bytes", hdr.Phoff, size),
			Do: rebuild, errno: linux.ENOEXEC}
	}
	raw := make([]byte, table)
	if err := readFull(r, raw, hdr.Phoff); err != nil {
		return nil, fmt.Errorf("read program headers: %w", err)
	}
	phdrs := make([]elf.Prog64, hdr.Phnum)
	if _, err := binary.Decode(raw, binary.LittleEndian, phdrs); err != nil {
		return nil, fmt.Errorf("decode program headers: %w", err)
	}
	return phdrs, nil
}

// readInterp reads the path of the dynamic linker from a PT_INTERP header.
func readInterp(r io.ReaderAt, size int64, ph elf.Prog64) (string, error) {
	if ph.Filesz < 2 || ph.Filesz > unix.PathMax {
		return "", damaged(linux.ENOEXEC, fmt.Sprintf("the path of its interpreter has %d bytes", ph.Filesz))
	}
	if !inFile(ph.Off, ph.Filesz, size) {
		return "", damaged(linux.EIO, "the path of its interpreter lies beyond the end of the file")
	}
	raw := make([]byte, ph.Filesz)
	if err := readFull(r, raw, ph.Off); err != nil {
		return "", fmt.Errorf("read interpreter path: %w", err)
	}
	if raw[len(raw)-1] != 0 {
		return "", damaged(linux.ENOEXEC, "the path of its interpreter does not end")
	}
	path := unix.ByteSliceToString(raw)
	if path == "" {
		return "", damaged(linux.EACCES, "the path of its interpreter is empty")
	}
	return path, nil
}

// addSegment checks the PT_LOAD header with the given index and appends it.
func (im *Image) addSegment(index int, ph elf.Prog64, size int64) error {
	fail := func(errno linux.Errno, format string, args ...any) error {
		return damaged(errno, fmt.Sprintf("program header %d: ", index)+fmt.Sprintf(format, args...))
	}
	addr := GVA(ph.Vaddr)
	switch {
	case ph.Filesz > ph.Memsz:
		return fail(linux.EINVAL, "%#x bytes in the file do not fit into %#x in memory", ph.Filesz, ph.Memsz)
	case addr >= userTop || !inUserSpace(addr, ph.Memsz):
		return fail(linux.EINVAL, "%#x bytes at %#x reach beyond user space, which ends at %#x", ph.Memsz, addr, userTop)
	case ph.Memsz == 0:
		return nil
	case ph.Filesz > 0 && (ph.Off^ph.Vaddr)%engine.PageSize != 0:
		return fail(linux.EINVAL, "offset %#x and address %#x differ modulo the page size", ph.Off, addr)
	case ph.Filesz > 0 && !inFile(ph.Off, ph.Filesz, size):
		return &Error{What: "a truncated ELF file", Why: fmt.Sprintf("program header %d wants %#x bytes at offset %#x, but the file has only %#x",
			index, ph.Filesz, ph.Off, size), Do: rebuild, errno: linux.ENOEXEC}
	}
	if n := len(im.Segments); n > 0 {
		if prev := im.Segments[n-1]; addr < prev.end() {
			return fail(linux.EINVAL, "the segment at %#x comes before or overlaps the one at %#x", addr, prev.Addr)
		}
	}
	s := Segment{Addr: addr, MemSize: ph.Memsz, FileSize: ph.Filesz, Offset: ph.Off}
	for _, f := range [...]struct {
		flag elf.ProgFlag
		prot Prot
	}{{elf.PF_R, Read}, {elf.PF_W, Write}, {elf.PF_X, Exec}} {
		if elf.ProgFlag(ph.Flags)&f.flag != 0 {
			s.Prot |= f.prot
		}
	}
	im.Segments = append(im.Segments, s)
	// Like Linux, ignore alignments that are no power of two.
	if ph.Align&(ph.Align-1) == 0 {
		im.Align = max(im.Align, ph.Align)
	}
	return nil
}

// finish computes what needs all segments.
func (im *Image) finish(hdr *elf.Header64) error {
	if len(im.Segments) == 0 {
		return damaged(linux.EINVAL, "it has no segment to load")
	}
	im.Lo = im.Segments[0].Addr.PageDown()
	im.Hi = pageUp(im.Segments[len(im.Segments)-1].end())
	switch {
	case im.PIE() && im.Entry == 0 && im.Static():
		return &Error{What: "a shared library", Why: "it has no entry point", Do: "give the program that uses it", errno: linux.ENOEXEC}
	case !im.PIE() && im.Lo < minAddr:
		return damaged(linux.EPERM, fmt.Sprintf("its first segment is at %#x; the lowest address a program may use is %#x", im.Lo, minAddr))
	case im.Entry >= userTop:
		return damaged(linux.EINVAL, fmt.Sprintf("its entry point %#x is not in user space", im.Entry))
	}
	for _, s := range im.Segments {
		// Not PT_PHDR: Linux goes by the file offset, and so must we.
		if hdr.Phoff >= s.Offset && hdr.Phoff-s.Offset < s.FileSize {
			im.PhdrAddr, im.HasPhdr = s.Addr+GVA(hdr.Phoff-s.Offset), true
		}
	}
	return nil
}

// inFile reports whether [off, off+n) lies in a file of size bytes.
func inFile(off, n uint64, size int64) bool {
	return size >= 0 && n <= uint64(size) && off <= uint64(size)-n
}

// readFull reads a range that inFile has accepted. A file that has shrunk
// since is truncated.
func readFull(r io.ReaderAt, b []byte, off uint64) error {
	n, err := r.ReadAt(b, int64(off))
	if n == len(b) {
		return nil
	}
	if err == io.EOF || err == nil {
		err = io.ErrUnexpectedEOF
	}
	return err
}
