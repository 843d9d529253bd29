package toy

import (
	"encoding/binary"
	"fmt"
	"slices"

	"torov/rsp"
	"torov/rsp/amd64"
)

// Describe implements rsp.Registers.
func (m *Machine) Describe() *rsp.Description { return description }

// ReadRegisters implements rsp.Registers.
func (m *Machine) ReadRegisters(id rsp.ThreadID, regs []rsp.RegisterValue) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.find(id)
	if t == nil {
		return rsp.ErrNoProcess
	}
	for i := range regs {
		if !t.read(regs[i].Num, regs[i].Value) {
			regs[i].Unavailable = true
		}
	}
	return nil
}

// WriteRegisters implements rsp.Registers.
func (m *Machine) WriteRegisters(id rsp.ThreadID, regs []rsp.RegisterValue) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.find(id)
	if t == nil {
		return rsp.ErrNoProcess
	}
	// All or none: work on a copy.
	u := *t
	u.xsave = slices.Clone(t.xsave)
	for _, r := range regs {
		if !u.write(r.Num, r.Value) {
			return fmt.Errorf("register %s cannot be written", r.Name)
		}
	}
	*t = u
	return nil
}

// place64 returns the 64-bit registers in place.
func (t *thread) place64(num int) *uint64 {
	switch {
	case num >= 0 && num < 16:
		return &t.gpr[num]
	case num == amd64.RIP:
		return &t.rip
	case num == amd64.OrigRAX:
		return &t.orig
	case num == amd64.FSBase:
		return &t.fs
	}
	return nil
}

// selectors are constants of Linux's user space.
var selectors = map[int]uint32{
	amd64.CS: 0x33, amd64.SS: 0x2b, amd64.DS: 0, amd64.ES: 0, amd64.FS: 0, amd64.GS: 0,
}

func (t *thread) read(num int, dst []byte) bool {
	if p := t.place64(num); p != nil {
		binary.LittleEndian.PutUint64(dst, *p)
		return true
	}
	if num == amd64.EFLAGS {
		binary.LittleEndian.PutUint32(dst, t.flags)
		return true
	}
	if sel, ok := selectors[num]; ok {
		binary.LittleEndian.PutUint32(dst, sel)
		return true
	}
	if num == amd64.GSBase {
		clear(dst)
		return true
	}
	return amd64.XSave{Image: t.xsave, Layout: amd64.IntelLayout}.Read(num, dst)
}

func (t *thread) write(num int, src []byte) bool {
	if p := t.place64(num); p != nil {
		*p = binary.LittleEndian.Uint64(src)
		return true
	}
	if num == amd64.EFLAGS {
		t.flags = binary.LittleEndian.Uint32(src)
		return true
	}
	if sel, ok := selectors[num]; ok {
		return binary.LittleEndian.Uint32(src) == sel
	}
	if num == amd64.GSBase {
		return binary.LittleEndian.Uint64(src) == 0
	}
	return amd64.XSave{Image: t.xsave, Layout: amd64.IntelLayout}.Write(num, src)
}
