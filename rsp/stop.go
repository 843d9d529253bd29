package rsp

// StopKind is why the debuggee, or one thread of it, stopped.
type StopKind uint8

const (
	// StopNone: there is no process.
	StopNone StopKind = iota
	// StopSignal: Signal is about to be delivered to the thread. It has not
	// been: the next action's Signal decides what the thread gets.
	StopSignal
	// StopHalted: stopped on request, for no reason of its own: the first
	// stop of a session, or the end of a Halt action.
	StopHalted
	// StopInterrupt: the answer to RunControl.Interrupt.
	StopInterrupt
	// StopStep: a step or a range of steps is done.
	StopStep
	// StopBreakpoint: a software breakpoint of the client was reached. PC is
	// at its address.
	StopBreakpoint
	// StopHardwareBreakpoint: the same for a hardware breakpoint.
	StopHardwareBreakpoint
	// StopWatch: data was accessed. Addr lies in the watched range, Watch
	// is the kind of the client's watchpoint; PC is after the access.
	StopWatch
	// StopSyscallEntry and StopSyscallReturn: Syscall is the number.
	StopSyscallEntry
	StopSyscallReturn
	// StopFork and StopVfork: Child is the new process's thread, stopped and
	// in the thread list. Breakpoints are still inserted in its memory; the
	// client removes them.
	StopFork
	StopVfork
	// StopVforkDone: the child of a vfork no longer shares memory.
	StopVforkDone
	// StopExec: the process runs Path now. Thread is the only thread left.
	// Breakpoints of the old image are gone.
	StopExec
	// StopThreadCreated: Thread is new and has not executed anything.
	StopThreadCreated
	// StopThreadExited: Thread ended with Code.
	StopThreadExited
	// StopClone: Thread has made the thread Child.
	StopClone
	// StopLibrary: the list of libraries has changed.
	StopLibrary
	// StopHistoryBegin and StopHistoryEnd: execution reached an end of what
	// was recorded.
	StopHistoryBegin
	StopHistoryEnd
	// StopNoResumed: no thread that was resumed is left, others are stopped.
	StopNoResumed
	// StopExited: the process Thread.PID exited with Code (0 to 255).
	StopExited
	// StopKilled: the process Thread.PID was ended by Signal.
	StopKilled
)

// Stop is one event: a thread that stopped and why. Only the fields that the
// kind names are read.
type Stop struct {
	Kind   StopKind
	Thread ThreadID // for StopExited and StopKilled only the PID counts
	Signal Signal
	// Addr is the data address of StopWatch.
	Addr Addr
	// Watch is the kind of watchpoint: WriteWatch, ReadWatch, AccessWatch.
	Watch   BreakpointKind
	Syscall int
	Child   ThreadID
	Path    string
	Code    int
	// Also holds the other events of the same all-stop: more threads that
	// had something to report when the debuggee stopped as a whole, most
	// important first. The server reports them when the client resumes
	// their threads, if RunControl.Valid says that they still hold.
	Also []Stop
	// Description is a sentence for people ("address not mapped"). LLDB
	// shows it; optional for every kind.
	Description string
}

// Ends reports whether the event is the end of a process.
func (s Stop) Ends() bool { return s.Kind == StopExited || s.Kind == StopKilled }
