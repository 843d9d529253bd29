package debug

import (
	"fmt"

	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/rsp"
)

// Launch implements rsp.Launcher: the program before, if there is one, is
// killed, and another one started in a kernel of its own, held at its first
// instruction.
func (d *Debugger) Launch(l rsp.Launch) (rsp.Stop, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.state != exited {
		d.attached = false // no event is sent for the old one
		old := d.current
		d.mu.Unlock()
		old.Kill(linux.SIGKILL)
		d.mu.Lock()
		for d.state != exited {
			d.cond.Wait()
		}
	}
	d.attached, d.attaching = true, true
	defer func() { d.attaching = false }()
	d.mu.Unlock()
	err := d.launch(l, d.use)
	d.mu.Lock()
	if err != nil {
		d.state = exited
		return rsp.Stop{}, fmt.Errorf("start the program: %w", err)
	}
	for d.state == stopping {
		d.cond.Wait()
	}
	d.last.Kind = rsp.StopHalted
	return d.last, nil
}

// use makes the debugger that of a kernel whose first process has not started.
func (d *Debugger) use(k *kernel.Kernel) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kernel, d.machine, d.caps = k, k.Machine(), k.Machine().DebugCaps
	d.threads, d.order, d.current = make(map[*kernel.Thread]*thread), nil, nil
	d.breakpoints, d.watches, d.armed = make(map[breakpointKey]*breakpoint), nil, nil
	d.reason, d.actions, d.frozen, d.steppers = nil, nil, nil, 0
	clear(d.allocated)
	d.traceEnded()
	d.state = stopping
	d.updateCurious()
	k.SetTracer(d)
}
