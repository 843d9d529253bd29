package kvm

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// VCPU is one virtual processor. Its methods belong to one goroutine at a
// time, best the one locked to the host thread that calls Run: KVM binds a
// VCPU to the thread that last used it, and moving it costs an RCU grace
// period. Only SetImmediateExit may be called from anywhere.
type VCPU struct {
	fd   int
	page []byte
	run  *Run
}

// RunPage is the memory shared with KVM, valid until Close.
func (c *VCPU) RunPage() *Run { return c.run }

// Run enters the guest (4.10). EINTR is an ordinary result: a signal came, or
// ImmediateExit was set; the error is then unix.EINTR itself. Run never
// retries.
func (c *VCPU) Run() error {
	// The entersyscall flavour: Go's scheduler takes the P away while the
	// guest runs, so neither garbage collection nor preemption waits for it.
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(c.fd), reqRun, 0)
	switch errno {
	case 0:
		return nil
	case unix.EINTR:
		return unix.EINTR
	}
	return &Error{"KVM_RUN", errno}
}

// SetImmediateExit makes the next Run return EINTR before it enters the guest.
func (c *VCPU) SetImmediateExit(on bool) {
	var v uint8
	if on {
		v = 1
	}
	// The kernel reads the byte once per KVM_RUN; a store of a byte is atomic on x86.
	c.run.ImmediateExit = v
}

// IO decodes KVM_EXIT_IO from the run page.
func (r *Run) IO() IOExit {
	return IOExit{Out: r.exit[0] == 1, Size: r.exit[1], Port: u16(r.exit[2:]), Count: u32(r.exit[4:])}
}

// Debug decodes KVM_EXIT_DEBUG.
func (r *Run) Debug() DebugExit {
	return DebugExit{u32(r.exit[0:]), u64(r.exit[8:]), u64(r.exit[16:]), u64(r.exit[24:])}
}

// MMIO decodes KVM_EXIT_MMIO.
func (r *Run) MMIO() MMIOExit {
	return MMIOExit{Addr: u64(r.exit[0:]), Len: u32(r.exit[16:]), Write: r.exit[20] != 0}
}

// Describe says in words why the guest came back, for exits that end a VM.
func (r *Run) Describe() string {
	switch r.ExitReason {
	case ExitFailEntry:
		return fmt.Sprintf("KVM could not enter the guest, hardware reason %#x", u64(r.exit[0:]))
	case ExitInternalError:
		return fmt.Sprintf("KVM internal error %d (1 is an instruction it could not emulate)", u32(r.exit[0:]))
	case ExitMMIO:
		m := r.MMIO()
		return fmt.Sprintf("access to guest-physical address %#x, which has no memory", m.Addr)
	}
	if name := ExitName(r.ExitReason); name != "" {
		return "KVM exit " + name
	}
	return fmt.Sprintf("KVM exit %d", r.ExitReason)
}

// Regs reads the general registers (4.11).
func (c *VCPU) Regs() (r Regs, err error) {
	// SAFETY: Regs has the layout of struct kvm_regs.
	_, err = ioctlPtr(c.fd, "KVM_GET_REGS", reqGetRegs, unsafe.Pointer(&r))
	return r, err
}

// SetRegs writes the general registers (4.12).
func (c *VCPU) SetRegs(r *Regs) error {
	// SAFETY: as for Regs.
	_, err := ioctlPtr(c.fd, "KVM_SET_REGS", reqSetRegs, unsafe.Pointer(r))
	return err
}

// SRegs reads segments and control registers (4.13).
func (c *VCPU) SRegs(s *SRegs) error {
	// SAFETY: SRegs has the layout of struct kvm_sregs.
	_, err := ioctlPtr(c.fd, "KVM_GET_SREGS", reqGetSRegs, unsafe.Pointer(s))
	return err
}

// SetSRegs writes segments and control registers (4.14).
func (c *VCPU) SetSRegs(s *SRegs) error {
	// SAFETY: as for SRegs.
	_, err := ioctlPtr(c.fd, "KVM_SET_SREGS", reqSetSRegs, unsafe.Pointer(s))
	return err
}

