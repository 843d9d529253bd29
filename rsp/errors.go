package rsp

import (
	"errors"
	"io/fs"
	"syscall"
)

// ErrUnsupported is returned by a capability for a request that it never
// serves. If possible the client gets the empty reply and does not ask again.
var ErrUnsupported = errors.New("not supported")

// ErrNoProcess is the answer to a question about a process or thread that does
// not exist.
var ErrNoProcess = errors.New("no such process or thread")

// ErrEnd is what a Monitor returns to kill what is being debugged and to end the
// session.
var ErrEnd = errors.New("the session ends")

// errorNumber is the number of an error in the form Exx: the errno in its
// chain, or 1.
func errorNumber(err error) byte {
	if n := errnoOf(err); n > 0 && n <= 0xff {
		return byte(n)
	}
	return 1
}

// errnoOf finds an errno for an error, 0 if it has none.
func errnoOf(err error) syscall.Errno {
	var errno syscall.Errno
	switch {
	case errors.As(err, &errno):
		return errno
	case errors.Is(err, fs.ErrNotExist):
		return syscall.ENOENT
	case errors.Is(err, fs.ErrExist):
		return syscall.EEXIST
	case errors.Is(err, fs.ErrPermission):
		return syscall.EACCES
	case errors.Is(err, fs.ErrInvalid):
		return syscall.EINVAL
	case errors.Is(err, fs.ErrClosed):
		return syscall.EBADF
	}
	return 0
}
