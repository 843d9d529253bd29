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
	register(
		Call{Name: "clock_gettime", Group: GroupBase, Args: args("clock", "int", "time", "ptr"), Do: clockGettime},
		Call{Name: "clock_getres", Group: GroupBase, Args: args("clock", "int", "resolution", "ptr"), Do: clockGetres},
		Call{Name: "clock_nanosleep", Group: GroupBase, Args: args("clock", "int", "flags", "hex", "time", "ptr", "remain", "ptr"), Do: clockNanosleep},
		Call{Name: "nanosleep", Group: GroupBase, Args: args("time", "ptr", "remain", "ptr"), Do: nanosleep},
		Call{Name: "gettimeofday", Group: GroupBase, Args: args("time", "ptr", "zone", "ptr"), Do: gettimeofday},
		Call{Name: "time", Group: GroupBase, Args: args("time", "ptr"), Do: timeOfDay},
		Call{Name: "times", Group: GroupBase, Args: args("times", "ptr"), Do: times},
		Call{Name: "getrusage", Group: GroupBase, Args: args("who", "int", "usage", "ptr"), Do: getrusage},
		Call{Name: "clock_settime", Group: GroupSystem, State: Partial, Note: "the host's clocks cannot be set: EPERM", Args: args("clock", "int", "time", "ptr"), Do: clockSettime},
		Call{Name: "settimeofday", Group: GroupSystem, State: Partial, Note: "the host's clocks cannot be set: EPERM", Args: args("time", "ptr", "zone", "ptr"), Do: refuse},
		Call{Name: "restart_syscall", Group: GroupBase, Do: func(t *kernel.Thread, _ Args) (uint64, linux.Errno) { return t.RestartSyscall() }},
	)
}

func clockSettime(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if _, err := t.Kernel().Clock().Now(a.Int(0)); err != nil {
		return 0, linux.FromHost(err)
	}
	return 0, linux.EPERM
}

func refuse(*kernel.Thread, Args) (uint64, linux.Errno) { return 0, linux.EPERM }

// readTimeout copies in a timespec and checks it; nanoseconds, saturated.
func readTimeout(t *kernel.Thread, at engine.GVA) (int64, linux.Errno) {
	ts, errno := mm.Read[linux.Timespec](t.Proc.AS(), at)
	if errno != 0 {
		return 0, errno
	}
	if ts.Sec < 0 || ts.Nsec < 0 || ts.Nsec >= 1e9 {
		return 0, linux.EINVAL
	}
	if ts.Sec > math.MaxInt64/int64(1e9)-1 {
		return math.MaxInt64, 0
	}
	return ts.Sec*1e9 + ts.Nsec, 0
}

// fromClock turns an absolute time of a clock into a deadline.
func fromClock(t *kernel.Thread, clock int32, ns int64) (int64, linux.Errno) {
	now, err := t.Kernel().Clock().Now(clock)
	if err != nil {
		return 0, linux.FromHost(err)
	}
	return t.Kernel().Clock().After(max(ns-now, 0)), 0
}

// ownClock maps the CPU-time clocks of the program to the host's: the process
// clock is the VMM's, which runs the program; clocks of other processes are
// refused.
func ownClock(t *kernel.Thread, clock int32) (int32, linux.Errno) {
	if clock >= 0 {
		return clock, 0
	}
	const perThread, kindMask = 4, 3
	pid := int(^(clock >> 3))
	if kind := clock & kindMask; kind == 3 {
		return 0, linux.EINVAL // a clock device
	}
	if clock&perThread != 0 {
		if pid == 0 || pid == t.TID {
			return unix.CLOCK_THREAD_CPUTIME_ID, 0
		}
		return 0, linux.EINVAL
	}
	if pid == 0 || pid == t.Proc.PID {
		return unix.CLOCK_PROCESS_CPUTIME_ID, 0
	}
	return 0, linux.EINVAL
}

func clockGettime(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	clock, errno := ownClock(t, a.Int(0))
	if errno != 0 {
		return 0, errno
	}
	ns, err := t.Kernel().Clock().Now(clock)
	if err != nil {
		return 0, linux.FromHost(err)
	}
	return 0, mm.Write(t.Proc.AS(), a.Addr(1), unix.NsecToTimespec(ns))
}

func clockGetres(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	clock, errno := ownClock(t, a.Int(0))
	if errno != 0 {
		return 0, errno
	}
	var res unix.Timespec
	if err := unix.ClockGetres(clock, &res); err != nil {
		return 0, linux.FromHost(err)
	}
	if a[1] == 0 {
		return 0, 0
	}
	return 0, mm.Write(t.Proc.AS(), a.Addr(1), res)
}