// SetCPUID sets what CPUID tells the guest (4.20); before SetSRegs, since
// KVM refuses CR4 bits that CPUID does not offer.
func (c *VCPU) SetCPUID(entries []CPUIDEntry) error {
	t := &cpuidTable{n: uint32(len(entries))}
	if copy(t.entries[:], entries) < len(entries) {
		return &Error{"KVM_SET_CPUID2", unix.E2BIG}
	}
	// SAFETY: t is a struct kvm_cpuid2 with n entries.
	_, err := ioctlPtr(c.fd, "KVM_SET_CPUID2", reqSetCPUID2, unsafe.Pointer(t))
	return err
}

const maxMSRs = 16

type msrTable struct {
	n       uint32
	_       uint32
	entries [maxMSRs]MSR
}

// SetMSRs writes model-specific registers (4.19). KVM stops at the first it
// does not take; that is an error here.
func (c *VCPU) SetMSRs(msrs ...MSR) error {
	t := &msrTable{n: uint32(len(msrs))}
	if copy(t.entries[:], msrs) < len(msrs) {
		return &Error{"KVM_SET_MSRS", unix.E2BIG}
	}
	// SAFETY: t is a struct kvm_msrs with n entries.
	n, err := ioctlPtr(c.fd, "KVM_SET_MSRS", reqSetMSRs, unsafe.Pointer(t))
	if err == nil && n < len(msrs) {
		return fmt.Errorf("KVM_SET_MSRS: MSR %#x refused: %w", msrs[n].Index, ErrUnsupported)
	}
	return err
}

type xcrTable struct {
	n, flags uint32
	xcrs     [16]XCR
	_        [16]uint64
}

// SetXCR0 writes XCR0 (4.45): the extended states the guest may use.
func (c *VCPU) SetXCR0(value uint64) error {
	t := &xcrTable{n: 1}
	t.xcrs[0].Value = value
	// SAFETY: t has the layout of struct kvm_xcrs.
	_, err := ioctlPtr(c.fd, "KVM_SET_XCRS", reqSetXCRs, unsafe.Pointer(t))
	return err
}

// XSave reads the extended state in the standard XSAVE format (4.42).
func (c *VCPU) XSave(image *[XSaveSize]byte) error {
	// SAFETY: image has the size of struct kvm_xsave.
	_, err := ioctlPtr(c.fd, "KVM_GET_XSAVE", reqGetXSave, unsafe.Pointer(image))
	return err
}

// SetXSave writes the extended state (4.43).
func (c *VCPU) SetXSave(image *[XSaveSize]byte) error {
	// SAFETY: as for XSave.
	_, err := ioctlPtr(c.fd, "KVM_SET_XSAVE", reqSetXSave, unsafe.Pointer(image))
	return err
}

// SetGuestDebug chooses which debug events leave the guest (4.87).
func (c *VCPU) SetGuestDebug(d *GuestDebug) error {
	// SAFETY: GuestDebug has the layout of struct kvm_guest_debug.
	_, err := ioctlPtr(c.fd, "KVM_SET_GUEST_DEBUG", reqSetGuestDebug, unsafe.Pointer(d))
	return err
}

type vcpuEvents struct {
	injected, nr, hasErrorCode, pending uint8
	_                                   [60]uint8
}

// ExceptionPending reports whether KVM is about to deliver an exception to
// the guest (4.31). Setting registers would lose it.
func (c *VCPU) ExceptionPending() (bool, error) {
	var e vcpuEvents
	// SAFETY: vcpuEvents has the size of struct kvm_vcpu_events.
	_, err := ioctlPtr(c.fd, "KVM_GET_VCPU_EVENTS", reqGetVCPUEvents, unsafe.Pointer(&e))
	return e.injected|e.pending != 0, err
}

// Close unmaps the run page and closes the VCPU.
func (c *VCPU) Close() error {
	err := unix.Munmap(c.page)
	if e := unix.Close(c.fd); err == nil {
		err = e
	}
	return err
}
