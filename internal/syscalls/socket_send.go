package syscalls

import (
	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

const (
	// sendChunk bounds how much memory one host call covers: sockets take no
	// more at a time.
	sendChunk = 4 << 20
	// maxDatagram bounds a message that is copied because its memory is in
	// too many pieces. No default send buffer takes as much.
	maxDatagram = 4 << 20
	// sendPiece is what a stream socket copies at a time: if it cannot, it
	// sends none of the piece.
	sendPiece = 32 << 10
)

// sendFlags are for the host alone: it never waits, and never signals torov.
const sendFlags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL

func sendto(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	f, errno := t.Proc.Files.Get(a.Int(0))
	if errno != 0 {
		return 0, errno
	}
	defer f.Release()
	var addr []byte
	if a[4] != 0 {
		if addr, errno = readSockaddr(t, a.Addr(4), a.Int(5)); errno != 0 {
			return 0, errno
		}
	}
	data, errno := oneRange(a.Addr(1), a[2])
	if errno != 0 {
		return 0, errno
	}
	n, errno := send(t, f, addr, data, nil, int(a.Int(3)))
	return uint64(n), errno
}

func sendmsg(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	n, _, errno := sendHeader(t, f, a.Addr(1), int(a.Int(2)))
	return uint64(n), errno
}

// sendmmsg sends one message after the other; an error counts only if none
// went before.
func sendmmsg(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	count := min(a.Uint(2), linux.UIO_MAXIOV)
	if count == 0 {
		return 0, notSocket(f)
	}
	for i := range count {
		at := a.Addr(1) + engine.GVA(i)*mmsgSize
		n, whole, errno := sendHeader(t, f, at, int(a.Int(3)))
		if errno == 0 {
			errno = mm.Write(t.Proc.AS(), at+mmsgLenAt, uint32(n))
		}
		switch {
		case errno != 0 && i > 0:
			return uint64(i), 0
		case errno != 0:
			return 0, errno
		case !whole:
			return uint64(i + 1), 0
		}
	}
	return uint64(count), 0
}

// sendHeader sends the message that a msghdr describes; whole says whether all
// of it went.
func sendHeader(t *kernel.Thread, f *kernel.File, at engine.GVA, flags int) (n int, whole bool, errno linux.Errno) {
	m, data, errno := readMsghdr(t, at)
	if errno != 0 {
		return 0, false, errno
	}
	var addr []byte
	if m.NameLen > 0 {
		if addr, errno = readSockaddr(t, engine.GVA(m.Name), m.NameLen); errno != 0 {
			return 0, false, errno
		}
	}
	if m.ControlLen > maxControlOut {
		return 0, false, linux.ENOBUFS
	}
	control := make([]byte, m.ControlLen)
	if _, errno := t.Proc.AS().CopyIn(control, engine.GVA(m.Control)); errno != 0 {
		return 0, false, errno
	}
	held, errno := controlToHost(t, control)
	defer func() {
		for _, f := range held {
			f.Release()
		}
	}()
	if errno != 0 {
		return 0, false, errno
	}
	n, errno = send(t, f, addr, data, control, flags)
	return n, uint64(n) == data.size, errno
}

// send sends one message. A blocking call on a stream goes on until everything
// is sent.
func send(t *kernel.Thread, f *kernel.File, addr []byte, data payload, control []byte, flags int) (total int, errno linux.Errno) {
	if flags&unix.MSG_FASTOPEN != 0 {
		return 0, linux.EOPNOTSUPP // as if net.ipv4.tcp_fastopen did not allow it
	}
	flags &^= unix.MSG_ZEROCOPY
	errno = withHostAddr(t, f, addr, func(addr []byte) linux.Errno {
		total, errno = sendAll(t, f, message{name: addr, control: control}, data, flags)
		return errno
	})
	if total > 0 {
		return total, 0
	}
	if errno == linux.EPIPE && flags&unix.MSG_NOSIGNAL == 0 && socketType(f) == unix.SOCK_STREAM {
		t.Signal(linux.KillInfo(linux.SIGPIPE, linux.SI_USER, int32(t.Proc.PID), t.Proc.Creds().UID))
	}
	return 0, errno
}

func sendAll(t *kernel.Thread, f *kernel.File, m message, data payload, flags int) (total int, errno linux.Errno) {
	w := waiter{t: t, f: f, what: "send", events: unix.POLLOUT, nowait: flags&unix.MSG_DONTWAIT != 0}
	for {
		n, errno := w.retry(func() (int, linux.Errno) {
			// Prepared at every try: the program's other threads may have
			// changed its memory meanwhile.
			if errno := m.load(t, f, &data); errno != 0 {
				return 0, errno
			}
			return hostSendmsg(f.Host, &m, flags|sendFlags)
		})
		total += n
		if errno != 0 || n == 0 || uint64(n) == data.size || w.nowait || f.Nonblock() {
			return total, errno
		}
		data.skip(n)
		m.control = nil
	}
}

// load points the message at the data. Streams may be sent piece by piece; a
// datagram whose memory the host cannot take as it lies is copied.
func (m *message) load(t *kernel.Thread, f *kernel.File, data *payload) linux.Errno {
	if _, ok := f.Ops.(netlinkOps); !ok {
		b, errno := t.Proc.AS().Buffers(data.ranges, mm.AccessRead, sendChunk)
		if errno != 0 {
			return errno
		}
		m.bufs = b.Bufs
		switch {
		case uint64(b.Size) == data.size:
			return 0
		case socketType(f) != unix.SOCK_STREAM:
		case b.Size < sendPiece && len(b.Bufs) < linux.UIO_MAXIOV:
			return linux.EFAULT
		default:
			return 0
		}
	}
	if data.size > maxDatagram {
		return linux.EMSGSIZE
	}
	copied, errno := data.gather(t)
	if errno != 0 {
		return errno
	}
	m.bufs = [][]byte{copied}
	if _, ok := f.Ops.(netlinkOps); ok {
		return checkNetlink(copied)
	}
	return 0
}
