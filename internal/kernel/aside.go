package kernel

import (
	"torov/internal/engine"
	"torov/internal/mm"
)

// aside is an instruction that a thread executes although a debugger has
// something there: the thread of a process that is not debugged, but has the
// memory of one that is (vfork(2)).
type aside struct {
	on         bool
	breakpoint engine.GVA // 0: none
	page       engine.GVA // whose guard is lifted
	guard      mm.Guard
}

// stepAside takes what the debugger has at a away for one instruction.
func (t *Thread) stepAside(a engine.GVA, isBreakpoint bool) {
	as := t.Proc.AS()
	t.aside.on = true
	if isBreakpoint {
		as.LiftBreakpoint(a)
		t.aside.breakpoint = a
	} else {
		t.aside.page = a.PageDown()
		t.aside.guard = as.Guard(a)
		as.SetGuard(a, mm.GuardNone)
	}
	if err := t.CPU.SetDebug(engine.Debug{Step: true}); err != nil {
		t.Kernel().fail(t, err)
	}
}

// backFromAside undoes stepAside once the instruction has been executed, which a
// page fault is not.
func (t *Thread) backFromAside(e engine.Exit) {
	if e.Kind == engine.ExitInterrupted || e.Kind == engine.ExitException && e.Vector == engine.VectorPF {
		return
	}
	as := t.Proc.AS()
	if t.aside.breakpoint != 0 {
		as.RestoreBreakpoint(t.aside.breakpoint)
	}
	if t.aside.guard != mm.GuardNone {
		as.SetGuard(t.aside.page, t.aside.guard)
	}
	t.aside = aside{}
	if err := t.CPU.SetDebug(engine.Debug{}); err != nil {
		t.Kernel().fail(t, err)
	}
}
