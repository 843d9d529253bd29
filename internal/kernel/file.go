package kernel

import (
	"slices"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
	"torov/internal/mm"
)

// File is an open file description: what several descriptors of the program
// may share. Behind it is a host descriptor that the program never sees.
type File struct {
	Host int    // host descriptor; for files with Ops an eventfd that says when they are ready
	Path string // the program's name for it: a path, "socket:[3]", "pipe:[7]"
	Ops  FileOps

	seekable bool        // regular files, directories, block devices: never block
	private  atomic.Bool // no other process has the description: O_NONBLOCK is set on the host
	nonblock atomic.Bool // the program's O_NONBLOCK
	noNowait atomic.Bool // the host does not take RWF_NOWAIT for it
	refs     atomic.Int32
}

// FileOps are files that the kernel itself implements. Methods never block:
// they return EAGAIN and make Host readable when it is worth another try.
type FileOps interface {
	Read(t *Thread, b *mm.Buffers) (int, linux.Errno)
	Write(t *Thread, b *mm.Buffers) (int, linux.Errno)
	Close()
}

// NewFile wraps a host descriptor and takes it over. A private description is
// one the VMM opened for the program alone; its host side is made
// non-blocking, so that no host call ever blocks.
func NewFile(host int, path string, private, nonblock bool) *File {
	f := &File{Host: host, Path: path}
	f.private.Store(private)
	f.nonblock.Store(nonblock)
	f.refs.Store(1)
	var st unix.Stat_t
	if unix.Fstat(host, &st) == nil {
		switch st.Mode & unix.S_IFMT {
		case unix.S_IFREG, unix.S_IFDIR, unix.S_IFBLK:
			f.seekable = true
		}
	}
	if private && !f.seekable {
		_ = unix.SetNonblock(host, true) // a description that refuses is polled first
	}
	return f
}

// Hold adds a reference.
func (f *File) Hold() *File {
	f.refs.Add(1)
	return f
}

// Release drops a reference; the last one closes the host descriptor.
func (f *File) Release() {
	if f.refs.Add(-1) == 0 {
		if f.Ops != nil {
			f.Ops.Close()
		}
		unix.Close(f.Host)
	}
}

// Nonblock is the program's O_NONBLOCK.
func (f *File) Nonblock() bool { return f.nonblock.Load() }

// SetNonblock sets the program's O_NONBLOCK; the host's stays as it is.
func (f *File) SetNonblock(on bool) { f.nonblock.Store(on) }

// Seekable reports whether reads and writes never have to wait.
func (f *File) Seekable() bool { return f.seekable }

// FileTable maps the program's descriptors to files.
type FileTable struct {
	mu    sync.RWMutex
	slots []slot
	first int // no free slot below
}

type slot struct {
	file    *File
	cloexec bool
}

// NewFileTable returns an empty table.
func NewFileTable() *FileTable { return &FileTable{} }

// Get returns the file of a descriptor with a reference that the caller
// releases.
func (ft *FileTable) Get(fd int32) (*File, linux.Errno) {
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	if fd < 0 || int(fd) >= len(ft.slots) || ft.slots[fd].file == nil {
		return nil, linux.EBADF
	}
	return ft.slots[fd].file.Hold(), 0
}

// Install gives f the lowest free descriptor that is at least from and below
// limit. The table takes over the caller's reference, also on failure.
func (ft *FileTable) Install(f *File, from int, limit uint64, cloexec bool) (int32, linux.Errno) {
	ft.mu.Lock()
	defer ft.mu.Unlock()
	fd := max(from, ft.first)
	for fd < len(ft.slots) && ft.slots[fd].file != nil {
		fd++
	}
	if uint64(fd) >= limit {
		f.Release()
		return -1, linux.EMFILE
	}
	ft.grow(fd)
	ft.slots[fd] = slot{f, cloexec}
	if from <= ft.first {
		ft.first = fd + 1
	}
	return int32(fd), 0
}

func (ft *FileTable) grow(fd int) {
	for len(ft.slots) <= fd {
		ft.slots = append(ft.slots, slot{})
	}
}

// Replace puts f at descriptor fd, closing what was there, as dup2(2). The
// table takes over the reference. The caller has checked fd against the limit.
func (ft *FileTable) Replace(fd int32, f *File, cloexec bool) {
	ft.mu.Lock()
	ft.grow(int(fd))
	old := ft.slots[fd].file
	ft.slots[fd] = slot{f, cloexec}
	ft.mu.Unlock()
	if old != nil {
		old.Release()
	}
}

// Close closes a descriptor.
func (ft *FileTable) Close(fd int32) linux.Errno {
	ft.mu.Lock()
	if fd < 0 || int(fd) >= len(ft.slots) || ft.slots[fd].file == nil {
		ft.mu.Unlock()
		return linux.EBADF
	}
	f := ft.slots[fd].file
	ft.slots[fd] = slot{}
	ft.first = min(ft.first, int(fd))
	ft.mu.Unlock()
	f.Release()
	return 0
}

// clone returns a table with the same open files, for a new process.
func (ft *FileTable) clone() *FileTable {
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	out := &FileTable{slots: slices.Clone(ft.slots), first: ft.first}
	for _, s := range out.slots {
		if s.file != nil {
			s.file.Hold()
		}
	}
	return out
}

// closeOnExec closes what execve(2) closes.
func (ft *FileTable) closeOnExec() {
	for fd := range ft.Snapshot() {
		if ft.Cloexec(fd) {
			ft.Close(fd)
		}
	}
}

// CloseAll closes every descriptor.
func (ft *FileTable) CloseAll() {
	for fd := range ft.Snapshot() {
		ft.Close(fd)
	}
}

// Cloexec returns the close-on-exec flag; fd must be open.
func (ft *FileTable) Cloexec(fd int32) bool {
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	return fd >= 0 && int(fd) < len(ft.slots) && ft.slots[fd].cloexec
}

// SetCloexec changes the close-on-exec flag of an open descriptor.
func (ft *FileTable) SetCloexec(fd int32, on bool) {
	ft.mu.Lock()
	defer ft.mu.Unlock()
	if fd >= 0 && int(fd) < len(ft.slots) && ft.slots[fd].file != nil {
		ft.slots[fd].cloexec = on
	}
}

// Snapshot returns the open descriptors with the names of their files.
func (ft *FileTable) Snapshot() map[int32]string {
	ft.mu.RLock()
	defer ft.mu.RUnlock()
	out := make(map[int32]string)
	for fd, s := range ft.slots {
		if s.file != nil {
			out[int32(fd)] = s.file.Path
		}
	}
	return out
}
