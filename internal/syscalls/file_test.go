package syscalls

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

// pokeString writes a path, as C has it.
func pokeString(t testing.TB, th *kernel.Thread, at engine.GVA, s string) engine.GVA {
	t.Helper()
	return poke(t, th, at, append([]byte(s), 0))
}

// openPath opens a file for the program.
func openPath(t testing.TB, th *kernel.Thread, name string, flags int) int {
	t.Helper()
	return int(must(t, th, "open", pokeString(t, th, testArea, name), flags, 0o600))
}

// TestOpenHow: what is refused with EINVAL is what the host refuses, for every
// pair of flags.
func TestOpenHow(t *testing.T) {
	missing := filepath.Join(t.TempDir(), "missing/file")
	bits := []uint64{0, 1 << 40, 1 << 31}
	for bit := uint64(1); bit <= unix.O_TMPFILE; bit <<= 1 {
		bits = append(bits, bit)
	}
	count := 0
	for _, base := range []uint64{unix.O_RDONLY, unix.O_RDWR, unix.O_TMPFILE, unix.O_TMPFILE | unix.O_RDWR, unix.O_PATH} {
		for i, x := range bits {
			for _, y := range bits[i:] {
				for _, mode := range []uint64{0, 0o600, 0o100600} {
					for _, resolve := range []uint64{0, unix.RESOLVE_BENEATH, unix.RESOLVE_BENEATH | unix.RESOLVE_IN_ROOT, 0x100} {
						how := linux.OpenHow{Flags: base | x | y, Mode: mode, Resolve: resolve}
						fd, err := unix.Openat2(unix.AT_FDCWD, missing, &how)
						if err == nil {
							unix.Close(fd)
						}
						if got := checkHow(how); (got == linux.EINVAL) != (err == unix.EINVAL) {
							t.Errorf("%#x mode %#o resolve %#x: %v, on the host %v", how.Flags, mode, resolve, got, err)
						}
						count++
					}
				}
			}
		}
	}
	t.Logf("%d combinations", count)
}

// TestBadPaths: every call that takes a path refuses a bad pointer and an
// endless string, before anything else happens.
func TestBadPaths(t *testing.T) {
	th := netThread(t)
	long := poke(t, th, testArea+8192, bytes.Repeat([]byte("x"), unix.PathMax+1))
	good := pokeString(t, th, testArea, "name")
	calls := 0
	for _, c := range Table() {
		var paths []int
		for i, arg := range c.Args {
			if arg.Kind == Path {
				paths = append(paths, i)
			}
		}
		for _, bad := range paths {
			for at, want := range map[engine.GVA]linux.Errno{1: linux.EFAULT, testArea + testAreaSize - 1: linux.EFAULT, long: linux.ENAMETOOLONG} {
				var a Args
				for i, arg := range c.Args {
					switch {
					case i == bad:
						a[i] = uint64(at)
					case arg.Kind == Path:
						a[i] = uint64(good)
					case arg.Kind == DirFD:
						a[i] = unix.AT_FDCWD & (1<<64 - 1)
					case arg.Kind == Size || arg.Name == "size":
						a[i] = unix.SizeofOpenHow
					case arg.Name == "how":
						a[i] = uint64(testArea + 4096)
					}
				}
				if c.Name == "name_to_handle_at" || c.Name == "inotify_add_watch" {
					continue // always refused; looks at its descriptor first
				}
				// The last byte of the area is not the end of a string.
				poke(t, th, testArea+testAreaSize-1, []byte("x"))
				if _, errno := c.Do(th, a); errno != want {
					t.Errorf("%s with argument %d at %#x: %v, want %v", c.Name, bad, at, errno, want)
				}
				calls++
			}
		}
	}
	if calls < 100 {
		t.Errorf("only %d calls have paths", calls)
	}
}

