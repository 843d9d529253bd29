package debug

import (
	"slices"

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
	if e.Kind == kernel.EventThreadExit {
		d.ended(th, e.Status)
		return e.Info
	}
	info := e.Info
	if !d.instructionGoesOn(th, e) {
		info = d.stand(th, e)
	}
	th.inside = false
	d.prepare(th)
	return info
}

// stand lets the client look for as long as it wants, and returns the signal
// to deliver.
func (d *Debugger) stand(th *thread, e kernel.Event) linux.SigInfo {
	info := e.Info
	acted, decided, late := false, false, false
	for !th.t.Dying() {
		if d.state == running && !th.held {
			if acted || late && !d.holds(th, e.Kind) {
				break
			}
			acted = true
			if !d.react(th, e) {
				break
			}
		}
		d.park(th)
		if th.t.Dying() {
			break
		}
		if e.Kind == kernel.EventSignal && acted && !decided {
			info, decided = th.decided(), true
		} else {
			th.inject()
		}
		th.info, late = linux.SigInfo{}, true
	}
	return info
}

// holds reports whether an event that has not been acted upon is still true
// when its thread is resumed. Most others come again by themselves; the end of
// a step is no news to a client that has looked since.
func (d *Debugger) holds(th *thread, k kernel.EventKind) bool {
	switch k {
	case kernel.EventStart, kernel.EventSignal, kernel.EventSyscallEntry, kernel.EventSyscallReturn:
		return true
	}
	return d.liveHit(th) != nil
}

// Created implements kernel.Tracer.
func (d *Debugger) Created(t *kernel.Thread) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.threads[t] == nil {
		d.adopt(t)
	}
}

// adopt begins to watch a thread. The list is in the order of thread numbers,
// whichever of several new threads gets here first.
func (d *Debugger) adopt(t *kernel.Thread) *thread {
	th := &thread{t: t, id: clientID(t), action: rsp.Action{Kind: rsp.Continue}, caught: notCaught}
	for old, o := range d.threads {
		if o.ended && d.kernel.Thread(old.TID) != old {
			delete(d.threads, old)
		}
	}
	if len(d.actions) > 0 {
		// A thread that is made while the client runs some threads alone
		// waits with the others.
		_, ok := rsp.ActionFor(d.actions, th.id)
		th.held = !ok
	}
	d.threads[t] = th
	at, _ := slices.BinarySearchFunc(d.order, th.id.TID, func(o *thread, tid rsp.TID) int { return int(o.id.TID - tid) })
	d.order = slices.Insert(d.order, at, th)
	d.current = t.Proc
	return th
}

// ended: a thread is no more.
func (d *Debugger) ended(th *thread, status kernel.ExitStatus) {
	th.ended, th.parked = true, true
	for i := range d.order {
		if d.order[i] == th {
			d.order = append(d.order[:i], d.order[i+1:]...)
			break
		}
	}
	if d.frozen == th {
		d.thaw()
	}
	d.setStepping(th, false)
	if d.state == running && d.attached && len(d.order) > 0 && !d.order[0].t.Dying() {
		switch {
		case d.events&rsp.EventThread != 0:
			d.stop(th, rsp.Stop{Kind: rsp.StopThreadExited, Code: status.Code}, linux.SigInfo{})
		case !d.anyResumed():
			d.noneResumed()
		}
	}
	d.settle()
	d.cond.Broadcast()
}

// anyResumed reports whether a thread runs that the client resumed.
func (d *Debugger) anyResumed() bool {
	for _, th := range d.order {
		if !th.held {
			return true
		}
	}
	return false
}

// noneResumed: the last thread that the client resumed has ended. It must
// hear of that, or it waits forever.
func (d *Debugger) noneResumed() {
	s := rsp.Stop{Kind: rsp.StopNoResumed}
	if d.events&rsp.EventNoResumed == 0 {
		s = rsp.Stop{Kind: rsp.StopHalted, Thread: d.order[0].id}
	}
	d.reason = &s
	d.halt()
}

// react decides whether the program stops because of an event.
func (d *Debugger) react(th *thread, e kernel.Event) (stops bool) {
	if hit := d.liveHit(th); hit != nil {
		d.stop(th, *hit, trapInfo(linux.TRAP_HWBKPT, th))
		return true
	}
	if e.Kind == kernel.EventBreakpoint {
		return d.hitBreakpoint(th)
	}
	if !d.attached {
		return false
	}
	switch e.Kind {
	case kernel.EventStart:
		return d.started(th)
	case kernel.EventPause:
		return d.enteredHandler(th)
	case kernel.EventStep:
		return d.stepped(th)
	case kernel.EventDebugRegister:
		return d.hitRegister(th)
	case kernel.EventGuard:
		d.hitGuard(th, e)
	case kernel.EventSignal:
		return d.signalled(th, e.Info)
	case kernel.EventSyscallEntry:
		return d.syscallEntry(th)
	case kernel.EventSyscallReturn:
		return d.syscallReturn(th)
	}
	return false
}

