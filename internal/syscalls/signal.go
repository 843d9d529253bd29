package syscalls

import (
	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func init() {
	register(
		Call{Name: "rt_sigaction", Group: GroupBase, Args: args("signal", "sig", "act", "ptr", "old", "ptr", "size", "size"), Do: rtSigaction},
		Call{Name: "rt_sigprocmask", Group: GroupBase, Args: args("how", "int", "set", "ptr", "old", "ptr", "size", "size"), Do: rtSigprocmask},
		Call{Name: "rt_sigreturn", Group: GroupBase, Do: func(t *kernel.Thread, _ Args) (uint64, linux.Errno) { return 0, t.SigReturn() }},
		Call{Name: "rt_sigpending", Group: GroupBase, Args: args("set", "ptr", "size", "size"), Do: rtSigpending},
		Call{Name: "rt_sigsuspend", Group: GroupBase, Args: args("set", "ptr", "size", "size"), Do: rtSigsuspend},
		Call{Name: "rt_sigtimedwait", Group: GroupBase, Args: args("set", "ptr", "info", "ptr", "timeout", "ptr", "size", "size"), Do: rtSigtimedwait},
		Call{Name: "rt_sigqueueinfo", Group: GroupBase, State: Partial, Note: "to the program itself", Args: args("pid", "int", "signal", "sig", "info", "ptr"), Do: rtSigqueueinfo},
		Call{Name: "rt_tgsigqueueinfo", Group: GroupBase, State: Partial, Note: "to the program itself", Args: args("pid", "int", "tid", "int", "signal", "sig", "info", "ptr"), Do: rtTgsigqueueinfo},
		Call{Name: "sigaltstack", Group: GroupBase, Args: args("new", "ptr", "old", "ptr"), Do: sigaltstack},
		Call{Name: "pause", Group: GroupBase, Do: pause},
		Call{Name: "kill", Group: GroupBase, State: Partial, Note: "the program and its own processes", Args: args("pid", "int", "signal", "sig"), Do: kill},
		Call{Name: "tkill", Group: GroupBase, Args: args("tid", "int", "signal", "sig"), Do: tkill},
		Call{Name: "tgkill", Group: GroupBase, Args: args("pid", "int", "tid", "int", "signal", "sig"), Do: tgkill},
	)
}

// sigSetAt copies in a signal set after checking its size.
func sigSetAt(t *kernel.Thread, at engine.GVA, size uint64) (linux.SigSet, linux.Errno) {
	if size != linux.SigSetSize {
		return 0, linux.EINVAL
	}
	return mm.Read[linux.SigSet](t.Proc.AS(), at)
}

func rtSigaction(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	s := linux.Signal(a[0])
	if a[3] != linux.SigSetSize || a.Int(0) < 1 || a.Int(0) > linux.NumSignals {
		return 0, linux.EINVAL
	}
	old := t.Proc.Action(s)
	if a[1] != 0 {
		if linux.SigUnblockable.Has(s) {
			return 0, linux.EINVAL
		}
		act, errno := mm.Read[linux.SigAction](t.Proc.AS(), a.Addr(1))
		if errno != 0 {
			return 0, errno
		}
		act.Flags &= linux.SA_ALL
		act.Mask &^= linux.SigUnblockable
		t.Proc.SetAction(s, act)
	}
	if a[2] != 0 {
		return 0, mm.Write(t.Proc.AS(), a.Addr(2), old)
	}
	return 0, 0
}

func rtSigprocmask(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a[3] != linux.SigSetSize {
		return 0, linux.EINVAL
	}
	old := t.Blocked()
	if a[1] != 0 {
		set, errno := mm.Read[linux.SigSet](t.Proc.AS(), a.Addr(1))
		if errno != 0 {
			return 0, errno
		}
		switch a.Int(0) {
		case unix.SIG_BLOCK:
			t.SetBlocked(old | set)
		case unix.SIG_UNBLOCK:
			t.SetBlocked(old &^ set)
		case unix.SIG_SETMASK:
			t.SetBlocked(set)
		default:
			return 0, linux.EINVAL
		}
	}
	if a[2] != 0 {
		return 0, mm.Write(t.Proc.AS(), a.Addr(2), old)
	}
	return 0, 0
}

func rtSigpending(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a[1] > linux.SigSetSize {
		return 0, linux.EINVAL
	}
	set := t.Pending() & t.Blocked()
	_, errno := t.Proc.AS().CopyOut(a.Addr(0), linux.Bytes(&set)[:a[1]])
	return 0, errno
}

func rtSigsuspend(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	set, errno := sigSetAt(t, a.Addr(0), a[1])
	if errno != 0 {
		return 0, errno
	}
	t.SetTemporaryMask(set)
	return pause(t, a)
}

func pause(t *kernel.Thread, _ Args) (uint64, linux.Errno) {
	if errno := t.Sleep("pause", kernel.Never); errno != linux.ERESTARTSYS {
		return 0, errno
	}
	return 0, linux.ERESTARTNOHAND
}

func rtSigtimedwait(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	set, errno := sigSetAt(t, a.Addr(0), a[3])
	if errno != 0 {
		return 0, errno
	}
	set &^= linux.SigUnblockable
	deadline := int64(kernel.Never)
	if a[2] != 0 {
		ns, errno := readTimeout(t, a.Addr(2))
		if errno != 0 {
			return 0, errno
		}
		deadline = t.Kernel().Clock().After(ns)
	}
	var info linux.SigInfo
	got := false
	take := func() bool {
		if !got {
			info, got = t.TakeSignal(set)
		}
		return got
	}
	switch errno := t.Block(&kernel.Wait{What: "sigtimedwait", Deadline: deadline, Done: take}); {
	case got:
	case errno == linux.ETIMEDOUT:
		return 0, linux.EAGAIN
	default:
		return 0, linux.EINTR
	}
	if a[1] != 0 {
		if errno := mm.Write(t.Proc.AS(), a.Addr(1), info); errno != 0 {
			return 0, errno
		}
	}
	return uint64(info.Signo), 0
}

func sigaltstack(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	old := linux.Stack{SP: t.AltStack.SP, Flags: t.AltStackFlags(), Size: t.AltStack.Size}
	if a[0] != 0 {
		s, errno := mm.Read[linux.Stack](t.Proc.AS(), a.Addr(0))
		if errno != 0 {
			return 0, errno
		}
		if old.Flags&linux.SS_ONSTACK != 0 {
			return 0, linux.EPERM
		}
		mode := uint32(s.Flags) &^ linux.SS_AUTODISARM
		switch {
		case s == t.AltStack: // no change is always right
		case mode != 0 && mode != linux.SS_ONSTACK && mode != linux.SS_DISABLE:
			return 0, linux.EINVAL
		case mode == linux.SS_DISABLE:
			s = linux.Stack{Flags: linux.SS_DISABLE}
		case s.Size < linux.MINSIGSTKSZ:
			return 0, linux.ENOMEM
		default:
			s.Flags &^= linux.SS_ONSTACK
		}
		t.AltStack = s
	}
	if a[1] != 0 {
		return 0, mm.Write(t.Proc.AS(), a.Addr(1), old)
	}
	return 0, 0
}

// signalArg checks the number of a signal to send; 0 only asks.
func signalArg(n int32) (linux.Signal, linux.Errno) {
	if n < 0 || n > linux.NumSignals {
		return 0, linux.EINVAL
	}
	return linux.Signal(n), 0
}

func kill(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	info := linux.KillInfo(0, linux.SI_USER, int32(t.Proc.PID), t.Proc.Creds().UID)
	info.Signo = a.Int(1)
	return 0, toProcess(t, a.Int(0), info)
}

// toProcess sends to a process by the rules of kill(2). The program knows only
// the processes of its own kernel.
func toProcess(t *kernel.Thread, pid int32, info linux.SigInfo) linux.Errno {
	var targets []*kernel.Process
	switch {
	case pid > 0:
		if p := t.Kernel().Process(int(pid)); p != nil {
			targets = append(targets, p)
		} else if th := t.Kernel().Thread(int(pid)); th != nil {
			targets = append(targets, th.Proc)
		}
	case pid == 0:
		targets = t.Kernel().GroupMembers(t.Proc.Group())
	case pid < -1:
		targets = t.Kernel().GroupMembers(-int(pid))
	default:
		for _, p := range t.Kernel().Processes() {
			if p != t.Proc {
				targets = append(targets, p)
			}
		}
	}
	if len(targets) == 0 {
		return linux.ESRCH
	}
	if _, errno := signalArg(info.Signo); errno != 0 || info.Signo == 0 {
		return errno
	}
	for _, p := range targets {
		if errno := p.Signal(info); errno != 0 {
			return errno
		}
	}
	return 0
}

func tkill(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return 0, toThread(t, 0, a.Int(0), a.Int(1))
}

func tgkill(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a.Int(0) <= 0 {
		return 0, linux.EINVAL
	}
	return 0, toThread(t, a.Int(0), a.Int(1), a.Int(2))
}

func toThread(t *kernel.Thread, pid, tid, n int32) linux.Errno {
	if tid <= 0 {
		return linux.EINVAL
	}
	target := t.Kernel().Thread(int(tid))
	if target == nil || pid != 0 && target.Proc.PID != int(pid) {
		return linux.ESRCH
	}
	s, errno := signalArg(n)
	if errno != 0 || s == 0 {
		return errno
	}
	return target.Signal(linux.TkillInfo(s, int32(t.Proc.PID), t.Proc.Creds().UID))
}

// queuedInfo copies in the siginfo of sigqueue(3). A program cannot claim that
// its signal came from the kernel or from kill(2), except to itself.
func queuedInfo(t *kernel.Thread, at engine.GVA, n int32, self bool) (linux.SigInfo, linux.Errno) {
	info, errno := mm.Read[linux.SigInfo](t.Proc.AS(), at)
	if errno != 0 {
		return info, errno
	}
	if _, errno := signalArg(n); errno != 0 {
		return info, errno
	}
	if (info.Code >= 0 || info.Code == linux.SI_TKILL) && !self {
		return info, linux.EPERM
	}
	info.Signo = n
	return info, 0
}

func rtSigqueueinfo(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	info, errno := queuedInfo(t, a.Addr(2), a.Int(1), int(a.Int(0)) == t.Proc.PID)
	if errno != 0 {
		return 0, errno
	}
	return 0, toProcess(t, a.Int(0), info)
}

func rtTgsigqueueinfo(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a.Int(0) <= 0 || a.Int(1) <= 0 {
		return 0, linux.EINVAL
	}
	info, errno := queuedInfo(t, a.Addr(3), a.Int(2), int(a.Int(0)) == t.Proc.PID)
	if errno != 0 {
		return 0, errno
	}
	target := t.Kernel().Thread(int(a.Int(1)))
	if target == nil || target.Proc.PID != int(a.Int(0)) {
		return 0, linux.ESRCH
	}
	if info.Signo == 0 {
		return 0, 0
	}
	return 0, target.Signal(info)
}
