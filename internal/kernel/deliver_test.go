package kernel

import (
	"bytes"
	"testing"

	"torov/internal/engine"
	"torov/internal/engine/fake"
	"torov/internal/linux"
	"torov/internal/mm"
)

// enterSigreturn returns from the handler whose frame is at rsp, as the
// restorer does.
func enterSigreturn(frame uint64) func(r *engine.Regs) engine.Exit {
	return func(r *engine.Regs) engine.Exit {
		r.RSP, r.RIP, r.RAX = frame+8, restorerAt+2, callSigreturn
		return engine.Exit{Kind: engine.ExitSyscall}
	}
}

// busy are registers that cannot be mistaken for anything else.
var busy = engine.Regs{
	RAX: 0xa1, RBX: 0xa2, RCX: 0xa3, RDX: 0xa4, RSI: 0xa5, RDI: 0xa6, RSP: uint64(worldStack) - 0x123, RBP: 0xa7,
	R8: 0xb1, R9: 0xb2, R10: 0xb3, R11: 0xb4, R12: 0xb5, R13: 0xb6, R14: 0xb7, R15: 0xb8, RIP: uint64(worldCode) + 0x77,
	RFLAGS: engine.FlagOne | engine.FlagIF | engine.FlagCF | engine.FlagDF,
}

// interrupt sends the thread a signal while it runs the program with the
// registers in busy, and returns those with which it goes on.
func (a *actor) interrupt(info linux.SigInfo) engine.Regs {
	a.w.t.Helper()
	return a.exit(func(r *engine.Regs) engine.Exit {
		*r = busy
		a.Signal(info)
		return engine.Exit{Kind: engine.ExitInterrupted}
	})
}

func frameAt(t *testing.T, w *world, rsp uint64) linux.RTSigFrame {
	t.Helper()
	frame, errno := mm.Read[linux.RTSigFrame](w.p.AS(), engine.GVA(rsp))
	if errno != 0 {
		t.Fatal(errno)
	}
	return frame
}

// A handler gets what the ABI promises, and sigreturn undoes all of it.
func TestHandlerAndReturn(t *testing.T) {
	w := newWorld(t, nil)
	withBlocking(w)
	act := handler(0)
	act.Mask.Add(linux.SIGHUP)
	w.p.SetAction(linux.SIGUSR1, act)
	fpu := bytes.Repeat([]byte{0x5a}, fake.XSaveSize)
	w.on(902, func(t *Thread, _ uint64, args [6]uint64) (uint64, linux.Errno) {
		return 0, linux.FromHost(t.CPU.SetXSave(fpu))
	})
	w.main.call(902)
	red := bytes.Repeat([]byte{0xee}, linux.RedZone)
	if _, errno := w.p.AS().CopyOut(engine.GVA(busy.RSP)-linux.RedZone, red); errno != 0 {
		t.Fatal(errno)
	}
	info := linux.KillInfo(linux.SIGUSR1, linux.SI_TKILL, 12, 34)
	r := w.main.interrupt(info)
	frame := frameAt(t, w, r.RSP)
	if r.RIP != handlerAt || r.RDI != uint64(linux.SIGUSR1) || r.RSI != r.RSP+linux.RTSigFrameInfo || r.RDX != r.RSP+linux.RTSigFrameUContext || r.RAX != 0 {
		t.Errorf("registers of the handler %+v", r)
	}
	if r.RSP%16 != 8 || r.RSP >= busy.RSP-linux.RedZone || r.RFLAGS&engine.FlagDF != 0 || r.RBX != busy.RBX || r.R15 != busy.R15 {
		t.Errorf("registers of the handler %+v", r)
	}
	m := frame.UContext.MContext
	if frame.Restorer != restorerAt || frame.Info != info || m.RIP != busy.RIP || m.RSP != busy.RSP || m.RAX != busy.RAX || m.RFLAGS != busy.RFLAGS || m.FPState%64 != 0 {
		t.Errorf("frame %+v", frame)
	}
	if frame.UContext.SigMask != 0 || !w.main.Blocked().Has(linux.SIGUSR1) || !w.main.Blocked().Has(linux.SIGHUP) {
		t.Errorf("mask in the frame %v, in the handler %v", frame.UContext.SigMask, w.main.Blocked())
	}
	got := make([]byte, linux.RedZone)
	if _, errno := w.p.AS().CopyIn(got, engine.GVA(busy.RSP)-linux.RedZone); errno != 0 || !bytes.Equal(got, red) {
		t.Error("the red zone was overwritten")
	}
	r = w.main.exit(enterSigreturn(r.RSP))
	if r != busy {
		t.Errorf("after sigreturn %+v\nbefore the signal %+v", r, busy)
	}
	if w.main.Blocked() != 0 {
		t.Errorf("mask after sigreturn %v", w.main.Blocked())
	}
	var now []byte
	w.on(903, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) {
		now, _ = t.CPU.XSave()
		return 0, 0
	})
	w.main.call(903)
	copy(fpu[linux.FPXSwBytesOffset:linux.FXSaveSize], now[linux.FPXSwBytesOffset:]) // the software's own bytes
	if !bytes.Equal(now, fpu) {
		t.Error("the FPU state changed")
	}
}

