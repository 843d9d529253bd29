package debug

import (
	"encoding/binary"

	"golang.org/x/arch/x86/x86asm"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/mm"
	"torov/rsp"
)

// Most instructions that a debugger has to let pass, under its INT3s, at guarded
// pages and in steps over a range, move a value and touch no flags. Doing that
// here saves the single step, for which the other threads may have to stand
// still, and the exit that ends it. Everything else is stepped; emulate has done
// nothing then.

// mayEmulate reports whether nobody wants to see the instruction happen.
func (d *Debugger) mayEmulate(th *thread) bool {
	return th.over == nil && len(d.armed) == 0 && len(th.steppings) == 0 && d.tracing.stale == 0 && th.t.Regs().RFLAGS&(engine.FlagTF|engine.FlagAC) == 0
}

// emulateUnderBreakpoint does the instruction under an INT3.
func (d *Debugger) emulateUnderBreakpoint(th *thread) bool {
	return th.action.Kind == rsp.Continue && d.emulateUnwatched(th)
}

// emulateInRange does an instruction that would be stepped. The next INT3 must
// be executed to be found.
func (d *Debugger) emulateInRange(th *thread) bool {
	inserted, _ := th.t.Proc.AS().HasBreakpoint(engine.GVA(th.t.Regs().RIP))
	return !inserted && d.emulateUnwatched(th)
}

func (d *Debugger) emulateUnwatched(th *thread) bool {
	if !d.mayEmulate(th) || len(d.watches) > 0 {
		return false
	}
	done := skipEndbr(th)
	if !done {
		inst, ok := decode(th)
		done = ok && emulate(th.t.Proc.AS(), th.t.Regs(), &inst)
	}
	if done {
		th.tracedAt.valid = false
	}
	return done
}

// endbr64 begins functions and does nothing here. The decoder does not know it.
const endbr64 = "\xf3\x0f\x1e\xfa"

func skipEndbr(th *thread) bool {
	var code [len(endbr64)]byte
	if _, errno := th.t.Proc.AS().DebugRead(code[:], engine.GVA(th.t.Regs().RIP)); errno != 0 || string(code[:]) != endbr64 {
		return false
	}
	th.t.Regs().RIP += uint64(len(endbr64))
	return true
}

// emulateGuarded does an instruction that is to touch a guarded page, and notes
// the watchpoints that it touches.
func (d *Debugger) emulateGuarded(th *thread, e kernel.Event) bool {
	if th.action.Kind != rsp.Continue || !d.mayEmulate(th) || e.Exec {
		return false
	}
	inst, ok := decode(th)
	if !ok {
		return false
	}
	accesses, known := accessesOf(&inst, th.t.Regs(), &engine.Segs{})
	if !known || !emulate(th.t.Proc.AS(), th.t.Regs(), &inst) {
		return false
	}
	var hits []hit
	for _, t := range d.touchedBy(accesses) {
		hits = append(hits, t.hit)
	}
	d.record(th, hits)
	return true
}

// emulate does one instruction, if it is one of a few, its operands are
// ordinary, and the program may touch the memory.
func emulate(as *mm.AddressSpace, r *engine.Regs, inst *x86asm.Inst) bool {
	for _, p := range inst.Prefix {
		if p &^= x86asm.PrefixImplicit; p != 0 && (p > 0xff || !p.IsREX()) {
			return false // segments, sizes, locks, repetitions
		}
	}
	m := machine{as, r, inst}
	done := false
	switch inst.Op {
	case x86asm.NOP:
		done = inst.Prefix[0] == 0
	case x86asm.MOV, x86asm.MOVZX:
		v, ok := m.load(inst.Args[1])
		done = ok && m.store(inst.Args[0], v)
	case x86asm.MOVSX, x86asm.MOVSXD:
		v, ok := m.load(inst.Args[1])
		shift := 64 - 8*m.size(inst.Args[1])
		done = ok && m.store(inst.Args[0], uint64(int64(v<<shift)>>shift))
	case x86asm.LEA:
		if from, ok := inst.Args[1].(x86asm.Mem); ok {
			done = m.store(inst.Args[0], uint64(effective(from, inst, r, &engine.Segs{})))
		}
	case x86asm.PUSH:
		done = m.push(inst.Args[0])
	}
	if done {
		r.RIP += uint64(inst.Len)
	}
	return done
}

