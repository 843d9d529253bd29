package syscalls

import (
	"slices"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func init() {
	id := func(f func(kernel.Creds) uint32) Handler {
		return func(t *kernel.Thread, _ Args) (uint64, linux.Errno) { return uint64(f(t.Proc.Creds())), 0 }
	}
	register(
		Call{Name: "getpid", Group: GroupBase, Do: func(t *kernel.Thread, _ Args) (uint64, linux.Errno) { return uint64(t.Proc.PID), 0 }},
		Call{Name: "gettid", Group: GroupBase, Do: func(t *kernel.Thread, _ Args) (uint64, linux.Errno) { return uint64(t.TID), 0 }},
		Call{Name: "getppid", Group: GroupBase, Do: func(t *kernel.Thread, _ Args) (uint64, linux.Errno) { return uint64(t.Proc.ParentPID()), 0 }},
		Call{Name: "getuid", Group: GroupBase, Do: id(func(c kernel.Creds) uint32 { return c.UID })},
		Call{Name: "geteuid", Group: GroupBase, Do: id(func(c kernel.Creds) uint32 { return c.EUID })},
		Call{Name: "getgid", Group: GroupBase, Do: id(func(c kernel.Creds) uint32 { return c.GID })},
		Call{Name: "getegid", Group: GroupBase, Do: id(func(c kernel.Creds) uint32 { return c.EGID })},
		Call{Name: "getresuid", Group: GroupBase, Args: args("ruid", "ptr", "euid", "ptr", "suid", "ptr"), Do: getresuid},
		Call{Name: "getresgid", Group: GroupBase, Args: args("rgid", "ptr", "egid", "ptr", "sgid", "ptr"), Do: getresgid},
		Call{Name: "setgroups", Group: GroupBase, State: Partial, Note: "only to give groups up", Args: args("size", "int", "list", "ptr"), Do: setgroups},
		Call{Name: "getgroups", Group: GroupBase, Args: args("size", "int", "list", "ptr"), Do: getgroups},
		Call{Name: "setuid", Group: GroupSystem, State: Partial, Note: "to an id the program has", Args: args("uid", "uint"), Do: setuid},
		Call{Name: "setgid", Group: GroupSystem, State: Partial, Note: "to an id the program has", Args: args("gid", "uint"), Do: setgid},
		Call{Name: "setresuid", Group: GroupSystem, State: Partial, Note: "to ids the program has", Args: args("ruid", "uint", "euid", "uint", "suid", "uint"), Do: setresuid},
		Call{Name: "setresgid", Group: GroupSystem, State: Partial, Note: "to ids the program has", Args: args("rgid", "uint", "egid", "uint", "sgid", "uint"), Do: setresgid},
		Call{Name: "capget", Group: GroupBase, State: Partial, Note: "no capabilities", Args: args("header", "ptr", "data", "ptr"), Do: capget},
		Call{Name: "uname", Group: GroupBase, Args: args("name", "ptr"), Do: uname},
		Call{Name: "sysinfo", Group: GroupBase, Args: args("info", "ptr"), Do: sysinfo},
		Call{Name: "getrlimit", Group: GroupBase, Args: args("resource", "int", "limit", "ptr"), Do: getrlimit},
		Call{Name: "setrlimit", Group: GroupBase, Args: args("resource", "int", "limit", "ptr"), Do: setrlimit},
		Call{Name: "prlimit64", Group: GroupBase, State: Partial, Note: "the program's own", Args: args("pid", "int", "resource", "int", "new", "ptr", "old", "ptr"), Do: prlimit64},
		Call{Name: "getrandom", Group: GroupBase, Args: args("buf", "ptr", "length", "size", "flags", "hex"), Do: getrandom},
		Call{Name: "prctl", Group: GroupBase, State: Partial, Note: "PR_SET_NAME and what programs ask at start", Args: args("option", "int", "arg2", "hex", "arg3", "hex", "arg4", "hex", "arg5", "hex"), Do: prctl},
		Call{Name: "getpriority", Group: GroupBase, Args: args("which", "int", "who", "int"), Do: getpriority},
		Call{Name: "setpriority", Group: GroupSystem, State: Stub, Note: "the host schedules", Args: args("which", "int", "who", "int", "priority", "int"), Do: succeed},
		Call{Name: "sched_getscheduler", Group: GroupBase, Args: args("pid", "int"), Do: func(t *kernel.Thread, a Args) (uint64, linux.Errno) { return 0, threadExists(t, a.Int(0)) }},
		Call{Name: "sched_getparam", Group: GroupBase, Args: args("pid", "int", "param", "ptr"), Do: schedGetparam},
		Call{Name: "sched_get_priority_max", Group: GroupBase, Args: args("policy", "int"), Do: schedPriorityMax},
		Call{Name: "sched_get_priority_min", Group: GroupBase, Args: args("policy", "int"), Do: schedPriorityMin},
		Call{Name: "personality", Group: GroupBase, State: Partial, Note: "PER_LINUX only", Args: args("persona", "hex"), Do: personality},
	)
}

func writeThree(t *kernel.Thread, a Args, x, y, z uint32) linux.Errno {
	for i, v := range []uint32{x, y, z} {
		if errno := mm.Write(t.Proc.AS(), a.Addr(i), v); errno != 0 {
			return errno
		}
	}
	return 0
}

func getresuid(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	c := t.Proc.Creds()
	return 0, writeThree(t, a, c.UID, c.EUID, c.SUID)
}

func getresgid(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	c := t.Proc.Creds()
	return 0, writeThree(t, a, c.GID, c.EGID, c.SGID)
}

func getgroups(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	groups := t.Proc.Creds().Groups
	switch n := a.Int(0); {
	case n < 0 || n > 0 && int(n) < len(groups):
		return 0, linux.EINVAL
	case n == 0:
		return uint64(len(groups)), 0
	}
	return uint64(len(groups)), mm.WriteSlice(t.Proc.AS(), a.Addr(1), groups)
}

// setgroups gives groups up; none is given that the program does not have.
func setgroups(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	const most = 65536 // NGROUPS_MAX
	c := t.Proc.Creds()
	switch {
	case c.EUID != 0:
		return 0, linux.EPERM
	case a.Uint(0) > most:
		return 0, linux.EINVAL
	}
	groups, errno := mm.ReadSlice[uint32](t.Proc.AS(), a.Addr(1), int(a.Uint(0)))
	if errno != 0 {
		return 0, errno
	}
	for _, g := range groups {
		if !slices.Contains(c.Groups, g) && g != c.GID && g != c.EGID && g != c.SGID {
			return 0, linux.EPERM
		}
	}
	c.Groups = groups
	t.Proc.SetCreds(c)
	return 0, 0
}

// idChange applies setresuid or setresgid to a triple: an id may become one
// of the three that the program has; -1 leaves it. Real privilege is the
// VMM's and is not handed on.
func idChange(r, e, s *uint32, to [3]uint32) linux.Errno {
	have := [3]uint32{*r, *e, *s}
	for _, v := range to {
		if v != ^uint32(0) && v != have[0] && v != have[1] && v != have[2] {
			return linux.EPERM
		}
	}
	for i, p := range []*uint32{r, e, s} {
		if to[i] != ^uint32(0) {
			*p = to[i]
		}
	}
	return 0
}

func changeUID(t *kernel.Thread, to [3]uint32) linux.Errno {
	c := t.Proc.Creds()
	errno := idChange(&c.UID, &c.EUID, &c.SUID, to)
	if errno == 0 {
		c.FSUID = c.EUID
		t.Proc.SetCreds(c)
	}
	return errno
}

func changeGID(t *kernel.Thread, to [3]uint32) linux.Errno {
	c := t.Proc.Creds()
	errno := idChange(&c.GID, &c.EGID, &c.SGID, to)
	if errno == 0 {
		c.FSGID = c.EGID
		t.Proc.SetCreds(c)
	}
	return errno
}

func setresuid(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return 0, changeUID(t, [3]uint32{a.Uint(0), a.Uint(1), a.Uint(2)})
}

func setresgid(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return 0, changeGID(t, [3]uint32{a.Uint(0), a.Uint(1), a.Uint(2)})
}

func setuid(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return 0, changeUID(t, [3]uint32{^uint32(0), a.Uint(0), ^uint32(0)})
}

func setgid(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return 0, changeGID(t, [3]uint32{^uint32(0), a.Uint(0), ^uint32(0)})
}

func capget(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	const version3 = 0x20080522
	version, errno := mm.Read[uint32](t.Proc.AS(), a.Addr(0))
	if errno != 0 {
		return 0, errno
	}
	if version != version3 {
		if errno := mm.Write(t.Proc.AS(), a.Addr(0), uint32(version3)); errno != 0 {
			return 0, errno
		}
		if a[1] == 0 {
			return 0, 0
		}
		return 0, linux.EINVAL
	}
	if a[1] == 0 {
		return 0, 0
	}
	return 0, mm.WriteSlice(t.Proc.AS(), a.Addr(1), make([]linux.CapData, 2))
}

func uname(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return 0, linux.FromHost(err)
	}
	return 0, mm.Write(t.Proc.AS(), a.Addr(0), u)
}

