package syscalls

import (
	"fmt"

	"golang.org/x/sys/unix"

	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func init() {
	register(
		Call{Name: "eventfd", Group: GroupBase, Args: args("count", "uint"), Do: eventfd},
		Call{Name: "eventfd2", Group: GroupBase, Args: args("count", "uint", "flags", "hex"), Do: eventfd2},
		Call{Name: "timerfd_create", Group: GroupBase, Args: args("clock", "int", "flags", "hex"), Do: timerfdCreate},
		Call{Name: "timerfd_settime", Group: GroupBase, Args: args("fd", "fd", "flags", "hex", "new", "ptr", "old", "ptr"), Do: timerfdSettime},
		Call{Name: "timerfd_gettime", Group: GroupBase, Args: args("fd", "fd", "current", "ptr"), Do: fileCall(timerfdGettime)},
		Call{Name: "signalfd", Group: GroupBase, Args: args("fd", "fd", "mask", "ptr", "size", "size"), Do: signalfd},
		Call{Name: "signalfd4", Group: GroupBase, Args: args("fd", "fd", "mask", "ptr", "size", "size", "flags", "hex"), Do: signalfd4},
		Call{Name: "pipe", Group: GroupBase, Args: args("fds", "ptr"), Do: pipe},
		Call{Name: "pipe2", Group: GroupBase, Args: args("fds", "ptr", "flags", "hex"), Do: pipe2},
	)
}

func eventfd(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	a[1] = 0
	return eventfd2(t, a)
}

func eventfd2(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	flags := int(a.Int(1))
	host, err := unix.Eventfd(uint(a.Uint(0)), flags|unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return 0, linux.FromHost(err)
	}
	f := kernel.NewFile(host, "anon_inode:[eventfd]", true, flags&unix.EFD_NONBLOCK != 0)
	return giveDescriptor(t, f, flags&unix.EFD_CLOEXEC != 0)
}

func timerfdCreate(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	flags := int(a.Int(1))
	host, err := unix.TimerfdCreate(int(a.Int(0)), flags|unix.TFD_CLOEXEC|unix.TFD_NONBLOCK)
	if err != nil {
		return 0, linux.FromHost(err)
	}
	f := kernel.NewFile(host, "anon_inode:[timerfd]", true, flags&unix.TFD_NONBLOCK != 0)
	return giveDescriptor(t, f, flags&unix.TFD_CLOEXEC != 0)
}

func timerfdSettime(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	set, errno := mm.Read[linux.Itimerspec](t.Proc.AS(), a.Addr(2))
	if errno != 0 {
		return 0, errno
	}
	f, errno := t.Proc.Files.Get(a.Int(0))
	if errno != 0 {
		return 0, errno
	}
	defer f.Release()
	var old linux.Itimerspec
	if err := unix.TimerfdSettime(f.Host, int(a.Int(1)), &set, &old); err != nil {
		return 0, linux.FromHost(err)
	}
	if a[3] == 0 {
		return 0, 0
	}
	return 0, mm.Write(t.Proc.AS(), a.Addr(3), old)
}

func timerfdGettime(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	var now linux.Itimerspec
	if err := unix.TimerfdGettime(f.Host, &now); err != nil {
		return 0, linux.FromHost(err)
	}
	return 0, mm.Write(t.Proc.AS(), a.Addr(1), now)
}

func signalfd(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	a[3] = 0
	return signalfd4(t, a)
}

func signalfd4(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	set, errno := sigSetAt(t, a.Addr(1), a[2])
	if errno != 0 {
		return 0, errno
	}
	flags := int(a.Int(3))
	if flags&^(unix.SFD_CLOEXEC|unix.SFD_NONBLOCK) != 0 {
		return 0, linux.EINVAL
	}
	if a.Int(0) != -1 {
		f, errno := t.Proc.Files.Get(a.Int(0))
		if errno != 0 {
			return 0, errno
		}
		defer f.Release()
		if f.PathOnly() {
			return 0, linux.EBADF
		}
		if !f.SetSignals(t, set) {
			return 0, linux.EINVAL
		}
		return uint64(a.Int(0)), 0
	}
	f, errno := kernel.NewSignalFile(t, set, flags&unix.SFD_NONBLOCK != 0)
	if errno != 0 {
		return 0, errno
	}
	return giveDescriptor(t, f, flags&unix.SFD_CLOEXEC != 0)
}

func pipe(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	a[1] = 0
	return pipe2(t, a)
}

func pipe2(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	flags := int(a.Int(1))
	if flags&^(unix.O_CLOEXEC|unix.O_NONBLOCK|unix.O_DIRECT) != 0 {
		return 0, linux.EINVAL
	}
	var host [2]int
	if err := unix.Pipe2(host[:], flags|unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return 0, linux.FromHost(err)
	}
	var st unix.Stat_t
	_ = unix.Fstat(host[0], &st) // cannot fail on an open descriptor
	name := fmt.Sprintf("pipe:[%d]", st.Ino)
	var files [2]*kernel.File
	for i, fd := range host {
		files[i] = kernel.NewFile(fd, name, true, flags&unix.O_NONBLOCK != 0)
	}
	return givePair(t, files, flags&unix.O_CLOEXEC != 0, a.Addr(0))
}
