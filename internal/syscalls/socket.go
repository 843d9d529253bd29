package syscalls

import (
	"fmt"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func init() {
	register(
		Call{Name: "socket", Group: GroupNet, State: Partial, Note: "AF_UNIX, AF_INET, AF_INET6, AF_NETLINK to read routes and addresses",
			Args: args("domain", "int", "type", "hex", "protocol", "int"), Do: socket},
		Call{Name: "socketpair", Group: GroupBase, Args: args("domain", "int", "type", "hex", "protocol", "int", "fds", "ptr"), Do: socketpair},
		Call{Name: "bind", Group: GroupNet, Args: args("fd", "fd", "addr", "buf", "addrlen", "size"), Do: fileCall(bind)},
		Call{Name: "listen", Group: GroupNet, Args: args("fd", "fd", "backlog", "int"), Do: fileCall(listen)},
		Call{Name: "accept", Group: GroupNet, Args: args("fd", "fd", "addr", "ptr", "addrlen", "ptr"), Do: fileCall(accept)},
		Call{Name: "accept4", Group: GroupNet, Args: args("fd", "fd", "addr", "ptr", "addrlen", "ptr", "flags", "hex"), Do: fileCall(accept4)},
		Call{Name: "connect", Group: GroupNet, Args: args("fd", "fd", "addr", "buf", "addrlen", "size"), Do: fileCall(connect)},
		Call{Name: "getsockname", Group: GroupNet, Args: args("fd", "fd", "addr", "ptr", "addrlen", "ptr"), Do: nameCall(unix.SYS_GETSOCKNAME)},
		Call{Name: "getpeername", Group: GroupNet, Args: args("fd", "fd", "addr", "ptr", "addrlen", "ptr"), Do: nameCall(unix.SYS_GETPEERNAME)},
		Call{Name: "shutdown", Group: GroupNet, Args: args("fd", "fd", "how", "int"), Do: fileCall(shutdown)},
	)
}

// socketFlags are what may be or-ed to a socket's type, and how every host
// socket is opened.
const socketFlags = unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK

// sockPacket is SOCK_PACKET: it makes an AF_INET socket one of AF_PACKET.
const sockPacket = 10

// checkSocket says whether a program may have sockets of that kind.
func checkSocket(domain, kind, protocol int) linux.Errno {
	if kind&^(0xf|socketFlags) != 0 {
		return linux.EINVAL
	}
	switch domain {
	case unix.AF_UNIX, unix.AF_INET6:
	case unix.AF_INET:
		if kind&0xf == sockPacket {
			return linux.EAFNOSUPPORT
		}
	case unix.AF_NETLINK:
		if protocol != unix.NETLINK_ROUTE {
			return linux.EPROTONOSUPPORT
		}
	default:
		return linux.EAFNOSUPPORT
	}
	return 0
}

// newSocket wraps a host socket.
func newSocket(host int, flags int) *kernel.File {
	var st unix.Stat_t
	_ = unix.Fstat(host, &st) // cannot fail on an open descriptor
	return kernel.NewFile(host, fmt.Sprintf("socket:[%d]", st.Ino), true, flags&unix.SOCK_NONBLOCK != 0)
}

// openLimit is the program's RLIMIT_NOFILE.
func openLimit(t *kernel.Thread) uint64 { return t.Proc.Limit(unix.RLIMIT_NOFILE).Cur }

// giveDescriptor installs a new file, which it takes over.
func giveDescriptor(t *kernel.Thread, f *kernel.File, cloexec bool) (uint64, linux.Errno) {
	fd, errno := t.Proc.Files.Install(f, 0, openLimit(t), cloexec)
	if errno != 0 {
		return 0, errno
	}
	return uint64(fd), 0
}

// givePair installs two new files and writes their descriptors to memory.
func givePair(t *kernel.Thread, files [2]*kernel.File, cloexec bool, at engine.GVA) (uint64, linux.Errno) {
	var fds [2]int32
	for i, f := range files {
		fd, errno := t.Proc.Files.Install(f, 0, openLimit(t), cloexec)
		if errno != 0 {
			if i == 0 {
				files[1].Release()
			} else {
				t.Proc.Files.Close(fds[0])
			}
			return 0, errno
		}
		fds[i] = fd
	}
	if errno := mm.Write(t.Proc.AS(), at, fds); errno != 0 {
		t.Proc.Files.Close(fds[0])
		t.Proc.Files.Close(fds[1])
		return 0, errno
	}
	return 0, 0
}

func socket(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	domain, kind, protocol := int(a.Int(0)), int(a.Int(1)), int(a.Int(2))
	if errno := checkSocket(domain, kind, protocol); errno != 0 {
		return 0, errno
	}
	if !t.Proc.Files.Room(openLimit(t)) {
		return 0, linux.EMFILE
	}
	host, err := unix.Socket(domain, kind|socketFlags, protocol)
	if err != nil {
		return 0, linux.FromHost(err)
	}
	f := newSocket(host, kind)
	if domain == unix.AF_NETLINK {
		f.Ops = netlinkOps{host}
	}
	return giveDescriptor(t, f, kind&unix.SOCK_CLOEXEC != 0)
}

func socketpair(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	domain, kind, protocol := int(a.Int(0)), int(a.Int(1)), int(a.Int(2))
	if errno := checkSocket(domain, kind, protocol); errno != 0 {
		return 0, errno
	}
	if domain != unix.AF_UNIX {
		return 0, linux.EOPNOTSUPP
	}
	host, err := unix.Socketpair(domain, kind|socketFlags, protocol)
	if err != nil {
		return 0, linux.FromHost(err)
	}
	files := [2]*kernel.File{newSocket(host[0], kind), newSocket(host[1], kind)}
	return givePair(t, files, kind&unix.SOCK_CLOEXEC != 0, a.Addr(3))
}

func bind(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	addr, errno := readSockaddr(t, a.Addr(1), a.Int(2))
	if errno != 0 {
		return 0, errno
	}
	path, ok := programPath(f, addr)
	if !ok {
		return 0, hostAddress(unix.SYS_BIND, f.Host, addr)
	}
	return 0, t.Proc.FS.BindSocket(t, path, func(host string) linux.Errno {
		return hostAddress(unix.SYS_BIND, f.Host, unixSockaddr(host))
	})
}

func listen(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	return 0, linux.FromHost(unix.Listen(f.Host, int(a.Int(1))))
}

func accept(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	a[3] = 0
	return accept4(t, f, a)
}

func accept4(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	flags := int(a.Int(3))
	if flags&^socketFlags != 0 {
		if f.PathOnly() {
			return 0, linux.EBADF
		}
		return 0, linux.EINVAL
	}
	if !t.Proc.Files.Room(openLimit(t)) {
		return 0, linux.EMFILE
	}
	var peer []byte
	host, errno := retry(t, f, "accept", unix.POLLIN, false, func() (n int, errno linux.Errno) {
		// A description that others have may block, and has to be asked first.
		if !f.Private() && !kernel.Ready(f.Host, unix.POLLIN) && isListening(f.Host) {
			return 0, linux.EAGAIN
		}
		n, peer, errno = hostName(unix.SYS_ACCEPT4, f.Host, socketFlags)
		return n, errno
	})
	if errno != 0 {
		return 0, errno
	}
	conn := newSocket(host, flags)
	if a[1] != 0 {
		if errno := writeSockaddr(t, a.Addr(1), a.Addr(2), peer); errno != 0 {
			conn.Release()
			return 0, errno
		}
	}
	return giveDescriptor(t, conn, flags&unix.SOCK_CLOEXEC != 0)
}

func isListening(host int) bool {
	v, err := unix.GetsockoptInt(host, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	return err == nil && v != 0
}

// connect asks the host again when the connection is there or has failed: the
// second call takes the result exactly as a blocking one would have.
func connect(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	addr, errno := readSockaddr(t, a.Addr(1), a.Int(2))
	if errno != 0 {
		return 0, errno
	}
	if !f.Private() && socketType(f) != 0 {
		// The host must not wait. Nobody else can do anything with the socket
		// before it is connected, and see the flag.
		_ = unix.SetNonblock(f.Host, true)
		defer func() { _ = unix.SetNonblock(f.Host, f.Nonblock()) }()
	}
	return 0, withHostAddr(t, f, addr, func(addr []byte) linux.Errno {
		first := linux.Errno(0)
		_, errno := retry(t, f, "connect", unix.POLLOUT, false, func() (int, linux.Errno) {
			errno := hostAddress(unix.SYS_CONNECT, f.Host, addr)
			if errno == linux.EINPROGRESS || errno == linux.EALREADY {
				if first == 0 {
					first = errno
				}
				errno = linux.EAGAIN
			}
			return 0, errno
		})
		if errno == linux.EAGAIN && first != 0 {
			return first // not blocking, or SO_SNDTIMEO has passed
		}
		return errno
	})
}

// nameCall makes a handler of getsockname or getpeername.
func nameCall(call uintptr) Handler {
	return fileCall(func(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
		_, addr, errno := hostName(call, f.Host, 0)
		if errno != 0 {
			return 0, errno
		}
		return 0, writeSockaddr(t, a.Addr(1), a.Addr(2), addr)
	})
}

func shutdown(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	return 0, linux.FromHost(unix.Shutdown(f.Host, int(a.Int(1))))
}