func sysinfo(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	var s unix.Sysinfo_t
	if err := unix.Sysinfo(&s); err != nil {
		return 0, linux.FromHost(err)
	}
	s.Procs = uint16(len(t.Kernel().Threads()))
	return 0, mm.Write(t.Proc.AS(), a.Addr(0), s)
}

func getrlimit(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a.Uint(0) >= linux.RLIM_NLIMITS {
		return 0, linux.EINVAL
	}
	return 0, mm.Write(t.Proc.AS(), a.Addr(1), t.Proc.Limit(int(a.Uint(0))))
}

func setrlimit(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	l, errno := mm.Read[linux.Rlimit](t.Proc.AS(), a.Addr(1))
	if errno != 0 {
		return 0, errno
	}
	return 0, changeLimit(t, a.Uint(0), l)
}

func changeLimit(t *kernel.Thread, resource uint32, l linux.Rlimit) linux.Errno {
	if resource >= linux.RLIM_NLIMITS || l.Cur > l.Max {
		return linux.EINVAL
	}
	if l.Max > t.Proc.Limit(int(resource)).Max {
		return linux.EPERM
	}
	t.Proc.SetLimit(int(resource), l)
	return 0
}

func prlimit64(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a.Uint(1) >= linux.RLIM_NLIMITS {
		return 0, linux.EINVAL
	}
	if pid := a.Int(0); pid != 0 && int(pid) != t.Proc.PID {
		return 0, linux.ESRCH
	}
	old := t.Proc.Limit(int(a.Uint(1)))
	if a[2] != 0 {
		l, errno := mm.Read[linux.Rlimit](t.Proc.AS(), a.Addr(2))
		if errno == 0 {
			errno = changeLimit(t, a.Uint(1), l)
		}
		if errno != 0 {
			return 0, errno
		}
	}
	if a[3] != 0 {
		return 0, mm.Write(t.Proc.AS(), a.Addr(3), old)
	}
	return 0, 0
}

