package debug

import (
	"bytes"
	"fmt"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/rsp"
	"torov/rsp/agent"
)

type breakpointKey struct {
	kind rsp.BreakpointKind
	addr rsp.Addr
	len  int
}

// breakpoint is one of the client's, and how it is done.
type breakpoint struct {
	*rsp.Breakpoint
	soft bool // an INT3 in memory, also for hardware kinds that do not fire here
}

// BreakpointCaps implements rsp.Breakpoints. There is no limit: what debug
// registers cannot do is done by INT3s and page guards.
func (d *Debugger) BreakpointCaps() rsp.BreakpointCaps {
	return rsp.BreakpointCaps{Conditions: true, Commands: true}
}

// InsertBreakpoint implements rsp.Breakpoints.
func (d *Debugger) InsertBreakpoint(b *rsp.Breakpoint) error {
	p, err := d.process(b.PID)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	key := breakpointKey{b.Kind, b.Addr, b.Len}
	if old := d.breakpoints[key]; old != nil {
		old.Breakpoint = b
		return nil
	}
	if b.Kind.IsWatch() {
		return d.insertWatch(p, key, b)
	}
	caps := d.caps()
	bp := &breakpoint{Breakpoint: b, soft: b.Kind == rsp.SoftwareBreakpoint || !caps.ExecRegisters || len(d.armed) >= engine.NumDebugRegisters}
	if !bp.soft {
		d.breakpoints[key] = bp
		d.rearm()
		return nil
	}
	if err := d.insertSoft(p, b.Addr, b.Kind == rsp.HardwareBreakpoint); err != nil {
		return err
	}
	d.breakpoints[key] = bp
	return nil
}

// insertSoft puts an INT3 into memory, now or when there is some.
func (d *Debugger) insertSoft(p *kernel.Process, a rsp.Addr, wait bool) error {
	if errno := p.AS().InsertBreakpoint(engine.GVA(a), wait); errno != 0 {
		return fmt.Errorf("no memory is mapped at %#x", uint64(a))
	}
	return nil
}

// RemoveBreakpoint implements rsp.Breakpoints.
func (d *Debugger) RemoveBreakpoint(b *rsp.Breakpoint) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := breakpointKey{b.Kind, b.Addr, b.Len}
	bp := d.breakpoints[key]
	delete(d.breakpoints, key)
	switch {
	case bp == nil:
	case b.Kind.IsWatch():
		d.removeWatch(key)
	case !bp.soft:
		d.rearm()
	case !d.softAt(b.Addr) && d.current != nil && d.state != exited:
		if errno := d.current.AS().RemoveBreakpoint(engine.GVA(b.Addr)); errno != 0 && b.Kind == rsp.SoftwareBreakpoint {
			return fmt.Errorf("no memory is mapped at %#x any more", uint64(b.Addr))
		}
	}
	return nil
}

// softAt reports whether an INT3 is wanted at an address.
func (d *Debugger) softAt(a rsp.Addr) bool {
	for key, bp := range d.breakpoints {
		if key.addr == a && bp.soft {
			return true
		}
	}
	_, traced := d.tracing.traps[a]
	return traced
}

// place is where a thread stands.
type place struct{ rip, rsp uint64 }

// hitBreakpoint: an INT3 of ours was executed; RIP is at it.
func (d *Debugger) hitBreakpoint(th *thread) bool {
	r := th.t.Regs()
	pc := rsp.Addr(r.RIP)
	passed := th.passed
	th.passed = nil
	d.traceHit(th)
	kind, stops := rsp.StopBreakpoint, false
	if passed == nil || *passed != (place{r.RIP, r.RSP}) {
		kind, stops = d.decide(th, pc, true)
	}
	if !stops || !d.attached {
		if _, genuine := th.t.Proc.AS().HasBreakpoint(engine.GVA(pc)); genuine {
			// The client has made the program's own INT3 its breakpoint, which
			// does nothing when its condition does not hold.
			r.RIP++
			return false
		}
		d.stepOverBreakpoint(th, pc)
		return false
	}
	d.stop(th, rsp.Stop{Kind: kind}, linux.KernelInfo(linux.SIGTRAP))
	return true
}

