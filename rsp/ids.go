package rsp

import "fmt"

// Addr is an address in the debuggee's address space. The package does no
// arithmetic on it beyond what a client asks for and never dereferences it.
type Addr uint64

// PID is a process number as the client sees it: positive, at most 31 bits.
// LLDB looks the number up in its own host's process table and takes what it
// finds there for the debuggee, so it should be one that the host never uses
// (on Linux, above 4194304).
type PID int

// TID is a thread number as the client sees it: positive, at most 31 bits,
// never reused within a session. As on Linux it is unique over all processes,
// and a process's first thread has the process's number.
type TID int

// Wildcards of the protocol. They occur in the Action list of
// [RunControl.Resume] and nowhere else in what a target is given.
const (
	AnyPID PID = 0  // "pick one"
	AllPID PID = -1 // every process
	AnyTID TID = 0
	AllTID TID = -1
)

// ThreadID names a thread of a process.
type ThreadID struct {
	PID PID
	TID TID
}

// AllThreads is every thread of every process.
var AllThreads = ThreadID{AllPID, AllTID}

// Matches reports whether the thread u is one of those that t, which may hold
// wildcards, stands for.
func (t ThreadID) Matches(u ThreadID) bool {
	return (t.PID <= 0 || t.PID == u.PID) && (t.TID <= 0 || t.TID == u.TID)
}

// String gives the protocol's own notation, for logs.
func (t ThreadID) String() string {
	return fmt.Sprintf("p%s.%s", hexID(int(t.PID)), hexID(int(t.TID)))
}

// hexID formats one half of a thread id: hexadecimal, except that "all" is -1.
func hexID(n int) string {
	if n < 0 {
		return "-1"
	}
	return fmt.Sprintf("%x", n)
}
