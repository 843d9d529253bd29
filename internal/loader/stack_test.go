package loader

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"torov/internal/linux"
)

// dumpProgram writes its whole initial stack to its output: everything from
// RSP to the end of user space. It has no C library and no start-up code.
const dumpProgram = `
__asm__(".globl _start\n_start:\n"
	"mov $1, %edi\n mov %rsp, %rsi\n mov $0x7ffffffff000, %rdx\n sub %rsp, %rdx\n"
	"mov $1, %eax\n syscall\n"
	"xor %edi, %edi\n mov $60, %eax\n syscall\n");`

// The stack must be, byte for byte, the one Linux builds.
func TestStackAgreesWithLinux(t *testing.T) {
	path := compile(t, dumpProgram, "-nostdlib", "-static")
	setarch, err := exec.LookPath("setarch")
	if err != nil {
		t.Skipf("no way to turn address randomisation off: %v", err)
	}
	for _, c := range []struct {
		name      string
		args, env []string
	}{
		{"ordinary", []string{"first", "", "last argument"}, []string{"HOME=/", "EMPTY=", "PATH=/bin:/usr/bin"}},
		{"bare", nil, nil},
		{"many", strings.Split(strings.Repeat("ab ", 500), " "), numbered(300)},
	} {
		t.Run(c.name, func(t *testing.T) {
			cmd := exec.Command(setarch, append([]string{"-R", path}, c.args...)...)
			cmd.Env = c.env
			if c.env == nil {
				cmd.Env = []string{}
			}
			native, err := cmd.Output()
			if err != nil {
				t.Skipf("setarch -R does not work here: %v", err)
			}
			const top = userTop
			sp := top - GVA(len(native))
			info := Info{Args: append([]string{path}, c.args...), Env: cmd.Env, ExecFn: path, Platform: "x86_64"}
			info.Auxv = nativeAuxv(t, native, len(info.Args), len(info.Env))
			for _, e := range info.Auxv {
				if e.Tag == linux.AT_RANDOM {
					copy(info.Random[:], native[GVA(e.Value)-sp:])
				}
			}
			s, err := BuildStack(top, info)
			if err != nil {
				t.Fatal(err)
			}
			if s.SP != sp || !bytes.Equal(s.Image, native) {
				t.Errorf("stack at %#x, Linux has it at %#x\nours  %q\nLinux %q", s.SP, sp, s.Image, native)
			}
		})
	}
}

// numbered returns n different variables: exec.Cmd drops repeated ones.
func numbered(n int) (env []string) {
	for i := range n {
		env = append(env, fmt.Sprintf("X%d=1", i))
	}
	return env
}

// nativeAuxv reads the auxiliary vector out of a stack.
func nativeAuxv(t *testing.T, stack []byte, argc, envc int) (auxv []linux.AuxEntry) {
	t.Helper()
	if got := binary.LittleEndian.Uint64(stack); got != uint64(argc) {
		t.Fatalf("argc is %d, want %d", got, argc)
	}
	for off := (1 + argc + 1 + envc + 1) * 8; ; off += 16 {
		e := linux.AuxEntry{
			Tag:   linux.AuxTag(binary.LittleEndian.Uint64(stack[off:])),
			Value: binary.LittleEndian.Uint64(stack[off+8:]),
		}
		if e.Tag == linux.AT_NULL {
			return auxv
		}
		auxv = append(auxv, e)
	}
}

// Auxv gives the entries Linux gives, in its order.
func TestAuxvAgreesWithLinux(t *testing.T) {
	path := compile(t, dumpProgram, "-nostdlib", "-static")
	im, err := parseFile(t, path)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("setarch", "-R", path)
	cmd.Env = []string{}
	native, err := cmd.Output()
	if err != nil {
		t.Skipf("setarch -R does not work here: %v", err)
	}
	value := map[linux.AuxTag]uint64{}
	var want []linux.AuxEntry
	for _, e := range nativeAuxv(t, native, 1, 0) {
		value[e.Tag] = e.Value
		switch e.Tag {
		case linux.AT_RANDOM, linux.AT_EXECFN, linux.AT_PLATFORM:
			e.Value = 0
		}
		want = append(want, e)
	}
	got := Auxv(AuxInfo{
		Image: im, SysinfoHdr: GVA(value[linux.AT_SYSINFO_EHDR]),
		UID: uint32(os.Getuid()), EUID: uint32(os.Geteuid()), GID: uint32(os.Getgid()), EGID: uint32(os.Getegid()),
		HWCap: value[linux.AT_HWCAP], HWCap2: value[linux.AT_HWCAP2], MinSigStkSz: value[linux.AT_MINSIGSTKSZ],
		RseqFeatureSize: value[linux.AT_RSEQ_FEATURE_SIZE], RseqAlign: value[linux.AT_RSEQ_ALIGN],
	})
	if len(got) != len(want) {
		t.Fatalf("auxv\n%v, Linux has\n%v", got, want)
	}
	for i := range got {
		if got[i] != want[i] {
			t.Errorf("entry %d is %v, Linux has %v", i, got[i], want[i])
		}
	}
}

