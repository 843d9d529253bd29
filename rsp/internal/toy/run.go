package toy

import (
	"encoding/binary"
	"errors"
	"io"
	"slices"

	"torov/rsp"
	"torov/rsp/agent"
	"torov/rsp/amd64"
)

// run executes instructions as long as a thread is running. A round gives each
// running thread one instruction; in all-stop mode a round in which something
// happened is the last.
func (m *Machine) run() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for !m.closed {
		events := m.round()
		if events == nil && !m.runnable() && !m.closed {
			m.wake.Wait()
			continue
		}
		if len(events) > 0 && !m.nonStop {
			m.haltAll()
			events[0].Also = events[1:]
			events = events[:1]
		}
		// Others may call methods between rounds, and while events are sent.
		m.mu.Unlock()
		for _, e := range events {
			m.stops <- e
		}
		m.mu.Lock()
	}
}

func (m *Machine) haltAll() {
	for _, t := range m.threads {
		t.running = false
	}
}

func (m *Machine) runnable() bool {
	return m.interrupt || slices.ContainsFunc(m.threads, func(t *thread) bool { return t.running && !t.blocked })
}

// round gives every running thread one instruction and returns what happened.
func (m *Machine) round() []rsp.Stop {
	var events []rsp.Stop
	if m.interrupt {
		m.interrupt = false
		for _, t := range m.threads {
			if t.running {
				t.running = false
				return []rsp.Stop{{Kind: rsp.StopInterrupt, Thread: t.id}}
			}
		}
	}
	for _, t := range slices.Clone(m.threads) {
		if !t.running || t.blocked || m.find(t.id) == nil {
			continue
		}
		if e := m.stepThread(t); e != nil {
			t.running = false
			events = append(events, *e)
			if e.Ends() {
				break
			}
		}
	}
	return events
}

// stepThread executes one instruction of a thread and says what came of it, nil
// if nothing the client wants to know.
func (m *Machine) stepThread(t *thread) *rsp.Stop {
	m.traceHit(t)
	if e := m.breakpointAt(t); e != nil {
		return e
	}
	if t.call == callEntered {
		return m.finishCall(t)
	}
	if t.call == callDone {
		t.call = callNone
	}
	c := cpu{t: t}
	isCall, f := c.step()
	if f != nil {
		return m.signal(t, f.sig, f.addr)
	}
	m.traceStep(t)
	if e := m.watched(t, c.accesses); e != nil {
		return e
	}
	if isCall {
		return m.enterCall(t)
	}
	return m.stepped(t)
}

// stepped reports the end of a step if this instruction was one.
func (m *Machine) stepped(t *thread) *rsp.Stop {
	switch t.action.Kind {
	case rsp.StepRange:
		if rsp.Addr(t.rip) >= t.action.Start && rsp.Addr(t.rip) < t.action.End {
			return nil
		}
	case rsp.Continue:
		return nil
	}
	t.setSigInfo(rsp.SIGTRAP, trapTrace, t.rip)
	return &rsp.Stop{Kind: rsp.StopStep, Thread: t.id}
}

// breakpointAt reports a breakpoint at the thread's next instruction, unless
// its condition does not hold or it has commands, which are then run.
func (m *Machine) breakpointAt(t *thread) *rsp.Stop {
	if t.overstep {
		t.overstep = false
		return nil
	}
	for _, kind := range []rsp.BreakpointKind{rsp.SoftwareBreakpoint, rsp.HardwareBreakpoint} {
		b := t.proc.breakpoints[place{kind, rsp.Addr(t.rip), 1}]
		if b == nil {
			continue
		}
		env := &agent.Env{Machine: agentThread{m, t}, Output: (*printed)(m)}
		if !b.Holds(env) {
			continue
		}
		if len(b.Commands) > 0 {
			for _, c := range b.Commands {
				c.Eval(env)
			}
			continue
		}
		t.setSigInfo(rsp.SIGTRAP, trapBreakpoint, t.rip)
		stop := rsp.Stop{Kind: rsp.StopBreakpoint, Thread: t.id}
		if kind == rsp.HardwareBreakpoint {
			stop.Kind = rsp.StopHardwareBreakpoint
		}
		return &stop
	}
	return nil
}