// machine is what an emulated instruction works on.
type machine struct {
	as   *mm.AddressSpace
	r    *engine.Regs
	inst *x86asm.Inst
}

// size is that of an operand in bytes, 0 for operands that are not ordinary.
func (m machine) size(arg x86asm.Arg) int {
	switch a := arg.(type) {
	case x86asm.Reg:
		_, n := generalRegister(a)
		return n
	case x86asm.Mem:
		if n := m.inst.MemBytes; n == 1 || n == 2 || n == 4 || n == 8 {
			return n
		}
	case x86asm.Imm:
		return 8
	}
	return 0
}

func (m machine) load(arg x86asm.Arg) (uint64, bool) {
	n := m.size(arg)
	switch a := arg.(type) {
	case x86asm.Imm:
		return uint64(a), true
	case x86asm.Reg:
		if i, n := generalRegister(a); n != 0 {
			return *m.register(i) << (64 - 8*n) >> (64 - 8*n), true
		}
	case x86asm.Mem:
		at := m.address(a)
		if n == 0 || !m.may(at, n, mm.AccessRead) {
			return 0, false
		}
		var b [8]byte
		_, errno := m.as.CopyIn(b[:n], at)
		return binary.LittleEndian.Uint64(b[:]), errno == 0
	}
	return 0, false
}

func (m machine) store(arg x86asm.Arg, v uint64) bool {
	switch a := arg.(type) {
	case x86asm.Reg:
		i, n := generalRegister(a)
		p := m.register(i)
		switch n {
		case 8:
			*p = v
		case 4:
			*p = uint64(uint32(v))
		default: // a part of the register stays: rare, and nothing to get wrong
			return false
		}
		return true
	case x86asm.Mem:
		n := m.size(a)
		return n != 0 && m.write(m.address(a), v, n)
	}
	return false
}

func (m machine) push(arg x86asm.Arg) bool {
	if _, isMem := arg.(x86asm.Mem); isMem || m.size(arg) != 8 {
		return false
	}
	v, ok := m.load(arg)
	if !ok || !m.write(engine.GVA(m.r.RSP-8), v, 8) {
		return false
	}
	m.r.RSP -= 8
	return true
}

func (m machine) write(at engine.GVA, v uint64, n int) bool {
	if !m.may(at, n, mm.AccessWrite) {
		return false
	}
	_, errno := m.as.CopyOut(at, binary.LittleEndian.AppendUint64(nil, v)[:n])
	return errno == 0
}

// may reports whether the program could make the access without a fault that it
// would hear of. Across pages half of it could.
func (m machine) may(at engine.GVA, n int, acc mm.Access) bool {
	if uint64(at)%engine.PageSize+uint64(n) > engine.PageSize {
		return false
	}
	f := m.as.Fault(at, acc)
	return f == mm.FaultNone || f == mm.FaultGuard
}

func (m machine) address(a x86asm.Mem) engine.GVA {
	return engine.GVA(effective(a, m.inst, m.r, &engine.Segs{}))
}

// generalRegister returns the number and the size of a general register, size 0 for
// others and for the second bytes (AH).
func generalRegister(reg x86asm.Reg) (number, size int) {
	switch {
	case reg >= x86asm.RAX && reg <= x86asm.R15:
		return int(reg - x86asm.RAX), 8
	case reg >= x86asm.EAX && reg <= x86asm.R15L:
		return int(reg - x86asm.EAX), 4
	case reg >= x86asm.AX && reg <= x86asm.R15W:
		return int(reg - x86asm.AX), 2
	case reg >= x86asm.AL && reg <= x86asm.BL:
		return int(reg - x86asm.AL), 1
	case reg >= x86asm.SPB && reg <= x86asm.R15B:
		return int(reg-x86asm.SPB) + 4, 1
	}
	return 0, 0
}

// register returns a general register by its number.
func (m machine) register(n int) *uint64 {
	r := m.r
	return [...]*uint64{
		&r.RAX, &r.RCX, &r.RDX, &r.RBX, &r.RSP, &r.RBP, &r.RSI, &r.RDI,
		&r.R8, &r.R9, &r.R10, &r.R11, &r.R12, &r.R13, &r.R14, &r.R15,
	}[n&15]
}
