package agent

import "math"

// Opcodes with a part of their own in the compiler. The numbers of all others
// are in the table below.
const (
	opIfGoto = 0x20
	opGoto   = 0x21
)

// definition reads an opcode's operands and returns what it does.
type definition func(d *decoder) (step, error)

// opcodes is the instruction set, but for jumps. What is nil does not exist:
// the numbers of the floating point opcodes were given out and never used.
var opcodes = [256]definition{
	0x02: binary2(func(a, b int64) int64 { return a + b }),
	0x03: binary2(func(a, b int64) int64 { return a - b }),
	0x04: binary2(func(a, b int64) int64 { return a * b }),
	0x05: divide(divSigned),
	0x06: divide(func(a, b int64) int64 { return int64(uint64(a) / uint64(b)) }),
	0x07: divide(remSigned),
	0x08: divide(func(a, b int64) int64 { return int64(uint64(a) % uint64(b)) }),
	0x09: binary2(func(a, b int64) int64 { return a << uint64(b) }),
	0x0a: binary2(func(a, b int64) int64 { return a >> uint64(b) }),
	0x0b: binary2(func(a, b int64) int64 { return int64(uint64(a) >> uint64(b)) }),
	0x0c: plain(trace),
	0x0d: withOperand(1, traceQuick),
	0x0e: unary(func(a int64) int64 { return truth(a == 0) }),
	0x0f: binary2(func(a, b int64) int64 { return a & b }),
	0x10: binary2(func(a, b int64) int64 { return a | b }),
	0x11: binary2(func(a, b int64) int64 { return a ^ b }),
	0x12: unary(func(a int64) int64 { return ^a }),
	0x13: binary2(func(a, b int64) int64 { return truth(a == b) }),
	0x14: binary2(func(a, b int64) int64 { return truth(a < b) }),
	0x15: binary2(func(a, b int64) int64 { return truth(uint64(a) < uint64(b)) }),
	0x16: withOperand(1, signExtend),
	0x17: reference(1),
	0x18: reference(2),
	0x19: reference(4),
	0x1a: reference(8),
	0x22: constant(1),
	0x23: constant(2),
	0x24: constant(4),
	0x25: constant(8),
	0x26: withOperand(2, register),
	0x27: plain(func(s *state) error { s.ended = true; return nil }),
	0x28: plain(func(s *state) error { return pick(s, 0) }),
	0x29: plain(func(s *state) error { _, err := s.pop(); return err }),
	0x2a: withOperand(1, zeroExtend),
	0x2b: plain(swap),
	0x2c: withOperand(2, getVariable),
	0x2d: withOperand(2, setVariable),
	0x2e: withOperand(2, traceVariable),
	0x2f: plain(traceString),
	0x30: withOperand(2, traceQuick),
	0x32: withOperand(1, pick),
	0x33: plain(rotate),
	0x34: compilePrintf,
}

func truth(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// plain defines an opcode without operands.
func plain(f step) definition {
	return func(*decoder) (step, error) { return f, nil }
}

// withOperand defines an opcode with an operand of n bytes.
func withOperand(n int, f func(s *state, v int) error) definition {
	return func(d *decoder) (step, error) {
		v, err := d.operand(n)
		if err != nil {
			return nil, err
		}
		return func(s *state) error { return f(s, int(v)) }, nil
	}
}

// constant pushes an operand of n bytes, zero-extended.
func constant(n int) definition {
	return func(d *decoder) (step, error) {
		v, err := d.operand(n)
		if err != nil {
			return nil, err
		}
		return func(s *state) error { return s.push(int64(v)) }, nil
	}
}

// unary replaces the top of the stack.
func unary(f func(a int64) int64) definition {
	return plain(func(s *state) error {
		v, err := s.top(1)
		if err == nil {
			v[0] = f(v[0])
		}
		return err
	})
}

// binary2 replaces the two topmost values a and b, b on top, by one.
func binary2(f func(a, b int64) int64) definition {
	return plain(func(s *state) error {
		v, err := s.top(2)
		if err == nil {
			v[0] = f(v[0], v[1])
			s.sp--
		}
		return err
	})
}

func divide(f func(a, b int64) int64) definition {
	return plain(func(s *state) error {
		v, err := s.top(2)
		if err != nil {
			return err
		}
		if v[1] == 0 {
			return ErrDivide
		}
		v[0] = f(v[0], v[1])
		s.sp--
		return nil
	})
}

// divSigned and remSigned define the one case that overflows as Go does.
func divSigned(a, b int64) int64 {
	if a == math.MinInt64 && b == -1 {
		return a
	}
	return a / b
}

func remSigned(a, b int64) int64 {
	if b == -1 {
		return 0
	}
	return a % b
}

// signExtend takes the low n bits of the top for a signed number.
func signExtend(s *state, n int) error {
	v, err := s.top(1)
	if err == nil && n > 0 && n < 64 {
		v[0] = v[0] << (64 - n) >> (64 - n)
	}
	return err
}

func zeroExtend(s *state, n int) error {
	v, err := s.top(1)
	if err == nil && n < 64 {
		v[0] &= 1<<n - 1
	}
	return err
}

// reference replaces an address by the n bytes there, least significant first,
// zero-extended.
func reference(n int) definition {
	return plain(func(s *state) error {
		v, err := s.top(1)
		if err != nil {
			return err
		}
		var b [8]byte
		if err := s.env.Machine.ReadMemory(uint64(v[0]), b[:n]); err != nil {
			return err
		}
		var x uint64
		for i := n - 1; i >= 0; i-- {
			x = x<<8 | uint64(b[i])
		}
		v[0] = int64(x)
		return nil
	})
}

func register(s *state, num int) error {
	v, err := s.env.Machine.Register(num)
	if err != nil {
		return err
	}
	return s.push(int64(v))
}

// pick copies the value n below the top.
func pick(s *state, n int) error {
	v, err := s.top(n + 1)
	if err != nil {
		return err
	}
	return s.push(v[0])
}

func swap(s *state) error {
	v, err := s.top(2)
	if err == nil {
		v[0], v[1] = v[1], v[0]
	}
	return err
}

// rotate: a b c becomes c a b.
func rotate(s *state) error {
	v, err := s.top(3)
	if err == nil {
		v[0], v[1], v[2] = v[2], v[0], v[1]
	}
	return err
}

func getVariable(s *state, num int) error {
	if s.env.Variables == nil {
		return ErrUndefined
	}
	return s.push(s.env.Variables.Variable(num))
}

// setVariable leaves the value on the stack.
func setVariable(s *state, num int) error {
	if s.env.Variables == nil {
		return ErrUndefined
	}
	v, err := s.top(1)
	if err == nil {
		s.env.Variables.SetVariable(num, v[0])
	}
	return err
}
