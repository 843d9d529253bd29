// Package debug is the debugger core: it joins engine, kernel and rsp. It
// decides when threads stop and go on, keeps breakpoints and watchpoints, and
// answers what a client asks about the program.
//
// It may import kernel, mm, engine, linux and rsp. It must not import any
// engine implementation, config or syscalls.
//
// All state is under one mutex. A thread with an event stands in
// Debugger.Event, on its own goroutine, and waits there on a condition variable
// of its own, so that a stop of many threads does not wake them all each time.
//
// A stop has one reason: the first event that the client is to know of. A
// thread whose event comes while the others are being stopped waits with it
// and acts on it when it is resumed; most events are not even kept, because
// the instruction (an INT3, an access to a guarded page) raises them again.
package debug

import (
	"encoding/binary"
	"fmt"
	"sync"
	"sync/atomic"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/rsp"
	"torov/rsp/trace"
)

// idBase is added to the program's process and thread numbers for clients.
// Debuggers look a process up on the machine they run on, where torov's own
// numbers mean other programs; no Linux host has numbers this high
// (PID_MAX_LIMIT).
const idBase = 1 << 22

// runState is the program's, as the client sees it.
type runState uint8

const (
	running  runState = iota
	stopping          // an event came; the other threads are being stopped
	stopped
	exited
)

// Options say how the debugger starts.
type Options struct {
	// Hold keeps the program before its first instruction until a client
	// connects.
	Hold bool
	// Multi: there need not be a program; torov is there for clients that start
	// some until "monitor exit".
	Multi bool
	// Launched: the program was started for the client, which kills it when it
	// quits. Vanished is what becomes of it when the connection just ends.
	Launched bool
	Vanished rsp.Disconnect
	// Describe writes a system call that has returned result, for "monitor
	// strace"; nil: name and registers.
	Describe func(t *kernel.Thread, nr uint64, args [6]uint64, result uint64) string
	// Launch starts a program in a new kernel when the client asks for it. It
	// is called when the program before has ended, and must hand the kernel to
	// use before it starts the process. nil: clients cannot start programs.
	Launch func(l rsp.Launch, use func(*kernel.Kernel)) error
}

// Debugger debugs the processes of one kernel. It implements kernel.Tracer.
type Debugger struct {
	kernel  *kernel.Kernel
	machine engine.Machine
	caps    func() engine.DebugCaps
	layout  registerLayout
	launch  func(rsp.Launch, func(*kernel.Kernel)) error
	options Options
	// describe is Options.Describe.
	describe func(t *kernel.Thread, nr uint64, args [6]uint64, result uint64) string

	// curious: somebody may want to know of system calls.
	curious atomic.Bool

	mu        sync.Mutex
	cond      sync.Cond // state has changed
	arrived   sync.Cond // a thread has come to Event, or ended
	state     runState
	connected bool // a client is there, attached or not
	extended  bool // and it stays when the program has ended
	multi     bool // Options.Multi
	quit      bool // torov is to end with the program, whoever is connected
	nonStop   bool // threads stop one by one
	attached  bool // a client is connected, or the program is held for one
	threads   map[*kernel.Thread]*thread
	order     []*thread // the living ones, oldest first
	current   *kernel.Process
	reason    *rsp.Stop // why the program is being stopped; nil: somebody asked
	stops     chan rsp.Stop
	attaching bool         // Attach waits for the stop and reports it
	steppers  int          // threads that the engine single-steps
	actions   []rsp.Action // of the last resume, for threads made since
	frozen    *thread      // runs alone, on the debugger's account
	last      rsp.Stop     // why the program stands

	breakpoints map[breakpointKey]*breakpoint
	watches     []*watch
	armed       []armedRegister
	events      rsp.EventSet
	strace      callTrace
	faults      map[uint64]*fault // by system call
	pass        map[linux.Signal]bool
	program     map[linux.Signal]bool // nil: all; signals that may reach the program on detach
	catch       catchSet
	files       fileServer
	tracing     tracing
	allocated   map[engine.GVA]uint64 // sizes of what the client has put into the program
	over        chan struct{}         // closed when the client has seen the end
	overOnce    sync.Once
}

