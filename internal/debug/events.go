package debug

import (
	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/rsp"
)

// Event implements kernel.Tracer. It runs on the thread's goroutine and
// returns when the thread may go on.
func (d *Debugger) Event(t *kernel.Thread, e kernel.Event) linux.SigInfo {
	d.mu.Lock()
	defer d.mu.Unlock()
	th := d.threads[t]
	if th == nil {
		th = d.adopt(t)
	}
	th.inside = true
	d.cond.Broadcast()
	for d.frozen != nil && d.frozen != th && !t.Dying() {
		d.cond.Wait()
	}
	info := d.react(th, e)
	for (d.state != running || th.held) && !t.Dying() && e.Kind != kernel.EventThreadExit {
		d.park(th)
		if e.Kind == kernel.EventSignal && th.info == e.Info {
			info = th.decided(e.Info)
		} else {
			th.inject()
		}
		th.info = linux.SigInfo{}
	}
	if e.Kind == kernel.EventThreadExit {
		d.forget(th)
		return info
	}
	th.inside = false
	d.prepare(th)
	return info
}

// adopt begins to watch a thread.
func (d *Debugger) adopt(t *kernel.Thread) *thread {
	th := &thread{t: t, id: clientID(t), action: rsp.Action{Kind: rsp.Continue}}
	d.threads[t] = th
	d.order = append(d.order, th)
	d.current = t.Proc
	return th
}

// forget ends the watch; a stop in progress no longer waits for the thread.
func (d *Debugger) forget(th *thread) {
	delete(d.threads, th.t)
	for i := range d.order {
		if d.order[i] == th {
			d.order = append(d.order[:i], d.order[i+1:]...)
			break
		}
	}
	if d.frozen == th {
		d.thaw()
	}
	d.settle()
	d.cond.Broadcast()
}

// react decides what an event means. It queues a stop if the client is to
// know, and returns the signal to deliver.
func (d *Debugger) react(th *thread, e kernel.Event) linux.SigInfo {
	if !d.attached {
		if th.over != nil {
			d.finishOver(th)
		}
		return e.Info
	}
	switch e.Kind {
	case kernel.EventStart:
		d.started(th)
	case kernel.EventPause:
		if th.entered {
			th.entered = false
			d.stop(th, rsp.Stop{Kind: rsp.StopStep}, trapInfo(linux.TRAP_TRACE, th))
		}
	case kernel.EventBreakpoint:
		d.hitBreakpoint(th)
	case kernel.EventStep:
		d.stepped(th)
	case kernel.EventDebugRegister:
		d.hitRegister(th, e.DR6)
	case kernel.EventGuard:
		d.hitGuard(th, e)
	case kernel.EventSignal:
		return d.signalled(th, e.Info)
	case kernel.EventSyscallEntry:
		d.syscallEntry(th)
	case kernel.EventSyscallReturn:
		d.syscallReturn(th)
	}
	return e.Info
}

// started: the first thread of a program that is held counts as stopped.
func (d *Debugger) started(th *thread) {
	if d.state == stopping && len(d.order) == 1 && len(d.queue) == 0 {
		d.last = rsp.Stop{Kind: rsp.StopHalted, Thread: th.id}
		d.state = stopped
		d.cond.Broadcast()
	}
}

// signalled: a signal is about to be delivered.
func (d *Debugger) signalled(th *thread, info linux.SigInfo) linux.SigInfo {
	if th.over != nil {
		d.finishOver(th) // the instruction faulted instead of ending
	}
	s := info.Signal()
	if th.silent == s {
		th.silent = 0
		d.armEntry(th)
		return info
	}
	if d.pass[s] {
		d.armEntry(th)
		return info
	}
	d.stop(th, rsp.Stop{Kind: rsp.StopSignal, Signal: rsp.Signal(s)}, info)
	return info
}

// armEntry makes a stepping thread stop at the first instruction of the
// handler it is about to enter, not after it.
func (d *Debugger) armEntry(th *thread) {
	if th.action.Kind == rsp.Step || th.action.Kind == rsp.StepRange {
		th.entered = true
		th.t.Pause()
	}
}

