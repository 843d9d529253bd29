// Package trace records what tracepoints see: it keeps definitions, evaluates
// conditions and actions when a thread comes by, and stores the result in a
// bounded buffer of frames, in the format of GDB's trace files (GDB manual,
// appendices "Tracepoint Packets" and "Trace File Format").
//
// A [Recorder] is the whole of it. The debuggee that uses one puts traps where
// the recorder wants them, and calls [Recorder.Hit] and [Recorder.Step] on the
// thread that came by, without stopping any other.
//
// The package imports only the standard library and rsp/agent, and knows
// nothing of the remote protocol. A Recorder has no lock: its owner serialises
// all calls.
package trace

import "torov/rsp/agent"

// Thread is the thread that hit a tracepoint, as a recorder sees it.
type Thread interface {
	agent.Machine
	// PC is where the thread stands.
	PC() uint64
	// ReadBlock fills a register block (see [Layout]).
	ReadBlock(block []byte)
	// Read fills buf from memory as far as it can be read and returns how
	// far that is.
	Read(addr uint64, buf []byte) int
}

// Program is the debuggee, as a recorder sees it. A trap makes each thread that
// is about to execute the instruction at its address call Recorder.Hit first.
// The methods are called from within methods of the recorder.
type Program interface {
	InsertTrap(addr uint64) error
	RemoveTrap(addr uint64)
}

// Layout describes register blocks: all registers, in the order of the remote
// protocol's g packet.
type Layout struct {
	Size int // bytes
	PC   int // offset of the program counter, which has 8 bytes
}

// Point is a tracepoint at one address. Several may have the same number, for
// the several places of one source line, or the same address.
type Point struct {
	Number  int
	Addr    uint64
	Enabled bool
	Steps   uint64 // instructions to step and record after each hit
	Passes  uint64 // the run ends with this hit; 0: never
	// Fast is the length in bytes that the client gave for a fast
	// tracepoint's instruction, -1 for others. They are served alike.
	Fast        int
	Condition   *agent.Expr // nil: always
	Actions     []Action    // at a hit
	StepActions []Action    // after each step
	Sources     []Source    // what the person typed

	hits, usage uint64
	trapped     bool // a trap is in place for it
}

// Hits returns how often the tracepoint was hit in the last run.
func (p *Point) Hits() uint64 { return p.hits }

// Usage returns the bytes that its frames have taken in the buffer.
func (p *Point) Usage() uint64 { return p.usage }

// ActionKind says what an action collects; the values are the protocol's
// letters.
type ActionKind byte

// The kinds of actions.
const (
	CollectRegisters ActionKind = 'R' // all of them
	CollectMemory    ActionKind = 'M' // Len bytes at Base+Addr
	Evaluate         ActionKind = 'X' // what the expression traces
)

// NoBase is the Base of a memory action whose address is absolute.
const NoBase = -1

// Action is one thing to do at a hit.
type Action struct {
	Kind ActionKind
	Text string // in the client's words, for clients that come later
	Base int    // register whose value is added to Addr, or NoBase
	Addr uint64
	Len  uint64
	Expr *agent.Expr
}

// Source is a piece of what the person typed to define a tracepoint: its
// location ("at"), condition ("cond") or a line of its actions ("cmd").
type Source struct{ Type, Text string }

// Variable is a trace state variable.
type Variable struct {
	Number  int
	Name    string
	Initial int64
	Value   int64
	Builtin bool // the recorder knows the value itself
}

// Range is memory that does not change, from Start to before End.
type Range struct{ Start, End uint64 }
