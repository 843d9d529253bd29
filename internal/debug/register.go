package debug

import (
	"encoding/binary"
	"fmt"

	"torov/internal/engine"
	"torov/rsp"
	"torov/rsp/amd64"
)

// registerLayout says which registers the machine's CPUs have and where the
// extended ones lie.
type registerLayout struct {
	description *rsp.Description
	registers   []*rsp.Register // in the order of g
	xsave       amd64.Layout
}

// XCR0 components whose place differs between processors.
const (
	componentOpmask = 5
	componentZMMHi  = 6
	componentHiZMM  = 7
	componentPKRU   = 9
)

func newRegisterLayout(m engine.Machine) registerLayout {
	description := amd64.Describe(m.XFeatures())
	return registerLayout{
		description: description, registers: description.Registers(),
		xsave: amd64.Layout{
			Opmask: m.XSaveOffset(componentOpmask), ZMMHi256: m.XSaveOffset(componentZMMHi),
			Hi16ZMM: m.XSaveOffset(componentHiZMM), PKRU: m.XSaveOffset(componentPKRU),
		},
	}
}

// Describe implements rsp.Registers.
func (d *Debugger) Describe() *rsp.Description { return d.layout.description }

// general returns the place of a 64-bit register in Regs, nil for others.
func general(r *engine.Regs, num int) *uint64 {
	switch num {
	case amd64.RAX:
		return &r.RAX
	case amd64.RBX:
		return &r.RBX
	case amd64.RCX:
		return &r.RCX
	case amd64.RDX:
		return &r.RDX
	case amd64.RSI:
		return &r.RSI
	case amd64.RDI:
		return &r.RDI
	case amd64.RBP:
		return &r.RBP
	case amd64.RSP:
		return &r.RSP
	case amd64.R8:
		return &r.R8
	case amd64.R9:
		return &r.R9
	case amd64.R10:
		return &r.R10
	case amd64.R10 + 1:
		return &r.R11
	case amd64.R10 + 2:
		return &r.R12
	case amd64.R10 + 3:
		return &r.R13
	case amd64.R10 + 4:
		return &r.R14
	case amd64.R10 + 5:
		return &r.R15
	case amd64.RIP:
		return &r.RIP
	}
	return nil
}

// selector returns the place of a selector in Segs, nil for other registers.
func selector(s *engine.Segs, num int) *uint16 {
	switch num {
	case amd64.CS:
		return &s.CS
	case amd64.CS + 1:
		return &s.SS
	case amd64.CS + 2:
		return &s.DS
	case amd64.CS + 3:
		return &s.ES
	case amd64.CS + 4:
		return &s.FS
	case amd64.CS + 5:
		return &s.GS
	}
	return nil
}

// snapshot is a thread's registers, fetched as they are needed.
type snapshot struct {
	th    *thread
	segs  *engine.Segs
	xsave []byte
}

func (s *snapshot) segments() (*engine.Segs, error) {
	if s.segs == nil {
		segs, err := s.th.t.CPU.Segs()
		if err != nil {
			return nil, err
		}
		s.segs = &segs
	}
	return s.segs, nil
}

func (s *snapshot) extended() ([]byte, error) {
	if s.xsave == nil {
		image, err := s.th.t.CPU.XSave()
		if err != nil {
			return nil, err
		}
		s.xsave = image
	}
	return s.xsave, nil
}

// get stores the value of register num in dst, which has its size; ok is
// false if there is no value.
func (l *registerLayout) get(s *snapshot, num int, dst []byte) (ok bool, err error) {
	r := s.th.t.Regs()
	if p := general(r, num); p != nil {
		putUint(dst, *p)
		return true, nil
	}
	switch num {
	case amd64.EFLAGS:
		putUint(dst, r.RFLAGS)
		return true, nil
	case amd64.OrigRAX:
		putUint(dst, uint64(s.th.t.OrigRAX))
		return true, nil
	}
	segs, err := s.segments()
	if err != nil {
		return false, err
	}
	if p := selector(segs, num); p != nil {
		putUint(dst, uint64(*p))
		return true, nil
	}
	switch num {
	case amd64.FSBase:
		putUint(dst, segs.FSBase)
		return true, nil
	case amd64.GSBase:
		putUint(dst, segs.GSBase)
		return true, nil
	}
	image, err := s.extended()
	if err != nil {
		return false, err
	}
	return amd64.XSave{Image: image, Layout: l.xsave}.Read(num, dst), nil
}

