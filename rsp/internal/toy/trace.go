package toy

import (
	"torov/rsp/trace"
)

// Trace implements rsp.Tracepoints.
func (m *Machine) Trace(f func(r *trace.Recorder) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	return f(m.recorder)
}

// traps implements trace.Program, for a recorder that is used with the lock
// held.
type traps struct{ m *Machine }

func (p traps) InsertTrap(addr uint64) error {
	if len(p.m.procs) == 0 || p.m.procs[0].bytes(addr, 1) == nil {
		return errUnmapped
	}
	p.m.traps[addr]++
	return nil
}

func (p traps) RemoveTrap(addr uint64) {
	if p.m.traps[addr]--; p.m.traps[addr] <= 0 {
		delete(p.m.traps, addr)
	}
}

// tracedThread shows a thread to the recorder.
type tracedThread struct{ agentThread }

func (t tracedThread) PC() uint64 { return t.t.rip }

func (t tracedThread) ReadBlock(block []byte) {
	for _, r := range description.Registers() {
		t.t.read(r.Num, block[:r.Size()])
		block = block[r.Size():]
	}
}

func (t tracedThread) Read(addr uint64, buf []byte) (n int) {
	for n < len(buf) && t.ReadMemory(addr+uint64(n), buf[n:n+1]) == nil {
		n++
	}
	return n
}

// traceHit records a thread that is about to execute its next instruction, once
// for each time that it gets there.
func (m *Machine) traceHit(t *thread) {
	if m.traps[t.rip] > 0 && !t.traced && t.call == callNone {
		t.stepping = append(t.stepping, m.recorder.Hit(tracedThread{agentThread{m, t}})...)
	}
	t.traced = true
}

// traceStep records a thread that has executed an instruction.
func (m *Machine) traceStep(t *thread) {
	t.traced = false
	if len(t.stepping) > 0 {
		t.stepping = m.recorder.Step(tracedThread{agentThread{m, t}}, t.stepping)
	}
}
