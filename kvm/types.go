package kvm

// The structures below have the layout of the kernel's <linux/kvm.h> and
// <asm/kvm.h>; a test compares them with a C program.

// Regs is struct kvm_regs: the general registers.
type Regs struct {
	RAX, RBX, RCX, RDX uint64
	RSI, RDI, RSP, RBP uint64
	R8, R9, R10, R11   uint64
	R12, R13, R14, R15 uint64
	RIP, RFLAGS        uint64
}

// Segment is struct kvm_segment: a segment register with its hidden part.
type Segment struct {
	Base     uint64
	Limit    uint32
	Selector uint16
	Type     uint8
	Present  uint8
	DPL      uint8
	DB       uint8
	S        uint8
	L        uint8
	G        uint8
	AVL      uint8
	Unusable uint8
	_        uint8
}

// DTable is struct kvm_dtable: GDTR or IDTR.
type DTable struct {
	Base  uint64
	Limit uint16
	_     [3]uint16
}

// SRegs is struct kvm_sregs: segments and control registers.
type SRegs struct {
	CS, DS, ES, FS, GS, SS Segment
	TR, LDT                Segment
	GDT, IDT               DTable
	CR0, CR2, CR3, CR4     uint64
	CR8, EFER, APICBase    uint64
	InterruptBitmap        [4]uint64
}

// MSR is struct kvm_msr_entry.
type MSR struct {
	Index uint32
	_     uint32
	Data  uint64
}

// CPUIDEntry is struct kvm_cpuid_entry2.
type CPUIDEntry struct {
	Function, Index, Flags uint32
	EAX, EBX, ECX, EDX     uint32
	_                      [3]uint32
}

// XCR is struct kvm_xcr: one extended control register.
type XCR struct {
	Index uint32
	_     uint32
	Value uint64
}

// XSaveSize is the size in bytes of struct kvm_xsave, the standard-format
// XSAVE image that KVM_GET_XSAVE and KVM_SET_XSAVE move.
const XSaveSize = 4096

// GuestDebug is struct kvm_guest_debug: KVM_SET_GUEST_DEBUG's argument.
type GuestDebug struct {
	Control  uint32
	_        uint32
	DebugReg [8]uint64
}

// Control bits of GuestDebug (api.rst 4.87).
const (
	GuestDebugEnable     = 1 << 0
	GuestDebugSingleStep = 1 << 1
	GuestDebugUseSWBP    = 1 << 16
	GuestDebugUseHWBP    = 1 << 17
)

// Run is struct kvm_run: the page shared by the VCPU's user and the kernel.
type Run struct {
	RequestInterruptWindow uint8
	ImmediateExit          uint8
	_                      [6]uint8
	ExitReason             uint32
	ReadyForInterrupt      uint8
	IfFlag                 uint8
	Flags                  uint16
	CR8                    uint64
	APICBase               uint64
	exit                   [256]byte
	ValidRegs              uint64 // what KVM stores in Sync at an exit
	DirtyRegs              uint64 // what KVM loads from Sync at the next entry
	Sync                   SyncRegs
}

// SyncRegs is struct kvm_sync_regs (api.rst 5, KVM_CAP_SYNC_REGS).
type SyncRegs struct {
	Regs  Regs
	SRegs SRegs
}

// Bits of ValidRegs and DirtyRegs.
const (
	SyncRegsGeneral = 1 << 0
	SyncRegsSystem  = 1 << 1
)

// Exit reasons (api.rst 5).
const (
	ExitUnknown       = 0
	ExitException     = 1
	ExitIO            = 2
	ExitHypercall     = 3
	ExitDebug         = 4
	ExitHLT           = 5
	ExitMMIO          = 6
	ExitIRQWindowOpen = 7
	ExitShutdown      = 8
	ExitFailEntry     = 9
	ExitIntr          = 10
	ExitInternalError = 17
	ExitMemoryFault   = 39
)

var exitNames = map[uint32]string{
	ExitUnknown: "unknown", ExitException: "exception", ExitIO: "io", ExitHypercall: "hypercall",
	ExitDebug: "debug", ExitHLT: "hlt", ExitMMIO: "mmio", ExitIRQWindowOpen: "irq-window-open",
	ExitShutdown: "shutdown", ExitFailEntry: "fail-entry", ExitIntr: "intr",
	ExitInternalError: "internal-error", ExitMemoryFault: "memory-fault",
}

// ExitName returns the name of an exit reason, "" when it has none here.
func ExitName(reason uint32) string { return exitNames[reason] }

// IOExit describes KVM_EXIT_IO.
type IOExit struct {
	Out   bool
	Size  uint8 // bytes per item: 1, 2 or 4
	Port  uint16
	Count uint32 // items, more than 1 for string instructions
}

// DebugExit is struct kvm_debug_exit_arch.
type DebugExit struct {
	Exception uint32
	PC        uint64
	DR6, DR7  uint64
}

// MMIOExit describes KVM_EXIT_MMIO.
type MMIOExit struct {
	Addr  uint64
	Len   uint32
	Write bool
}

// Capability numbers for CheckExtension.
const (
	CapUserMemory    = 3
	CapSetTSSAddr    = 4
	CapNrVCPUs       = 9
	CapNrMemslots    = 10
	CapSetGuestDebug = 23
	CapXSave         = 55
	CapXCRs          = 56
	CapMaxVCPUs      = 66
	CapSyncRegs      = 74
	CapImmediateExit = 136
)
