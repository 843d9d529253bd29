// Package engine is the seam between the kernel in user space and whatever
// runs the program's instructions. A CPU runs one thread until that thread
// needs the kernel and says why it stopped; the kernel never knows whether
// KVM or a software processor did the work.
//
// The package holds types only. It must not import any other package of
// torov; implementations live below it (engine/kvmcpu).
package engine

// GVA is a guest virtual address: what the program calls a pointer. It is
// untrusted and means nothing to the VMM before mm has translated it.
type GVA uint64

// GPA is a guest physical address: an offset into guest memory.
type GPA uint64

// PageSize is the size of the smallest page of x86-64, in bytes.
const PageSize = 4096

// PageShift is the base-2 logarithm of PageSize.
const PageShift = 12

// PageDown rounds down to a page border.
func (a GVA) PageDown() GVA { return a &^ (PageSize - 1) }

// PageUp rounds up to a page border; ok is false when that overflows.
func (a GVA) PageUp() (up GVA, ok bool) {
	up = (a + PageSize - 1) &^ (PageSize - 1)
	return up, up >= a
}

// Regs are the general registers of a thread, in the layout of the kernel's
// struct kvm_regs, so that the KVM engine can point into its shared run page.
type Regs struct {
	RAX, RBX, RCX, RDX uint64
	RSI, RDI, RSP, RBP uint64
	R8, R9, R10, R11   uint64
	R12, R13, R14, R15 uint64
	RIP, RFLAGS        uint64
}

// RFLAGS bits that the kernel and the debugger name.
const (
	FlagCF  = 1 << 0
	FlagTF  = 1 << 8
	FlagIF  = 1 << 9
	FlagDF  = 1 << 10
	FlagRF  = 1 << 16
	FlagAC  = 1 << 18
	FlagID  = 1 << 21
	FlagOne = 1 << 1 // always set
	// FlagsUser are the bits a program may change with POPF at CPL 3.
	FlagsUser = 0x240dd5
)

// Segs is the rest of a thread's register state that programs can see:
// selectors and the two bases that 64-bit code uses.
type Segs struct {
	CS, SS, DS, ES, FS, GS uint16
	FSBase, GSBase         uint64
}

// Control is the supervisor state of a CPU, for people who look from outside.
type Control struct {
	CR0, CR2, CR3, CR4, EFER, XCR0 uint64
}

// ExitKind says why Run came back.
type ExitKind uint8

const (
	// ExitInterrupted: Interrupt was called, or a signal reached the host
	// thread. It carries no meaning of its own: look at the requests.
	ExitInterrupted ExitKind = iota
	// ExitSyscall: the thread executed SYSCALL. The number is in RAX, RIP is
	// after the instruction, RCX and R11 are as the processor left them.
	ExitSyscall
	// ExitHypercall: the thread executed OUT to a hypercall port at CPL 3.
	// The number is in EAX, RIP is after the instruction.
	ExitHypercall
	// ExitException: the thread raised the exception Vector; RIP is where
	// the processor's rules put it (at a faulting instruction, after a
	// trapping one).
	ExitException
	// ExitBreakpoint: an INT3 was executed; RIP is at the INT3 whichever way
	// the event came. Only reported while Debug.Breakpoints is set; otherwise
	// an INT3 is an ExitException with vector 3.
	ExitBreakpoint
	// ExitStep: the single step asked for by Debug.Step ended.
	ExitStep
	// ExitDebugRegister: debug registers matched; DR6 says which (bits 0-3).
	ExitDebugRegister
	// ExitBusError: the host could not provide memory the program touched,
	// because the file behind it was cut short.
	ExitBusError
	// ExitShutdown: the virtual processor cannot go on (triple fault).
	ExitShutdown
)

// Exit is one return from the guest.
type Exit struct {
	Kind      ExitKind
	Vector    uint8  // ExitException
	ErrorCode uint64 // ExitException, where the vector has one
	Addr      GVA    // CR2 of a page fault
	DR6       uint64 // ExitDebugRegister
	Port      uint16 // ExitHypercall
}

