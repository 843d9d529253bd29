package amd64

import "encoding/binary"

// readX87 returns an x87 control register in the protocol's form: that of
// FSAVE, with the full 16-bit tag word.
func (x XSave) readX87(num int) uint32 {
	if x.bv()&FeatureX87 == 0 {
		switch num {
		case FCTRL:
			return 0x37f
		case FTAG:
			return 0xffff
		}
		return 0
	}
	u16 := func(off int) uint32 { return uint32(binary.LittleEndian.Uint16(x.Image[off:])) }
	u32 := func(off int) uint32 { return binary.LittleEndian.Uint32(x.Image[off:]) }
	switch num {
	case FCTRL:
		return u16(offFCW)
	case FSTAT:
		return u16(offFSW)
	case FTAG:
		return x.fullTag()
	case FISEG:
		return u16(offFCS)
	case FIOFF:
		return u32(offFIP)
	case FOSEG:
		return u16(offFDS)
	case FOOFF:
		return u32(offFDP)
	default: // FOP
		return u16(offFOP) & 0x7ff
	}
}

func (x XSave) writeX87(num int, v uint32) {
	put16 := func(off int) { binary.LittleEndian.PutUint16(x.Image[off:], uint16(v)) }
	put32 := func(off int) { binary.LittleEndian.PutUint32(x.Image[off:], v) }
	switch num {
	case FCTRL:
		put16(offFCW)
	case FSTAT:
		put16(offFSW)
	case FTAG:
		x.Image[offFTW] = abridgedTag(v)
	case FISEG:
		put16(offFCS)
	case FIOFF:
		put32(offFIP)
	case FOSEG:
		put16(offFDS)
	case FOOFF:
		put32(offFDP)
	case FOP:
		v &= 0x7ff
		put16(offFOP)
	}
}

// Tags of an x87 register (SDM volume 1, 8.1.7).
const (
	tagValid   = 0
	tagZero    = 1
	tagSpecial = 2
	tagEmpty   = 3
)

// fullTag rebuilds the tag word FXSAVE has abridged to one "not empty" bit per
// physical register (SDM volume 2, FXSAVE, "x87 FPU Tag Word"). The image
// holds the registers in stack order.
func (x XSave) fullTag() uint32 {
	top := int(binary.LittleEndian.Uint16(x.Image[offFSW:])>>11) & 7
	var tag uint32
	for phys := range 8 {
		t := uint32(tagEmpty)
		if x.Image[offFTW]&(1<<phys) != 0 {
			st := offST + 16*((phys-top+8)&7)
			t = classify(binary.LittleEndian.Uint64(x.Image[st:]), binary.LittleEndian.Uint16(x.Image[st+8:]))
		}
		tag |= t << (2 * phys)
	}
	return tag
}

// classify gives the tag of a register that is not empty.
func classify(mantissa uint64, signExp uint16) uint32 {
	switch exp := signExp & 0x7fff; {
	case exp == 0 && mantissa == 0:
		return tagZero
	case exp == 0 || exp == 0x7fff || mantissa>>63 == 0:
		return tagSpecial
	default:
		return tagValid
	}
}

// abridgedTag is the inverse of fullTag.
func abridgedTag(full uint32) byte {
	var b byte
	for phys := range 8 {
		if full>>(2*phys)&3 != tagEmpty {
			b |= 1 << phys
		}
	}
	return b
}
