package debug

import (
	"fmt"

	"torov/internal/linux"
	"torov/rsp"
)

// signalled: a signal is about to be delivered. A client that steps hears also
// of those that it does not want to see: it may have to step around the handler.
func (d *Debugger) signalled(th *thread, info linux.SigInfo) bool {
	s := info.Signal()
	stepping := th.action.Kind == rsp.Step || th.action.Kind == rsp.StepRange
	if th.silent == s || d.pass[s] && !stepping && !d.trapInDisguise(th, s) {
		th.silent = 0
		th.armHandler()
		return false
	}
	d.stop(th, rsp.Stop{Kind: rsp.StopSignal, Signal: rsp.Signal(s), Description: describeSignal(info)}, info)
	return true
}

// faultWords says in words what a fault was; codes are those of sigaction(2).
var faultWords = map[linux.Signal]map[int32]string{
	linux.SIGSEGV: {linux.SEGV_MAPERR: "address not mapped", linux.SEGV_ACCERR: "access not permitted"},
	linux.SIGBUS:  {linux.BUS_ADRALN: "unaligned address", linux.BUS_ADRERR: "no memory behind the mapping"},
	linux.SIGFPE:  {linux.FPE_INTDIV: "integer divided by zero", linux.FPE_FLTDIV: "division by zero", linux.FPE_FLTINV: "invalid operation"},
	linux.SIGILL:  {linux.ILL_ILLOPN: "illegal instruction", linux.ILL_ILLOPC: "illegal instruction", linux.ILL_PRVOPC: "privileged instruction"},
}

// describeSignal is what LLDB shows of a fault; of other signals it says
// enough itself.
func describeSignal(info linux.SigInfo) string {
	s := info.Signal()
	words := faultWords[s][info.Code]
	switch {
	case words == "":
		return ""
	case s == linux.SIGSEGV, s == linux.SIGBUS:
		return fmt.Sprintf("signal %s: %s (fault address: %#x)", s, words, info.Addr())
	}
	return fmt.Sprintf("signal %s: %s", s, words)
}

// trapInDisguise: the program ran into a breakpoint where it must not execute.
// Clients put one on the stack for the return of a function that they call,
// and take the signal for the breakpoint.
func (d *Debugger) trapInDisguise(th *thread, s linux.Signal) bool {
	return (s == linux.SIGSEGV || s == linux.SIGILL) && d.softAt(rsp.Addr(th.t.Regs().RIP))
}

// entry is where a thread was before it may have entered a signal handler.
type entry struct{ rip, rsp uint64 }

// armHandler makes a stepping thread stop at the first instruction of the
// handler it is about to enter, not after it.
func (th *thread) armHandler() {
	if th.action.Kind == rsp.Step || th.action.Kind == rsp.StepRange {
		th.handler = &entry{th.t.Regs().RIP, th.t.Regs().RSP}
		th.t.Pause()
	}
}

// enteredHandler ends a step that led into a signal handler. A signal that
// has none does not end it.
func (d *Debugger) enteredHandler(th *thread) bool {
	was := th.handler
	if th.handler = nil; was == nil {
		return false
	}
	if r := th.t.Regs(); r.RIP == was.rip && r.RSP == was.rsp {
		return false
	}
	d.stop(th, rsp.Stop{Kind: rsp.StopStep}, trapInfo(linux.TRAP_TRACE, th))
	return true
}

// decided is what the client made of the signal that the thread stopped for.
func (th *thread) decided() linux.SigInfo {
	if th.action.Signal == 0 {
		return linux.SigInfo{}
	}
	th.armHandler()
	return th.chosen()
}

// chosen describes the signal that the client resumed the thread with: what
// it stopped for, perhaps changed, or one sent by the debugger (ptrace_signal
// in the kernel).
func (th *thread) chosen() linux.SigInfo {
	s := linux.Signal(th.action.Signal)
	if th.info.Signal() == s {
		return th.info
	}
	return linux.KillInfo(s, linux.SI_USER, int32(th.t.Proc.PID), th.t.Proc.Creds().UID)
}

// inject sends a signal that the client resumed the thread with.
func (th *thread) inject() {
	if s := linux.Signal(th.action.Signal); s != 0 {
		th.silent = s
		th.t.Signal(th.chosen())
	}
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
