package kvmcpu

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/mm"
	"torov/kvm"
)

// DebugCaps implements engine.Machine. KVM accepts KVM_SET_GUEST_DEBUG on
// machines that then ignore it, so the only way to know is to try: four tiny
// programs in a VM of their own.
func (m *Machine) DebugCaps() engine.DebugCaps {
	m.probeOnce.Do(func() { m.caps = probeDebug(m.opt.Device) })
	return m.caps
}

// probeAddr is where the probe's program lies, with its data on the next page.
const probeAddr engine.GVA = 0x400000

func probeDebug(device string) (caps engine.DebugCaps) {
	m, err := New(Options{Device: device})
	if err != nil {
		return caps // whatever is wrong will be reported where it matters
	}
	defer m.Close()
	// Assume everything, so that the probes ask KVM itself.
	m.probeOnce.Do(func() {
		m.caps = engine.DebugCaps{Breakpoints: true, Step: true, ExecRegisters: true, WatchRegisters: true}
	})
	as, err := m.NewSpace(mm.UserEnd)
	if err != nil {
		return caps
	}
	_, errno := as.Map(mm.MapRequest{Addr: probeAddr, Length: 2 * engine.PageSize, Prot: mm.ProtRead | mm.ProtWrite | mm.ProtExec, Fixed: true})
	if errno != 0 {
		return caps
	}
	data := probeAddr + engine.PageSize
	code := []byte{
		0x90,                               // +0 nop
		0x90,                               // +1 nop
		0x88, 0x04, 0x25, 0, 0x10, 0x40, 0, // +2 mov %al, data
		0x90, // +9 nop
		0xcc, // +10 int3
	}
	as.CopyOut(probeAddr, code)
	try := func(start engine.GVA, d engine.Debug, want engine.ExitKind, at engine.GVA, counter int) bool {
		c, err := m.NewCPU(as.Root())
		if err != nil {
			return false
		}
		c.Regs().RIP = uint64(start)
		if c.SetDebug(d) != nil {
			return false
		}
		before := m.exits[counter].Load()
		exit, err := c.Run()
		return err == nil && exit.Kind == want && c.Regs().RIP == uint64(at) && m.exits[counter].Load() > before
	}
	register := func(a engine.GVA, k engine.WatchKind) engine.Debug {
		return engine.Debug{Breakpoints: true, Registers: []engine.DebugRegister{{Addr: a, Kind: k, Len: 1}}}
	}
	// The last instruction is an INT3 so that every probe ends.
	caps.Breakpoints = try(probeAddr+10, engine.Debug{Breakpoints: true}, engine.ExitBreakpoint, probeAddr+10, countBreakpointByKVM)
	caps.ExecRegisters = try(probeAddr, register(probeAddr+1, engine.WatchExec), engine.ExitDebugRegister, probeAddr+1, countDebugRegister)
	caps.WatchRegisters = try(probeAddr, register(data, engine.WatchWrite), engine.ExitDebugRegister, probeAddr+9, countDebugRegister)
	caps.Step = try(probeAddr, engine.Debug{Step: true}, engine.ExitStep, probeAddr+1, countStepByKVM)
	return caps
}

// syscallKeepsCPL3 finds out, once, what SYSCALL does: a program can jump to
// the entry to look as if SYSCALL kept CPL 3, and if that were believed on a
// processor, the next system call would return to the program at CPL 0. So a
// SYSCALL of the shim's own is executed. The vCPU is in a gate, and is there
// again afterwards, with the same registers.
func (c *CPU) syscallKeepsCPL3() (bool, error) {
	c.m.entryOnce.Do(func() {
		var cpl3 bool
		if cpl3, c.m.entryErr = c.probeSyscall(); c.m.entryErr == nil {
			c.m.entryErr = c.m.mapEntry(cpl3)
		}
	})
	return c.m.entryAtCPL3.Load(), c.m.entryErr
}

func (c *CPU) probeSyscall() (cpl3 bool, err error) {
	saved, debug := *c.Regs(), c.debug
	if err := errors.Join(c.SetDebug(engine.Debug{}), c.m.mapEntry(true)); err != nil {
		return false, err
	}
	*c.Regs() = engine.Regs{RIP: uint64(entryAddr) + probeOffset, RFLAGS: flagsReset}
	if err := c.enter(); err != nil {
		return false, err
	}
	for {
		err = c.vcpu.Run()
		c.run.DirtyRegs = 0
		if !errors.Is(err, unix.EINTR) {
			break
		}
		c.vcpu.SetImmediateExit(false) // whoever wants the program has to wait for this
	}
	io := c.run.IO()
	if err == nil && (c.run.ExitReason != kvm.ExitIO || !io.Out || io.Port != portSyscall && io.Port < portException) {
		err = fmt.Errorf("SYSCALL does not lead to the shim: %s", c.run.Describe())
	}
	*c.Regs() = saved
	c.arrive(inGate)
	if c.kicked.Load() {
		c.vcpu.SetImmediateExit(true)
	}
	return io.Port != portSyscall, errors.Join(err, c.SetDebug(debug))
}
