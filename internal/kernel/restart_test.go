package kernel

import (
	"fmt"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
)

const (
	handlerAt  = uint64(worldCode) + 0x1000
	restorerAt = uint64(worldCode) + 0x2000

	// Numbers of the tests' own system calls.
	callBlock     = 901 // waits for ever and returns args[0] when interrupted
	callSigreturn = unix.SYS_RT_SIGRETURN
	callRestart   = unix.SYS_RESTART_SYSCALL
)

func handler(flags uint64) linux.SigAction {
	return linux.SigAction{Handler: handlerAt, Restorer: restorerAt, Flags: linux.SA_RESTORER | linux.SA_SIGINFO | flags}
}

// withBlocking adds the calls that the tests of restarts need.
func withBlocking(w *world) {
	w.on(callBlock, func(t *Thread, _ uint64, args [6]uint64) (uint64, linux.Errno) {
		if errno := t.Sleep("a test", Never); errno != linux.ERESTARTSYS {
			return 0, errno
		}
		if linux.Errno(args[0]) == linux.ERESTART_RESTARTBLOCK {
			t.SetRestart(func(*Thread) (uint64, linux.Errno) { return 4711, 0 })
		}
		return 0, linux.Errno(args[0])
	})
	w.on(callSigreturn, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) { return 0, t.SigReturn() })
	w.on(callRestart, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) { return t.RestartSyscall() })
}