// started: a new thread. The first one of a program that is held counts as
// stopped before it gets here.
func (d *Debugger) started(th *thread) bool {
	if d.events&rsp.EventThread == 0 || len(d.order) == 1 {
		return false
	}
	d.stop(th, rsp.Stop{Kind: rsp.StopThreadCreated}, linux.SigInfo{})
	return true
}

// signalled: a signal is about to be delivered.
func (d *Debugger) signalled(th *thread, info linux.SigInfo) bool {
	s := info.Signal()
	if th.silent == s || d.pass[s] {
		th.silent = 0
		th.armHandler()
		return false
	}
	d.stop(th, rsp.Stop{Kind: rsp.StopSignal, Signal: rsp.Signal(s)}, info)
	return true
}

// entry is where a thread was before it may have entered a signal handler.
type entry struct{ rip, rsp uint64 }

// armHandler makes a stepping thread stop at the first instruction of the
// handler it is about to enter, not after it.
func (th *thread) armHandler() {
	if th.action.Kind == rsp.Step || th.action.Kind == rsp.StepRange {
		th.handler = &entry{th.t.Regs().RIP, th.t.Regs().RSP}
		th.t.Pause()
	}
}

// enteredHandler ends a step that led into a signal handler. A signal that
// has none does not end it.
func (d *Debugger) enteredHandler(th *thread) bool {
	was := th.handler
	if th.handler = nil; was == nil {
		return false
	}
	if r := th.t.Regs(); r.RIP == was.rip && r.RSP == was.rsp {
		return false
	}
	d.stop(th, rsp.Stop{Kind: rsp.StopStep}, trapInfo(linux.TRAP_TRACE, th))
	return true
}

// decided is what the client made of the signal that the thread stopped for.
func (th *thread) decided() linux.SigInfo {
	if th.action.Signal == 0 {
		return linux.SigInfo{}
	}
	th.armHandler()
	return th.chosen()
}

// chosen describes the signal that the client resumed the thread with: what
// it stopped for, perhaps changed, or one sent by the debugger (ptrace_signal
// in the kernel).
func (th *thread) chosen() linux.SigInfo {
	s := linux.Signal(th.action.Signal)
	if th.info.Signal() == s {
		return th.info
	}
	return linux.KillInfo(s, linux.SI_USER, int32(th.t.Proc.PID), th.t.Proc.Creds().UID)
}

// inject sends a signal that the client resumed the thread with.
func (th *thread) inject() {
	if s := linux.Signal(th.action.Signal); s != 0 {
		th.silent = s
		th.t.Signal(th.chosen())
	}
}

// stop begins a stop that has a reason.
func (d *Debugger) stop(th *thread, s rsp.Stop, info linux.SigInfo) {
	s.Thread = th.id
	th.info = info
	d.reason = &s
	d.halt()
}

// halt begins to stop everything.
func (d *Debugger) halt() {
	d.state = stopping
	for _, other := range d.order {
		if !other.inside {
			other.t.Pause()
		}
	}
}

// park waits for the client. The last thread to arrive completes the stop.
func (d *Debugger) park(th *thread) {
	if !th.parked {
		th.parked = true
		d.settle()
	}
	for th.parked && !th.t.Dying() {
		d.cond.Wait()
	}
}

// settle completes a stop once every thread stands. The kernel is asked which
// there are: one that has just been made has not reported itself yet.
func (d *Debugger) settle() {
	if d.state != stopping || len(d.order) == 0 {
		return
	}
	for _, t := range d.kernel.Threads() {
		if th := d.threads[t]; th == nil || !th.parked || t.Dying() && !th.ended {
			return
		}
	}
	if d.reason == nil {
		d.reason = &rsp.Stop{Kind: rsp.StopInterrupt, Signal: rsp.Signal(linux.SIGINT), Thread: d.interruptible().id}
	}
	d.state, d.last, d.reason = stopped, *d.reason, nil
	if !d.attaching {
		d.stops <- d.last
	}
	d.cond.Broadcast()
}

// interruptible is the thread that an interrupt is said to have stopped: one
// that the client had resumed.
func (d *Debugger) interruptible() *thread {
	for _, th := range d.order {
		if !th.held {
			return th
		}
	}
	return d.order[0]
}

// active reports whether threads must be run with breakpoints.
func (d *Debugger) active() bool { return d.attached || len(d.breakpoints) > 0 }

// prepare sets the engine up for how the thread goes on.
func (d *Debugger) prepare(th *thread) {
	if th.t.Dying() {
		return
	}
	dbg := engine.Debug{}
	if d.active() || th.over != nil {
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
	d.setStepping(th, dbg.Step)
	if dbg.Step {
		th.step = lookAt(th)
	}
	if err := th.t.CPU.SetDebug(dbg); err != nil {
		d.kernel.Logf("debugger: thread %d: %v", th.t.TID, err)
	}
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
	d.state, d.last, d.reason = exited, s, nil
	d.cond.Broadcast()
	switch {
	case !d.attached:
		d.finish()
	case !d.attaching:
		d.stops <- s
	}
}

func trapInfo(code int32, th *thread) linux.SigInfo {
	return linux.FaultInfo(linux.SIGTRAP, code, th.t.Regs().RIP)
}
