package kernel

import (
	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
	"torov/internal/mm"
)

// chunk bounds how much memory one host call of a long transfer covers. It is
// for files whose next chunk is there at once; what may have to wait for more
// gets all the memory in one call.
const chunk = 16 << 20

// RetryBlocking calls op until it does not return EAGAIN, waiting in between
// until the file is ready for events. A file that the program made
// non-blocking, or a deadline that has passed, gives EAGAIN.
func (t *Thread) RetryBlocking(f *File, what string, events int16, deadline int64, op func() (int, linux.Errno)) (int, linux.Errno) {
	for {
		n, errno := op()
		if errno != linux.EAGAIN || f.Nonblock() {
			return n, errno
		}
		if deadline == Never {
			deadline = t.SocketDeadline(f, events)
		}
		w := Wait{What: what, Fds: []unix.PollFd{{Fd: int32(f.Host), Events: events}}, Deadline: deadline}
		switch errno := t.Block(&w); errno {
		case 0:
		case linux.ETIMEDOUT:
			return 0, linux.EAGAIN
		case linux.ERESTARTSYS:
			if deadline != Never {
				errno = linux.EINTR // socket(7): calls with a timeout are not restarted
			}
			return 0, errno
		default:
			return 0, errno
		}
	}
}

// Read reads from the file's position into the program's memory, as readv(2).
func (t *Thread) Read(f *File, to []mm.Range) (int, linux.Errno) {
	return t.transfer(f, to, mm.AccessWrite, func(b *mm.Buffers) (int, linux.Errno) {
		return t.RetryBlocking(f, "read", unix.POLLIN, Never, func() (int, linux.Errno) {
			n, errno := t.tryRead(f, b)
			b.Filled(n)
			return n, errno
		})
	})
}

// Write writes the program's memory at the file's position, as writev(2). A
// blocking write to a pipe or socket goes on until everything is written.
func (t *Thread) Write(f *File, from []mm.Range) (int, linux.Errno) {
	n, errno := t.transfer(f, from, mm.AccessRead, func(b *mm.Buffers) (int, linux.Errno) {
		total := 0
		for {
			n, errno := t.RetryBlocking(f, "write", unix.POLLOUT, Never, func() (int, linux.Errno) { return t.tryWrite(f, b) })
			total += n
			if errno != 0 && total > 0 {
				return total, 0
			}
			if errno != 0 || n == b.Size || f.Nonblock() || f.seekable || f.Ops != nil {
				return total, errno
			}
			b.Advance(n)
		}
	})
	if errno == linux.EPIPE && f.breaksPipes() {
		t.Signal(linux.KillInfo(linux.SIGPIPE, linux.SI_USER, int32(t.Proc.PID), t.Proc.Creds().UID))
	}
	return n, errno
}

// breaksPipes reports whether a write that nobody will read sends SIGPIPE:
// pipes and stream sockets do, other sockets do not.
func (f *File) breaksPipes() bool {
	kind, err := unix.GetsockoptInt(f.Host, unix.SOL_SOCKET, unix.SO_TYPE)
	return err != nil || kind == unix.SOCK_STREAM
}

// transfer moves a possibly long piece of memory in chunks; it stops at the
// first short one.
func (t *Thread) transfer(f *File, ranges []mm.Range, acc mm.Access, op func(*mm.Buffers) (int, linux.Errno)) (int, linux.Errno) {
	total := 0
	for {
		left := uint64(0)
		for _, r := range ranges {
			left += r.Len
		}
		limit := mm.MaxTransfer - total
		if f.seekable {
			limit = min(limit, chunk)
		}
		b, errno := t.Proc.AS().Buffers(ranges, acc, limit)
		if errno != 0 {
			if total > 0 {
				return total, 0
			}
			return 0, errno
		}
		size := b.Size
		n, errno := op(b)
		if errno != 0 {
			if total > 0 {
				return total, 0
			}
			return 0, errno
		}
		total += n
		if n < size || uint64(n) >= left || size == 0 || total >= mm.MaxTransfer || !f.seekable && acc == mm.AccessWrite {
			return total, 0
		}
		ranges = advance(ranges, uint64(n))
	}
}

func advance(ranges []mm.Range, n uint64) []mm.Range {
	out := append([]mm.Range(nil), ranges...)
	for len(out) > 0 && n >= out[0].Len {
		n -= out[0].Len
		out = out[1:]
	}
	if len(out) > 0 {
		out[0].Addr += engine.GVA(n)
		out[0].Len -= n
	}
	return out
}

// tryRead reads without blocking.
func (t *Thread) tryRead(f *File, b *mm.Buffers) (int, linux.Errno) {
	switch {
	case f.Ops != nil:
		return f.Ops.Read(t, b)
	case f.seekable || f.Private():
		return hostResult(unix.Readv(f.Host, b.Bufs))
	case !f.noNowait.Load():
		n, err := unix.Preadv2(f.Host, b.Bufs, -1, unix.RWF_NOWAIT)
		if err != unix.EOPNOTSUPP && err != unix.ENOSYS && err != unix.EINVAL {
			return hostResult(n, err)
		}
		f.noNowait.Store(true)
	}
	if !Ready(f.Host, unix.POLLIN) {
		return 0, linux.EAGAIN
	}
	return hostResult(unix.Readv(f.Host, b.Bufs))
}

// tryWrite writes without blocking, as far as the host lets it be known.
func (t *Thread) tryWrite(f *File, b *mm.Buffers) (int, linux.Errno) {
	switch {
	case f.Ops != nil:
		return f.Ops.Write(t, b)
	case f.seekable || f.Private():
		return hostResult(unix.Writev(f.Host, b.Bufs))
	case !f.noNowait.Load():
		n, err := unix.Pwritev2(f.Host, b.Bufs, -1, unix.RWF_NOWAIT)
		if err != unix.EOPNOTSUPP && err != unix.ENOSYS && err != unix.EINVAL {
			return hostResult(n, err)
		}
		f.noNowait.Store(true)
	}
	if !Ready(f.Host, unix.POLLOUT) {
		return 0, linux.EAGAIN
	}
	// What poll calls ready takes at least PIPE_BUF bytes.
	bufs := b.Bufs
	if b.Size > linux.PIPE_BUF && len(bufs) > 0 {
		bufs = [][]byte{bufs[0][:min(len(bufs[0]), linux.PIPE_BUF)]}
	}
	return hostResult(unix.Writev(f.Host, bufs))
}

func hostResult(n int, err error) (int, linux.Errno) {
	if err != nil {
		return 0, linux.FromHost(err)
	}
	return n, 0
}