// thread is what the debugger knows of one thread.
type thread struct {
	t      *kernel.Thread
	id     rsp.ThreadID
	wake   sync.Cond
	inside bool // in Event: neither in the guest nor in a system call
	parked bool // waits for the client
	held   bool // the client resumed others only
	ended  bool // only kept until the kernel has forgotten it too

	action   rsp.Action    // how it was resumed
	info     linux.SigInfo // of what it stopped for, as the client sees and changes it
	silent   linux.Signal  // sent by the client: deliver without asking
	stepping bool          // the engine single-steps it
	step     steppedInst
	halt     rsp.StopKind // non-stop: it is to stop, and say this
	handler  *entry       // a step ends at the first instruction of the handler
	over     *stepOver    // one instruction on the debugger's account
	passed   *place       // a breakpoint whose conditions were looked at already
	before   []touch      // what is watched, before a system call
	hits     []hit        // watchpoints that the last instruction touched
	call     *tracedCall
	tracedAt tracedAt
	// steppings: instructions are stepped for tracepoints that were hit.
	steppings []trace.Stepping
	caught    int // the system call whose entry the client was told of
	handle    uint64
}

// pthread is the thread's pthread_t: the thread pointer, in glibc and in musl.
func (th *thread) pthread() []byte {
	if th.handle == 0 && th.parked && !th.ended {
		if segs, err := th.t.CPU.Segs(); err == nil {
			th.handle = segs.FSBase
		}
	}
	if th.handle == 0 {
		return nil // not set up yet
	}
	return binary.LittleEndian.AppendUint64(nil, th.handle)
}

// New returns a debugger for a kernel; install it with Kernel.SetTracer before
// the first process starts.
func New(k *kernel.Kernel, opt Options) *Debugger {
	m := k.Machine()
	d := &Debugger{
		kernel: k, machine: m, caps: m.DebugCaps, layout: newRegisterLayout(m), launch: opt.Launch,
		attached: opt.Hold, threads: make(map[*kernel.Thread]*thread), stops: make(chan rsp.Stop, 64),
		breakpoints: make(map[breakpointKey]*breakpoint), over: make(chan struct{}), attaching: opt.Hold, describe: opt.Describe,
		multi: opt.Multi, allocated: make(map[engine.GVA]uint64), options: opt,
	}
	d.cond.L, d.arrived.L = &d.mu, &d.mu
	d.files.d = d
	d.tracing = newTracing(d)
	switch {
	case opt.Hold:
		d.state = stopping
	case opt.Multi:
		d.state = exited
	}
	return d
}

// Target describes the debugger's capabilities to an rsp.Server.
func (d *Debugger) Target() *rsp.Target {
	t := &rsp.Target{
		Registers: d, Memory: d, RunControl: d, Threads: d, Breakpoints: d, NonStop: d,
		Signals: d, SigInfo: d, Syscalls: d, Session: d, Process: d, Auxv: d, ExecFile: d, Libraries: d, Host: d,
		OSData: d, TLS: d, Monitor: d, MemoryRegions: d, Allocator: d, Files: &d.files, Events: d, Tracepoints: d,
		Launched: d.options.Launched,
	}
	if d.launch != nil {
		t.Launcher, t.Attacher = d, d
	}
	return t
}

// Over is closed when a client has been told that the program ended and has
// gone, or when none is connected by then.
func (d *Debugger) Over() <-chan struct{} { return d.over }

func clientID(t *kernel.Thread) rsp.ThreadID {
	return rsp.ThreadID{PID: rsp.PID(idBase + t.Proc.PID), TID: rsp.TID(idBase + t.TID)}
}

// process returns the process a client means; 0 and -1 are the one there is.
func (d *Debugger) process(p rsp.PID) (*kernel.Process, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current == nil || d.state == exited {
		return nil, rsp.ErrNoProcess
	}
	if p > 0 && int(p) != idBase+d.current.PID {
		return nil, fmt.Errorf("process %d: %w", p, rsp.ErrNoProcess)
	}
	return d.current, nil
}

// find returns the thread a client means; wildcards are the first one.
func (d *Debugger) find(id rsp.ThreadID) (*thread, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, th := range d.order {
		if id.Matches(th.id) {
			return th, nil
		}
	}
	return nil, fmt.Errorf("thread %s: %w", id, rsp.ErrNoProcess)
}

