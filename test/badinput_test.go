package test

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// refusal fails the test unless torov ended by itself with an error that a
// person can use: at most a few lines, every word of words in them, and no
// trace of its insides.
func refusal(t *testing.T, r result, words ...string) {
	t.Helper()
	if !strings.HasPrefix(r.status, "exit status") || r.status == "exit status 0" {
		t.Errorf("ended with %s, want a status other than 0", r.status)
	}
	if r.stdout != "" {
		t.Errorf("printed on stdout: %q", r.stdout)
	}
	if n := strings.Count(r.stderr, "\n"); n == 0 || n > 5 || len(r.stderr) > 2000 {
		t.Errorf("%d bytes in %d lines on stderr, want a few whole lines", len(r.stderr), n)
	}
	for _, word := range append([]string{"torov"}, words...) {
		if !strings.Contains(strings.ToLower(r.stderr), strings.ToLower(word)) {
			t.Errorf("the error does not mention %q", word)
		}
	}
	if insides.MatchString(r.stderr) {
		t.Errorf("the error shows torov's insides")
	}
	if t.Failed() {
		t.Logf("stderr:\n%s", r.stderr)
	}
}

var insides = regexp.MustCompile(`panic|goroutine \d|runtime error|\.go:\d|%!`)

// brokenELF are programs with something wrong; Linux decides which of them
// run all the same.
var brokenELF = map[string]func(*elfFile) []byte{
	"sound":                 func(f *elfFile) []byte { return f.bytes() },
	"32-bit class":          func(f *elfFile) []byte { f.Ident[elf.EI_CLASS] = byte(elf.ELFCLASS32); return f.bytes() },
	"big-endian":            func(f *elfFile) []byte { f.Ident[elf.EI_DATA] = byte(elf.ELFDATA2MSB); return f.bytes() },
	"other machine":         func(f *elfFile) []byte { f.Machine = uint16(elf.EM_AARCH64); return f.bytes() },
	"relocatable":           func(f *elfFile) []byte { f.Type = uint16(elf.ET_REL); return f.bytes() },
	"core file":             func(f *elfFile) []byte { f.Type = uint16(elf.ET_CORE); return f.bytes() },
	"no type":               func(f *elfFile) []byte { f.Type = 0; return f.bytes() },
	"other system":          func(f *elfFile) []byte { f.Ident[elf.EI_OSABI] = 9; return f.bytes() },
	"bad version":           func(f *elfFile) []byte { f.Version = 7; return f.bytes() },
	"small program headers": func(f *elfFile) []byte { f.Phentsize = 32; return f.bytes() },
	"large program headers": func(f *elfFile) []byte { f.Phentsize = 64; return f.bytes() },
	"no program headers":    func(f *elfFile) []byte { f.Phnum = 0; return f.bytes() },
	"65535 program headers": func(f *elfFile) []byte { f.Phnum = 0xffff; return f.bytes() },
	"headers beyond file":   func(f *elfFile) []byte { f.Phoff = 1 << 20; return f.bytes() },
	"headers at 2^64-1":     func(f *elfFile) []byte { f.Phoff = ^uint64(0); return f.bytes() },
	"headers at 2^63":       func(f *elfFile) []byte { f.Phoff = 1 << 63; return f.bytes() },
	"nothing to load":       func(f *elfFile) []byte { f.progs[0].Type = uint32(elf.PT_NOTE); return f.bytes() },
	"file part too large":   func(f *elfFile) []byte { f.progs[0].Memsz = 16; return f.bytes() },
	"file part beyond file": func(f *elfFile) []byte { f.progs[0].Filesz, f.progs[0].Memsz = 1<<20, 1<<20; return f.bytes() },
	"empty segment":         func(f *elfFile) []byte { f.progs[0].Filesz, f.progs[0].Memsz = 0, 0; return f.bytes() },
	"offset beyond file":    func(f *elfFile) []byte { f.progs[0].Off = 1 << 30; return f.bytes() },
	"offset overflows":      func(f *elfFile) []byte { f.progs[0].Off = ^uint64(0) &^ 0xfff; return f.bytes() },
	"address and offset disagree": func(f *elfFile) []byte {
		f.progs[0].Vaddr += 0x10
		return f.bytes()
	},
	"address 0":             func(f *elfFile) []byte { f.progs[0].Vaddr = 0; return f.bytes() },
	"address in the kernel": func(f *elfFile) []byte { f.progs[0].Vaddr = 0xffff800000000000; return f.bytes() },
	"address too high":      func(f *elfFile) []byte { f.progs[0].Vaddr = 0x7fffffffe000; return f.bytes() },
	"address overflows":     func(f *elfFile) []byte { f.progs[0].Vaddr = ^uint64(0) &^ 0xfff; return f.bytes() },
	"size overflows":        func(f *elfFile) []byte { f.progs[0].Memsz = ^uint64(0); return f.bytes() },
	"size of 128 TiB":       func(f *elfFile) []byte { f.progs[0].Memsz = 1 << 47; return f.bytes() },
	"odd alignment":         func(f *elfFile) []byte { f.progs[0].Align = 3; return f.bytes() },
	"huge alignment":        func(f *elfFile) []byte { f.progs[0].Align = 1 << 62; return f.bytes() },
	"overlapping segments":  func(f *elfFile) []byte { f.add(f.progs[0]); return f.bytes() },
	"descending segments": func(f *elfFile) []byte {
		p := f.progs[0]
		p.Vaddr -= 0x100000
		f.add(p)
		return f.bytes()
	},
	"entry outside":         func(f *elfFile) []byte { f.Entry = 0x10000000; return f.bytes() },
	"entry in the kernel":   func(f *elfFile) []byte { f.Entry = 0xffffffff81000000; return f.bytes() },
	"entry 0":               func(f *elfFile) []byte { f.Entry = 0; return f.bytes() },
	"not executable":        func(f *elfFile) []byte { f.progs[0].Flags = uint32(elf.PF_R); return f.bytes() },
	"no permissions":        func(f *elfFile) []byte { f.progs[0].Flags = 0; return f.bytes() },
	"missing interpreter":   func(f *elfFile) []byte { f.interpreter("/missing/ld.so\x00"); return f.bytes() },
	"unended interpreter":   func(f *elfFile) []byte { f.interpreter("/lib64/ld.so"); return f.bytes() },
	"empty interpreter":     func(f *elfFile) []byte { f.interpreter("\x00"); return f.bytes() },
	"one-byte interpreter":  func(f *elfFile) []byte { f.interpreter("x"); return f.bytes() },
	"directory interpreter": func(f *elfFile) []byte { f.interpreter("/tmp\x00"); return f.bytes() },
	"text interpreter":      func(f *elfFile) []byte { f.interpreter("/etc/passwd\x00"); return f.bytes() },
	"long interpreter":      func(f *elfFile) []byte { f.interpreter("/" + strings.Repeat("x", 5000) + "\x00"); return f.bytes() },
	"interpreter beyond": func(f *elfFile) []byte {
		f.interpreter("/lib\x00")
		f.progs[1].Off = 1 << 40
		return f.bytes()
	},
	"interpreter of 2^63": func(f *elfFile) []byte {
		f.interpreter("/lib\x00")
		f.progs[1].Filesz = 1 << 63
		return f.bytes()
	},
	"code that faults":  func(f *elfFile) []byte { f.code = []byte{0x0f, 0x0b}; return f.bytes() },
	"code that is not":  func(f *elfFile) []byte { f.code = nil; return f.bytes() },
	"empty":             func(*elfFile) []byte { return nil },
	"magic alone":       func(f *elfFile) []byte { return f.bytes()[:4] },
	"half a header":     func(f *elfFile) []byte { return f.bytes()[:32] },
	"header alone":      func(f *elfFile) []byte { return f.bytes()[:64] },
	"half a program":    func(f *elfFile) []byte { return f.bytes()[:100] },
	"no code":           func(f *elfFile) []byte { return f.bytes()[:elfCode] },
	"text":              func(*elfFile) []byte { return []byte("hello, this is text\n") },
	"zeros":             func(*elfFile) []byte { return make([]byte, 8192) },
	"script of nothing": func(*elfFile) []byte { return []byte("#!\n") },
	"script of missing": func(*elfFile) []byte { return []byte("#!/missing/sh -x\n") },
	"script of itself":  func(*elfFile) []byte { return []byte("#!./program\n") },
	"script, unended":   func(*elfFile) []byte { return []byte("#!/" + strings.Repeat("x", 300)) },
	"Windows program":   func(*elfFile) []byte { return append([]byte("MZ"), make([]byte, 510)...) },
}

