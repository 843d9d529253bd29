package rsp

import "errors"

// Target is a debuggee, described by what it can do. Each field is a small
// interface; a nil field is a capability that is not offered: its packets get
// the empty reply and its name does not appear in the answer to qSupported.
//
// The first four are the minimum every client needs. The fields must not
// change while a [Server] uses the Target.
type Target struct {
	// Required.
	Registers  Registers  // g G p P, target.xml, register save and restore
	Memory     Memory     // m M X x, search, checksums
	RunControl RunControl // c s vCont, stop replies, interrupts
	Threads    Threads    // thread lists, names

	// Stopping.
	Breakpoints Breakpoints // Z and z of every kind
	Events      Events      // fork, vfork, exec, thread creation and exit
	Syscalls    Syscalls    // catch syscall
	Signals     Signals     // signals passed without a stop
	SigInfo     SigInfo     // $_siginfo
	NonStop     NonStop     // threads stop one by one
	Reverse     Reverse     // execution backwards
	Tracepoints Tracepoints // data recorded without a stop

	// Sessions and processes.
	Session  Session  // connection and disconnection
	Process  Process  // kill, detach
	Launcher Launcher // run, restart
	Attacher Attacher // attach
	// Launched: the program was started for the client, though not by it; a
	// client that quits kills it.
	Launched bool

	// What the program is.
	Auxv      Auxv      // the auxiliary vector
	ExecFile  ExecFile  // the path of the executable
	Libraries Libraries // the list of shared libraries
	Offsets   Offsets   // relocation of a program without auxiliary vector
	Host      Host      // LLDB: what machine this is, what process this is
	OSData    OSData    // tables for "info os"

	// Services.
	Files         Files         // vFile: the debuggee's file system
	TLS           TLS           // addresses of thread-local variables
	Monitor       Monitor       // "monitor" commands
	MemoryRegions MemoryRegions // LLDB: what is mapped where
	Allocator     Allocator     // LLDB: memory for expression evaluation
}

// validate reports what a usable Target lacks.
func (t *Target) validate() error {
	switch {
	case t == nil:
		return errors.New("rsp: the server has no Target")
	case t.Registers == nil, t.Memory == nil, t.RunControl == nil, t.Threads == nil:
		return errors.New("rsp: a Target needs Registers, Memory, RunControl and Threads")
	}
	return t.Registers.Describe().validate()
}
