package kernel

import (
	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// At is a path with the directory it is relative to, as the *at calls take it.
type At struct {
	Dir  *File // nil: the working directory
	Path string
}

// Node is an existing place in the program's file system.
type Node struct {
	Path string // canonical: absolute, without symlinks; of a File without a path its name

	ns    *namespace
	mnt   *mount
	fd    int    // host descriptor, perhaps O_PATH; -1 for synthetic nodes
	owned bool   // Close closes fd
	file  *File  // the program's open file that fd belongs to, with a reference
	synth *synth // a node of the kernel's own, else nil
}

// Close gives the node back.
func (n *Node) Close() {
	if n.owned {
		unix.Close(n.fd)
	}
	if n.file != nil {
		n.file.Release()
	}
	*n = Node{fd: -1}
}

func (n *Node) mode() uint32 {
	if n.synth != nil {
		return n.synth.mode
	}
	return modeOf(n.fd) // also of files: they are the host's, or no directories
}

func (n *Node) isDir() bool { return n.mode()&unix.S_IFMT == unix.S_IFDIR }

// Stat is fstat(2) of the node.
func (n *Node) Stat() (st linux.Stat, errno linux.Errno) {
	switch {
	case n.synth != nil:
		return n.synth.stat(n.ns, n.Path), 0
	case n.file != nil:
		return n.file.Stat()
	}
	return st, linux.FromHost(unix.Fstat(n.fd, &st))
}

// Statx is statx(2) of the node; flags are AT_STATX_* alone.
func (n *Node) Statx(flags int, mask uint32) (linux.Statx, linux.Errno) {
	if n.synth != nil || n.file != nil && n.file.Ops != nil {
		st, errno := n.Stat()
		return statxOf(&st), errno
	}
	return hostStatx(n.fd, flags, mask)
}

func hostStatx(fd, flags int, mask uint32) (sx linux.Statx, errno linux.Errno) {
	return sx, linux.FromHost(unix.Statx(fd, "", flags|unix.AT_EMPTY_PATH, int(mask), &sx))
}

func statxOf(st *linux.Stat) linux.Statx {
	stamp := func(ts unix.Timespec) linux.StatxTimestamp {
		return linux.StatxTimestamp{Sec: ts.Sec, Nsec: uint32(ts.Nsec)}
	}
	return linux.Statx{
		Mask: unix.STATX_BASIC_STATS, Blksize: uint32(st.Blksize), Nlink: uint32(st.Nlink), Uid: st.Uid, Gid: st.Gid, Mode: uint16(st.Mode),
		Ino: st.Ino, Size: uint64(st.Size), Blocks: uint64(st.Blocks), Atime: stamp(st.Atim), Ctime: stamp(st.Ctim), Mtime: stamp(st.Mtim),
		Rdev_major: unix.Major(st.Rdev), Rdev_minor: unix.Minor(st.Rdev), Dev_major: unix.Major(st.Dev), Dev_minor: unix.Minor(st.Dev),
	}
}

// Statfs is statfs(2) of the file system the node is on.
func (n *Node) Statfs() (linux.Statfs, linux.Errno) {
	var st linux.Statfs
	fd := n.fd
	if n.synth != nil {
		fd = n.ns.mounts[procTarget].fd
	}
	if err := unix.Fstatfs(fd, &st); err != nil {
		return st, linux.FromHost(err)
	}
	if n.mnt.readOnly {
		st.Flags |= unix.ST_RDONLY
	}
	return st, 0
}

// Access is faccessat2(2) of the node; flags is 0 or AT_EACCESS.
func (n *Node) Access(mode uint32, flags int) linux.Errno {
	if n.synth != nil {
		return n.synth.access(mode)
	}
	if mode&unix.W_OK != 0 && n.mnt.readOnly && !special(n.mode()) {
		return linux.EROFS
	}
	return linux.FromHost(unix.Faccessat2(n.fd, "", mode, flags|unix.AT_EMPTY_PATH))
}

// special reports whether a mode is that of a device, pipe or socket, to which
// a read-only mount does not matter.
func special(mode uint32) bool {
	switch mode & unix.S_IFMT {
	case unix.S_IFREG, unix.S_IFDIR, unix.S_IFLNK:
		return false
	}
	return true
}

// Readlink is readlink(2) of the node; EINVAL if it is no symlink.
func (n *Node) Readlink() (string, linux.Errno) {
	if n.synth != nil {
		if n.synth.link == nil {
			return "", linux.EINVAL
		}
		return n.synth.link(), 0
	}
	target, err := readlinkAt(n.fd, "")
	if err == unix.ENOENT {
		return "", linux.EINVAL // what the host says of an empty path
	}
	return target, linux.FromHost(err)
}

// Host returns a host descriptor of the node for calls that only look, and a
// host path for those that take no descriptor. Synthetic nodes have neither:
// they refuse with EACCES. Both are valid until Close.
func (n *Node) Host() (fd int, name string, errno linux.Errno) {
	if n.synth != nil {
		return -1, "", linux.EACCES
	}
	return n.fd, fdPath(n.fd), 0
}

// Change is Host for calls that change the node: EROFS if it must not be.
func (n *Node) Change() (fd int, name string, errno linux.Errno) {
	if n.mnt.readOnly || n.synth != nil {
		return -1, "", linux.EROFS
	}
	return n.fd, fdPath(n.fd), 0
}
