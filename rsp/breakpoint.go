package rsp

import "torov/rsp/agent"

// BreakpointKind is the type number of a Z packet.
type BreakpointKind uint8

// The five kinds, with the protocol's numbers.
const (
	SoftwareBreakpoint BreakpointKind = iota // an instruction is replaced
	HardwareBreakpoint                       // a debug register watches execution
	WriteWatch                               // stop after a store
	ReadWatch                                // stop after a load
	AccessWatch                              // stop after either
	numBreakpointKinds
)

// IsWatch reports whether the kind watches data.
func (k BreakpointKind) IsWatch() bool { return k >= WriteWatch && k <= AccessWatch }

// Breakpoint is one breakpoint or watchpoint of the client.
type Breakpoint struct {
	PID  PID
	Kind BreakpointKind
	Addr Addr
	// Len is the number of bytes watched, or the client's idea of the
	// breakpoint instruction's size (always 1 on x86).
	Len int
	// Conditions: the breakpoint stops the program if there are none or one
	// of them is true. See [Breakpoint.Holds].
	Conditions []*agent.Expr
	// Commands run in the debuggee's place whenever the breakpoint stops
	// the thread and the conditions hold (GDB's "dprintf" in agent style);
	// a breakpoint with commands then goes on without telling the client.
	Commands []*agent.Expr
	// Persist: the commands stay when the client disconnects.
	Persist bool
}

// Holds reports whether the breakpoint's conditions let it stop the program.
// A condition that fails (division by zero, unreadable memory, too many
// steps) counts as true: the person debugging should see the stop rather
// than miss it.
func (b *Breakpoint) Holds(env *agent.Env) bool {
	for _, c := range b.Conditions {
		if v, err := c.Eval(env); err != nil || v != 0 {
			return true
		}
	}
	return len(b.Conditions) == 0
}

// BreakpointCaps says what a target's breakpoints can do. Constant while a
// client is connected.
type BreakpointCaps struct {
	// Conditions: Breakpoint.Conditions are evaluated by the target.
	Conditions bool
	// Commands: Breakpoint.Commands are run by the target.
	Commands bool
	// Watchpoints is how many the hardware has, 0 if there is no limit
	// worth telling a client.
	Watchpoints int
}

// Breakpoints inserts and removes breakpoints and watchpoints.
type Breakpoints interface {
	BreakpointCaps() BreakpointCaps
	// InsertBreakpoint makes b active. Inserting what exists (same process,
	// kind, address and length) replaces its conditions and commands.
	// [ErrUnsupported] says that this kind never works, so that the client
	// tries another way; any other error refuses this one.
	InsertBreakpoint(b *Breakpoint) error
	// RemoveBreakpoint undoes it. Only what was inserted is removed.
	// Memory that has been unmapped since is not an error.
	RemoveBreakpoint(b *Breakpoint) error
}