// quiet finds a thread whose registers can be looked at.
func (d *Debugger) quiet(id rsp.ThreadID) (*thread, error) {
	th, err := d.find(id)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if !th.parked {
		return nil, fmt.Errorf("thread %s is running", id)
	}
	return th, nil
}

// Threads implements rsp.Threads.
func (d *Debugger) Threads() []rsp.ThreadInfo {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]rsp.ThreadInfo, 0, len(d.order))
	for i, th := range d.order {
		info := rsp.ThreadInfo{ID: th.id, Name: th.t.Comm(), Core: i, Handle: th.pthread(), Running: !th.parked}
		if what := th.t.Waiting(); what != "" {
			info.Extra = "blocked in " + what
		}
		out = append(out, info)
	}
	return out
}

// Alive implements rsp.Threads.
func (d *Debugger) Alive(id rsp.ThreadID) bool {
	_, err := d.find(id)
	return err == nil
}

// Connected implements rsp.Session.
func (d *Debugger) Connected() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.attached, d.connected, d.extended, d.nonStop = true, true, false, false
	d.resetWishes()
}

// Extended implements rsp.SessionExtender.
func (d *Debugger) Extended() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.extended = true
}

// Stays reports whether a client is there that may yet start the program again.
func (d *Debugger) Stays() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.connected && d.extended || d.multi
}

// resetWishes forgets what a client asked to be told.
func (d *Debugger) resetWishes() {
	d.pass, d.program, d.catch, d.events = nil, nil, catchSet{}, 0
	d.strace, d.faults = callTrace{}, make(map[uint64]*fault)
	d.updateCurious()
}

// Disconnected implements rsp.Session: a client that vanishes leaves a program
// running that was not started for it, as gdbserver does.
func (d *Debugger) Disconnected(launched bool) rsp.Disconnect {
	switch {
	case d.options.Launched:
		return d.options.Vanished
	case launched:
		return rsp.DisconnectKill
	}
	return rsp.DisconnectDetach
}

// Closed implements rsp.SessionCloser.
func (d *Debugger) Closed() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.connected = false
	d.finish()
}

// finish says that torov may end, if the program has and nobody is left who
// could start another one or has not read of its end yet.
func (d *Debugger) finish() {
	if d.state == exited && (d.quit || !d.connected && !d.multi) {
		d.overOnce.Do(func() { close(d.over) })
	}
}

// exit ends the program and torov, whoever is connected.
func (d *Debugger) exit() {
	d.mu.Lock()
	d.quit, d.attached = true, false
	old := d.current
	d.finish()
	d.mu.Unlock()
	if old != nil {
		old.Kill(linux.SIGKILL)
	}
}

// Kill implements rsp.Process.
func (d *Debugger) Kill(p rsp.PID) error {
	proc, err := d.process(p)
	if err != nil {
		return nil // dead already
	}
	d.mu.Lock()
	d.attached = false // no event is sent for it
	d.mu.Unlock()
	proc.Kill(linux.SIGKILL)
	return nil
}

// Detach implements rsp.Process. With stay the program remains stopped.
func (d *Debugger) Detach(p rsp.PID, stay bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if stay {
		return nil
	}
	if d.state == exited {
		d.attached = false
		return nil
	}
	for _, th := range d.order {
		// What the client was told of and did not decide is delivered.
		th.action = rsp.Action{Kind: rsp.Continue, Signal: rsp.Signal(d.undecided(th))}
		th.parked, th.held, th.handler, th.caught = false, false, nil, notCaught
	}
	d.freeAll()
	d.attached = false
	d.resetWishes()
	d.actions, d.reason, d.nonStop = nil, nil, false
	d.state = running
	d.wakeAll()
	return nil
}

// undecided is the signal that the thread stopped for and that the client did
// not say anything about, 0 for other stops.
func (d *Debugger) undecided(th *thread) linux.Signal {
	s := th.info.Signal()
	if !th.parked || s == linux.SIGTRAP || d.program != nil && !d.program[s] {
		return 0
	}
	return s
}
