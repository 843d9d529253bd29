package syscalls

import (
	"encoding/binary"
	"math"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func TestPollReady(t *testing.T) {
	th := netThread(t)
	a, b := newPair(t, th, unix.SOCK_STREAM)
	must(t, th, "sendto", int(a), testArea, 1, 0, 0, 0)
	fds := []linux.PollFd{
		{Fd: int32(b), Events: unix.POLLIN | unix.POLLOUT}, {Fd: int32(a), Events: unix.POLLIN}, {Fd: -5, Events: unix.POLLIN, Revents: 77}, {Fd: 60, Events: unix.POLLIN},
	}
	poke(t, th, testArea, linux.SliceBytes(fds))
	if n := must(t, th, "poll", testArea, len(fds), -1); n != 2 {
		t.Errorf("%d ready, want 2", n)
	}
	got, errno := mm.ReadSlice[linux.PollFd](th.Proc.AS(), testArea, len(fds))
	if errno != 0 {
		t.Fatal(errno)
	}
	for i, want := range []int16{unix.POLLIN | unix.POLLOUT, 0, 0, unix.POLLNVAL} {
		if got[i].Revents != want || got[i].Fd != fds[i].Fd || got[i].Events != fds[i].Events {
			t.Errorf("descriptor %d: %+v, want revents %#x", i, got[i], want)
		}
	}
	for _, c := range []struct {
		at    engine.GVA
		count int
		want  linux.Errno
	}{
		{testArea, 65, linux.EINVAL}, // RLIMIT_NOFILE is 64
		{testArea, math.MaxUint32, linux.EINVAL},
		{8, 1, linux.EFAULT},
		{testArea + testAreaSize - 8, 2, linux.EFAULT},
	} {
		if _, errno := call(t, th, "poll", c.at, c.count, 0); errno != c.want {
			t.Errorf("poll(%#x, %d): %v, want %v", c.at, c.count, errno, c.want)
		}
	}
}

func TestSelectSets(t *testing.T) {
	sets := fdSets{{1<<3 | 1<<63, 1}, nil, {1 << 3, 0}}
	fds := sets.pollFds(128)
	if len(fds) != 3 || fds[0].Fd != 3 || fds[1].Fd != 63 || fds[2].Fd != 64 {
		t.Fatalf("descriptors %+v", fds)
	}
	if fds[0].Events&unix.POLLPRI == 0 || fds[1].Events&unix.POLLPRI != 0 || fds[0].Events&unix.POLLOUT != 0 {
		t.Errorf("events %+v", fds)
	}
	if got := sets.pollFds(63); len(got) != 1 {
		t.Errorf("below 63: %+v", got)
	}
	fds[0].Revents, fds[1].Revents, fds[2].Revents = unix.POLLIN|unix.POLLPRI, unix.POLLHUP, unix.POLLOUT
	if bits := sets.results(fds); bits != 3 || sets[0][0] != 1<<3|1<<63 || sets[0][1] != 0 || len(sets[1]) != 0 || sets[2][0] != 1<<3 {
		t.Errorf("%d bits: %x", bits, sets)
	}
}

func TestSelect(t *testing.T) {
	th := netThread(t)
	a, b := newPair(t, th, unix.SOCK_STREAM)
	must(t, th, "sendto", int(a), testArea, 1, 0, 0, 0)
	in, out := testArea+1024, testArea+2048
	set := uint64(1<<a | 1<<b)
	for _, at := range []engine.GVA{in, out} {
		poke(t, th, at, make([]byte, 128))
		poke(t, th, at, binary.NativeEndian.AppendUint64(nil, set))
	}
	if n := must(t, th, "select", int(b)+1, in, out, 0, 0); n != 3 {
		t.Errorf("%d bits, want 3", n)
	}
	if got := binary.NativeEndian.Uint64(peek(t, th, in, 8)); got != 1<<b {
		t.Errorf("readable %x", got)
	}
	if got := binary.NativeEndian.Uint64(peek(t, th, out, 8)); got != set {
		t.Errorf("writable %x", got)
	}
	if _, errno := call(t, th, "select", 60, in, 0, 0, 8); errno != linux.EFAULT {
		t.Errorf("a bad time-out: %v", errno)
	}
	poke(t, th, in, binary.NativeEndian.AppendUint64(nil, 1<<40))
	for _, c := range []struct {
		count int
		want  linux.Errno
	}{{-1, linux.EINVAL}, {64, linux.EBADF}, {math.MaxInt32, linux.EBADF}} {
		if _, errno := call(t, th, "select", c.count, in, 0, 0, 0); errno != c.want {
			t.Errorf("select(%d): %v, want %v", c.count, errno, c.want)
		}
	}
	poke(t, th, in, binary.NativeEndian.AppendUint64(nil, 1<<a|1<<b))
	// Sets at the end of memory: only what the descriptor table covers is read.
	last := testArea + testAreaSize - leastTable/8
	poke(t, th, last, binary.NativeEndian.AppendUint64(nil, 1<<b))
	if n := must(t, th, "select", math.MaxInt32, last, 0, 0, 0); n != 1 {
		t.Errorf("%d bits", n)
	}
}

func TestReadTimeval(t *testing.T) {
	th := netThread(t)
	for _, c := range []struct {
		tv    linux.Timeval
		ns    int64
		errno linux.Errno
	}{
		{linux.Timeval{Sec: 1, Usec: 5}, 1000005000, 0},
		{linux.Timeval{Sec: 1, Usec: 3000001}, 4000001000, 0},
		{linux.Timeval{Sec: math.MaxInt64}, kernel.Never, 0},
		{linux.Timeval{Sec: 9223372035, Usec: math.MaxInt64}, kernel.Never, 0},
		{linux.Timeval{Sec: -1}, 0, linux.EINVAL},
		{linux.Timeval{Usec: -1}, 0, linux.EINVAL},
	} {
		poke(t, th, testArea, linux.Bytes(&c.tv))
		if ns, errno := readTimeval(th, testArea); ns != c.ns || errno != c.errno {
			t.Errorf("%+v: %d %v, want %d %v", c.tv, ns, errno, c.ns, c.errno)
		}
	}
}

func TestEpoll(t *testing.T) {
	th := netThread(t)
	ep := must(t, th, "epoll_create1", 0)
	a, b := newPair(t, th, unix.SOCK_STREAM)
	add := func(fd int64, events uint32, data uint64) {
		e := linux.EpollEvent{Events: events}
		e.SetData(data)
		poke(t, th, testArea, linux.Bytes(&e))
		must(t, th, "epoll_ctl", int(ep), unix.EPOLL_CTL_ADD, int(fd), testArea)
	}
	add(a, unix.EPOLLOUT, 0x1122334455667788)
	add(b, unix.EPOLLOUT|unix.EPOLLET, 2)
	// The second event would lie across the end of the program's memory.
	end := testArea + testAreaSize
	if n := must(t, th, "epoll_wait", int(ep), end-15, 8, -1); n != 1 {
		t.Errorf("%d events, there was room for one", n)
	}
	if n := must(t, th, "epoll_wait", int(ep), end-24, 8, -1); n < 1 {
		t.Errorf("%d events", n)
	}
	for range 2 {
		e, _ := linux.Decode[linux.EpollEvent](peek(t, th, end-24, 12))
		if e.Events != unix.EPOLLOUT || e.Data() != 0x1122334455667788 && e.Data() != 2 {
			t.Errorf("event %#x %#x", e.Events, e.Data())
		}
		must(t, th, "epoll_wait", int(ep), end-24, 1, -1)
	}
	// An event across two pages.
	if n := must(t, th, "epoll_wait", int(ep), testArea+4096-6, 1, -1); n != 1 {
		t.Errorf("%d events", n)
	}
	if e, _ := linux.Decode[linux.EpollEvent](peek(t, th, testArea+4096-6, 12)); e.Data() != 0x1122334455667788 {
		t.Errorf("data %#x", e.Data())
	}
	for _, c := range []struct {
		at    engine.GVA
		count int
		want  linux.Errno
	}{
		{testArea, 0, linux.EINVAL}, {testArea, -1, linux.EINVAL}, {testArea, math.MaxInt32, linux.EINVAL},
		{8, 1, linux.EFAULT}, {testArea, math.MaxInt32 / 12, 0},
	} {
		if _, errno := call(t, th, "epoll_wait", int(ep), c.at, c.count, 0); errno != c.want {
			t.Errorf("epoll_wait(%#x, %d): %v, want %v", c.at, c.count, errno, c.want)
		}
	}
	for _, c := range []struct {
		op   int
		fd   int64
		at   engine.GVA
		want linux.Errno
	}{
		{unix.EPOLL_CTL_ADD, a, testArea, linux.EEXIST}, {unix.EPOLL_CTL_ADD, ep, testArea, linux.EINVAL}, {unix.EPOLL_CTL_ADD, 60, testArea, linux.EBADF},
		{unix.EPOLL_CTL_MOD, a, 8, linux.EFAULT}, {unix.EPOLL_CTL_DEL, a, 8, 0}, {unix.EPOLL_CTL_DEL, a, 8, linux.ENOENT}, {77, a, testArea, linux.EINVAL},
	} {
		if _, errno := call(t, th, "epoll_ctl", int(ep), c.op, int(c.fd), c.at); errno != c.want {
			t.Errorf("epoll_ctl(%d, %d): %v, want %v", c.op, c.fd, errno, c.want)
		}
	}
}

func TestPipeUndone(t *testing.T) {
	th := netThread(t)
	for _, name := range []string{"pipe", "socketpair"} {
		before := len(th.Proc.Files.Snapshot())
		arguments := []any{engine.GVA(8)}
		if name == "socketpair" {
			arguments = []any{unix.AF_UNIX, unix.SOCK_STREAM, 0, engine.GVA(8)}
		}
		if _, errno := call(t, th, name, arguments...); errno != linux.EFAULT {
			t.Errorf("%s: %v", name, errno)
		}
		arguments[len(arguments)-1] = testArea
		th.Proc.SetLimit(unix.RLIMIT_NOFILE, linux.Rlimit{Cur: 1, Max: 64})
		if _, errno := call(t, th, name, arguments...); errno != linux.EMFILE {
			t.Errorf("%s with room for one: %v", name, errno)
		}
		th.Proc.SetLimit(unix.RLIMIT_NOFILE, linux.Rlimit{Cur: 64, Max: 64})
		if after := len(th.Proc.Files.Snapshot()); after != before {
			t.Errorf("%s left %d descriptors", name, after-before)
		}
	}
}

func TestPlainOption(t *testing.T) {
	for _, c := range []struct {
		level, option int
		want          bool
	}{
		{unix.SOL_SOCKET, unix.SO_REUSEADDR, true}, {unix.SOL_SOCKET, unix.SO_RCVTIMEO, true}, {unix.SOL_SOCKET, unix.SO_PEERCRED, true},
		{unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, false}, {unix.SOL_SOCKET, unix.SO_ATTACH_BPF, false}, {unix.SOL_SOCKET, soPeerpidfd, false},
		{unix.SOL_SOCKET, 9999, false}, {unix.SOL_SOCKET, -1, false},
		{unix.IPPROTO_TCP, unix.TCP_NODELAY, true}, {unix.IPPROTO_TCP, unix.TCP_ULP, false}, {unix.IPPROTO_TCP, tcpZerocopyRecv, false},
		{unix.IPPROTO_IP, unix.IP_TTL, true}, {unix.IPPROTO_IP, xtablesSetReplace, false}, {unix.IPPROTO_IP, soOriginalDst, true},
		{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, true}, {unix.IPPROTO_IPV6, unix.IPV6_TCLASS, true}, {unix.IPPROTO_IPV6, xtablesRevMatch, false},
		{unix.IPPROTO_UDP, unix.UDP_SEGMENT, true}, {unix.IPPROTO_UDP, 50, false},
		{unix.SOL_NETLINK, unix.NETLINK_EXT_ACK, true}, {unix.SOL_NETLINK, unix.NETLINK_RX_RING, false},
		{unix.SOL_PACKET, 1, false}, {unix.SOL_TLS, 1, false}, {0x7fffffff, 0, false},
	} {
		if got := plainOption(c.level, c.option); got != c.want {
			t.Errorf("level %d option %d: %v, want %v", c.level, c.option, got, c.want)
		}
	}
}

func TestTimerTimes(t *testing.T) {
	if ns, ok := timevalNs(linux.Timeval{Sec: math.MaxInt64, Usec: 999999}); ns != math.MaxInt64 || !ok {
		t.Errorf("the longest time: %d %v", ns, ok)
	}
	for _, tv := range []linux.Timeval{{Sec: -1}, {Usec: -1}, {Usec: 1e6}} {
		if _, ok := timevalNs(tv); ok {
			t.Errorf("%+v is valid", tv)
		}
	}
	for _, ts := range []linux.Timespec{{Sec: -1}, {Nsec: -1}, {Nsec: 1e9}} {
		if _, ok := timespecNs(ts); ok {
			t.Errorf("%+v is valid", ts)
		}
	}
	if got := itimerval(1, 0); got.Value.Usec != 1 {
		t.Errorf("1 ns left shows as %+v: not armed", got.Value)
	}
	if got := itimerval(int64(1500*time.Millisecond), int64(2*time.Second)); got.Value.Sec != 1 || got.Value.Usec != 500000 || got.Interval.Sec != 2 {
		t.Errorf("1.5 s left of 2 s: %+v", got)
	}
}

func TestAlarm(t *testing.T) {
	th := netThread(t)
	for _, c := range []struct{ set, old int }{{100, 0}, {math.MaxUint32, 100}, {1, math.MaxUint32}, {0, 1}, {0, 0}} {
		if n := must(t, th, "alarm", c.set); int(n) != c.old {
			t.Errorf("alarm(%d) = %d, want %d", c.set, n, c.old)
		}
	}
}
