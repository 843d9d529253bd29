package debug

import (
	"fmt"
	"testing"

	"golang.org/x/arch/x86/x86asm"

	"torov/internal/engine"
	"torov/internal/kernel"
)

func TestAccesses(t *testing.T) {
	regs := &engine.Regs{
		RAX: 0xa000, RBX: 0xb000, RCX: 3, RDX: 0xd000, RSI: 0x51000, RDI: 0xd1000, RSP: 0x7000, RBP: 0x8000, R8: 0x9000, R15: 0x10,
		RIP: 0x400000,
	}
	segs := &engine.Segs{FSBase: 0xf0000, GSBase: 0xe0000}
	for _, c := range []struct {
		name string
		code []byte
		want string
	}{
		{"mov %eax,(%rbx)", []byte{0x89, 0x03}, "w b000+4"},
		{"mov (%rbx),%rax", []byte{0x48, 0x8b, 0x03}, "r b000+8"},
		{"movb $1,0x10(%rbx,%rcx,8)", []byte{0xc6, 0x44, 0xcb, 0x10, 0x01}, "w b028+1"},
		{"add %eax,(%rbx)", []byte{0x01, 0x03}, "rw b000+4"},
		{"lock xadd %eax,(%rbx)", []byte{0xf0, 0x0f, 0xc1, 0x03}, "rw b000+4"},
		{"cmp %eax,(%rbx)", []byte{0x39, 0x03}, "r b000+4"},
		{"cmpl $0,0x20(%rip)", []byte{0x83, 0x3d, 0x20, 0, 0, 0, 0}, "r 400027+4"},
		{"mov %fs:0x10,%rax", []byte{0x64, 0x48, 0x8b, 0x04, 0x25, 0x10, 0, 0, 0}, "r f0010+8"},
		{"mov %rax,-0x10(%rsp) with four bytes", []byte{0x48, 0x89, 0x84, 0x24, 0xf0, 0xff, 0xff, 0xff}, "w 6ff0+8"},
		{"mov -0x200(%rbx),%eax", []byte{0x8b, 0x83, 0x00, 0xfe, 0xff, 0xff}, "r ae00+4"},
		{"movabs 0x80000000,%eax", []byte{0xa1, 0, 0, 0, 0x80, 0, 0, 0, 0}, "r 80000000+4"},
		{"mov (%eax),%ecx", []byte{0x67, 0x8b, 0x08}, "r a000+4"},
		{"push %rax", []byte{0x50}, "w 6ff8+8"},
		{"push (%rbx)", []byte{0xff, 0x33}, "r b000+8, w 6ff8+8"},
		{"call *(%rbx)", []byte{0xff, 0x13}, "r b000+8, w 6ff8+8"},
		{"pop %rax", []byte{0x58}, "r 7000+8"},
		{"ret", []byte{0xc3}, "r 7000+8"},
		{"leave", []byte{0xc9}, "r 8000+8"},
		{"rep movsb", []byte{0xf3, 0xa4}, "r 51000+1, w d1000+1"},
		{"movsq", []byte{0x48, 0xa5}, "r 51000+8, w d1000+8"},
		{"rep stosl", []byte{0xf3, 0xab}, "w d1000+4"},
		{"repne scasb", []byte{0xf2, 0xae}, "r d1000+1"},
		{"cmpsb", []byte{0xa6}, "r 51000+1, r d1000+1"},
		{"movsd %xmm0,(%rbx)", []byte{0xf2, 0x0f, 0x11, 0x03}, "w b000+8"},
		{"movaps (%rbx),%xmm0", []byte{0x0f, 0x28, 0x03}, "r b000+16"},
		{"lea (%rbx),%rax", []byte{0x48, 0x8d, 0x03}, ""},
		{"nopw 0(%rax)", []byte{0x66, 0x0f, 0x1f, 0x00}, ""},
		{"mov %r8,(%r15)", []byte{0x4d, 0x89, 0x07}, "w 10+8"},
		{"incl (%rbx)", []byte{0xff, 0x03}, "rw b000+4"},
	} {
		inst, err := x86asm.Decode(c.code, 64)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		list, known := accessesOf(&inst, regs, segs)
		if got := describe(list); got != c.want || !known {
			t.Errorf("%s: %q, known %v, want %q", c.name, got, known, c.want)
		}
	}
}

