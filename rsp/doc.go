// Package rsp is a server for the GDB remote serial protocol: the part of a
// debugger that lives next to the program. It speaks to GDB, LLDB and Delve.
// It knows packets and sessions and nothing of what is being debugged, which
// may be a virtual machine, an emulator or a process.
//
// The package imports only the standard library (and its own sub-packages
// agent, the bytecode of breakpoint conditions, trace, the recorder of
// tracepoints, and amd64, register tables), and must not import anything else.
//
// # Using it
//
// Describe the debuggee by a [Target], a struct of small interfaces in which
// nil means "not offered", and serve it:
//
//	l, err := rsp.Listen(":1234")
//	if err != nil { … }
//	srv := &rsp.Server{Target: &rsp.Target{
//		Registers:  vm,
//		Memory:     vm,
//		RunControl: vm,
//		Threads:    vm,
//		Breakpoints: vm,
//	}}
//	err = srv.Serve(ctx, l)
//
// What the server tells a client it can do follows from which fields are set.
// Search, checksums, register save and restore, thread lists and the like need
// no capability of their own: the server builds them from the four required
// ones. Command example is a CPU with a stub of that size; package internal/toy
// has every capability, for the tests.
//
// A client is attached to the debuggee with its first packet: until then the
// program runs undisturbed. One client is served at a time; another one that
// connects meanwhile is told so.
//
// # Where things are
//
// Capabilities are declared in target.go (the list), run.go, stop.go, register.go,
// memory.go, breakpoint.go, tracepoint.go, process.go, program.go and
// services.go. Packets are parsed and answered in pkt_*.go, a file per family;
// each begins with a table of names, and dispatch.go joins the tables. client.go
// holds what is announced to whom. Framing is in frame.go (codec) and reader.go
// (input), the life of a connection in server.go and session.go.
//
// # Concurrency
//
// The server calls the methods of a Target from one goroutine, one at a time.
// [RunControl.Resume] returns at once; the stop arrives on the channel of
// [RunControl.Stops]. Between Resume and the stop the server calls only
// [RunControl.Interrupt], or [RunControl.Attach] when the client goes away; with
// non-stop mode on ([NonStop]) it may call any method while threads run. The
// target may send on the channel from any goroutine, also from within a method
// the server has called and with locks held: another goroutine receives.
//
// # Stops
//
// In all-stop mode each Resume is answered by exactly one [Stop]. The debuggee
// stops as a whole and then sends the event that made it stop. If several
// threads had events, the others are in [Stop.Also]; the server keeps them.
// When the client resumes a thread that has a kept event, the server asks
// [RunControl.Valid] whether the event still holds; if so it reports it without
// resuming anything.
//
// A stop for a signal is made before the signal is delivered; the Action of
// the next Resume says what the thread really gets.
//
// # When the client goes away
//
// A client that detaches or kills says so, and [Process] is told. One that
// vanishes leaves the choice to [Session.Disconnected]. In every case the
// server first removes the breakpoints the client had inserted.
//
// # Errors
//
// A capability's error goes to the client in the form it understands: with
// its text where possible, as a number otherwise. Only the text of the error
// is shown, so it should be a sentence a person can act upon. [ErrUnsupported]
// means the empty reply. A [syscall.Errno] anywhere in the chain becomes the
// number. No error of a capability ends the session. Files answers in errno
// only.
//
// Nothing that a client sends makes the server panic, or allocate more than a
// small multiple of the packet size.
package rsp
