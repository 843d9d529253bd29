package loader

import (
	"torov/internal/engine"
	"torov/internal/linux"
)

// AuxInfo is what the auxiliary vector says beside the stack's own addresses.
type AuxInfo struct {
	Image      *Image // the program, not its interpreter
	Bias       GVA    // of the program
	InterpBase GVA    // bias of the interpreter, 0 for none
	SysinfoHdr GVA    // the vDSO, 0 for none

	UID, EUID, GID, EGID uint32
	Secure               bool // privileged execution: setuid and the like

	HWCap, HWCap2 uint64
	MinSigStkSz   uint64 // bytes a signal frame needs, 0 to leave it out
	// RseqFeatureSize and RseqAlign describe rseq(2), bytes; 0 leaves them out.
	RseqFeatureSize, RseqAlign uint64
}

// Auxv returns the auxiliary vector in the order of Linux. BuildStack fills in
// the values of AT_RANDOM, AT_EXECFN and AT_PLATFORM and ends it.
func Auxv(in AuxInfo) []linux.AuxEntry {
	im := in.Image
	phdr := in.Bias
	if im.HasPhdr {
		phdr += im.PhdrAddr
	}
	var secure uint64
	if in.Secure {
		secure = 1
	}
	all := []linux.AuxEntry{
		{Tag: linux.AT_SYSINFO_EHDR, Value: uint64(in.SysinfoHdr)},
		{Tag: linux.AT_MINSIGSTKSZ, Value: in.MinSigStkSz},
		{Tag: linux.AT_HWCAP, Value: in.HWCap},
		{Tag: linux.AT_PAGESZ, Value: engine.PageSize},
		{Tag: linux.AT_CLKTCK, Value: linux.CLK_TCK},
		{Tag: linux.AT_PHDR, Value: uint64(phdr)},
		{Tag: linux.AT_PHENT, Value: uint64(im.Phent)},
		{Tag: linux.AT_PHNUM, Value: uint64(im.Phnum)},
		{Tag: linux.AT_BASE, Value: uint64(in.InterpBase)},
		{Tag: linux.AT_FLAGS},
		{Tag: linux.AT_ENTRY, Value: uint64(im.Entry + in.Bias)},
		{Tag: linux.AT_UID, Value: uint64(in.UID)},
		{Tag: linux.AT_EUID, Value: uint64(in.EUID)},
		{Tag: linux.AT_GID, Value: uint64(in.GID)},
		{Tag: linux.AT_EGID, Value: uint64(in.EGID)},
		{Tag: linux.AT_SECURE, Value: secure},
		{Tag: linux.AT_RANDOM},
		{Tag: linux.AT_HWCAP2, Value: in.HWCap2},
		{Tag: linux.AT_EXECFN},
		{Tag: linux.AT_PLATFORM},
		{Tag: linux.AT_RSEQ_FEATURE_SIZE, Value: in.RseqFeatureSize},
		{Tag: linux.AT_RSEQ_ALIGN, Value: in.RseqAlign},
	}
	vector := all[:0]
	for _, e := range all {
		if e.Value == 0 && optionalAux[e.Tag] {
			continue
		}
		vector = append(vector, e)
	}
	return vector
}

// optionalAux are the entries that are absent rather than zero.
var optionalAux = map[linux.AuxTag]bool{
	linux.AT_SYSINFO_EHDR:      true,
	linux.AT_MINSIGSTKSZ:       true,
	linux.AT_RSEQ_FEATURE_SIZE: true,
	linux.AT_RSEQ_ALIGN:        true,
}
