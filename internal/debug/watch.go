package debug

import (
	"golang.org/x/arch/x86/x86asm"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/mm"
	"torov/rsp"
)

// watch is a watchpoint: in debug registers where they fire and are free, by
// page guards otherwise. A guard takes the right to touch a page away; the
// access faults, the instruction is stepped with the page open, and what it
// touched is compared with the watched range. Guards have no limit of number
// or length, and tell reading from writing.
type watch struct {
	key       breakpointKey
	registers []engine.DebugRegister // nil: guarded
}

func (w *watch) end() rsp.Addr { return w.key.addr + rsp.Addr(w.key.len) }

func (d *Debugger) insertWatch(p *kernel.Process, key breakpointKey, b *rsp.Breakpoint) error {
	if key.len <= 0 || key.len > maxWatch || uint64(key.addr)+uint64(key.len) > uint64(mm.UserEnd) {
		return errTooLarge
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
	d.rearm()
	d.guard(p, w)
	return nil
}

// pieces splits a range into naturally aligned pieces that debug registers
// can watch.
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
		p.AS.SetGuard(page, d.guardOf(page))
	}
}

// guardOf is what the watches take away from a page.
func (d *Debugger) guardOf(page engine.GVA) mm.Guard {
	g := mm.GuardNone
	for _, w := range d.watches {
		if w.registers != nil || engine.GVA(w.end()) <= page || engine.GVA(w.key.addr) >= page+engine.PageSize {
			continue
		}
		if w.key.kind != rsp.WriteWatch {
			return mm.GuardAccess
		}
		g = mm.GuardWrite
	}
	return g
}

// hitGuard: the thread is about to touch a guarded page. The instruction runs
// alone with the page open; if it touches a watched byte the stop follows it.
func (d *Debugger) hitGuard(th *thread, e kernel.Event) {
	if th.over == nil {
		th.over = &stepOver{}
	}
	if !th.over.froze {
		d.freeze(th)
		th.over.froze = true
	}
	page := e.Addr.PageDown()
	th.t.Proc.AS.SetGuard(page, mm.GuardNone)
	th.over.guards = append(th.over.guards, page)
	if th.over.hit != nil {
		return
	}
	size, loads := d.access(th)
	end := rsp.Addr(e.Addr) + rsp.Addr(size)
	for _, w := range d.watches {
		if w.registers != nil || rsp.Addr(e.Addr) >= w.end() || end <= w.key.addr {
			continue
		}
		if w.key.kind == rsp.WriteWatch && !e.Write || w.key.kind == rsp.ReadWatch && e.Write && !loads {
			continue
		}
		th.over.hit = &rsp.Stop{Kind: rsp.StopWatch, Watch: w.key.kind, Addr: max(w.key.addr, rsp.Addr(e.Addr))}
		return
	}
}

// widest is the largest access of one instruction that the decoder does not
// know: a 64-byte vector.
const widest = 64

// access decodes the instruction at RIP: how many bytes it touches, and
// whether a write of it also reads.
func (d *Debugger) access(th *thread) (size int, loads bool) {
	var code [15]byte
	n, _ := th.t.Proc.AS.DebugRead(code[:], engine.GVA(th.t.Regs().RIP))
	inst, err := x86asm.Decode(code[:n], 64)
	if err != nil || inst.Op == 0 {
		return widest, false
	}
	size = inst.MemBytes
	switch inst.Op {
	case x86asm.PUSH, x86asm.CALL, x86asm.POP, x86asm.RET, x86asm.LEAVE, x86asm.PUSHFQ, x86asm.POPFQ:
		size = 8
	case x86asm.MOVSB, x86asm.STOSB, x86asm.LODSB, x86asm.CMPSB, x86asm.SCASB:
		size = 1
	case x86asm.MOVSQ, x86asm.STOSQ, x86asm.LODSQ, x86asm.CMPSQ, x86asm.SCASQ:
		size = 8
	case x86asm.MOVSD, x86asm.STOSD, x86asm.LODSD, x86asm.CMPSD, x86asm.SCASD:
		size = 4
	case x86asm.MOVSW, x86asm.STOSW, x86asm.LODSW, x86asm.CMPSW, x86asm.SCASW:
		size = 2
	}
	if size == 0 {
		size = widest
	}
	switch inst.Op {
	case x86asm.ADD, x86asm.SUB, x86asm.INC, x86asm.DEC, x86asm.AND, x86asm.OR, x86asm.XOR, x86asm.NEG, x86asm.NOT,
		x86asm.ADC, x86asm.SBB, x86asm.XADD, x86asm.XCHG, x86asm.CMPXCHG, x86asm.CMPXCHG8B, x86asm.CMPXCHG16B,
		x86asm.SHL, x86asm.SHR, x86asm.SAR, x86asm.ROL, x86asm.ROR, x86asm.RCL, x86asm.RCR, x86asm.BTS, x86asm.BTR, x86asm.BTC:
		loads = true
	}
	return size, loads
}
