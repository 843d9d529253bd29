package syscalls

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

// recvFlags are for the host alone: it never waits, and its descriptors are
// never inherited.
const recvFlags = unix.MSG_DONTWAIT | unix.MSG_CMSG_CLOEXEC

// recvChunk bounds how much memory one host call covers: the program's memory
// is there before it is known how much will come. No datagram is as large.
const recvChunk = 1 << 20

func recvfrom(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	f, errno := t.Proc.Files.Get(a.Int(0))
	if errno != 0 {
		return 0, errno
	}
	defer f.Release()
	data, errno := oneRange(a.Addr(1), a[2])
	if errno != 0 {
		return 0, errno
	}
	m := message{}
	if a[4] != 0 {
		m.name = make([]byte, maxSockaddr)
	}
	n, errno := receive(t, f, &m, data, int(a.Int(3)))
	if errno == 0 && a[4] != 0 {
		errno = writeSockaddr(t, a.Addr(4), a.Addr(5), m.name)
	}
	return uint64(n), errno
}

func recvmsg(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	n, _, errno := receiveHeader(t, f, a.Addr(1), int(a.Int(2)))
	return uint64(n), errno
}

// recvmmsg receives one message after the other. As on Linux the time-out is
// looked at only after each message; an error counts only if none came before.
func recvmmsg(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	deadline := int64(kernel.Never)
	if a[4] != 0 {
		ns, errno := readTimeout(t, a.Addr(4))
		if errno != 0 {
			return 0, errno
		}
		deadline = t.Kernel().Clock().After(ns)
	}
	f, errno := t.Proc.Files.Get(a.Int(0))
	if errno != 0 {
		return 0, errno
	}
	defer f.Release()
	if a.Uint(2) == 0 {
		return 0, notSocket(f)
	}
	n, errno := receiveMany(t, f, a.Addr(1), min(a.Uint(2), linux.UIO_MAXIOV), int(a.Int(3)), deadline)
	if errno == 0 && a[4] != 0 && n > 0 {
		left := max(deadline-t.Kernel().Clock().Monotonic(), 0)
		errno = mm.Write(t.Proc.AS(), a.Addr(4), unix.NsecToTimespec(left))
	}
	return uint64(n), errno
}

func receiveMany(t *kernel.Thread, f *kernel.File, at engine.GVA, count uint32, flags int, deadline int64) (int, linux.Errno) {
	for i := range int(count) {
		n, got, errno := receiveHeader(t, f, at, flags&^unix.MSG_WAITFORONE)
		if errno == 0 {
			errno = mm.Write(t.Proc.AS(), at+mmsgLenAt, uint32(n))
		}
		switch {
		case errno != 0 && i > 0:
			return i, 0
		case errno != 0:
			return 0, errno
		case got&unix.MSG_OOB != 0, deadline != kernel.Never && t.Kernel().Clock().Monotonic() >= deadline:
			return i + 1, 0
		}
		if flags&unix.MSG_WAITFORONE != 0 {
			flags |= unix.MSG_DONTWAIT
		}
		at += mmsgSize
	}
	return int(count), 0
}

// receiveHeader receives one message into what a msghdr describes and writes
// back its lengths and flags (____sys_recvmsg).
func receiveHeader(t *kernel.Thread, f *kernel.File, at engine.GVA, flags int) (n, got int, errno linux.Errno) {
	h, data, errno := readMsghdr(t, at)
	if errno != 0 {
		return 0, 0, errno
	}
	m := message{control: make([]byte, min(h.ControlLen, maxControlIn))}
	if h.Name != 0 {
		m.name = make([]byte, maxSockaddr)
	}
	if n, errno = receive(t, f, &m, data, flags); errno != 0 {
		return 0, 0, errno
	}
	control, fds, all := controlFromHost(t, m.control, flags&unix.MSG_CMSG_CLOEXEC != 0)
	if !all {
		m.flags |= unix.MSG_CTRUNC
	}
	if _, errno := t.Proc.AS().CopyOut(engine.GVA(h.Control), control); errno != 0 {
		for _, fd := range fds {
			t.Proc.Files.Close(fd) // nobody would know them
		}
		return 0, 0, errno
	}
	if h.Name != 0 {
		if errno := writeSockaddr(t, engine.GVA(h.Name), at+msgNameLenAt, m.name); errno != 0 {
			return 0, 0, errno
		}
	}
	got = m.flags&^unix.MSG_CMSG_CLOEXEC | flags&unix.MSG_CMSG_CLOEXEC
	if errno := mm.Write(t.Proc.AS(), at+msgFlagsAt, uint32(got)); errno != 0 {
		return 0, 0, errno
	}
	return n, got, mm.Write(t.Proc.AS(), at+msgControlLenAt, uint64(len(control)))
}

