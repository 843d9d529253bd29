// Package kvmcpu is the KVM engine: a virtual machine whose CPUs run the
// program at CPL 3, with a shim of a few hundred bytes at CPL 0 that turns
// SYSCALL and exceptions into exits.
//
// It implements engine.Machine and engine.CPU. It may import kvm, mm and
// engine, and must not import the kernel or system calls.
package kvmcpu

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"torov/internal/engine"
	"torov/internal/mm"
	"torov/kvm"
)

// ErrTooManyCPUs says that KVM makes no more vCPUs for this VM.
var ErrTooManyCPUs = errors.New("no more vCPUs")

// Options say what machine to make.
type Options struct {
	Device        string // "" is /dev/kvm
	Memory        uint64 // limit of guest memory in bytes
	HypercallPort uint16 // OUT to this port at CPL 3 is a hypercall; 0: none
}

// Machine is one KVM virtual machine. Its methods are safe for concurrent use.
type Machine struct {
	sys   *kvm.System
	vm    *kvm.VM
	mem   *mm.Memory
	shim  *shim
	opt   Options
	cpuid []kvm.CPUIDEntry
	feat  features

	maxCPUs int

	mu     sync.Mutex
	spaces []*mm.AddressSpace
	all    []*CPU
	idle   []*CPU // vCPUs whose threads ended: KVM cannot delete one

	// SYSCALL enters the shim at CPL 0 on processors; some paravirtual KVMs
	// keep CPL 3. Which it is shows at the first one.
	entryAtCPL3 atomic.Bool
	entryOnce   sync.Once
	entryErr    error

	forgetMu sync.Mutex

	probeOnce sync.Once
	caps      engine.DebugCaps

	exits [exitCounters]atomic.Uint64
}

// New makes a virtual machine without CPUs.
func New(opt Options) (*Machine, error) {
	sys, err := kvm.Open(opt.Device)
	if err != nil {
		return nil, err
	}
	m := &Machine{sys: sys, opt: opt}
	if err := m.init(); err != nil {
		m.Close()
		return nil, err
	}
	return m, nil
}

func (m *Machine) init() error {
	if err := m.checkCaps(); err != nil {
		return err
	}
	var err error
	if m.vm, err = m.sys.CreateVM(); err != nil {
		return err
	}
	if err := m.vm.SetTSSAddr(uint64(mm.TSSAddr)); err != nil {
		return err
	}
	if m.cpuid, err = m.sys.SupportedCPUID(); err != nil {
		return err
	}
	m.feat = adjustCPUID(m.cpuid)
	m.mem, err = mm.NewMemory(min(m.opt.Memory, m.feat.maxMemory), func(slot int, gpa engine.GPA, mem []byte) error {
		return m.vm.SetMemory(uint32(slot), 0, uint64(gpa), mem)
	})
	if err != nil {
		return err
	}
	m.mem.OnForget(m.forgetTables)
	m.shim, err = newShim(m.mem, m.opt.HypercallPort)
	return err
}

// Guest-physical memory that is only there to be taken away again; the hole
// below 4 GiB is never memory of the program.
const (
	slotForget = 500
	gpaForget  = 0xfe000000
)

// forgetTables makes KVM drop its shadow of the page tables: it does when
// memory is taken away.
func (m *Machine) forgetTables() error {
	m.forgetMu.Lock() // an address space is locked already: mu would be the wrong order
	defer m.forgetMu.Unlock()
	page := m.mem.Bytes(m.shim.entryPage, engine.PageSize)
	return errors.Join(m.vm.SetMemory(slotForget, 0, gpaForget, page), m.vm.SetMemory(slotForget, 0, gpaForget, nil))
}

func (m *Machine) checkCaps() error {
	sync, err := m.sys.CheckExtension(kvm.CapSyncRegs)
	if err != nil {
		return err
	}
	const need = kvm.SyncRegsGeneral | kvm.SyncRegsSystem
	if sync&need != need {
		return fmt.Errorf("KVM_CAP_SYNC_REGS: %w; torov needs Linux 4.17 or newer", kvm.ErrUnsupported)
	}
	for _, c := range []struct {
		capability int
		name       string
	}{{kvm.CapImmediateExit, "KVM_CAP_IMMEDIATE_EXIT"}, {kvm.CapXSave, "KVM_CAP_XSAVE"}, {kvm.CapSetGuestDebug, "KVM_CAP_SET_GUEST_DEBUG"}} {
		if n, err := m.sys.CheckExtension(c.capability); err != nil || n == 0 {
			return errors.Join(err, fmt.Errorf("%s: %w", c.name, kvm.ErrUnsupported))
		}
	}
	if m.maxCPUs, err = m.sys.CheckExtension(kvm.CapMaxVCPUs); err != nil || m.maxCPUs == 0 {
		m.maxCPUs, err = m.sys.CheckExtension(kvm.CapNrVCPUs)
	}
	m.maxCPUs = min(m.maxCPUs, maxShimCPUs)
	return err
}

