package agent

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// ErrCode is wrapped by what Compile reports.
var ErrCode = errors.New("agent: bad bytecode")

// decoder walks through bytecode.
type decoder struct {
	code []byte
	pc   int
}

// operand reads n bytes, most significant first.
func (d *decoder) operand(n int) (uint64, error) {
	b, err := d.bytes(n)
	if err != nil {
		return 0, err
	}
	var wide [8]byte
	copy(wide[8-n:], b)
	return binary.BigEndian.Uint64(wide[:]), nil
}

func (d *decoder) bytes(n int) ([]byte, error) {
	if len(d.code)-d.pc < n {
		return nil, fmt.Errorf("%w: operand at %d is cut off", ErrCode, d.pc)
	}
	b := d.code[d.pc : d.pc+n]
	d.pc += n
	return b, nil
}

// jump is a step whose target is known as an offset into the bytecode, and
// must be turned into the number of a step when all are known.
type jump struct {
	step   int
	target int
	make   func(target int) step
}

// Compile checks bytecode and translates it.
func Compile(code []byte) (*Expr, error) {
	if len(code) > MaxCode {
		return nil, fmt.Errorf("%w: %d bytes are too long", ErrCode, len(code))
	}
	d := decoder{code: append([]byte(nil), code...)}
	e := &Expr{code: d.code}
	stepAt := make(map[int]int) // step numbers by offset
	var jumps []jump
	for d.pc < len(d.code) {
		stepAt[d.pc] = len(e.steps)
		at := d.pc
		op := d.code[at]
		d.pc++
		if op == opIfGoto || op == opGoto {
			target, err := d.operand(2)
			if err != nil {
				return nil, err
			}
			jumps = append(jumps, jump{len(e.steps), int(target), jumpMaker(op)})
			e.steps = append(e.steps, nil)
			continue
		}
		def := opcodes[op]
		if def == nil {
			return nil, fmt.Errorf("%w: opcode %#02x at %d", ErrCode, op, at)
		}
		s, err := def(&d)
		if err != nil {
			return nil, err
		}
		e.steps = append(e.steps, s)
	}
	for _, j := range jumps {
		target, ok := stepAt[j.target]
		if !ok {
			return nil, fmt.Errorf("%w: jump to %d, where no opcode begins", ErrCode, j.target)
		}
		e.steps[j.step] = j.make(target)
	}
	return e, nil
}

func jumpMaker(op byte) func(target int) step {
	if op == opGoto {
		return func(target int) step {
			return func(s *state) error { s.pc = target; return nil }
		}
	}
	return func(target int) step {
		return func(s *state) error {
			v, err := s.pop()
			if v != 0 {
				s.pc = target
			}
			return err
		}
	}
}
