package kernel

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

func TestRoomAndSpan(t *testing.T) {
	ft := NewFileTable()
	if !ft.Room(1) || ft.Room(0) || ft.Span() != 0 {
		t.Error("an empty table")
	}
	for range 3 {
		if _, errno := ft.Install(NewFile(eventFD(t), "x", true, false), 0, 10, false); errno != 0 {
			t.Fatal(errno)
		}
	}
	defer ft.CloseAll()
	if ft.Room(3) || !ft.Room(4) || ft.Span() != 3 {
		t.Errorf("three files: room below 3 %v, below 4 %v, span %d", ft.Room(3), ft.Room(4), ft.Span())
	}
	ft.Close(1)
	if !ft.Room(2) || ft.Room(1) {
		t.Error("descriptor 1 is free, 0 is not")
	}
}

func TestShare(t *testing.T) {
	flags := func(fd int) int {
		n, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
		if err != nil {
			t.Fatal(err)
		}
		return n & unix.O_NONBLOCK
	}
	for _, nonblock := range []bool{false, true} {
		f := NewFile(eventFD(t), "x", true, nonblock)
		if flags(f.Host) == 0 {
			t.Error("a private file blocks on the host")
		}
		f.Share()
		if f.Private() || flags(f.Host) != 0 != nonblock {
			t.Errorf("shared: private %v, O_NONBLOCK %v, want that of the program: %v", f.Private(), flags(f.Host) != 0, nonblock)
		}
		copied, err := unix.Dup(f.Host)
		if err != nil {
			t.Fatal(err)
		}
		received := ReceivedFile(copied)
		if received.Nonblock() != nonblock || received.Private() || !strings.Contains(received.Path, "eventfd") {
			t.Errorf("received: %q non-blocking %v", received.Path, received.Nonblock())
		}
		received.Release()
		f.Release()
	}
}

func TestSocketDeadline(t *testing.T) {
	th := testThread(t, "/", "/")
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := NewFile(fd, "socket", true, false)
	defer f.Release()
	if d := th.SocketDeadline(f, unix.POLLIN); d != Never {
		t.Errorf("without a time-out: %d", d)
	}
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_SNDTIMEO, &unix.Timeval{Sec: 100}); err != nil {
		t.Fatal(err)
	}
	if d := th.SocketDeadline(f, unix.POLLIN); d != Never {
		t.Errorf("SO_SNDTIMEO counts for reading: %d", d)
	}
	left := time.Duration(th.SocketDeadline(f, unix.POLLOUT) - th.Kernel().Clock().Monotonic())
	if left < 90*time.Second || left > 101*time.Second {
		t.Errorf("%v left of 100 s", left)
	}
	pipe := NewFile(eventFD(t), "x", true, false)
	defer pipe.Release()
	if d := th.SocketDeadline(pipe, unix.POLLIN); d != Never {
		t.Errorf("of what is no socket: %d", d)
	}
}

// bindAt binds a new socket to a name of the program and returns what the host
// recorded.
func bindAt(t *testing.T, th *Thread, name string) (recorded string, errno linux.Errno) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	errno = th.Proc.FS.BindSocket(th, name, func(host string) linux.Errno {
		return linux.FromHost(unix.Bind(fd, &unix.SockaddrUnix{Name: host}))
	})
	if errno != 0 {
		return "", errno
	}
	if err := unix.Listen(fd, 1); err != nil {
		t.Fatal(err)
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return sa.(*unix.SockaddrUnix).Name, 0
}

// connectTo connects to a name of the program.
func connectTo(t *testing.T, th *Thread, name string) linux.Errno {
	t.Helper()
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	host, done, errno := th.Proc.FS.SocketAt(th, name)
	if errno != 0 {
		return errno
	}
	defer done()
	return linux.FromHost(unix.Connect(fd, &unix.SockaddrUnix{Name: host}))
}

func TestBindSocket(t *testing.T) {
	dir := t.TempDir()
	tree(t, dir, "sub/", "link -> sub", "file")
	th := testThread(t, "/", dir)
	th.Proc.FS.SetUmask(0o077)
	for _, c := range []struct {
		name, at string
		want     linux.Errno
	}{
		{"relative", "relative", 0},
		{"link/through", "sub/through", 0},
		{"relative", "", linux.EADDRINUSE},
		{"file", "", linux.EADDRINUSE},
		{"sub", "", linux.EADDRINUSE},
		{"sub/..", "", linux.EADDRINUSE},
		{"/", "", linux.EADDRINUSE},
		{"none/x", "", linux.ENOENT},
		{"file/x", "", linux.ENOTDIR},
	} {
		recorded, errno := bindAt(t, th, c.name)
		if errno != c.want {
			t.Errorf("bind %s: %v, want %v", c.name, errno, c.want)
			continue
		}
		if errno != 0 {
			continue
		}
		if recorded != c.name {
			t.Errorf("bind %s: the host calls it %s", c.name, recorded)
		}
		info, err := os.Lstat(filepath.Join(dir, c.at))
		if err != nil || info.Mode() != os.ModeSocket|0o700 {
			t.Errorf("bind %s: %v, %v; want a socket with the umask applied", c.name, info, err)
		}
		for _, name := range []string{c.name, filepath.Join(dir, c.at)} {
			if errno := connectTo(t, th, name); errno != 0 {
				t.Errorf("connect %s: %v", name, errno)
			}
		}
	}
	if errno := connectTo(t, th, "file"); errno != linux.ECONNREFUSED {
		t.Errorf("connect to a file: %v", errno)
	}
	if errno := connectTo(t, th, "none"); errno != linux.ENOENT {
		t.Errorf("connect to nothing: %v", errno)
	}
	if errno := connectTo(t, th, "/proc/self/status"); errno != linux.ECONNREFUSED {
		t.Errorf("connect to a file of /proc: %v", errno)
	}
}

func TestBindSocketConfined(t *testing.T) {
	outside, root := t.TempDir(), t.TempDir()
	tree(t, root, "run/", "escape -> "+outside, "up -> ../../../../.."+outside)
	th := testThread(t, root, "/run")
	for _, name := range []string{"/run/a", "b", "../c"} {
		if _, errno := bindAt(t, th, name); errno != 0 {
			t.Errorf("bind %s: %v", name, errno)
		}
		if errno := connectTo(t, th, name); errno != 0 {
			t.Errorf("connect %s: %v", name, errno)
		}
	}
	for _, name := range []string{"run/a", "run/b", "c"} {
		if info, err := os.Lstat(filepath.Join(root, name)); err != nil || info.Mode()&os.ModeSocket == 0 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	for _, name := range []string{"/escape/x", "/up/x", outside + "/x"} {
		if _, errno := bindAt(t, th, name); errno != linux.ENOENT {
			t.Errorf("bind %s: %v, want ENOENT", name, errno)
		}
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) > 0 {
		t.Errorf("outside the root: %v, %v", left, err)
	}
	ro := testThread(t, root, "/", Mount{Source: outside, Target: "/ro", ReadOnly: true})
	if _, errno := bindAt(t, ro, "/ro/x"); errno != linux.EROFS {
		t.Errorf("bind on a read-only mount: %v", errno)
	}
	if _, errno := bindAt(t, ro, "/ro"); errno != linux.EADDRINUSE {
		t.Errorf("bind over a mount: %v", errno)
	}
	own, err := os.Getwd()
	if err != nil || own == root {
		t.Errorf("the VMM's working directory is %s, %v", own, err)
	}
}
