package syscalls

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/engine/fake"
	"torov/internal/kernel"
	"torov/internal/linux"
)

// Where the fuzzed program has memory: flat, from the first mapped page to
// fuzzMemory.
const (
	fuzzCode   = 0x400000
	fuzzData   = 0x500000
	fuzzMemory = 8 << 20
)

// fuzzSkipped are calls that say nothing about torov or too much to the host:
// they flush the host's disks.
var fuzzSkipped = []string{"sync", "syncfs"}

// fuzzProgram is a program whose every instruction is a system call, taken
// from the fuzzer's bytes.
type fuzzProgram struct {
	mu    sync.Mutex
	in    []byte
	calls int
	last  string
	names []uint64
	good  map[string]int // successes by name
}

// Enter and Leave implement Hook: they count what succeeds.
func (p *fuzzProgram) Enter(*kernel.Thread, *Call, uint64, Args) {}

func (p *fuzzProgram) Leave(_ *kernel.Thread, c *Call, _ uint64, _ Args, _ uint64, errno linux.Errno) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if c != nil && errno == 0 && p.good != nil {
		p.good[c.Name]++
	}
}

func (p *fuzzProgram) byte() byte {
	if len(p.in) == 0 {
		return 0
	}
	b := p.in[0]
	p.in = p.in[1:]
	return b
}

// argument is a number that means something to some call.
func (p *fuzzProgram) argument() uint64 {
	b := uint64(p.byte())
	switch p.byte() % 16 {
	case 0, 1, 2:
		return b % 16 // descriptors, small numbers
	case 3, 4, 5, 6:
		return fuzzData + b*8 // structures, strings, iovecs
	case 7:
		return fuzzData + b*engine.PageSize - 4
	case 8:
		return ^b // -1, -2, …, AT_FDCWD among them
	case 9:
		return 1 << (b % 64) // flags
	case 10:
		return 1<<(b%64) - 1
	case 11:
		return fuzzMemory - b
	case 12:
		return b << 47
	case 13:
		return []uint64{0xfffffffffffff000, uint64(1)<<63 - 1, 0x7ffffffff000, 0x7fffffffefff, 0xffffffff80000000, 0x100000000}[b%6]
	case 14:
		return b<<8 | uint64(p.byte())
	}
	return b * engine.PageSize
}

// run is fake.Machine.Program: the next instruction.
func (p *fuzzProgram) run(c *fake.CPU) engine.Exit {
	p.mu.Lock()
	defer p.mu.Unlock()
	r := c.Regs()
	r.RIP, r.RSP = fuzzCode+2, fuzzMemory-1024
	if len(p.in) < 4 || p.calls > 300 {
		r.RAX, r.RDI = unix.SYS_EXIT_GROUP, 0
		return engine.Exit{Kind: engine.ExitSyscall}
	}
	p.calls++
	r.RAX = p.names[(int(p.byte())|int(p.byte())<<8)%len(p.names)]
	if c := Lookup(r.RAX); c != nil {
		p.last = c.Name
	}
	if (p.last == "exit" || p.last == "exit_group") && p.byte()%32 != 0 {
		r.RAX = unix.SYS_GETPPID
	}
	for _, a := range []*uint64{&r.RDI, &r.RSI, &r.RDX, &r.R10, &r.R8, &r.R9} {
		*a = p.argument()
	}
	if p.byte() == 0 {
		return engine.Exit{Kind: engine.ExitException, Vector: engine.VectorPF, Addr: engine.GVA(r.RDI), ErrorCode: engine.FaultUser | r.RSI&2}
	}
	return engine.Exit{Kind: engine.ExitSyscall}
}

// fuzzTracer keeps signals from ending the program, and takes it out of calls
// that wait.
type fuzzTracer struct{}

func (fuzzTracer) Event(t *kernel.Thread, e kernel.Event) linux.SigInfo {
	switch e.Kind {
	case kernel.EventSignal:
		return linux.SigInfo{}
	case kernel.EventPause:
		if t.Waiting() != "" {
			t.Regs().RAX, t.OrigRAX = 0, -1
		}
	}
	return e.Info
}

func (fuzzTracer) Created(*kernel.Thread)                         {}
func (fuzzTracer) WantsSyscalls(*kernel.Thread, uint64) bool      { return false }
func (fuzzTracer) Exiting(*kernel.Process)                        {}
func (fuzzTracer) ProcessExit(*kernel.Process, kernel.ExitStatus) {}

// nobody is the user that random calls are made as: with a mistake in what
// confines them, root's would change the machine.
const nobody = 65534

// flagSet reports whether go test gave this process a flag.
func flagSet(name string) bool {
	f := flag.Lookup(name)
	return f != nil && f.Value.String() != "" && f.Value.String() != "false"
}

// giveUpRoot makes a worker of the fuzzer, which does nothing else, nobody's.
func giveUpRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		return
	}
	if !flagSet("test.fuzzworker") {
		t.Fatal("random calls are not made as root")
	}
	if err := errors.Join(syscall.Setgroups(nil), syscall.Setresgid(nobody, nobody, nobody), syscall.Setresuid(nobody, nobody, nobody)); err != nil {
		t.Fatal(err)
	}
}

