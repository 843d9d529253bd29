package toy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"torov/rsp"
)

const execPath = "/toy"

// Entries of the auxiliary vector (getauxval(3)).
const (
	atPhdr   = 3
	atPhent  = 4
	atPhnum  = 5
	atPagesz = 6
	atEntry  = 9
)

// Auxv implements rsp.Auxv.
func (m *Machine) Auxv(rsp.PID) ([]byte, error) {
	var b []byte
	for _, e := range [][2]uint64{{atPhdr, textBase}, {atPhent, 56}, {atPhnum, 2}, {atPagesz, 4096}, {atEntry, m.image.Entry}, {0, 0}} {
		b = binary.LittleEndian.AppendUint64(b, e[0])
		b = binary.LittleEndian.AppendUint64(b, e[1])
	}
	return b, nil
}

// ExecFile implements rsp.ExecFile.
func (m *Machine) ExecFile(rsp.PID) (string, error) { return execPath, nil }

// Libraries implements rsp.Libraries: the program is static.
func (m *Machine) Libraries(rsp.PID) (rsp.LibraryList, error) { return rsp.LibraryList{}, nil }

// DebugSlot implements rsp.Libraries.
func (m *Machine) DebugSlot(rsp.PID) (rsp.Addr, error) {
	return 0, fmt.Errorf("the program is statically linked")
}

// HostInfo implements rsp.Host.
func (m *Machine) HostInfo() rsp.HostInfo {
	return rsp.HostInfo{Triple: "x86_64-unknown-linux-gnu", Hostname: "toy", OSVersion: "6.1.0", PageSize: 4096}
}

// ProcessInfo implements rsp.Host.
func (m *Machine) ProcessInfo(pid rsp.PID) (rsp.ProcessInfo, error) {
	return rsp.ProcessInfo{PID: pid, Parent: 1, Name: execPath, UID: 1000, GID: 1000, EUID: 1000, EGID: 1000}, nil
}

// Tables implements rsp.OSData.
func (m *Machine) Tables() []rsp.Table {
	return []rsp.Table{{Name: "threads", Title: "Threads", Description: "Listing of the toy's threads"}}
}

// Table implements rsp.OSData.
func (m *Machine) Table(name string) (rsp.Table, error) {
	if name != "threads" {
		return rsp.Table{}, fmt.Errorf("there is no table %s", name)
	}
	t := m.Tables()[0]
	t.Columns = []string{"tid", "name"}
	for _, th := range m.Threads() {
		t.Rows = append(t.Rows, []string{fmt.Sprint(th.ID.TID), th.Name})
	}
	return t, nil
}

// TLSAddress implements rsp.TLS.
func (m *Machine) TLSAddress(_ rsp.ThreadID, offset uint64, linkMap rsp.Addr) (rsp.Addr, error) {
	if linkMap != 0 {
		return 0, fmt.Errorf("thread-local storage of that module is not allocated yet")
	}
	return rsp.Addr(tlsBase + offset), nil
}

// content is the file system: a few files that cannot be written.
func (m *Machine) content(path string) ([]byte, error) {
	switch path {
	case execPath:
		return m.image.ELF(), nil
	case fmt.Sprintf("/proc/%d/maps", FirstPID), fmt.Sprintf("/proc/%d/task/%d/maps", FirstPID, FirstPID):
		return m.maps(), nil
	case fmt.Sprintf("/proc/%d/cmdline", FirstPID):
		return []byte(execPath + "\x00"), nil
	}
	return nil, syscall.ENOENT
}

func (m *Machine) maps() []byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	var b []byte
	for _, s := range m.image.segments() {
		flags := []byte("---p")
		for i, c := range "rwx" {
			if s.perm&(1<<i) != 0 {
				flags[i] = byte(c)
			}
		}
		b = fmt.Appendf(b, "%08x-%08x %s 00000000 00:00 0 %s\n", s.base, s.base+uint64(len(s.data)), flags, s.name)
	}
	return b
}

// Open implements rsp.Files.
func (m *Machine) Open(_ rsp.PID, path string, flags int, _ fs.FileMode) (rsp.File, error) {
	data, err := m.content(path)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: path, Err: err}
	}
	if flags&(os.O_WRONLY|os.O_RDWR) != 0 {
		return nil, syscall.EROFS
	}
	return &file{bytes.NewReader(data)}, nil
}

// Unlink implements rsp.Files.
func (m *Machine) Unlink(rsp.PID, string) error { return syscall.EROFS }

// Readlink implements rsp.Files.
func (m *Machine) Readlink(_ rsp.PID, path string) (string, error) {
	if path == fmt.Sprintf("/proc/%d/exe", FirstPID) {
		return execPath, nil
	}
	return "", syscall.EINVAL
}

// Stat implements rsp.Files.
func (m *Machine) Stat(_ rsp.PID, path string, _ bool) (rsp.FileStat, error) {
	data, err := m.content(path)
	return stat(len(data)), err
}

func stat(size int) rsp.FileStat {
	return rsp.FileStat{Inode: 1, Mode: syscall.S_IFREG | 0o555, Links: 1, Size: int64(size), BlockSize: 4096, Blocks: int64(size+511) / 512}
}

// file is an open file.
type file struct{ *bytes.Reader }

func (f *file) WriteAt([]byte, int64) (int, error) { return 0, syscall.EBADF }
func (f *file) Close() error                       { return nil }
func (f *file) Stat() (rsp.FileStat, error)        { return stat(int(f.Size())), nil }

var _ io.ReaderAt = (*file)(nil)