func TestHandlerFlags(t *testing.T) {
	alt := linux.Stack{SP: uint64(worldData), Size: 0x8000}
	for _, c := range []struct {
		name  string
		flags uint64
		alt   linux.Stack
		check func(t *testing.T, w *world, r engine.Regs)
	}{
		{"SA_NODEFER", linux.SA_NODEFER, linux.Stack{}, func(t *testing.T, w *world, _ engine.Regs) {
			if w.main.Blocked() != 0 {
				t.Errorf("blocked %v", w.main.Blocked())
			}
		}},
		{"SA_RESETHAND", linux.SA_RESETHAND, linux.Stack{}, func(t *testing.T, w *world, _ engine.Regs) {
			if a := w.p.Action(linux.SIGUSR1); a.Handler != linux.SIG_DFL {
				t.Errorf("action %+v", a)
			}
		}},
		{"SA_ONSTACK", linux.SA_ONSTACK, alt, func(t *testing.T, w *world, r engine.Regs) {
			if r.RSP < alt.SP || r.RSP >= alt.SP+alt.Size {
				t.Errorf("RSP %#x", r.RSP)
			}
			if s := frameAt(t, w, r.RSP).UContext.Stack; s.SP != alt.SP || s.Size != alt.Size || s.Flags != 0 {
				t.Errorf("stack in the frame %+v", s)
			}
			// A second one stays on it, below the first.
			w.p.SetAction(linux.SIGUSR2, handler(linux.SA_ONSTACK))
			second := w.main.exit(func(*engine.Regs) engine.Exit {
				w.main.Signal(linux.KernelInfo(linux.SIGUSR2))
				return engine.Exit{Kind: engine.ExitInterrupted}
			})
			if second.RSP >= r.RSP-linux.RedZone || second.RSP < alt.SP {
				t.Errorf("second RSP %#x, first %#x", second.RSP, r.RSP)
			}
			if s := frameAt(t, w, second.RSP).UContext.Stack; s.Flags != linux.SS_ONSTACK {
				t.Errorf("stack in the second frame %+v", s)
			}
		}},
		{"SA_ONSTACK without a stack", linux.SA_ONSTACK, linux.Stack{Flags: linux.SS_DISABLE}, func(t *testing.T, w *world, r engine.Regs) {
			if r.RSP >= busy.RSP || r.RSP < busy.RSP-0x1000 {
				t.Errorf("RSP %#x", r.RSP)
			}
		}},
		{"SS_AUTODISARM", linux.SA_ONSTACK, linux.Stack{SP: alt.SP, Size: alt.Size, Flags: -1 << 31}, func(t *testing.T, w *world, r engine.Regs) {
			var inside linux.Stack
			w.on(902, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) { inside = t.AltStack; return 0, 0 })
			w.main.call(902)
			if inside.Flags&linux.SS_DISABLE == 0 {
				t.Errorf("stack in the handler %+v", inside)
			}
			w.main.exit(enterSigreturn(r.RSP))
			w.main.call(902)
			if inside.SP != alt.SP || inside.Size != alt.Size || inside.Flags != -1<<31 {
				t.Errorf("stack after it %+v", inside)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			withBlocking(w)
			w.p.SetAction(linux.SIGUSR1, handler(c.flags))
			w.on(904, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) { t.AltStack = c.alt; return 0, 0 })
			w.main.call(904)
			r := w.main.interrupt(linux.KernelInfo(linux.SIGUSR1))
			if r.RIP != handlerAt {
				t.Fatalf("not in the handler: %+v", r)
			}
			c.check(t, w, r)
		})
	}
}

