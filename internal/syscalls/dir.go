package syscalls

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
)

func init() {
	register(
		Call{Name: "getdents64", Group: GroupBase, Args: args("fd", "fd", "entries", "ptr", "count", "size"), Do: fileCall(getdents64)},
		Call{Name: "getdents", Group: GroupBase, Args: args("fd", "fd", "entries", "ptr", "count", "size"), Do: fileCall(getdents)},
		Call{Name: "getcwd", Group: GroupBase, Args: args("buf", "ptr", "size", "size"), Do: getcwd},
		Call{Name: "chdir", Group: GroupFile, Args: args("path", "path"), Do: pathCall(noArg, 0, noArg, chdir)},
		Call{Name: "fchdir", Group: GroupFile, Args: args("fd", "fd"), Do: fileCall(fchdir)},
		Call{Name: "chroot", Group: GroupFile, State: Partial, Note: "the root does not change: EPERM", Args: args("path", "path"),
			Do: nodeCall(noArg, 0, noArg, 0, 0, func(*kernel.Thread, *kernel.Node, Args) (uint64, linux.Errno) { return 0, linux.EPERM })},
		Call{Name: "mkdir", Group: GroupFile, Args: args("path", "path", "mode", "mode"), Do: mkdir(noArg, 0, 1)},
		Call{Name: "mkdirat", Group: GroupFile, Args: args("dirfd", "dirfd", "path", "path", "mode", "mode"), Do: mkdir(0, 1, 2)},
		Call{Name: "mknod", Group: GroupFile, Args: args("path", "path", "mode", "mode", "dev", "hex"), Do: mknod(noArg, 0)},
		Call{Name: "mknodat", Group: GroupFile, Args: args("dirfd", "dirfd", "path", "path", "mode", "mode", "dev", "hex"), Do: mknod(0, 1)},
		Call{Name: "rmdir", Group: GroupFile, Args: args("path", "path"), Do: pathCall(noArg, 0, noArg, rmdir)},
		Call{Name: "unlink", Group: GroupFile, Args: args("path", "path"), Do: pathCall(noArg, 0, noArg, unlink)},
		Call{Name: "unlinkat", Group: GroupFile, Args: args("dirfd", "dirfd", "path", "path", "flags", "hex"), Do: unlinkat},
		Call{Name: "rename", Group: GroupFile, Args: args("old", "path", "new", "path"), Do: rename},
		Call{Name: "renameat", Group: GroupFile, Args: args("olddirfd", "dirfd", "old", "path", "newdirfd", "dirfd", "new", "path"), Do: renameat},
		Call{Name: "renameat2", Group: GroupFile, Args: args("olddirfd", "dirfd", "old", "path", "newdirfd", "dirfd", "new", "path", "flags", "hex"), Do: renameat2},
		Call{Name: "link", Group: GroupFile, Args: args("old", "path", "new", "path"), Do: link},
		Call{Name: "linkat", Group: GroupFile, Args: args("olddirfd", "dirfd", "old", "path", "newdirfd", "dirfd", "new", "path", "flags", "hex"), Do: linkat},
		Call{Name: "symlink", Group: GroupFile, Args: args("target", "path", "path", "path"), Do: symlink(noArg, 1)},
		Call{Name: "symlinkat", Group: GroupFile, Args: args("target", "path", "dirfd", "dirfd", "path", "path"), Do: symlink(1, 2)},
	)
}

func getdents64(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	return readDir(t, f, a, func([]byte) {})
}

// getdents gives the older form of entries, which are of the same size: the
// type has moved behind the name.
func getdents(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	return readDir(t, f, a, func(b []byte) {
		const lenAt, typeAt, name64, name = 16, 18, 19, 18
		for len(b) > 0 {
			size := int(binary.LittleEndian.Uint16(b[lenAt:]))
			typ := b[typeAt]
			copy(b[name:size-1], b[name64:size])
			b[size-1] = typ
			b = b[size:]
		}
	})
}

func readDir(t *kernel.Thread, f *kernel.File, a Args, convert func(entries []byte)) (uint64, linux.Errno) {
	const enough = 1 << 30 // the kernel's counts are 32 bits wide
	entries, undo, errno := f.ReadDir(int(min(a.Uint(2), enough)))
	if errno != 0 {
		return 0, errno
	}
	convert(entries)
	if _, errno := t.Proc.AS().CopyOut(a.Addr(1), entries); errno != 0 {
		undo()
		return 0, errno
	}
	return uint64(len(entries)), 0
}

func getcwd(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	cwd, errno := t.Proc.FS.Getcwd()
	if errno != 0 {
		return 0, errno
	}
	b := append([]byte(cwd), 0)
	switch {
	case len(b) > unix.PathMax:
		return 0, linux.ENAMETOOLONG
	case uint64(len(b)) > a[1]:
		return 0, linux.ERANGE
	}
	_, errno = t.Proc.AS().CopyOut(a.Addr(0), b)
	return uint64(len(b)), errno
}

