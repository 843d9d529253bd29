package debug

import (
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/rsp"
)

// fileServer implements rsp.Files: the program's view of the file system, with
// its own /proc. Debuggers read there; they do not change the program's files.
type fileServer struct{ d *Debugger }

// lookup finds what the program has at a path.
func (s *fileServer) lookup(p rsp.PID, path string, flags int) (*kernel.Process, *kernel.Node, error) {
	proc, err := s.d.process(p)
	if err != nil {
		return nil, nil, err
	}
	if strings.HasPrefix(path, "/proc/") && strings.HasSuffix(path, "/smaps") {
		// Its counters are zero: gdb would take all memory for unchanged and
		// leave it out of core files. Without it gdb reads maps.
		return nil, nil, syscall.ENOENT
	}
	n, errno := proc.FS.Lookup(proc.Leader(), kernel.At{Path: ownPath(path)}, flags)
	if errno != 0 {
		return nil, nil, hostErrno(errno)
	}
	return proc, n, nil
}

// ownPath translates the numbers that clients know processes and threads by
// in a path of /proc.
func ownPath(path string) string {
	parts := strings.Split(path, "/")
	if len(parts) < 3 || parts[1] != "proc" {
		return path
	}
	for i, part := range parts {
		isTask := i == 4 && parts[3] == "task"
		if n, err := strconv.Atoi(part); err == nil && n > idBase && (i == 2 || isTask) {
			parts[i] = strconv.Itoa(n - idBase)
		}
	}
	return strings.Join(parts, "/")
}

// Open implements rsp.Files.
func (s *fileServer) Open(p rsp.PID, path string, flags int, _ fs.FileMode) (rsp.File, error) {
	if flags&(os.O_WRONLY|os.O_RDWR|os.O_CREATE|os.O_TRUNC) != 0 {
		return nil, syscall.EROFS
	}
	proc, n, err := s.lookup(p, path, 0)
	if err != nil {
		return nil, err
	}
	defer n.Close()
	st, errno := n.Stat()
	switch kind := st.Mode & unix.S_IFMT; {
	case errno != 0:
		return nil, hostErrno(errno)
	case kind == unix.S_IFDIR:
		return nil, syscall.EISDIR
	case kind != unix.S_IFREG:
		return nil, syscall.EACCES // reading a device or a pipe would take from the program
	}
	f, errno := proc.FS.Open(proc.Leader(), kernel.At{Path: ownPath(path)}, linux.OpenHow{Flags: unix.O_RDONLY | unix.O_NONBLOCK})
	if errno != 0 {
		return nil, hostErrno(errno)
	}
	return openFile{f}, nil
}

// Unlink implements rsp.Files.
func (s *fileServer) Unlink(rsp.PID, string) error { return syscall.EROFS }

// Readlink implements rsp.Files.
func (s *fileServer) Readlink(p rsp.PID, path string) (string, error) {
	_, n, err := s.lookup(p, path, kernel.LookupNoFollow)
	if err != nil {
		return "", err
	}
	defer n.Close()
	text, errno := n.Readlink()
	if errno != 0 {
		return "", hostErrno(errno)
	}
	return text, nil
}

// Stat implements rsp.Files.
func (s *fileServer) Stat(p rsp.PID, path string, follow bool) (rsp.FileStat, error) {
	flags := 0
	if !follow {
		flags = kernel.LookupNoFollow
	}
	_, n, err := s.lookup(p, path, flags)
	if err != nil {
		return rsp.FileStat{}, err
	}
	defer n.Close()
	st, errno := n.Stat()
	if errno != 0 {
		return rsp.FileStat{}, hostErrno(errno)
	}
	return fileStat((*unix.Stat_t)(&st)), nil
}

// openFile is a file of the program as rsp wants it.
type openFile struct{ f *kernel.File }

// ReadAt implements rsp.File.
func (o openFile) ReadAt(b []byte, off int64) (int, error) {
	n, err := unix.Pread(o.f.Host, b, off)
	if err == nil && n == 0 && len(b) > 0 {
		err = io.EOF
	}
	return max(n, 0), err
}

// WriteAt implements rsp.File.
func (o openFile) WriteAt([]byte, int64) (int, error) { return 0, syscall.EROFS }

// Close implements rsp.File.
func (o openFile) Close() error {
	o.f.Release()
	return nil
}

// Stat implements rsp.File.
func (o openFile) Stat() (rsp.FileStat, error) {
	var st unix.Stat_t
	if err := unix.Fstat(o.f.Host, &st); err != nil {
		return rsp.FileStat{}, err
	}
	return fileStat(&st), nil
}

func fileStat(st *unix.Stat_t) rsp.FileStat {
	t := func(ts unix.Timespec) time.Time { return time.Unix(ts.Unix()) }
	return rsp.FileStat{
		Dev: st.Dev, Inode: st.Ino, Mode: st.Mode, Links: st.Nlink, UID: st.Uid, GID: st.Gid, RDev: st.Rdev,
		Size: st.Size, BlockSize: st.Blksize, Blocks: st.Blocks, ATime: t(st.Atim), MTime: t(st.Mtim), CTime: t(st.Ctim),
	}
}
