package debug

import (
	"bytes"
	"fmt"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/mm"
	"torov/rsp"
)

// watch is a watchpoint: in debug registers where they fire and are free, by
// page guards otherwise. A guard takes the right to touch a page away; the
// access faults, and the instruction is stepped with the page open. Guards have
// no limit of number or length, and tell reading from writing.
type watch struct {
	key       breakpointKey
	registers []engine.DebugRegister // nil: guarded
}

func (w *watch) end() rsp.Addr { return w.key.addr + rsp.Addr(w.key.len) }

// overlaps reports whether the watch has bytes in [a, end).
func (w *watch) overlaps(a, end rsp.Addr) bool { return a < w.end() && w.key.addr < end }

// maxWatch bounds the pages that one watchpoint guards.
const maxWatch = 64 << 20

func (d *Debugger) insertWatch(p *kernel.Process, key breakpointKey, b *rsp.Breakpoint) error {
	switch {
	case key.len <= 0:
		return fmt.Errorf("a watchpoint of %d bytes", key.len)
	case key.len > maxWatch:
		return fmt.Errorf("a watchpoint of %d bytes; at most %d MiB can be watched", key.len, maxWatch>>20)
	case key.addr >= rsp.Addr(mm.UserEnd)-rsp.Addr(key.len):
		return fmt.Errorf("no memory can be at %#x", uint64(key.addr))
	}
	w := &watch{key: key}
	// x86 cannot watch reads alone: a guard can.
	if d.caps().WatchRegisters && key.kind != rsp.ReadWatch {
		kind := engine.WatchWrite
		if key.kind == rsp.AccessWatch {
			kind = engine.WatchAccess
		}
		if regs := pieces(engine.GVA(key.addr), key.len, kind); len(d.armed)+len(regs) <= engine.NumDebugRegisters {
			w.registers = regs
		}
	}
	d.watches = append(d.watches, w)
	d.breakpoints[key] = &breakpoint{Breakpoint: b}
	d.updateCurious()
	d.rearm()
	d.guard(p, w)
	d.accountFor()
	return nil
}

// pieces splits a range into naturally aligned pieces that debug registers
// can watch; it gives up when there are more than registers.
func pieces(a engine.GVA, n int, kind engine.WatchKind) (out []engine.DebugRegister) {
	for n > 0 && len(out) <= engine.NumDebugRegisters {
		size := 8
		for size > n || uint64(a)%uint64(size) != 0 {
			size /= 2
		}
		out = append(out, engine.DebugRegister{Addr: a, Kind: kind, Len: uint8(size)})
		a += engine.GVA(size)
		n -= size
	}
	return out
}

func (d *Debugger) removeWatch(key breakpointKey) {
	for i, w := range d.watches {
		if w.key == key {
			d.watches = append(d.watches[:i], d.watches[i+1:]...)
			d.updateCurious()
			d.rearm()
			if d.current != nil {
				d.guard(d.current, w)
			}
			return
		}
	}
}

// guard brings the pages of a watch in line with all watches there are.
func (d *Debugger) guard(p *kernel.Process, w *watch) {
	if w.registers != nil {
		return
	}
	for page := engine.GVA(w.key.addr).PageDown(); page < engine.GVA(w.end()); page += engine.PageSize {
		p.AS().SetGuard(page, d.guardOf(page))
	}
}

// guardOf is what the watches take away from a page.
func (d *Debugger) guardOf(page engine.GVA) mm.Guard {
	g := mm.GuardNone
	for _, w := range d.watches {
		if w.registers != nil || !w.overlaps(rsp.Addr(page), rsp.Addr(page)+engine.PageSize) {
			continue
		}
		if w.key.kind != rsp.WriteWatch {
			return mm.GuardAccess
		}
		g = mm.GuardWrite
	}
	return g
}

// touch is a watched range that an instruction is about to touch.
type touch struct {
	hit hit
	// before is set if only a change tells that it was really touched.
	before []byte
}

// hit is a watchpoint that an instruction has touched.
type hit struct {
	key  breakpointKey
	addr rsp.Addr
}

// hitGuard: the thread is about to touch a guarded page. The instruction runs
// alone with the page open.
func (d *Debugger) hitGuard(th *thread, e kernel.Event) {
	first := th.over == nil || len(th.over.guards) == 0
	if th.over == nil {
		th.over = &stepOver{}
	}
	if !th.over.froze {
		th.over.froze = true
		d.freeze(th)
	}
	th.over.at = th.t.Regs().RIP
	page := e.Addr.PageDown()
	th.t.Proc.AS().SetGuard(page, mm.GuardNone)
	th.over.guards = append(th.over.guards, page)
	accesses, known := decodeAccesses(th)
	switch {
	case known && first:
		// All of them: with this page open others would not be noticed.
		th.over.touched = append(th.over.touched, d.touchedBy(fit(accesses, e))...)
	case !known && !e.Exec:
		d.mayTouch(th, e)
	}
}

