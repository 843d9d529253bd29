package loader

import (
	"bytes"
	"debug/elf"
	"errors"
	"slices"
	"testing"

	"torov/internal/linux"
)

func TestPlace(t *testing.T) {
	image := func(align uint64, lo, hi GVA) *Image {
		return &Image{Type: elf.ET_DYN, Entry: lo + 0x10, Lo: lo, Hi: hi, Align: align,
			Segments: []Segment{{Addr: lo, MemSize: uint64(hi - lo)}}}
	}
	for _, c := range []struct {
		name string
		im   *Image
		rnd  uint64
		want GVA
	}{
		{"not randomised, as under setarch -R", image(4096, 0, 0x5000), 0, 0x555555554000},
		{"random bits are pages", image(4096, 0, 0x5000), 5, 0x555555559000},
		{"only 28 of them", image(4096, 0, 0x5000), 1 << 28, 0x555555554000},
		{"linked at an address", image(4096, 0x400000, 0x405000), 0, 0x555555154000},
		{"linked high", image(4096, 0x7f0000000000, 0x7f0000005000), 0, 0xffffd65555554000},
		{"aligned to 2 MiB", image(2<<20, 0, 0x5000), 5, 0x555555400000},
	} {
		if got, err := c.im.Place(c.rnd); err != nil || got != c.want {
			t.Errorf("%s: bias %#x, %v; want %#x", c.name, got, err, c.want)
		}
	}
	fixed := image(4096, 0x400000, 0x405000)
	fixed.Type = elf.ET_EXEC
	if bias, err := fixed.Place(12345); bias != 0 || err != nil {
		t.Errorf("ET_EXEC moved by %#x, %v", bias, err)
	}
	for name, im := range map[string]*Image{
		"too large":   image(4096, 0, userTop),
		"too aligned": image(1<<63, 0, 0x5000),
	} {
		if bias, err := im.Place(0); !errors.Is(err, linux.ENOMEM) {
			t.Errorf("%s: bias %#x, %v", name, bias, err)
		}
	}
	wild := image(4096, 0, 0x5000)
	wild.Entry = userTop - 1
	if _, err := wild.Place(0); !errors.Is(err, linux.EINVAL) {
		t.Errorf("an entry point outside user space: %v", err)
	}
}

func TestBrkAndStackTop(t *testing.T) {
	im := &Image{Hi: 0x405000}
	for rnd, want := range map[uint64]GVA{0: 0x405000, 3: 0x408000, 1 << 18: 0x405000} {
		if got := im.BrkStart(0, rnd); got != want {
			t.Errorf("brk with %#x is %#x, want %#x", rnd, got, want)
		}
	}
	if got := (&Image{Hi: userTop - 4096}).BrkStart(0, 7); got != userTop-4096 {
		t.Errorf("brk beyond user space: %#x", got)
	}
	for rnd, want := range map[uint64]GVA{0: 0x7ffffffff000, 1: 0x7fffffffe000, 1<<64 - 1: 0x7ffffffff000 - (1<<22-1)<<12} {
		if got := StackTop(rnd); got != want {
			t.Errorf("stack top with %#x is %#x, want %#x", rnd, got, want)
		}
	}
}

// Segments that share pages: the later one owns the page.
func TestMappingsShareAPage(t *testing.T) {
	im := &Image{Type: elf.ET_EXEC, Segments: []Segment{
		{Addr: 0x400000, MemSize: 0x1800, FileSize: 0x1800, Prot: Read | Exec},
		{Addr: 0x401900, MemSize: 0x3000, FileSize: 0x100, Offset: 0x2900, Prot: Read | Write},
		{Addr: 0x404a00, MemSize: 0x100, FileSize: 0x100, Offset: 0x3a00, Prot: Read},
		{Addr: 0x404f00, MemSize: 0x10, Prot: Read},
	}}
	want := []Mapping{
		{Start: 0x400000, End: 0x401000, Prot: Read | Exec, File: true},
		{Start: 0x401000, End: 0x402000, Prot: Read | Write, File: true, Offset: 0x2000, Zero: 0x600},
		{Start: 0x402000, End: 0x404000, Prot: Read | Write},
		{Start: 0x404000, End: 0x405000, Prot: Read | Write},
	}
	if got := im.Mappings(0); !slices.Equal(got, want) {
		t.Errorf("mappings\n%+v, want\n%+v", got, want)
	}
}

// Linux cannot clear the rest of a page that is not writable, and goes on.
func TestMappingsReadOnlyBss(t *testing.T) {
	s := Segment{Addr: 0x400010, MemSize: 0x2000, FileSize: 0x20, Offset: 0x10, Prot: Read | Exec}
	want := []Mapping{
		{Start: 0x400000, End: 0x401000, Prot: Read | Exec, File: true},
		{Start: 0x401000, End: 0x403000, Prot: Read | Write | Exec},
	}
	if got := (&Image{Segments: []Segment{s}}).Mappings(0); !slices.Equal(got, want) {
		t.Errorf("mappings\n%+v, want\n%+v", got, want)
	}
}

func TestPlanFlat(t *testing.T) {
	f, err := PlanFlat(1000, FlatStart, 0)
	want := Flat{Memory: Mapping{Start: 0x1000, End: 8 << 20, Prot: Read | Write | Exec}, Entry: 0x400200, Size: 1000, SP: 8 << 20}
	if err != nil || *f != want {
		t.Errorf("plan %+v, %v; want %+v", f, err, want)
	}
	if f, err = PlanFlat(1000, 0x100, 0); err != nil || f.Memory.Start != 0 || f.Entry != 0x100 {
		t.Errorf("image in the first page: %+v, %v", f, err)
	}
	const room = FlatMemory - flatStack - int64(FlatStart)
	for _, c := range []struct {
		name   string
		size   int64
		start  GVA
		memory uint64
		errno  linux.Errno
	}{
		{"as large as possible", room, FlatStart, 0, 0},
		{"one byte more", room + 1, FlatStart, 0, linux.ENOMEM},
		{"enormous", 1<<63 - 1, FlatStart, 0, linux.ENOMEM},
		{"empty", 0, FlatStart, 0, linux.ENOEXEC},
		{"start at the end", 1, FlatMemory, 0, linux.EINVAL},
		{"start wraps", 1 << 12, 1<<64 - 1, 0, linux.EINVAL},
		{"odd memory", 1, 0x1000, 1<<20 + 1, linux.EINVAL},
		{"no memory to speak of", 1, 0x1000, 4096, linux.EINVAL},
		{"too much memory", 1, 0x1000, 1 << 48, linux.EINVAL},
		{"more memory", 100 << 20, FlatStart, 256 << 20, 0},
	} {
		_, err := PlanFlat(c.size, c.start, c.memory)
		if linux.FromHost(err) != c.errno {
			t.Errorf("%s: %v, want %v", c.name, err, c.errno)
		}
	}
}

func TestErrorTellsPeople(t *testing.T) {
	e := newTinyELF().finish()
	e.hdr.Machine = uint16(elf.EM_AARCH64)
	content := e.bytes()
	_, err := Parse(bytes.NewReader(content), int64(len(content)))
	const want = "a program for aarch64: only 64-bit x86-64 programs can run; build it for x86-64 (GOARCH=amd64, gcc -m64)"
	if err == nil || err.Error() != want {
		t.Errorf("%v", err)
	}
}
