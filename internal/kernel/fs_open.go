package kernel

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// resolveCached is RESOLVE_CACHED of openat2(2).
const resolveCached = 0x20

// Open opens a file, as openat2(2) with its rules for flags, mode and resolve.
// t is the thread that waits if the other end of a FIFO is not open.
func (fs *FileSystem) Open(t *Thread, at At, how linux.OpenHow) (*File, linux.Errno) {
	if at.Path == "" {
		return nil, linux.ENOENT
	}
	if how.Flags&(unix.O_CREAT|unix.O_TMPFILE&^unix.O_DIRECTORY) != 0 {
		how.Mode &^= uint64(fs.Umask())
	}
	if how.Resolve&resolveCached != 0 {
		return nil, linux.EAGAIN // nothing is known to be cached
	}
	wait := fifoWait{t: t}
	for {
		f, errno := fs.open(t, at, how)
		if errno == 0 && wait.wantsWriter(fs.ns, f, how.Flags) {
			return wait.forWriter(f)
		}
		if !wait.retry(errno, how.Flags) {
			return f, errno
		}
		if errno != linux.EAGAIN && !fs.isFIFO(t, at) {
			return f, errno
		}
		if errno := wait.sleep(); errno != 0 {
			return nil, errno
		}
	}
}

func (fs *FileSystem) open(t *Thread, at At, how linux.OpenHow) (*File, linux.Errno) {
	if how.Resolve == 0 {
		if d, ok := fs.direct(at); ok {
			f, errno := fs.openHere(d.fd, d.name, d.full, d.mnt, how, openDirect)
			d.release()
			switch errno {
			case linux.ELOOP, linux.EXDEV, linux.EROFS:
			case linux.EAGAIN:
				if !strings.Contains(at.Path, "..") {
					return nil, errno // a lease
				}
			default:
				return f, errno
			}
		}
	}
	w := walker{fs: fs, t: t, resolve: how.Resolve, cur: Node{fd: -1}}
	defer w.close()
	if errno := w.start(at); errno != 0 {
		return nil, errno
	}
	how.Resolve = 0
	return w.open(at.Path, how)
}

// writes reports whether opening with these flags may change something.
func writes(flags uint64) bool {
	return flags&unix.O_PATH == 0 && (flags&unix.O_ACCMODE != unix.O_RDONLY || flags&(unix.O_CREAT|unix.O_TRUNC) != 0)
}

// hostFlags are the flags for the host. The host side of what can block is
// always non-blocking; for the rest the flag means nothing.
func hostFlags(flags uint64) uint64 {
	if flags&unix.O_PATH != 0 {
		return flags
	}
	return flags&^unix.O_ASYNC | unix.O_NONBLOCK
}

// openHere opens one name in a host directory by means of a host call.
func (fs *FileSystem) openHere(dir int, name, full string, m *mount, how linux.OpenHow,
	open func(dir int, name string, flags, mode uint64) (int, linux.Errno)) (*File, linux.Errno) {
	if m.readOnly && writes(how.Flags) {
		return nil, linux.EROFS
	}
	fd, errno := open(dir, name, hostFlags(how.Flags), how.Mode)
	if errno != 0 {
		return nil, errno
	}
	return fs.newFile(fd, full, how.Flags), 0
}

// newFile wraps a host descriptor that this kernel opened.
func (fs *FileSystem) newFile(fd int, name string, flags uint64) *File {
	f := NewFile(fd, name, true, flags&unix.O_NONBLOCK != 0)
	if flags&unix.O_PATH == 0 && fs.ns.inner[name] != nil && isDir(fd) {
		if more := fs.ns.mounted(name); len(more) > 0 && lacks(fd, more) {
			f.Ops = &listing{path: name, names: func() []entry { return hostEntries(fd, more) }}
		}
	}
	return f
}

// lacks reports whether a host directory does not have all of the entries.
func lacks(fd int, list []entry) bool {
	var st unix.Stat_t
	for _, e := range list {
		if unix.Fstatat(fd, e.name, &st, unix.AT_SYMLINK_NOFOLLOW) != nil {
			return true
		}
	}
	return false
}

