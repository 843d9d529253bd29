package syscalls

import (
	"encoding/binary"
	"os"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

// control builds one control message with its padding.
func control(level, kind int32, data ...uint32) []byte {
	h := linux.Cmsghdr{Len: uint64(unix.SizeofCmsghdr + 4*len(data)), Level: level, Type: kind}
	b := append([]byte(nil), linux.Bytes(&h)...)
	for _, v := range data {
		b = binary.NativeEndian.AppendUint32(b, v)
	}
	return append(b, make([]byte, -len(b)&7)...)
}

func releaseAll(files []*kernel.File) {
	for _, f := range files {
		f.Release()
	}
}

func TestControlToHost(t *testing.T) {
	th := netThread(t)
	a, _ := newPair(t, th, unix.SOCK_STREAM)
	f, errno := th.Proc.Files.Get(int32(a))
	if errno != 0 {
		t.Fatal(errno)
	}
	defer f.Release()
	signal, errno := kernel.NewSignalFile(th, 0, false)
	if errno != 0 {
		t.Fatal(errno)
	}
	own, errno := th.Proc.Files.Install(signal, 0, 64, false)
	if errno != 0 {
		t.Fatal(errno)
	}
	rights := control(unix.SOL_SOCKET, unix.SCM_RIGHTS, uint32(a))
	creds := control(unix.SOL_SOCKET, unix.SCM_CREDENTIALS, 4242, 1, 2)
	long := make([]uint32, maxRights+1)
	for _, c := range []struct {
		name    string
		control []byte
		held    int
		want    linux.Errno
	}{
		{"nothing", nil, 0, 0},
		{"less than a header", make([]byte, 15), 0, 0},
		{"one descriptor", rights, 1, 0},
		{"twice, and credentials", append(append(append([]byte(nil), rights...), creds...), rights...), 2, 0},
		{"another level", control(unix.IPPROTO_IP, unix.SCM_RIGHTS, 99), 0, 0},
		{"not open", control(unix.SOL_SOCKET, unix.SCM_RIGHTS, uint32(a), 99), 1, linux.EBADF},
		{"negative", control(unix.SOL_SOCKET, unix.SCM_RIGHTS, 0xffffffff), 0, linux.EBADF},
		{"a signalfd", control(unix.SOL_SOCKET, unix.SCM_RIGHTS, uint32(own)), 1, linux.EINVAL},
		{"too many", control(unix.SOL_SOCKET, unix.SCM_RIGHTS, long...), 0, linux.EINVAL},
		{"length zero", make([]byte, 16), 0, linux.EINVAL},
		{"longer than the buffer", append(binary.NativeEndian.AppendUint64(nil, 21), rights[8:20]...), 0, linux.EINVAL},
	} {
		buf := append([]byte(nil), c.control...)
		held, errno := controlToHost(th, buf)
		if len(held) != c.held || errno != c.want {
			t.Errorf("%s: %d held, %v; want %d, %v", c.name, len(held), errno, c.held, c.want)
		}
		releaseAll(held)
	}
	held, _ := controlToHost(th, rights)
	defer releaseAll(held)
	if got := binary.NativeEndian.Uint32(rights[16:]); int(got) != f.Host {
		t.Errorf("descriptor %d goes out as %d, the host's is %d", a, got, f.Host)
	}
	if _, errno := controlToHost(th, creds); errno != 0 || int(binary.NativeEndian.Uint32(creds[16:])) != os.Getpid() {
		t.Errorf("the program's pid goes out as %d, %v", binary.NativeEndian.Uint32(creds[16:]), errno)
	}
}

// hostFDs opens descriptors as if they had been received.
func hostFDs(t testing.TB, n int) (fds []uint32) {
	t.Helper()
	for range n {
		fd, err := unix.Open("/dev/null", unix.O_RDONLY|unix.O_CLOEXEC, 0)
		if err != nil {
			t.Fatal(err)
		}
		fds = append(fds, uint32(fd))
	}
	return fds
}

func isOpen(fd uint32) bool {
	target, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(int(fd)))
	return err == nil && strings.HasSuffix(target, "/dev/null")
}

func TestControlFromHost(t *testing.T) {
	for _, c := range []struct {
		name           string
		limit          uint64
		fds, installed int
		length         int // of the control data that is left
	}{
		{"room for all", 64, 3, 3, 32},
		{"room for two", 2, 3, 2, 24},
		{"room for none", 0, 3, 0, 0},
	} {
		th := netThread(t)
		th.Proc.SetLimit(unix.RLIMIT_NOFILE, linux.Rlimit{Cur: c.limit, Max: c.limit})
		host := hostFDs(t, c.fds)
		buf := control(unix.SOL_SOCKET, unix.SCM_RIGHTS, host...)
		valid, fds, all := controlFromHost(th, buf, true)
		if len(fds) != c.installed || all != (c.installed == c.fds) || len(valid) != c.length {
			t.Errorf("%s: %d installed, all %v, %d bytes left", c.name, len(fds), all, len(valid))
		}
		for i, fd := range fds {
			if got := binary.NativeEndian.Uint32(valid[16+4*i:]); got != uint32(fd) || !th.Proc.Files.Cloexec(fd) {
				t.Errorf("%s: descriptor %d shows as %d, close-on-exec %v", c.name, fd, got, th.Proc.Files.Cloexec(fd))
			}
		}
		for i, fd := range host {
			if isOpen(fd) != (i < c.installed) {
				t.Errorf("%s: host descriptor %d of %d is open: %v", c.name, i, len(host), isOpen(fd))
			}
		}
	}
	th := netThread(t)
	pidfd := hostFDs(t, 1)
	buf := append(control(unix.SOL_SOCKET, unix.SCM_CREDENTIALS, uint32(os.Getpid()), 1, 2), control(unix.SOL_SOCKET, scmPidfd, pidfd[0])...)
	controlFromHost(th, buf, false)
	if pid := binary.NativeEndian.Uint32(buf[16:]); pid != 4242 {
		t.Errorf("the own pid comes in as %d", pid)
	}
	if isOpen(pidfd[0]) || binary.NativeEndian.Uint32(buf[32+16:]) != ^uint32(0) {
		t.Error("a pidfd of the host reached the program")
	}
}

