package rsp

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
)

// filePackets serve files.
var filePackets = packetTable{
	"vFile": (*session).file,
}

// fileOperations are those of vFile:operation:arguments. A result n >= 0 is the
// reply F<n>, with data behind a semicolon if it is not nil.
var fileOperations = map[string]func(s *session, a *args) (n int64, data []byte, err error){
	"setfs":    (*session).fileSetFS,
	"open":     (*session).fileOpen,
	"close":    (*session).fileClose,
	"pread":    (*session).fileRead,
	"pwrite":   (*session).fileWrite,
	"fstat":    (*session).fileStat,
	"stat":     func(s *session, a *args) (int64, []byte, error) { return s.pathStat(a, true) },
	"lstat":    func(s *session, a *args) (int64, []byte, error) { return s.pathStat(a, false) },
	"unlink":   (*session).fileUnlink,
	"readlink": (*session).fileReadlink,
	"size":     (*session).fileSize,
	"mode":     (*session).fileMode,
}

// fileTable is the files a client has open. Its numbers start at 0.
type fileTable struct {
	open map[int]File
	pid  PID // whose view of the file system
}

// maxFiles bounds how many files a client may have open.
const maxFiles = 256

func (ft *fileTable) closeAll() {
	for _, f := range ft.open {
		f.Close()
	}
	ft.open = nil
}

func (ft *fileTable) add(f File) (int64, error) {
	if ft.open == nil {
		ft.open = map[int]File{}
	}
	for fd := range maxFiles {
		if ft.open[fd] == nil {
			ft.open[fd] = f
			return int64(fd), nil
		}
	}
	f.Close()
	return 0, syscall.EMFILE
}

// get reads a file number.
func (ft *fileTable) get(a *args) (File, int, error) {
	fd := int(min(a.hex(), maxFiles))
	f := ft.open[fd]
	if f == nil {
		return nil, 0, syscall.EBADF
	}
	return f, fd, nil
}

// file: vFile:operation:arguments. Replies are F<result>[,<errno>][;<data>] in
// hexadecimal.
func (s *session) file(a *args) ([]byte, error) {
	if s.t.Files == nil {
		return nil, errEmpty
	}
	a.expect(':')
	name := string(a.until(':'))
	if name == "exists" {
		return s.fileExists(a)
	}
	op := fileOperations[name]
	if op == nil {
		return nil, errEmpty
	}
	n, data, err := op(s, a)
	switch {
	case err == nil && a.bad, errors.Is(err, errMalformed):
		err = syscall.EINVAL
		fallthrough
	case err != nil:
		return fmt.Appendf(nil, "F-1,%x", fileIOError(err)), nil
	case data == nil:
		return fmt.Appendf(nil, "F%x", n), nil
	}
	const overhead = 32
	body, took := appendEscaped(nil, data, s.packetSize-overhead)
	return append(fmt.Appendf(nil, "F%x;", min(n, int64(took))), body...), nil
}

// path reads a hexadecimal path, up to a comma or the end.
func (s *session) path(a *args) (string, error) {
	p := string(a.hexBytes(','))
	if a.bad || p == "" {
		return "", errMalformed
	}
	return p, nil
}

// fileSetFS chooses whose view of the file system the paths belong to.
func (s *session) fileSetFS(a *args) (int64, []byte, error) {
	pid := PID(a.id())
	if err := a.done(); err != nil {
		return 0, nil, err
	}
	s.files.pid = max(pid, 0)
	return 0, nil, nil
}

func (s *session) fileOpen(a *args) (int64, []byte, error) {
	path, err := s.path(a)
	if err != nil {
		return 0, nil, err
	}
	flags := a.hex()
	a.expect(',')
	mode := a.hex()
	if err := a.done(); err != nil {
		return 0, nil, err
	}
	f, err := s.t.Files.Open(s.files.pid, path, openFlags(flags), fs.FileMode(mode&0o777))
	if err != nil {
		return 0, nil, err
	}
	fd, err := s.files.add(f)
	return fd, nil, err
}

func (s *session) fileClose(a *args) (int64, []byte, error) {
	f, fd, err := s.files.get(a)
	if err != nil {
		return 0, nil, err
	}
	delete(s.files.open, fd)
	return 0, nil, f.Close()
}

// fileRead: fd,count,offset. No data is the end of the file.
func (s *session) fileRead(a *args) (int64, []byte, error) {
	f, _, err := s.files.get(a)
	if err != nil {
		return 0, nil, err
	}
	a.expect(',')
	count := a.size(s.packetSize)
	a.expect(',')
	offset := a.hex()
	if err := a.done(); err != nil {
		return 0, nil, err
	}
	if int64(offset) < 0 {
		return 0, nil, syscall.EINVAL
	}
	buf := make([]byte, count)
	n, err := f.ReadAt(buf, int64(offset))
	if n == 0 && err != nil && err != io.EOF {
		return 0, nil, err
	}
	return int64(n), buf[:n], nil
}

// fileWrite: fd,offset,data.
func (s *session) fileWrite(a *args) (int64, []byte, error) {
	f, _, err := s.files.get(a)
	if err != nil {
		return 0, nil, err
	}
	a.expect(',')
	offset := a.hex()
	a.expect(',')
	data := a.all()
	if err := a.err(); err != nil {
		return 0, nil, err
	}
	if int64(offset) < 0 {
		return 0, nil, syscall.EINVAL
	}
	n, err := f.WriteAt(data, int64(offset))
	if n > 0 {
		err = nil
	}
	return int64(n), nil, err
}

func (s *session) fileStat(a *args) (int64, []byte, error) {
	f, _, err := s.files.get(a)
	if err != nil {
		return 0, nil, err
	}
	st, err := f.Stat()
	if err != nil {
		return 0, nil, err
	}
	data := st.wire()
	return int64(len(data)), data, nil
}

// stat reads a path and describes the file.
func (s *session) stat(a *args, follow bool) (FileStat, error) {
	path, err := s.path(a)
	if err != nil {
		return FileStat{}, err
	}
	return s.t.Files.Stat(s.files.pid, path, follow)
}

func (s *session) pathStat(a *args, follow bool) (int64, []byte, error) {
	st, err := s.stat(a, follow)
	if err != nil {
		return 0, nil, err
	}
	data := st.wire()
	return int64(len(data)), data, nil
}

func (s *session) fileSize(a *args) (int64, []byte, error) {
	st, err := s.stat(a, true)
	return st.Size, nil, err
}

func (s *session) fileMode(a *args) (int64, []byte, error) {
	st, err := s.stat(a, true)
	return int64(st.Mode & 0o7777), nil, err
}

// fileExists: vFile:exists is LLDB's, and its reply is F,1 or F,0.
func (s *session) fileExists(a *args) ([]byte, error) {
	if _, err := s.stat(a, true); err != nil {
		return []byte("F,0"), nil
	}
	return []byte("F,1"), nil
}

func (s *session) fileUnlink(a *args) (int64, []byte, error) {
	path, err := s.path(a)
	if err != nil {
		return 0, nil, err
	}
	return 0, nil, s.t.Files.Unlink(s.files.pid, path)
}

func (s *session) fileReadlink(a *args) (int64, []byte, error) {
	path, err := s.path(a)
	if err != nil {
		return 0, nil, err
	}
	target, err := s.t.Files.Readlink(s.files.pid, path)
	if err != nil {
		return 0, nil, err
	}
	return int64(len(target)), []byte(target), nil
}