func nanosleep(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	ns, errno := readTimeout(t, a.Addr(0))
	if errno != 0 {
		return 0, errno
	}
	return sleepUntil(t, t.Kernel().Clock().After(ns), a.Addr(1))
}

// sleepUntil sleeps to a deadline and writes what remains if it is
// interrupted.
func sleepUntil(t *kernel.Thread, deadline int64, remain engine.GVA) (uint64, linux.Errno) {
	errno := t.Sleep("sleep", deadline)
	if errno != linux.ERESTARTSYS {
		return 0, errno
	}
	if remain != 0 {
		left := max(deadline-t.Kernel().Clock().Monotonic(), 0)
		if errno := mm.Write(t.Proc.AS(), remain, unix.NsecToTimespec(left)); errno != 0 {
			return 0, errno
		}
	}
	t.SetRestart(func(t *kernel.Thread) (uint64, linux.Errno) { return sleepUntil(t, deadline, remain) })
	return 0, linux.ERESTART_RESTARTBLOCK
}

func clockNanosleep(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	clock := a.Int(0)
	switch clock {
	case unix.CLOCK_REALTIME, unix.CLOCK_MONOTONIC, unix.CLOCK_BOOTTIME, unix.CLOCK_TAI, unix.CLOCK_PROCESS_CPUTIME_ID:
	case unix.CLOCK_MONOTONIC_RAW, unix.CLOCK_REALTIME_COARSE, unix.CLOCK_MONOTONIC_COARSE, unix.CLOCK_THREAD_CPUTIME_ID:
		return 0, linux.EOPNOTSUPP
	default:
		return 0, linux.EINVAL
	}
	ns, errno := readTimeout(t, a.Addr(2))
	if errno != 0 {
		return 0, errno
	}
	if a.Int(1)&unix.TIMER_ABSTIME == 0 {
		return sleepUntil(t, t.Kernel().Clock().After(ns), a.Addr(3))
	}
	deadline := ns
	if clock != unix.CLOCK_MONOTONIC {
		if deadline, errno = fromClock(t, clock, ns); errno != 0 {
			return 0, errno
		}
	}
	errno = t.Sleep("sleep", deadline)
	if errno == linux.ERESTARTSYS {
		errno = linux.ERESTARTNOHAND
	}
	return 0, errno
}

func gettimeofday(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a[0] != 0 {
		ns, err := t.Kernel().Clock().Now(unix.CLOCK_REALTIME)
		if err != nil {
			return 0, linux.FromHost(err)
		}
		if errno := mm.Write(t.Proc.AS(), a.Addr(0), unix.NsecToTimeval(ns)); errno != 0 {
			return 0, errno
		}
	}
	if a[1] != 0 {
		return 0, mm.Write(t.Proc.AS(), a.Addr(1), linux.Timezone{})
	}
	return 0, 0
}

func timeOfDay(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	ns, err := t.Kernel().Clock().Now(unix.CLOCK_REALTIME)
	if err != nil {
		return 0, linux.FromHost(err)
	}
	s := ns / 1e9
	if a[0] != 0 {
		if errno := mm.Write(t.Proc.AS(), a.Addr(0), s); errno != 0 {
			return 0, errno
		}
	}
	return uint64(s), 0
}

func times(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	own, children := t.Usage()
	// The ticks since some time in the past are the host's to choose.
	var host unix.Tms
	now, err := unix.Times(&host)
	if err != nil {
		return 0, linux.FromHost(err)
	}
	ticks := func(ns int64) int64 { return ns / (1e9 / linux.CLK_TCK) }
	if a[0] != 0 {
		errno := mm.Write(t.Proc.AS(), a.Addr(0), linux.Tms{
			Utime: ticks(own.User), Stime: ticks(own.System), Cutime: ticks(children.User), Cstime: ticks(children.System),
		})
		if errno != 0 {
			return 0, errno
		}
	}
	return uint64(now), 0
}

// getrusage answers with the VMM's use, which is the program's and what it
// takes to run it.
func getrusage(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	var ru unix.Rusage
	switch who := int(a.Int(0)); who {
	case unix.RUSAGE_SELF, unix.RUSAGE_THREAD:
		if err := unix.Getrusage(who, &ru); err != nil {
			return 0, linux.FromHost(err)
		}
		if who == unix.RUSAGE_SELF {
			own, _ := t.Usage()
			ru.Utime, ru.Stime = unix.NsecToTimeval(own.User), unix.NsecToTimeval(own.System)
		}
	case unix.RUSAGE_CHILDREN:
		_, children := t.Usage()
		ru.Utime, ru.Stime = unix.NsecToTimeval(children.User), unix.NsecToTimeval(children.System)
	default:
		return 0, linux.EINVAL
	}
	return 0, mm.Write(t.Proc.AS(), a.Addr(1), ru)
}