// touchedBy returns the watches that accesses concern.
func (d *Debugger) touchedBy(accesses []access) (touched []touch) {
	for _, w := range d.watches {
		for _, a := range accesses {
			wanted := a.write && w.key.kind != rsp.ReadWatch || a.read && w.key.kind != rsp.WriteWatch
			if w.registers == nil && wanted && w.overlaps(a.addr, a.end()) {
				touched = append(touched, touch{hit: hit{w.key, max(w.key.addr, a.addr)}})
				break
			}
		}
	}
	return touched
}

// mayTouch notes watches behind the address of an access whose size is not
// known: what is written is told by its change, what is read is assumed.
func (d *Debugger) mayTouch(th *thread, e kernel.Event) {
	from, to := rsp.Addr(e.Addr), rsp.Addr(e.Addr)+widest
	for _, w := range d.watches {
		if w.registers != nil || !w.overlaps(from, to) || e.Write == (w.key.kind == rsp.ReadWatch) {
			continue
		}
		t := touch{hit: hit{w.key, max(w.key.addr, from)}}
		if e.Write {
			t.before = d.watched(th, t.hit, to)
		}
		th.over.touched = append(th.over.touched, t)
	}
}

// watched reads the part of a watch from where it is hit to an end.
func (d *Debugger) watched(th *thread, h hit, to rsp.Addr) []byte {
	b := make([]byte, min(to, h.key.addr+rsp.Addr(h.key.len))-h.addr)
	n, _ := th.t.Proc.AS().DebugRead(b, engine.GVA(h.addr))
	return b[:n]
}

// changed returns the watches that an instruction has really touched.
func (d *Debugger) changed(th *thread, touched []touch) (hits []hit) {
	for _, t := range touched {
		if t.before != nil && bytes.Equal(t.before, d.watched(th, t.hit, t.hit.addr+rsp.Addr(len(t.before)))) {
			continue
		}
		hits = append(hits, t.hit)
	}
	return hits
}

// maxCompared bounds the watched bytes that are compared at system calls.
const maxCompared = 1 << 20

// beforeCall remembers what is watched for writing: what the VMM writes itself
// passes debug registers and guards by.
func (d *Debugger) beforeCall(th *thread) {
	th.before = nil
	left := maxCompared
	for _, w := range d.watches {
		if left -= w.key.len; w.key.kind != rsp.ReadWatch && left >= 0 {
			th.before = append(th.before, touch{hit{w.key, w.key.addr}, d.watched(th, hit{w.key, w.key.addr}, w.end())})
		}
	}
}

// afterCall finds the watchpoints whose memory a system call has changed.
func (d *Debugger) afterCall(th *thread) {
	hits := d.changed(th, th.before)
	th.before = nil
	d.record(th, hits)
}

// record notes what a thread has touched.
func (d *Debugger) record(th *thread, hits []hit) {
	if len(hits) == 0 {
		return
	}
	th.hits = append(th.hits, hits...)
	d.accountFor()
}

// accountFor: why watched memory has changed is known, and the threads that
// are in system calls meanwhile have nothing to do with it.
func (d *Debugger) accountFor() {
	for _, other := range d.order {
		if other.before != nil {
			d.beforeCall(other)
		}
	}
}

// noteHits finds the watchpoints for which debug registers fired.
func (d *Debugger) noteHits(th *thread, e kernel.Event) {
	var hits []hit
	for i, r := range d.armed {
		// Kernels before 5.8 on AMD do not say which it was.
		if r.Kind != engine.WatchExec && (e.DR6>>i&1 != 0 || e.DR6&0xf == 0) {
			hits = append(hits, hit{r.key, r.key.addr})
		}
	}
	d.record(th, hits)
}

// liveHit returns the stop for the first watchpoint that the thread has
// touched and the client has not removed meanwhile, nil if there is none.
func (d *Debugger) liveHit(th *thread) *rsp.Stop {
	for _, h := range th.hits {
		if d.attached && d.breakpoints[h.key] != nil {
			return &rsp.Stop{Kind: rsp.StopWatch, Watch: h.key.kind, Addr: h.addr}
		}
	}
	return nil
}

// takeHit is liveHit, and forgets all that the thread has touched.
func (d *Debugger) takeHit(th *thread) *rsp.Stop {
	defer func() { th.hits = nil }()
	return d.liveHit(th)
}
