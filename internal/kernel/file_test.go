package kernel

import (
	"math/rand/v2"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// pipeFile returns a file on a pipe's reading end, and the writing end.
func pipeFile(t *testing.T) (*File, int) {
	t.Helper()
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(p[1]) })
	return NewFile(p[0], "pipe:[1]", true, false), p[1]
}

func isOpen(fd int) bool {
	_, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil
}

// hungUp reports whether nobody reads the pipe any more: its file is closed.
func hungUp(writer int) bool { return Ready(writer, 0) }

func TestFileTable(t *testing.T) {
	ft := NewFileTable()
	const limit = 8
	install := func(from int, want int32, wantErrno linux.Errno) {
		t.Helper()
		f, _ := pipeFile(t)
		if fd, errno := ft.Install(f, from, limit, true); fd != want || errno != wantErrno {
			t.Fatalf("installed at %d, %v; want %d, %v", fd, errno, want, wantErrno)
		}
	}
	install(0, 0, 0)
	install(0, 1, 0)
	install(5, 5, 0)
	install(5, 6, 0)
	install(1, 2, 0)
	install(0, 3, 0)
	if errno := ft.Close(1); errno != 0 {
		t.Fatal(errno)
	}
	install(2, 4, 0)
	install(0, 1, 0)
	install(0, 7, 0)
	install(0, -1, linux.EMFILE)
	install(100, -1, linux.EMFILE)
	for _, fd := range []int32{-1, 8, 1 << 30, -1 << 31} {
		if _, errno := ft.Get(fd); errno != linux.EBADF {
			t.Errorf("get %d: %v", fd, errno)
		}
		if errno := ft.Close(fd); errno != linux.EBADF {
			t.Errorf("close %d: %v", fd, errno)
		}
		if ft.Cloexec(fd) {
			t.Errorf("close-on-exec of %d", fd)
		}
		ft.SetCloexec(fd, true)
	}
	ft.SetCloexec(3, false)
	if ft.Cloexec(3) || !ft.Cloexec(4) {
		t.Error("close-on-exec flags")
	}
	if got := ft.Snapshot(); len(got) != 8 || got[7] != "pipe:[1]" {
		t.Errorf("snapshot %v", got)
	}
	ft.CloseAll()
	if len(ft.Snapshot()) != 0 {
		t.Error("CloseAll left something")
	}
	install(0, 0, 0)
	ft.CloseAll()
}

// The host descriptor is closed with the last reference, and no earlier.
func TestFileReferences(t *testing.T) {
	ft := NewFileTable()
	f, writer := pipeFile(t)
	ft.Replace(3, f, false)
	ft.Replace(9, f.Hold(), true)
	held, errno := ft.Get(9)
	if errno != 0 || held != f {
		t.Fatal(errno)
	}
	ft.Close(3)
	other, otherWriter := pipeFile(t)
	ft.Replace(9, other, false)
	if hungUp(writer) || !isOpen(f.Host) {
		t.Fatal("closed while somebody holds it")
	}
	held.Release()
	if !hungUp(writer) {
		t.Fatal("open although nobody holds it")
	}
	ft.CloseAll()
	if !hungUp(otherWriter) {
		t.Fatal("open after CloseAll")
	}
	// A file that finds no place is closed too.
	f, writer = pipeFile(t)
	if _, errno := ft.Install(f, 0, 0, false); errno != linux.EMFILE || !hungUp(writer) {
		t.Fatalf("%v, closed %v", errno, hungUp(writer))
	}
}

func TestFileKinds(t *testing.T) {
	f, _ := pipeFile(t)
	defer f.Release()
	flags, err := unix.FcntlInt(uintptr(f.Host), unix.F_GETFL, 0)
	if err != nil || flags&unix.O_NONBLOCK == 0 || f.Seekable() || f.Nonblock() {
		t.Errorf("pipe: host flags %#x, seekable %v, nonblock %v, %v", flags, f.Seekable(), f.Nonblock(), err)
	}
	f.SetNonblock(true)
	if !f.Nonblock() {
		t.Error("O_NONBLOCK was not set")
	}
	fd, err := unix.Open("/", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	d := NewFile(fd, "/", true, false)
	defer d.Release()
	if !d.Seekable() {
		t.Error("a directory can block")
	}
}

// Random use against a map.
func TestFileTableRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	ft := NewFileTable()
	const limit = 40
	model := map[int32]*File{}
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	f := NewFile(null, "/dev/null", true, false)
	defer f.Release()
	for i := range 20000 {
		fd := int32(r.IntN(limit + 5))
		switch r.IntN(4) {
		case 0, 1:
			want := fd
			for model[want] != nil {
				want++
			}
			got, errno := ft.Install(f.Hold(), int(fd), limit, false)
			if want >= limit {
				if errno != linux.EMFILE {
					t.Fatalf("step %d: installed at %d, %v", i, got, errno)
				}
				continue
			}
			if errno != 0 || got != want {
				t.Fatalf("step %d: installed at %d, %v; want %d", i, got, errno, want)
			}
			model[want] = f
		case 2:
			if errno := ft.Close(fd); (errno == 0) != (model[fd] != nil) {
				t.Fatalf("step %d: close %d: %v", i, fd, errno)
			}
			delete(model, fd)
		case 3:
			if fd < limit {
				ft.Replace(fd, f.Hold(), false)
				model[fd] = f
			}
		}
		if refs := int(f.refs.Load()); refs != len(model)+1 {
			t.Fatalf("step %d: %d references for %d descriptors", i, refs, len(model))
		}
	}
	ft.CloseAll()
	if f.refs.Load() != 1 {
		t.Fatalf("%d references in the end", f.refs.Load())
	}
}
