package kernel

import (
	"path"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// SocketAt finds a Unix socket in the program's file system and returns a host
// path that leads to it, for connect and sendto, until done is called.
func (fs *FileSystem) SocketAt(t *Thread, name string) (host string, done func(), errno linux.Errno) {
	n, errno := fs.Lookup(t, At{Path: name}, 0)
	if errno != 0 {
		return "", nil, errno
	}
	_, host, errno = n.Host()
	if errno != 0 {
		n.Close()
		return "", nil, linux.ECONNREFUSED // what Linux says of what is no socket
	}
	return host, n.Close, 0
}

// BindSocket gives a Unix socket a path in the program's file system. bind is
// called to do so with a host path that is right only during the call.
//
// The host keeps the name as it was given, and shows it to whoever asks for
// the address of the socket. So it gets the program's own, relative or not, as
// long as the host understands that; in a root directory of its own, or with
// mounts, it gets the last component.
func (fs *FileSystem) BindSocket(t *Thread, name string, bind func(host string) linux.Errno) linux.Errno {
	dir, last, errno := fs.Parent(t, At{Path: name})
	if errno != 0 {
		return errno
	}
	defer dir.Close()
	base := strings.TrimSuffix(last, "/")
	if base == "" || base == "." || base == ".." || fs.ns.mounts[path.Join(dir.Path, base)] != nil {
		return linux.EADDRINUSE
	}
	fd, _, errno := dir.Change()
	if errno != 0 {
		return errno
	}
	cwd := fs.workDir()
	if cwd != nil {
		defer cwd.Release()
	}
	mask := fs.Umask()
	return onOwnThread(func() linux.Errno {
		unix.Umask(int(mask))
		if fs.ns.plain && cwd != nil && unix.Fchdir(cwd.Host) == nil && sameDir(name, fd) {
			return bind(name)
		}
		if err := unix.Fchdir(fd); err != nil {
			return linux.FromHost(err)
		}
		return bind(last)
	})
}

// sameDir reports whether the host finds the directory of a path where the
// program does: not if the way leads through /proc.
func sameDir(name string, fd int) bool {
	dir, _ := splitLast(name)
	if dir == "" {
		dir = "."
	}
	var here, there unix.Stat_t
	return unix.Stat(dir, &here) == nil && unix.Fstat(fd, &there) == nil && here.Dev == there.Dev && here.Ino == there.Ino
}

// onOwnThread calls f on a host thread with a working directory and a umask of
// its own, which ends with the call.
func onOwnThread(f func() linux.Errno) linux.Errno {
	done := make(chan linux.Errno)
	go func() {
		runtime.LockOSThread() // and never unlock: nobody else gets the thread
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			done <- linux.FromHost(err)
			return
		}
		done <- f()
	}()
	return <-done
}
