package debug

import (
	"errors"
	"fmt"

	"torov/internal/engine"
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
	if errno := p.AS.InsertBreakpoint(engine.GVA(b.Addr)); errno != 0 {
		return fmt.Errorf("no memory is mapped at %#x", uint64(b.Addr))
	}
	d.breakpoints[key] = bp
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
	case !d.softAt(b.Addr) && d.current != nil:
		d.current.AS.RemoveBreakpoint(engine.GVA(b.Addr))
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
	return false
}

// hitBreakpoint: an INT3 of ours was executed; RIP is at it.
func (d *Debugger) hitBreakpoint(th *thread) {
	pc := rsp.Addr(th.t.Regs().RIP)
	info := linux.KernelInfo(linux.SIGTRAP)
	kind, stop := d.decide(th, pc, true)
	if !stop {
		d.stepOverBreakpoint(th, pc)
		return
	}
	d.stop(th, rsp.Stop{Kind: kind}, info)
}

// decide evaluates the breakpoints at pc: whether one of them stops the
// program, and as what. Commands of those that hold are run.
func (d *Debugger) decide(th *thread, pc rsp.Addr, soft bool) (kind rsp.StopKind, stop bool) {
	env := &agent.Env{Machine: threadMachine{d, th}, Output: logWriter{d}}
	for key, bp := range d.breakpoints {
		if key.addr != pc || bp.soft != soft || key.kind.IsWatch() || len(bp.Conditions) > 0 && !bp.Holds(env) {
			continue
		}
		if len(bp.Commands) > 0 {
			for _, c := range bp.Commands {
				if _, err := c.Eval(env); err != nil {
					stop = true
				}
			}
			continue
		}
		stop = true
		if key.kind == rsp.HardwareBreakpoint {
			kind = rsp.StopHardwareBreakpoint
		}
	}
	if kind == rsp.StopNone {
		kind = rsp.StopBreakpoint
	}
	return kind, stop
}

// threadMachine shows a thread to agent expressions.
type threadMachine struct {
	d  *Debugger
	th *thread
}

// Register implements agent.Machine.
func (m threadMachine) Register(num int) (uint64, error) {
	b := make([]byte, 64)
	n, ok := m.d.layout.read(m.th, num, b)
	if !ok {
		return 0, fmt.Errorf("no register %d", num)
	}
	var v uint64
	for i := min(n, 8) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v, nil
}

// ReadMemory implements agent.Machine.
func (m threadMachine) ReadMemory(addr uint64, buf []byte) error {
	if _, errno := m.th.t.Proc.AS.DebugRead(buf, engine.GVA(addr)); errno != 0 {
		return errno
	}
	return nil
}

// logWriter prints what a breakpoint's commands write.
type logWriter struct{ d *Debugger }

func (w logWriter) Write(b []byte) (int, error) {
	w.d.kernel.Logf("%s", b)
	return len(b), nil
}

// stepOver is one instruction that a thread executes on the debugger's
// account, alone, with something lifted.
type stepOver struct {
	soft   []engine.GVA // INT3s taken out
	guards []engine.GVA // pages opened
	hit    *rsp.Stop    // to report when the instruction is done
	froze  bool
}

// stepOverBreakpoint lets the instruction under an INT3 execute.
func (d *Debugger) stepOverBreakpoint(th *thread, pc rsp.Addr) {
	d.freeze(th)
	th.over = &stepOver{soft: []engine.GVA{engine.GVA(pc)}, froze: true}
	th.t.Proc.AS.RemoveBreakpoint(engine.GVA(pc))
}

// freeze stops all threads but one, without the client's noticing.
func (d *Debugger) freeze(th *thread) {
	d.frozen = th
	for {
		waiting := false
		for _, other := range d.order {
			if other != th && !other.inside {
				other.t.Pause()
				waiting = true
			}
		}
		if !waiting || th.t.Dying() {
			return
		}
		d.cond.Wait()
	}
}

func (d *Debugger) thaw() {
	d.frozen = nil
	d.cond.Broadcast()
}

// finishOver puts back what was lifted. It reports whether the program stops
// because of it.
func (d *Debugger) finishOver(th *thread) bool {
	o := th.over
	th.over = nil
	as := th.t.Proc.AS
	for _, a := range o.soft {
		if d.softAt(rsp.Addr(a)) {
			// The memory may be gone: then so is the breakpoint.
			_ = as.InsertBreakpoint(a)
		}
	}
	for _, page := range o.guards {
		as.SetGuard(page, d.guardOf(page))
	}
	if o.froze {
		d.thaw()
	}
	if o.hit == nil || !d.attached {
		return false
	}
	d.stop(th, *o.hit, trapInfo(linux.TRAP_HWBKPT, th))
	return true
}

// armedRegister is one debug register in use.
type armedRegister struct {
	engine.DebugRegister
	key breakpointKey
}

// rearm computes the debug registers from the breakpoints and watches.
func (d *Debugger) rearm() {
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

// hitRegister: a debug register fired.
func (d *Debugger) hitRegister(th *thread, dr6 uint64) {
	pc := th.t.Regs().RIP
	if th.over != nil && d.finishOver(th) {
		return
	}
	for i, r := range d.armed {
		fired := dr6>>i&1 != 0
		if dr6&0xf == 0 { // kernels before 5.8 on AMD do not say which
			fired = r.Kind == engine.WatchExec && uint64(r.Addr) == pc || r.Kind != engine.WatchExec
		}
		if !fired {
			continue
		}
		if r.Kind == engine.WatchExec {
			kind, stop := d.decide(th, rsp.Addr(pc), false)
			if stop {
				d.stop(th, rsp.Stop{Kind: kind}, trapInfo(linux.TRAP_HWBKPT, th))
			}
			return
		}
		d.stop(th, rsp.Stop{Kind: rsp.StopWatch, Watch: r.key.kind, Addr: r.key.addr}, trapInfo(linux.TRAP_HWBKPT, th))
		return
	}
	d.stepped(th) // the step that ended at the same moment
}

var errTooLarge = errors.New("a watchpoint of more than 64 MiB")

// maxWatch bounds the pages that one watchpoint guards.
const maxWatch = 64 << 20
