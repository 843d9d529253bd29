package kernel

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// maxSymlinks is how many symlinks one path may lead through (MAXSYMLINKS).
const maxSymlinks = 40

// walker goes along a path component by component.
type walker struct {
	fs      *FileSystem
	t       *Thread
	cur     Node
	resolve uint64 // RESOLVE_* of openat2(2)
	top     Node   // where RESOLVE_BENEATH and RESOLVE_IN_ROOT start; never closed
	base    *File  // keeps the first directory open
	links   int
}

func (w *walker) close() {
	w.cur.Close()
	if w.base != nil {
		w.base.Release()
		w.base = nil
	}
}

// take hands the current node to the caller.
func (w *walker) take() *Node {
	n := w.cur
	if w.base != nil && n.file == nil && !n.owned && n.fd == w.base.Host {
		n.file = w.base.Hold()
	}
	w.cur = Node{fd: -1}
	return &n
}

func (w *walker) set(n Node) {
	n.ns = w.fs.ns
	w.cur.Close()
	w.cur = n
}

// start goes to where a path begins.
func (w *walker) start(at At) linux.Errno {
	if at.Path[0] == '/' && w.resolve&(unix.RESOLVE_IN_ROOT|unix.RESOLVE_BENEATH) == 0 {
		w.enter(w.fs.ns.mounts["/"])
		return 0
	}
	if w.base = at.Dir; w.base != nil {
		w.base.Hold()
	} else if w.base = w.fs.workDir(); w.base == nil {
		w.enter(w.fs.ns.mounts["/"])
		w.top = w.cur
		return 0
	}
	errno := w.enterFile(w.base)
	w.top = w.cur
	w.top.file = nil // base keeps it
	if errno == 0 && at.Path[0] == '/' && w.resolve&unix.RESOLVE_BENEATH != 0 {
		return linux.EXDEV
	}
	return errno
}

// enter goes to the root of a mount.
func (w *walker) enter(m *mount) {
	n := Node{Path: m.target, mnt: m, fd: m.fd}
	if m.proc {
		n.synth, n.fd = procRoot(w.t), -1
	}
	w.set(n)
}

// enterFile goes to an open file of the program. Directories of the kernel's
// own are found again by their path.
func (w *walker) enterFile(f *File) linux.Errno {
	if l, ok := f.Ops.(*listing); ok && l.synthetic {
		return w.goTo(f.Path)
	}
	w.set(Node{Path: f.Path, mnt: w.fs.ns.mountOf(f.Path), fd: f.Host, file: f.Hold()})
	return 0
}

// leaveFile prepares for going on from an open file, where the walker may be:
// there is no way on from a directory that may lie anywhere.
func (w *walker) leaveFile() linux.Errno {
	f := w.cur.file
	switch {
	case f == nil:
		return 0
	case inProc(f.Path):
		return w.goTo(f.Path)
	case !w.fs.trusted(f):
		return linux.EACCES
	}
	return 0
}

// goTo goes along a canonical path.
func (w *walker) goTo(p string) linux.Errno {
	w.enter(w.fs.ns.mounts["/"])
	for _, name := range strings.Split(p, "/") {
		if name == "" {
			continue
		}
		link, errno := w.step(name, false)
		if errno != 0 {
			return errno
		}
		if link != "" {
			return linux.ENOENT
		}
	}
	return 0
}

// walk goes along path; a symlink at its end only if follow.
func (w *walker) walk(p string, follow bool) linux.Errno {
	for {
		name, rest := cutFirst(p)
		if name == "" {
			return 0
		}
		last := strings.Trim(rest, "/") == ""
		mustDir := last && rest != ""
		link, errno := w.step(name, !last || mustDir || follow)
		if errno != 0 {
			return errno
		}
		if link != "" {
			if p, errno = w.followed(link, rest); errno != 0 {
				return errno
			}
			continue
		}
		if last {
			if mustDir && !w.cur.isDir() {
				return linux.ENOTDIR
			}
			return 0
		}
		p = rest
	}
}

// cutFirst divides a path behind its first component.
func cutFirst(p string) (name, rest string) {
	p = strings.TrimLeft(p, "/")
	if i := strings.IndexByte(p, '/'); i >= 0 {
		return p[:i], p[i:]
	}
	return p, ""
}

// followed returns the path to go on with after a symlink, from the directory
// that the symlink is in.
func (w *walker) followed(link, rest string) (string, linux.Errno) {
	if w.links++; w.links > maxSymlinks || w.resolve&unix.RESOLVE_NO_SYMLINKS != 0 {
		return "", linux.ELOOP
	}
	if link[0] == '/' {
		switch {
		case w.resolve&unix.RESOLVE_BENEATH != 0:
			return "", linux.EXDEV
		case w.resolve&unix.RESOLVE_IN_ROOT != 0:
			w.set(w.top)
		default:
			w.enter(w.fs.ns.mounts["/"])
		}
	}
	return link + rest, 0
}