func chdir(t *kernel.Thread, at kernel.At, _ Args) (uint64, linux.Errno) {
	return 0, t.Proc.FS.Chdir(t, at)
}

func fchdir(t *kernel.Thread, f *kernel.File, _ Args) (uint64, linux.Errno) {
	return 0, t.Proc.FS.Chdir(t, kernel.At{Dir: f})
}

func mkdir(dir, path, mode int) Handler {
	return pathCall(dir, path, noArg, func(t *kernel.Thread, at kernel.At, a Args) (uint64, linux.Errno) {
		return 0, t.Proc.FS.Mkdir(t, at, a.Uint(mode))
	})
}

func mknod(dir, path int) Handler {
	return pathCall(dir, path, noArg, func(t *kernel.Thread, at kernel.At, a Args) (uint64, linux.Errno) {
		return 0, t.Proc.FS.Mknod(t, at, uint32(uint16(a[path+1])), a.Uint(path+2)) // umode_t has 16 bits
	})
}

func rmdir(t *kernel.Thread, at kernel.At, _ Args) (uint64, linux.Errno) {
	return 0, t.Proc.FS.Unlink(t, at, unix.AT_REMOVEDIR)
}

func unlink(t *kernel.Thread, at kernel.At, _ Args) (uint64, linux.Errno) {
	return 0, t.Proc.FS.Unlink(t, at, 0)
}

func unlinkat(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	flags := a.Int(2)
	if flags&^unix.AT_REMOVEDIR != 0 {
		return 0, linux.EINVAL
	}
	return pathCall(0, 1, noArg, func(t *kernel.Thread, at kernel.At, _ Args) (uint64, linux.Errno) {
		return 0, t.Proc.FS.Unlink(t, at, int(flags))
	})(t, a)
}

// twoPaths reads the paths of a call that takes an old and a new one; flags
// are for the old one.
func twoPaths(t *kernel.Thread, oldDir int32, old engine.GVA, newDir int32, to engine.GVA, flags int32,
	do func(from, to kernel.At) linux.Errno) (uint64, linux.Errno) {
	x, errno := readAt(t, oldDir, old, flags)
	if errno != 0 {
		return 0, errno
	}
	defer doneAt(x)
	y, errno := readAt(t, newDir, to, 0)
	if errno != 0 {
		return 0, errno
	}
	defer doneAt(y)
	return 0, do(x, y)
}

func rename(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return renameBetween(t, unix.AT_FDCWD, a.Addr(0), unix.AT_FDCWD, a.Addr(1), 0)
}

func renameat(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return renameBetween(t, a.Int(0), a.Addr(1), a.Int(2), a.Addr(3), 0)
}

func renameat2(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	const known = unix.RENAME_NOREPLACE | unix.RENAME_EXCHANGE | unix.RENAME_WHITEOUT
	flags := a.Uint(4)
	if flags&^known != 0 || flags&unix.RENAME_EXCHANGE != 0 && flags != unix.RENAME_EXCHANGE {
		return 0, linux.EINVAL
	}
	return renameBetween(t, a.Int(0), a.Addr(1), a.Int(2), a.Addr(3), flags)
}

func renameBetween(t *kernel.Thread, oldDir int32, old engine.GVA, newDir int32, to engine.GVA, flags uint32) (uint64, linux.Errno) {
	return twoPaths(t, oldDir, old, newDir, to, 0, func(from, to kernel.At) linux.Errno {
		return t.Proc.FS.Rename(t, from, to, uint(flags))
	})
}

func link(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return linkBetween(t, unix.AT_FDCWD, a.Addr(0), unix.AT_FDCWD, a.Addr(1), 0)
}

func linkat(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a.Int(4)&^(unix.AT_SYMLINK_FOLLOW|unix.AT_EMPTY_PATH) != 0 {
		return 0, linux.EINVAL
	}
	return linkBetween(t, a.Int(0), a.Addr(1), a.Int(2), a.Addr(3), a.Int(4))
}

func linkBetween(t *kernel.Thread, oldDir int32, old engine.GVA, newDir int32, to engine.GVA, flags int32) (uint64, linux.Errno) {
	return twoPaths(t, oldDir, old, newDir, to, flags, func(from, to kernel.At) linux.Errno {
		how := lookupFlags(flags &^ unix.AT_SYMLINK_NOFOLLOW)
		if flags&unix.AT_SYMLINK_FOLLOW == 0 {
			how |= kernel.LookupNoFollow
		}
		return t.Proc.FS.Link(t, from, how, to)
	})
}

func symlink(dir, path int) Handler {
	return func(t *kernel.Thread, a Args) (uint64, linux.Errno) {
		target, errno := readPath(t, a.Addr(0))
		if errno != 0 {
			return 0, errno
		}
		return pathCall(dir, path, noArg, func(t *kernel.Thread, at kernel.At, _ Args) (uint64, linux.Errno) {
			return 0, t.Proc.FS.Symlink(t, target, at)
		})(t, a)
	}
}
