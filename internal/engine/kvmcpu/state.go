package kvmcpu

import (
	"encoding/binary"
	"fmt"

	"torov/internal/engine"
	"torov/kvm"
)

// fetchSRegs makes sregs what the vCPU holds.
func (c *CPU) fetchSRegs() error {
	if c.sregsValid || c.sregsDirty {
		return nil
	}
	if err := c.vcpu.SRegs(&c.sregs); err != nil {
		return err
	}
	c.sregsValid = true
	return nil
}

// Segs implements engine.CPU. In the shim CS and SS are the supervisor's;
// the program's are always the same two.
func (c *CPU) Segs() (engine.Segs, error) {
	if err := c.fetchSRegs(); err != nil {
		return engine.Segs{}, err
	}
	s := &c.sregs
	return engine.Segs{
		CS: selUserCS, SS: selUserSS, DS: s.DS.Selector, ES: s.ES.Selector, FS: s.FS.Selector, GS: s.GS.Selector,
		FSBase: s.FS.Base, GSBase: s.GS.Base,
	}, nil
}

// SetSegs implements engine.CPU.
func (c *CPU) SetSegs(v engine.Segs) error {
	if v.CS != selUserCS || v.SS != selUserSS {
		return fmt.Errorf("CS %#x, SS %#x: a 64-bit program has %#x and %#x", v.CS, v.SS, selUserCS, selUserSS)
	}
	if err := c.fetchSRegs(); err != nil {
		return err
	}
	s := &c.sregs
	for _, p := range []struct {
		seg  *kvm.Segment
		sel  uint16
		base uint64
	}{{&s.DS, v.DS, 0}, {&s.ES, v.ES, 0}, {&s.FS, v.FS, v.FSBase}, {&s.GS, v.GS, v.GSBase}} {
		if !canonical(p.base) {
			return fmt.Errorf("segment base %#x is not canonical", p.base)
		}
		switch p.sel {
		case p.seg.Selector:
			p.seg.Base = p.base
		case 0:
			*p.seg = nullSegment(p.base)
		case selUserSS:
			*p.seg = nullSegment(p.base)
			p.seg.Selector, p.seg.Present, p.seg.Unusable = p.sel, 1, 0
		default:
			return fmt.Errorf("selector %#x: the program has only 0 and %#x for data", p.sel, selUserSS)
		}
	}
	c.sregsDirty = true
	return nil
}

func canonical(a uint64) bool { return uint64(int64(a)<<16>>16) == a }

// Control implements engine.CPU.
func (c *CPU) Control() (engine.Control, error) {
	if err := c.fetchSRegs(); err != nil {
		return engine.Control{}, err
	}
	s := &c.sregs
	return engine.Control{CR0: s.CR0, CR2: s.CR2, CR3: s.CR3, CR4: s.CR4, EFER: s.EFER, XCR0: c.m.feat.xcr0}, nil
}

// Offsets in the XSAVE image (SDM volume 1, 13.4.1 and 13.4.2).
const (
	xsFCW       = 0
	xsMXCSR     = 24
	xsMXCSRMask = 28
	xsBV        = 512
	xsCompBV    = 520
	xsHeaderEnd = 576
)

// initialXSave is the state a program starts with: FCW 0x37f, MXCSR 0x1f80.
func initialXSave(image *[kvm.XSaveSize]byte) {
	binary.LittleEndian.PutUint16(image[xsFCW:], 0x37f)
	binary.LittleEndian.PutUint32(image[xsMXCSR:], 0x1f80)
	binary.LittleEndian.PutUint64(image[xsBV:], 3)
}

// XSave implements engine.CPU.
func (c *CPU) XSave() ([]byte, error) {
	var image [kvm.XSaveSize]byte
	if err := c.vcpu.XSave(&image); err != nil {
		return nil, err
	}
	return image[:c.m.feat.xsaveSize], nil
}

// SetXSave implements engine.CPU. XRSTOR faults on reserved bits, so nothing
// the program or a debugger wrote there gets through.
func (c *CPU) SetXSave(state []byte) error {
	var image, now [kvm.XSaveSize]byte
	if err := c.vcpu.XSave(&now); err != nil {
		return err
	}
	if copy(image[:], state) < xsHeaderEnd {
		copy(image[len(state):xsHeaderEnd], now[len(state):xsHeaderEnd])
	}
	bv := binary.LittleEndian.Uint64(image[xsBV:]) & max(c.m.feat.xcr0, 3)
	clear(image[xsBV:xsHeaderEnd])
	binary.LittleEndian.PutUint64(image[xsBV:], bv)
	mask := binary.LittleEndian.Uint32(now[xsMXCSRMask:])
	if mask == 0 {
		mask = 0xffbf
	}
	binary.LittleEndian.PutUint32(image[xsMXCSR:], binary.LittleEndian.Uint32(image[xsMXCSR:])&mask)
	return c.vcpu.SetXSave(&image)
}
