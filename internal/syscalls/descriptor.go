package syscalls

import (
	"golang.org/x/sys/unix"

	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func init() {
	register(
		Call{Name: "close", Group: GroupBase, Args: args("fd", "fd"), Do: closeFD},
		Call{Name: "close_range", Group: GroupBase, Args: args("first", "uint", "last", "uint", "flags", "hex"), Do: closeRange},
		Call{Name: "dup", Group: GroupBase, Args: args("fd", "fd"), Do: dup},
		Call{Name: "dup2", Group: GroupBase, Args: args("fd", "fd", "new", "fd"), Do: dup2},
		Call{Name: "dup3", Group: GroupBase, Args: args("fd", "fd", "new", "fd", "flags", "hex"), Do: dup3},
		Call{Name: "fcntl", Group: GroupBase, State: Partial, Note: "no SIGIO (O_ASYNC, F_SETSIG, leases, F_NOTIFY); F_SETLKW looks every 1 to 50 ms and finds no deadlocks", Args: args("fd", "fd", "cmd", "int", "arg", "hex"), Do: fileCall(fcntl)},
		Call{Name: "flock", Group: GroupBase, Note: "waits by looking every 1 to 50 ms", Args: args("fd", "fd", "operation", "int"), Do: fileCall(flock)},
	)
}

// dropLocks does what closing a descriptor does beside closing it; fd need
// not be open.
func dropLocks(t *kernel.Thread, fd int32) {
	if f, errno := t.Proc.Files.Get(fd); errno == 0 {
		t.Proc.FS.DropLocks(f)
		f.Release()
	}
}

func closeFD(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	dropLocks(t, a.Int(0))
	return 0, t.Proc.Files.Close(a.Int(0))
}

func closeRange(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	first, last, flags := a.Uint(0), a.Uint(1), a.Uint(2)
	if flags&^(unix.CLOSE_RANGE_UNSHARE|unix.CLOSE_RANGE_CLOEXEC) != 0 || first > last {
		return 0, linux.EINVAL
	}
	for fd := range t.Proc.Files.Snapshot() {
		switch {
		case uint32(fd) < first || uint32(fd) > last:
		case flags&unix.CLOSE_RANGE_CLOEXEC != 0:
			t.Proc.Files.SetCloexec(fd, true)
		default:
			dropLocks(t, fd)
			t.Proc.Files.Close(fd) // another thread may have been faster
		}
	}
	return 0, 0
}

func dup(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	f, errno := t.Proc.Files.Get(a.Int(0))
	if errno != 0 {
		return 0, errno
	}
	return giveDescriptor(t, f, false)
}

func dup2(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a.Int(0) == a.Int(1) {
		return fileCall(func(*kernel.Thread, *kernel.File, Args) (uint64, linux.Errno) { return uint64(a.Uint(1)), 0 })(t, a)
	}
	return dupTo(t, a.Int(0), a.Int(1), false)
}

func dup3(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a.Int(2)&^unix.O_CLOEXEC != 0 || a.Int(0) == a.Int(1) {
		return 0, linux.EINVAL
	}
	return dupTo(t, a.Int(0), a.Int(1), a.Int(2)&unix.O_CLOEXEC != 0)
}

func dupTo(t *kernel.Thread, fd, to int32, cloexec bool) (uint64, linux.Errno) {
	if to < 0 || uint64(to) >= openLimit(t) {
		return 0, linux.EBADF
	}
	f, errno := t.Proc.Files.Get(fd)
	if errno != 0 {
		return 0, errno
	}
	dropLocks(t, to)
	t.Proc.Files.Replace(to, f, cloexec)
	return uint64(to), 0
}

// fDupfdQuery is F_DUPFD_QUERY of Linux 6.10: are two descriptors duplicates?
const fDupfdQuery = 1027

func fcntl(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	fd, cmd := a.Int(0), int(a.Int(1))
	switch cmd {
	case unix.F_DUPFD, unix.F_DUPFD_CLOEXEC:
		if from := a[2]; from >= openLimit(t) {
			return 0, linux.EINVAL
		}
		got, errno := t.Proc.Files.Install(f.Hold(), int(a[2]), openLimit(t), cmd == unix.F_DUPFD_CLOEXEC)
		if errno != 0 {
			return 0, errno
		}
		return uint64(got), 0
	case fDupfdQuery:
		return dupQuery(t, f, int32(a[2]))
	case unix.F_GETFD:
		if t.Proc.Files.Cloexec(fd) {
			return unix.FD_CLOEXEC, 0
		}
		return 0, 0
	case unix.F_SETFD:
		t.Proc.Files.SetCloexec(fd, a[2]&unix.FD_CLOEXEC != 0)
		return 0, 0
	case unix.F_GETFL:
		flags, errno := f.Flags()
		return uint64(flags), errno
	}
	if f.PathOnly() {
		return 0, linux.EBADF
	}
	switch cmd {
	case unix.F_SETFL:
		return 0, f.SetFlags(int(a.Int(2)))
	case unix.F_GETLK, unix.F_SETLK, unix.F_SETLKW, unix.F_OFD_GETLK, unix.F_OFD_SETLK, unix.F_OFD_SETLKW:
		return recordLock(t, f, cmd, a)
	case unix.F_GETPIPE_SZ, unix.F_SETPIPE_SZ, unix.F_GET_SEALS, unix.F_ADD_SEALS:
		n, err := unix.FcntlInt(uintptr(f.Host), cmd, int(a.Int(2)))
		if err != nil {
			return 0, linux.FromHost(err)
		}
		return uint64(n), 0
	case unix.F_GETOWN, unix.F_SETOWN, unix.F_GETSIG, unix.F_SETSIG:
		return 0, 0 // SIGIO never comes, so nobody needs to know for whom
	case unix.F_GETOWN_EX:
		return 0, mm.Write(t.Proc.AS(), a.Addr(2), linux.FOwnerEx{})
	case unix.F_SETOWN_EX:
		_, errno := mm.Read[linux.FOwnerEx](t.Proc.AS(), a.Addr(2))
		return 0, errno
	case unix.F_GETLEASE:
		return unix.F_UNLCK, 0
	}
	return 0, linux.EINVAL
}

func dupQuery(t *kernel.Thread, f *kernel.File, fd int32) (uint64, linux.Errno) {
	other, errno := t.Proc.Files.Get(fd)
	if errno != 0 {
		return 0, errno
	}
	defer other.Release()
	if other == f {
		return 1, 0
	}
	return 0, 0
}

func recordLock(t *kernel.Thread, f *kernel.File, cmd int, a Args) (uint64, linux.Errno) {
	lock, errno := mm.Read[linux.Flock](t.Proc.AS(), a.Addr(2))
	if errno != 0 {
		return 0, errno
	}
	if errno := t.RecordLock(f, cmd, &lock); errno != 0 {
		return 0, errno
	}
	if cmd == unix.F_GETLK || cmd == unix.F_OFD_GETLK {
		return 0, mm.Write(t.Proc.AS(), a.Addr(2), lock)
	}
	return 0, 0
}

func flock(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	return 0, t.Flock(f, int(a.Int(1)))
}
