package debug

import (
	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/rsp"
)

// stop begins a stop that has a reason; in non-stop mode it is that of the one
// thread, and done.
func (d *Debugger) stop(th *thread, s rsp.Stop, info linux.SigInfo) {
	s.Thread = th.id
	th.info = info
	if d.nonStop {
		th.held, th.halt = true, rsp.StopNone
		d.stops <- s
		return
	}
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
		th.wake.Wait()
	}
}

// settle completes a stop once every thread stands. The kernel is asked which
// there are: one that has just been made has not reported itself yet.
func (d *Debugger) settle() {
	if d.state != stopping || len(d.order) == 0 {
		return
	}
	for _, th := range d.order {
		if !th.parked {
			return
		}
	}
	for _, t := range d.kernel.Threads() {
		if th := d.threads[t]; t.Proc.Traced() && (th == nil || !th.parked || t.Dying() && !th.ended) {
			return
		}
	}
	if d.reason == nil {
		d.reason = &rsp.Stop{Kind: rsp.StopInterrupt, Signal: rsp.Signal(linux.SIGINT), Thread: d.interruptible().id}
	}
	d.state, d.last, d.reason = stopped, *d.reason, nil
	d.dropTraps()
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
func (d *Debugger) active() bool {
	return d.attached || len(d.breakpoints) > 0 || len(d.tracing.traps) > 0
}

// prepare sets the engine up for how the thread goes on.
func (d *Debugger) prepare(th *thread) {
	if th.t.Dying() {
		return
	}
	dbg := engine.Debug{}
	if d.active() || th.over != nil {
		dbg.Breakpoints = true
		dbg.Registers = d.debugRegisters()
		dbg.Step = th.over != nil || th.action.Kind == rsp.Step || th.action.Kind == rsp.StepRange || len(th.steppings) > 0
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
	d.wakeAll()
	d.arrived.Broadcast()
}

// wakeAll lets waiting threads look at what has changed.
func (d *Debugger) wakeAll() {
	for _, th := range d.order {
		th.wake.Signal()
	}
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
	d.traceEnded()
	d.cond.Broadcast()
	if d.attached && !d.attaching {
		d.stops <- s
	}
	d.finish()
}

func trapInfo(code int32, th *thread) linux.SigInfo {
	return linux.FaultInfo(linux.SIGTRAP, code, th.t.Regs().RIP)
}
