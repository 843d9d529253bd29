// Package syscalls is the system-call interface: a table with one row per
// call, the dispatcher that checks permissions and runs the row's handler, and
// the handlers, one file per family.
//
// It may import kernel, mm and linux, and must not import debug, config or any
// engine. Handlers keep no state: everything is in kernel's objects.
package syscalls

import (
	"fmt"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
)

// Args are the six argument registers of a call.
type Args [6]uint64

// Typed views of an argument; C's narrower types ignore the upper bits.
func (a Args) Int(i int) int32       { return int32(a[i]) }
func (a Args) Uint(i int) uint32     { return uint32(a[i]) }
func (a Args) Addr(i int) engine.GVA { return engine.GVA(a[i]) }

// Handler serves one call.
type Handler func(t *kernel.Thread, a Args) (uint64, linux.Errno)

// Group is a permission class. A call belongs to exactly one.
type Group string

const (
	GroupBase    Group = "base"    // always granted: compute, memory, time, own descriptors, exit
	GroupFile    Group = "file"    // open and change files and directories by name
	GroupNet     Group = "net"     // sockets that reach others
	GroupThread  Group = "thread"  // more threads
	GroupProcess Group = "process" // other processes
	GroupSystem  Group = "system"  // settings of the whole system or of other programs
)

// groupText says what a group grants, for help and documentation.
var groupText = map[Group]string{
	GroupBase:    "compute, memory, time, signals, open descriptors, exit (always granted)",
	GroupFile:    "open, create and change files and directories by name",
	GroupNet:     "sockets",
	GroupThread:  "start threads",
	GroupProcess: "start, signal and trace other processes",
	GroupSystem:  "settings of the system",
}

// Kind is how an argument is shown in a trace.
type Kind string

const (
	Int   Kind = "int"
	Uint  Kind = "uint"
	Hex   Kind = "hex" // flags
	Ptr   Kind = "ptr"
	FD    Kind = "fd"
	DirFD Kind = "dirfd" // AT_FDCWD or a descriptor
	Path  Kind = "path"
	Str   Kind = "str"
	Buf   Kind = "buf" // the next argument is its length
	Size  Kind = "size"
	Mode  Kind = "mode" // octal
	Sig   Kind = "sig"
)

// Arg is a named argument.
type Arg struct {
	Name string
	Kind Kind
}

// State says how much of a call is there.
type State string

const (
	Full    State = "full"
	Partial State = "partial"  // Note says what is missing
	Stub    State = "accepted" // succeeds without effect, on purpose
)

// Call is one row of the table.
type Call struct {
	Nr    uint64
	Name  string
	Group Group
	State State
	Note  string
	Args  []Arg
	Do    Handler
	// Own returns how a use of the call is served that is about nothing but
	// what the program has or knows anyway, so that it needs no permission; nil
	// if this use is not. What it found in the program's memory must not be
	// looked at again, since another thread may have changed it.
	Own func(t *kernel.Thread, a Args) Handler
}

// lastNumber is the highest call number that has a name.
const lastNumber = 511

var table [lastNumber + 1]*Call

// register adds rows; each family's file calls it once. The name of a row
// gives its number.
func register(rows ...Call) {
	for i := range rows {
		c := &rows[i]
		if c.Nr == 0 && c.Name != "read" {
			nr, ok := linux.SyscallNumber(c.Name)
			if !ok {
				panic("syscalls: no such call: " + c.Name)
			}
			c.Nr = nr
		}
		if c.State == "" {
			c.State = Full
		}
		if table[c.Nr] != nil {
			panic("syscalls: two rows for " + c.Name)
		}
		table[c.Nr] = c
	}
}

// args parses the short notation of rows: "fd:fd buf:buf count:size".
func args(pairs ...string) []Arg {
	out := make([]Arg, 0, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		out = append(out, Arg{pairs[i], Kind(pairs[i+1])})
	}
	return out
}

// Table returns all rows in the order of their numbers.
func Table() []*Call {
	out := make([]*Call, 0, len(table))
	for _, c := range table {
		if c != nil {
			out = append(out, c)
		}
	}
	return out
}

// Lookup returns the row of a number, or nil.
func Lookup(nr uint64) *Call {
	if nr > lastNumber {
		return nil
	}
	return table[nr]
}

// byName returns the row of a name, or nil.
func byName(name string) *Call {
	for _, c := range table {
		if c != nil && c.Name == name {
			return c
		}
	}
	return nil
}

// Groups returns the permission groups with what they grant.
func Groups() map[Group]string { return groupText }

// CheckName reports whether name is a call or a group, for configurations.
func CheckName(name string) error {
	if _, ok := groupText[Group(name)]; ok || byName(name) != nil {
		return nil
	}
	if _, ok := linux.SyscallNumber(name); ok {
		return nil // known to Linux, and ENOSYS here, granted or not
	}
	return fmt.Errorf("%q is neither a system call nor a group; see 'torov syscalls'", name)
}
