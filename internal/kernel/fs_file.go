package kernel

import (
	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// Stat is fstat(2).
func (f *File) Stat() (st linux.Stat, errno linux.Errno) {
	if l, ok := f.Ops.(*listing); ok && l.synthetic {
		return l.stat(), 0
	}
	return st, linux.FromHost(unix.Fstat(f.Host, &st))
}

// maxDirRead bounds what one call of getdents64(2) returns, bytes.
const maxDirRead = 256 << 10

// ReadDir reads directory entries as getdents64(2) gives them, at most size
// bytes. undo takes the read back, if the program cannot have the entries.
func (f *File) ReadDir(size int) (entries []byte, undo func(), errno linux.Errno) {
	size = min(size, maxDirRead)
	if l, ok := f.Ops.(*listing); ok {
		before, _ := l.seek(0, unix.SEEK_CUR)
		entries, errno = l.read(size)
		return entries, func() { _, _ = l.seek(before, unix.SEEK_SET) }, errno
	}
	before, _ := unix.Seek(f.Host, 0, unix.SEEK_CUR)
	entries = make([]byte, size)
	n, errno := hostResult(unix.Getdents(f.Host, entries))
	return entries[:n], func() { _, _ = unix.Seek(f.Host, before, unix.SEEK_SET) }, errno
}

// Lseek is lseek(2).
func (f *File) Lseek(offset int64, whence int) (int64, linux.Errno) {
	if l, ok := f.Ops.(*listing); ok {
		return l.seek(offset, whence)
	}
	at, err := unix.Seek(f.Host, offset, whence)
	if err != nil {
		return 0, linux.FromHost(err)
	}
	return at, 0
}

// statusFlags are what F_SETFL may change on the host. O_NONBLOCK is the
// File's own; O_ASYNC would send signals to the VMM.
const statusFlags = unix.O_APPEND | unix.O_DIRECT | unix.O_NOATIME

// Flags are those of F_GETFL.
func (f *File) Flags() (int, linux.Errno) {
	if l, ok := f.Ops.(*listing); ok && l.synthetic {
		return unix.O_RDONLY | unix.O_DIRECTORY, 0
	}
	flags, err := unix.FcntlInt(uintptr(f.Host), unix.F_GETFL, 0)
	if err != nil {
		return 0, linux.FromHost(err)
	}
	flags &^= unix.O_NONBLOCK
	if f.Nonblock() {
		flags |= unix.O_NONBLOCK
	}
	return flags, 0
}

// SetFlags is F_SETFL.
func (f *File) SetFlags(flags int) linux.Errno {
	old, err := unix.FcntlInt(uintptr(f.Host), unix.F_GETFL, 0)
	if err != nil {
		return linux.FromHost(err)
	}
	// Called without a change too: the host refuses it for O_PATH files.
	if _, err := unix.FcntlInt(uintptr(f.Host), unix.F_SETFL, old&^statusFlags|flags&statusFlags); err != nil {
		return linux.FromHost(err)
	}
	f.SetNonblock(flags&unix.O_NONBLOCK != 0)
	return 0
}

// PathOnly reports whether the file was opened with O_PATH.
func (f *File) PathOnly() bool {
	flags, err := unix.FcntlInt(uintptr(f.Host), unix.F_GETFL, 0)
	return err == nil && flags&unix.O_PATH != 0
}
