// Package fake is an engine without a processor, for tests of what lies above
// engines: a CPU does nothing by itself, and the test says why it "left the
// program" each time. It may import engine and mm.
package fake

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"torov/internal/engine"
	"torov/internal/mm"
)

// XSaveSize is the size of an XSAVE image with x87, SSE and AVX, in bytes.
const XSaveSize = 576 + 256

// ErrTooManyCPUs is what NewCPU says beyond MaxCPUs.
var ErrTooManyCPUs = errors.New("fake: no more CPUs")

// Machine implements kernel.Machine.
type Machine struct {
	// MaxCPUs bounds the CPUs in use; 0 is no bound.
	MaxCPUs int
	// Program, if there is one, is what every CPU runs instead of waiting for
	// Do. It is called with the CPU's registers and must not block.
	Program func(c *CPU) engine.Exit

	mem  *mm.Memory
	made chan *CPU

	mu    sync.Mutex
	inUse int
}

// New returns a machine with memory of so many bytes.
func New(memory uint64) (*Machine, error) {
	mem, err := mm.NewMemory(memory, func(int, engine.GPA, []byte) error { return nil })
	return &Machine{mem: mem, made: make(chan *CPU, 1<<16)}, err
}

// Made returns the CPUs in the order in which they are made.
func (m *Machine) Made() <-chan *CPU { return m.made }

// InUse returns how many CPUs are not released.
func (m *Machine) InUse() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inUse
}

func (m *Machine) Memory() *mm.Memory { return m.mem }

func (m *Machine) NewSpace(base engine.GVA) (*mm.AddressSpace, error) {
	return mm.NewAddressSpace(m.mem, base)
}

func (m *Machine) FreeSpace(as *mm.AddressSpace) error { return as.Close() }

func (m *Machine) NewCPU(engine.GPA) (engine.CPU, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.MaxCPUs > 0 && m.inUse >= m.MaxCPUs {
		return nil, ErrTooManyCPUs
	}
	m.inUse++
	c := &CPU{m: m, do: make(chan request), kick: make(chan struct{}, 1), xsave: make([]byte, XSaveSize)}
	c.entered.L = &c.mu
	select {
	case m.made <- c:
	default: // nobody looks
	}
	return c, nil
}

func (m *Machine) XFeatures() uint64              { return 7 }
func (m *Machine) XSaveSize() int                 { return XSaveSize }
func (m *Machine) XSaveOffset(component int) int  { return map[int]int{2: 576}[component] }
func (m *Machine) HWCaps() (hwcap, hwcap2 uint64) { return 0, 0 }
func (m *Machine) DebugCaps() engine.DebugCaps    { return engine.DebugCaps{} }
func (m *Machine) Stats() map[string]uint64       { return nil }
func (m *Machine) Close() error                   { return m.mem.Close() }

// CPU implements engine.CPU.
type CPU struct {
	m     *Machine
	regs  engine.Regs // of the goroutine that calls Run
	segs  engine.Segs
	xsave []byte
	debug engine.Debug
	do    chan request
	kick  chan struct{}

	mu      sync.Mutex
	entered sync.Cond
	entries int
	seen    engine.Regs // at the last entry
}

func (c *CPU) Regs() *engine.Regs { return &c.regs }

func (c *CPU) Segs() (engine.Segs, error) { return c.segs, nil }

func (c *CPU) SetSegs(s engine.Segs) error {
	for _, base := range []uint64{s.FSBase, s.GSBase} {
		if uint64(int64(base)<<16>>16) != base {
			return fmt.Errorf("fake: base %#x is not canonical", base)
		}
	}
	c.segs = s
	return nil
}

func (c *CPU) XSave() ([]byte, error) { return append([]byte(nil), c.xsave...), nil }

func (c *CPU) SetXSave(b []byte) error {
	clear(c.xsave)
	copy(c.xsave, b)
	return nil
}

func (c *CPU) Reset(engine.GPA) error {
	c.regs, c.segs = engine.Regs{}, engine.Segs{}
	clear(c.xsave)
	return nil
}

func (c *CPU) Control() (engine.Control, error) { return engine.Control{}, nil }

func (c *CPU) SetDebug(d engine.Debug) error { c.debug = d; return nil }

// Run enters the program: the next Do, or Interrupt, makes it leave again.
func (c *CPU) Run() (engine.Exit, error) {
	c.mu.Lock()
	c.entries++
	entry := c.entries
	c.seen = c.regs
	c.entered.Broadcast()
	c.mu.Unlock()
	select {
	case <-c.kick:
		return engine.Exit{Kind: engine.ExitInterrupted}, nil
	default:
	}
	if c.m.Program != nil {
		return c.m.Program(c), nil
	}
	select {
	case req := <-c.do:
		e := req.f(&c.regs)
		req.entry <- entry
		return e, nil
	case <-c.kick:
		return engine.Exit{Kind: engine.ExitInterrupted}, nil
	}
}

func (c *CPU) Interrupt() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

func (c *CPU) Release() {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.m.inUse--
}

type request struct {
	f     func(*engine.Regs) engine.Exit
	entry chan int
}

// Do makes the CPU leave the program with what f returns; f may change the
// registers first. It returns the number of the entry that this ended; ok is
// false if the CPU is not in the program within the time.
func (c *CPU) Do(within time.Duration, f func(*engine.Regs) engine.Exit) (entry int, ok bool) {
	req := request{f, make(chan int, 1)}
	select {
	case c.do <- req:
		return <-req.entry, true
	case <-time.After(within):
		return 0, false
	}
}

// Entries returns how often Run was called.
func (c *CPU) Entries() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.entries
}

// Await waits until the CPU has entered the program more than after times with
// registers of which ok is true, and returns those of the last entry.
func (c *CPU) Await(within time.Duration, after int, ok func(engine.Regs) bool) (engine.Regs, bool) {
	late := time.AfterFunc(within, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.entered.Broadcast()
	})
	defer late.Stop()
	deadline := time.Now().Add(within)
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.entries <= after || ok != nil && !ok(c.seen) {
		if !time.Now().Before(deadline) {
			return c.seen, false
		}
		c.entered.Wait()
	}
	return c.seen, true
}
