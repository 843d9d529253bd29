package kvmcpu

import (
	"slices"

	"golang.org/x/sys/cpu"

	"torov/kvm"
)

// features is what the guest's processor offers programs.
type features struct {
	xcr0          uint64
	xsaveSize     int
	xsaveOffsets  [64]int
	xsave         bool
	maxMemory     uint64 // bytes that fit the processor's physical addresses
	fsgsbase      bool
	hwcap, hwcap2 uint64
}

// XCR0 components programs get: x87, SSE, AVX and AVX-512. MPX is gone from
// processors, PKRU needs pkey_* calls, AMX needs a permission of its own.
const wantedXCR0 = 0xe7

const (
	leaf1ECXMonitor   = 1 << 3
	leaf1ECXVMX       = 1 << 5
	leaf1ECXX2APIC    = 1 << 21
	leaf1ECXXSave     = 1 << 26
	leaf1ECXOSXSave   = 1 << 27
	leaf1EDXMTRR      = 1 << 12
	leaf7EBXFSGSBase  = 1 << 0
	leaf7EBXMPX       = 1 << 14
	leaf7ECXPKU       = 1 << 3
	leaf7ECXOSPKE     = 1 << 4
	leaf7EDXAMX       = 1<<22 | 1<<24 | 1<<25
	extECXSVM         = 1 << 2
	hwcap2FSGSBase    = 1 << 1
	legacyXSaveSize   = 512 + 64
	leafXSave         = 0xd
	leafExtended      = 0x80000001
	leafAddressSizes  = 0x80000008
	avx512Components  = 0xe0
	fxsaveOnlyMinimum = 512
)

// adjustCPUID takes out what a program at CPL 3 has no use for, in place, and
// says what is left.
func adjustCPUID(entries []kvm.CPUIDEntry) features {
	f := features{xsaveSize: fxsaveOnlyMinimum, maxMemory: 1 << 35}
	for i := range entries {
		e := &entries[i]
		switch {
		case e.Function == 1:
			e.ECX &^= leaf1ECXMonitor | leaf1ECXVMX | leaf1ECXX2APIC
			// Some KVMs forget the bit and support the feature: leaf 0xd decides.
			if f.xsave = cpu.X86.HasOSXSAVE && hasLeaf(entries, leafXSave); f.xsave {
				e.ECX |= leaf1ECXXSave | leaf1ECXOSXSave
			}
			f.hwcap = uint64(e.EDX)
		case e.Function == 7 && e.Index == 0:
			f.fsgsbase = e.EBX&leaf7EBXFSGSBase != 0
			e.EBX &^= leaf7EBXMPX
			e.ECX &^= leaf7ECXPKU | leaf7ECXOSPKE
			e.EDX &^= leaf7EDXAMX
		case e.Function == leafAddressSizes:
			// Half, as guest memory is laid out with gaps.
			f.maxMemory = 1 << (min(max(e.EAX&0xff, 32), 52) - 1)
		case e.Function == leafExtended:
			e.ECX &^= extECXSVM
		case e.Function == leafXSave && e.Index == 0:
			f.xcr0 = (uint64(e.EDX)<<32 | uint64(e.EAX)) & wantedXCR0
			if f.xcr0&avx512Components != avx512Components {
				f.xcr0 &^= avx512Components
			}
			e.EAX, e.EDX = uint32(f.xcr0), 0
		}
	}
	if !f.xsave {
		f.xcr0 = 0
	}
	if f.fsgsbase {
		f.hwcap2 |= hwcap2FSGSBase
	}
	f.layout(entries)
	return f
}

func hasLeaf(entries []kvm.CPUIDEntry, function uint32) bool {
	return slices.ContainsFunc(entries, func(e kvm.CPUIDEntry) bool { return e.Function == function && e.EAX != 0 })
}

// layout computes the standard-format image (SDM volume 1, 13.4.3): leaf 0xd
// gives size and offset of each component, which differ between processors.
func (f *features) layout(entries []kvm.CPUIDEntry) {
	if f.xcr0 == 0 {
		return
	}
	f.xsaveSize = legacyXSaveSize
	for _, e := range entries {
		if e.Function == leafXSave && e.Index >= 2 && e.Index < 64 && f.xcr0>>e.Index&1 != 0 {
			f.xsaveOffsets[e.Index] = int(e.EBX)
			f.xsaveSize = min(max(f.xsaveSize, int(e.EBX+e.EAX)), kvm.XSaveSize)
		}
	}
}
