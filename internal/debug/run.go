package debug

import (
	"errors"
	"fmt"
	"slices"

	"torov/rsp"
)

// Attach implements rsp.RunControl.
func (d *Debugger) Attach() (rsp.Stop, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.attached, d.attaching = true, true
	if d.state == running {
		d.halt()
		d.settle()
	}
	for d.state == stopping {
		d.cond.Wait()
	}
	d.attaching = false
	if d.state == stopped && (d.last.Kind == rsp.StopInterrupt || d.last.Kind == rsp.StopNone) {
		d.last.Kind = rsp.StopHalted
	}
	return d.last, nil
}

// AttachTo implements rsp.Attacher: a client that has detached comes back. GDB
// knows the process by the number that it is attached to with.
func (d *Debugger) AttachTo(p rsp.PID) (rsp.Stop, error) {
	d.mu.Lock()
	proc, there := d.current, d.state != exited
	d.mu.Unlock()
	switch {
	case !there || proc == nil:
		return rsp.Stop{}, fmt.Errorf("process %d: %w", p, rsp.ErrNoProcess)
	case int(p) != idBase+proc.PID:
		return rsp.Stop{}, fmt.Errorf("no process %d here, but %d", p, idBase+proc.PID)
	}
	return d.Attach()
}

// Resume implements rsp.RunControl.
func (d *Debugger) Resume(actions []rsp.Action) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch d.state {
	case exited:
		return rsp.ErrNoProcess
	case running:
		if d.nonStop {
			d.resumeSome(actions)
			return nil
		}
		return errors.New("the program is running already")
	case stopping:
		return errors.New("the program is running already")
	}
	d.state, d.actions = running, actions
	for _, th := range d.order {
		a, ok := rsp.ActionFor(actions, th.id)
		if ok {
			th.action = a
		}
		th.held, th.parked = !ok, !ok
		th.handler = nil
	}
	for _, th := range inTurn(d.order, d.last.Thread) {
		th.wake.Signal()
	}
	return nil
}

// inTurn puts those first that come after the thread that the client was told
// of last: where all come to the same breakpoint, the one that wakes first gets
// there, and the others would never run.
func inTurn(order []*thread, last rsp.ThreadID) []*thread {
	next := 1 + slices.IndexFunc(order, func(th *thread) bool { return th.id == last })
	return slices.Concat(order[next:], order[:next])
}

// Interrupt implements rsp.RunControl.
func (d *Debugger) Interrupt() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.state != running:
	case d.nonStop:
		d.interruptOne()
	default:
		d.halt()
		d.settle()
	}
	return nil
}

// Stops implements rsp.RunControl.
func (d *Debugger) Stops() <-chan rsp.Stop { return d.stops }

// Valid implements rsp.RunControl. No stop comes with others that wait: their
// threads report them when they are resumed.
func (d *Debugger) Valid(rsp.Stop) bool { return false }

// SupportedEvents implements rsp.Events.
func (d *Debugger) SupportedEvents() rsp.EventSet {
	return rsp.EventExec | rsp.EventThread | rsp.EventNoResumed
}

// EnableEvents implements rsp.Events.
func (d *Debugger) EnableEvents(e rsp.EventSet) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = e
	return nil
}