// refusable are the programs that Linux runs, for it does not look at what is
// wrong, but that torov may refuse.
var refusable = []string{"32-bit class", "big-endian", "overlapping segments", "descending segments", "file part beyond file"}

func TestBrokenELF(t *testing.T) {
	needKVM(t)
	for i, name := range slices.Sorted(maps.Keys(brokenELF)) {
		if !inSample(i) {
			continue
		}
		broken := brokenELF[name]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			asNative(t, broken(newELF()), slices.Contains(refusable, name))
		})
	}
	// Random damage to the headers, the same in every run.
	for seed := range uint64(40) {
		if !inSample(int(seed)) {
			continue
		}
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			r := rand.New(rand.NewPCG(seed, 1))
			data := newELF().bytes()
			for range 1 + r.IntN(4) {
				data[4+r.IntN(64+56-4)] = byte(r.Uint32())
			}
			asNative(t, data, true)
		})
	}
}

// asNative runs a file natively and under torov. What Linux refuses torov
// must refuse with a clear error; what runs must end the same way, unless it
// is refusable; what Linux kills torov may refuse or kill.
func asNative(t *testing.T, data []byte, refusable bool) {
	dir := t.TempDir()
	path := filepath.Join(dir, "program")
	if err := writeProgram(path, data); err != nil {
		t.Fatal(err)
	}
	c := command{path: "./program", dir: dir}
	native, err := runNative(t, c)
	r := run(t, c.inVM(t))
	if err == nil && r == native {
		return
	}
	t.Logf("natively: %v %v", native.status, err)
	if err != nil || refusable || strings.HasPrefix(native.status, "signal") {
		refusal(t, r, "program")
	} else {
		t.Errorf("natively %+v, under torov %+v", native, r)
	}
}

