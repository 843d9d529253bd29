// Package amd64 describes the registers of x86-64 Linux programs for package
// rsp: GDB's standard features as data, and the way from an XSAVE image to
// register values and back.
//
// It imports only package rsp.
package amd64

// Numbers of the first register of each run, in the order of GDB's own Linux
// target description. Registers of a run are numbered consecutively.
const (
	RAX = iota
	RBX
	RCX
	RDX
	RSI
	RDI
	RBP
	RSP
	R8
	R9
	R10
	R11
	R12
	R13
	R14
	R15
	RIP
	EFLAGS
	CS
	SS
	DS
	ES
	FS
	GS
	ST0 // to ST0+7

	FCTRL   = ST0 + 8 // then fstat, ftag, fiseg, fioff, foseg, fooff, fop
	XMM0    = FCTRL + 8
	MXCSR   = XMM0 + 16
	OrigRAX = MXCSR + 1
	FSBase  = OrigRAX + 1
	GSBase  = FSBase + 1
	YMM0H   = GSBase + 1 // upper halves of ymm0 to ymm15
	XMM16   = YMM0H + 16
	YMM16H  = XMM16 + 16
	K0      = YMM16H + 16
	ZMM0H   = K0 + 8 // upper halves of zmm0 to zmm31
	PKRU    = ZMM0H + 32
)

// The x87 control registers, each 32 bits wide in the protocol.
const (
	FSTAT = FCTRL + 1 + iota
	FTAG
	FISEG
	FIOFF
	FOSEG
	FOOFF
	FOP
)

// XCR0 bits of the state components that have registers (SDM volume 1, 13.1).
const (
	FeatureX87      = 1 << 0
	FeatureSSE      = 1 << 1
	FeatureAVX      = 1 << 2
	FeatureOpmask   = 1 << 5
	FeatureZMMHi256 = 1 << 6
	FeatureHi16ZMM  = 1 << 7
	FeaturePKRU     = 1 << 9

	featureAVX512 = FeatureOpmask | FeatureZMMHi256 | FeatureHi16ZMM
)
