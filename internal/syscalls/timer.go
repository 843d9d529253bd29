package syscalls

import (
	"math"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func init() {
	const cpu = "ITIMER_VIRTUAL and ITIMER_PROF count the processor time of torov as a whole, every 4 ms"
	register(
		Call{Name: "setitimer", Group: GroupBase, State: Partial, Note: cpu, Args: args("which", "int", "new", "ptr", "old", "ptr"), Do: setitimer},
		Call{Name: "getitimer", Group: GroupBase, State: Partial, Note: cpu, Args: args("which", "int", "current", "ptr"), Do: getitimer},
		Call{Name: "alarm", Group: GroupBase, Args: args("seconds", "uint"), Do: alarm},
		Call{Name: "timer_create", Group: GroupBase, State: Partial, Note: "not on clocks that wake the machine, of devices or of other processes",
			Args: args("clock", "int", "event", "ptr", "id", "ptr"), Do: timerCreate},
		Call{Name: "timer_settime", Group: GroupBase, Args: args("id", "int", "flags", "hex", "new", "ptr", "old", "ptr"), Do: timerSettime},
		Call{Name: "timer_gettime", Group: GroupBase, Args: args("id", "int", "current", "ptr"), Do: timerGettime},
		Call{Name: "timer_getoverrun", Group: GroupBase, Args: args("id", "int"), Do: timerGetoverrun},
		Call{Name: "timer_delete", Group: GroupBase, Args: args("id", "int"), Do: timerDelete},
	)
}

// saturate turns seconds and nanoseconds below one second, neither negative,
// into nanoseconds.
func saturate(sec, nsec int64) int64 {
	if sec >= math.MaxInt64/int64(1e9) {
		return math.MaxInt64
	}
	return sec*1e9 + nsec
}

// timevalNs is the time of a setitimer(2) structure in nanoseconds.
func timevalNs(tv linux.Timeval) (int64, bool) {
	return saturate(tv.Sec, tv.Usec*1e3), tv.Sec >= 0 && tv.Usec >= 0 && tv.Usec < 1e6
}

// timespecNs is the time of a timer_settime(2) structure in nanoseconds.
func timespecNs(ts linux.Timespec) (int64, bool) {
	return saturate(ts.Sec, ts.Nsec), ts.Sec >= 0 && ts.Nsec >= 0 && ts.Nsec < 1e9
}

// itimerval rounds up: what is left is never nothing.
func itimerval(value, interval int64) linux.Itimerval {
	up := func(ns int64) linux.Timeval {
		return linux.Timeval{Sec: ns / 1e9, Usec: ns % 1e9 / 1e3}
	}
	if value > 0 && value < 1e3 {
		value = 1e3
	}
	return linux.Itimerval{Value: up(value), Interval: up(interval)}
}

func itimerspec(value, interval int64) linux.Itimerspec {
	return linux.Itimerspec{Value: unix.NsecToTimespec(value), Interval: unix.NsecToTimespec(interval)}
}

func validItimer(which int32) bool { return which >= unix.ITIMER_REAL && which <= unix.ITIMER_PROF }

func setitimer(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	var set linux.Itimerval // a null pointer disarms, to Linux's regret
	var errno linux.Errno
	if a[1] != 0 {
		if set, errno = mm.Read[linux.Itimerval](t.Proc.AS(), a.Addr(1)); errno != 0 {
			return 0, errno
		}
	}
	value, ok1 := timevalNs(set.Value)
	interval, ok2 := timevalNs(set.Interval)
	if !ok1 || !ok2 || !validItimer(a.Int(0)) {
		return 0, linux.EINVAL
	}
	value, interval = t.Proc.Setitimer(int(a.Int(0)), value, interval)
	if a[2] == 0 {
		return 0, 0
	}
	return 0, mm.Write(t.Proc.AS(), a.Addr(2), itimerval(value, interval))
}

func getitimer(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if !validItimer(a.Int(0)) {
		return 0, linux.EINVAL
	}
	return 0, mm.Write(t.Proc.AS(), a.Addr(1), itimerval(t.Proc.Getitimer(int(a.Int(0)))))
}

// alarm returns what was left in seconds, rounded, but 0 only for no alarm
// (alarm_setitimer).
func alarm(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	left, _ := t.Proc.Setitimer(unix.ITIMER_REAL, int64(a.Uint(0))*1e9, 0)
	seconds, rest := uint64(left/1e9), left%1e9
	if rest >= 5e8 || seconds == 0 && rest > 0 {
		seconds++
	}
	return seconds, 0
}

func timerCreate(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	clock, errno := ownClock(t, a.Int(0))
	if errno != 0 {
		return 0, errno
	}
	var event *linux.Sigevent
	if a[1] != 0 {
		e, errno := mm.Read[linux.Sigevent](t.Proc.AS(), a.Addr(1))
		if errno != 0 {
			return 0, errno
		}
		event = &e
	}
	id, errno := t.TimerCreate(clock, event)
	if errno != 0 {
		return 0, errno
	}
	if errno := mm.Write(t.Proc.AS(), a.Addr(2), id); errno != 0 {
		t.Proc.TimerDelete(id)
		return 0, errno
	}
	return 0, 0
}

func timerSettime(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a[2] == 0 {
		return 0, linux.EINVAL
	}
	set, errno := mm.Read[linux.Itimerspec](t.Proc.AS(), a.Addr(2))
	if errno != 0 {
		return 0, errno
	}
	value, ok1 := timespecNs(set.Value)
	interval, ok2 := timespecNs(set.Interval)
	if !ok1 || !ok2 {
		return 0, linux.EINVAL
	}
	value, interval, errno = t.Proc.TimerSettime(a.Int(0), a.Int(1)&unix.TIMER_ABSTIME != 0, value, interval)
	if errno != 0 || a[3] == 0 {
		return 0, errno
	}
	return 0, mm.Write(t.Proc.AS(), a.Addr(3), itimerspec(value, interval))
}

func timerGettime(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	value, interval, errno := t.Proc.TimerGettime(a.Int(0))
	if errno != 0 {
		return 0, errno
	}
	return 0, mm.Write(t.Proc.AS(), engine.GVA(a[1]), itimerspec(value, interval))
}

func timerGetoverrun(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	n, errno := t.Proc.TimerGetoverrun(a.Int(0))
	return uint64(n), errno
}

func timerDelete(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return 0, t.Proc.TimerDelete(a.Int(0))
}