// The ranges BuildStack reports hold what /proc shows of them.
func TestStackRanges(t *testing.T) {
	s, err := BuildStack(StackTop(0), Info{Args: []string{"a", "bc"}, Env: []string{"X=1", "Y=2"}, ExecFn: "/bin/a", Random: [16]byte{7}})
	if err != nil {
		t.Fatal(err)
	}
	at := func(lo, hi GVA) string { return string(s.Image[lo-s.SP : hi-s.SP]) }
	if got := at(s.ArgStart, s.ArgEnd); got != "a\x00bc\x00" {
		t.Errorf("arguments %q", got)
	}
	if got := at(s.EnvStart, s.EnvEnd); got != "X=1\x00Y=2\x00" {
		t.Errorf("environment %q", got)
	}
	if got := at(s.AuxvAddr, s.AuxvAddr+GVA(len(s.Auxv)*auxSize)); got != string(linux.SliceBytes(s.Auxv)) {
		t.Errorf("auxiliary vector %q", got)
	}
	if s.SP%16 != 0 || s.SP+GVA(len(s.Image)) != StackTop(0) {
		t.Errorf("stack from %#x to %#x", s.SP, s.SP+GVA(len(s.Image)))
	}
	last := s.Auxv[len(s.Auxv)-1]
	if len(s.Auxv) != 3 || last.Tag != linux.AT_NULL {
		t.Errorf("auxiliary vector %v", s.Auxv)
	}
}

// Every number of arguments gives an aligned SP, with and without arguments.
func TestStackAlignment(t *testing.T) {
	for n := range 9 {
		for length := range 17 {
			args := make([]string, n)
			for i := range args {
				args[i] = strings.Repeat("x", length)
			}
			s, err := BuildStack(0x7000_0000, Info{Args: args, ExecFn: "x"})
			if err != nil {
				t.Fatal(err)
			}
			argc := binary.LittleEndian.Uint64(s.Image)
			if s.SP%16 != 0 || argc != uint64(max(n, 1)) {
				t.Errorf("%d arguments of %d: argc %d at %#x", n, length, argc, s.SP)
			}
		}
	}
}

func TestStackLimits(t *testing.T) {
	longest := strings.Repeat("x", linux.MAX_ARG_STRLEN-1)
	list := func(n int) []string {
		l := make([]string, n)
		for i := range l {
			l[i] = longest
		}
		return l
	}
	for _, c := range []struct {
		name  string
		info  Info
		errno linux.Errno
	}{
		{"longest string", Info{Args: []string{longest}}, 0},
		{"longer string", Info{Args: []string{longest + "x"}}, linux.E2BIG},
		{"longer variable", Info{Env: []string{longest + "x"}}, linux.E2BIG},
		{"NUL in an argument", Info{Args: []string{"a\x00b"}}, linux.EINVAL},
		{"2 MiB less something", Info{Args: list(15)}, 0},
		{"2 MiB", Info{Args: list(16)}, linux.E2BIG},
		{"2 MiB together", Info{Args: list(8), Env: list(8)}, linux.E2BIG},
		{"6 MiB, large stack", Info{Args: list(47), StackLimit: 1 << 40}, 0},
		{"more than 6 MiB", Info{Args: list(48), StackLimit: 1 << 40}, linux.E2BIG},
		{"small stack, 128 KiB", Info{Args: []string{longest[:120<<10]}, StackLimit: 4096}, 0},
		{"pointers count", Info{Args: make([]string, 2<<20/9+1)}, linux.E2BIG},
	} {
		_, err := BuildStack(StackTop(0), c.info)
		if linux.FromHost(err) != c.errno {
			t.Errorf("%s: %.80v, want %v", c.name, err, c.errno)
		}
	}
	for _, top := range []GVA{0, 16, 0x7000_0008, userTop + 16} {
		if _, err := BuildStack(top, Info{}); err == nil {
			t.Errorf("a stack ends at %#x", top)
		} else if errors.As(err, new(*Error)) {
			t.Errorf("a caller's mistake looks like the program's: %v", err)
		}
	}
}

func BenchmarkBuildStack(b *testing.B) {
	info := Info{Args: []string{"server", "--port", "80"}, Env: os.Environ(), ExecFn: "/bin/server", Platform: "x86_64"}
	for b.Loop() {
		if _, err := BuildStack(StackTop(0), info); err != nil {
			b.Fatal(err)
		}
	}
}
