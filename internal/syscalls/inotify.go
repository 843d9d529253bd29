package syscalls

import (
	"golang.org/x/sys/unix"

	"torov/internal/kernel"
	"torov/internal/linux"
)

func init() {
	register(
		Call{Name: "inotify_init", Group: GroupFile, Do: func(t *kernel.Thread, _ Args) (uint64, linux.Errno) { return newInotify(t, 0) }},
		Call{Name: "inotify_init1", Group: GroupFile, Args: args("flags", "hex"), Do: func(t *kernel.Thread, a Args) (uint64, linux.Errno) { return newInotify(t, a.Int(0)) }},
		Call{Name: "inotify_add_watch", Group: GroupFile, Args: args("fd", "fd", "path", "path", "mask", "hex"), Do: fileCall(inotifyAddWatch)},
		Call{Name: "inotify_rm_watch", Group: GroupBase, Args: args("fd", "fd", "wd", "int"), Do: fileCall(inotifyRmWatch)},
	)
}

func newInotify(t *kernel.Thread, flags int32) (uint64, linux.Errno) {
	if flags&^(unix.IN_CLOEXEC|unix.IN_NONBLOCK) != 0 {
		return 0, linux.EINVAL
	}
	fd, err := unix.InotifyInit1(unix.IN_CLOEXEC | unix.IN_NONBLOCK)
	if err != nil {
		return 0, linux.FromHost(err)
	}
	f := kernel.NewFile(fd, "anon_inode:inotify", true, flags&unix.IN_NONBLOCK != 0)
	return giveDescriptor(t, f, flags&unix.IN_CLOEXEC != 0)
}

func inotifyAddWatch(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	mask := a.Uint(2)
	flags := int32(0)
	if mask&unix.IN_DONT_FOLLOW != 0 {
		flags = unix.AT_SYMLINK_NOFOLLOW
	}
	// An empty path is missing to an inotify instance; others are refused first.
	if _, err := unix.InotifyAddWatch(f.Host, "", mask); err != unix.ENOENT {
		return done(err)
	}
	return nodeCall(noArg, 1, noArg, 0, flags, func(_ *kernel.Thread, n *kernel.Node, _ Args) (uint64, linux.Errno) {
		_, host, errno := n.Host()
		if errno != 0 {
			return 0, errno
		}
		// The host's path is a link to the file, and must be followed.
		wd, err := unix.InotifyAddWatch(f.Host, host, mask&^unix.IN_DONT_FOLLOW)
		if err != nil {
			return 0, linux.FromHost(err)
		}
		return uint64(wd), 0
	})(t, a)
}

func inotifyRmWatch(_ *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	_, err := unix.InotifyRmWatch(f.Host, a.Uint(1))
	return done(err)
}