// receive receives one message; MSG_WAITALL on a stream goes on until all the
// buffers are full, or control data came.
func receive(t *kernel.Thread, f *kernel.File, m *message, data payload, flags int) (total int, errno linux.Errno) {
	w := waiter{t: t, f: f, what: "recv", events: unix.POLLIN,
		nowait: flags&(unix.MSG_DONTWAIT|unix.MSG_ERRQUEUE|unix.MSG_OOB) != 0}
	room, peek := *m, flags&unix.MSG_PEEK != 0
	for {
		// Asked before looking: what came before the end is seen.
		ended := peek && flags&unix.MSG_WAITALL != 0 && kernel.Ready(f.Host, unix.POLLRDHUP)
		n, errno := w.retry(func() (int, linux.Errno) {
			b, errno := t.Proc.AS().Buffers(data.ranges, mm.AccessWrite, recvChunk)
			if errno != 0 {
				return 0, errno
			}
			m.name, m.control, m.bufs = room.name, room.control, b.Bufs
			n, errno := hostRecvmsg(f.Host, m, flags|recvFlags)
			b.Filled(n)
			return n, errno
		})
		if errno != 0 {
			if total > 0 {
				errno = 0
			}
			return total, errno
		}
		if peek {
			total = 0
		}
		total += n
		if flags&unix.MSG_WAITALL == 0 || ended || w.nowait || f.Nonblock() ||
			n == 0 || uint64(n) >= data.size || len(m.control) > 0 || socketType(f) != unix.SOCK_STREAM {
			return total, 0
		}
		if !peek {
			data.skip(n)
		} else if isUnix(f) || w.backOff() != 0 {
			return total, 0 // Unix sockets do not wait (unix_stream_read_generic)
		}
	}
}

// netlinkOps is a netlink socket that only asks: what a program writes to it
// is looked at first, by whichever call it comes.
type netlinkOps struct{ host int }

func (o netlinkOps) Read(_ *kernel.Thread, b *mm.Buffers) (int, linux.Errno) {
	n, err := unix.Readv(o.host, b.Bufs)
	return max(n, 0), linux.FromHost(err)
}

func (o netlinkOps) Write(_ *kernel.Thread, b *mm.Buffers) (int, linux.Errno) {
	request := make([]byte, min(b.Size, maxDatagram))
	n, errno := b.CopyIn(request)
	if errno != 0 {
		return 0, errno
	}
	if errno := checkNetlink(request[:n]); errno != 0 {
		return 0, errno
	}
	n, err := unix.Write(o.host, request[:n])
	return max(n, 0), linux.FromHost(err)
}

func (o netlinkOps) Close() {}

// checkNetlink allows only requests to read. The two low bits of a type of
// rtnetlink(7) say what is to be done: make, delete, get or set.
func checkNetlink(request []byte) linux.Errno {
	const get = 2
	for len(request) >= unix.SizeofNlMsghdr {
		size, kind := binary.NativeEndian.Uint32(request), binary.NativeEndian.Uint16(request[4:])
		if size < unix.SizeofNlMsghdr || uint64(size) > uint64(len(request)) {
			return 0 // the host stops here too (netlink_rcv_skb)
		}
		if kind >= unix.NLMSG_MIN_TYPE && kind&3 != get {
			return linux.EPERM
		}
		request = request[min(len(request), int(size+3)&^3):]
	}
	return 0
}
