package syscalls

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// The socket calls of the unix package decode addresses, and lose what they do
// not know. These pass the bytes.

// message is a message of sendmsg(2) and recvmsg(2) in host memory. recvmsg
// cuts name and control to what came, and sets flags.
type message struct {
	name    []byte
	bufs    [][]byte
	control []byte
	flags   int
}

// header builds the host's msghdr; the pointers in it keep the buffers alive.
func (m *message) header() *unix.Msghdr {
	h := &unix.Msghdr{Name: unsafe.SliceData(m.name), Namelen: uint32(len(m.name)), Control: unsafe.SliceData(m.control)}
	h.SetControllen(len(m.control))
	iov := make([]unix.Iovec, len(m.bufs))
	for i, b := range m.bufs {
		// SAFETY: no more than the slice's own length is handed out.
		iov[i].Base = unsafe.SliceData(b)
		iov[i].SetLen(len(b))
	}
	if len(iov) > 0 {
		h.Iov = &iov[0]
		h.SetIovlen(len(iov))
	}
	return h
}

func hostSendmsg(fd int, m *message, flags int) (int, linux.Errno) {
	// SAFETY: the header is live and converted in the call.
	n, _, e := unix.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(m.header())), uintptr(flags))
	return hostResult(n, e)
}

func hostRecvmsg(fd int, m *message, flags int) (int, linux.Errno) {
	h := m.header()
	// SAFETY: the header is live and converted in the call.
	n, _, e := unix.Syscall(unix.SYS_RECVMSG, uintptr(fd), uintptr(unsafe.Pointer(h)), uintptr(flags))
	if e == 0 {
		m.name = m.name[:min(len(m.name), int(h.Namelen))]
		m.control = m.control[:min(uint64(len(m.control)), h.Controllen)]
		m.flags = int(h.Flags)
	}
	return hostResult(n, e)
}

func hostResult(n uintptr, e unix.Errno) (int, linux.Errno) {
	if e != 0 {
		return 0, linux.FromHost(e)
	}
	return int(n), 0
}

// hostAddress makes a call that takes an address: bind or connect.
func hostAddress(call uintptr, fd int, addr []byte) linux.Errno {
	// SAFETY: the slice is live and converted in the call.
	_, _, e := unix.Syscall(call, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(addr))), uintptr(len(addr)))
	if e != 0 {
		return linux.FromHost(e)
	}
	return 0
}

// hostName makes a call that answers with an address: accept4, getsockname or
// getpeername. It returns the call's result and the address.
func hostName(call uintptr, fd, flags int) (int, []byte, linux.Errno) {
	addr := make([]byte, maxSockaddr)
	size := uint32(len(addr))
	// SAFETY: both pointers are live and converted in the call; size says how
	// much memory addr has.
	r, _, e := unix.Syscall6(call, uintptr(fd), uintptr(unsafe.Pointer(&addr[0])), uintptr(unsafe.Pointer(&size)), uintptr(flags), 0, 0)
	if e != 0 {
		return -1, nil, linux.FromHost(e)
	}
	return int(r), addr[:min(len(addr), int(size))], 0
}

// hostGetsockopt reads an option into value and returns its length.
func hostGetsockopt(fd, level, option int, value []byte) (int, linux.Errno) {
	size := uint32(len(value))
	// SAFETY: both pointers are live and converted in the call; size says how
	// much memory value has.
	_, _, e := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(option),
		uintptr(unsafe.Pointer(unsafe.SliceData(value))), uintptr(unsafe.Pointer(&size)), 0)
	return hostResult(uintptr(size), e)
}

// hostEpollWait polls an epoll instance into buf, in the program's layout,
// which is the host's; buf has room for at least one event.
func hostEpollWait(ep int, buf []byte) (int, linux.Errno) {
	// SAFETY: the count is what fits into buf, which is live and converted in
	// the call. struct epoll_event is packed: it needs no alignment.
	n, _, e := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(ep), uintptr(unsafe.Pointer(unsafe.SliceData(buf))),
		uintptr(len(buf)/linux.Size[linux.EpollEvent]()), 0, 0, 0)
	return hostResult(n, e)
}
