package syscalls

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
)

// memThread is a thread that may map memory.
func memThread(t testing.TB) *kernel.Thread {
	t.Helper()
	th := netThread(t)
	th.Proc.SetLimit(unix.RLIMIT_AS, linux.Rlimit{Cur: 1 << 62, Max: 1 << 62})
	return th
}

// /dev/zero is how programs got anonymous memory before MAP_ANONYMOUS.
func TestMapZeroDevice(t *testing.T) {
	th := memThread(t)
	fd := openPath(t, th, "/dev/zero", unix.O_RDWR)
	for _, flags := range []int{unix.MAP_PRIVATE, unix.MAP_SHARED} {
		at := engine.GVA(must(t, th, "mmap", 0, 2*engine.PageSize, unix.PROT_READ|unix.PROT_WRITE, flags, fd, engine.PageSize))
		poke(t, th, at+10, []byte("memory"))
		if got := peek(t, th, at, 16); string(got) != "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00memory" {
			t.Errorf("read %q", got)
		}
		must(t, th, "munmap", at, 2*engine.PageSize)
	}
	null := openPath(t, th, "/dev/null", unix.O_RDWR)
	if _, errno := call(t, th, "mmap", 0, engine.PageSize, unix.PROT_READ, unix.MAP_PRIVATE, null, 0); errno != linux.ENODEV {
		t.Errorf("/dev/null: %v", errno)
	}
}

func TestMapErrors(t *testing.T) {
	th := memThread(t)
	fd := openPath(t, th, t.TempDir()+"/file", unix.O_RDWR|unix.O_CREAT)
	const rw = unix.PROT_READ | unix.PROT_WRITE
	for _, c := range []struct {
		name string
		args []any
		want linux.Errno
	}{
		{"no kind", []any{0, 4096, rw, unix.MAP_ANONYMOUS, -1, 0}, linux.EINVAL},
		{"no length", []any{0, 0, rw, unix.MAP_PRIVATE | unix.MAP_ANONYMOUS, -1, 0}, linux.EINVAL},
		{"no descriptor", []any{0, 4096, rw, unix.MAP_PRIVATE, -1, 0}, linux.EBADF},
		{"unknown flag", []any{0, 4096, rw, unix.MAP_SHARED_VALIDATE | 1<<25, fd, 0}, linux.EOPNOTSUPP},
		{"huge pages", []any{0, 4096, rw, unix.MAP_PRIVATE | unix.MAP_ANONYMOUS | unix.MAP_HUGETLB, -1, 0}, linux.ENOMEM},
		{"offset in a page", []any{0, 4096, rw, unix.MAP_PRIVATE, fd, 1}, linux.EINVAL},
	} {
		if _, errno := call(t, th, "mmap", c.args...); errno != c.want {
			t.Errorf("%s: %v, want %v", c.name, errno, c.want)
		}
	}
}

func TestMincore(t *testing.T) {
	th := memThread(t)
	const pages = 1 << 18
	at := engine.GVA(must(t, th, "mmap", 0, pages*engine.PageSize, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, -1, 0))
	vec := engine.GVA(must(t, th, "mmap", 0, pages, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS, -1, 0))
	must(t, th, "mincore", at, pages*engine.PageSize, vec)
	if got := peek(t, th, vec, pages); !bytes.Equal(got, bytes.Repeat([]byte{1}, pages)) {
		t.Error("not all pages are there")
	}
	must(t, th, "munmap", vec, pages)
	for _, c := range []struct {
		at   engine.GVA
		n    int
		vec  engine.GVA
		want linux.Errno
	}{{at + 1, 1, testArea, linux.EINVAL}, {testArea - 4096, 4096, testArea, linux.ENOMEM}, {at, 4096, vec, linux.EFAULT}, {at, 1 << 62, testArea, linux.ENOMEM}} {
		if _, errno := call(t, th, "mincore", c.at, c.n, c.vec); errno != c.want {
			t.Errorf("%#x+%#x: %v, want %v", c.at, c.n, errno, c.want)
		}
	}
}
