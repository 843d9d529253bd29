package kernel

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// TestFIFO: opening one end waits for the other, in both orders, and a signal
// ends the wait.
func TestFIFO(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mkfifo(filepath.Join(dir, "p"), 0o600); err != nil {
		t.Fatal(err)
	}
	th := testThread(t, dir, "/")
	if got := second(th.open("/p", unix.O_WRONLY|unix.O_NONBLOCK)); got != linux.ENXIO {
		t.Errorf("open for writing without waiting: %v", got)
	}
	if got := second(th.open("/p", unix.O_RDONLY|unix.O_NONBLOCK)); got != 0 {
		t.Errorf("open for reading without waiting: %v", got)
	}
	for _, flags := range []uint64{unix.O_RDONLY, unix.O_WRONLY} {
		other := make(chan error)
		go func() {
			// The host's open waits by itself.
			fd, err := unix.Open(filepath.Join(dir, "p"), unix.O_CLOEXEC|int(unix.O_WRONLY-flags), 0)
			if err == nil {
				err = unix.Close(fd)
			}
			other <- err
		}()
		if got := second(th.open("/p", flags)); got != 0 {
			t.Errorf("open: %v", got)
		}
		if err := <-other; err != nil {
			t.Error(err)
		}
		th.pending.add(linux.KernelInfo(linux.SIGTERM))
		if got := second(th.open("/p", flags)); got != linux.ERESTARTSYS {
			t.Errorf("open with a signal pending: %v", got)
		}
		th.pending.drop(linux.SIGTERM)
	}
}

// TestRecordLocks: closing any descriptor of a file gives up the process's
// locks on it, and a lock of somebody else is waited for.
func TestRecordLocks(t *testing.T) {
	dir := t.TempDir()
	tree(t, dir, "f")
	th := testThread(t, dir, "/")
	f, errno := th.open("/f", unix.O_RDWR)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer f.Release()
	g, errno := th.open("/f", unix.O_RDWR)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer g.Release()
	lock := func(f *File, cmd int) linux.Errno {
		return th.RecordLock(f, cmd, &linux.Flock{Type: unix.F_WRLCK, Whence: unix.SEEK_SET})
	}
	if errno := lock(f, unix.F_SETLK); errno != 0 {
		t.Fatal(errno)
	}
	if errno := lock(g, unix.F_OFD_SETLK); errno != linux.EAGAIN {
		t.Errorf("a second lock: %v", errno)
	}
	th.Proc.FS.DropLocks(f)
	if errno := lock(g, unix.F_OFD_SETLK); errno != 0 {
		t.Errorf("after the close: %v", errno)
	}
	th.pending.add(linux.KernelInfo(linux.SIGTERM))
	if errno := lock(f, unix.F_SETLKW); errno != linux.ERESTARTSYS {
		t.Errorf("waiting with a signal pending: %v", errno)
	}
}
