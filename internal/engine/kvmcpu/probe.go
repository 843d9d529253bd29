package kvmcpu

import (
	"torov/internal/engine"
	"torov/internal/mm"
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
