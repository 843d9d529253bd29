package syscalls

import (
	"golang.org/x/sys/unix"

	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

// prctl serves the options that programs use on themselves.
func prctl(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	switch a.Int(0) {
	case unix.PR_SET_NAME:
		name, errno := t.Proc.AS().CopyInString(a.Addr(1), linux.TASK_COMM_LEN)
		if errno == linux.ENAMETOOLONG {
			b := make([]byte, linux.TASK_COMM_LEN-1)
			_, errno = t.Proc.AS().CopyIn(b, a.Addr(1))
			name = string(b)
		}
		if errno == 0 {
			setName(t, name)
		}
		return 0, errno
	case unix.PR_GET_NAME:
		var b [linux.TASK_COMM_LEN]byte
		copy(b[:linux.TASK_COMM_LEN-1], t.Comm())
		_, errno := t.Proc.AS().CopyOut(a.Addr(1), b[:])
		return 0, errno
	case unix.PR_GET_DUMPABLE:
		return uint64(t.Proc.Dumpable()), 0
	case unix.PR_SET_DUMPABLE:
		if a[1] > 1 {
			return 0, linux.EINVAL
		}
		t.Proc.SetDumpable(int(a[1]))
		return 0, 0
	case unix.PR_GET_PDEATHSIG:
		return 0, mm.Write(t.Proc.AS(), a.Addr(1), int32(t.Proc.DeathSignal()))
	case unix.PR_SET_PDEATHSIG:
		if a[1] > linux.NumSignals {
			return 0, linux.EINVAL
		}
		t.Proc.SetDeathSignal(linux.Signal(a[1]))
		return 0, 0
	case unix.PR_GET_SECCOMP, unix.PR_GET_KEEPCAPS, unix.PR_GET_SECUREBITS, unix.PR_GET_THP_DISABLE:
		return 0, 0
	case unix.PR_SET_NO_NEW_PRIVS:
		if a[1] != 1 || a[2]|a[3]|a[4] != 0 {
			return 0, linux.EINVAL
		}
		return 0, 0 // a program in a VM never gains any
	case unix.PR_GET_NO_NEW_PRIVS:
		return 1, 0
	case unix.PR_SET_TIMERSLACK, unix.PR_SET_THP_DISABLE, unix.PR_SET_VMA, unix.PR_SET_PTRACER:
		return 0, 0 // hints, or about a parent that is the VMM's own
	case unix.PR_GET_TIMERSLACK:
		return 50_000, 0 // nanoseconds, Linux's default
	case unix.PR_CAPBSET_READ:
		return 0, 0
	}
	return 0, linux.EINVAL
}

func setName(t *kernel.Thread, name string) {
	t.Name.Store(&name)
	if t.TID == t.Proc.PID {
		t.Proc.Comm.Store(&name)
	}
}
