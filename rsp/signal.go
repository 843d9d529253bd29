package rsp

// Signal is a Linux signal number (1 to 64), 0 for none. Targets only ever see
// these; the server translates to and from the protocol's numbers, which are
// GDB's own.
type Signal uint8

// The signals the protocol itself has a use for.
const (
	SIGINT  Signal = 2
	SIGTRAP Signal = 5
	SIGKILL Signal = 9
	SIGSTOP Signal = 19

	maxSignal Signal = 64
)

// gdbUnknown is GDB's number for a signal it has no name for.
const gdbUnknown = 143

// gdbSignals maps Linux numbers to GDB's where they differ (GDB's
// include/gdb/signals.def): below the real-time signals.
var gdbSignals = map[Signal]int{
	7: 10, 10: 30, 12: 31, 16: gdbUnknown, 17: 20, 18: 19, 19: 17, 20: 18,
	23: 16, 29: 23, 30: 32, 31: 12,
}

// linuxSignals is the inverse of GDB, for all Linux signals.
var linuxSignals = func() map[int]Signal {
	m := map[int]Signal{}
	for sig := Signal(1); sig <= maxSignal; sig++ {
		m[sig.GDB()] = sig
	}
	return m
}()

// GDB returns GDB's number for the signal.
func (sig Signal) GDB() int {
	n, special := gdbSignals[sig]
	switch {
	case special:
		return n
	case sig < 32:
		return int(sig)
	case sig == 32:
		return 77 // GDB_SIGNAL_REALTIME_32
	case sig < maxSignal:
		return int(sig) + 12 // GDB_SIGNAL_REALTIME_33 is 45
	case sig == maxSignal:
		return 78 // GDB_SIGNAL_REALTIME_64
	}
	return gdbUnknown
}

// SignalFromGDB returns the Linux signal with GDB's number n, 0 if there is
// none.
func SignalFromGDB(n int) Signal { return linuxSignals[n] }

// nativeSignals reports whether the client uses Linux's numbers. LLDB does: new
// versions because we announce native-signals, old ones because they know
// nothing else. Delve, made for LLDB's server, does too.
func (c *client) nativeSignals() bool { return c.kind != clientGDB }

// toClient translates a signal for the client.
func (s *session) toClient(sig Signal) int {
	if s.client.nativeSignals() {
		return int(sig)
	}
	return sig.GDB()
}

// fromClient translates a signal of the client's.
func (s *session) fromClient(n int) Signal {
	if s.client.nativeSignals() {
		if n > int(maxSignal) {
			return 0
		}
		return Signal(n)
	}
	return SignalFromGDB(n)
}
