package kernel

import (
	"torov/internal/engine"
	"torov/internal/linux"
)

// EventKind says what happened to a traced thread.
type EventKind uint8

const (
	EventStart         EventKind = iota // a new thread, before its first instruction
	EventPause                          // Pause was asked for
	EventBreakpoint                     // an INT3; RIP is at it
	EventStep                           // a single step ended
	EventDebugRegister                  // Event.DR6 says which
	EventGuard                          // an access to a guarded page at Event.Addr, not yet done
	EventSignal                         // Event.Info is about to be delivered
	EventSyscallEntry                   // OrigRAX is the number, RAX is -ENOSYS
	EventSyscallReturn                  // RAX is the result
	EventExec                           // the process runs another program, before its first instruction
	EventThreadExit                     // the thread has done the last that anybody can see
)

// Event is something a tracer may want to know. The thread stands still until
// the tracer's method returns.
type Event struct {
	Kind   EventKind
	DR6    uint64
	Addr   engine.GVA
	Write  bool // EventGuard
	Exec   bool // EventGuard: the instruction itself is there
	Info   linux.SigInfo
	Status ExitStatus // EventThreadExit
}

// Tracer is a debugger as the kernel sees it. Event is called on the thread's
// own goroutine, with the thread out of the guest and its registers valid, and
// may block for as long as it likes; it must return when the process exits
// (see Thread.Dying).
type Tracer interface {
	// Event returns the signal to deliver for EventSignal, changed or not;
	// its number 0 discards the signal. The result of other events is not
	// looked at.
	Event(t *Thread, e Event) linux.SigInfo
	// Created is called when a thread has come into being, before whoever made
	// it goes on, so that a tracer's list is complete. It must not block;
	// EventStart follows on the thread's own goroutine.
	Created(t *Thread)
	// WantsSyscalls reports whether EventSyscallEntry and EventSyscallReturn
	// are wanted for a number. It is called at the entry and at the return of
	// every system call.
	WantsSyscalls(t *Thread, nr uint64) bool
	// Exiting is called, from any goroutine, when a process begins to end:
	// events that block must return.
	Exiting(p *Process)
	// ProcessExit is called when the last thread of a process has ended.
	ProcessExit(p *Process, status ExitStatus)
}

// SetTracer installs a tracer, or none.
func (k *Kernel) SetTracer(tr Tracer) {
	if tr == nil {
		k.tracer.Store(nil)
		return
	}
	k.tracer.Store(&tr)
}

func (k *Kernel) currentTracer() Tracer {
	if p := k.tracer.Load(); p != nil {
		return *p
	}
	return nil
}

// tracer is the one that is told of the process.
func (p *Process) tracer() Tracer {
	if !p.traced {
		return nil
	}
	return p.Kernel.currentTracer()
}

// Traced reports whether tracers are told of the process.
func (p *Process) Traced() bool { return p.traced }

// trace reports an event if anybody listens.
func (t *Thread) trace(e Event) linux.SigInfo {
	if tr := t.Proc.tracer(); tr != nil {
		return tr.Event(t, e)
	}
	return e.Info
}
