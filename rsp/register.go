package rsp

import (
	"errors"
	"fmt"
)

// Register describes one register. Its value is a string of bytes in the
// target's byte order, Bits/8 long.
type Register struct {
	Name string
	Bits int // a multiple of 8
	Num  int // the protocol's number; ascending within a description
	// Type is one of GDB's types ("int64", "data_ptr", "code_ptr",
	// "ieee_single", "i387_ext", "uint128", …) or one of the feature's Types.
	// Empty means an integer of the register's size.
	Type string
	// Group is where "info registers" shows it: "general", "float",
	// "vector", or a name of the target's own; empty: by type.
	Group string
	// Generic is the register's role, for LLDB and for the server itself:
	// "pc", "sp", "fp", "ra", "flags", "tp", "arg1" to "arg8".
	Generic string
	// AltName is a second name ("arg1" of "rdi"), for LLDB.
	AltName string
}

// Size returns the register's size in bytes.
func (r *Register) Size() int { return r.Bits / 8 }

// Feature is a named group of registers that a client knows ("org.gnu.gdb.…").
type Feature struct {
	Name      string
	Types     []Type // before the registers that use them
	Registers []Register
}

// TypeKind says how a Type is built.
type TypeKind uint8

// The kinds of type a feature can define.
const (
	VectorType TypeKind = iota // Count elements of type Elem
	UnionType                  // alternatives, one per Field
	StructType                 // members, one per Field
	FlagsType                  // Size bytes of bits, one or more per Field
)

// Type is a type that a feature's registers refer to by ID.
type Type struct {
	ID     string
	Kind   TypeKind
	Elem   string
	Count  int
	Size   int // bytes; flags, and structs of bit fields
	Fields []Field
}

// Field is an alternative, a member, or a range of bits.
type Field struct {
	Name       string
	Type       string // may be empty for bits
	Start, End int    // first and last bit
}

// Description is what registers the debuggee has. The target's XML files, the
// layout of `g` and everything else about registers follow from it.
type Description struct {
	Architecture string // GDB's name, e.g. "i386:x86-64"
	OSABI        string // e.g. "GNU/Linux"
	Features     []Feature
	// Expedite names the registers sent along with each stop. If empty,
	// those with the roles pc, sp and fp are.
	Expedite []string
}

// RegisterValue is a register together with its value.
type RegisterValue struct {
	*Register
	// Value has the register's size.
	Value []byte
	// Unavailable: the register has no value at present.
	Unavailable bool
}

// Registers reads and writes a thread's registers.
type Registers interface {
	// Describe returns the description, always the same one.
	Describe() *Description
	// ReadRegisters fills in the values asked for; each Value is a zeroed
	// buffer of the right size. A register without a value is marked
	// Unavailable; an error means that none could be read.
	ReadRegisters(t ThreadID, regs []RegisterValue) error
	// WriteRegisters changes the registers given, all of them or none.
	WriteRegisters(t ThreadID, regs []RegisterValue) error
}

// Registers returns all registers in the order of `g`.
func (d *Description) Registers() []*Register {
	var regs []*Register
	for i := range d.Features {
		f := &d.Features[i]
		for j := range f.Registers {
			regs = append(regs, &f.Registers[j])
		}
	}
	return regs
}

// validate checks what the packets rely on.
func (d *Description) validate() error {
	if d == nil {
		return errors.New("rsp: the target describes no registers")
	}
	last, names := -1, map[string]bool{}
	for _, r := range d.Registers() {
		switch {
		case r.Bits <= 0 || r.Bits%8 != 0 || r.Bits > 1<<16:
			return fmt.Errorf("rsp: register %s: %d bits is not a number of bytes", r.Name, r.Bits)
		case r.Num <= last:
			return fmt.Errorf("rsp: register %s: number %d is not above %d", r.Name, r.Num, last)
		case names[r.Name]:
			return fmt.Errorf("rsp: register %s is described twice", r.Name)
		}
		last, names[r.Name] = r.Num, true
	}
	return nil
}
