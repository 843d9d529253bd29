package rsp

// ThreadInfo describes a thread.
type ThreadInfo struct {
	ID   ThreadID
	Name string // as set by the program; may be empty
	// Extra is shown by "info threads", e.g. "blocked in futex"; optional.
	Extra string
	// Core is the processor or vCPU the thread runs on, -1 if unknown.
	Core int
	// Handle is the thread library's handle (the bytes of pthread_t in
	// memory order); optional.
	Handle []byte
	// Running is only looked at in non-stop mode.
	Running bool
}

// Threads lists the debuggee's threads.
type Threads interface {
	// Threads returns the live threads of all processes, in the order of
	// their creation.
	Threads() []ThreadInfo
	// Alive reports whether the thread is one of them.
	Alive(t ThreadID) bool
}

// Disconnect is what happens to the debuggee when the client has gone without
// saying goodbye.
type Disconnect uint8

const (
	// DisconnectDetach removes all breakpoints and lets the program run.
	DisconnectDetach Disconnect = iota
	// DisconnectHold removes all breakpoints and keeps the program stopped
	// for the next client.
	DisconnectHold
	// DisconnectKill ends the program.
	DisconnectKill
)

// Session is told about clients.
type Session interface {
	// Connected: a client has sent its first packet. It is called before
	// RunControl.Attach.
	Connected()
	// Disconnected: the connection has ended without detaching or killing.
	// launched says that the client started the program itself; the
	// customary policy is to kill in that case and detach otherwise, and
	// that is what the server does for targets without a Session.
	Disconnected(launched bool) Disconnect
}

// SessionCloser is a [Session] that is also told of the end of every
// connection, whether the client detached, killed, vanished or just left. It
// is the last call of a session.
type SessionCloser interface {
	Session
	Closed()
}

// SessionExtender is a [Session] that is told that the client stays when the
// program has ended, as it may start another one (target extended-remote).
type SessionExtender interface {
	Session
	Extended()
}

// Process ends debugging in the two ways there are. Without it, detaching
// resumes the program and killing only closes the connection.
type Process interface {
	// Kill ends a process at once. No event is sent for it.
	Kill(p PID) error
	// Detach lets a process run without a debugger: signals the client has
	// not been told of are delivered, nothing stops it any more. If stay is
	// true (LLDB) it remains stopped. The server has removed the breakpoints.
	Detach(p PID, stay bool) error
}

// Launch is what a client wants to run.
type Launch struct {
	Path string   // empty: the program the target was configured with
	Args []string // without the program's name
	// Env are the client's changes to the environment, in order.
	Env  []EnvChange
	Dir  string // working directory; empty: the target's choice
	ASLR bool   // randomise the address space
	// Shell: the client would like the command line expanded by a shell.
	Shell bool
}

// EnvChange is one change to the environment of a program to be launched.
type EnvChange struct {
	Reset bool   // back to the environment the target started with
	Unset bool   // remove Name
	Name  string // otherwise set Name to Value
	Value string
}

// Launcher starts programs (GDB's "run" with target extended-remote).
type Launcher interface {
	// Launch ends the program that is being debugged, if any, and starts
	// another one, stopped at its first instruction. It returns that stop.
	Launch(l Launch) (Stop, error)
}

// Attacher debugs a process that the target runs already.
type Attacher interface {
	// AttachTo stops the process and returns the stop to show.
	AttachTo(p PID) (Stop, error)
}
