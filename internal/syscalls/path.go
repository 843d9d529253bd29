package syscalls

import (
	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
)

// readPath copies in a path (getname in fs/namei.c).
func readPath(t *kernel.Thread, at engine.GVA) (string, linux.Errno) {
	return t.Proc.AS().CopyInString(at, unix.PathMax)
}

// readAt reads the directory and the path of an *at call. The caller releases
// the result with doneAt. flags may hold AT_EMPTY_PATH.
func readAt(t *kernel.Thread, dirfd int32, path engine.GVA, flags int32) (kernel.At, linux.Errno) {
	name, errno := readPath(t, path)
	if errno != 0 {
		return kernel.At{}, errno
	}
	if name == "" && flags&unix.AT_EMPTY_PATH == 0 {
		return kernel.At{}, linux.ENOENT
	}
	at := kernel.At{Path: name}
	if dirfd == unix.AT_FDCWD || name != "" && name[0] == '/' {
		return at, 0
	}
	at.Dir, errno = t.Proc.Files.Get(dirfd)
	return at, errno
}

func doneAt(at kernel.At) {
	if at.Dir != nil {
		at.Dir.Release()
	}
}

// noArg stands for the index of an argument that a call does not have.
const noArg = -1

// pathCall makes a handler of a call that takes one path: the arguments at
// these indexes are the directory, the path and the flags.
func pathCall(dir, path, flags int, do func(t *kernel.Thread, at kernel.At, a Args) (uint64, linux.Errno)) Handler {
	return func(t *kernel.Thread, a Args) (uint64, linux.Errno) {
		dirfd, flagBits := int32(unix.AT_FDCWD), int32(0)
		if dir != noArg {
			dirfd = a.Int(dir)
		}
		if flags != noArg {
			flagBits = a.Int(flags)
		}
		at, errno := readAt(t, dirfd, a.Addr(path), flagBits)
		if errno != 0 {
			return 0, errno
		}
		defer doneAt(at)
		return do(t, at, a)
	}
}

// nodeCall is pathCall for a path that has to exist: do gets what it leads to.
// known are the flags the call may have, always are flags it has by itself.
func nodeCall(dir, path, flags int, known, always int32, do func(t *kernel.Thread, n *kernel.Node, a Args) (uint64, linux.Errno)) Handler {
	inner := pathCall(dir, path, flags, func(t *kernel.Thread, at kernel.At, a Args) (uint64, linux.Errno) {
		bits := always
		if flags != noArg {
			bits |= a.Int(flags)
		}
		n, errno := t.Proc.FS.Lookup(t, at, lookupFlags(bits))
		if errno != 0 {
			return 0, errno
		}
		defer n.Close()
		return do(t, n, a)
	})
	return func(t *kernel.Thread, a Args) (uint64, linux.Errno) {
		if flags != noArg && a.Int(flags)&^known != 0 {
			return 0, linux.EINVAL
		}
		return inner(t, a)
	}
}

// lookupFlags translates AT_* flags.
func lookupFlags(flags int32) (out int) {
	if flags&unix.AT_SYMLINK_NOFOLLOW != 0 {
		out |= kernel.LookupNoFollow
	}
	if flags&unix.AT_EMPTY_PATH != 0 {
		out |= kernel.LookupEmpty
	}
	return out
}

// fileCall makes a handler of a call whose first argument is a descriptor.
func fileCall(do func(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno)) Handler {
	return func(t *kernel.Thread, a Args) (uint64, linux.Errno) {
		f, errno := t.Proc.Files.Get(a.Int(0))
		if errno != 0 {
			return 0, errno
		}
		defer f.Release()
		return do(t, f, a)
	}
}

// done is the result of a host call that returns nothing.
func done(err error) (uint64, linux.Errno) { return 0, linux.FromHost(err) }