// decided is what the client made of the signal that the thread stopped for.
func (th *thread) decided(info linux.SigInfo) linux.SigInfo {
	s := linux.Signal(th.action.Signal)
	switch {
	case s == 0:
		return linux.SigInfo{}
	case s == info.Signal():
		info = th.info // the client may have changed it
	default:
		info = linux.KillInfo(s, linux.SI_USER, int32(th.t.Proc.PID), th.t.Proc.Creds().UID)
	}
	if th.action.Kind == rsp.Step || th.action.Kind == rsp.StepRange {
		th.entered = true
		th.t.Pause()
	}
	return info
}

// inject sends the signal that the client resumed the thread with.
func (th *thread) inject() {
	if s := linux.Signal(th.action.Signal); s != 0 {
		th.silent = s
		th.t.Signal(linux.KillInfo(s, linux.SI_USER, int32(th.t.Proc.PID), th.t.Proc.Creds().UID))
	}
}

// pendingSignal is the signal the thread stopped for, 0 for other stops.
func (th *thread) pendingSignal() linux.Signal {
	if th.info.Signal() == linux.SIGTRAP {
		return 0
	}
	return th.info.Signal()
}

// stop queues an event and begins to stop the other threads.
func (d *Debugger) stop(th *thread, s rsp.Stop, info linux.SigInfo) {
	s.Thread = th.id
	th.info = info
	d.queue = append(d.queue, s)
	d.halt()
}

// halt begins to stop everything.
func (d *Debugger) halt() {
	if d.state != running {
		return
	}
	d.state = stopping
	for _, other := range d.order {
		if !other.inside {
			other.t.Pause()
		}
	}
}

// park waits for the client. The last thread to arrive completes the stop.
func (d *Debugger) park(th *thread) {
	th.parked = true
	d.settle()
	for th.parked && !th.t.Dying() {
		d.cond.Wait()
	}
}

// settle completes a stop once every thread stands.
func (d *Debugger) settle() {
	if d.state != stopping || len(d.order) == 0 {
		return
	}
	for _, th := range d.order {
		if !th.parked {
			return
		}
	}
	if len(d.queue) == 0 {
		d.queue = append(d.queue, rsp.Stop{Kind: rsp.StopInterrupt, Signal: rsp.Signal(linux.SIGINT), Thread: d.order[0].id})
	}
	d.state = stopped
	d.last = d.queue[0]
	if d.attaching {
		d.queue = d.queue[1:] // Attach returns it
	}
	for _, s := range d.queue {
		d.stops <- s
	}
	d.queue = nil
	d.cond.Broadcast()
}

// prepare sets the engine up for how the thread goes on.
func (d *Debugger) prepare(th *thread) {
	if th.t.Dying() {
		return
	}
	dbg := engine.Debug{}
	if d.attached {
		dbg.Breakpoints = true
		dbg.Registers = d.debugRegisters()
		dbg.Step = th.over != nil || th.action.Kind == rsp.Step || th.action.Kind == rsp.StepRange
		if th.over == nil && d.standsOnRegister(th) {
			th.over = &stepOver{}
			dbg.Step = true
		}
		if th.over != nil {
			dbg.Registers = onlyData(dbg.Registers)
		}
	}
	th.stepping = dbg.Step
	if dbg.Step {
		th.noteInstruction()
	}
	if err := th.t.CPU.SetDebug(dbg); err != nil {
		d.kernel.Logf("debugger: thread %d: %v", th.t.TID, err)
	}
}

// WantsSyscalls implements kernel.Tracer. A step over SYSCALL ends at the
// call's return.
func (d *Debugger) WantsSyscalls(t *kernel.Thread, nr uint64) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	th := d.threads[t]
	return d.attached && th != nil && (th.stepping || d.catch.has(nr))
}

// Exiting implements kernel.Tracer.
func (d *Debugger) Exiting(*kernel.Process) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.cond.Broadcast()
}

// ProcessExit implements kernel.Tracer.
func (d *Debugger) ProcessExit(p *kernel.Process, status kernel.ExitStatus) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := rsp.Stop{Kind: rsp.StopExited, Code: status.Code, Thread: rsp.ThreadID{PID: rsp.PID(idBase + p.PID), TID: rsp.TID(idBase + p.PID)}}
	if status.Signal != 0 {
		s.Kind, s.Signal = rsp.StopKilled, rsp.Signal(status.Signal)
	}
	d.state, d.last = exited, s
	d.cond.Broadcast()
	if !d.attached {
		d.finish()
		return
	}
	d.stops <- s
}

func trapInfo(code int32, th *thread) linux.SigInfo {
	return linux.FaultInfo(linux.SIGTRAP, code, th.t.Regs().RIP)
}