// watched reports the first access that hits a watchpoint.
func (m *Machine) watched(t *thread, accesses []access) *rsp.Stop {
	for _, a := range accesses {
		for at, b := range t.proc.breakpoints {
			hit := at.kind == rsp.AccessWatch || at.kind == rsp.WriteWatch && a.write || at.kind == rsp.ReadWatch && !a.write
			if !hit || uint64(at.addr) >= a.addr+uint64(a.size) || a.addr >= uint64(at.addr)+uint64(at.len) {
				continue
			}
			t.setSigInfo(rsp.SIGTRAP, trapHardware, uint64(at.addr))
			return &rsp.Stop{Kind: rsp.StopWatch, Thread: t.id, Watch: b.Kind, Addr: max(at.addr, rsp.Addr(a.addr))}
		}
	}
	return nil
}

// agentThread lets conditions look at a thread.
type agentThread struct {
	m *Machine
	t *thread
}

func (a agentThread) Register(num int) (uint64, error) {
	var b [8]byte
	r := find(num)
	if r == nil || r.Size() > 8 || !a.t.read(num, b[:r.Size()]) {
		return 0, errors.New("no such register")
	}
	return binary.LittleEndian.Uint64(b[:]), nil
}

func (a agentThread) ReadMemory(addr uint64, buf []byte) error {
	b := a.t.proc.bytes(addr, len(buf))
	if b == nil {
		return errUnmapped
	}
	copy(buf, b)
	return nil
}

// printed collects what breakpoint commands print.
type printed Machine

var _ io.Writer = (*printed)(nil)

func (p *printed) Write(b []byte) (int, error) {
	p.seen.Printed = append(p.seen.Printed, b...)
	return len(b), nil
}

// Attach implements rsp.RunControl.
func (m *Machine) Attach() (rsp.Stop, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.interrupt = false
	m.haltAll()
	if len(m.threads) > 0 && m.find(m.initial.Thread) == nil {
		return rsp.Stop{Kind: rsp.StopHalted, Thread: m.threads[0].id}, nil
	}
	return m.initial, nil
}

// Resume implements rsp.RunControl.
func (m *Machine) Resume(actions []rsp.Action) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.interrupt = false
	var signalled []*thread
	for _, t := range m.threads {
		a, ok := rsp.ActionFor(actions, t.id)
		switch {
		case !ok:
		case a.Kind == rsp.Halt:
			t.running = false
			go func() { m.stops <- rsp.Stop{Kind: rsp.StopHalted, Thread: t.id} }()
		default:
			t.running, t.action = true, a
			if a.Signal != 0 {
				signalled = append(signalled, t)
			}
		}
	}
	for _, t := range signalled {
		if end := m.deliver(t, t.action.Signal); end != nil {
			if !m.nonStop {
				m.haltAll()
			}
			go func() { m.stops <- *end }()
			break
		}
	}
	m.wake.Broadcast()
	return nil
}

// Interrupt implements rsp.RunControl.
func (m *Machine) Interrupt() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.interrupt = true
	m.wake.Broadcast()
	return nil
}

// Stops implements rsp.RunControl.
func (m *Machine) Stops() <-chan rsp.Stop { return m.stops }

// Valid implements rsp.RunControl: a breakpoint that was hit must still be
// there, and the thread too.
func (m *Machine) Valid(s rsp.Stop) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.find(s.Thread)
	if t == nil {
		return false
	}
	if s.Kind == rsp.StopBreakpoint {
		return t.proc.breakpoints[place{rsp.SoftwareBreakpoint, rsp.Addr(t.rip), 1}] != nil
	}
	return true
}

// SetNonStop implements rsp.NonStop.
func (m *Machine) SetNonStop(on bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.nonStop = on
	return nil
}

// registers describes what each thread has.
var description = amd64.Describe(amd64.FeatureX87 | amd64.FeatureSSE | amd64.FeatureAVX)

// find returns the description of a register.
func find(num int) *rsp.Register {
	for _, r := range description.Registers() {
		if r.Num == num {
			return r
		}
	}
	return nil
}
