package debug

import (
	"golang.org/x/arch/x86/x86asm"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/rsp"
)

// access is what an instruction does to memory.
type access struct {
	addr        rsp.Addr
	size        int // bytes
	read, write bool
	explicit    bool // an operand; whether it is written is a good guess
}

func (a access) end() rsp.Addr { return a.addr + rsp.Addr(a.size) }

// widest is the largest access of one instruction: a 64-byte vector.
const widest = 64

// readsFirst are the instructions that do not write their first operand.
var readsFirst = map[x86asm.Op]bool{
	x86asm.CMP: true, x86asm.TEST: true, x86asm.BT: true, x86asm.PUSH: true, x86asm.CALL: true, x86asm.JMP: true,
	x86asm.MUL: true, x86asm.DIV: true, x86asm.IMUL: true, x86asm.IDIV: true, x86asm.LDMXCSR: true,
	x86asm.FLD: true, x86asm.FILD: true, x86asm.FADD: true, x86asm.FSUB: true, x86asm.FMUL: true, x86asm.FDIV: true,
	x86asm.FCOM: true, x86asm.FCOMP: true, x86asm.FLDCW: true, x86asm.FXRSTOR: true, x86asm.FXRSTOR64: true,
	x86asm.COMISD: true, x86asm.COMISS: true, x86asm.UCOMISD: true, x86asm.UCOMISS: true, x86asm.PTEST: true,
}

// readsToo are the instructions that read the operand they write.
var readsToo = map[x86asm.Op]bool{
	x86asm.ADD: true, x86asm.SUB: true, x86asm.INC: true, x86asm.DEC: true, x86asm.AND: true, x86asm.OR: true, x86asm.XOR: true,
	x86asm.NEG: true, x86asm.NOT: true, x86asm.ADC: true, x86asm.SBB: true, x86asm.XADD: true, x86asm.XCHG: true,
	x86asm.CMPXCHG: true, x86asm.CMPXCHG8B: true, x86asm.CMPXCHG16B: true, x86asm.SHL: true, x86asm.SHR: true, x86asm.SAR: true,
	x86asm.ROL: true, x86asm.ROR: true, x86asm.RCL: true, x86asm.RCR: true, x86asm.SHLD: true, x86asm.SHRD: true,
	x86asm.BTS: true, x86asm.BTR: true, x86asm.BTC: true,
}

// stringSize are the string instructions, with the size of their elements.
var stringSize = map[x86asm.Op]int{
	x86asm.MOVSB: 1, x86asm.STOSB: 1, x86asm.LODSB: 1, x86asm.CMPSB: 1, x86asm.SCASB: 1,
	x86asm.MOVSW: 2, x86asm.STOSW: 2, x86asm.LODSW: 2, x86asm.CMPSW: 2, x86asm.SCASW: 2,
	x86asm.MOVSD: 4, x86asm.STOSD: 4, x86asm.LODSD: 4, x86asm.CMPSD: 4, x86asm.SCASD: 4,
	x86asm.MOVSQ: 8, x86asm.STOSQ: 8, x86asm.LODSQ: 8, x86asm.CMPSQ: 8, x86asm.SCASQ: 8,
}

// maxInst is the length of the longest instruction in bytes.
const maxInst = 15

// decode decodes the instruction at RIP.
func decode(th *thread) (inst x86asm.Inst, ok bool) {
	var code [maxInst]byte
	n, _ := th.t.Proc.AS().DebugRead(code[:], engine.GVA(th.t.Regs().RIP))
	inst, err := x86asm.Decode(code[:n], 64)
	return inst, err == nil && inst.Op != 0
}

// decodeAccesses says what the instruction at RIP does to memory. known is
// false for instructions that the decoder does not know, such as AVX.
func decodeAccesses(th *thread) (list []access, known bool) {
	inst, ok := decode(th)
	if !ok {
		return nil, false
	}
	segs, err := th.t.CPU.Segs()
	if err != nil {
		return nil, false
	}
	return accessesOf(&inst, th.t.Regs(), &segs)
}