// open goes along a path and opens what is at its end.
func (w *walker) open(p string, how linux.OpenHow) (*File, linux.Errno) {
	for {
		dir, last := splitLast(p)
		if errno := w.walk(dir, true); errno != 0 {
			return nil, errno
		}
		if errno := w.leaveFile(); errno != 0 {
			return nil, errno
		}
		name := strings.TrimSuffix(last, "/")
		if !w.plain(name) || how.Flags&unix.O_PATH != 0 {
			return w.openEnd(last, how)
		}
		full := path.Join(w.cur.Path, name)
		f, errno := w.fs.openHere(w.cur.fd, last, full, w.cur.mnt, how, func(dir int, name string, flags, mode uint64) (int, linux.Errno) {
			return hostOpen(dir, name, flags, mode, unix.RESOLVE_NO_SYMLINKS|unix.RESOLVE_NO_XDEV)
		})
		switch errno {
		case linux.EXDEV:
			return w.openEnd(last, how)
		case linux.EROFS:
			return w.openReadOnly(last, how)
		case linux.ELOOP:
		default:
			return f, errno
		}
		if errno := trailingSymlink(how.Flags, last != name); errno != 0 {
			return nil, errno
		}
		link, errno := w.fs.ns.readSymlink(w.cur.fd, name)
		if errno != 0 {
			return nil, errno
		}
		if p, errno = w.followed(link, last[len(name):]); errno != 0 {
			return nil, errno
		}
	}
}

// trailingSymlink says why a symlink at the end must not be followed.
func trailingSymlink(flags uint64, slash bool) linux.Errno {
	switch {
	case flags&(unix.O_CREAT|unix.O_EXCL) == unix.O_CREAT|unix.O_EXCL:
		return linux.EEXIST
	case flags&unix.O_NOFOLLOW == 0 || slash:
		return 0
	case flags&unix.O_DIRECTORY != 0:
		return linux.ENOTDIR
	}
	return linux.ELOOP
}

// plain reports whether a name in the current directory may be opened there by
// the host: neither directory is the kernel's own, and no mount is in between.
func (w *walker) plain(name string) bool {
	if name == "" || name == "." || name == ".." || w.cur.synth != nil {
		return false
	}
	return w.fs.ns.inner[path.Join(w.cur.Path, name)] == nil && w.fs.ns.mounts[path.Join(w.cur.Path, name)] == nil
}

// openEnd opens what is already there at the end of a path.
func (w *walker) openEnd(last string, how linux.OpenHow) (*File, linux.Errno) {
	errno := w.walk(last, how.Flags&unix.O_NOFOLLOW == 0)
	if errno == linux.ENOENT && how.Flags&unix.O_CREAT != 0 && w.cur.synth != nil && !w.cur.mnt.proc {
		return nil, linux.EROFS // on the way to a mount
	}
	if errno != 0 {
		return nil, errno
	}
	return w.fs.openNode(&w.cur, how)
}

// openReadOnly opens a file of a read-only mount with flags that might change
// something: allowed if they do not.
func (w *walker) openReadOnly(last string, how linux.OpenHow) (*File, linux.Errno) {
	errno := w.walk(last, how.Flags&unix.O_NOFOLLOW == 0)
	if errno == linux.ENOENT && how.Flags&unix.O_CREAT != 0 {
		return nil, linux.EROFS
	}
	if errno != 0 {
		return nil, errno
	}
	return w.fs.openNode(&w.cur, how)
}

// openNode opens an existing node; the node stays the caller's.
func (fs *FileSystem) openNode(n *Node, how linux.OpenHow) (*File, linux.Errno) {
	flags, mode := how.Flags, n.mode()
	kind := mode & unix.S_IFMT
	switch {
	case flags&(unix.O_CREAT|unix.O_EXCL) == unix.O_CREAT|unix.O_EXCL:
		return nil, linux.EEXIST
	case flags&unix.O_CREAT != 0 && kind == unix.S_IFDIR:
		return nil, linux.EISDIR
	case flags&unix.O_DIRECTORY != 0 && kind != unix.S_IFDIR:
		return nil, linux.ENOTDIR
	case kind == unix.S_IFLNK && flags&unix.O_PATH == 0:
		return nil, linux.ELOOP
	case n.synth != nil:
		return fs.openSynth(n, flags)
	case n.file != nil:
		if errno := fs.mayReopen(n.file, flags); errno != 0 {
			return nil, errno
		}
	}
	flags &^= unix.O_CREAT | unix.O_EXCL | unix.O_NOFOLLOW
	if n.mnt.readOnly && writes(flags) && !special(mode) {
		if kind == unix.S_IFDIR && flags&unix.O_TMPFILE != unix.O_TMPFILE {
			return nil, linux.EISDIR
		}
		return nil, linux.EROFS
	}
	var fd int
	var errno linux.Errno
	switch {
	case kind == unix.S_IFDIR:
		fd, errno = hostOpen(n.fd, ".", hostFlags(flags), how.Mode, 0)
	case kind == unix.S_IFLNK: // with O_PATH
		fd, errno = dup(n.fd)
	default:
		fd, errno = fs.ns.reopen(n.fd, hostFlags(flags), uint32(how.Mode))
	}
	if errno != 0 {
		return nil, errno
	}
	return fs.newFile(fd, n.Path, how.Flags), 0
}

