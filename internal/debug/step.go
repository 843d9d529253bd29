package debug

import (
	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/rsp"
)

// setStepping notes whether the engine single-steps a thread.
func (d *Debugger) setStepping(th *thread, on bool) {
	if th.stepping == on {
		return
	}
	th.stepping = on
	if on {
		d.steppers++
	} else {
		d.steppers--
	}
	d.updateCurious()
}

// stepped: one instruction is done, and with it the client's step, unless it
// is to go on through a range.
func (d *Debugger) stepped(th *thread) bool {
	switch a := th.action; a.Kind {
	case rsp.StepRange:
		for th.in(a.Start, a.End) {
			if !d.emulateInRange(th) {
				return false
			}
		}
	case rsp.Step:
	default:
		return false // the step was the debugger's own
	}
	d.stop(th, rsp.Stop{Kind: rsp.StopStep}, trapInfo(linux.TRAP_TRACE, th))
	return true
}

// in reports whether the thread is in a range of code.
func (th *thread) in(start, end rsp.Addr) bool {
	pc := rsp.Addr(th.t.Regs().RIP)
	return pc >= start && pc < end
}

// Opcodes of instructions that show or change the trap flag.
const (
	opPushf = 0x9c
	opPopf  = 0x9d
)

// steppedInst is what must be known of an instruction before it is stepped.
type steppedInst struct {
	op byte // first opcode byte, prefixes skipped
	tf bool // POPF: the trap flag it is about to load
}

// lookAt looks at the instruction that is about to be stepped.
func lookAt(th *thread) (i steppedInst) {
	var code [4]byte
	r := th.t.Regs()
	n, _ := th.t.Proc.AS().DebugRead(code[:], engine.GVA(r.RIP))
	for _, b := range code[:n] {
		if b == 0x66 || b >= 0x40 && b <= 0x4f {
			continue // operand size, REX
		}
		i.op = b
		break
	}
	if i.op == opPopf {
		var flags [2]byte
		_, errno := th.t.Proc.AS().DebugRead(flags[:], engine.GVA(r.RSP))
		i.tf = errno == 0 && getUint(flags[:])&engine.FlagTF != 0
	}
	return i
}

// fixFlags keeps the trap flag of a step and that of the program apart: PUSHF
// has stored ours, POPF has loaded the program's.
func (d *Debugger) fixFlags(th *thread) {
	r := th.t.Regs()
	switch {
	case th.step.op == opPopf && th.step.tf:
		r.RFLAGS |= engine.FlagTF
	case th.step.op == opPushf:
		var flags [2]byte
		sp := engine.GVA(r.RSP)
		if _, errno := th.t.Proc.AS().DebugRead(flags[:], sp); errno == 0 {
			flags[1] &^= engine.FlagTF >> 8
			_, _ = th.t.Proc.AS().DebugWrite(sp, flags[:])
		}
	}
	th.step = steppedInst{}
}

// stepOver is one instruction that a thread executes on the debugger's
// account, with something lifted; alone, if others could miss it.
type stepOver struct {
	soft    []engine.GVA // INT3s taken out
	guards  []engine.GVA // pages opened
	touched []touch      // watched memory that the instruction is to touch
	at      uint64       // with touched: where the instruction is
	froze   bool
}

// instructionGoesOn deals with an event of a thread that executes an
// instruction on the debugger's account, or steps. It reports whether the
// instruction is yet to be done; then the thread must go on at once.
func (d *Debugger) instructionGoesOn(th *thread, e kernel.Event) bool {
	switch e.Kind {
	case kernel.EventStep:
		d.fixFlags(th)
		d.traceStep(th)
	case kernel.EventDebugRegister:
		if th.stepping {
			d.fixFlags(th)
			d.traceStep(th)
		}
		d.noteHits(th, e)
	case kernel.EventSyscallEntry:
		d.beforeCall(th)
	case kernel.EventSyscallReturn:
		d.afterCall(th)
		if th.stepping && !th.t.Restarting() {
			d.traceStep(th)
		}
	}
	if th.over == nil {
		return false
	}
	switch e.Kind {
	case kernel.EventPause:
		return !th.t.Dying() // the request is answered when it is done
	case kernel.EventGuard:
		d.hitGuard(th, e)
		return true
	case kernel.EventSignal:
		// A signal came before the instruction, or because of it.
		r := th.t.Regs()
		th.passed = &place{r.RIP, r.RSP}
		if r.RIP == th.over.at {
			th.over.touched = nil // it is yet to be executed, if at all
		}
	}
	d.finishOver(th)
	return false
}

// freeze stops all threads but one, without the client's noticing.
func (d *Debugger) freeze(th *thread) {
	d.frozen = th
	for !th.t.Dying() {
		waiting := false
		for _, other := range d.order {
			if other != th && !other.inside {
				other.t.Pause()
				waiting = true
			}
		}
		if !waiting {
			return
		}
		d.arrived.Wait()
	}
}

func (d *Debugger) thaw() {
	d.frozen = nil
	d.wakeAll()
}

// finishOver puts back what was lifted for an instruction.
func (d *Debugger) finishOver(th *thread) {
	o := th.over
	th.over = nil
	as := th.t.Proc.AS()
	for _, a := range o.soft {
		as.RestoreBreakpoint(a)
	}
	d.record(th, d.changed(th, o.touched))
	for _, page := range o.guards {
		as.SetGuard(page, d.guardOf(page))
	}
	if o.froze {
		d.dropTraps()
		d.thaw()
	}
}
