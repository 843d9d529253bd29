package debug

import (
	"io/fs"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"torov/rsp"
)

// fileServer implements rsp.Files: the program's view of the file system,
// read through the program's own root.
type fileServer struct{ d *Debugger }

// Open implements rsp.Files.
func (s *fileServer) Open(p rsp.PID, path string, flags int, mode fs.FileMode) (rsp.File, error) {
	proc, err := s.d.process(p)
	if err != nil {
		return nil, err
	}
	if flags&(os.O_WRONLY|os.O_RDWR|os.O_CREATE|os.O_TRUNC) != 0 {
		return nil, syscall.EROFS
	}
	fd, errno := proc.FS.OpenProgram(path)
	if errno != 0 {
		return nil, hostErrno(errno)
	}
	return openFile{os.NewFile(uintptr(fd), path)}, nil
}

// Unlink implements rsp.Files. Debuggers read files; they do not remove the
// program's.
func (s *fileServer) Unlink(rsp.PID, string) error { return syscall.EROFS }

// Readlink implements rsp.Files.
func (s *fileServer) Readlink(rsp.PID, string) (string, error) { return "", syscall.EINVAL }

// Stat implements rsp.Files.
func (s *fileServer) Stat(p rsp.PID, path string, follow bool) (rsp.FileStat, error) {
	f, err := s.Open(p, path, os.O_RDONLY, 0)
	if err != nil {
		return rsp.FileStat{}, err
	}
	defer f.Close()
	return f.Stat()
}

// openFile is a host file as rsp wants it.
type openFile struct{ *os.File }

// Stat implements rsp.File.
func (f openFile) Stat() (rsp.FileStat, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return rsp.FileStat{}, err
	}
	t := func(ts unix.Timespec) time.Time { return time.Unix(ts.Unix()) }
	return rsp.FileStat{
		Dev: st.Dev, Inode: st.Ino, Mode: st.Mode, Links: st.Nlink, UID: st.Uid, GID: st.Gid, RDev: st.Rdev,
		Size: st.Size, BlockSize: st.Blksize, Blocks: st.Blocks, ATime: t(st.Atim), MTime: t(st.Mtim), CTime: t(st.Ctim),
	}, nil
}
