package loader

import (
	"bytes"
	"debug/elf"
	"errors"
	"strings"
	"testing"

	"torov/internal/linux"
)

// Each case breaks the tiny ELF in one way. Parse must give errno, and a
// message that contains text; 0 means that it must be accepted.
var hostileCases = []struct {
	name  string
	edit  func(e *tinyELF)
	errno linux.Errno
	text  string
}{
	{"intact", func(e *tinyELF) {}, 0, ""},
	{"static PIE", func(e *tinyELF) {
		e.hdr.Type = uint16(elf.ET_DYN)
		e.hdr.Entry -= tinyBase
		e.phdrs[0].Vaddr = 0
	}, 0, ""},
	{"static PIE at an address", func(e *tinyELF) { e.hdr.Type = uint16(elf.ET_DYN) }, 0, ""},
	{"magic", func(e *tinyELF) { e.hdr.Ident[0] = 0x7e }, linux.ENOEXEC, "not an ELF file"},
	{"script", func(e *tinyELF) { copy(e.hdr.Ident[:], "#!\n") }, linux.ENOEXEC, "a script"},
	{"32-bit", func(e *tinyELF) {
		e.hdr.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS32)
		e.hdr.Machine = uint16(elf.EM_386)
	}, linux.ENOEXEC, "32-bit program for i386"},
	{"x32", func(e *tinyELF) { e.hdr.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS32) }, linux.ENOEXEC, "x32"},
	{"class 7", func(e *tinyELF) { e.hdr.Ident[elf.EI_CLASS] = 7 }, linux.ENOEXEC, "ELF class 7"},
	{"byte order 7", func(e *tinyELF) { e.hdr.Ident[elf.EI_DATA] = 7 }, linux.ENOEXEC, "byte order 7"},
	{"big-endian", func(e *tinyELF) {
		e.hdr.Ident[elf.EI_DATA] = byte(elf.ELFDATA2MSB)
		e.hdr.Machine = 22 << 8
	}, linux.ENOEXEC, "big-endian program for s390"},
	{"machine", func(e *tinyELF) { e.hdr.Machine = uint16(elf.EM_AARCH64) }, linux.ENOEXEC, "a program for aarch64"},
	{"unknown machine", func(e *tinyELF) { e.hdr.Machine = 0xfeed }, linux.ENOEXEC, "number 65261"},
	{"object file", func(e *tinyELF) { e.hdr.Type = uint16(elf.ET_REL) }, linux.ENOEXEC, "link it"},
	{"core file", func(e *tinyELF) { e.hdr.Type = uint16(elf.ET_CORE) }, linux.ENOEXEC, "gdb"},
	{"type 9", func(e *tinyELF) { e.hdr.Type = 9 }, linux.ENOEXEC, "type 9"},
	{"version is not checked", func(e *tinyELF) { e.hdr.Version = 99; e.hdr.Ident[elf.EI_VERSION] = 99 }, 0, ""},
	{"phentsize 0", func(e *tinyELF) { e.hdr.Phentsize = 0 }, linux.ENOEXEC, "0 bytes each"},
	{"phentsize 32", func(e *tinyELF) { e.hdr.Phentsize = 32 }, linux.ENOEXEC, "32 bytes each"},
	{"no phdrs", func(e *tinyELF) { e.hdr.Phnum = 0 }, linux.ENOEXEC, "no program headers"},
	{"too many phdrs", func(e *tinyELF) { e.hdr.Phnum = 1171; e.tail = make([]byte, 1<<17) }, linux.ENOEXEC, "1171 program headers"},
	{"most phdrs", func(e *tinyELF) { e.hdr.Phnum = 1170; e.hdr.Phoff = 4096; e.relocatePhdrs(1170) }, 0, ""},
	{"phnum 0xffff", func(e *tinyELF) { e.hdr.Phnum = 0xffff }, linux.ENOEXEC, "65535 program headers"},
	{"phoff beyond end", func(e *tinyELF) { e.hdr.Phoff = 1 << 20 }, linux.ENOEXEC, "truncated"},
	{"phoff wraps", func(e *tinyELF) { e.hdr.Phoff = 1<<64 - 8 }, linux.ENOEXEC, "truncated"},
	{"phdrs reach beyond end", func(e *tinyELF) { e.hdr.Phnum = 100 }, linux.ENOEXEC, "truncated"},
	{"nothing to load", func(e *tinyELF) { e.phdrs[0].Type = uint32(elf.PT_NOTE) }, linux.EINVAL, "no segment"},
	{"nothing to load in a PIE", func(e *tinyELF) {
		e.hdr.Type = uint16(elf.ET_DYN)
		e.phdrs[0].Type = uint32(elf.PT_NOTE)
	}, linux.EINVAL, "no segment"},
	{"filesz > memsz", func(e *tinyELF) { e.phdrs[0].Memsz-- }, linux.EINVAL, "do not fit"},
	{"memsz beyond user space", func(e *tinyELF) { e.phdrs[0].Memsz = 1 << 47 }, linux.EINVAL, "user space"},
	{"memsz wraps", func(e *tinyELF) { e.phdrs[0].Memsz = 1<<64 - 1 }, linux.EINVAL, "user space"},
	{"vaddr at the top", func(e *tinyELF) { e.phdrs[0].Vaddr = linux.UserTop }, linux.EINVAL, "user space"},
	{"vaddr in the kernel", func(e *tinyELF) { e.phdrs[0].Vaddr = 0xffff_8000_0000_0000 }, linux.EINVAL, "user space"},
	{"vaddr + memsz wraps", func(e *tinyELF) { e.phdrs[0].Vaddr = 1<<64 - 4096 }, linux.EINVAL, "user space"},
	{"misaligned offset", func(e *tinyELF) { e.phdrs[0].Off = 8 }, linux.EINVAL, "page size"},
	{"misaligned vaddr", func(e *tinyELF) { e.phdrs[0].Vaddr++ }, linux.EINVAL, "page size"},
	{"offset beyond end", func(e *tinyELF) { e.phdrs[0].Off = 1 << 30 }, linux.ENOEXEC, "truncated"},
	{"offset wraps", func(e *tinyELF) { e.phdrs[0].Off = 1<<64 - 4096 }, linux.ENOEXEC, "truncated"},
	{"filesz beyond end", func(e *tinyELF) { e.phdrs[0].Filesz = 1 << 20; e.phdrs[0].Memsz = 1 << 20 }, linux.ENOEXEC, "truncated"},
	{"page zero", func(e *tinyELF) { e.phdrs[0].Vaddr = 0 }, linux.EPERM, "lowest address"},
	{"odd alignment is ignored", func(e *tinyELF) { e.phdrs[0].Align = 3 }, 0, ""},
	{"huge alignment is ignored", func(e *tinyELF) { e.phdrs[0].Align = 1 << 63 }, 0, ""},
	{"entry outside all segments", func(e *tinyELF) { e.hdr.Entry = 0x1000 }, 0, ""},
	{"entry in the kernel", func(e *tinyELF) { e.hdr.Entry = 0xffff_ffff_8000_0000 }, linux.EINVAL, "entry point"},
	{"entry not canonical", func(e *tinyELF) { e.hdr.Entry = 1 << 47 }, linux.EINVAL, "entry point"},
	{"library", func(e *tinyELF) { e.hdr.Type = uint16(elf.ET_DYN); e.hdr.Entry = 0 }, linux.ENOEXEC, "a shared library"},
	{"interpreter of one byte", addInterp("\x00"), linux.ENOEXEC, "1 bytes"},
	{"interpreter too long", addInterp("/" + strings.Repeat("x", 4095) + "\x00"), linux.ENOEXEC, "4097 bytes"},
	{"interpreter without end", addInterp("/lib/ld.so"), linux.ENOEXEC, "does not end"},
	{"interpreter without a name", addInterp("\x00\x00"), linux.EACCES, "empty"},
	{"interpreter beyond end", func(e *tinyELF) {
		addInterp("/lib/ld.so\x00")(e)
		e.phdrs[1].Off = 1 << 40
	}, linux.EIO, "beyond the end"},
	{"empty segment", addLoad(elf.Prog64{Vaddr: 0x500000}), 0, ""},
	{"bss segment", addLoad(elf.Prog64{Vaddr: 0x500123, Memsz: 0x3000, Off: 7}), 0, ""},
	{"empty segment in the kernel", addLoad(elf.Prog64{Vaddr: 1 << 63}), linux.EINVAL, "user space"},
	{"descending", addLoad(elf.Prog64{Vaddr: 0x300000, Memsz: 8}), linux.EINVAL, "before or overlaps"},
	{"overlap", addLoad(elf.Prog64{Vaddr: tinyBase + 0x10, Memsz: 8}), linux.EINVAL, "before or overlaps"},
}