// runNative is run, but a file that Linux refuses to execute is an answer.
func runNative(t *testing.T, c command) (result, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), defaultTimeout(t))
	defer cancel()
	cmd := prepare(ctx, c)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return result{}, err
	}
	return result{stdout: stdout.String(), stderr: stderr.String(), status: cmd.ProcessState.String()}, nil
}

// writeProgram writes a file that is executed next. No child may be forked
// meanwhile: it would hold the file open for writing until it executes, and
// Linux would say ETXTBSY.
func writeProgram(path string, data []byte) error {
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	return os.WriteFile(path, data, 0o755)
}

func TestBadProgram(t *testing.T) {
	needKVM(t)
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	for name, mode := range map[string]os.FileMode{"unreadable": 0, "data": 0o644} {
		if err := os.WriteFile(at(name), newELF().bytes(), mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(syscall.Mkfifo(at("fifo"), 0o777), os.Symlink("loop", at("loop"))); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path  string
		words []string
	}{
		{at("missing"), []string{"missing", "no such"}},
		{at("missing/deep"), []string{"deep", "no such"}},
		{at("unreadable"), []string{"unreadable", "executable"}},
		{at("data"), []string{"data", "executable"}},
		{at("data/x"), []string{"data/x"}},
		{at("fifo"), []string{"fifo"}},
		{at("loop"), []string{"loop"}},
		{dir, []string{"directory"}},
		{"/dev/null", []string{"/dev/null"}},
		{"/dev/zero", []string{"/dev/zero"}},
		{at(strings.Repeat("n", 300)), nil},
		{"", nil},
	} {
		t.Run(filepath.Base(c.path), func(t *testing.T) {
			refusal(t, run(t, command{path: c.path}.inVM(t)), c.words...)
		})
	}
}

func TestBadConfig(t *testing.T) {
	needKVM(t)
	dir := t.TempDir()
	for name, size := range map[string]int{"small": 100, "large": 9 << 20} {
		if err := os.WriteFile(filepath.Join(dir, name), make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		text  string
		words []string
	}{
		"empty":             {"", []string{"config.json"}},
		"not JSON":          {"Binary = small\n", []string{"config.json:1:"}},
		"unended":           {"{\n\"Binary\": \"small\"", []string{"config.json:2:"}},
		"trailing data":     {"{\"Binary\": \"small\"}\n{}", []string{"config.json:2:"}},
		"a list":            {"[1, 2]", []string{"config.json"}},
		"unknown field":     {"{\"Binary\": \"small\",\n \"Hypercall\": []}", []string{"config.json:2:", "Hypercalls"}},
		"wrong type":        {"{\"Binary\": 5}", []string{"config.json:1:", "Binary"}},
		"no Binary":         {"{\"Startaddr\": \"400200\"}", []string{"Binary"}},
		"missing Binary":    {"{\"Binary\": \"nowhere\"}", []string{"nowhere"}},
		"directory Binary":  {"{\"Binary\": \".\"}", []string{"Binary"}},
		"bad address":       {"{\"Binary\": \"small\", \"Startaddr\": \"40020g\"}", []string{"Startaddr"}},
		"address too high":  {"{\"Binary\": \"small\", \"Startaddr\": \"ffffff\"}", []string{"ffffff"}},
		"address overflows": {"{\"Binary\": \"small\", \"Startaddr\": \"ffffffffffffffff\"}", nil},
		"image too large":   {"{\"Binary\": \"large\"}", []string{"large"}},
		"bad port":          {"{\"Binary\": \"small\", \"Debug\": {\"Allowed\": true, \"Port\": 70000}}", []string{"Port", "70000"}},
		"bad boolean":       {"{\"Binary\": \"small\", \"Newpid\": \"Maybe\"}", []string{"Newpid"}},
		"unknown call":      {"{\"Binary\": \"small\", \"Hypercalls\": [{\"Name\": \"wriet\", \"Allowed\": true}]}", []string{"wriet"}},
		"missing root":      {"{\"Binary\": \"small\", \"MountPoint\": \"nowhere\"}", []string{"nowhere"}},
		"binary":            {string([]byte{0, 1, 2, 0xff, 0xfe}), []string{"config.json"}},
		"deep":              {strings.Repeat("[", 100000), []string{"config.json"}},
		"huge":              {strings.Repeat(" ", 20<<20) + "{}", []string{"config.json"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, "config.json")
			if err := os.WriteFile(path, []byte(c.text), 0o644); err != nil {
				t.Fatal(err)
			}
			refusal(t, run(t, command{path: torov(t), args: []string{"run", path}}), c.words...)
		})
	}
	refusal(t, run(t, command{path: torov(t), args: []string{"run", filepath.Join(dir, "none.json")}}), "none.json")
}

func TestBadFlags(t *testing.T) {
	needKVM(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for _, c := range []struct {
		flags []string
		words []string
	}{
		{[]string{"--no-such-flag"}, []string{"no-such-flag"}},
		{[]string{"--allow", "fiel"}, []string{"fiel"}},
		{[]string{"--env", "no-equals-sign"}, []string{"no-equals-sign"}},
		{[]string{"--root", "/no/such/root"}, []string{"/no/such/root"}},
		{[]string{"--cwd", "/no/such/cwd"}, []string{"/no/such/cwd"}},
		{[]string{"--gdb", "nonsense"}, []string{"nonsense"}},
		{[]string{"--gdb", ":99999"}, []string{"99999"}},
		{[]string{"--gdb", taken.Addr().String()}, []string{"in use"}},
		{[]string{"--gdb", "unix:/no/such/dir/socket"}, []string{"/no/such/dir"}},
	} {
		t.Run(strings.Join(c.flags, " "), func(t *testing.T) {
			refusal(t, run(t, command{path: filepath.Join(programs(t), "musl/ending")}.underTorov(t, c.flags...)), c.words...)
		})
	}
	refusal(t, run(t, command{path: torov(t), args: []string{"run"}}))
	refusal(t, run(t, command{path: torov(t), args: []string{"no-such-verb"}}), "no-such-verb")
}

// TestNoKVM: without a usable /dev/kvm torov says what is wrong and what to
// do. A mount namespace of its own hides the device from it.
func TestNoKVM(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root may hide /dev/kvm in a mount namespace")
	}
	program := filepath.Join(programs(t), "musl/ending")
	for name, mount := range map[string]string{
		"missing": "mount -t tmpfs none /dev",
		"no KVM":  "mount --bind /dev/null /dev/kvm",
		"denied":  "mount -t tmpfs -o mode=755,nodev none /dev && mknod /dev/kvm c 10 232",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := os.Stat("/dev/kvm"); name == "no KVM" && err != nil {
				t.Skipf("nothing to hide: %v", err)
			}
			script := fmt.Sprintf(`%s && exec "$0" run -A -- "$1"`, mount)
			r := run(t, command{path: busybox, args: []string{"unshare", "-m", busybox, "sh", "-c", script, torov(t), program}})
			refusal(t, r, "/dev/kvm")
		})
	}
}
