package linux

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestSignalNames(t *testing.T) {
	for s := Signal(1); s < SIGRTMIN; s++ {
		if want := unix.SignalName(unix.Signal(s)); s.Name() != want {
			t.Errorf("signal %d is %q, want %q", uint8(s), s.Name(), want)
		}
	}
	for s := Signal(1); s <= NumSignals; s++ {
		if got, ok := SignalByName(s.Name()); !ok || got != s {
			t.Errorf("SignalByName(%q) = %d, %v", s.Name(), got, ok)
		}
	}
	for name, want := range map[string]Signal{"TERM": SIGTERM, "9": SIGKILL, "SIGRT_5": 37} {
		if got, ok := SignalByName(name); !ok || got != want {
			t.Errorf("SignalByName(%q) = %v, %v", name, got, ok)
		}
	}
	for _, name := range []string{"", "0", "65", "SIGFOO", "-1", "signal 65"} {
		if got, ok := SignalByName(name); ok {
			t.Errorf("SignalByName(%q) = %v", name, got)
		}
	}
}

func TestDefaultActions(t *testing.T) {
	for s, want := range map[Signal]Action{
		SIGTERM: ActionTerm, SIGKILL: ActionTerm, SIGSEGV: ActionCore, SIGQUIT: ActionCore,
		SIGCHLD: ActionIgnore, SIGURG: ActionIgnore, SIGWINCH: ActionIgnore,
		SIGTSTP: ActionStop, SIGSTOP: ActionStop, SIGCONT: ActionContinue,
		SIGRTMIN: ActionTerm, SIGRTMAX: ActionTerm,
	} {
		if got := s.DefaultAction(); got != want {
			t.Errorf("%v: action %d, want %d", s, got, want)
		}
	}
}

func TestSigSet(t *testing.T) {
	set := MakeSigSet(SIGHUP, SIGRTMAX, SIGTERM, 0, 65, 255)
	if want := SigSet(1 | 1<<63 | 1<<14); set != want {
		t.Fatalf("set is %#x, want %#x", uint64(set), uint64(want))
	}
	if got := set.String(); got != "{SIGHUP SIGTERM SIGRT_32}" {
		t.Errorf("set prints as %s", got)
	}
	set.Add(SIGSEGV)
	var order []Signal
	for s := set.Next(); s != 0; s = set.Next() {
		order = append(order, s)
		set.Del(s)
	}
	want := [4]Signal{SIGSEGV, SIGHUP, SIGTERM, SIGRTMAX}
	if len(order) != len(want) || [4]Signal(order) != want {
		t.Errorf("delivery order %v, want %v", order, want)
	}
	if set.Has(0) || set.Has(65) || !SigUnblockable.Has(SIGKILL) || !SigUnblockable.Has(SIGSTOP) {
		t.Error("membership is wrong")
	}
}
