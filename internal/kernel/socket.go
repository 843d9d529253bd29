package kernel

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Room reports whether there is a free descriptor below limit, for calls that
// must not take anything from the host before they know (accept(2)).
func (ft *FileTable) Room(limit uint64) bool {
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	fd := ft.first
	for fd < len(ft.slots) && ft.slots[fd].file != nil {
		fd++
	}
	return uint64(fd) < limit
}

// Span returns a number that all open descriptors are below.
func (ft *FileTable) Span() int {
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	return len(ft.slots)
}

// Private reports whether nobody else has the description, so that its host
// side never blocks.
func (f *File) Private() bool { return f.private.Load() }

// Share prepares a description to be seen by others, who expect O_NONBLOCK to
// be what the program set. From then on host calls on it may block, and it is
// polled first. Files that never wait stay as they are.
func (f *File) Share() {
	if !f.Private() || f.seekable {
		return
	}
	f.private.Store(false)
	// Fails for descriptions that have no flags, and they never block.
	_ = unix.SetNonblock(f.Host, f.Nonblock())
}

// ReceivedFile wraps a host descriptor that came from somebody else, as in a
// message on a Unix socket, and takes it over.
func ReceivedFile(host int) *File {
	path, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(host))
	if err != nil {
		path = "received"
	}
	flags, _ := unix.FcntlInt(uintptr(host), unix.F_GETFL, 0) // cannot fail on an open descriptor
	return NewFile(host, path, false, flags&unix.O_NONBLOCK != 0)
}

// SocketDeadline is when an operation on a socket that starts now gives up:
// its SO_RCVTIMEO or SO_SNDTIMEO. It is Never without one, and for files that
// are no sockets.
func (t *Thread) SocketDeadline(f *File, events int16) int64 {
	option := unix.SO_RCVTIMEO
	if events&unix.POLLOUT != 0 {
		option = unix.SO_SNDTIMEO
	}
	tv, err := unix.GetsockoptTimeval(f.Host, unix.SOL_SOCKET, option)
	if err != nil || tv.Nano() == 0 {
		return Never
	}
	return t.Kernel().clock.After(tv.Nano())
}