// Memory returns the machine's guest-physical memory.
func (m *Machine) Memory() *mm.Memory { return m.mem }

// NewSpace returns an address space that holds nothing but the shim;
// mappings go top-down from base.
func (m *Machine) NewSpace(base engine.GVA) (*mm.AddressSpace, error) {
	as, err := mm.NewAddressSpace(m.mem, base)
	if err != nil {
		return nil, err
	}
	m.shim.table.Share(as)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.spaces = append(m.spaces, as)
	return as, as.MapShim(entryAddr, m.shim.entryPage, m.entryAtCPL3.Load())
}

// FreeSpace gives back an address space that no CPU uses any more.
func (m *Machine) FreeSpace(as *mm.AddressSpace) error {
	m.mu.Lock()
	m.spaces = slices.DeleteFunc(m.spaces, func(s *mm.AddressSpace) bool { return s == as })
	m.mu.Unlock()
	return as.Close()
}

// mapEntry maps the system call entry for the program, or takes it back.
func (m *Machine) mapEntry(program bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.entryAtCPL3.Store(program)
	for _, as := range m.spaces {
		if err := as.MapShim(entryAddr, m.shim.entryPage, program); err != nil {
			return err
		}
	}
	return nil
}

// NewCPU implements engine.Machine.
func (m *Machine) NewCPU(root engine.GPA) (engine.CPU, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var c *CPU
	if n := len(m.idle); n > 0 {
		c, m.idle = m.idle[n-1], m.idle[:n-1]
	} else {
		if len(m.all) >= m.maxCPUs {
			return nil, ErrTooManyCPUs
		}
		var err error
		if c, err = m.newCPU(len(m.all)); err != nil {
			return nil, fmt.Errorf("vCPU %d: %w", len(m.all), err)
		}
		m.all = append(m.all, c)
	}
	return c, c.reset(root)
}

// XFeatures implements engine.Machine.
func (m *Machine) XFeatures() uint64 { return m.feat.xcr0 }

// XSaveSize implements engine.Machine.
func (m *Machine) XSaveSize() int { return m.feat.xsaveSize }

// XSaveOffset implements engine.Machine.
func (m *Machine) XSaveOffset(component int) int { return m.feat.xsaveOffsets[component&63] }

// HWCaps implements engine.Machine.
func (m *Machine) HWCaps() (hwcap, hwcap2 uint64) { return m.feat.hwcap, m.feat.hwcap2 }

// Close implements engine.Machine.
func (m *Machine) Close() error {
	var errs []error
	for _, c := range m.all {
		errs = append(errs, c.vcpu.Close())
	}
	if m.vm != nil {
		errs = append(errs, m.vm.Close())
	}
	if m.mem != nil {
		errs = append(errs, m.mem.Close())
	}
	return errors.Join(append(errs, m.sys.Close())...)
}

// Counters of Stats beside KVM's exit reasons.
const (
	maxReason = 48 + iota
	countSyscall
	countHypercall
	countPageFault
	countOtherException
	countInterrupted
	countBreakpointByKVM
	countBreakpointByGate
	countStepByKVM
	countStepByGate
	countDebugRegister
	exitCounters
)

var counterNames = map[int]string{
	countSyscall: "syscall", countHypercall: "hypercall", countPageFault: "page-fault",
	countOtherException: "exception", countInterrupted: "interrupted",
	countBreakpointByKVM: "breakpoint-by-kvm", countBreakpointByGate: "breakpoint-by-gate",
	countStepByKVM: "step-by-kvm", countStepByGate: "step-by-gate", countDebugRegister: "debug-register",
}

// Stats implements engine.Machine: what the shim's exits were, and KVM's own
// exit reasons with the prefix "kvm-".
func (m *Machine) Stats() map[string]uint64 {
	out := make(map[string]uint64)
	for i := range m.exits {
		n := m.exits[i].Load()
		if n == 0 {
			continue
		}
		name := counterNames[i]
		if i < maxReason {
			if name = kvm.ExitName(uint32(i)); name == "" {
				name = fmt.Sprint(i)
			}
			name = "kvm-" + name
		}
		out[name] = n
	}
	return out
}