// A frame that does not fit anywhere ends the program by SIGSEGV.
func TestHandlerWithoutStack(t *testing.T) {
	for _, c := range []struct {
		name string
		rsp  uint64
		act  linux.SigAction
		alt  linux.Stack
	}{
		{"null", 0, handler(0), linux.Stack{}},
		{"just above null", 200, handler(0), linux.Stack{}},
		{"unmapped", 0x7000_0000_0000, handler(0), linux.Stack{}},
		{"not canonical", 1 << 63, handler(0), linux.Stack{}},
		{"top of 64 bits", ^uint64(0), handler(0), linux.Stack{}},
		{"no restorer", uint64(worldStack), linux.SigAction{Handler: handlerAt}, linux.Stack{}},
		{"small alternate stack", uint64(worldStack), handler(linux.SA_ONSTACK), linux.Stack{SP: uint64(worldData), Size: linux.MINSIGSTKSZ / 2}},
		{"alternate stack around the top", uint64(worldStack), handler(linux.SA_ONSTACK), linux.Stack{SP: ^uint64(0) - 100, Size: 1 << 20}},
		{"full alternate stack", uint64(worldData) + 300, handler(linux.SA_ONSTACK), linux.Stack{SP: uint64(worldData), Size: 0x8000}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.p.SetAction(linux.SIGUSR1, c.act)
			w.p.SetAction(linux.SIGSEGV, c.act) // does not help
			w.on(904, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) { t.AltStack = c.alt; return 0, 0 })
			w.main.call(904)
			w.main.leave(func(r *engine.Regs) engine.Exit {
				r.RSP = c.rsp
				w.main.Signal(linux.KernelInfo(linux.SIGUSR1))
				return engine.Exit{Kind: engine.ExitInterrupted}
			})
			w.wantEnd(ExitStatus{Signal: linux.SIGSEGV})
		})
	}
}

// sigreturn with whatever a program may have put on its stack.
func TestSigreturnHostile(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(f *linux.RTSigFrame)
		want func(r engine.Regs) bool
	}{
		{"all flags", func(f *linux.RTSigFrame) { f.UContext.MContext.RFLAGS = ^uint64(0) }, func(r engine.Regs) bool {
			// No IOPL, no VM, no interrupts off.
			return r.RFLAGS&^(engine.FlagsUser|engine.FlagOne|engine.FlagIF|engine.FlagRF) == 0 && r.RFLAGS&engine.FlagIF != 0
		}},
		{"every signal blocked", func(f *linux.RTSigFrame) { f.UContext.SigMask = ^linux.SigSet(0) }, nil},
		{"RIP not canonical", func(f *linux.RTSigFrame) { f.UContext.MContext.RIP = 1 << 62 }, func(r engine.Regs) bool { return r.RIP == 1<<62 }},
		{"selectors", func(f *linux.RTSigFrame) { f.UContext.MContext.CS, f.UContext.MContext.SS = 0x10, 0 }, nil},
		{"no FPU state", func(f *linux.RTSigFrame) { f.UContext.MContext.FPState = 0 }, nil},
		{"FPU state unaligned", func(f *linux.RTSigFrame) { f.UContext.MContext.FPState++ }, nil},
		{"stack of the kernel's", func(f *linux.RTSigFrame) { f.UContext.Stack = linux.Stack{SP: 1 << 63, Size: 1 << 62} }, nil},
		{"stack flags", func(f *linux.RTSigFrame) { f.UContext.Stack.Flags = 0x7fff }, nil},
		{"system call again", func(f *linux.RTSigFrame) { f.UContext.MContext.RAX = linux.ERESTARTSYS.Result() }, func(r engine.Regs) bool {
			return r.RAX == linux.ERESTARTSYS.Result() && r.RIP == busy.RIP
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			withBlocking(w)
			w.p.SetAction(linux.SIGUSR1, handler(0))
			rsp := w.main.interrupt(linux.KernelInfo(linux.SIGUSR1)).RSP
			frame := frameAt(t, w, rsp)
			c.edit(&frame)
			if errno := mm.Write(w.p.AS(), engine.GVA(rsp), frame); errno != 0 {
				t.Fatal(errno)
			}
			r := w.main.exit(enterSigreturn(rsp))
			if c.want != nil && !c.want(r) {
				t.Errorf("registers %+v", r)
			}
			if w.main.Blocked()&linux.SigUnblockable != 0 {
				t.Error("SIGKILL is blocked")
			}
		})
	}
	for _, rsp := range []uint64{0, 8, 1 << 47, ^uint64(0), uint64(worldStack) - 16 + 1<<20*2} {
		w := newWorld(t, nil)
		withBlocking(w)
		w.main.leave(enterSigreturn(rsp - 8))
		w.wantEnd(ExitStatus{Signal: linux.SIGSEGV})
	}
	// A frame whose FPU state is nowhere: the same.
	w := newWorld(t, nil)
	withBlocking(w)
	w.p.SetAction(linux.SIGUSR1, handler(0))
	rsp := w.main.interrupt(linux.KernelInfo(linux.SIGUSR1)).RSP
	frame := frameAt(t, w, rsp)
	frame.UContext.MContext.FPState = 0x7000_0000_0000
	if errno := mm.Write(w.p.AS(), engine.GVA(rsp), frame); errno != 0 {
		t.Fatal(errno)
	}
	w.main.leave(enterSigreturn(rsp))
	w.wantEnd(ExitStatus{Signal: linux.SIGSEGV})
}

