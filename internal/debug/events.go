package debug

import (
	"slices"
	"sync"

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
	d.arrived.Broadcast()
	for d.frozen != nil && d.frozen != th && !t.Dying() {
		th.wake.Wait()
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
			if d.frozen != nil && d.frozen != th {
				// Its instruction first: it may have opened a page.
				th.wake.Wait()
				continue
			}
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
	th := &thread{t: t, id: clientID(t), action: rsp.Action{Kind: rsp.Continue}, caught: notCaught, wake: sync.Cond{L: &d.mu}}
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
	d.arrived.Broadcast()
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
	if d.nonStop {
		d.stops <- s
		return
	}
	d.reason = &s
	d.halt()
}

// react decides whether the program stops because of an event. A thread that
// was asked to halt may have had an instruction to finish first.
func (d *Debugger) react(th *thread, e kernel.Event) (stops bool) {
	return d.reactTo(th, e) || th.over == nil && d.halted(th)
}

func (d *Debugger) reactTo(th *thread, e kernel.Event) (stops bool) {
	if d.hitWatch(th) {
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
		if d.emulateGuarded(th, e) {
			return d.hitWatch(th)
		}
		d.hitGuard(th, e)
	case kernel.EventSignal:
		return d.signalled(th, e.Info)
	case kernel.EventSyscallEntry:
		return d.syscallEntry(th)
	case kernel.EventSyscallReturn:
		return d.syscallReturn(th)
	case kernel.EventExec:
		return d.execed(th)
	}
	return false
}

// hitWatch stops the program if the thread has touched a watchpoint.
func (d *Debugger) hitWatch(th *thread) bool {
	hit := d.takeHit(th)
	if hit != nil {
		d.stop(th, *hit, trapInfo(linux.TRAP_HWBKPT, th))
	}
	return hit != nil
}

// execed: the process runs another program. Breakpoints and watchpoints went
// with the old one's memory; the client knows and sets them again.
func (d *Debugger) execed(th *thread) bool {
	d.breakpoints, d.watches = make(map[breakpointKey]*breakpoint), nil
	d.rearm()
	if d.events&rsp.EventExec == 0 {
		return false
	}
	d.stop(th, rsp.Stop{Kind: rsp.StopExec, Path: th.t.Proc.Loaded().Exe}, trapInfo(linux.TRAP_TRACE, th))
	return true
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
