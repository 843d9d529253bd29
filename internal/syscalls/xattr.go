package syscalls

import (
	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
)

// Bounds of extended attributes (linux/limits.h).
const (
	maxXattrName = 255
	maxXattrSize = 64 << 10
	maxXattrList = 64 << 10
)

// xattrCall serves one of the calls on the host file that a path or a
// descriptor leads to; change says that it changes something.
type xattrCall struct {
	change bool
	do     func(t *kernel.Thread, host string, a Args) (uint64, linux.Errno)
}

func (c xattrCall) path(always int32) Handler {
	return nodeCall(noArg, 0, noArg, 0, always, func(t *kernel.Thread, n *kernel.Node, a Args) (uint64, linux.Errno) {
		_, host, errno := n.Host()
		if errno != 0 {
			return 0, linux.EOPNOTSUPP // a file of the kernel's own
		}
		if c.change {
			if _, _, errno := n.Change(); errno != 0 {
				return 0, errno
			}
		}
		return c.do(t, host, a)
	})
}

func (c xattrCall) file() Handler {
	return fileCall(func(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
		errno := t.Proc.FS.Changeable(f)
		if errno == linux.EBADF || errno != 0 && c.change {
			return 0, errno
		}
		n, errno := t.Proc.FS.Lookup(t, kernel.At{Dir: f}, kernel.LookupEmpty)
		if errno != 0 {
			return 0, errno
		}
		defer n.Close()
		_, host, errno := n.Host()
		if errno != 0 {
			return 0, linux.EOPNOTSUPP
		}
		return c.do(t, host, a)
	})
}

func init() {
	for _, c := range []struct {
		name string
		args []Arg
		call xattrCall
	}{
		{"getxattr", args("name", "str", "value", "ptr", "size", "size"), xattrCall{false, getxattr}},
		{"setxattr", args("name", "str", "value", "buf", "size", "size", "flags", "hex"), xattrCall{true, setxattr}},
		{"listxattr", args("list", "ptr", "size", "size"), xattrCall{false, listxattr}},
		{"removexattr", args("name", "str"), xattrCall{true, removexattr}},
	} {
		path, fd := append(args("path", "path"), c.args...), append(args("fd", "fd"), c.args...)
		register(
			Call{Name: c.name, Group: GroupFile, Args: path, Do: c.call.path(0)},
			Call{Name: "l" + c.name, Group: GroupFile, Args: path, Do: c.call.path(unix.AT_SYMLINK_NOFOLLOW)},
			Call{Name: "f" + c.name, Group: GroupBase, Args: fd, Do: c.call.file()},
		)
	}
}

func xattrName(t *kernel.Thread, at engine.GVA) (string, linux.Errno) {
	name, errno := t.Proc.AS().CopyInString(at, maxXattrName+1)
	if errno == linux.ENAMETOOLONG || errno == 0 && name == "" {
		errno = linux.ERANGE
	}
	return name, errno
}

func getxattr(t *kernel.Thread, host string, a Args) (uint64, linux.Errno) {
	name, errno := xattrName(t, a.Addr(1))
	if errno != 0 {
		return 0, errno
	}
	value := make([]byte, min(a[3], maxXattrSize))
	n, err := unix.Getxattr(host, name, value)
	return giveXattr(t, a.Addr(2), value, n, err)
}

func listxattr(t *kernel.Thread, host string, a Args) (uint64, linux.Errno) {
	list := make([]byte, min(a[2], maxXattrList))
	n, err := unix.Listxattr(host, list)
	return giveXattr(t, a.Addr(1), list, n, err)
}

// giveXattr copies out what the host wrote: with no room it only told how
// much there is.
func giveXattr(t *kernel.Thread, at engine.GVA, b []byte, n int, err error) (uint64, linux.Errno) {
	if err != nil {
		return 0, linux.FromHost(err)
	}
	_, errno := t.Proc.AS().CopyOut(at, b[:min(n, len(b))])
	return uint64(n), errno
}

func setxattr(t *kernel.Thread, host string, a Args) (uint64, linux.Errno) {
	flags := a.Int(4)
	if flags&^(unix.XATTR_CREATE|unix.XATTR_REPLACE) != 0 {
		return 0, linux.EINVAL
	}
	name, errno := xattrName(t, a.Addr(1))
	if errno != 0 {
		return 0, errno
	}
	if a[3] > maxXattrSize {
		return 0, linux.E2BIG
	}
	value := make([]byte, a[3])
	if _, errno := t.Proc.AS().CopyIn(value, a.Addr(2)); errno != 0 {
		return 0, errno
	}
	return done(unix.Setxattr(host, name, value, int(flags)))
}

func removexattr(t *kernel.Thread, host string, a Args) (uint64, linux.Errno) {
	name, errno := xattrName(t, a.Addr(1))
	if errno != 0 {
		return 0, errno
	}
	return done(unix.Removexattr(host, name))
}
