package syscalls

import (
	"time"

	"golang.org/x/sys/unix"

	"torov/internal/kernel"
	"torov/internal/linux"
)

// waiter repeats a host call that does not block until a program that wants
// to wait need not wait any more.
type waiter struct {
	t      *kernel.Thread
	f      *kernel.File
	what   string
	events int16
	nowait bool // the call itself says that it does not wait

	deadline int64 // 0: not asked for yet
	pause    time.Duration
}

// Not everything can be polled for. A full queue at the other end of a Unix
// socket does not show, so a call that fails although the socket is writable
// is tried again after a while; and so is a look for more data.
const (
	leastBackoff = time.Millisecond
	mostBackoff  = 16 * time.Millisecond
)

func retry(t *kernel.Thread, f *kernel.File, what string, events int16, nowait bool, op func() (int, linux.Errno)) (int, linux.Errno) {
	w := waiter{t: t, f: f, what: what, events: events, nowait: nowait}
	return w.retry(op)
}

// retry calls op until it does not give EAGAIN. After SO_RCVTIMEO or
// SO_SNDTIMEO it gives EAGAIN itself. A call that a signal interrupts is not
// restarted when there is such a time-out: it would start anew (signal(7)).
func (w *waiter) retry(op func() (int, linux.Errno)) (int, linux.Errno) {
	n, errno := op()
	if errno != linux.EAGAIN || w.nowait || w.f.Nonblock() {
		return n, errno
	}
	for {
		wait := kernel.Wait{What: w.what, Fds: []unix.PollFd{{Fd: int32(w.f.Host), Events: w.events}}, Deadline: w.until()}
		errno := w.t.Block(&wait)
		if errno == 0 {
			if n, errno = op(); errno != linux.EAGAIN {
				return n, errno
			}
			errno = 0
			if w.events&unix.POLLOUT != 0 {
				errno = w.backOff()
			} // a reader was slower than another thread: poll waits
		}
		switch {
		case errno == linux.ETIMEDOUT:
			return 0, linux.EAGAIN
		case errno == linux.ERESTARTSYS && w.until() != kernel.Never:
			return 0, linux.EINTR
		case errno != 0:
			return 0, errno
		}
	}
}

// until is when the whole call gives up.
func (w *waiter) until() int64 {
	if w.deadline == 0 {
		w.deadline = w.t.SocketDeadline(w.f, w.events)
	}
	return w.deadline
}

// backOff waits a little for what cannot be polled for.
func (w *waiter) backOff() linux.Errno {
	w.pause = min(max(2*w.pause, leastBackoff), mostBackoff)
	next := w.t.Kernel().Clock().After(int64(w.pause))
	if deadline := w.until(); next >= deadline {
		return w.t.Block(&kernel.Wait{What: w.what, Deadline: deadline})
	}
	return w.t.Sleep(w.what, next)
}
