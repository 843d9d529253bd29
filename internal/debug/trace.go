package debug

import (
	"torov/internal/engine"
	"torov/rsp"
	"torov/rsp/trace"
)

// A tracepoint is an INT3 as a breakpoint is, but its hit is dealt with on the
// thread's own goroutine: no other thread stops, and the client is not asked.

// tracing is the debugger's part of a trace.
type tracing struct {
	recorder *trace.Recorder
	// traps counts the tracepoints that want an INT3 at an address. One that
	// nobody wants any more stays until no thread can be on its way from it.
	traps map[rsp.Addr]int
	stale int // traps that nobody wants
}

func newTracing(d *Debugger) tracing {
	return tracing{recorder: trace.New(traps{d}, d.layout.description.TraceLayout()), traps: make(map[rsp.Addr]int)}
}

// tracedAt is a place whose tracepoints a thread has hit, and whose instruction
// it has not executed yet.
type tracedAt struct {
	place
	valid bool
}

// Trace implements rsp.Tracepoints.
func (d *Debugger) Trace(f func(r *trace.Recorder) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := f(d.tracing.recorder)
	if d.state == stopped {
		d.dropTraps()
	}
	return err
}

// traps implements trace.Program. It is used with the debugger's lock held.
type traps struct{ d *Debugger }

// InsertTrap implements trace.Program. A thread that stands at the address has
// got there before the trace began.
func (t traps) InsertTrap(addr uint64) error {
	d, a := t.d, rsp.Addr(addr)
	if d.current == nil || d.state == exited {
		return rsp.ErrNoProcess
	}
	n, there := d.tracing.traps[a]
	if !there {
		if err := d.insertSoft(d.current, a, false); err != nil {
			return err
		}
	} else if n == 0 {
		d.tracing.stale--
	}
	d.tracing.traps[a] = n + 1
	for _, th := range d.order {
		if r := th.t.Regs(); th.parked && r.RIP == addr {
			th.tracedAt = tracedAt{place{r.RIP, r.RSP}, true}
		}
	}
	return nil
}

// RemoveTrap implements trace.Program. Threads may run, and one of them may have
// executed the INT3 just now, so it stays until they stand.
func (t traps) RemoveTrap(addr uint64) {
	tr := &t.d.tracing
	if n, there := tr.traps[rsp.Addr(addr)]; there && n > 0 {
		if tr.traps[rsp.Addr(addr)] = n - 1; n == 1 {
			tr.stale++
		}
	}
}

// dropTraps takes out what no tracepoint wants. All threads stand.
func (d *Debugger) dropTraps() {
	if d.tracing.stale == 0 {
		return
	}
	d.tracing.stale = 0
	for a, n := range d.tracing.traps {
		if n > 0 {
			continue
		}
		delete(d.tracing.traps, a)
		if !d.softAt(a) && d.current != nil {
			d.current.AS().RemoveBreakpoint(engine.GVA(a))
		}
	}
}

// tracedThread shows a thread to the recorder.
type tracedThread struct{ threadMachine }

// PC implements trace.Thread.
func (t tracedThread) PC() uint64 { return t.th.t.Regs().RIP }

// ReadBlock implements trace.Thread.
func (t tracedThread) ReadBlock(block []byte) {
	s := &snapshot{th: t.th}
	for _, r := range t.d.layout.registers {
		// What has no value stays zero: the block has no other way to say so.
		_, _ = t.d.layout.get(s, r.Num, block[:r.Size()])
		block = block[r.Size():]
	}
}

// Read implements trace.Thread.
func (t tracedThread) Read(addr uint64, buf []byte) int {
	n, _ := t.th.t.Proc.AS().DebugRead(buf, engine.GVA(addr))
	return n
}

// traceHit records that a thread has come to a tracepoint, once for each time
// that it gets there.
func (d *Debugger) traceHit(th *thread) {
	if !d.tracing.recorder.Running() {
		return
	}
	r := th.t.Regs()
	at := tracedAt{place{r.RIP, r.RSP}, true}
	if th.tracedAt == at {
		return
	}
	th.tracedAt = at
	th.steppings = append(th.steppings, d.tracing.recorder.Hit(tracedThread{threadMachine{d, th}})...)
}

// traceStep records that a thread has executed an instruction.
func (d *Debugger) traceStep(th *thread) {
	th.tracedAt.valid = false
	if len(th.steppings) > 0 {
		th.steppings = d.tracing.recorder.Step(tracedThread{threadMachine{d, th}}, th.steppings)
	}
	// A step may end at a tracepoint; the INT3 is only met afterwards.
	if d.tracing.traps[rsp.Addr(th.t.Regs().RIP)] > 0 {
		d.traceHit(th)
	}
}

// traceEnded: the program, and with it all INT3s, is gone.
func (d *Debugger) traceEnded() {
	d.tracing.recorder.ProgramEnded()
	clear(d.tracing.traps)
	d.tracing.stale = 0
}