func accessesOf(inst *x86asm.Inst, r *engine.Regs, segs *engine.Segs) (list []access, known bool) {
	if size := stringSize[inst.Op]; size != 0 && isString(inst) {
		return stringAccesses(inst.Op, size, r), true
	}
	for i, arg := range inst.Args {
		m, ok := arg.(x86asm.Mem)
		if !ok || inst.Op == x86asm.LEA || inst.Op == x86asm.NOP {
			continue
		}
		if inst.MemBytes == 0 {
			return nil, false
		}
		write := i == 0 && !readsFirst[inst.Op] || inst.Op == x86asm.XCHG || inst.Op == x86asm.XADD
		list = append(list, access{
			addr: effective(m, inst, r, segs), size: inst.MemBytes, write: write, read: !write || readsToo[inst.Op], explicit: true,
		})
	}
	switch inst.Op {
	case x86asm.PUSH, x86asm.CALL, x86asm.PUSHFQ:
		list = append(list, access{addr: rsp.Addr(r.RSP - 8), size: 8, write: true})
	case x86asm.POP, x86asm.RET, x86asm.POPFQ:
		list = append(list, access{addr: rsp.Addr(r.RSP), size: 8, read: true})
	case x86asm.LEAVE:
		list = append(list, access{addr: rsp.Addr(r.RBP), size: 8, read: true})
	case x86asm.XLATB:
		list = append(list, access{addr: rsp.Addr(r.RBX + r.RAX&0xff), size: 1, read: true})
	}
	return list, true
}

// isString tells the string instructions MOVSD and CMPSD from the vector ones.
func isString(inst *x86asm.Inst) bool {
	for _, arg := range inst.Args {
		if reg, ok := arg.(x86asm.Reg); ok && reg >= x86asm.X0 && reg <= x86asm.X15 {
			return false
		}
	}
	return true
}

func stringAccesses(op x86asm.Op, size int, r *engine.Regs) []access {
	src, dst := access{addr: rsp.Addr(r.RSI), size: size, read: true}, access{addr: rsp.Addr(r.RDI), size: size}
	switch op {
	case x86asm.LODSB, x86asm.LODSW, x86asm.LODSD, x86asm.LODSQ:
		return []access{src}
	case x86asm.SCASB, x86asm.SCASW, x86asm.SCASD, x86asm.SCASQ:
		dst.read = true
		return []access{dst}
	case x86asm.CMPSB, x86asm.CMPSW, x86asm.CMPSD, x86asm.CMPSQ:
		dst.read = true
		return []access{src, dst}
	case x86asm.STOSB, x86asm.STOSW, x86asm.STOSD, x86asm.STOSQ:
		dst.write = true
		return []access{dst}
	}
	dst.write = true
	return []access{src, dst}
}

// effective computes an operand's address.
func effective(m x86asm.Mem, inst *x86asm.Inst, r *engine.Regs, segs *engine.Segs) rsp.Addr {
	disp := m.Disp
	if moffs := inst.Opcode>>24&^3 == 0xa0; !moffs {
		disp = int64(int32(disp)) // the decoder does not extend the sign of all
	}
	a := uint64(disp) + value(m.Base, inst, r) + uint64(m.Scale)*value(m.Index, inst, r)
	if inst.AddrSize == 32 {
		a = uint64(uint32(a))
	}
	switch m.Segment {
	case x86asm.FS:
		a += segs.FSBase
	case x86asm.GS:
		a += segs.GSBase
	}
	return rsp.Addr(a)
}

// value is a register's part of an address.
func value(reg x86asm.Reg, inst *x86asm.Inst, r *engine.Regs) uint64 {
	n, size := generalRegister(reg)
	if size >= 4 {
		return *machine{r: r}.register(n) << (64 - 8*size) >> (64 - 8*size)
	}
	if reg == x86asm.RIP || reg == x86asm.EIP {
		return r.RIP + uint64(inst.Len)
	}
	return 0
}

// fit corrects the guess about an operand with what the processor said.
func fit(list []access, e kernel.Event) []access {
	for i := range list {
		a := &list[i]
		if !e.Exec && a.explicit && rsp.Addr(e.Addr) >= a.addr && rsp.Addr(e.Addr) < a.end() && a.write != e.Write {
			a.write, a.read = e.Write, !e.Write
		}
	}
	return list
}
