package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

func TestErrnoText(t *testing.T) {
	for _, c := range []struct {
		e    Errno
		want string
	}{
		{0, "success"},
		{ENOENT, "ENOENT: no such file or directory"},
		{EAGAIN, "EAGAIN: resource temporarily unavailable"},
		{ERESTARTSYS, "ERESTARTSYS"},
		{EJUSTRETURN, "EJUSTRETURN"},
		{Errno(999), "errno 999"},
	} {
		if got := c.e.String(); got != c.want {
			t.Errorf("Errno(%d) = %q, want %q", uint16(c.e), got, c.want)
		}
	}
}

// Every number from 1 to 133 but the two holes of asm-generic has a name.
func TestErrnoNamesComplete(t *testing.T) {
	for e := Errno(1); e <= EHWPOISON; e++ {
		hole := e == 41 || e == 58
		if named := e.Name() != ""; named == hole {
			t.Errorf("errno %d: name %q", uint16(e), e.Name())
		}
	}
}

func TestErrnoResult(t *testing.T) {
	if got := int64(ENOSYS.Result()); got != -38 {
		t.Errorf("ENOSYS leaves %d in RAX, want -38", got)
	}
	if int64(EJUSTRETURN.Result()) >= -MaxErrno {
		t.Error("EJUSTRETURN looks like an errno to a program")
	}
}

func TestFromHost(t *testing.T) {
	_, notExist := os.Open(filepath.Join(t.TempDir(), "missing"))
	_, refused := net.Dial("unix", filepath.Join(t.TempDir(), "missing"))
	for _, c := range []struct {
		err  error
		want Errno
	}{
		{nil, 0},
		{unix.EXDEV, EXDEV},
		{fmt.Errorf("rename: %w", unix.EXDEV), EXDEV},
		{fmt.Errorf("wait: %w", ERESTARTSYS), ERESTARTSYS},
		{notExist, ENOENT},
		{refused, ENOENT},
		{fs.ErrPermission, EACCES},
		{os.ErrClosed, EBADF},
		{errors.ErrUnsupported, EOPNOTSUPP},
		{errors.New("anything"), EIO},
		{unix.Errno(ERESTARTSYS), EIO},
	} {
		if got := FromHost(c.err); got != c.want {
			t.Errorf("FromHost(%v) = %v, want %v", c.err, got, c.want)
		}
	}
}

func TestErrnoIs(t *testing.T) {
	if !errors.Is(ENOENT, fs.ErrNotExist) || !errors.Is(ENOENT, unix.ENOENT) {
		t.Error("ENOENT is not fs.ErrNotExist and unix.ENOENT")
	}
	if errors.Is(ENOENT, unix.EPERM) || errors.Is(ERESTARTSYS, unix.Errno(512)) {
		t.Error("Is is too generous")
	}
}
