package syscalls

import (
	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func init() {
	const flags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_EMPTY_PATH
	const noFollow = unix.AT_SYMLINK_NOFOLLOW
	register(
		Call{Name: "chmod", Group: GroupFile, Args: args("path", "path", "mode", "mode"), Do: nodeCall(noArg, 0, noArg, 0, 0, chmod(1))},
		Call{Name: "fchmod", Group: GroupBase, Args: args("fd", "fd", "mode", "mode"), Do: fileCall(fchmod)},
		Call{Name: "fchmodat", Group: GroupFile, Args: args("dirfd", "dirfd", "path", "path", "mode", "mode"), Do: nodeCall(0, 1, noArg, 0, 0, chmod(2))},
		Call{Name: "fchmodat2", Group: GroupFile, Args: args("dirfd", "dirfd", "path", "path", "mode", "mode", "flags", "hex"), Do: nodeCall(0, 1, 3, flags, 0, chmod(2))},
		Call{Name: "chown", Group: GroupFile, Args: args("path", "path", "uid", "int", "gid", "int"), Do: nodeCall(noArg, 0, noArg, 0, 0, chown(1))},
		Call{Name: "lchown", Group: GroupFile, Args: args("path", "path", "uid", "int", "gid", "int"), Do: nodeCall(noArg, 0, noArg, 0, noFollow, chown(1))},
		Call{Name: "fchown", Group: GroupBase, Args: args("fd", "fd", "uid", "int", "gid", "int"), Do: fileCall(fchown)},
		Call{Name: "fchownat", Group: GroupFile, Args: args("dirfd", "dirfd", "path", "path", "uid", "int", "gid", "int", "flags", "hex"), Do: nodeCall(0, 1, 4, flags, 0, chown(2))},
		Call{Name: "utime", Group: GroupFile, Args: args("path", "path", "times", "ptr"), Do: utime},
		Call{Name: "utimes", Group: GroupFile, Args: args("path", "path", "times", "ptr"), Do: utimes},
		Call{Name: "futimesat", Group: GroupFile, Args: args("dirfd", "dirfd", "path", "path", "times", "ptr"), Do: futimesat},
		Call{Name: "utimensat", Group: GroupFile, Args: args("dirfd", "dirfd", "path", "path", "times", "ptr", "flags", "hex"), Do: utimensat},
	)
}

func chmod(mode int) func(t *kernel.Thread, n *kernel.Node, a Args) (uint64, linux.Errno) {
	return func(_ *kernel.Thread, n *kernel.Node, a Args) (uint64, linux.Errno) {
		_, host, errno := n.Change()
		if errno != 0 {
			return 0, errno
		}
		return done(unix.Fchmodat(unix.AT_FDCWD, host, a.Uint(mode)&modeBits, 0))
	}
}

func fchmod(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	if errno := t.Proc.FS.Changeable(f); errno != 0 {
		return 0, errno
	}
	return done(unix.Fchmod(f.Host, a.Uint(1)&modeBits))
}

func chown(uid int) func(t *kernel.Thread, n *kernel.Node, a Args) (uint64, linux.Errno) {
	return func(_ *kernel.Thread, n *kernel.Node, a Args) (uint64, linux.Errno) {
		fd, _, errno := n.Change()
		if errno != 0 {
			return 0, errno
		}
		return done(unix.Fchownat(fd, "", int(a.Int(uid)), int(a.Int(uid+1)), unix.AT_EMPTY_PATH))
	}
}

func fchown(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	if errno := t.Proc.FS.Changeable(f); errno != 0 {
		return 0, errno
	}
	return done(unix.Fchown(f.Host, int(a.Int(1)), int(a.Int(2))))
}

// setTimes sets access and modification time; nil is now.
func setTimes(times []linux.Timespec) func(t *kernel.Thread, n *kernel.Node, a Args) (uint64, linux.Errno) {
	return func(_ *kernel.Thread, n *kernel.Node, _ Args) (uint64, linux.Errno) {
		_, host, errno := n.Change()
		if errno != 0 {
			return 0, errno
		}
		return done(unix.UtimesNanoAt(unix.AT_FDCWD, host, times, 0))
	}
}

func utime(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	var times []linux.Timespec
	if a[1] != 0 {
		buf, errno := mm.Read[linux.Utimbuf](t.Proc.AS(), a.Addr(1))
		if errno != 0 {
			return 0, errno
		}
		times = []linux.Timespec{{Sec: buf.Actime}, {Sec: buf.Modtime}}
	}
	return nodeCall(noArg, 0, noArg, 0, 0, setTimes(times))(t, a)
}

// readTimevals reads two times in microseconds.
func readTimevals(t *kernel.Thread, at engine.GVA) ([]linux.Timespec, linux.Errno) {
	if at == 0 {
		return nil, 0
	}
	tv, errno := mm.ReadSlice[linux.Timeval](t.Proc.AS(), at, 2)
	if errno != 0 {
		return nil, errno
	}
	times := make([]linux.Timespec, 2)
	for i, v := range tv {
		if v.Usec < 0 || v.Usec >= 1e6 {
			return nil, linux.EINVAL
		}
		times[i] = linux.Timespec{Sec: v.Sec, Nsec: v.Usec * 1000}
	}
	return times, 0
}

func utimes(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	times, errno := readTimevals(t, a.Addr(1))
	if errno != 0 {
		return 0, errno
	}
	return nodeCall(noArg, 0, noArg, 0, 0, setTimes(times))(t, a)
}

// timesOf sets the times of an open file.
func timesOf(times []linux.Timespec) Handler {
	return fileCall(func(t *kernel.Thread, f *kernel.File, _ Args) (uint64, linux.Errno) {
		if errno := t.Proc.FS.Changeable(f); errno != 0 {
			return 0, errno
		}
		n, errno := t.Proc.FS.Lookup(t, kernel.At{Dir: f}, kernel.LookupEmpty)
		if errno != 0 {
			return 0, errno
		}
		defer n.Close()
		return setTimes(times)(t, n, Args{})
	})
}

func futimesat(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	times, errno := readTimevals(t, a.Addr(2))
	if errno != 0 {
		return 0, errno
	}
	if a[1] == 0 && a.Int(0) != unix.AT_FDCWD {
		return timesOf(times)(t, a)
	}
	return nodeCall(0, 1, noArg, 0, 0, setTimes(times))(t, a)
}

func utimensat(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	var times []linux.Timespec
	if a[2] != 0 {
		var errno linux.Errno
		if times, errno = mm.ReadSlice[linux.Timespec](t.Proc.AS(), a.Addr(2), 2); errno != 0 {
			return 0, errno
		}
		if times[0].Nsec == unix.UTIME_OMIT && times[1].Nsec == unix.UTIME_OMIT {
			return 0, 0 // Linux does not even look at the path
		}
		for _, ts := range times {
			if ts.Nsec != unix.UTIME_NOW && ts.Nsec != unix.UTIME_OMIT && (ts.Nsec < 0 || ts.Nsec >= 1e9) {
				return 0, linux.EINVAL
			}
		}
	}
	if a[1] == 0 && a.Int(0) != unix.AT_FDCWD {
		if a.Int(3) != 0 {
			return 0, linux.EINVAL
		}
		return timesOf(times)(t, a)
	}
	return nodeCall(0, 1, 3, unix.AT_SYMLINK_NOFOLLOW|unix.AT_EMPTY_PATH, 0, setTimes(times))(t, a)
}
