package kernel

import (
	"bytes"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"torov/internal/engine"
	"torov/internal/engine/fake"
	"torov/internal/linux"
	"torov/internal/mm"
)

// soon is how long a test waits for what must happen at once.
const soon = 20 * time.Second

// Where a world's program has code, data and stack: in the memory of its flat
// image.
const (
	worldCode  engine.GVA = 0x400000
	worldData  engine.GVA = 0x500000
	worldStack engine.GVA = 0x700000
)

// world is a kernel with one process whose instructions the test makes up.
type world struct {
	t       *testing.T
	k       *Kernel
	p       *Process
	machine *fake.Machine
	main    *actor
	log     lockedBuffer

	mu    sync.Mutex
	calls map[uint64]SyscallFunc
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// actor is a thread of the program and what runs it.
type actor struct {
	*Thread
	w   *world
	cpu *fake.CPU

	asleep int // the entry that a waiting call ended
}

// newWorld starts a program. It ends with the test.
func newWorld(t *testing.T, tracer Tracer) *world {
	t.Helper()
	w := &world{t: t, calls: map[uint64]SyscallFunc{}}
	var err error
	if w.machine, err = fake.New(64 << 20); err != nil {
		t.Fatal(err)
	}
	w.k = New(Config{Machine: w.machine, Syscall: w.syscall, Tracer: tracer, Log: &w.log, PID: testPID, Random: func(b []byte) { clear(b) }})
	image := filepath.Join(t.TempDir(), "image")
	if err := os.WriteFile(image, []byte{0x90}, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(image)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if w.p, err = w.k.Start(Program{File: f, Path: "/image", Args: []string{"image"}, Flat: &Flat{Start: worldCode, Memory: 8 << 20}}); err != nil {
		t.Fatal(err)
	}
	w.main = &actor{Thread: w.p.Threads()[0], w: w, cpu: <-w.machine.Made()}
	t.Cleanup(func() {
		w.p.Kill(linux.SIGKILL)
		w.wait()
		if n := w.machine.InUse(); n != 0 {
			t.Errorf("%d CPUs are not released", n)
		}
		if err := w.machine.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

// on says how a system call is served.
func (w *world) on(nr uint64, f SyscallFunc) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[nr] = f
}

func (w *world) syscall(t *Thread, nr uint64, args [6]uint64) (uint64, linux.Errno) {
	w.mu.Lock()
	f := w.calls[nr]
	w.mu.Unlock()
	if f == nil {
		return 0, linux.ENOSYS
	}
	return f(t, nr, args)
}

// wait waits for the program to end.
func (w *world) wait() (ExitStatus, error) {
	w.t.Helper()
	select {
	case <-w.k.Done():
	case <-time.After(soon):
		w.t.Fatal("the program does not end")
	}
	return w.k.Wait()
}

// wantEnd waits for the program to end as it should.
func (w *world) wantEnd(want ExitStatus) {
	w.t.Helper()
	if got, err := w.wait(); got != want || err != nil {
		w.t.Fatalf("the program ended with %+v, %v; want %+v", got, err, want)
	}
}

// exit makes the thread leave the program and waits until it is back in it.
func (a *actor) exit(f func(r *engine.Regs) engine.Exit) engine.Regs {
	a.w.t.Helper()
	return a.back(a.leave(f), nil)
}

// leave makes the thread leave the program, and returns the number of the
// entry that this ended.
func (a *actor) leave(f func(r *engine.Regs) engine.Exit) int {
	a.w.t.Helper()
	entry, ok := a.cpu.Do(soon, f)
	if !ok {
		a.w.t.Fatal("the thread is not in the program")
	}
	return entry
}

// back waits until the thread has entered the program again after an entry.
func (a *actor) back(before int, ok func(engine.Regs) bool) engine.Regs {
	a.w.t.Helper()
	r, in := a.cpu.Await(soon, before, ok)
	if !in {
		a.w.t.Fatalf("the thread does not come back to the program; it waits for %q, registers %+v", a.Waiting(), r)
	}
	return r
}

// The instruction after a system call: SYSCALL is two bytes.
const afterCall = uint64(worldCode) + 2

// enterCall makes a system call at worldCode.
func enterCall(nr uint64, args ...uint64) func(r *engine.Regs) engine.Exit {
	return func(r *engine.Regs) engine.Exit {
		r.RIP, r.RCX, r.R11, r.RAX = afterCall, afterCall, r.RFLAGS, nr
		if r.RSP < uint64(worldData) {
			r.RSP = uint64(worldStack)
		}
		for i, p := range []*uint64{&r.RDI, &r.RSI, &r.RDX, &r.R10, &r.R8, &r.R9}[:len(args)] {
			*p = args[i]
		}
		return engine.Exit{Kind: engine.ExitSyscall}
	}
}

func (a *actor) call(nr uint64, args ...uint64) engine.Regs {
	a.w.t.Helper()
	return a.exit(enterCall(nr, args...))
}

// waits waits until the thread waits for something.
func (a *actor) waits() {
	a.w.t.Helper()
	for deadline := time.Now().Add(soon); a.Waiting() == ""; time.Sleep(100 * time.Microsecond) {
		if time.Now().After(deadline) {
			a.w.t.Fatal("the thread does not wait")
		}
	}
}

// clone makes another thread.
func (w *world) clone(c Clone) *actor {
	w.t.Helper()
	const nr = 900
	var tid int
	w.on(nr, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) {
		var errno linux.Errno
		tid, errno = t.CloneThread(c)
		return uint64(tid), errno
	})
	if r := w.main.call(nr); int64(r.RAX) < 0 {
		w.t.Fatalf("clone: %v", linux.Errno(-r.RAX))
	}
	a := &actor{Thread: w.k.Thread(tid), w: w, cpu: <-w.machine.Made()}
	a.back(0, nil)
	return a
}

func (w *world) put32(at engine.GVA, v uint32) {
	w.t.Helper()
	if errno := mm.Write(w.p.AS(), at, v); errno != 0 {
		w.t.Fatal(errno)
	}
}

func (w *world) get32(at engine.GVA) uint32 {
	w.t.Helper()
	v, errno := mm.Read[uint32](w.p.AS(), at)
	if errno != 0 {
		w.t.Fatal(errno)
	}
	return v
}

// tracer is a Tracer made of functions; those that are nil do nothing.
type tracer struct {
	event func(t *Thread, e Event) linux.SigInfo
	wants func(nr uint64) bool
	exits func(p *Process, status ExitStatus)
	gone  chan struct{} // closed by Exiting, if there
	once  sync.Once
}

func (tr *tracer) Event(t *Thread, e Event) linux.SigInfo {
	if tr.event == nil {
		return e.Info
	}
	return tr.event(t, e)
}

func (tr *tracer) WantsSyscalls(_ *Thread, nr uint64) bool { return tr.wants != nil && tr.wants(nr) }

func (tr *tracer) Exiting(*Process) {
	if tr.gone != nil {
		tr.once.Do(func() { close(tr.gone) })
	}
}

func (tr *tracer) Created(*Thread) {}

func (tr *tracer) ProcessExit(p *Process, status ExitStatus) {
	if tr.exits != nil {
		tr.exits(p, status)
	}
}

// noSignals discards every signal before it is delivered.
func noSignals(_ *Thread, e Event) linux.SigInfo {
	if e.Kind == EventSignal {
		return linux.SigInfo{}
	}
	return e.Info
}