// x86 exception vectors (Intel SDM volume 3, table 6-1).
const (
	VectorDE = 0
	VectorDB = 1
	VectorBP = 3
	VectorOF = 4
	VectorBR = 5
	VectorUD = 6
	VectorNM = 7
	VectorDF = 8
	VectorTS = 10
	VectorNP = 11
	VectorSS = 12
	VectorGP = 13
	VectorPF = 14
	VectorMF = 16
	VectorAC = 17
	VectorMC = 18
	VectorXM = 19
)

// Page-fault error code bits (SDM volume 3, 4.7).
const (
	FaultPresent  = 1 << 0
	FaultWrite    = 1 << 1
	FaultUser     = 1 << 2
	FaultReserved = 1 << 3
	FaultFetch    = 1 << 4
)

// WatchKind is what a debug register watches for, in DR7's encoding.
type WatchKind uint8

const (
	WatchExec   WatchKind = 0
	WatchWrite  WatchKind = 1
	WatchAccess WatchKind = 3
)

// DebugRegister is one armed hardware breakpoint or watchpoint.
type DebugRegister struct {
	Addr GVA
	Kind WatchKind
	Len  uint8 // 1, 2, 4 or 8 bytes; 1 for WatchExec
}

// NumDebugRegisters is how many DebugRegister entries x86 has.
const NumDebugRegisters = 4

// Debug is what the debugger wants from one CPU. The zero value is "no
// debugger", which costs nothing.
type Debug struct {
	Breakpoints bool // INT3 leaves the guest as ExitBreakpoint
	Step        bool // one instruction, then ExitStep
	Registers   []DebugRegister
}

// DebugCaps is what debugging an engine's processor offers, as probed.
type DebugCaps struct {
	Breakpoints    bool // INT3 is reported by the processor itself, not by the shim's gate
	Step           bool // the same for single steps
	ExecRegisters  bool // execution breakpoints in debug registers fire
	WatchRegisters bool // data watchpoints in debug registers fire
}

// CPU runs one thread of the program. All methods except Interrupt belong to
// one goroutine at a time: the thread's own while it runs, the debugger's
// while the thread is parked.
type CPU interface {
	// Regs points at the thread's registers. Valid between calls of Run;
	// what is written takes effect at the next one.
	Regs() *Regs
	// Segs and SetSegs read and write selectors and bases. Selectors other
	// than the ones the shim's GDT holds are refused with an error.
	Segs() (Segs, error)
	SetSegs(Segs) error
	// XSave returns the x87, SSE and extended state in the standard
	// (non-compacted) XSAVE layout; SetXSave replaces it. The image is
	// sanitised: reserved bits never reach the processor.
	XSave() ([]byte, error)
	SetXSave([]byte) error
	// Control returns the supervisor registers.
	Control() (Control, error)
	// SetDebug arms breakpoints, stepping and debug registers.
	SetDebug(Debug) error
	// Run executes the program until it needs the kernel. The error is a
	// failure of the engine, never something the program did.
	Run() (Exit, error)
	// Reset makes the CPU one that has run nothing yet, in the address space
	// whose page tables have their root at the given address (execve(2)).
	Reset(root GPA) error
	// Interrupt makes a Run in progress, or the next one, return
	// ExitInterrupted. Safe from any goroutine.
	Interrupt()
	// Release gives the CPU back; its thread has ended.
	Release()
}

// Machine is one virtual machine: it makes CPUs.
type Machine interface {
	// NewCPU returns a CPU for a new thread whose page tables have their
	// root at the given address. The caller must be the goroutine, locked
	// to its host thread, that will call Run.
	NewCPU(root GPA) (CPU, error)
	// XFeatures is XCR0: the extended state components programs may use.
	XFeatures() uint64
	// XSaveSize is the size in bytes of an XSave image with those features.
	XSaveSize() int
	// XSaveOffset returns where a component (the number of its XCR0 bit) lies
	// in an XSave image, 0 if the image does not have it.
	XSaveOffset(component int) int
	// HWCaps returns AT_HWCAP and AT_HWCAP2 for the auxiliary vector.
	HWCaps() (hwcap, hwcap2 uint64)
	// DebugCaps probes, once and only when asked, what debugging offers.
	DebugCaps() DebugCaps
	// Stats returns exits by reason since the machine was made.
	Stats() map[string]uint64
	// Close ends the machine; no CPU may be running.
	Close() error
}
