package debug

import (
	"errors"

	"torov/internal/linux"
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
	if d.last.Kind == rsp.StopInterrupt || d.last.Kind == rsp.StopNone {
		d.last.Kind = rsp.StopHalted
	}
	return d.last, nil
}

// Resume implements rsp.RunControl.
func (d *Debugger) Resume(actions []rsp.Action) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch d.state {
	case exited:
		return rsp.ErrNoProcess
	case running, stopping:
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
	d.cond.Broadcast()
	return nil
}

// Interrupt implements rsp.RunControl.
func (d *Debugger) Interrupt() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state == running {
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

// PassSignals implements rsp.Signals.
func (d *Debugger) PassSignals(signals []rsp.Signal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.pass = make(map[linux.Signal]bool)
	for _, s := range signals {
		d.pass[linux.Signal(s)] = true
	}
	return nil
}

// ProgramSignals implements rsp.Signals. Every signal that occurs is asked
// about, so this only matters for those left over when the client detaches.
func (d *Debugger) ProgramSignals(signals []rsp.Signal) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.program = make(map[linux.Signal]bool)
	for _, s := range signals {
		d.program[linux.Signal(s)] = true
	}
	return nil
}

// SupportedEvents implements rsp.Events.
func (d *Debugger) SupportedEvents() rsp.EventSet { return rsp.EventThread | rsp.EventNoResumed }

// EnableEvents implements rsp.Events.
func (d *Debugger) EnableEvents(e rsp.EventSet) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = e
	return nil
}

// ReadSigInfo implements rsp.SigInfo.
func (d *Debugger) ReadSigInfo(id rsp.ThreadID) (out [rsp.SigInfoSize]byte, err error) {
	th, err := d.quiet(id)
	if err != nil {
		return out, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if th.info.Signo == 0 {
		th.info = trapInfo(linux.SI_USER, th)
	}
	copy(out[:], linux.Bytes(&th.info))
	return out, nil
}

// WriteSigInfo implements rsp.SigInfo.
func (d *Debugger) WriteSigInfo(id rsp.ThreadID, info [rsp.SigInfoSize]byte) error {
	th, err := d.quiet(id)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	copy(linux.Bytes(&th.info), info[:])
	return nil
}
