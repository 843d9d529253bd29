// Package kernel is the operating system the program sees: processes,
// threads, signals, futexes and file tables. It runs threads on an engine and
// hands system calls to a dispatcher that the syscalls package provides.
//
// It may import engine, mm, loader and linux. It must not import syscalls,
// debug, config or any engine implementation.
//
// Lock order: timers.mu, Kernel.mu, Process.mu, sigqueue locks, futex buckets. No lock is
// held while a thread runs the program or waits.
package kernel

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"

	"torov/internal/engine"
	"torov/internal/linux"
	"torov/internal/mm"
)

// Machine is what the kernel needs of an engine beyond engine.Machine.
type Machine interface {
	engine.Machine
	NewSpace(base engine.GVA) (*mm.AddressSpace, error)
	// FreeSpace takes back a space that no CPU uses any more.
	FreeSpace(as *mm.AddressSpace) error
	Memory() *mm.Memory
}

// SyscallFunc serves one system call of t. The arguments are the registers of
// the amd64 convention; the result is a value or an errno, which may be one of
// the internal restart codes.
type SyscallFunc func(t *Thread, nr uint64, args [6]uint64) (uint64, linux.Errno)

// Config says how the kernel is made.
type Config struct {
	Machine Machine
	Syscall SyscallFunc
	// Permits reports whether the program may make a call, and tells the
	// person if not, for calls that stand for several; nil: every one.
	Permits func(t *Thread, nr uint64) bool
	Tracer  Tracer    // nil: nobody traces
	Log     io.Writer // lines for the person who runs torov
	Root    string    // host directory that is the program's /; "" or "/" is the host's
	Cwd     string    // program's path of its first working directory; "" is torov's own
	Mounts  []Mount
	PID     int // of the first process
	Random  func(b []byte)
	// Randomize places the program, its stack and its mappings at random.
	Randomize bool
	// HaltEnds makes HLT end the program, as ToroV's guests expect.
	HaltEnds bool
}

// Mount makes a host path appear in the program's file system.
type Mount struct {
	Source   string // host path
	Target   string // program's path
	ReadOnly bool
}

// Kernel is one running system. It has no global state: a process may hold
// several.
type Kernel struct {
	cfg     Config
	machine Machine
	futexes futexTable
	clock   Clock

	mu      sync.Mutex
	procs   map[int]*Process // also those that have ended and are waited for
	first   *Process
	threads map[int]*Thread
	spaces  map[*mm.AddressSpace]int // processes that use each
	nextID  int
	failure error

	foreground int // process group, 0 for torov's

	done     chan struct{} // closed when all processes have ended
	status   ExitStatus
	tracer   atomic.Pointer[Tracer]
	running  sync.WaitGroup // goroutines of threads
	doneOnce sync.Once
}

// ExitStatus is how a process ended: by exit(2) or by a signal.
type ExitStatus struct {
	Code   int // the low eight bits of exit's argument
	Signal linux.Signal
}

// New returns a kernel without processes.
func New(cfg Config) *Kernel {
	k := &Kernel{cfg: cfg, machine: cfg.Machine, procs: map[int]*Process{}, threads: map[int]*Thread{}, spaces: map[*mm.AddressSpace]int{}, nextID: cfg.PID, done: make(chan struct{})}
	if cfg.Tracer != nil {
		k.tracer.Store(&cfg.Tracer)
	}
	return k
}

// Machine returns the engine's machine.
func (k *Kernel) Machine() Machine { return k.machine }

// Permits reports whether the program may make a call.
func (k *Kernel) Permits(t *Thread, nr uint64) bool {
	return k.cfg.Permits == nil || k.cfg.Permits(t, nr)
}

// Clock returns the kernel's clock: the one door for time.
func (k *Kernel) Clock() *Clock { return &k.clock }

// Random fills b with random bytes.
func (k *Kernel) Random(b []byte) { k.cfg.Random(b) }

// Logf writes one line for the person who runs torov.
func (k *Kernel) Logf(format string, args ...any) {
	if k.cfg.Log != nil {
		fmt.Fprintf(k.cfg.Log, "torov: "+format+"\n", args...)
	}
}

// Done is closed when all processes have ended.
func (k *Kernel) Done() <-chan struct{} { return k.done }

// Wait waits for all processes and their threads to end, and returns how the
// first one did: what outlives it runs on, as it would without torov. The error
// is a failure of the VMM, not of the program.
func (k *Kernel) Wait() (ExitStatus, error) {
	<-k.done
	k.running.Wait()
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.status, k.failure
}

// fail ends everything because the VMM cannot go on.
func (k *Kernel) fail(t *Thread, err error) {
	k.mu.Lock()
	if k.failure == nil {
		k.failure = fmt.Errorf("thread %d: %w", t.TID, err)
	}
	k.mu.Unlock()
	for _, p := range k.Processes() {
		p.Kill(linux.SIGKILL)
	}
}

// Threads returns all threads of all processes, oldest first.
func (k *Kernel) Threads() []*Thread {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]*Thread, 0, len(k.threads))
	for _, p := range k.procs {
		out = append(out, p.threads...)
	}
	return out
}

// Process returns the process with the given id, or nil.
func (k *Kernel) Process(pid int) *Process {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.procs[pid]
}

// Processes returns all processes, but not those that only wait to be waited for.
func (k *Kernel) Processes() []*Process {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := make([]*Process, 0, len(k.procs))
	for _, p := range k.procs {
		if !p.ended {
			out = append(out, p)
		}
	}
	return out
}

// Thread returns the thread with the given id, or nil.
func (k *Kernel) Thread(tid int) *Thread {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.threads[tid]
}

// newID returns an unused process or thread id. Ids are not used again.
func (k *Kernel) newID() int {
	id := k.nextID
	k.nextID++
	return id
}

// ErrTooManyThreads says that no more threads can be made.
var ErrTooManyThreads = errors.New("too many threads")