// TestOldDirents compares what getdents(2) gives with the host's bytes.
func TestOldDirents(t *testing.T) {
	th := netThread(t)
	dir := t.TempDir()
	for i, name := range []string{"a", "bb", "ccccccc", "dddddddd", "eeeeeeeeeeee", strings.Repeat("f", 255)} {
		var err error
		if i%2 == 0 {
			err = os.WriteFile(filepath.Join(dir, name), nil, 0o600)
		} else {
			err = os.Mkdir(filepath.Join(dir, name), 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	fd := openPath(t, th, dir, unix.O_DIRECTORY)
	n := must(t, th, "getdents", fd, testArea, 4096)
	got := peek(t, th, testArea, int(n))
	var names []string
	const header = 18 // d_ino, d_off, d_reclen
	for b := got; len(b) > 0; {
		size := int(b[16]) | int(b[17])<<8
		name := unix.ByteSliceToString(b[header:])
		var st unix.Stat_t
		if err := unix.Lstat(filepath.Join(dir, name), &st); err != nil {
			t.Fatal(err)
		}
		if typ := b[size-1]; typ != byte(st.Mode>>12) {
			t.Errorf("%s has type %d", name, typ)
		}
		if size != linux.DirentSize(name) {
			t.Errorf("%s has size %d, want %d", name, size, linux.DirentSize(name))
		}
		names, b = append(names, name), b[size:]
	}
	slices.Sort(names)
	if want := []string{".", "..", "a", "bb", "ccccccc", "dddddddd", "eeeeeeeeeeee", strings.Repeat("f", 255)}; !slices.Equal(names, want) {
		t.Errorf("entries %q", names)
	}
	must(t, th, "lseek", fd, 0, unix.SEEK_SET)
	if _, errno := call(t, th, "getdents64", fd, engine.GVA(1), 4096); errno != linux.EFAULT {
		t.Errorf("getdents64 to nowhere: %v", errno)
	}
	if n := must(t, th, "getdents64", fd, testArea, 4096); n == 0 {
		t.Error("the entries that could not be delivered are lost")
	}
}

// putVector writes an array of buffers.
func putVector(t testing.TB, th *kernel.Thread, at engine.GVA, iov ...linux.Iovec) engine.GVA {
	t.Helper()
	if errno := mm.WriteSlice(th.Proc.AS(), at, iov); errno != 0 {
		t.Fatal(errno)
	}
	return at
}

func TestVectors(t *testing.T) {
	th := netThread(t)
	th.Proc.SetLimit(unix.RLIMIT_FSIZE, linux.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY})
	fd := openPath(t, th, filepath.Join(t.TempDir(), "f"), unix.O_RDWR|unix.O_CREAT)
	const text, back, vec = testArea + 0x1000, testArea + 0x3000, testArea + 0x8000
	edge := testArea + testAreaSize - 3
	poke(t, th, text, []byte("0123456789"))
	ok := putVector(t, th, vec, linux.Iovec{Base: uint64(text), Len: 4}, linux.Iovec{}, linux.Iovec{Base: uint64(text) + 4, Len: 6})
	if n := must(t, th, "writev", fd, ok, 3); n != 10 {
		t.Errorf("writev: %d", n)
	}
	in := putVector(t, th, vec, linux.Iovec{Base: uint64(back), Len: 2}, linux.Iovec{Base: uint64(back) + 0x100, Len: 3})
	if n := must(t, th, "preadv", fd, in, 2, 3, 0); n != 5 {
		t.Errorf("preadv: %d", n)
	}
	if got := string(peek(t, th, back, 2)) + string(peek(t, th, back+0x100, 3)); got != "34567" {
		t.Errorf("preadv read %q", got)
	}
	for _, c := range []struct {
		name string
		iov  []linux.Iovec
		n    int
		want int64
		err  linux.Errno
	}{
		{"negative length", []linux.Iovec{{Base: uint64(back), Len: 1 << 63}}, 1, 0, linux.EINVAL},
		{"more than there are", []linux.Iovec{{Base: uint64(back), Len: 1 << 40}}, 1, 10, 0},
		{"beyond all addresses", []linux.Iovec{{Base: 1 << 63, Len: 1}}, 1, 0, linux.EFAULT},
		{"nothing there", []linux.Iovec{{Base: 1 << 40, Len: 1}}, 1, 0, linux.EFAULT},
		{"hole at the end", []linux.Iovec{{Base: uint64(edge), Len: 10}}, 1, 3, 0},
		{"hole in the middle", []linux.Iovec{{Base: uint64(back), Len: 4}, {Base: 1 << 40, Len: 4}}, 2, 4, 0},
		{"too many", nil, 1025, 0, linux.EINVAL},
		{"none", nil, 0, 0, 0},
		{"negative count", nil, -1, 0, linux.EINVAL},
	} {
		n, errno := call(t, th, "preadv", fd, putVector(t, th, vec, c.iov...), c.n, 0, 0)
		if n != c.want || errno != c.err {
			t.Errorf("%s: %d %v, want %d %v", c.name, n, errno, c.want, c.err)
		}
	}
}

func TestFileSizeLimit(t *testing.T) {
	th := netThread(t)
	th.Proc.SetLimit(unix.RLIMIT_FSIZE, linux.Rlimit{Cur: 10, Max: 10})
	fd := openPath(t, th, filepath.Join(t.TempDir(), "f"), unix.O_RDWR|unix.O_CREAT)
	if n := must(t, th, "write", fd, testArea, 100); n != 10 {
		t.Errorf("wrote %d bytes", n)
	}
	for _, c := range []struct {
		name string
		args []any
	}{{"write", []any{fd, testArea, 1}}, {"pwrite64", []any{fd, testArea, 1, 10}}, {"ftruncate", []any{fd, 11}}, {"fallocate", []any{fd, 0, 5, 6}}} {
		if _, errno := call(t, th, c.name, c.args...); errno != linux.EFBIG {
			t.Errorf("%s: %v", c.name, errno)
		}
		if info, ok := th.TakeSignal(^linux.SigSet(0)); !ok || info.Signal() != linux.SIGXFSZ {
			t.Errorf("%s: no SIGXFSZ", c.name)
		}
	}
}

// TestUnknownIoctl: no request that is not in the table reaches the host.
func TestUnknownIoctl(t *testing.T) {
	th := netThread(t)
	fd := openPath(t, th, "/dev/null", unix.O_RDWR)
	for _, request := range []int{0, 0x5412 /* TIOCSTI */, 0x541c /* TIOCLINUX */, 0x5441 /* TIOCGPTPEER */, 0xae80 /* KVM_RUN */, 0x12345678, -1} {
		if _, errno := call(t, th, "ioctl", fd, request, engine.GVA(testArea)); errno != linux.ENOTTY {
			t.Errorf("request %#x: %v", request, errno)
		}
	}
}

func TestDescriptors(t *testing.T) {
	th := netThread(t)
	fd := openPath(t, th, "/dev/null", unix.O_RDONLY|unix.O_CLOEXEC)
	for _, c := range []struct {
		name string
		args []any
		want int64
		err  linux.Errno
	}{
		{"fcntl", []any{fd, unix.F_GETFD}, 1, 0}, {"dup", []any{fd}, 1, 0}, {"fcntl", []any{1, unix.F_GETFD}, 0, 0}, {"dup2", []any{fd, 10}, 10, 0}, {"dup2", []any{fd, fd}, int64(fd), 0},
		{"dup2", []any{fd, 64}, 0, linux.EBADF}, {"dup2", []any{fd, -1}, 0, linux.EBADF}, {"dup2", []any{9, 9}, 0, linux.EBADF}, {"dup3", []any{fd, fd, 0}, 0, linux.EINVAL},
		{"dup3", []any{fd, 11, unix.O_CLOEXEC}, 11, 0}, {"fcntl", []any{11, unix.F_GETFD}, 1, 0}, {"dup3", []any{fd, 12, unix.O_APPEND}, 0, linux.EINVAL},
		{"fcntl", []any{fd, unix.F_DUPFD, 20}, 20, 0}, {"fcntl", []any{fd, unix.F_DUPFD, 64}, 0, linux.EINVAL}, {"fcntl", []any{fd, unix.F_DUPFD, 63}, 63, 0}, {"fcntl", []any{fd, unix.F_DUPFD, 63}, 0, linux.EMFILE},
		{"fcntl", []any{fd, fDupfdQuery, 20}, 1, 0}, {"close_range", []any{10, 20, unix.CLOSE_RANGE_CLOEXEC}, 0, 0}, {"fcntl", []any{20, unix.F_GETFD}, 1, 0},
		{"close_range", []any{10, -1, 0}, 0, 0}, {"fcntl", []any{20, unix.F_GETFD}, 0, linux.EBADF}, {"close", []any{fd}, 0, 0}, {"close", []any{fd}, 0, linux.EBADF},
	} {
		if n, errno := call(t, th, c.name, c.args...); n != c.want || errno != c.err {
			t.Errorf("%s%v: %d %v, want %d %v", c.name, c.args, n, errno, c.want, c.err)
		}
	}
}