func describe(list []access) (s string) {
	for i, a := range list {
		if i > 0 {
			s += ", "
		}
		if a.read {
			s += "r"
		}
		if a.write {
			s += "w"
		}
		s += fmt.Sprintf(" %x+%d", uint64(a.addr), a.size)
	}
	return s
}

// What the processor said of the access that faulted corrects the guess.
func TestFitAccess(t *testing.T) {
	guess := []access{{addr: 0x1000, size: 8, write: true, explicit: true}}
	if got := describe(fit(guess, kernel.Event{Addr: 0x1004})); got != "r 1000+8" {
		t.Error(got)
	}
	stack := []access{{addr: 0x1000, size: 8, write: true}}
	if got := describe(fit(stack, kernel.Event{Addr: 0x1000})); got != "w 1000+8" {
		t.Error(got)
	}
}

func TestPieces(t *testing.T) {
	for _, c := range []struct {
		addr engine.GVA
		n    int
		want string
	}{
		{0x1000, 1, "1000+1"},
		{0x1000, 8, "1000+8"},
		{0x1004, 8, "1004+4 1008+4"},
		{0x1001, 8, "1001+1 1002+2 1004+4 1008+1"},
		{0x1000, 32, "1000+8 1008+8 1010+8 1018+8"},
		{0x1000, 3, "1000+2 1002+1"},
	} {
		got := ""
		for i, r := range pieces(c.addr, c.n, engine.WatchWrite) {
			if i > 0 {
				got += " "
			}
			got += fmt.Sprintf("%x+%d", uint64(r.Addr), r.Len)
		}
		if got != c.want {
			t.Errorf("%d bytes at %#x: %s, want %s", c.n, c.addr, got, c.want)
		}
	}
	if n := len(pieces(0x1000, 1<<20, engine.WatchWrite)); n <= engine.NumDebugRegisters {
		t.Errorf("a megabyte takes %d registers", n)
	}
}

func TestOwnPath(t *testing.T) {
	client := func(n int) string { return fmt.Sprint(idBase + n) }
	for path, want := range map[string]string{
		"/proc/" + client(7) + "/maps":                        "/proc/7/maps",
		"/proc/" + client(7) + "/task/" + client(9) + "/maps": "/proc/7/task/9/maps",
		"/proc/self/maps":                                     "/proc/self/maps",
		"/proc/7/maps":                                        "/proc/7/maps",
		"/proc/" + client(7) + "/fd/" + client(3):             "/proc/7/fd/" + client(3),
		"/home/" + client(7):                                  "/home/" + client(7),
		"/proc":                                               "/proc",
		"just probing":                                        "just probing",
		"":                                                    "",
		"/proc/" + client(7) + "/task/" + client(9) + "/" + client(1): "/proc/7/task/9/" + client(1),
	} {
		if got := ownPath(path); got != want {
			t.Errorf("%s: %s, want %s", path, got, want)
		}
	}
}

// FuzzAccesses: no instruction of the program makes the decoder panic or see
// accesses of absurd size.
func FuzzAccesses(f *testing.F) {
	f.Add([]byte{0x01, 0x03})
	f.Add([]byte{0xf3, 0xa4})
	f.Add([]byte{0xc5, 0xfe, 0x7f, 0x03})
	f.Fuzz(func(t *testing.T, code []byte) {
		inst, err := x86asm.Decode(code, 64)
		if err != nil || inst.Op == 0 {
			return
		}
		list, _ := accessesOf(&inst, &engine.Regs{RSP: 1, RSI: ^uint64(0)}, &engine.Segs{FSBase: 1 << 40})
		for _, a := range list {
			if a.size <= 0 || a.size > 4096 {
				t.Errorf("% x: an access of %d bytes", code, a.size)
			}
		}
		fit(list, kernel.Event{Addr: 1})
	})
}
