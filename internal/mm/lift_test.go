package mm

import "testing"

func TestBreakpointLifted(t *testing.T) {
	as := newSpace(t, 64<<20)
	a, data := codePage(t, as, ProtRead|ProtExec)
	setBreakpoint(t, as, a+7)
	as.LiftBreakpoint(a + 7)
	if got := memoryAt(t, as, a+7); got != data[7] {
		t.Errorf("the byte is %#x while the breakpoint is lifted", got)
	}
	// What is written meanwhile is the original byte from then on.
	if _, errno := as.DebugWrite(a+7, []byte{0x55}); errno != 0 {
		t.Fatal(errno)
	}
	as.RestoreBreakpoint(a + 7)
	if got, seen := memoryAt(t, as, a+7), copyIn(t, as, a+7, 1); got != int3 || seen[0] != 0x55 {
		t.Errorf("restored: %#x in memory, %#x for readers", got, seen[0])
	}
	as.LiftBreakpoint(a + 7)
	as.RemoveBreakpoint(a + 7)
	as.RestoreBreakpoint(a + 7) // removed while it was lifted
	as.LiftBreakpoint(a + 8)    // none there
	if got := memoryAt(t, as, a+7); got != 0x55 {
		t.Errorf("the byte is %#x after removal", got)
	}
}
