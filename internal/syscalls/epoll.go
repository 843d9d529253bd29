package syscalls

import (
	"math"

	"golang.org/x/sys/unix"

	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func init() {
	register(
		Call{Name: "epoll_create", Group: GroupBase, Args: args("size", "int"), Do: epollCreate},
		Call{Name: "epoll_create1", Group: GroupBase, Args: args("flags", "hex"), Do: epollCreate1},
		Call{Name: "epoll_ctl", Group: GroupBase, State: Partial, Note: "a file is there once, whatever descriptor it is added by",
			Args: args("epfd", "fd", "op", "int", "fd", "fd", "event", "ptr"), Do: epollCtl},
		Call{Name: "epoll_wait", Group: GroupBase, Args: args("epfd", "fd", "events", "ptr", "count", "int", "timeout", "int"), Do: epollWait},
		Call{Name: "epoll_pwait", Group: GroupBase, Args: args("epfd", "fd", "events", "ptr", "count", "int", "timeout", "int", "mask", "ptr", "size", "size"), Do: epollPwait},
		Call{Name: "epoll_pwait2", Group: GroupBase, Args: args("epfd", "fd", "events", "ptr", "count", "int", "timeout", "ptr", "mask", "ptr", "size", "size"), Do: epollPwait2},
	)
}

// epollEventSize is the size of the packed struct epoll_event.
const epollEventSize = 12

func epollCreate(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a.Int(0) <= 0 {
		return 0, linux.EINVAL
	}
	return epollCreate1(t, Args{})
}

// epollCreate1 makes a host epoll instance. The host's keys are host
// descriptors, of which a file has one, and it forgets a file by itself when
// the last of the program's descriptors is closed.
func epollCreate1(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	flags := a.Int(0)
	if flags&^unix.EPOLL_CLOEXEC != 0 {
		return 0, linux.EINVAL
	}
	host, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return 0, linux.FromHost(err)
	}
	return giveDescriptor(t, kernel.NewFile(host, "anon_inode:[eventpoll]", true, false), flags&unix.EPOLL_CLOEXEC != 0)
}

func epollCtl(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	var event unix.EpollEvent
	if op := a.Int(1); op != unix.EPOLL_CTL_DEL {
		e, errno := mm.Read[linux.EpollEvent](t.Proc.AS(), a.Addr(3))
		if errno != 0 {
			return 0, errno
		}
		event = unix.EpollEvent{Events: e.Events, Fd: int32(e.Data()), Pad: int32(e.Data() >> 32)}
	}
	ep, errno := t.Proc.Files.Get(a.Int(0))
	if errno != 0 {
		return 0, errno
	}
	defer ep.Release()
	f, errno := t.Proc.Files.Get(a.Int(2))
	if errno != 0 {
		return 0, errno
	}
	defer f.Release()
	return 0, linux.FromHost(unix.EpollCtl(ep.Host, int(a.Int(1)), f.Host, &event))
}

func epollWait(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return epollUntil(t, a, msDeadline(t, a.Int(3)))
}

func epollPwait(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return epollMasked(t, a, msDeadline(t, a.Int(3)))
}

func epollPwait2(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	limit, errno := readLimit(t, a.Addr(3), timespecLimit)
	if errno != 0 {
		return 0, errno
	}
	return epollMasked(t, a, limit.deadline)
}

func epollMasked(t *kernel.Thread, a Args, deadline int64) (uint64, linux.Errno) {
	if a[4] == 0 {
		return epollUntil(t, a, deadline)
	}
	set, errno := sigSetAt(t, a.Addr(4), a[5])
	if errno != 0 {
		return 0, errno
	}
	t.SetTemporaryMask(set)
	n, errno := epollUntil(t, a, deadline)
	t.RestoreMask(errno == linux.EINTR)
	return n, errno
}

// epollUntil waits for events. It is never restarted (signal(7)).
func epollUntil(t *kernel.Thread, a Args, deadline int64) (uint64, linux.Errno) {
	count := a.Int(2)
	if count <= 0 || count > math.MaxInt32/epollEventSize {
		return 0, linux.EINVAL
	}
	f, errno := t.Proc.Files.Get(a.Int(0))
	if errno != 0 {
		return 0, errno
	}
	defer f.Release()
	for {
		n, errno := epollTake(t, f, a)
		if errno != 0 || n > 0 {
			return uint64(n), errno
		}
		if deadline != kernel.Never && deadline <= t.Kernel().Clock().Monotonic() {
			return 0, 0 // even if a signal waits (ep_poll)
		}
		wait := kernel.Wait{What: "epoll", Fds: []unix.PollFd{{Fd: int32(f.Host), Events: unix.POLLIN}}, Deadline: deadline}
		switch errno := t.Block(&wait); errno {
		case 0:
		case linux.ETIMEDOUT:
			return 0, 0
		case linux.ERESTARTSYS:
			return 0, linux.EINTR
		default:
			return 0, errno
		}
	}
}

// epollTake has the host write what is ready into the program's memory, as far
// as that is one piece; what does not fit stays ready.
func epollTake(t *kernel.Thread, f *kernel.File, a Args) (int, linux.Errno) {
	size := uint64(a.Int(2)) * epollEventSize
	if !userRange(a[1], size) {
		return 0, linux.EFAULT
	}
	b, errno := t.Proc.AS().Buffers([]mm.Range{{Addr: a.Addr(1), Len: size}}, mm.AccessWrite, 64<<10)
	if errno != 0 {
		if !kernel.Ready(f.Host, unix.POLLIN) {
			errno = 0 // nobody has touched the memory yet
		}
		return 0, errno
	}
	buf := b.Bufs[0]
	if len(buf) >= epollEventSize {
		n, errno := hostEpollWait(f.Host, buf)
		b.Filled(n * epollEventSize)
		return n, errno
	}
	var one [epollEventSize]byte // lies across two pages
	n, errno := hostEpollWait(f.Host, one[:])
	if errno == 0 && n > 0 {
		_, errno = t.Proc.AS().CopyOut(a.Addr(1), one[:])
	}
	return n, errno
}
