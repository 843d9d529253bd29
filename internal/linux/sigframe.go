package linux

// Handlers that are none (signal(2)).
const (
	SIG_DFL = 0
	SIG_IGN = 1
)

// SigAction flags (sigaction(2)).
const (
	SA_NOCLDSTOP      = 0x1
	SA_NOCLDWAIT      = 0x2
	SA_SIGINFO        = 0x4
	SA_UNSUPPORTED    = 0x400
	SA_EXPOSE_TAGBITS = 0x800
	SA_RESTORER       = 0x04000000
	SA_ONSTACK        = 0x08000000
	SA_RESTART        = 0x10000000
	SA_NODEFER        = 0x40000000
	SA_RESETHAND      = 0x80000000

	// SA_ALL are the flags Linux keeps; it clears others without an error.
	SA_ALL = SA_NOCLDSTOP | SA_NOCLDWAIT | SA_SIGINFO | SA_EXPOSE_TAGBITS | SA_RESTORER |
		SA_ONSTACK | SA_RESTART | SA_NODEFER | SA_RESETHAND
)

// SigAction is the kernel's struct sigaction: 32 bytes.
type SigAction struct {
	Handler  uint64 // SIG_DFL, SIG_IGN or a guest address
	Flags    uint64 // SA_*
	Restorer uint64 // where the handler returns to
	Mask     SigSet // blocked while the handler runs
}

// Stack flags (sigaltstack(2)).
const (
	SS_ONSTACK    = 1
	SS_DISABLE    = 2
	SS_AUTODISARM = 1 << 31

	// MINSIGSTKSZ is the least size sigaltstack accepts, in bytes.
	MINSIGSTKSZ = 2048
)

// Stack is stack_t: 24 bytes.
type Stack struct {
	SP    uint64 // lowest address
	Flags int32  // SS_*
	_     int32
	Size  uint64
}

// UContext flags (asm/ucontext.h).
const (
	UC_FP_XSTATE         = 1 // the FP state is an XSAVE image
	UC_SIGCONTEXT_SS     = 2 // SigContext.SS was saved
	UC_STRICT_RESTORE_SS = 4 // sigreturn must take SigContext.SS as it is
)

// SigContext is struct sigcontext_64: the registers a handler sees and
// sigreturn restores; 256 bytes.
type SigContext struct {
	R8, R9, R10, R11     uint64
	R12, R13, R14, R15   uint64
	RDI, RSI, RBP, RBX   uint64
	RDX, RAX, RCX, RSP   uint64
	RIP, RFLAGS          uint64
	CS, GS, FS, SS       uint16
	Err, TrapNo, OldMask uint64
	CR2                  uint64
	FPState              uint64 // guest address of the FP state, 0 for none
	Reserved             [8]uint64
}

// UContext is struct ucontext: 304 bytes.
type UContext struct {
	Flags    uint64
	Link     uint64
	Stack    Stack
	MContext SigContext
	SigMask  SigSet
}

// RTSigFrame is what the kernel pushes before it enters a handler: 440 bytes.
// The handler's RSP points at Restorer; RSI at Info, RDX at UContext. The FP
// state lies above, 64-byte aligned.
type RTSigFrame struct {
	Restorer uint64
	UContext UContext
	Info     SigInfo
}

// Offsets inside RTSigFrame, in bytes.
const (
	RTSigFrameUContext = 8
	RTSigFrameInfo     = 312
)

// RedZone is the space below RSP that leaf functions use without moving RSP;
// a signal frame must skip it (System V ABI, 3.2.2). In bytes.
const RedZone = 128

// The FP state of a signal frame is an XSAVE image in the standard layout.
// FPXSwBytes lies in the part of the legacy area that FXSAVE leaves to
// software, and FP_XSTATE_MAGIC2, 4 bytes, right after the image
// (asm/sigcontext.h).
const (
	FP_XSTATE_MAGIC1      = 0x46505853
	FP_XSTATE_MAGIC2      = 0x46505845
	FP_XSTATE_MAGIC2_SIZE = 4

	FXSaveSize       = 512 // legacy area, in bytes
	FPXSwBytesOffset = 464
	XSaveHeaderSize  = 64 // follows the legacy area
)

// FPXSwBytes is struct _fpx_sw_bytes: 48 bytes.
type FPXSwBytes struct {
	Magic1       uint32 // FP_XSTATE_MAGIC1 if the image is more than FXSAVE's
	ExtendedSize uint32 // of image and magic 2, in bytes
	XFeatures    uint64
	XStateSize   uint32 // of the image, in bytes
	_            [7]uint32
}