// decide evaluates the breakpoints at pc: whether one of them stops the
// program, and as what. Commands of those that hold are run.
func (d *Debugger) decide(th *thread, pc rsp.Addr, soft bool) (kind rsp.StopKind, stops bool) {
	env := &agent.Env{Machine: threadMachine{d, th}, Output: &logWriter{d: d}}
	kind = rsp.StopHardwareBreakpoint
	for key, bp := range d.breakpoints {
		if key.addr != pc || bp.soft != soft || key.kind.IsWatch() || len(bp.Conditions) > 0 && !bp.Holds(env) {
			continue
		}
		failed := false
		for _, c := range bp.Commands {
			if _, err := c.Eval(env); err != nil {
				failed = true // the person debugging should see where
			}
		}
		if len(bp.Commands) > 0 && !failed {
			continue
		}
		stops = true
		if key.kind == rsp.SoftwareBreakpoint {
			kind = rsp.StopBreakpoint
		}
	}
	return kind, stops
}

// threadMachine shows a thread to agent expressions.
type threadMachine struct {
	d  *Debugger
	th *thread
}

// Register implements agent.Machine.
func (m threadMachine) Register(num int) (uint64, error) {
	var b [64]byte
	n, ok := m.d.layout.read(m.th, num, b[:])
	if !ok {
		return 0, fmt.Errorf("no register %d", num)
	}
	return getUint(b[:min(n, 8)]), nil
}

// ReadMemory implements agent.Machine.
func (m threadMachine) ReadMemory(addr uint64, buf []byte) error {
	if n, errno := m.th.t.Proc.AS().DebugRead(buf, engine.GVA(addr)); errno != 0 {
		return fmt.Errorf("no memory at %#x", addr+uint64(n))
	}
	return nil
}

// logWriter prints what a breakpoint's commands write, line by line.
type logWriter struct{ d *Debugger }

func (w *logWriter) Write(b []byte) (int, error) {
	w.d.kernel.Logf("%s", bytes.TrimSuffix(b, []byte("\n")))
	return len(b), nil
}

// stepOverBreakpoint lets the instruction under an INT3 execute.
func (d *Debugger) stepOverBreakpoint(th *thread, pc rsp.Addr) {
	if d.emulateUnderBreakpoint(th) {
		return
	}
	d.freeze(th)
	th.over = &stepOver{soft: []engine.GVA{engine.GVA(pc)}, froze: true}
	th.t.Proc.AS().LiftBreakpoint(engine.GVA(pc))
}

// armedRegister is one debug register in use.
type armedRegister struct {
	engine.DebugRegister
	key breakpointKey
}

// rearm computes the debug registers from the breakpoints and watches.
func (d *Debugger) rearm() {
	defer d.refresh()
	d.armed = nil
	for key, bp := range d.breakpoints {
		if key.kind == rsp.HardwareBreakpoint && !bp.soft {
			d.armed = append(d.armed, armedRegister{engine.DebugRegister{Addr: engine.GVA(key.addr), Kind: engine.WatchExec, Len: 1}, key})
		}
	}
	for _, w := range d.watches {
		for _, r := range w.registers {
			d.armed = append(d.armed, armedRegister{r, w.key})
		}
	}
}

func (d *Debugger) debugRegisters() []engine.DebugRegister {
	var out []engine.DebugRegister
	for _, r := range d.armed {
		out = append(out, r.DebugRegister)
	}
	return out
}

// onlyData drops execution breakpoints: they fire before their instruction,
// so a thread that stands on one could never leave.
func onlyData(regs []engine.DebugRegister) []engine.DebugRegister {
	var out []engine.DebugRegister
	for _, r := range regs {
		if r.Kind != engine.WatchExec {
			out = append(out, r)
		}
	}
	return out
}

// standsOnRegister reports whether the thread is about to execute an
// instruction that has a hardware breakpoint.
func (d *Debugger) standsOnRegister(th *thread) bool {
	for _, r := range d.armed {
		if r.Kind == engine.WatchExec && uint64(r.Addr) == th.t.Regs().RIP {
			return true
		}
	}
	return false
}

// hitRegister: a debug register fired, and not for data, or a step ended at
// the same moment.
func (d *Debugger) hitRegister(th *thread) bool {
	if !d.standsOnRegister(th) {
		return d.stepped(th)
	}
	kind, stops := d.decide(th, rsp.Addr(th.t.Regs().RIP), false)
	if stops {
		d.stop(th, rsp.Stop{Kind: kind}, trapInfo(linux.TRAP_HWBKPT, th))
	}
	return stops
}
