package kvmcpu

import (
	"unsafe"

	"torov/internal/engine"
)

// Regs implements engine.CPU: the registers lie in the run page itself.
func (c *CPU) Regs() *engine.Regs {
	// SAFETY: engine.Regs and kvm.Regs have the same fields in the same
	// order (a test checks it); the run page lives as long as the vCPU.
	return (*engine.Regs)(unsafe.Pointer(&c.run.Sync.Regs))
}
