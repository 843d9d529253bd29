package linux

import (
	"math/bits"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Signal is a signal number, 1 to 64 (signal(7)); 0 is no signal.
type Signal uint8

// The standard signals and the borders of the realtime ones. SIGRTMIN is the
// kernel's: C libraries keep the first two or three for themselves.
const (
	SIGHUP    = Signal(unix.SIGHUP)
	SIGINT    = Signal(unix.SIGINT)
	SIGQUIT   = Signal(unix.SIGQUIT)
	SIGILL    = Signal(unix.SIGILL)
	SIGTRAP   = Signal(unix.SIGTRAP)
	SIGABRT   = Signal(unix.SIGABRT)
	SIGBUS    = Signal(unix.SIGBUS)
	SIGFPE    = Signal(unix.SIGFPE)
	SIGKILL   = Signal(unix.SIGKILL)
	SIGUSR1   = Signal(unix.SIGUSR1)
	SIGSEGV   = Signal(unix.SIGSEGV)
	SIGUSR2   = Signal(unix.SIGUSR2)
	SIGPIPE   = Signal(unix.SIGPIPE)
	SIGALRM   = Signal(unix.SIGALRM)
	SIGTERM   = Signal(unix.SIGTERM)
	SIGSTKFLT = Signal(unix.SIGSTKFLT)
	SIGCHLD   = Signal(unix.SIGCHLD)
	SIGCONT   = Signal(unix.SIGCONT)
	SIGSTOP   = Signal(unix.SIGSTOP)
	SIGTSTP   = Signal(unix.SIGTSTP)
	SIGTTIN   = Signal(unix.SIGTTIN)
	SIGTTOU   = Signal(unix.SIGTTOU)
	SIGURG    = Signal(unix.SIGURG)
	SIGXCPU   = Signal(unix.SIGXCPU)
	SIGXFSZ   = Signal(unix.SIGXFSZ)
	SIGVTALRM = Signal(unix.SIGVTALRM)
	SIGPROF   = Signal(unix.SIGPROF)
	SIGWINCH  = Signal(unix.SIGWINCH)
	SIGIO     = Signal(unix.SIGIO)
	SIGPWR    = Signal(unix.SIGPWR)
	SIGSYS    = Signal(unix.SIGSYS)
	SIGRTMIN  = Signal(32)
	SIGRTMAX  = Signal(64)

	// NumSignals is the highest signal number.
	NumSignals = 64
)

// Action is what a signal does when the program has installed no handler.
type Action uint8

// The default actions of signal(7).
const (
	ActionTerm     Action = iota // end the process
	ActionCore                   // end the process, with a core dump
	ActionIgnore                 // nothing
	ActionStop                   // stop the process
	ActionContinue               // continue the process if it is stopped
)

type signalRow struct {
	name   string
	action Action
}

var signals = [SIGRTMIN]signalRow{
	SIGHUP:    {"SIGHUP", ActionTerm},
	SIGINT:    {"SIGINT", ActionTerm},
	SIGQUIT:   {"SIGQUIT", ActionCore},
	SIGILL:    {"SIGILL", ActionCore},
	SIGTRAP:   {"SIGTRAP", ActionCore},
	SIGABRT:   {"SIGABRT", ActionCore},
	SIGBUS:    {"SIGBUS", ActionCore},
	SIGFPE:    {"SIGFPE", ActionCore},
	SIGKILL:   {"SIGKILL", ActionTerm},
	SIGUSR1:   {"SIGUSR1", ActionTerm},
	SIGSEGV:   {"SIGSEGV", ActionCore},
	SIGUSR2:   {"SIGUSR2", ActionTerm},
	SIGPIPE:   {"SIGPIPE", ActionTerm},
	SIGALRM:   {"SIGALRM", ActionTerm},
	SIGTERM:   {"SIGTERM", ActionTerm},
	SIGSTKFLT: {"SIGSTKFLT", ActionTerm},
	SIGCHLD:   {"SIGCHLD", ActionIgnore},
	SIGCONT:   {"SIGCONT", ActionContinue},
	SIGSTOP:   {"SIGSTOP", ActionStop},
	SIGTSTP:   {"SIGTSTP", ActionStop},
	SIGTTIN:   {"SIGTTIN", ActionStop},
	SIGTTOU:   {"SIGTTOU", ActionStop},
	SIGURG:    {"SIGURG", ActionIgnore},
	SIGXCPU:   {"SIGXCPU", ActionCore},
	SIGXFSZ:   {"SIGXFSZ", ActionCore},
	SIGVTALRM: {"SIGVTALRM", ActionTerm},
	SIGPROF:   {"SIGPROF", ActionTerm},
	SIGWINCH:  {"SIGWINCH", ActionIgnore},
	SIGIO:     {"SIGIO", ActionTerm},
	SIGPWR:    {"SIGPWR", ActionTerm},
	SIGSYS:    {"SIGSYS", ActionCore},
}

// Valid reports whether s is a signal number, 1 to 64.
func (s Signal) Valid() bool { return s >= 1 && s <= NumSignals }

// Realtime reports whether s queues: several pending ones are all delivered.
func (s Signal) Realtime() bool { return s >= SIGRTMIN && s <= SIGRTMAX }

// Name returns "SIGSEGV", "SIGRTMIN", "SIGRT_5" (the fifth after SIGRTMIN),
// or "signal 99" for a number that is none.
func (s Signal) Name() string {
	switch {
	case !s.Valid():
		return "signal " + strconv.Itoa(int(s))
	case s == SIGRTMIN:
		return "SIGRTMIN"
	case s > SIGRTMIN:
		return "SIGRT_" + strconv.Itoa(int(s-SIGRTMIN))
	}
	return signals[s].name
}

func (s Signal) String() string { return s.Name() }

// SignalByName finds a signal by its name, with or without "SIG", or by its
// decimal number.
func SignalByName(name string) (Signal, bool) {
	if n, err := strconv.ParseUint(name, 10, 8); err == nil {
		return Signal(n), Signal(n).Valid()
	}
	if !strings.HasPrefix(name, "SIG") {
		name = "SIG" + name
	}
	for s := Signal(1); s <= NumSignals; s++ {
		if s.Name() == name {
			return s, true
		}
	}
	return 0, false
}

// DefaultAction returns what s does under SIG_DFL.
func (s Signal) DefaultAction() Action {
	if s.Valid() && s < SIGRTMIN {
		return signals[s].action
	}
	return ActionTerm
}

// SigSet is a set of signals in the kernel's layout: bit n-1 is signal n.
type SigSet uint64

// SigSetSize is the sigsetsize argument that rt_sig* calls require, in bytes.
const SigSetSize = 8

const (
	// SigUnblockable are the signals that cannot be blocked, caught or
	// ignored.
	SigUnblockable = SigSet(1)<<(SIGKILL-1) | 1<<(SIGSTOP-1)

	// SigSynchronous are the signals an instruction can cause. They are
	// delivered before any other (SYNCHRONOUS_MASK in kernel/signal.c).
	SigSynchronous = SigSet(1)<<(SIGSEGV-1) | 1<<(SIGBUS-1) | 1<<(SIGILL-1) |
		1<<(SIGTRAP-1) | 1<<(SIGFPE-1) | 1<<(SIGSYS-1)
)

// MakeSigSet returns the set of the given signals.
func MakeSigSet(signals ...Signal) (set SigSet) {
	for _, s := range signals {
		set.Add(s)
	}
	return set
}

func (s Signal) bit() SigSet {
	if !s.Valid() {
		return 0
	}
	return 1 << (s - 1)
}

// Add puts a signal into the set; a number that is none changes nothing.
func (set *SigSet) Add(s Signal) { *set |= s.bit() }

// Del takes a signal out of the set.
func (set *SigSet) Del(s Signal) { *set &^= s.bit() }

// Has reports whether the signal is in the set.
func (set SigSet) Has(s Signal) bool { return set&s.bit() != 0 }

// Next returns the signal of the set that is delivered first: synchronous
// ones before others, then the lowest number. It is 0 for the empty set.
func (set SigSet) Next() Signal {
	if sync := set & SigSynchronous; sync != 0 {
		set = sync
	}
	if set == 0 {
		return 0
	}
	return Signal(bits.TrailingZeros64(uint64(set)) + 1)
}

// String lists the members: "{SIGINT SIGTERM}".
func (set SigSet) String() string {
	var names []string
	for s := Signal(1); s <= NumSignals; s++ {
		if set.Has(s) {
			names = append(names, s.Name())
		}
	}
	return "{" + strings.Join(names, " ") + "}"
}