func dup(fd int) (int, linux.Errno) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, linux.FromHost(err)
	}
	return n, 0
}

// mayReopen says whether an open file may be opened anew by its link in
// /proc/PID/fd. What this kernel opened itself is checked by the host, like
// any open; a description that came from outside gives no more access than it
// has, and no way to where it lies.
func (fs *FileSystem) mayReopen(f *File, flags uint64) linux.Errno {
	if _, directory := f.Ops.(*listing); f.Ops != nil && !directory && flags&unix.O_PATH == 0 {
		return linux.ENXIO
	}
	if f.Private() || flags&unix.O_PATH != 0 && !isDir(f.Host) {
		return 0
	}
	if !fs.trusted(f) {
		return linux.EACCES
	}
	have, err := unix.FcntlInt(uintptr(f.Host), unix.F_GETFL, 0)
	if err != nil {
		return linux.FromHost(err)
	}
	want := int(flags & unix.O_ACCMODE)
	if flags&unix.O_TRUNC != 0 && want == unix.O_RDONLY {
		want = unix.O_RDWR
	}
	if have &= unix.O_ACCMODE; have != unix.O_RDWR && have != want {
		return linux.EACCES
	}
	return 0
}

// openSynth opens a node of the kernel's own.
func (fs *FileSystem) openSynth(n *Node, flags uint64) (*File, linux.Errno) {
	s := n.synth
	write := flags&unix.O_ACCMODE != unix.O_RDONLY && flags&unix.O_PATH == 0
	if s.mode&unix.S_IFMT == unix.S_IFREG && flags&unix.O_PATH == 0 {
		if write && s.write == nil {
			return nil, linux.EACCES
		}
		return fs.openContent(n.Path, s, flags)
	}
	if write {
		return nil, linux.EISDIR
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, linux.FromHost(err)
	}
	f := NewFile(fd, n.Path, true, false)
	st := s.stat(fs.ns, n.Path)
	f.Ops = &listing{path: n.Path, synthetic: true, names: s.names, stat: func() linux.Stat { return st }}
	return f, 0
}

// openContent makes a memory file with the contents as they are now.
func (fs *FileSystem) openContent(name string, s *synth, flags uint64) (*File, linux.Errno) {
	text, errno := s.content()
	if errno != 0 {
		return nil, errno
	}
	mem, err := unix.MemfdCreate(path.Base(name), unix.MFD_CLOEXEC)
	if err != nil {
		return nil, linux.FromHost(err)
	}
	defer unix.Close(mem)
	for done := 0; done < len(text); {
		n, err := unix.Pwrite(mem, text[done:], int64(done))
		if err != nil {
			return nil, linux.FromHost(err)
		}
		done += n
	}
	// The mode of the memory file is what fstat shows.
	_ = unix.Fchmod(mem, s.mode&0o777)
	fd, errno := fs.ns.reopen(mem, flags&unix.O_ACCMODE, 0)
	if errno != 0 {
		return nil, errno
	}
	f := NewFile(fd, name, true, flags&unix.O_NONBLOCK != 0)
	if s.write != nil {
		f.Ops = &written{mem: fd, take: s.write}
	}
	return f, 0
}

// OpenProgram opens a file to execute it and returns a host descriptor: it
// has to be a regular file that may be executed.
func (fs *FileSystem) OpenProgram(name string) (int, linux.Errno) {
	fd, _, errno := fs.OpenProgramAt(nil, At{Path: name}, 0)
	return fd, errno
}

// OpenProgramAt is OpenProgram for execveat(2); flags are those of Lookup. path
// is the program's own name of the file.
func (fs *FileSystem) OpenProgramAt(t *Thread, at At, flags int) (fd int, path string, errno linux.Errno) {
	n, errno := fs.Lookup(t, at, flags)
	if errno != 0 {
		return -1, "", errno
	}
	defer n.Close()
	switch n.mode() & unix.S_IFMT {
	case unix.S_IFLNK:
		return -1, "", linux.ELOOP
	case unix.S_IFREG:
	default:
		return -1, "", linux.EACCES
	}
	if errno := n.Access(unix.X_OK, unix.AT_EACCESS); errno != 0 {
		return -1, "", errno
	}
	if n.synth != nil {
		return -1, "", linux.EACCES
	}
	fd, errno = fs.ns.reopen(n.fd, unix.O_RDONLY, 0)
	return fd, n.Path, errno
}
