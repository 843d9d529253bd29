package amd64

import "encoding/binary"

// Offsets in bytes of what an XSAVE image always has at the same place (SDM
// volume 1, 13.4).
const (
	offFCW   = 0
	offFSW   = 2
	offFTW   = 4 // abridged: one bit per physical register
	offFOP   = 6
	offFIP   = 8
	offFCS   = 12
	offFDP   = 16
	offFDS   = 20
	offMXCSR = 24
	offST    = 32
	offXMM   = 160
	offBV    = 512 // XSTATE_BV
	offAVX   = 576

	legacySize = 512
	minSize    = 576
)

// Layout gives the offsets in bytes of those components of the standard XSAVE
// format that differ between processors (CPUID leaf 0xd, EBX); 0 for a component
// the processor does not have.
type Layout struct {
	Opmask, ZMMHi256, Hi16ZMM, PKRU int
}

// IntelLayout is the layout of Intel's processors with AVX-512.
var IntelLayout = Layout{Opmask: 1088, ZMMHi256: 1152, Hi16ZMM: 1664, PKRU: 2688}

// XSave is an image in the standard (non-compacted) format.
type XSave struct {
	Image  []byte
	Layout Layout
}

// place finds where register num lives: the offset, its size, and the
// component (an XCR0 bit) it belongs to. ok is false for registers that are
// not in the image as they are.
func (x XSave) place(num int) (off, size int, component uint64, ok bool) {
	in := func(first, n int) (int, bool) { return num - first, num >= first && num < first+n }
	if i, yes := in(ST0, 8); yes {
		return offST + 16*i, 10, FeatureX87, true
	} else if i, yes := in(XMM0, 16); yes {
		return offXMM + 16*i, 16, FeatureSSE, true
	} else if i, yes := in(YMM0H, 16); yes {
		return offAVX + 16*i, 16, FeatureAVX, true
	} else if i, yes := in(XMM16, 16); yes {
		return x.Layout.Hi16ZMM + 64*i, 16, FeatureHi16ZMM, true
	} else if i, yes := in(YMM16H, 16); yes {
		return x.Layout.Hi16ZMM + 64*i + 16, 16, FeatureHi16ZMM, true
	} else if i, yes := in(K0, 8); yes {
		return x.Layout.Opmask + 8*i, 8, FeatureOpmask, true
	} else if i, yes := in(ZMM0H, 16); yes {
		return x.Layout.ZMMHi256 + 32*i, 32, FeatureZMMHi256, true
	} else if i, yes := in(ZMM0H+16, 16); yes {
		return x.Layout.Hi16ZMM + 64*i + 32, 32, FeatureHi16ZMM, true
	} else if num == PKRU {
		return x.Layout.PKRU, 4, FeaturePKRU, true
	}
	return 0, 0, 0, false
}

// find is place, for registers that the image really holds.
func (x XSave) find(num int) (off, size int, component uint64, ok bool) {
	off, size, component, ok = x.place(num)
	legacy := component&(FeatureX87|FeatureSSE) != 0
	if !ok || off+size > len(x.Image) || !legacy && x.base(component) < offAVX {
		return 0, 0, 0, false
	}
	return off, size, component, true
}

// base is the offset of an extended component.
func (x XSave) base(component uint64) int {
	switch component {
	case FeatureAVX:
		return offAVX
	case FeatureOpmask:
		return x.Layout.Opmask
	case FeatureZMMHi256:
		return x.Layout.ZMMHi256
	case FeatureHi16ZMM:
		return x.Layout.Hi16ZMM
	}
	return x.Layout.PKRU
}

func (x XSave) bv() uint64 { return binary.LittleEndian.Uint64(x.Image[offBV:]) }

// Read stores the value of register num in dst, which has the register's size.
// It reports false, leaving dst as it is, if the image does not hold it.
func (x XSave) Read(num int, dst []byte) bool {
	if len(x.Image) < minSize {
		return false
	}
	if num == MXCSR {
		// XRSTOR takes MXCSR from the image whatever XSTATE_BV says.
		return copyExact(dst, x.Image[offMXCSR:offMXCSR+4])
	}
	if num >= FCTRL && num <= FOP {
		if len(dst) != 4 {
			return false
		}
		binary.LittleEndian.PutUint32(dst, x.readX87(num))
		return true
	}
	off, size, component, ok := x.find(num)
	if !ok || len(dst) != size {
		return false
	}
	if x.bv()&component == 0 {
		clear(dst) // the component is in its initial state
		return true
	}
	return copyExact(dst, x.Image[off:off+size])
}

// Write stores src as the value of register num and marks its component as in
// use. It reports false if the image has no place for it.
func (x XSave) Write(num int, src []byte) bool {
	if len(x.Image) < minSize {
		return false
	}
	if num == MXCSR {
		return copyExact(x.Image[offMXCSR:offMXCSR+4], src)
	}
	if num >= FCTRL && num <= FOP {
		if len(src) != 4 {
			return false
		}
		x.use(FeatureX87)
		x.writeX87(num, binary.LittleEndian.Uint32(src))
		return true
	}
	off, size, component, ok := x.find(num)
	if !ok || len(src) != size {
		return false
	}
	x.use(component)
	return copyExact(x.Image[off:off+size], src)
}

// use marks a component as in use. What the image holds of a component in its
// initial state is meaningless, so it is initialised first.
func (x XSave) use(component uint64) {
	bv := x.bv()
	if bv&component != 0 {
		return
	}
	binary.LittleEndian.PutUint64(x.Image[offBV:], bv|component)
	zero := func(off, n int) {
		if off < len(x.Image) {
			clear(x.Image[off:min(off+n, len(x.Image))])
		}
	}
	switch component {
	case FeatureX87:
		zero(0, offMXCSR)
		zero(offST, 128)
		binary.LittleEndian.PutUint16(x.Image[offFCW:], 0x37f)
	case FeatureSSE:
		zero(offXMM, 256)
	default:
		zero(x.base(component), componentSize[component])
	}
}

// componentSize gives the sizes of the extended components in bytes.
var componentSize = map[uint64]int{
	FeatureAVX: 256, FeatureOpmask: 64, FeatureZMMHi256: 512, FeatureHi16ZMM: 1024, FeaturePKRU: 8,
}

func copyExact(dst, src []byte) bool {
	if len(dst) != len(src) {
		return false
	}
	copy(dst, src)
	return true
}
