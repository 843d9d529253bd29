package kernel

import (
	"strconv"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// resolveDirect lets the host resolve a path by itself: below the directory,
// without symlinks, on one host file system. What needs more is walked here.
const resolveDirect = unix.RESOLVE_BENEATH | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_XDEV

// hostOpen is openat2(2) on the host; the descriptor is always close-on-exec.
func hostOpen(dir int, name string, flags, mode, resolve uint64) (int, linux.Errno) {
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Mode: mode, Resolve: resolve}
	for {
		fd, err := unix.Openat2(dir, name, &how)
		if err == nil {
			return fd, 0
		}
		if err != unix.EINTR { // the VMM's own signals, on network file systems
			return -1, linux.FromHost(err)
		}
	}
}

// openDirect is hostOpen with resolveDirect, or across host file systems if
// that does not lead into a procfs. ELOOP, EXDEV and EAGAIN mean that the path
// has to be walked.
func openDirect(dir int, name string, flags, mode uint64) (int, linux.Errno) {
	fd, errno := hostOpen(dir, name, flags, mode, resolveDirect)
	if errno != linux.EXDEV {
		return fd, errno
	}
	fd, errno = hostOpen(dir, name, flags, mode, resolveDirect&^unix.RESOLVE_NO_XDEV)
	if errno == 0 && onProc(fd) {
		unix.Close(fd)
		return -1, linux.EXDEV
	}
	return fd, errno
}

// reopen opens what a descriptor of the VMM refers to anew.
func (ns *namespace) reopen(fd int, flags uint64, mode uint32) (int, linux.Errno) {
	for {
		n, err := unix.Openat(ns.fds, strconv.Itoa(fd), int(flags)|unix.O_CLOEXEC, mode)
		if err == nil {
			return n, 0
		}
		if err != unix.EINTR {
			return -1, linux.FromHost(err)
		}
	}
}

// hostPath returns the host's name of a descriptor of the VMM.
func (ns *namespace) hostPath(fd int) (string, error) {
	return readlinkAt(ns.fds, strconv.Itoa(fd))
}

func readlinkAt(dir int, name string) (string, error) {
	buf := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(dir, name, buf)
	if err != nil {
		return "", err
	}
	return string(buf[:n]), nil
}

// readSymlink returns where a symlink in a host directory leads to, if it may
// be followed: in a sticky directory that everybody may write, only those of
// one's own and of the directory's owner (fs.protected_symlinks in proc(5)),
// which the host does not see here.
func (ns *namespace) readSymlink(dir int, name string) (string, linux.Errno) {
	var st, link unix.Stat_t
	const open = unix.S_ISVTX | unix.S_IWOTH
	if ns.sticky && unix.Fstat(dir, &st) == nil && st.Mode&open == open {
		if err := unix.Fstatat(dir, name, &link, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return "", linux.FromHost(err)
		}
		if link.Uid != uint32(unix.Geteuid()) && link.Uid != st.Uid {
			return "", linux.EACCES
		}
	}
	target, err := readlinkAt(dir, name)
	if err == nil && target == "" {
		return "", linux.ENOENT
	}
	return target, linux.FromHost(err)
}

// fdPath names a descriptor of the VMM for host calls that take no descriptor.
func fdPath(fd int) string { return "/proc/self/fd/" + strconv.Itoa(fd) }

func onProc(fd int) bool {
	var st unix.Statfs_t
	return unix.Fstatfs(fd, &st) == nil && st.Type == unix.PROC_SUPER_MAGIC
}

func modeOf(fd int) uint32 {
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil {
		return 0
	}
	return st.Mode
}

func isDir(fd int) bool { return modeOf(fd)&unix.S_IFMT == unix.S_IFDIR }

// isProcRoot reports whether fd is the root directory of some procfs.
func isProcRoot(fd int) bool {
	const procRootIno = 1 // PROC_ROOT_INO in linux/proc_fs.h
	var st unix.Stat_t
	return unix.Fstat(fd, &st) == nil && st.Ino == procRootIno
}

// confined reports whether a directory, reached by "..", is still inside the
// mount: somebody outside may have moved it.
func (ns *namespace) confined(fd int, m *mount) bool {
	if m.host {
		return true
	}
	source, err := ns.hostPath(m.fd)
	if err != nil {
		return false
	}
	p, err := ns.hostPath(fd)
	if err != nil {
		return false
	}
	_, ok := below(p, source)
	return ok
}
