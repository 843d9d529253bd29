package kernel

import (
	"encoding/binary"
	"hash/fnv"
	"path"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
	"torov/internal/mm"
)

// synth is a file that exists in this kernel alone: a part of /proc, or a
// directory on the way to a mount. Which functions it has depends on its type.
type synth struct {
	mode     uint32 // type and permissions
	uid, gid uint32
	size     int64 // what stat(2) shows

	// Of a directory.
	lookup func(name string) (*synth, linux.Errno)
	names  func() []entry
	// Of a regular file.
	content func() ([]byte, linux.Errno)
	write   func(b []byte) linux.Errno // nil: read-only
	// Of a symlink: its text; whether it is a magic link to openat2(2); and
	// the open file it really leads to, with a reference, if the text does
	// not decide that.
	link  func() string
	magic bool
	jump  func() (*File, linux.Errno)
	// Of what is the host's: its path below the host's /proc, with symlinks
	// that are to be followed if trusted.
	host    string
	trusted bool
}

// entry is one name of a synthetic directory.
type entry struct {
	name string
	typ  uint8 // DT_*
}

// dirType is the DT_* of a mode.
func dirType(mode uint32) uint8 { return uint8(mode & unix.S_IFMT >> 12) }

func (s *synth) stat(ns *namespace, name string) linux.Stat {
	now := unix.NsecToTimespec(time.Now().UnixNano())
	st := linux.Stat{Dev: ns.dev, Ino: inodeOf(name), Mode: s.mode, Nlink: 1, Uid: s.uid, Gid: s.gid, Size: s.size, Blksize: 1024, Atim: now, Mtim: now, Ctim: now}
	if s.mode&unix.S_IFMT == unix.S_IFDIR {
		st.Nlink = 2
	}
	return st
}

// inodeOf makes up an inode number.
func inodeOf(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	return h.Sum64()>>16 | 1<<40
}

func (s *synth) access(mode uint32) linux.Errno {
	if mode&unix.W_OK != 0 && s.write == nil || mode&unix.X_OK != 0 && s.mode&0o111 == 0 {
		return linux.EACCES
	}
	return 0
}

// stepSynth goes from a synthetic directory to one of its entries.
func (w *walker) stepSynth(full, name string, follow bool) (link string, errno linux.Errno) {
	if !w.cur.isDir() {
		return "", linux.ENOTDIR
	}
	if len(name) > unix.NAME_MAX {
		return "", linux.ENAMETOOLONG
	}
	s, errno := w.cur.synth.lookup(name)
	switch {
	case errno != 0:
		return "", errno
	case s.host != "":
		return w.stepProc(s, full, follow)
	case s.link != nil && follow:
		return w.followSynth(s)
	}
	w.set(Node{Path: full, mnt: w.cur.mnt, fd: -1, synth: s})
	return "", 0
}

// stepProc goes to what the program's /proc has in common with the host's.
func (w *walker) stepProc(s *synth, full string, follow bool) (string, linux.Errno) {
	proc := w.fs.ns.mounts[procTarget]
	if !s.trusted {
		return w.stepHost(proc.fd, full, s.host, follow)
	}
	fd, err := unix.Openat(proc.fd, s.host, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", linux.FromHost(err)
	}
	w.set(Node{Path: full, mnt: proc, fd: fd, owned: true})
	return "", 0
}

func (w *walker) followSynth(s *synth) (string, linux.Errno) {
	if s.magic && w.resolve&unix.RESOLVE_NO_MAGICLINKS != 0 {
		return "", linux.ELOOP
	}
	if s.jump == nil {
		return s.link(), 0
	}
	if w.links++; w.links > maxSymlinks || w.resolve&unix.RESOLVE_NO_SYMLINKS != 0 {
		return "", linux.ELOOP
	}
	if w.resolve&(unix.RESOLVE_BENEATH|unix.RESOLVE_IN_ROOT) != 0 {
		return "", linux.EXDEV
	}
	f, errno := s.jump()
	if errno != 0 {
		return "", errno
	}
	defer f.Release()
	return "", w.enterFile(f)
}

// virtualDir is a directory that exists only because a mount lies below it.
func virtualDir(ns *namespace, dir string) *synth {
	return &synth{
		mode: unix.S_IFDIR | 0o555,
		lookup: func(name string) (*synth, linux.Errno) {
			full := path.Join(dir, name)
			if ns.inner[full] == nil {
				return nil, linux.ENOENT
			}
			return virtualDir(ns, full), 0
		},
		names: func() []entry { return ns.mounted(dir) },
	}
}

