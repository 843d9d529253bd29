package debug

import (
	"errors"

	"torov/internal/engine"
	"torov/internal/linux"
	"torov/rsp"
)

// Attach implements rsp.RunControl.
func (d *Debugger) Attach() (rsp.Stop, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.attached = true
	if d.state == running {
		d.attaching = true
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
	d.state = running
	for _, th := range d.order {
		if a, ok := rsp.ActionFor(actions, th.id); ok {
			th.action, th.held = a, false
		} else {
			th.held = true
		}
		th.parked = th.held
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

// Valid implements rsp.RunControl: an event that waited while the client
// looked at another one still counts if the breakpoint is still there and the
// thread still stands at it.
func (d *Debugger) Valid(s rsp.Stop) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch s.Kind {
	case rsp.StopBreakpoint, rsp.StopHardwareBreakpoint:
	default:
		return true
	}
	for _, th := range d.order {
		if th.id != s.Thread {
			continue
		}
		pc := rsp.Addr(th.t.Regs().RIP)
		for key := range d.breakpoints {
			if key.addr == pc {
				return true
			}
		}
	}
	return false
}

// stepped: one instruction is done.
func (d *Debugger) stepped(th *thread) {
	d.fixFlags(th)
	if th.over != nil {
		if d.finishOver(th) {
			return // it was more than a step
		}
	}
	switch a := th.action; a.Kind {
	case rsp.StepRange:
		if pc := rsp.Addr(th.t.Regs().RIP); pc >= a.Start && pc < a.End {
			return
		}
	case rsp.Step:
	default:
		return // the step was the debugger's own
	}
	d.stop(th, rsp.Stop{Kind: rsp.StopStep}, trapInfo(linux.TRAP_TRACE, th))
}

// Instructions that show or change the trap flag.
const (
	opPushf = 0x9c
	opPopf  = 0x9d
)

// steppedOp remembers the first opcode byte of the instruction being stepped,
// prefixes skipped.
type steppedOp struct {
	op byte
}

// noteInstruction looks at the instruction that is about to be stepped.
func (th *thread) noteInstruction() {
	var code [4]byte
	n, _ := th.t.Proc.AS.DebugRead(code[:], engine.GVA(th.t.Regs().RIP))
	th.stepOp.op = 0
	for _, b := range code[:n] {
		if b == 0x66 || b >= 0x40 && b <= 0x4f {
			continue // operand size, REX
		}
		th.stepOp.op = b
		return
	}
}

// fixFlags takes the trap flag of a step out of what the program can see:
// PUSHF stores it. What POPF loads is the program's own.
func (d *Debugger) fixFlags(th *thread) {
	if th.stepOp.op != opPushf {
		return
	}
	sp := engine.GVA(th.t.Regs().RSP)
	flags, errno := th.t.Proc.AS.Read64(sp)
	if errno == 0 && flags&engine.FlagTF != 0 {
		flags &^= engine.FlagTF
		var b [2]byte
		b[0], b[1] = byte(flags), byte(flags>>8)
		_, _ = th.t.Proc.AS.DebugWrite(sp, b[:])
	}
}

// Syscalls: a step over SYSCALL ends when the call returns.

func (d *Debugger) syscallEntry(th *thread) {
	if nr := uint64(th.t.OrigRAX); d.catch.has(nr) {
		th.catching = true
		d.stop(th, rsp.Stop{Kind: rsp.StopSyscallEntry, Syscall: int(nr)}, trapInfo(linux.TRAP_BRKPT, th))
	}
}

func (d *Debugger) syscallReturn(th *thread) {
	if th.catching {
		th.catching = false
		d.stop(th, rsp.Stop{Kind: rsp.StopSyscallReturn, Syscall: int(th.t.OrigRAX)}, trapInfo(linux.TRAP_BRKPT, th))
		return
	}
	if th.stepping {
		d.stepped(th)
	}
}

// catchSet are the system calls to stop at.
type catchSet struct {
	all     bool
	numbers map[uint64]bool
}

func (c catchSet) has(nr uint64) bool { return c.all || c.numbers[nr] }

// CatchSyscalls implements rsp.Syscalls.
func (d *Debugger) CatchSyscalls(_ rsp.PID, on bool, numbers []int) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.catch = catchSet{all: on && len(numbers) == 0, numbers: make(map[uint64]bool)}
	if on {
		for _, n := range numbers {
			d.catch.numbers[uint64(n)] = true
		}
	}
	return nil
}

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
// about, so there is nothing to filter.
func (d *Debugger) ProgramSignals([]rsp.Signal) error { return nil }

// SupportedEvents implements rsp.Events.
func (d *Debugger) SupportedEvents() rsp.EventSet { return 0 }

// EnableEvents implements rsp.Events.
func (d *Debugger) EnableEvents(rsp.EventSet) error { return nil }

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