// addInterp appends a PT_INTERP header for a path after the code.
func addInterp(path string) func(e *tinyELF) {
	return func(e *tinyELF) {
		e.phdrs = append(e.phdrs, elf.Prog64{Type: uint32(elf.PT_INTERP)})
		e.tail = []byte(path)
		e.finish()
		e.phdrs[1].Off = e.codeOffset() + uint64(len(exit42))
		e.phdrs[1].Filesz, e.phdrs[1].Memsz = uint64(len(path)), uint64(len(path))
	}
}

func addLoad(ph elf.Prog64) func(e *tinyELF) {
	return func(e *tinyELF) {
		ph.Type, ph.Flags = uint32(elf.PT_LOAD), uint32(elf.PF_R|elf.PF_W)
		e.phdrs = append(e.phdrs, ph)
		e.finish()
	}
}

// relocatePhdrs puts a table of n headers, all but the first of them unused,
// at file offset 4096.
func (e *tinyELF) relocatePhdrs(n int) {
	e.tail = make([]byte, 4096+n*phdrSize)
	var b bytes.Buffer
	table := make([]elf.Prog64, n)
	table[0] = e.phdrs[0]
	table[0].Filesz, table[0].Memsz = 4096, 4096
	copyInto(&b, table)
	copy(e.tail[4096-int(e.codeOffset())-len(exit42):], b.Bytes())
}

