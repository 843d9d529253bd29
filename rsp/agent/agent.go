// Package agent compiles and evaluates GDB agent expressions: the bytecode in
// which a debugger sends breakpoint conditions and commands, so that they can
// be evaluated next to the program instead of over the wire (GDB manual,
// appendix "The GDB Agent Expression Mechanism").
//
// The package imports only the standard library and knows nothing of the
// remote protocol.
package agent

import (
	"errors"
	"io"
	"sync"
)

// Machine is the state of the thread an expression is evaluated for.
type Machine interface {
	// Register returns a register's value by the protocol's number,
	// zero-extended to 64 bits.
	Register(num int) (uint64, error)
	// ReadMemory fills buf from the program's memory, without breakpoint
	// instructions in it, or fails.
	ReadMemory(addr uint64, buf []byte) error
}

// Variables are trace state variables.
type Variables interface {
	Variable(num int) int64
	SetVariable(num int, value int64)
}

// Collector receives what trace opcodes record. Sizes and numbers are the
// expression's and may be anything; an error ends the evaluation.
type Collector interface {
	CollectMemory(addr, size uint64) error
	CollectVariable(num int) error
}

// Env is what an expression works on. Only Machine is required; an opcode that
// needs a field which is nil fails.
type Env struct {
	Machine   Machine
	Variables Variables
	Collector Collector
	Output    io.Writer // receives what printf writes
}

// Errors of evaluation. Callers that decide whether to stop treat each of them,
// and every error of a Machine, as "stop".
var (
	ErrSteps     = errors.New("agent: expression takes too many steps")
	ErrStack     = errors.New("agent: stack overflow or underflow")
	ErrDivide    = errors.New("agent: division by zero")
	ErrEnd       = errors.New("agent: expression runs off its end")
	ErrUndefined = errors.New("agent: opcode needs a service that is not there")
)

// Limits of what an expression may do: a client must not be able to keep the
// target busy.
const (
	MaxSteps   = 10000 // opcodes executed
	MaxStack   = 100   // values
	MaxCode    = 65536 // bytes; jump targets have 16 bits
	maxString  = 4096  // bytes of a string that printf or tracenz reads
	maxPrinted = 65536 // bytes that one evaluation may write
)

// Expr is a compiled expression. It is immutable and may be evaluated by many
// goroutines at once.
type Expr struct {
	code  []byte
	steps []step
}

// Code returns the bytecode the expression was made from.
func (e *Expr) Code() []byte { return e.code }

// state is one evaluation.
type state struct {
	env     *Env
	pc      int // index of the next step
	sp      int
	ended   bool
	printed int // bytes
	stack   [MaxStack]int64
}

// states keeps evaluations off the heap: conditions are evaluated often.
var states = sync.Pool{New: func() any { return new(state) }}

// step executes one opcode. s.pc already points at the following one.
type step func(s *state) error

// Eval runs the expression and returns the value on top of the stack, 0 if it
// leaves none.
func (e *Expr) Eval(env *Env) (int64, error) {
	s := states.Get().(*state)
	defer states.Put(s)
	s.env, s.pc, s.sp, s.ended, s.printed = env, 0, 0, false, 0
	for range MaxSteps {
		if s.pc >= len(e.steps) {
			return 0, ErrEnd
		}
		do := e.steps[s.pc]
		s.pc++
		if err := do(s); err != nil {
			return 0, err
		}
		if s.ended {
			if s.sp == 0 {
				return 0, nil
			}
			return s.stack[s.sp-1], nil
		}
	}
	return 0, ErrSteps
}

func (s *state) push(v int64) error {
	if s.sp == MaxStack {
		return ErrStack
	}
	s.stack[s.sp] = v
	s.sp++
	return nil
}

func (s *state) pop() (int64, error) {
	if s.sp == 0 {
		return 0, ErrStack
	}
	s.sp--
	return s.stack[s.sp], nil
}

// top gives access to the n topmost values, the deepest first.
func (s *state) top(n int) ([]int64, error) {
	if s.sp < n {
		return nil, ErrStack
	}
	return s.stack[s.sp-n : s.sp], nil
}