// What becomes of an interrupted call: signal(7), "Interruption of system calls".
func TestRestart(t *testing.T) {
	const again, eintr, restart = "again", "EINTR", "restart_syscall"
	for _, c := range []struct {
		errno   linux.Errno
		handler *linux.SigAction
		want    string
	}{
		{linux.ERESTARTSYS, nil, again},
		{linux.ERESTARTNOINTR, nil, again},
		{linux.ERESTARTNOHAND, nil, again},
		{linux.ERESTART_RESTARTBLOCK, nil, restart},
		{linux.EINTR, nil, eintr},
		{linux.ERESTARTSYS, new(handler(0)), eintr},
		{linux.ERESTARTSYS, new(handler(linux.SA_RESTART)), again},
		{linux.ERESTARTNOINTR, new(handler(0)), again},
		{linux.ERESTARTNOHAND, new(handler(0)), eintr},
		{linux.ERESTARTNOHAND, new(handler(linux.SA_RESTART)), eintr},
		{linux.ERESTART_RESTARTBLOCK, new(handler(0)), eintr},
		{linux.ERESTART_RESTARTBLOCK, new(handler(linux.SA_RESTART)), eintr},
		{linux.EINTR, new(handler(linux.SA_RESTART)), eintr},
	} {
		name := fmt.Sprintf("%v, no handler", c.errno)
		if c.handler != nil {
			name = fmt.Sprintf("%v, flags %#x", c.errno, c.handler.Flags)
		}
		t.Run(name, func(t *testing.T) {
			var tr Tracer
			if c.handler == nil {
				tr = &tracer{event: noSignals}
			}
			w := newWorld(t, tr)
			withBlocking(w)
			if c.handler != nil {
				w.p.SetAction(linux.SIGUSR1, *c.handler)
			}
			a := w.main
			before := a.leave(enterCall(callBlock, uint64(c.errno), 22, 33))
			a.waits()
			a.Signal(linux.KernelInfo(linux.SIGUSR1))
			r := a.back(before, nil)
			if c.handler != nil {
				if r.RIP != handlerAt || r.RDI != uint64(linux.SIGUSR1) {
					t.Fatalf("not in the handler: %+v", r)
				}
				// The handler returns: pop the restorer's address, rt_sigreturn.
				r = a.exit(func(r *engine.Regs) engine.Exit {
					r.RSP += 8
					r.RIP, r.RAX = restorerAt+2, callSigreturn
					return engine.Exit{Kind: engine.ExitSyscall}
				})
			}
			got := fmt.Sprintf("RAX %d at %#x", int64(r.RAX), r.RIP)
			switch {
			case r.RIP == afterCall && r.RAX == linux.EINTR.Result():
				got = eintr
			case r.RIP == uint64(worldCode) && r.RAX == callBlock && r.RDI == uint64(c.errno) && r.RSI == 22 && r.RDX == 33:
				got = again
			case r.RIP == uint64(worldCode) && r.RAX == callRestart:
				got = restart
				if r := a.call(callRestart); r.RAX != 4711 {
					t.Errorf("restart_syscall gave %d", int64(r.RAX))
				}
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if r := a.call(callRestart); r.RAX != linux.EINTR.Result() {
				t.Errorf("restart_syscall without anything to restart gave %d", int64(r.RAX))
			}
		})
	}
}

// A hypercall made by OUT is as long as that instruction.
func TestRestartHypercall(t *testing.T) {
	for _, c := range []struct {
		code []byte
		size uint64
	}{{[]byte{0xe7, 0x10}, 2}, {[]byte{0x90, 0xef}, 1}} {
		w := newWorld(t, nil)
		withBlocking(w)
		if _, errno := w.p.AS().CopyOut(worldCode, c.code); errno != 0 {
			t.Fatal(errno)
		}
		w.p.SetAction(linux.SIGUSR1, handler(linux.SA_RESTART))
		before := w.main.leave(func(r *engine.Regs) engine.Exit {
			r.RIP, r.RSP, r.RAX, r.RDI = afterCall, uint64(worldStack), callBlock, uint64(linux.ERESTARTSYS)
			return engine.Exit{Kind: engine.ExitHypercall, Port: 0x10}
		})
		w.main.waits()
		w.main.Signal(linux.KernelInfo(linux.SIGUSR1))
		w.main.back(before, nil)
		r := w.main.exit(func(r *engine.Regs) engine.Exit {
			r.RSP += 8
			r.RAX = callSigreturn
			return engine.Exit{Kind: engine.ExitSyscall}
		})
		if r.RIP != afterCall-c.size {
			t.Errorf("% x: restarted at %#x", c.code, r.RIP)
		}
	}
}

// Results that look like the internal codes, but are none.
func TestNoRestart(t *testing.T) {
	w := newWorld(t, nil)
	withBlocking(w)
	w.on(902, func(_ *Thread, _ uint64, args [6]uint64) (uint64, linux.Errno) { return args[0], linux.Errno(args[1]) })
	for _, errno := range []linux.Errno{1, linux.EINTR, linux.MaxErrno, 511, 515, 517} {
		if r := w.main.call(902, 0, uint64(errno)); r.RAX != errno.Result() || r.RIP != afterCall {
			t.Errorf("errno %d: RAX %d at %#x", errno, int64(r.RAX), r.RIP)
		}
	}
	for _, v := range []uint64{0, 512, 1 << 63, ^uint64(0) - 65535 - 512} {
		if r := w.main.call(902, v, 0); r.RAX != v || r.RIP != afterCall {
			t.Errorf("value %#x: RAX %#x at %#x", v, r.RAX, r.RIP)
		}
	}
}

// The upper half of RAX is no part of a call's number (do_syscall_64).
func TestCallNumberIs32Bits(t *testing.T) {
	w := newWorld(t, nil)
	w.on(902, func(*Thread, uint64, [6]uint64) (uint64, linux.Errno) { return 77, 0 })
	for _, nr := range []uint64{902, 1<<32 | 902, 1<<63 | 902} {
		if r := w.main.call(nr); r.RAX != 77 {
			t.Errorf("call %#x gave %d", nr, int64(r.RAX))
		}
	}
	for _, nr := range []uint64{0xffffffff, ^uint64(0), 1 << 31, 903} {
		if r := w.main.call(nr); r.RAX != linux.ENOSYS.Result() {
			t.Errorf("call %#x gave %d", nr, int64(r.RAX))
		}
	}
}

// sigsuspend: the temporary mask counts until the handler runs; what the
// handler returns to is the old one.
func TestTemporaryMask(t *testing.T) {
	w := newWorld(t, nil)
	withBlocking(w)
	var old, temporary linux.SigSet
	old.Add(linux.SIGUSR1)
	old.Add(linux.SIGHUP)
	temporary.Add(linux.SIGUSR2)
	w.p.SetAction(linux.SIGUSR1, handler(linux.SA_RESTART))
	var mask linux.SigSet
	w.on(902, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) { mask = t.Blocked(); return 0, 0 })
	w.on(903, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) { t.SetBlocked(old); return 0, 0 })
	w.on(904, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) {
		t.SetTemporaryMask(temporary)
		if errno := t.Sleep("sigsuspend", Never); errno != linux.ERESTARTSYS {
			return 0, errno
		}
		return 0, linux.ERESTARTNOHAND
	})
	a := w.main
	a.call(903)
	before := a.leave(enterCall(904))
	a.waits()
	a.Signal(linux.KernelInfo(linux.SIGUSR2)) // blocked meanwhile
	a.Signal(linux.KernelInfo(linux.SIGCHLD)) // ignored
	a.Signal(linux.KernelInfo(linux.SIGUSR1))
	frame := a.back(before, nil)
	if frame.RIP != handlerAt {
		t.Fatalf("not in the handler: %+v", frame)
	}
	a.call(902)
	want := temporary
	want.Add(linux.SIGUSR1) // the handler's own signal
	if mask != want {
		t.Errorf("mask in the handler %v, want %v", mask, want)
	}
	a.pending.drop(linux.SIGUSR2)
	r := a.exit(func(r *engine.Regs) engine.Exit {
		r.RSP = frame.RSP + 8
		r.RAX = callSigreturn
		return engine.Exit{Kind: engine.ExitSyscall}
	})
	a.call(902)
	if r.RAX != linux.EINTR.Result() || mask != old {
		t.Errorf("after the handler RAX %d, mask %v, want %v", int64(r.RAX), mask, old)
	}
}
