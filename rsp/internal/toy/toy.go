// Package toy is a small debuggee for package rsp: a processor that executes a
// few x86-64 instructions, with threads, processes, system calls and signals.
// It offers nearly every capability there is, and serves as the example of how
// to implement them and as the target of the tests.
//
// It imports only rsp and its sub-packages.
package toy

import (
	"encoding/binary"
	"slices"
	"sync"

	"torov/rsp"
	"torov/rsp/amd64"
	"torov/rsp/trace"
)

// Machine runs one program and its children. All fields are guarded by mu; one
// goroutine executes instructions, holding mu for a round of one instruction
// per thread.
type Machine struct {
	mu   sync.Mutex
	wake *sync.Cond // something became runnable, or an interrupt came

	image   *Image
	procs   []*process
	threads []*thread
	lastPID rsp.PID
	initial rsp.Stop // what Attach reports while nothing has happened

	stops     chan rsp.Stop
	nonStop   bool
	interrupt bool
	closed    bool

	events  rsp.EventSet
	pass    map[rsp.Signal]bool
	program map[rsp.Signal]bool

	policy rsp.Disconnect
	seen   Record

	recorder *trace.Recorder
	traps    map[uint64]int // addresses with tracepoints, and how many
}

// Record is what has happened to a machine, for tests to look at.
type Record struct {
	Output    []byte       // what the program wrote to its standard output
	Printed   []byte       // what breakpoint commands printed
	Delivered []rsp.Signal // signals the program has received
	Sessions  int          // clients that connected
	Detached  int          // processes that were detached
	Launch    rsp.Launch   // what was launched last
}

// Record returns what has happened.
func (m *Machine) Record() Record {
	m.mu.Lock()
	defer m.mu.Unlock()
	r := m.seen
	r.Output, r.Printed, r.Delivered = slices.Clone(r.Output), slices.Clone(r.Printed), slices.Clone(r.Delivered)
	return r
}

// SetPolicy chooses the answer to rsp.Session.Disconnected.
func (m *Machine) SetPolicy(p rsp.Disconnect) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.policy = p
}

// process is an address space with breakpoints and caught system calls.
type process struct {
	pid         rsp.PID
	mem         []segment
	breakpoints map[place]*rsp.Breakpoint
	catch       bool
	catchOnly   map[int]bool // empty: all
}

// place identifies a breakpoint.
type place struct {
	kind rsp.BreakpointKind
	addr rsp.Addr
	len  int
}

// thread is one thread's registers and what it is doing.
type thread struct {
	id    rsp.ThreadID
	proc  *process
	gpr   [16]uint64 // in the order of package amd64's numbers
	rip   uint64
	flags uint32
	orig  uint64 // orig_rax
	fs    uint64 // fs_base
	xsave []byte

	running  bool
	action   rsp.Action
	blocked  bool // in pause(2)
	call     callPhase
	overstep bool // execute the next instruction despite a breakpoint on it
	traced   bool // the next instruction's tracepoints have been hit already
	stepping []trace.Stepping
	name     string
	siginfo  [rsp.SigInfoSize]byte
}

// callPhase is how far a system call has come.
type callPhase uint8

const (
	callNone    callPhase = iota
	callEntered           // its entry has been reported
	callDone              // it is executed, its return is to be reported
)

// FirstPID is the number of the program's process: above any that a kernel
// gives to real processes, so that no client takes it for one.
const FirstPID rsp.PID = 5_000_001

// New makes a machine that runs an image, stopped at its first instruction.
// Close ends it.
func New(image *Image) *Machine {
	m := &Machine{image: image, stops: make(chan rsp.Stop), pass: map[rsp.Signal]bool{}}
	m.wake = sync.NewCond(&m.mu)
	m.recorder = trace.New(traps{m}, description.TraceLayout())
	m.boot()
	go m.run()
	return m
}

// Close stops the goroutine that executes instructions.
func (m *Machine) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = true
	m.wake.Broadcast()
}

// boot replaces everything that runs by a fresh process.
func (m *Machine) boot() *thread {
	m.lastPID = FirstPID
	m.traps = map[uint64]int{}
	p := &process{pid: m.lastPID, mem: m.image.segments(), breakpoints: map[place]*rsp.Breakpoint{}}
	t := m.newThread(p, rsp.TID(p.pid), m.image.Entry, stackTop)
	t.name = "toy"
	m.procs, m.threads = []*process{p}, []*thread{t}
	m.initial = rsp.Stop{Kind: rsp.StopHalted, Thread: t.id}
	return t
}

func (m *Machine) newThread(p *process, tid rsp.TID, rip, rsp_ uint64) *thread {
	t := &thread{id: rsp.ThreadID{PID: p.pid, TID: tid}, proc: p, rip: rip, flags: 0x202, xsave: make([]byte, 832)}
	t.gpr[amd64.RSP] = rsp_
	t.orig = ^uint64(0)
	t.fs = tlsBase
	binary.LittleEndian.PutUint32(t.xsave[24:], 0x1f80) // MXCSR as after a reset
	return t
}

// Target returns the machine's capabilities.
func (m *Machine) Target() *rsp.Target {
	return &rsp.Target{
		Registers: m, Memory: m, RunControl: m, Threads: m,
		Breakpoints: m, Events: m, Syscalls: m, Signals: m, SigInfo: m, NonStop: m, Tracepoints: m,
		Session: m, Process: m, Launcher: m, Attacher: m,
		Auxv: m, ExecFile: m, Libraries: m, Host: m, OSData: m,
		Files: m, TLS: m, Monitor: m, MemoryRegions: m, Allocator: m,
	}
}

func (m *Machine) find(id rsp.ThreadID) *thread {
	for _, t := range m.threads {
		if t.id == id {
			return t
		}
	}
	return nil
}

func (m *Machine) proc(pid rsp.PID) *process {
	for _, p := range m.procs {
		if p.pid == pid {
			return p
		}
	}
	return nil
}
