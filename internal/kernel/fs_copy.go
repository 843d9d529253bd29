package kernel

import (
	"golang.org/x/sys/unix"

	"torov/internal/linux"
	"torov/internal/mm"
)

// BrokenPipe sends SIGPIPE if errno is EPIPE, and returns it.
func (t *Thread) BrokenPipe(errno linux.Errno) linux.Errno {
	if errno == linux.EPIPE {
		t.Signal(linux.KillInfo(linux.SIGPIPE, linux.SI_USER, int32(t.Proc.PID), t.Proc.Creds().UID))
	}
	return errno
}

// SendFile copies count bytes from one file to another, as sendfile(2); offset
// is where to read and is moved, nil is the file's position.
func (t *Thread) SendFile(out, in *File, offset *int64, count uint64) (int, linux.Errno) {
	left := int(min(count, mm.MaxTransfer))
	copyPiece := t.sendHost
	if out.Ops != nil || in.Ops != nil || int64(count) < 0 {
		return 0, linux.EINVAL
	}
	if !out.Private() && !out.seekable {
		// The host would wait for whoever reads, in a call nobody can end.
		copyPiece = t.sendBounced
	}
	total := 0
	for {
		n, errno := copyPiece(out, in, offset, min(left-total, chunk))
		total += n
		if errno != 0 && total == 0 {
			return 0, errno
		}
		if errno != 0 || n == 0 || total == left || out.Nonblock() {
			return total, 0
		}
	}
}

func (t *Thread) sendHost(out, in *File, offset *int64, n int) (int, linux.Errno) {
	return t.RetryBlocking(out, "sendfile", unix.POLLOUT, Never, func() (int, linux.Errno) {
		if !in.Private() && !in.seekable && !Ready(in.Host, unix.POLLIN) {
			return 0, linux.EAGAIN
		}
		return hostResult(unix.Sendfile(out.Host, in.Host, offset, n))
	})
}

// bounce is how much sendBounced copies at once, bytes.
const bounce = 64 << 10

// sendBounced copies by way of the VMM's memory. Like sendfile(2) it reads
// only what has positions.
func (t *Thread) sendBounced(out, in *File, offset *int64, n int) (int, linux.Errno) {
	at, err := unix.Seek(in.Host, 0, unix.SEEK_CUR)
	if err != nil {
		return 0, linux.EINVAL
	}
	if offset != nil {
		at = *offset
	}
	buf := make([]byte, min(n, bounce))
	got, errno := hostResult(unix.Pread(in.Host, buf, at))
	if errno == linux.EISDIR {
		errno = linux.EINVAL
	}
	if errno != 0 || got == 0 {
		return 0, errno
	}
	sent, errno := t.WriteBytes(out, buf[:got])
	if offset != nil {
		*offset += int64(sent)
	} else if _, err := unix.Seek(in.Host, at+int64(sent), unix.SEEK_SET); err != nil {
		return sent, linux.FromHost(err)
	}
	if sent > 0 {
		errno = 0
	}
	return sent, errno
}
