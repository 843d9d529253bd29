package toy

import (
	"encoding/binary"

	"torov/rsp"
	"torov/rsp/amd64"
)

// fault is why an instruction could not be executed: a signal and, for memory,
// the address.
type fault struct {
	sig  rsp.Signal
	addr uint64
}

const (
	sigILL  rsp.Signal = 4
	sigSEGV rsp.Signal = 11
)

// access is a load or store of one instruction, for watchpoints.
type access struct {
	addr  uint64
	size  int
	write bool
}

// bytes returns n bytes of memory in place.
func (p *process) bytes(addr uint64, n int) []byte {
	for _, s := range p.mem {
		if addr >= s.base && addr-s.base < uint64(len(s.data)) && uint64(len(s.data))-(addr-s.base) >= uint64(n) {
			return s.data[addr-s.base:][:n]
		}
	}
	return nil
}

// gprOf maps the processor's register numbers to package amd64's.
var gprOf = [8]int{amd64.RAX, amd64.RCX, amd64.RDX, amd64.RBX, amd64.RSP, amd64.RBP, amd64.RSI, amd64.RDI}

const zeroFlag = 1 << 6

// cpu executes one instruction of a thread.
type cpu struct {
	t        *thread
	accesses []access
}

func (c *cpu) reg(n byte) *uint64 { return &c.t.gpr[gprOf[n&7]] }

func (c *cpu) load(addr uint64) (uint64, *fault) {
	b := c.t.proc.bytes(addr, 8)
	if b == nil {
		return 0, &fault{sigSEGV, addr}
	}
	c.accesses = append(c.accesses, access{addr, 8, false})
	return binary.LittleEndian.Uint64(b), nil
}

func (c *cpu) store(addr, v uint64) *fault {
	b := c.t.proc.bytes(addr, 8)
	if b == nil {
		return &fault{sigSEGV, addr}
	}
	c.accesses = append(c.accesses, access{addr, 8, true})
	binary.LittleEndian.PutUint64(b, v)
	return nil
}

func (c *cpu) push(v uint64) *fault {
	sp := &c.t.gpr[amd64.RSP]
	if f := c.store(*sp-8, v); f != nil {
		return f
	}
	*sp -= 8
	return nil
}

func (c *cpu) pop() (uint64, *fault) {
	sp := &c.t.gpr[amd64.RSP]
	v, f := c.load(*sp)
	if f == nil {
		*sp += 8
	}
	return v, f
}

func (c *cpu) compare(v uint64) {
	c.t.flags &^= zeroFlag
	if v == 0 {
		c.t.flags |= zeroFlag
	}
}

// step executes the instruction at rip. isCall says that it is SYSCALL, which
// is left to the machine with rip behind it.
func (c *cpu) step() (isCall bool, f *fault) {
	t := c.t
	var code [10]byte
	if t.proc.bytes(t.rip, 1) == nil {
		return false, &fault{sigSEGV, t.rip}
	}
	for i := range code {
		if b := t.proc.bytes(t.rip+uint64(i), 1); b != nil {
			code[i] = b[0]
		}
	}
	if code[0] == 0x48 {
		return false, c.stepWide(code)
	}
	next := t.rip
	switch op := code[0]; {
	case op == 0x90:
		next++
	case op&0xf8 == 0x50:
		f = c.push(*c.reg(op))
		next++
	case op&0xf8 == 0x58:
		var v uint64
		if v, f = c.pop(); f == nil {
			*c.reg(op) = v
		}
		next++
	case op == 0x74, op == 0x75, op == 0xeb:
		next += 2
		zero := t.flags&zeroFlag != 0
		if op == 0xeb || (op == 0x74) == zero {
			next += uint64(int8(code[1]))
		}
	case op == 0xe8:
		next += 5
		f = c.push(next)
		next += uint64(int32(binary.LittleEndian.Uint32(code[1:])))
	case op == 0xc3:
		next, f = c.pop()
	case op == 0x0f && code[1] == 0x05:
		next += 2
		isCall = true
	default:
		f = &fault{sigILL, t.rip}
	}
	if f == nil {
		t.rip = next
	}
	return isCall, f
}

// stepWide executes the instructions with a REX.W prefix.
func (c *cpu) stepWide(code [10]byte) (f *fault) {
	t := c.t
	mod, reg, rm := code[2]>>6, c.reg(code[2]>>3), c.reg(code[2])
	size := uint64(3)
	switch op := code[1]; {
	case op&0xf8 == 0xb8: // mov imm64
		*c.reg(op) = binary.LittleEndian.Uint64(code[2:])
		size = 10
	case op == 0x89 && mod == 3:
		*rm = *reg
	case op == 0x89 && mod == 0:
		f = c.store(*rm, *reg)
	case op == 0x8b && mod == 0:
		var v uint64
		if v, f = c.load(*rm); f == nil {
			*reg = v
		}
	case op == 0x01 && mod == 3:
		*rm += *reg
		c.compare(*rm)
	case op == 0xff && code[2]&0xf8 == 0xc0: // inc
		*rm++
		c.compare(*rm)
	case op == 0x83 && code[2]&0xf8 == 0xf8: // cmp imm8
		c.compare(*rm - uint64(int8(code[3])))
		size = 4
	default:
		return &fault{sigILL, t.rip}
	}
	if f == nil {
		t.rip += size
	}
	return f
}
