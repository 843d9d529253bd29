package debug

import (
	"torov/internal/linux"
	"torov/rsp"
)

// SetNonStop implements rsp.NonStop: threads stop and go on one by one. A
// thread that stands is held then, while the program counts as running.
func (d *Debugger) SetNonStop(on bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.nonStop, d.actions = on, nil
	if d.state != stopped {
		return nil // no program, or one that has ended
	}
	if on {
		d.state = running
		for _, th := range d.order {
			th.held = true
		}
	}
	return nil
}

// resumeSome resumes threads in non-stop mode, or halts them.
func (d *Debugger) resumeSome(actions []rsp.Action) {
	for _, th := range d.order {
		a, ok := rsp.ActionFor(actions, th.id)
		switch {
		case !ok:
		case a.Kind == rsp.Halt:
			th.askHalt(rsp.StopHalted)
		case th.parked:
			th.action, th.held, th.parked, th.halt = a, false, false, rsp.StopNone
		}
	}
	d.wakeAll()
}

// askHalt makes a running thread stop and say why.
func (th *thread) askHalt(kind rsp.StopKind) {
	if !th.parked {
		th.halt = kind
		th.t.Pause()
	}
}

// interruptOne stops one thread for a ^C in non-stop mode.
func (d *Debugger) interruptOne() {
	for _, th := range d.order {
		if !th.parked {
			th.askHalt(rsp.StopInterrupt)
			return
		}
	}
}

// halted answers askHalt.
func (d *Debugger) halted(th *thread) bool {
	kind := th.halt
	if th.halt = rsp.StopNone; kind == rsp.StopNone {
		return false
	}
	d.stop(th, rsp.Stop{Kind: kind, Signal: rsp.Signal(linux.SIGINT)}, linux.SigInfo{})
	return true
}

// refresh makes running threads take over changed debug registers.
func (d *Debugger) refresh() {
	if !d.nonStop {
		return
	}
	for _, th := range d.order {
		if !th.inside {
			th.t.Pause()
		}
	}
}