// mounted returns the entries of a directory that are or lead to mounts.
func (ns *namespace) mounted(dir string) (list []entry) {
	for _, name := range ns.inner[dir] {
		e := entry{name, unix.DT_DIR}
		if m := ns.mounts[path.Join(dir, name)]; m != nil && !isDir(m.fd) {
			e.typ = unix.DT_REG
		}
		list = append(list, e)
	}
	return list
}

// listing is an open directory whose entries this kernel lists.
type listing struct {
	path      string
	synthetic bool // there is no host directory behind it
	names     func() []entry
	stat      func() linux.Stat

	mu      sync.Mutex
	entries []entry // as of the first read
	pos     int64
}

func (l *listing) Read(*Thread, *mm.Buffers) (int, linux.Errno)  { return 0, linux.EISDIR }
func (l *listing) Write(*Thread, *mm.Buffers) (int, linux.Errno) { return 0, linux.EBADF }
func (l *listing) Close()                                        {}

// read returns as many entries as fit, as getdents64(2).
func (l *listing) read(size int) ([]byte, linux.Errno) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pos == 0 {
		l.entries = append([]entry{{".", unix.DT_DIR}, {"..", unix.DT_DIR}}, l.names()...)
	}
	var out []byte
	for ; l.pos < int64(len(l.entries)); l.pos++ {
		e := l.entries[l.pos]
		if len(out)+linux.Dirent64Size(e.name) > size {
			if len(out) == 0 {
				return nil, linux.EINVAL
			}
			break
		}
		out = linux.AppendDirent64(out, inodeOf(path.Join(l.path, e.name)), l.pos+1, e.typ, e.name)
	}
	return out, 0
}

func (l *listing) seek(offset int64, whence int) (int64, linux.Errno) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch whence {
	case unix.SEEK_SET:
	case unix.SEEK_CUR:
		offset += l.pos
	default:
		return 0, linux.EINVAL
	}
	if offset < 0 {
		return 0, linux.EINVAL
	}
	l.pos = offset
	return offset, 0
}

// hostEntries lists a host directory with what is mounted in it.
func hostEntries(fd int, more []entry) (list []entry) {
	if _, err := unix.Seek(fd, 0, unix.SEEK_SET); err != nil {
		return more
	}
	seen := map[string]bool{".": true, "..": true}
	buf := make([]byte, 64<<10)
	for {
		n, err := unix.Getdents(fd, buf)
		if err != nil || n == 0 {
			break
		}
		for _, e := range parseEntries(buf[:n]) {
			if !seen[e.name] {
				seen[e.name] = true
				list = append(list, e)
			}
		}
	}
	for _, e := range more {
		if !seen[e.name] {
			list = append(list, e)
		}
	}
	return list
}

// parseEntries reads what the host's getdents64(2) wrote.
func parseEntries(b []byte) (list []entry) {
	const header = 19 // d_ino, d_off, d_reclen, d_type
	for len(b) > header {
		size := int(binary.LittleEndian.Uint16(b[16:]))
		list = append(list, entry{unix.ByteSliceToString(b[header:size]), b[18]})
		b = b[size:]
	}
	return list
}

// written is a file of /proc that takes what is written to it. Its contents
// are in the host's memory file, like those of the others.
type written struct {
	mem  int // the same descriptor as File.Host
	take func(b []byte) linux.Errno
}

// maxWritten bounds what one write to a file of /proc may hold.
const maxWritten = 4096

func (w *written) Read(_ *Thread, b *mm.Buffers) (int, linux.Errno) {
	return hostResult(unix.Readv(w.mem, b.Bufs))
}

func (w *written) Write(_ *Thread, b *mm.Buffers) (int, linux.Errno) {
	// By way of a file: only the host may touch the program's memory.
	fd, err := unix.MemfdCreate("write", unix.MFD_CLOEXEC)
	if err != nil {
		return 0, linux.FromHost(err)
	}
	defer unix.Close(fd)
	n, errno := hostResult(unix.Writev(fd, b.Bufs))
	if errno != 0 {
		return 0, errno
	}
	text := make([]byte, min(n, maxWritten))
	if _, err := unix.Pread(fd, text, 0); err != nil {
		return 0, linux.FromHost(err)
	}
	return n, w.take(text)
}

func (w *written) Close() {}
