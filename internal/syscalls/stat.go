package syscalls

import (
	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

// statFlags are the flags of fstatat(2) and statx(2).
const statFlags = unix.AT_SYMLINK_NOFOLLOW | unix.AT_NO_AUTOMOUNT | unix.AT_EMPTY_PATH | linux.AT_STATX_SYNC_TYPE

func init() {
	const accessFlags = unix.AT_EACCESS | unix.AT_SYMLINK_NOFOLLOW | unix.AT_EMPTY_PATH
	register(
		Call{Name: "stat", Group: GroupFile, Args: args("path", "path", "stat", "ptr"), Do: nodeCall(noArg, 0, noArg, 0, 0, stat)},
		Call{Name: "lstat", Group: GroupFile, Args: args("path", "path", "stat", "ptr"), Do: nodeCall(noArg, 0, noArg, 0, unix.AT_SYMLINK_NOFOLLOW, stat)},
		Call{Name: "fstat", Group: GroupBase, Args: args("fd", "fd", "stat", "ptr"), Do: fileCall(fstat)},
		Call{Name: "newfstatat", Group: GroupFile, Args: args("dirfd", "dirfd", "path", "path", "stat", "ptr", "flags", "hex"), Do: newfstatat, Own: ownDescriptor(1, 3, newfstatat)},
		Call{Name: "statx", Group: GroupFile, Args: args("dirfd", "dirfd", "path", "path", "flags", "hex", "mask", "hex", "statx", "ptr"), Do: statx, Own: ownDescriptor(1, 2, statx)},
		Call{Name: "access", Group: GroupFile, Args: args("path", "path", "mode", "mode"), Do: access(noArg, 0, noArg)},
		Call{Name: "faccessat", Group: GroupFile, Args: args("dirfd", "dirfd", "path", "path", "mode", "mode"), Do: access(0, 1, noArg)},
		Call{Name: "faccessat2", Group: GroupFile, Args: args("dirfd", "dirfd", "path", "path", "mode", "mode", "flags", "hex"), Do: knownFlags(3, accessFlags, access(0, 1, 3))},
		Call{Name: "readlink", Group: GroupFile, Args: args("path", "path", "buf", "ptr", "size", "int"), Do: readlink(noArg, 0), Own: ownExe(0)},
		Call{Name: "readlinkat", Group: GroupFile, Args: args("dirfd", "dirfd", "path", "path", "buf", "ptr", "size", "int"), Do: readlink(0, 1), Own: ownExe(1)},
		Call{Name: "statfs", Group: GroupFile, Args: args("path", "path", "statfs", "ptr"), Do: nodeCall(noArg, 0, noArg, 0, 0, statfs)},
		Call{Name: "fstatfs", Group: GroupBase, Args: args("fd", "fd", "statfs", "ptr"), Do: fileCall(fstatfs)},
	)
}

// knownFlags refuses other flags in argument i than these.
func knownFlags(i int, known int32, do Handler) Handler {
	return func(t *kernel.Thread, a Args) (uint64, linux.Errno) {
		if a.Int(i)&^known != 0 {
			return 0, linux.EINVAL
		}
		return do(t, a)
	}
}

func stat(t *kernel.Thread, n *kernel.Node, a Args) (uint64, linux.Errno) {
	st, errno := n.Stat()
	return giveStat(t, a.Addr(1), st, errno)
}

func giveStat(t *kernel.Thread, at engine.GVA, st linux.Stat, errno linux.Errno) (uint64, linux.Errno) {
	if errno != 0 {
		return 0, errno
	}
	return 0, mm.Write(t.Proc.AS(), at, st)
}

func fstat(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	st, errno := f.Stat()
	return giveStat(t, a.Addr(1), st, errno)
}

// ofDescriptor reports whether a call with AT_EMPTY_PATH is about the
// descriptor alone; the path may then also be a null pointer.
func ofDescriptor(t *kernel.Thread, dirfd, flags int32, path engine.GVA) (bool, linux.Errno) {
	if flags&unix.AT_EMPTY_PATH == 0 || dirfd == unix.AT_FDCWD {
		return false, 0
	}
	if path == 0 {
		return true, 0
	}
	first, errno := mm.Read[uint8](t.Proc.AS(), path)
	return errno == 0 && first == 0, errno
}

func newfstatat(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a.Int(3)&^statFlags != 0 {
		return 0, linux.EINVAL
	}
	if own, errno := ofDescriptor(t, a.Int(0), a.Int(3), a.Addr(1)); own || errno != 0 {
		if errno != 0 {
			return 0, errno
		}
		return fileCall(func(t *kernel.Thread, f *kernel.File, _ Args) (uint64, linux.Errno) {
			st, errno := f.Stat()
			return giveStat(t, a.Addr(2), st, errno)
		})(t, a)
	}
	return nodeCall(0, 1, 3, statFlags, 0, func(t *kernel.Thread, n *kernel.Node, a Args) (uint64, linux.Errno) {
		st, errno := n.Stat()
		return giveStat(t, a.Addr(2), st, errno)
	})(t, a)
}

func statx(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	flags, mask := a.Int(2), a.Uint(3)
	if flags&^statFlags != 0 || mask&unix.STATX__RESERVED != 0 || flags&linux.AT_STATX_SYNC_TYPE == linux.AT_STATX_SYNC_TYPE {
		return 0, linux.EINVAL
	}
	give := func(t *kernel.Thread, n *kernel.Node, a Args) (uint64, linux.Errno) {
		sx, errno := n.Statx(int(flags&linux.AT_STATX_SYNC_TYPE), mask)
		if errno != 0 {
			return 0, errno
		}
		return 0, mm.Write(t.Proc.AS(), a.Addr(4), sx)
	}
	if own, errno := ofDescriptor(t, a.Int(0), flags, a.Addr(1)); own || errno != 0 {
		if errno != 0 {
			return 0, errno
		}
		return fileCall(func(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
			n, errno := t.Proc.FS.Lookup(t, kernel.At{Dir: f}, kernel.LookupEmpty)
			if errno != 0 {
				return 0, errno
			}
			defer n.Close()
			return give(t, n, a)
		})(t, a)
	}
	return nodeCall(0, 1, 2, statFlags, 0, give)(t, a)
}

func access(dir, path, flags int) Handler {
	const checked = -1 // knownFlags has looked
	do := nodeCall(dir, path, flags, checked, 0, func(_ *kernel.Thread, n *kernel.Node, a Args) (uint64, linux.Errno) {
		bits := 0
		if flags != noArg {
			bits = int(a.Int(flags)) & unix.AT_EACCESS
		}
		return 0, n.Access(a.Uint(path+1), bits)
	})
	return func(t *kernel.Thread, a Args) (uint64, linux.Errno) {
		if a.Uint(path+1)&^(unix.R_OK|unix.W_OK|unix.X_OK) != 0 {
			return 0, linux.EINVAL
		}
		return do(t, a)
	}
}

// readlink takes an empty path for the directory itself, which may be a
// symlink that was opened with O_PATH.
func readlink(dir, path int) Handler {
	return func(t *kernel.Thread, a Args) (uint64, linux.Errno) {
		if a.Int(path+2) <= 0 {
			return 0, linux.EINVAL
		}
		dirfd, empty := int32(unix.AT_FDCWD), int32(0)
		if dir != noArg {
			dirfd = a.Int(dir)
			if dirfd != unix.AT_FDCWD {
				empty = unix.AT_EMPTY_PATH
			}
		}
		at, errno := readAt(t, dirfd, a.Addr(path), empty)
		if errno != 0 {
			return 0, errno
		}
		defer doneAt(at)
		return readlinkOf(t, at, empty, a.Addr(path+1), a.Int(path+2))
	}
}

// readlinkOf gives the program at most size bytes of where a link leads.
func readlinkOf(t *kernel.Thread, at kernel.At, empty int32, buf engine.GVA, size int32) (uint64, linux.Errno) {
	if size <= 0 {
		return 0, linux.EINVAL
	}
	n, errno := t.Proc.FS.Lookup(t, at, lookupFlags(unix.AT_SYMLINK_NOFOLLOW|empty))
	if errno != 0 {
		return 0, errno
	}
	defer n.Close()
	target, errno := n.Readlink()
	if errno == linux.EINVAL && at.Path == "" {
		errno = linux.ENOENT
	}
	if errno != 0 {
		return 0, errno
	}
	b := []byte(target)[:min(len(target), int(size))]
	_, errno = t.Proc.AS().CopyOut(buf, b)
	return uint64(len(b)), errno
}

func statfs(t *kernel.Thread, n *kernel.Node, a Args) (uint64, linux.Errno) {
	st, errno := n.Statfs()
	if errno != 0 {
		return 0, errno
	}
	return 0, mm.Write(t.Proc.AS(), a.Addr(1), st)
}

func fstatfs(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	n, errno := t.Proc.FS.Lookup(t, kernel.At{Dir: f}, kernel.LookupEmpty)
	if errno != 0 {
		return 0, errno
	}
	defer n.Close()
	return statfs(t, n, a)
}
