package debug

import (
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/rsp"
)

// WantsSyscalls implements kernel.Tracer. A step over SYSCALL ends at the
// call's return. It is asked at every system call, so the answer no is cheap.
func (d *Debugger) WantsSyscalls(t *kernel.Thread, nr uint64) bool {
	if !d.curious.Load() {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	th := d.threads[t]
	return th != nil && (th.stepping || d.attached && (len(d.watches) > 0 || d.wantsCall(nr) || th.caught != notCaught || d.catch.has(nr)))
}

// updateCurious says whether WantsSyscalls must look closer.
func (d *Debugger) updateCurious() {
	d.curious.Store(d.steppers > 0 || len(d.watches) > 0 || len(d.faults) > 0 || d.catch.any() || d.strace.any())
}

// notCaught is thread.caught outside of system calls that the client caught.
const notCaught = -1

func (d *Debugger) syscallEntry(th *thread) bool {
	nr := uint64(th.t.OrigRAX)
	d.traceEntry(th)
	if d.inject(th) || !d.catch.has(nr) {
		return false
	}
	th.caught = int(nr)
	d.stop(th, rsp.Stop{Kind: rsp.StopSyscallEntry, Syscall: int(nr)}, trapInfo(linux.TRAP_BRKPT, th))
	return true
}

func (d *Debugger) syscallReturn(th *thread) bool {
	d.traceReturn(th)
	caught := th.caught
	th.caught = notCaught
	switch {
	case caught != notCaught && d.catch.has(uint64(caught)):
		d.stop(th, rsp.Stop{Kind: rsp.StopSyscallReturn, Syscall: caught}, trapInfo(linux.TRAP_BRKPT, th))
		return true
	case th.t.Restarting():
		return false // by a signal, which is reported instead, and then again
	case th.stepping:
		return d.stepped(th)
	}
	return false
}

// catchSet are the system calls to stop at.
type catchSet struct {
	all     bool
	numbers map[uint64]bool
}

func (c catchSet) any() bool          { return c.all || len(c.numbers) > 0 }
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
	d.updateCurious()
	return nil
}