func FuzzControl(f *testing.F) {
	f.Add(control(unix.SOL_SOCKET, unix.SCM_RIGHTS, 0, 1))
	f.Add(append(control(unix.SOL_SOCKET, unix.SCM_CREDENTIALS, 1, 2, 3), control(unix.IPPROTO_IP, 1, 5)...))
	f.Add([]byte{16, 0, 0, 0, 0, 0, 0, 0, 1})
	f.Fuzz(func(t *testing.T, b []byte) {
		th := netThread(t)
		held, errno := controlToHost(th, append([]byte(nil), b...))
		if len(held) > 0 {
			t.Fatalf("%d files held of a program that has none", len(held))
		}
		// What the walk hands out lies in the buffer, in order.
		last := 0
		for at := 0; ; {
			c, next, ok, bad := nextControl(b, at)
			if !ok {
				if bad != 0 && errno == 0 {
					t.Fatal("a message that does not fit was sent")
				}
				return
			}
			if c.at < last || c.at+unix.SizeofCmsghdr+len(c.data) > len(b) || next <= at {
				t.Fatalf("message at %d with %d bytes in %d, next %d", c.at, len(c.data), len(b), next)
			}
			last, at = c.at, next
		}
	})
}

func netlinkRequest(size uint32, kind uint16, more ...byte) []byte {
	b := binary.NativeEndian.AppendUint32(nil, size)
	b = binary.NativeEndian.AppendUint16(b, kind)
	return append(append(b, make([]byte, 10)...), more...)
}

func TestCheckNetlink(t *testing.T) {
	get, set := netlinkRequest(16, unix.RTM_GETLINK), netlinkRequest(16, unix.RTM_NEWADDR)
	for _, c := range []struct {
		name    string
		request []byte
		want    linux.Errno
	}{
		{"get", get, 0},
		{"new", set, linux.EPERM},
		{"delete", netlinkRequest(16, unix.RTM_DELROUTE), linux.EPERM},
		{"set", netlinkRequest(16, unix.RTM_SETLINK), linux.EPERM},
		{"new behind get", append(append([]byte(nil), get...), set...), linux.EPERM},
		{"behind an odd length", append(netlinkRequest(17, unix.RTM_GETADDR, 0, 0, 0, 0), set...), linux.EPERM},
		{"control", netlinkRequest(16, unix.NLMSG_DONE), 0},
		{"too long: not looked at by the host", netlinkRequest(17, unix.RTM_NEWADDR), 0},
		{"too short: not looked at by the host", netlinkRequest(15, unix.RTM_NEWADDR), 0},
		{"cut", set[:15], 0},
		{"empty", nil, 0},
	} {
		if got := checkNetlink(c.request); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func FuzzNetlink(f *testing.F) {
	f.Add(netlinkRequest(16, unix.RTM_GETLINK))
	f.Add(netlinkRequest(0xfffffffe, unix.RTM_NEWLINK))
	f.Fuzz(func(t *testing.T, b []byte) {
		errno := checkNetlink(b)
		if len(b) >= 16 && errno == 0 {
			size, kind := binary.NativeEndian.Uint32(b), binary.NativeEndian.Uint16(b[4:])
			if size >= 16 && int(size) <= len(b) && kind >= 16 && kind%4 != 2 {
				t.Fatalf("type %d passed", kind)
			}
		}
	})
}

func TestNetlinkAsksOnly(t *testing.T) {
	th := netThread(t)
	fd := must(t, th, "socket", unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	f, errno := th.Proc.Files.Get(int32(fd))
	if errno != 0 {
		t.Fatal(errno)
	}
	defer f.Release()
	set := netlinkRequest(16, unix.RTM_DELLINK)
	poke(t, th, testArea, set)
	if _, errno := call(t, th, "sendto", int(fd), testArea, len(set), 0, 0, 0); errno != linux.EPERM {
		t.Errorf("sendto: %v", errno)
	}
	if _, errno := th.Write(f, []mm.Range{{Addr: testArea, Len: uint64(len(set))}}); errno != linux.EPERM {
		t.Errorf("write: %v", errno)
	}
	get := netlinkRequest(20, unix.RTM_GETLINK, 0, 0, 0, 0)
	binary.NativeEndian.PutUint16(get[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	poke(t, th, testArea, get)
	if n, errno := th.Write(f, []mm.Range{{Addr: testArea, Len: 20}}); n != 20 || errno != 0 {
		t.Errorf("write of a question: %d %v", n, errno)
	}
	if n := must(t, th, "recvfrom", int(fd), testArea, testAreaSize, 0, 0, 0); n < 32 || binary.NativeEndian.Uint16(peek(t, th, testArea+4, 2)) != unix.RTM_NEWLINK {
		t.Errorf("the answer has %d bytes", n)
	}
}
