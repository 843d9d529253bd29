package syscalls

import (
	"bytes"
	"encoding/binary"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

// testArea is where the tests have memory of the program: 64 KiB of it, then
// nothing.
const (
	testArea     engine.GVA = 0x20000000
	testAreaSize            = 64 << 10
)

// netThread returns a thread, without a CPU, of a program with an empty
// descriptor table. It cannot wait.
func netThread(t testing.TB) *kernel.Thread {
	t.Helper()
	mem, err := mm.NewMemory(16<<20, func(int, engine.GPA, []byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	as, err := mm.NewAddressSpace(mem, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	if _, errno := as.Map(mm.MapRequest{Addr: testArea, Length: testAreaSize, Prot: mm.ProtRead | mm.ProtWrite, Fixed: true}); errno != 0 {
		t.Fatal(errno)
	}
	fs, err := kernel.NewFileSystem("/", t.TempDir(), nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &kernel.Process{Kernel: kernel.New(kernel.Config{}), PID: 4242, Files: kernel.NewFileTable(), FS: fs}
	p.Become(&kernel.Loaded{AS: as, Exe: "/prog"})
	p.SetLimit(unix.RLIMIT_NOFILE, linux.Rlimit{Cur: 64, Max: 64})
	t.Cleanup(func() {
		p.Files.CloseAll()
		fs.Close()
		if err := mem.Close(); err != nil {
			t.Error(err)
		}
	})
	return &kernel.Thread{Proc: p, TID: 4242}
}

// call makes a system call by its name; pointers are engine.GVA, everything
// else an int.
func call(t testing.TB, th *kernel.Thread, name string, arguments ...any) (int64, linux.Errno) {
	t.Helper()
	var a Args
	for i, v := range arguments {
		switch v := v.(type) {
		case int:
			a[i] = uint64(v)
		case int64:
			a[i] = uint64(v)
		case engine.GVA:
			a[i] = uint64(v)
		default:
			t.Fatalf("argument %T", v)
		}
	}
	n, errno := byName(name).Do(th, a)
	return int64(n), errno
}

// must is call for what has to succeed.
func must(t testing.TB, th *kernel.Thread, name string, arguments ...any) int64 {
	t.Helper()
	n, errno := call(t, th, name, arguments...)
	if errno != 0 {
		t.Fatalf("%s%v: %v", name, arguments, errno)
	}
	return n
}

// poke writes to the program's memory, peek reads from it.
func poke(t testing.TB, th *kernel.Thread, at engine.GVA, data []byte) engine.GVA {
	t.Helper()
	if _, errno := th.Proc.AS().CopyOut(at, data); errno != 0 {
		t.Fatal(errno)
	}
	return at
}

func peek(t testing.TB, th *kernel.Thread, at engine.GVA, n int) []byte {
	t.Helper()
	data := make([]byte, n)
	if _, errno := th.Proc.AS().CopyIn(data, at); errno != 0 {
		t.Fatal(errno)
	}
	return data
}

// newPair makes a socketpair and returns its descriptors.
func newPair(t testing.TB, th *kernel.Thread, kind int) (a, b int64) {
	t.Helper()
	must(t, th, "socketpair", unix.AF_UNIX, kind|unix.SOCK_NONBLOCK, 0, testArea)
	fds, errno := mm.Read[[2]int32](th.Proc.AS(), testArea)
	if errno != 0 {
		t.Fatal(errno)
	}
	return int64(fds[0]), int64(fds[1])
}

func TestCheckSocket(t *testing.T) {
	for _, c := range []struct {
		domain, kind, protocol int
		want                   linux.Errno
	}{
		{unix.AF_UNIX, unix.SOCK_STREAM, 0, 0},
		{unix.AF_INET, unix.SOCK_DGRAM | unix.SOCK_CLOEXEC | unix.SOCK_NONBLOCK, 0, 0},
		{unix.AF_INET6, unix.SOCK_STREAM, unix.IPPROTO_TCP, 0},
		{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_ROUTE, 0},
		{unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_KOBJECT_UEVENT, linux.EPROTONOSUPPORT},
		{unix.AF_INET, unix.SOCK_PACKET, 0, linux.EAFNOSUPPORT},
		{unix.AF_PACKET, unix.SOCK_RAW, 0, linux.EAFNOSUPPORT},
		{unix.AF_VSOCK, unix.SOCK_STREAM, 0, linux.EAFNOSUPPORT},
		{unix.AF_ALG, unix.SOCK_SEQPACKET, 0, linux.EAFNOSUPPORT},
		{-1, unix.SOCK_STREAM, 0, linux.EAFNOSUPPORT},
		{unix.AF_UNIX, unix.SOCK_STREAM | 0x100000, 0, linux.EINVAL},
	} {
		if got := checkSocket(c.domain, c.kind, c.protocol); got != c.want {
			t.Errorf("socket(%d, %#x, %d): %v, want %v", c.domain, c.kind, c.protocol, got, c.want)
		}
	}
}

func TestUnixPath(t *testing.T) {
	family := binary.NativeEndian.AppendUint16(nil, unix.AF_UNIX)
	long := bytes.Repeat([]byte{'x'}, unixPathMax)
	for _, c := range []struct {
		addr []byte
		path string
		ok   bool
	}{
		{append(family[:2:2], "name\x00rest"...), "name", true},
		{append(family[:2:2], "name"...), "name", true},
		{append(family[:2:2], long...), string(long), true},
		{append(append(family[:2:2], long...), 'x'), "", false},
		{append(family[:2:2], "\x00abstract"...), "", false},
		{family, "", false},
		{nil, "", false},
		{[]byte{unix.AF_INET, 0, 1, 2}, "", false},
	} {
		path, ok := unixPath(c.addr)
		if path != c.path || ok != c.ok {
			t.Errorf("%q: %q %v, want %q %v", c.addr, path, ok, c.path, c.ok)
		}
		if ok {
			if back, _ := unixPath(unixSockaddr(path)); back != path {
				t.Errorf("%q comes back as %q", path, back)
			}
		}
	}
}

func TestSendAndReceive(t *testing.T) {
	th := netThread(t)
	a, b := newPair(t, th, unix.SOCK_STREAM)
	data := poke(t, th, testArea+4090, []byte("across two pages")) // of guest-physical memory, perhaps
	if n := must(t, th, "sendto", int(a), data, 16, 0, 0, 0); n != 16 {
		t.Errorf("sent %d", n)
	}
	if n := must(t, th, "recvfrom", int(b), testArea, 100, 0, 0, 0); n != 16 || string(peek(t, th, testArea, 16)) != "across two pages" {
		t.Errorf("received %d %q", n, peek(t, th, testArea, 16))
	}
	end := testArea + testAreaSize
	for _, c := range []struct {
		name string
		at   engine.GVA
		size int
		want linux.Errno
	}{
		{"null", 0, 1, linux.EFAULT},
		{"the end", end, 1, linux.EFAULT},
		{"across the end", end - 5, 10, linux.EFAULT},
		{"across the end of all memory", linux.UserTop - 10, 20, linux.EFAULT},
		{"the kernel's half", 0xffff800000000000, 1, linux.EFAULT},
		{"null, but nothing", 0, 0, 0},
	} {
		if n, errno := call(t, th, "sendto", int(a), c.at, c.size, 0, 0, 0); errno != c.want || n != 0 {
			t.Errorf("send from %s: %d %v, want %v", c.name, n, errno, c.want)
		}
	}
	if _, errno := call(t, th, "recvfrom", int(b), testArea, 100, 0, 0, 0); errno != linux.EAGAIN {
		t.Errorf("something was sent: %v", errno)
	}
}

func TestDatagramInPieces(t *testing.T) {
	th := netThread(t)
	a, b := newPair(t, th, unix.SOCK_DGRAM)
	// More buffers than a host call takes: a page for each of two thousand
	// iovecs would be, here they alternate between two.
	iov := make([]linux.Iovec, 0, 1000)
	for i := range 1000 {
		iov = append(iov, linux.Iovec{Base: uint64(testArea) + 4090 + uint64(i%2)*8192, Len: 12})
	}
	poke(t, th, testArea+20000, linux.SliceBytes(iov))
	poke(t, th, testArea+4090, []byte("first, even!"))
	poke(t, th, testArea+4090+8192, []byte("second, odd."))
	m := linux.Msghdr{Iov: uint64(testArea) + 20000, IovLen: 1000}
	poke(t, th, testArea, linux.Bytes(&m))
	if n := must(t, th, "sendmsg", int(a), testArea, 0); n != 12000 {
		t.Errorf("sent %d of 12000", n)
	}
	must(t, th, "recvfrom", int(b), testArea+40000, 20000, 0, 0, 0)
	if got := peek(t, th, testArea+40000, 12000); !bytes.Equal(got, bytes.Repeat([]byte("first, even!second, odd."), 500)) {
		t.Errorf("received %q...", got[:100])
	}
	iov[999].Base = 8
	poke(t, th, testArea+20000, linux.SliceBytes(iov))
	if n, errno := call(t, th, "sendmsg", int(a), testArea, 0); errno != linux.EFAULT {
		t.Errorf("with a bad piece at the end: %d %v", n, errno)
	}
}

func TestPayload(t *testing.T) {
	ranges := []mm.Range{{Addr: 100, Len: 10}, {Addr: 200, Len: 0}, {Addr: 300, Len: 5}}
	for _, c := range []struct {
		skip int
		want []mm.Range
	}{
		{0, ranges},
		{4, []mm.Range{{Addr: 104, Len: 6}, {Addr: 200}, {Addr: 300, Len: 5}}},
		{10, []mm.Range{{Addr: 300, Len: 5}}},
		{12, []mm.Range{{Addr: 302, Len: 3}}},
		{15, nil},
	} {
		p := payload{append([]mm.Range(nil), ranges...), 15}
		p.skip(c.skip)
		same := len(p.ranges) == len(c.want)
		for i := range c.want {
			same = same && p.ranges[i] == c.want[i]
		}
		if !same || p.size != uint64(15-c.skip) {
			t.Errorf("skip %d: %v of %d bytes, want %v", c.skip, p.ranges, p.size, c.want)
		}
	}
}

func TestUnixNames(t *testing.T) {
	th := netThread(t)
	server := must(t, th, "socket", unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	client := must(t, th, "socket", unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK, 0)
	name := unixSockaddr("here")
	poke(t, th, testArea, name)
	must(t, th, "bind", int(server), testArea, len(name))
	must(t, th, "listen", int(server), 1)
	cwd, errno := th.Proc.FS.Getcwd()
	if errno != 0 {
		t.Fatal(errno)
	}
	full := unixSockaddr(filepath.Join(cwd, "here"))
	poke(t, th, testArea, full)
	must(t, th, "connect", int(client), testArea, len(full))
	poke(t, th, testArea, binary.NativeEndian.AppendUint32(nil, 128))
	conn := must(t, th, "accept", int(server), testArea+200, testArea)
	if n := binary.NativeEndian.Uint32(peek(t, th, testArea, 4)); n != 2 {
		t.Errorf("the peer's address has %d bytes, it has no name", n)
	}
	poke(t, th, testArea, binary.NativeEndian.AppendUint32(nil, 4))
	must(t, th, "getsockname", int(conn), testArea+200, testArea)
	if n := binary.NativeEndian.Uint32(peek(t, th, testArea, 4)); int(n) != len(name) {
		t.Errorf("address of %d bytes, want %d", n, len(name))
	}
	if got := peek(t, th, testArea+200, 6); string(got) != string(name[:4])+"\x00\x00" {
		t.Errorf("address %q cut to 4 bytes", got)
	}
}