// fuzzScratch is a directory whose part "root" is all the program may reach.
func fuzzScratch(t *testing.T) string {
	t.Helper()
	base := t.TempDir()
	t.Cleanup(func() {
		// The program may have taken directories away from itself.
		_ = filepath.WalkDir(base, func(path string, d fs.DirEntry, err error) error {
			if d != nil && d.IsDir() {
				return os.Chmod(path, 0o700)
			}
			return nil
		})
	})
	for _, name := range []string{"root/d", "outside"} {
		if err := os.MkdirAll(filepath.Join(base, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range map[string]string{"root/f": "contents of a file", "outside/secret": "secret", "image": "\x90"} {
		if err := os.WriteFile(filepath.Join(base, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return base
}

// fuzzData fills the program's memory with what calls read: paths, pointers.
func fillFuzzMemory(as interface {
	CopyOut(engine.GVA, []byte) (int, linux.Errno)
}, r *rand.Rand) {
	paths := []string{"f\x00", "/d\x00", "..\x00", "../outside/secret\x00", "/proc/self/maps\x00", "/proc/self/fd/3\x00", "/dev/null\x00", "d/new\x00", "\x00"}
	var data []byte
	for len(data) < 64<<10 {
		switch r.IntN(4) {
		case 0:
			data = append(data, paths[r.IntN(len(paths))]...)
		case 1: // an iovec, or a timespec far away
			for _, v := range []uint64{fuzzData + uint64(r.IntN(1<<20)), uint64(r.IntN(5000))} {
				for i := range 8 {
					data = append(data, byte(v>>(8*i)))
				}
			}
		case 2:
			data = append(data, make([]byte, 8+r.IntN(64))...)
		case 3:
			for range 8 {
				data = append(data, byte(r.Uint32()))
			}
		}
		for len(data)%8 != 0 {
			data = append(data, 0)
		}
	}
	_, _ = as.CopyOut(fuzzData, data)
}

// FuzzSyscalls runs whole threads of a program that makes any call with any
// arguments: nothing panics, nothing hangs, nothing outside the program's root
// is read or changed, and no descriptor of the host's is left open.
func FuzzSyscalls(f *testing.F) {
	if os.Geteuid() == 0 && !flagSet("test.fuzz") && !flagSet("test.fuzzworker") {
		f.Skip("random calls are not made as root; TestRandomSyscalls makes them as nobody")
	}
	r := rand.New(rand.NewPCG(1, 2))
	for range 12 {
		in := make([]byte, 3000)
		for i := range in {
			in[i] = byte(r.Uint32())
		}
		f.Add(in)
	}
	var names []uint64
	for _, c := range Table() {
		if !slices.Contains(fuzzSkipped, c.Name) {
			names = append(names, c.Nr)
		}
	}
	names = append(names, 335, 600, 1<<40)
	f.Fuzz(func(t *testing.T, in []byte) {
		giveUpRoot(t)
		base := fuzzScratch(t)
		p := &fuzzProgram{in: in, names: names}
		machine, err := fake.New(32 << 20)
		if err != nil {
			t.Fatal(err)
		}
		machine.Program, machine.MaxCPUs = p.run, 4
		fuzzRun(t, machine, p, base)
		if err := machine.Close(); err != nil {
			t.Error(err)
		}
		entries, err := os.ReadDir(base)
		secret, _ := os.ReadFile(filepath.Join(base, "outside/secret"))
		outside, _ := os.ReadDir(filepath.Join(base, "outside"))
		if err != nil || len(entries) != 3 || string(secret) != "secret" || len(outside) != 1 {
			t.Errorf("beside the root: %v, outside %v, secret %q, %v", entries, outside, secret, err)
		}
	})
}

// fuzzStdio are standard descriptors on which a host call would block for ever:
// an empty pipe, a full one. They are nobody else's, for fchmod works on them too.
func fuzzStdio(t *testing.T) (stdio [3]*kernel.File, done func()) {
	t.Helper()
	var empty, full [2]int
	if err := errors.Join(unix.Pipe2(empty[:], unix.O_CLOEXEC), unix.Pipe2(full[:], unix.O_CLOEXEC)); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.FcntlInt(uintptr(full[1]), unix.F_SETPIPE_SZ, engine.PageSize); err != nil {
		t.Fatal(err)
	}
	if _, err := unix.Write(full[1], make([]byte, engine.PageSize)); err != nil {
		t.Fatal(err)
	}
	file, err := unix.MemfdCreate("stdio", unix.MFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	for i, fd := range []int{empty[0], full[1], file} {
		stdio[i] = kernel.NewFile(fd, fmt.Sprintf("stdio:[%d]", i), false, false)
	}
	return stdio, func() { _ = errors.Join(unix.Close(empty[1]), unix.Close(full[0])) }
}

func fuzzRun(t *testing.T, machine *fake.Machine, p *fuzzProgram, base string) {
	t.Helper()
	stdio, done := fuzzStdio(t)
	defer done()
	image, err := os.Open(filepath.Join(base, "image"))
	if err != nil {
		t.Fatal(err)
	}
	defer image.Close()
	// Nobody would take the threads of other processes out of calls that wait.
	d := NewDispatcher(Permissions{All: true, Deny: []string{"net", "process"}}, p)
	k := kernel.New(kernel.Config{
		Machine: machine, Syscall: d.Syscall, Permits: d.Permits, Tracer: fuzzTracer{}, Log: io.Discard, Root: filepath.Join(base, "root"), PID: 1 << 23,
		Random: func(b []byte) { clear(b) },
	})
	p.mu.Lock() // until the memory is filled
	proc, err := k.Start(kernel.Program{File: image, Path: "/image", Args: []string{"image"}, Flat: &kernel.Flat{Start: fuzzCode, Memory: fuzzMemory}, Stdio: stdio})
	if err != nil {
		p.mu.Unlock()
		t.Fatal(err)
	}
	fillFuzzMemory(proc.AS(), rand.New(rand.NewPCG(3, uint64(len(p.in)))))
	for _, limit := range []int{unix.RLIMIT_FSIZE, unix.RLIMIT_NOFILE} {
		proc.SetLimit(limit, linux.Rlimit{Cur: 64, Max: 1 << 16})
	}
	p.mu.Unlock()
	keepGoing(t, k, proc, p)
	if _, err := k.Wait(); err != nil {
		t.Errorf("the VMM failed: %v", err)
	}
	if n := machine.InUse(); n != 0 {
		t.Errorf("%d CPUs are not released", n)
	}
	if errno := proc.AS().Unmap(0x10000, 0x7fffffff0000-0x10000); errno != 0 {
		t.Errorf("unmap everything: %v", errno)
	}
}

// keepGoing takes threads out of calls that wait, until the program ends.
func keepGoing(t *testing.T, k *kernel.Kernel, proc *kernel.Process, p *fuzzProgram) {
	t.Helper()
	const tooLong = 20 * time.Second
	deadline := time.Now().Add(tooLong)
	done := 0
	for {
		select {
		case <-k.Done():
			return
		case <-time.After(time.Millisecond):
		}
		for _, th := range proc.Threads() {
			if th.Waiting() != "" {
				th.Pause()
			}
		}
		p.mu.Lock()
		if p.calls != done {
			done, deadline = p.calls, time.Now().Add(tooLong)
		}
		last := p.last
		p.mu.Unlock()
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<20)
			t.Fatalf("%s hangs:\n%s", last, stacks[:runtime.Stack(stacks, true)])
		}
	}
}

// asNobody runs a test of this binary again, as another user, if it is root
// who runs the tests; true if that was done.
func asNobody(t *testing.T) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return false
	}
	dir, err := os.MkdirTemp("", "torov-fuzz-")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.Chown(dir, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	// The binary lies where only root can go; a descriptor leads to it.
	exe, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer exe.Close()
	cmd := exec.Command("/proc/self/fd/3", "-test.run=^"+t.Name()+"$", "-test.v", "-test.timeout=5m", fmt.Sprintf("-test.short=%v", testing.Short()))
	cmd.ExtraFiles = []*os.File{exe}
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "TMPDIR="+dir, "HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	out, err := cmd.CombinedOutput()
	t.Logf("as user %d:\n%s", nobody, out)
	if err != nil {
		t.Errorf("as user %d: %v", nobody, err)
	}
	return true
}

// The same from a fixed source, with a look at the host's descriptors.
func TestRandomSyscalls(t *testing.T) {
	if asNobody(t) {
		return
	}
	count := func() int {
		names, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(names)
	}
	var names []uint64
	for _, c := range Table() {
		if !slices.Contains(fuzzSkipped, c.Name) {
			names = append(names, c.Nr)
		}
	}
	rounds := uint64(40)
	if testing.Short() {
		rounds = 5
	}
	before, calls, good := 0, 0, map[string]int{}
	for seed := range rounds {
		r := rand.New(rand.NewPCG(seed, 9))
		in := make([]byte, 6000)
		for i := range in {
			in[i] = byte(r.Uint32())
		}
		machine, err := fake.New(32 << 20)
		if err != nil {
			t.Fatal(err)
		}
		p := &fuzzProgram{in: in, names: names, good: good}
		machine.Program, machine.MaxCPUs = p.run, 4
		fuzzRun(t, machine, p, fuzzScratch(t))
		if err := machine.Close(); err != nil {
			t.Error(err)
		}
		calls += p.calls
		if seed == 0 {
			before = count()
		}
	}
	t.Logf("%d calls, %d different ones of %d succeeded", calls, len(good), len(names))
	if len(good) < len(names)/4 && !testing.Short() {
		t.Error("hardly any call succeeds: the arguments are too wild to reach anything")
	}
	if after := count(); after > before+2 {
		t.Errorf("%d descriptors are open, %d were after the first round", after, before)
	}
}