func getrandom(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	const known = unix.GRND_NONBLOCK | unix.GRND_RANDOM | unix.GRND_INSECURE
	if a.Uint(2)&^known != 0 || a.Uint(2)&(unix.GRND_RANDOM|unix.GRND_INSECURE) == unix.GRND_RANDOM|unix.GRND_INSECURE {
		return 0, linux.EINVAL
	}
	length := min(a[1], 0x7fffffff)
	buf := make([]byte, min(length, 64<<10))
	for done := uint64(0); done < length; {
		piece := buf[:min(uint64(len(buf)), length-done)]
		t.Kernel().Random(piece)
		n, errno := t.Proc.AS().CopyOut(a.Addr(0)+engine.GVA(done), piece)
		done += uint64(n)
		if errno != 0 && done == 0 {
			return 0, errno
		}
		if t.Dying() || errno != 0 {
			return done, 0
		}
	}
	return length, 0
}

func getpriority(_ *kernel.Thread, a Args) (uint64, linux.Errno) {
	n, err := unix.Getpriority(int(a.Int(0)), 0)
	if err != nil {
		return 0, linux.FromHost(err)
	}
	return uint64(n), 0
}

func schedGetparam(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a[1] == 0 {
		return 0, linux.EINVAL
	}
	if errno := threadExists(t, a.Int(0)); errno != 0 {
		return 0, errno
	}
	return 0, mm.Write(t.Proc.AS(), a.Addr(1), linux.SchedParam{})
}

// Scheduling policies (sched(7)) with real-time priorities.
const (
	schedFIFO  = 1
	schedRR    = 2
	schedLimit = 7
)

func schedPriorityMax(_ *kernel.Thread, a Args) (uint64, linux.Errno) {
	switch p := a.Int(0); {
	case p == schedFIFO || p == schedRR:
		return 99, 0
	case p < 0 || p > schedLimit || p == 4:
		return 0, linux.EINVAL
	}
	return 0, 0
}

func schedPriorityMin(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	n, errno := schedPriorityMax(t, a)
	return min(n, 1), errno
}

func personality(_ *kernel.Thread, a Args) (uint64, linux.Errno) {
	const query = 0xffffffff
	if a.Uint(0) != query && a.Uint(0) != 0 {
		return 0, linux.EINVAL
	}
	return 0, 0
}