func TestParseHostile(t *testing.T) {
	for _, c := range hostileCases {
		t.Run(c.name, func(t *testing.T) {
			e := newTinyELF().finish()
			c.edit(e)
			content := e.bytes()
			im, err := Parse(bytes.NewReader(content), int64(len(content)))
			var errno linux.Errno
			if err != nil {
				var typed *Error
				if !errors.As(err, &typed) {
					t.Fatalf("%v is no *Error", err)
				}
				errno = typed.Errno()
				if !strings.Contains(err.Error(), c.text) || typed.Do == "" {
					t.Errorf("message %q; want %q and advice", err, c.text)
				}
			}
			if errno != c.errno {
				t.Errorf("Parse: %v, want %v", err, c.errno)
			}
			native, _ := execNatively(t, writeProgram(t, content))
			switch {
			case native.errno != 0 && errno != native.errno:
				t.Errorf("Linux refuses with %v, Parse gives %v", native.errno, errno)
			case native == outcome{status: 42} && err != nil && !stricter[c.name]:
				t.Errorf("Linux runs it, Parse says: %v", err)
			case err == nil && im == nil:
				t.Error("no image and no error")
			}
		})
	}
}

// stricter are the cases Linux runs and Parse refuses on purpose.
var stricter = map[string]bool{
	"x32": true, "class 7": true, "byte order 7": true, // Linux ignores e_ident
	"descending": true, "overlap": true, // the ELF specification forbids them
	"page zero":         true, // allowed to root
	"filesz beyond end": true, // a SIGBUS waiting to happen
}

func TestParseTruncated(t *testing.T) {
	whole := newTinyELF().finish().bytes()
	for size := range len(whole) {
		_, err := Parse(bytes.NewReader(whole[:size]), int64(size))
		if !errors.Is(err, linux.ENOEXEC) {
			t.Errorf("%d of %d bytes: %v", size, len(whole), err)
		}
	}
	// A file that shrinks while it is read fails, too.
	if _, err := Parse(bytes.NewReader(whole[:70]), int64(len(whole))); err == nil {
		t.Error("a file that has shrunk is accepted")
	}
}

func TestParseInterpreterErrors(t *testing.T) {
	e := newTinyELF().finish()
	e.hdr.Machine = uint16(elf.EM_AARCH64)
	content := e.bytes()
	if _, err := ParseInterpreter(bytes.NewReader(content), int64(len(content))); !errors.Is(err, linux.ELIBBAD) {
		t.Errorf("foreign interpreter: %v, want ELIBBAD", err)
	}
	e = newTinyELF().finish()
	addInterp("/lib/other.so\x00")(e)
	content = e.bytes()
	im, err := ParseInterpreter(bytes.NewReader(content), int64(len(content)))
	if err != nil || !im.Static() {
		t.Errorf("the interpreter of an interpreter is not ignored: %+v, %v", im, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, c := range hostileCases {
		e := newTinyELF().finish()
		c.edit(e)
		if b := e.bytes(); len(b) < 8192 {
			f.Add(b)
		}
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		im, err := Parse(bytes.NewReader(content), int64(len(content)))
		if err != nil {
			if im != nil {
				t.Fatal("image and error")
			}
			return
		}
		bias, err := im.Place(0xdeadbeefcafe)
		if err != nil {
			return
		}
		checkMappings(t, im, bias, int64(len(content)))
	})
}

// checkMappings tests what must hold for every image.
func checkMappings(t *testing.T, im *Image, bias GVA, size int64) {
	t.Helper()
	last := GVA(0)
	for _, m := range im.Mappings(bias) {
		switch {
		case m.Start%4096 != 0 || m.End%4096 != 0 || m.Offset%4096 != 0:
			t.Fatalf("not page-aligned: %+v", m)
		case m.Start < last || m.End <= m.Start || m.End > userTop || m.Start < minAddr:
			t.Fatalf("out of order or range after %#x: %+v", last, m)
		case m.Start < im.Lo+bias || m.End > im.Hi+bias:
			t.Fatalf("outside of the image: %+v", m)
		case m.Zero >= 4096 || m.Zero > 0 && (!m.File || m.Prot&Write == 0):
			t.Fatalf("nonsense to clear: %+v", m)
		case m.File && m.Offset+uint64(m.End-m.Start) >= uint64(size)+4096:
			t.Fatalf("beyond the file's %d bytes: %+v", size, m)
		}
		last = m.End
	}
	if brk := im.BrkStart(bias, 1<<63|12345); brk < im.Hi+bias || brk >= userTop+1 || brk%4096 != 0 {
		t.Fatalf("brk at %#x after image end %#x", brk, im.Hi+bias)
	}
}
