package kvmcpu

import (
	"slices"

	"torov/internal/engine"
	"torov/kvm"
)

// DR6 bits (SDM volume 3, 17.2.3).
const (
	dr6Hits = 0xf
	dr6Step = 1 << 14
)

// maxRepeats bounds how often a step is tried again at the same place. Some
// processors report a step that faulted on its way (a first touch of memory
// under nested paging) as a step to where it began.
const maxRepeats = 16

// SetDebug implements engine.CPU.
func (c *CPU) SetDebug(d engine.Debug) error {
	changed := d.Breakpoints != c.debug.Breakpoints || d.Step != c.debug.Step || !slices.Equal(d.Registers, c.debug.Registers)
	c.debug = d
	c.stepTries = 0
	if !changed {
		return nil
	}
	return c.applyDebug(d, c.m.DebugCaps)
}

// applyDebug programs KVM. Where KVM does not honour a feature, the shim's
// gates report the same event, and KVM must not be asked.
func (c *CPU) applyDebug(d engine.Debug, caps func() engine.DebugCaps) error {
	var g kvm.GuestDebug
	if d.Breakpoints && caps().Breakpoints {
		g.Control |= kvm.GuestDebugUseSWBP
	}
	if d.Step && caps().Step {
		g.Control |= kvm.GuestDebugSingleStep
	}
	if len(d.Registers) > 0 {
		g.Control |= kvm.GuestDebugUseHWBP
		for i, r := range d.Registers[:min(len(d.Registers), engine.NumDebugRegisters)] {
			g.DebugReg[i] = uint64(r.Addr)
			g.DebugReg[7] |= 2<<(2*i) | (uint64(r.Kind)|lengthCode[r.Len])<<(16+4*i)
		}
		g.DebugReg[7] |= 0x400 // always one
	}
	if g.Control != 0 {
		g.Control |= kvm.GuestDebugEnable
	}
	if g.Control == 0 && c.debugOn == 0 {
		return nil
	}
	c.debugOn = g.Control
	return c.vcpu.SetGuestDebug(&g)
}

// lengthCode is DR7's encoding of a length, shifted past the two kind bits.
var lengthCode = map[uint8]uint64{1: 0 << 2, 2: 1 << 2, 8: 2 << 2, 4: 3 << 2}

func (c *CPU) decodeDebug() (exit engine.Exit, done bool, err error) {
	d := c.run.Debug()
	if d.Exception == engine.VectorBP {
		c.m.exits[countBreakpointByKVM].Add(1)
		c.arrive(inProgram)
		return engine.Exit{Kind: engine.ExitBreakpoint}, true, nil
	}
	if c.inShim() {
		// The instruction under the step was a SYSCALL, or it faulted: the
		// shim is about to say so. It is not stepped itself.
		exit, done, err := c.unstepped()
		return exit, done, err
	}
	c.arrive(inProgram)
	if hits := d.DR6 & dr6Hits; hits != 0 && len(c.debug.Registers) > 0 {
		c.m.exits[countDebugRegister].Add(1)
		return engine.Exit{Kind: engine.ExitDebugRegister, DR6: d.DR6}, true, nil
	}
	if c.debug.Step {
		r := c.Regs()
		r.RFLAGS &^= engine.FlagRF
		if *r == c.stepFrom && c.stepTries < maxRepeats {
			c.stepTries++
			return exit, false, nil
		}
		c.m.exits[countStepByKVM].Add(1)
		return engine.Exit{Kind: engine.ExitStep}, true, nil
	}
	if len(c.debug.Registers) > 0 {
		// Linux before 5.8 gives no DR6 on AMD: nothing else can have fired.
		c.m.exits[countDebugRegister].Add(1)
		return engine.Exit{Kind: engine.ExitDebugRegister}, true, nil
	}
	return engine.Exit{Kind: engine.ExitException, Vector: engine.VectorDB}, true, nil
}

// unstepped runs the shim to its exit without stepping through it.
func (c *CPU) unstepped() (exit engine.Exit, done bool, err error) {
	d := c.debug
	d.Step = false
	if err := c.applyDebug(d, c.m.DebugCaps); err != nil {
		return exit, true, err
	}
	exit, done, err = c.once()
	if e := c.applyDebug(c.debug, c.m.DebugCaps); err == nil {
		err = e
	}
	return exit, done, err
}
