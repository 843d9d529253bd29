package rsp

// ActionKind is what a thread is told to do.
type ActionKind uint8

const (
	// Continue runs the thread.
	Continue ActionKind = iota
	// Step runs one instruction, then stops with StopStep.
	Step
	// StepRange keeps stepping while Start <= PC < End and stops with
	// StopStep as soon as it is outside. The first step is always taken.
	StepRange
	// Halt stops a running thread (non-stop only). The thread reports
	// StopHalted; one that is stopped already reports nothing.
	Halt
)

// Action is an instruction to the threads that Thread stands for.
type Action struct {
	Thread ThreadID // may hold wildcards
	Kind   ActionKind
	// Signal is delivered to the thread as it resumes; 0 for none, and then
	// the signal it stopped for is discarded.
	Signal Signal
	// Start and End are the code range of StepRange.
	Start, End Addr
}

// ActionFor returns what thread t is told to do: the leftmost match decides.
// ok is false for a thread that stays as it is.
func ActionFor(actions []Action, t ThreadID) (a Action, ok bool) {
	for _, a := range actions {
		if a.Thread.Matches(t) {
			return a, true
		}
	}
	return Action{}, false
}

// RunControl runs and stops the debuggee.
//
// In all-stop mode, the only mode unless [Target.NonStop] is offered and the
// client asks for it, the debuggee is either stopped as a whole or running.
// It stops as a whole before a Stop is sent: no thread executes, and nothing
// else writes its memory, until the next Resume.
type RunControl interface {
	// Attach is called when a debugger has connected (at its first packet):
	// it stops the debuggee, unless it is stopped already, and says why it
	// is stopped. With no process to debug it returns StopNone, after the
	// end of the program the StopExited or StopKilled that ended it.
	//
	// It is also called to stop a running debuggee whose client vanishes,
	// kills, or ends non-stop mode. A stop reported here is not sent on the
	// channel too.
	Attach() (Stop, error)
	// Resume lets threads go on as the actions say (see [ActionFor]) and
	// returns at once. Threads without an action stay stopped.
	Resume(actions []Action) error
	// Interrupt asks a running debuggee to stop with StopInterrupt, as fast
	// as possible and also when all threads are blocked in system calls. It
	// returns at once. If the debuggee stops for another reason first,
	// that stop is enough: at most one event comes of it, and Interrupt is
	// ignored when the debuggee is (already) stopped.
	Interrupt() error
	// Stops is the channel events arrive on, always the same one. In
	// all-stop mode each Resume is followed by exactly one Stop; events of
	// other threads at the same moment travel in its Also. While a server
	// serves, the channel is received from at all times, so that the target
	// may send from anywhere, with locks held.
	Stops() <-chan Stop
	// Valid is asked about an event from Stop.Also before it is reported:
	// does it still hold, now that the client may have removed the
	// breakpoint or moved the thread? An event that does not is forgotten,
	// and the thread runs from where it is.
	Valid(s Stop) bool
}

// NonStop is offered by targets whose threads can be stopped and resumed one
// by one. While it is on, the other threads run on when one stops, and every
// method of the Target may be called with threads running.
type NonStop interface {
	// SetNonStop changes the mode. It is called with the debuggee stopped.
	SetNonStop(on bool) error
}

// Reverse runs the debuggee backwards. Both return at once like
// RunControl.Resume; the stop arrives on the channel, with StopHistoryBegin
// if there is nothing left to undo.
type Reverse interface {
	ReverseContinue() error
	ReverseStep(t ThreadID) error
}

// EventSet is a set of optional events.
type EventSet uint16

// The events a client must ask for.
const (
	EventFork  EventSet = 1 << iota
	EventVfork          // vfork and its end
	EventExec
	EventThread // StopThreadCreated, StopThreadExited
	EventClone  // StopClone in place of StopThreadCreated (GDB 15)
	EventNoResumed
)

// Events switches optional events on. Without them threads and processes come
// and go silently, and the child of a fork is not debugged.
type Events interface {
	// SupportedEvents returns what the target can report. Constant.
	SupportedEvents() EventSet
	// EnableEvents says which to report from now on; a subset of the above.
	EnableEvents(EventSet) error
}

// Syscalls stops threads at system calls.
type Syscalls interface {
	// CatchSyscalls reports entry and return of the given system calls of a
	// process as StopSyscallEntry and StopSyscallReturn: all of them if on
	// is true and numbers is empty, none if on is false.
	CatchSyscalls(p PID, on bool, numbers []int) error
}

// Signals tells the target which signals need no stop. Both lists replace
// the ones before.
type Signals interface {
	// PassSignals: these are delivered to the program without a stop.
	PassSignals([]Signal) error
	// ProgramSignals: these may be delivered at all when the program is
	// resumed without a signal (for signals nobody asked the client about).
	ProgramSignals([]Signal) error
}

// SigInfoSize is the size in bytes of Linux's siginfo_t.
const SigInfoSize = 128

// SigInfo reads and writes the siginfo_t of a thread's last signal, in the
// Linux layout. For breakpoints and steps it is the SIGTRAP a ptrace debugger
// would see. A thread without one gives an error.
type SigInfo interface {
	ReadSigInfo(t ThreadID) ([SigInfoSize]byte, error)
	WriteSigInfo(t ThreadID, info [SigInfoSize]byte) error
}