// What an instruction causes cannot be blocked or ignored.
func TestForcedSignals(t *testing.T) {
	fault := func(r *engine.Regs) engine.Exit {
		return engine.Exit{Kind: engine.ExitException, Vector: engine.VectorPF, ErrorCode: engine.FaultUser, Addr: 0x7000_0000_1234}
	}
	for _, c := range []struct {
		name    string
		prepare func(w *world)
		handled bool
	}{
		{"default", func(*world) {}, false},
		{"ignored", func(w *world) { w.p.SetAction(linux.SIGSEGV, linux.SigAction{Handler: linux.SIG_IGN}) }, false},
		{"handled", func(w *world) { w.p.SetAction(linux.SIGSEGV, handler(0)) }, true},
		{"handled and blocked", func(w *world) {
			w.p.SetAction(linux.SIGSEGV, handler(0))
			w.on(902, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) {
				t.SetBlocked(^linux.SigSet(0))
				return 0, 0
			})
			w.main.call(902)
		}, false},
		{"handled, with a full queue", func(w *world) {
			w.p.SetAction(linux.SIGSEGV, handler(0))
			w.on(902, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) {
				var set linux.SigSet
				set.Add(linux.SIGRTMAX)
				t.SetBlocked(set)
				for range maxQueued {
					t.Signal(linux.KernelInfo(linux.SIGRTMAX))
				}
				return 0, 0
			})
			w.main.call(902)
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			w.main.call(900) // gives it a stack
			c.prepare(w)
			if !c.handled {
				w.main.leave(fault)
				w.wantEnd(ExitStatus{Signal: linux.SIGSEGV})
				return
			}
			r := w.main.exit(fault)
			frame := frameAt(t, w, r.RSP)
			m := frame.UContext.MContext
			if r.RIP != handlerAt || frame.Info.Addr() != 0x7000_0000_1234 || frame.Info.Code != linux.SEGV_MAPERR || m.CR2 != 0x7000_0000_1234 || m.TrapNo != engine.VectorPF || m.Err != engine.FaultUser {
				t.Errorf("RIP %#x, info %+v, context %+v", r.RIP, frame.Info, m)
			}
		})
	}
}

// Which signal an exception becomes.
func TestExceptions(t *testing.T) {
	for vector, want := range map[uint8]linux.Signal{
		engine.VectorDE: linux.SIGFPE, engine.VectorDB: linux.SIGTRAP, engine.VectorBP: linux.SIGTRAP, engine.VectorOF: linux.SIGSEGV,
		engine.VectorBR: linux.SIGSEGV, engine.VectorUD: linux.SIGILL, engine.VectorNP: linux.SIGBUS, engine.VectorSS: linux.SIGBUS,
		engine.VectorGP: linux.SIGSEGV, engine.VectorAC: linux.SIGBUS, engine.VectorMF: linux.SIGFPE, engine.VectorXM: linux.SIGFPE,
		2: linux.SIGSEGV, 31: linux.SIGSEGV,
	} {
		w := newWorld(t, nil)
		w.main.leave(func(r *engine.Regs) engine.Exit { return engine.Exit{Kind: engine.ExitException, Vector: vector} })
		w.wantEnd(ExitStatus{Signal: want})
	}
	w := newWorld(t, nil)
	w.main.leave(func(r *engine.Regs) engine.Exit { return engine.Exit{Kind: engine.ExitBusError} })
	w.wantEnd(ExitStatus{Signal: linux.SIGBUS})
}

// Failures of the engine end the program and are told.
func TestEngineFailure(t *testing.T) {
	for _, kind := range []engine.ExitKind{engine.ExitShutdown, 200} {
		w := newWorld(t, nil)
		w.main.leave(func(r *engine.Regs) engine.Exit { return engine.Exit{Kind: kind} })
		if status, err := w.wait(); err == nil || status.Signal != linux.SIGKILL {
			t.Errorf("kind %d: %+v, %v", kind, status, err)
		}
	}
}