// read is get for agent expressions: it returns the register's size.
func (l *registerLayout) read(th *thread, num int, dst []byte) (int, bool) {
	for _, r := range l.registers {
		if r.Num == num && r.Size() <= len(dst) {
			ok, err := l.get(&snapshot{th: th}, num, dst[:r.Size()])
			return r.Size(), ok && err == nil
		}
	}
	return 0, false
}

func putUint(dst []byte, v uint64) {
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], v)
	clear(dst)
	copy(dst, b[:])
}

func getUint(src []byte) uint64 {
	var b [8]byte
	copy(b[:], src)
	return binary.LittleEndian.Uint64(b[:])
}

// ReadRegisters implements rsp.Registers.
func (d *Debugger) ReadRegisters(id rsp.ThreadID, regs []rsp.RegisterValue) error {
	th, err := d.quiet(id)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &snapshot{th: th}
	for i := range regs {
		ok, err := d.layout.get(s, regs[i].Num, regs[i].Value)
		if err != nil {
			return err
		}
		regs[i].Unavailable = !ok
	}
	return nil
}

// WriteRegisters implements rsp.Registers: everything is checked before
// anything changes.
func (d *Debugger) WriteRegisters(id rsp.ThreadID, values []rsp.RegisterValue) error {
	th, err := d.quiet(id)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s := &snapshot{th: th}
	regs, orig := *th.t.Regs(), th.t.OrigRAX
	segsChanged, extendedChanged := false, false
	for _, v := range values {
		if p := general(&regs, v.Num); p != nil {
			*p = getUint(v.Value)
			continue
		}
		switch v.Num {
		case amd64.EFLAGS:
			regs.RFLAGS = getUint(v.Value)&engine.FlagsUser | engine.FlagOne | engine.FlagIF
			continue
		case amd64.OrigRAX:
			orig = int64(getUint(v.Value))
			continue
		}
		changed, err := d.writeOther(s, v)
		if err != nil {
			return err
		}
		segsChanged = segsChanged || changed == changedSegs
		extendedChanged = extendedChanged || changed == changedExtended
	}
	if segsChanged {
		if err := th.t.CPU.SetSegs(*s.segs); err != nil {
			return err
		}
	}
	if extendedChanged {
		if err := th.t.CPU.SetXSave(s.xsave); err != nil {
			return err
		}
	}
	if regs.RIP != th.t.Regs().RIP && orig == th.t.OrigRAX && th.t.Restarting() {
		// Whoever moves the program counter means what is there, not two
		// bytes before. GDB says so itself, LLDB does not.
		orig = -1
	}
	*th.t.Regs(), th.t.OrigRAX = regs, orig
	return nil
}

type changedPart uint8

const (
	changedNothing changedPart = iota
	changedSegs
	changedExtended
)

// writeOther puts a register that is not a general one into the snapshot.
func (d *Debugger) writeOther(s *snapshot, v rsp.RegisterValue) (changedPart, error) {
	segs, err := s.segments()
	if err != nil {
		return changedNothing, err
	}
	part := changedSegs
	before := *segs
	switch p := selector(segs, v.Num); {
	case p != nil:
		*p = uint16(getUint(v.Value))
	case v.Num == amd64.FSBase:
		segs.FSBase = getUint(v.Value)
	case v.Num == amd64.GSBase:
		segs.GSBase = getUint(v.Value)
	default:
		part = changedNothing
	}
	if part == changedSegs {
		if before == *segs {
			return changedNothing, nil
		}
		return changedSegs, nil
	}
	image, err := s.extended()
	if err != nil {
		return changedNothing, err
	}
	if !(amd64.XSave{Image: image, Layout: d.layout.xsave}).Write(v.Num, v.Value) {
		return changedNothing, fmt.Errorf("register %s cannot be written", v.Name)
	}
	return changedExtended, nil
}
