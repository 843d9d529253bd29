package kvmcpu

import (
	"testing"

	"torov/internal/engine"
)

// debugCode: mov $42,%eax; nop; inc %rax; inc %rax; mov %eax,dataAddr; mov dataAddr,%ecx; syscall
var debugCode = []byte{0xb8, 42, 0, 0, 0, 0x90, 0x48, 0xff, 0xc0, 0x48, 0xff, 0xc0,
	0x89, 0x04, 0x25, 0, 0, 0x50, 0, 0x8b, 0x0c, 0x25, 0, 0, 0x50, 0, 0x0f, 0x05}

func debugOn(t *testing.T, b *bench, d engine.Debug) {
	t.Helper()
	if err := b.cpu.SetDebug(d); err != nil {
		t.Fatal(err)
	}
}

func TestDebugCaps(t *testing.T) {
	b := program(t, 0x90)
	t.Logf("debug capabilities of this KVM: %+v", b.m.DebugCaps())
}

func TestBreakpoint(t *testing.T) {
	b := program(t, debugCode...)
	debugOn(t, b, engine.Debug{Breakpoints: true})
	if errno := b.as.InsertBreakpoint(codeAddr+5, false); errno != 0 {
		t.Fatal(errno)
	}
	b.want(t, engine.ExitBreakpoint, codeAddr+5)
	if b.cpu.Regs().RAX != 42 {
		t.Fatalf("RAX %d", b.cpu.Regs().RAX)
	}
	var seen [8]byte
	b.as.DebugRead(seen[:], codeAddr)
	if seen != [8]byte(debugCode[:8]) {
		t.Fatalf("the breakpoint shows: % x", seen)
	}
	b.as.RemoveBreakpoint(codeAddr + 5)
	b.want(t, engine.ExitSyscall, codeAddr+28)
	s := b.m.Stats()
	want := "breakpoint-by-gate"
	if b.m.DebugCaps().Breakpoints {
		want = "breakpoint-by-kvm"
	}
	if s[want] != 1 {
		t.Fatalf("want one %s, stats %v", want, s)
	}
}

func TestSingleStep(t *testing.T) {
	b := program(t, debugCode...)
	debugOn(t, b, engine.Debug{Step: true})
	for _, at := range []engine.GVA{5, 6, 9, 12, 19, 26} {
		b.want(t, engine.ExitStep, codeAddr+at)
		if b.cpu.Regs().RFLAGS&engine.FlagTF != 0 {
			t.Fatal("the trap flag shows")
		}
	}
	b.want(t, engine.ExitSyscall, codeAddr+28)
	if r := b.cpu.Regs(); r.R11&engine.FlagTF != 0 || r.RFLAGS&engine.FlagTF != 0 {
		t.Fatal("the trap flag shows after SYSCALL")
	}
	b.cpu.Regs().RIP = uint64(codeAddr)
	b.want(t, engine.ExitStep, codeAddr+5)
	debugOn(t, b, engine.Debug{})
	b.want(t, engine.ExitSyscall, codeAddr+28)
}

func TestStepIntoFault(t *testing.T) {
	b := program(t, 0x8b, 0x04, 0x25, 0, 0, 0x70, 0)
	debugOn(t, b, engine.Debug{Step: true})
	e := b.want(t, engine.ExitException, codeAddr)
	if e.Vector != engine.VectorPF || e.Addr != 0x700000 {
		t.Fatalf("exit %+v", e)
	}
}

func TestStepRep(t *testing.T) {
	b := program(t, 0xf3, 0xaa, 0x0f, 0x05) // rep stosb; syscall
	b.cpu.Regs().RCX, b.cpu.Regs().RDI = 3, uint64(dataAddr)
	debugOn(t, b, engine.Debug{Step: true})
	for n := 0; b.cpu.Regs().RIP != uint64(codeAddr)+2; n++ {
		if e := b.run(t); e.Kind != engine.ExitStep || n > 3 {
			t.Fatalf("exit %+v at %#x, step %d, RCX %d", e, b.cpu.Regs().RIP, n, b.cpu.Regs().RCX)
		}
	}
}

func TestDebugRegisters(t *testing.T) {
	b := program(t, debugCode...)
	caps := b.m.DebugCaps()
	if !caps.ExecRegisters && !caps.WatchRegisters {
		t.Skip("debug registers do not fire on this KVM; the debugger uses breakpoints and page guards instead")
	}
	debugOn(t, b, engine.Debug{Registers: []engine.DebugRegister{
		{Addr: codeAddr + 9, Kind: engine.WatchExec, Len: 1},
		{Addr: dataAddr, Kind: engine.WatchAccess, Len: 4},
	}})
	b.want(t, engine.ExitDebugRegister, codeAddr+9)
	debugOn(t, b, engine.Debug{Registers: []engine.DebugRegister{{Addr: dataAddr, Kind: engine.WatchAccess, Len: 4}}})
	b.want(t, engine.ExitDebugRegister, codeAddr+19)
	b.want(t, engine.ExitDebugRegister, codeAddr+26)
	b.want(t, engine.ExitSyscall, codeAddr+28)
	debugOn(t, b, engine.Debug{})
	b.cpu.Regs().RIP = uint64(codeAddr)
	b.want(t, engine.ExitSyscall, codeAddr+28)
}

func TestProgramsOwnTrapFlag(t *testing.T) {
	b := program(t, debugCode...)
	b.cpu.Regs().RFLAGS |= engine.FlagTF
	e := b.run(t)
	if e.Kind != engine.ExitException || e.Vector != engine.VectorDB || b.cpu.Regs().RFLAGS&engine.FlagTF == 0 {
		t.Fatalf("exit %+v, flags %#x", e, b.cpu.Regs().RFLAGS)
	}
}
