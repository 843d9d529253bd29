package syscalls

import (
	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func init() {
	const note = "SOL_SOCKET, IPPROTO_IP, IPV6, TCP, UDP and SOL_NETLINK; options that carry pointers or descriptors give ENOPROTOOPT"
	register(
		Call{Name: "setsockopt", Group: GroupNet, State: Partial, Note: note,
			Args: args("fd", "fd", "level", "int", "option", "int", "value", "buf", "length", "size"), Do: fileCall(setsockopt)},
		Call{Name: "getsockopt", Group: GroupNet, State: Partial, Note: note,
			Args: args("fd", "fd", "level", "int", "option", "int", "value", "ptr", "length", "ptr"), Do: fileCall(getsockopt)},
	)
}

// maxOption bounds the value of an option; IP_MSFILTER with its default limit
// of sources is far below.
const maxOption = 4096

// optionLevel says which options of a level are known to be plain data. A
// host kernel newer than this list may have given a higher number to an option
// that points somewhere, so what is not known is refused.
type optionLevel struct {
	last   int // the highest number
	beyond map[int]bool
	not    map[int]bool
}

// Options that the unix package does not name.
const (
	soPasspidfd       = 76
	soPeerpidfd       = 77
	soDevmemLinear    = 78
	soDevmemDmabuf    = 79
	soDevmemDontneed  = 80
	soOriginalDst     = 80 // of IPPROTO_IP and IPPROTO_IPV6
	tcpZerocopyRecv   = 35
	tcpFastopenCon    = 30
	xtablesSetReplace = 64 // netfilter: also to get the information
	xtablesCounters   = 65
	xtablesRevMatch   = 68 // IPv6 alone has these two here
	xtablesRevTarget  = 69
)

func numbers(ns ...int) map[int]bool {
	set := make(map[int]bool, len(ns))
	for _, n := range ns {
		set[n] = true
	}
	return set
}

var optionLevels = map[int]optionLevel{
	unix.SOL_SOCKET: {last: 82, not: numbers(
		unix.SO_ATTACH_FILTER, unix.SO_ATTACH_BPF, unix.SO_ATTACH_REUSEPORT_CBPF, unix.SO_ATTACH_REUSEPORT_EBPF, // also SO_GET_FILTER
		unix.SO_ZEROCOPY, // the pages of a message are not always the program's
		soPasspidfd, soPeerpidfd, soDevmemLinear, soDevmemDmabuf, soDevmemDontneed)},
	unix.IPPROTO_IP:   {last: 63, beyond: numbers(soOriginalDst)},
	unix.IPPROTO_IPV6: {last: 79, beyond: numbers(soOriginalDst), not: numbers(xtablesSetReplace, xtablesCounters, xtablesRevMatch, xtablesRevTarget)},
	// A connection that the first send makes would not block it, and an upper
	// layer protocol or received pages are not plain data.
	unix.IPPROTO_TCP: {last: 44, not: numbers(unix.TCP_ULP, tcpZerocopyRecv, tcpFastopenCon)},
	unix.IPPROTO_UDP: {last: 1, beyond: numbers(100, 101, 102, 103, 104)}, // UDP_ENCAP to UDP_GRO
	unix.SOL_NETLINK: {last: 5, beyond: numbers(8, 9, 10, 11, 12)},        // not the memory-mapped rings
}

func plainOption(level, option int) bool {
	l, ok := optionLevels[level]
	return ok && option >= 0 && !l.not[option] && (option <= l.last || l.beyond[option])
}

// checkOption refuses options that are not plain data. What is no socket is
// told so, and the error for an unknown level is the protocol's own.
func checkOption(f *kernel.File, level, option int) linux.Errno {
	if plainOption(level, option) {
		return 0
	}
	_, err := unix.GetsockoptInt(f.Host, unix.SOL_SOCKET, unix.SO_TYPE)
	if _, known := optionLevels[level]; err == nil && !known {
		_, err = unix.GetsockoptInt(f.Host, noLevel, 0)
	}
	if err != nil {
		return linux.FromHost(err)
	}
	return linux.ENOPROTOOPT
}

// noLevel is no protocol's.
const noLevel = 0x7ffffff

func setsockopt(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	size := a.Int(4)
	if size < 0 {
		return 0, linux.EINVAL
	}
	if errno := checkOption(f, int(a.Int(1)), int(a.Int(2))); errno != 0 {
		return 0, errno
	}
	value := make([]byte, min(size, maxOption))
	if _, errno := t.Proc.AS().CopyIn(value, a.Addr(3)); errno != 0 {
		return 0, errno
	}
	return 0, linux.FromHost(unix.SetsockoptString(f.Host, int(a.Int(1)), int(a.Int(2)), string(value)))
}

func getsockopt(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	if errno := checkOption(f, int(a.Int(1)), int(a.Int(2))); errno != 0 {
		return 0, errno
	}
	sizeAt := engine.GVA(a[4])
	size, errno := mm.Read[int32](t.Proc.AS(), sizeAt)
	if errno != 0 {
		return 0, errno
	}
	if size < 0 {
		return 0, linux.EINVAL
	}
	value := make([]byte, min(size, maxOption))
	n, errno := hostGetsockopt(f.Host, int(a.Int(1)), int(a.Int(2)), value)
	if errno != 0 {
		return 0, errno
	}
	value = value[:min(n, len(value))]
	if a.Int(1) == unix.SOL_SOCKET && a.Int(2) == unix.SO_PEERCRED {
		pidFromHost(t, value)
	}
	if _, errno := t.Proc.AS().CopyOut(a.Addr(3), value); errno != 0 {
		return 0, errno
	}
	return 0, mm.Write(t.Proc.AS(), sizeAt, int32(n))
}