// step goes to one component. A symlink is gone to only if not follow;
// otherwise its text is returned and the walker stays.
func (w *walker) step(name string, follow bool) (link string, errno linux.Errno) {
	if errno := w.leaveFile(); errno != 0 {
		return "", errno
	}
	switch name {
	case ".":
		return "", w.stay()
	case "..":
		return "", w.up()
	}
	full := path.Join(w.cur.Path, name)
	if m := w.fs.ns.mounts[full]; m != nil {
		if w.resolve&unix.RESOLVE_NO_XDEV != 0 {
			return "", linux.EXDEV
		}
		w.enter(m)
		return "", 0
	}
	if w.cur.synth != nil {
		return w.stepSynth(full, name, follow)
	}
	link, errno = w.stepHost(w.cur.fd, full, name, follow)
	if errno == linux.ENOENT && w.fs.ns.inner[full] != nil {
		w.set(Node{Path: full, mnt: w.cur.mnt, fd: -1, synth: virtualDir(w.fs.ns, full)})
		return "", 0
	}
	return link, errno
}

// stepHost goes from a host directory to one of its entries.
func (w *walker) stepHost(dir int, full, name string, follow bool) (link string, errno linux.Errno) {
	flags := uint64(unix.O_PATH)
	if !follow {
		flags |= unix.O_NOFOLLOW
	}
	const resolve = unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_NO_XDEV
	fd, errno := hostOpen(dir, name, flags, 0, resolve)
	if errno == linux.EXDEV {
		if w.resolve&unix.RESOLVE_NO_XDEV != 0 {
			return "", errno
		}
		return "", w.cross(dir, full, name, flags)
	}
	if errno == linux.ELOOP {
		return w.fs.ns.readSymlink(dir, name)
	}
	if errno == 0 {
		w.set(Node{Path: full, mnt: w.cur.mnt, fd: fd, owned: true})
	}
	return "", errno
}

// cross goes to an entry that is on another host file system. A procfs of the
// host becomes the program's own.
func (w *walker) cross(dir int, full, name string, flags uint64) linux.Errno {
	fd, errno := hostOpen(dir, name, flags, 0, unix.RESOLVE_NO_SYMLINKS)
	if errno != 0 {
		return errno
	}
	if onProc(fd) {
		defer unix.Close(fd)
		if !isProcRoot(fd) {
			return linux.EACCES
		}
		w.enter(w.fs.ns.mounts[procTarget])
		return 0
	}
	w.set(Node{Path: full, mnt: w.cur.mnt, fd: fd, owned: true})
	return 0
}

// stay is the component ".": allowed in a directory one may search.
func (w *walker) stay() linux.Errno {
	if w.cur.synth != nil {
		if !w.cur.isDir() {
			return linux.ENOTDIR
		}
		return 0
	}
	fd, errno := hostOpen(w.cur.fd, ".", unix.O_PATH|unix.O_DIRECTORY, 0, 0)
	if errno == 0 {
		unix.Close(fd)
	}
	return errno
}

// up is the component "..".
func (w *walker) up() linux.Errno {
	if w.cur.Path == w.top.Path {
		switch {
		case w.resolve&unix.RESOLVE_BENEATH != 0:
			return linux.EXDEV
		case w.resolve&unix.RESOLVE_IN_ROOT != 0:
			return w.stay()
		}
	}
	if w.cur.Path == "/" {
		return w.stay()
	}
	ns, m := w.fs.ns, w.cur.mnt
	parent := path.Dir(w.cur.Path)
	if w.cur.synth != nil || m.proc || w.cur.Path == m.target || ns.mounts[parent] != nil {
		if !w.cur.isDir() {
			return linux.ENOTDIR
		}
		if w.resolve&unix.RESOLVE_NO_XDEV != 0 && ns.mountOf(parent) != m {
			return linux.EXDEV
		}
		return w.goTo(parent)
	}
	resolve := uint64(0)
	if w.resolve&unix.RESOLVE_NO_XDEV != 0 {
		resolve = unix.RESOLVE_NO_XDEV
	}
	fd, errno := hostOpen(w.cur.fd, "..", unix.O_PATH|unix.O_DIRECTORY, 0, resolve)
	if errno != 0 {
		return errno
	}
	if !ns.confined(fd, m) || onProc(fd) {
		unix.Close(fd)
		return linux.ENOENT
	}
	w.set(Node{Path: parent, mnt: m, fd: fd, owned: true})
	return 0
}
