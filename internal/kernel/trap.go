package kernel

import (
	"encoding/binary"

	"torov/internal/engine"
	"torov/internal/linux"
	"torov/internal/mm"
)

// exception turns an exception of the processor into what Linux makes of it
// (arch/x86/kernel/traps.c, arch/x86/mm/fault.c).
func (t *Thread) exception(e engine.Exit) {
	r := t.Regs()
	if e.Vector == engine.VectorPF {
		t.pageFault(e)
		return
	}
	t.fault = faultState{vector: uint64(e.Vector), code: e.ErrorCode, cr2: t.fault.cr2}
	switch e.Vector {
	case engine.VectorDE:
		t.Force(linux.FaultInfo(linux.SIGFPE, linux.FPE_INTDIV, r.RIP))
	case engine.VectorDB:
		t.Force(linux.FaultInfo(linux.SIGTRAP, linux.TRAP_TRACE, r.RIP))
	case engine.VectorBP:
		if inserted, _ := t.Proc.AS().HasBreakpoint(engine.GVA(r.RIP - 1)); inserted && !t.Proc.traced {
			r.RIP--
			t.stepAside(engine.GVA(r.RIP), true)
			return
		}
		t.Force(linux.KernelInfo(linux.SIGTRAP))
	case engine.VectorUD:
		t.invalidOpcode()
	case engine.VectorGP:
		if t.Kernel().cfg.HaltEnds && t.codeAt(r.RIP, 0xf4) {
			t.Proc.Exit(ExitStatus{})
			return
		}
		t.Force(linux.KernelInfo(linux.SIGSEGV))
	case engine.VectorNP, engine.VectorSS:
		t.Force(linux.KernelInfo(linux.SIGBUS))
	case engine.VectorAC:
		t.Force(linux.FaultInfo(linux.SIGBUS, linux.BUS_ADRALN, 0))
	case engine.VectorMF, engine.VectorXM:
		t.Force(linux.FaultInfo(linux.SIGFPE, t.mathCode(e.Vector), r.RIP))
	default:
		t.Force(linux.KernelInfo(linux.SIGSEGV))
	}
}

func (t *Thread) codeAt(rip uint64, want ...byte) bool {
	got := make([]byte, len(want))
	if _, errno := t.Proc.AS().CopyIn(got, engine.GVA(rip)); errno != 0 {
		return false
	}
	return string(got) == string(want)
}

// invalidOpcode is #UD. Some KVMs raise it for INT n too, which is #GP on a
// processor.
func (t *Thread) invalidOpcode() {
	rip := t.Regs().RIP
	var code [2]byte
	if _, errno := t.Proc.AS().CopyIn(code[:], engine.GVA(rip)); errno == 0 && code[0] == 0xcd {
		const idtBit = 1 << 1 // of a selector error code (SDM volume 3, 6.13)
		t.fault.vector, t.fault.code = engine.VectorGP, uint64(code[1])<<3|idtBit
		t.Force(linux.KernelInfo(linux.SIGSEGV))
		return
	}
	t.Force(linux.FaultInfo(linux.SIGILL, linux.ILL_ILLOPN, rip))
}

func (t *Thread) pageFault(e engine.Exit) {
	acc := mm.AccessOf(e.ErrorCode)
	switch t.Proc.AS().Fault(e.Addr, acc) {
	case mm.FaultNone:
	case mm.FaultMapErr:
		t.segv(e, linux.SIGSEGV, linux.SEGV_MAPERR)
	case mm.FaultAccErr:
		t.segv(e, linux.SIGSEGV, linux.SEGV_ACCERR)
	case mm.FaultBus:
		t.segv(e, linux.SIGBUS, linux.BUS_ADRERR)
	case mm.FaultNoMemory:
		t.Kernel().Logf("the program needs more than its %d MiB of memory and is killed; give it more with --memory",
			t.Kernel().machine.Memory().Limit()>>20)
		t.Proc.Kill(linux.SIGKILL)
	case mm.FaultGuard:
		if !t.Proc.traced {
			t.stepAside(e.Addr, false)
			return
		}
		t.trace(Event{Kind: EventGuard, Addr: e.Addr, Write: acc == mm.AccessWrite, Exec: acc == mm.AccessExec})
	}
}

func (t *Thread) segv(e engine.Exit, sig linux.Signal, siCode int32) {
	code := e.ErrorCode &^ engine.FaultReserved
	if e.Addr >= mm.UserEnd {
		code |= engine.FaultPresent // what is up there is nobody's business (set_signal_archinfo)
	}
	t.fault = faultState{vector: engine.VectorPF, code: code, cr2: uint64(e.Addr)}
	t.Force(linux.FaultInfo(sig, siCode, uint64(e.Addr)))
}

// breakpoint is an INT3 with the tracer listening: its own or the program's.
func (t *Thread) breakpoint() {
	r := t.Regs()
	// On top of one of the program's own it counts first; the instruction is
	// executed when the debugger steps over its breakpoint.
	if inserted, _ := t.Proc.AS().HasBreakpoint(engine.GVA(r.RIP)); inserted {
		if !t.Proc.traced {
			t.stepAside(engine.GVA(r.RIP), true)
			return
		}
		t.trace(Event{Kind: EventBreakpoint})
		return
	}
	if t.staleINT3(r.RIP) {
		return // the instruction that was under it comes next
	}
	r.RIP++
	t.fault = faultState{vector: engine.VectorBP, cr2: t.fault.cr2}
	t.Force(linux.KernelInfo(linux.SIGTRAP))
}

// staleINT3 reports whether a debugger has taken an INT3 out again since the
// thread executed it: what is there now is neither INT3 nor the end of INT 3.
func (t *Thread) staleINT3(rip uint64) bool {
	var code [2]byte
	if _, errno := t.Proc.AS().CopyIn(code[:], engine.GVA(rip-1)); errno != 0 {
		return false
	}
	return code[1] != 0xcc && code != [2]byte{0xcd, 3}
}

// mathCode says which floating-point exception it was: the lowest unmasked bit
// of the status word (x87) or MXCSR (SSE), see fpu__exception_code.
func (t *Thread) mathCode(vector uint8) int32 {
	image, err := t.CPU.XSave()
	if err != nil {
		return linux.FPE_FLTUNK
	}
	var flags uint16
	if vector == engine.VectorMF {
		flags = binary.LittleEndian.Uint16(image[2:]) &^ binary.LittleEndian.Uint16(image[0:])
	} else {
		mxcsr := binary.LittleEndian.Uint32(image[24:])
		flags = uint16(mxcsr &^ (mxcsr >> 7))
	}
	for _, c := range []struct {
		bit  uint16
		code int32
	}{{1 << 0, linux.FPE_FLTINV}, {1 << 2, linux.FPE_FLTDIV}, {1 << 3, linux.FPE_FLTOVF}, {1<<4 | 1<<1, linux.FPE_FLTUND}, {1 << 5, linux.FPE_FLTRES}} {
		if flags&c.bit != 0 {
			return c.code
		}
	}
	return linux.FPE_FLTUNK
}
