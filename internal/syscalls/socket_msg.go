package syscalls

import (
	"math"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func init() {
	register(
		Call{Name: "sendto", Group: GroupNet, Args: args("fd", "fd", "buf", "buf", "length", "size", "flags", "hex", "addr", "buf", "addrlen", "size"), Do: sendto},
		Call{Name: "recvfrom", Group: GroupNet,
			Args: args("fd", "fd", "buf", "ptr", "length", "size", "flags", "hex", "addr", "ptr", "addrlen", "ptr"), Do: recvfrom},
		Call{Name: "sendmsg", Group: GroupNet, State: Partial, Note: "a signalfd or netlink socket cannot be sent",
			Args: args("fd", "fd", "msg", "ptr", "flags", "hex"), Do: fileCall(sendmsg)},
		Call{Name: "recvmsg", Group: GroupNet, Args: args("fd", "fd", "msg", "ptr", "flags", "hex"), Do: fileCall(recvmsg)},
		Call{Name: "sendmmsg", Group: GroupNet, Args: args("fd", "fd", "messages", "ptr", "count", "uint", "flags", "hex"), Do: fileCall(sendmmsg)},
		Call{Name: "recvmmsg", Group: GroupNet,
			Args: args("fd", "fd", "messages", "ptr", "count", "uint", "flags", "hex", "timeout", "ptr"), Do: recvmmsg},
	)
}

// Offsets in struct user_msghdr and struct mmsghdr.
const (
	msgNameLenAt    = 8
	msgControlLenAt = 40
	msgFlagsAt      = 48
	mmsgLenAt       = 56
	mmsgSize        = 64
)

// payload is the data of a message in the program's memory.
type payload struct {
	ranges []mm.Range
	size   uint64
}

// oneRange is the payload of sendto and recvfrom (import_ubuf).
func oneRange(at engine.GVA, size uint64) (payload, linux.Errno) {
	size = min(size, mm.MaxTransfer)
	if !userRange(uint64(at), size) {
		return payload{}, linux.EFAULT
	}
	return payload{[]mm.Range{{Addr: at, Len: size}}, size}, 0
}

// userRange is access_ok: the range is where programs have memory, whether
// there is some or not.
func userRange(at, size uint64) bool { return at <= linux.UserTop && size <= linux.UserTop-at }

// readPayload copies in the buffers of a msghdr (__import_iovec).
func readPayload(t *kernel.Thread, m *linux.Msghdr) (p payload, errno linux.Errno) {
	if m.IovLen > linux.UIO_MAXIOV {
		return p, linux.EMSGSIZE
	}
	iov, errno := mm.ReadSlice[linux.Iovec](t.Proc.AS(), engine.GVA(m.Iov), int(m.IovLen))
	if errno != 0 {
		return p, errno
	}
	for _, v := range iov {
		if v.Len > math.MaxInt64 {
			return p, linux.EINVAL
		}
		if !userRange(v.Base, v.Len) {
			return p, linux.EFAULT
		}
		n := min(v.Len, mm.MaxTransfer-p.size)
		p.ranges = append(p.ranges, mm.Range{Addr: engine.GVA(v.Base), Len: n})
		p.size += n
	}
	return p, 0
}

// skip drops the first n bytes.
func (p *payload) skip(n int) {
	p.size -= uint64(n)
	left := uint64(n)
	for len(p.ranges) > 0 && left >= p.ranges[0].Len {
		left -= p.ranges[0].Len
		p.ranges = p.ranges[1:]
	}
	if left > 0 {
		rest := append([]mm.Range(nil), p.ranges...)
		rest[0].Addr += engine.GVA(left)
		rest[0].Len -= left
		p.ranges = rest
	}
}

// gather copies the whole payload, which the caller has bounded.
func (p *payload) gather(t *kernel.Thread) ([]byte, linux.Errno) {
	out := make([]byte, p.size)
	at := out
	for _, r := range p.ranges {
		if _, errno := t.Proc.AS().CopyIn(at[:r.Len], r.Addr); errno != 0 {
			return nil, errno
		}
		at = at[r.Len:]
	}
	return out, 0
}

// readMsghdr copies in and checks a struct user_msghdr (__copy_msghdr).
func readMsghdr(t *kernel.Thread, at engine.GVA) (linux.Msghdr, payload, linux.Errno) {
	m, errno := mm.Read[linux.Msghdr](t.Proc.AS(), at)
	if errno != 0 {
		return m, payload{}, errno
	}
	if m.Name == 0 {
		m.NameLen = 0
	}
	if m.NameLen < 0 {
		return m, payload{}, linux.EINVAL
	}
	m.NameLen = min(m.NameLen, maxSockaddr)
	if m.Control == 0 {
		m.ControlLen = 0
	}
	p, errno := readPayload(t, &m)
	return m, p, errno
}

// socketType is SO_TYPE, 0 for what is no socket.
func socketType(f *kernel.File) int {
	kind, _ := unix.GetsockoptInt(f.Host, unix.SOL_SOCKET, unix.SO_TYPE)
	return kind
}

// notSocket is the error of what is no socket, for calls that may have nothing
// to ask the host.
func notSocket(f *kernel.File) linux.Errno {
	_, err := unix.GetsockoptInt(f.Host, unix.SOL_SOCKET, unix.SO_TYPE)
	return linux.FromHost(err)
}
