package kernel

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// Flags of Lookup.
const (
	LookupNoFollow = 1 << iota // do not follow a symlink at the end
	LookupEmpty                // an empty path is the directory, or file, itself
)

// Lookup finds what a path leads to. t is the thread whose /proc/self the
// program's is; nil: there is none.
func (fs *FileSystem) Lookup(t *Thread, at At, flags int) (*Node, linux.Errno) {
	if at.Path == "" {
		if flags&LookupEmpty == 0 {
			return nil, linux.ENOENT
		}
		return fs.nodeOf(t, at.Dir)
	}
	follow := flags&LookupNoFollow == 0
	if d, ok := fs.direct(at); ok {
		open := uint64(unix.O_PATH)
		if !follow {
			open |= unix.O_NOFOLLOW
		}
		fd, errno := openDirect(d.fd, d.name, open, 0)
		d.release()
		switch errno {
		case 0:
			return &Node{ns: fs.ns, Path: d.full, mnt: d.mnt, fd: fd, owned: true}, 0
		case linux.ELOOP, linux.EXDEV, linux.EAGAIN:
		default:
			return nil, errno
		}
	}
	w := walker{fs: fs, t: t, cur: Node{fd: -1}}
	defer w.close()
	if errno := w.start(at); errno != 0 {
		return nil, errno
	}
	if errno := w.walk(at.Path, follow); errno != 0 {
		return nil, errno
	}
	return w.take(), 0
}

// Parent finds the directory that a path's last component is in, and returns
// that component as it is written: perhaps with a slash behind, "." or "..".
// It is empty for the root.
func (fs *FileSystem) Parent(t *Thread, at At) (dir *Node, last string, errno linux.Errno) {
	if at.Path == "" {
		return nil, "", linux.ENOENT
	}
	w := walker{fs: fs, t: t, cur: Node{fd: -1}}
	defer w.close()
	rel := at.Path[0] != '/'
	if at.Path, last = splitLast(at.Path); at.Path != "" {
		dir, errno = fs.Lookup(t, at, 0)
		return dir, last, errno
	}
	if at.Path = "."; !rel {
		at.Path = "/"
	}
	if errno := w.start(at); errno != 0 {
		return nil, "", errno
	}
	if errno := w.leaveFile(); errno != 0 {
		return nil, "", errno
	}
	return w.take(), last, 0
}

// splitLast divides a path before its last component.
func splitLast(p string) (dir, last string) {
	end := len(p)
	for end > 0 && p[end-1] == '/' {
		end--
	}
	start := strings.LastIndexByte(p[:end], '/') + 1
	last = p[start:end]
	if end < len(p) && last != "" {
		last += "/"
	}
	return p[:start], last
}

// nodeOf is the node of an open file, nil for the working directory.
func (fs *FileSystem) nodeOf(t *Thread, f *File) (*Node, linux.Errno) {
	w := walker{fs: fs, t: t, cur: Node{fd: -1}}
	defer w.close()
	if f == nil {
		if f = fs.workDir(); f == nil {
			w.enter(fs.ns.mounts["/"])
			return w.take(), 0
		}
		defer f.Release()
	}
	if errno := w.enterFile(f); errno != 0 {
		return nil, errno
	}
	return w.take(), 0
}

// direct is a path that the host may try to resolve in one call.
type direct struct {
	fd   int
	name string // relative to fd
	full string // the program's path, if no symlink is on the way
	mnt  *mount
	file *File // keeps fd open
}

func (d *direct) release() {
	if d.file != nil {
		d.file.Release()
	}
}

// direct says where the host would have to start; ok is false if the path
// certainly needs a walk.
func (fs *FileSystem) direct(at At) (d direct, ok bool) {
	ns := fs.ns
	if !ns.plain && strings.Contains(at.Path, "..") || strings.HasPrefix(at.Path, "..") {
		return d, false
	}
	if at.Path[0] == '/' {
		d.full = path.Clean(at.Path)
		d.mnt = ns.mountOf(d.full)
		d.fd = d.mnt.fd
		d.name = strings.TrimLeft(at.Path, "/")
		if d.mnt.target != "/" {
			rest, ok := below(strings.TrimRight(at.Path, "/"), d.mnt.target)
			if !ok {
				return d, false // written in another way
			}
			d.name = strings.TrimLeft(rest, "/") + at.Path[len(strings.TrimRight(at.Path, "/")):]
		}
		if d.name == "" || d.name[0] == '/' {
			d.name = "./"
		}
		return d, !d.mnt.proc && ns.inner[d.full] == nil && (d.full != d.mnt.target || d.full == "/")
	}
	if d.file = at.Dir; d.file != nil {
		d.file.Hold()
	} else if d.file = fs.workDir(); d.file == nil {
		return d, false
	}
	if d.file.Ops != nil || !path.IsAbs(d.file.Path) || !fs.trusted(d.file) {
		d.release()
		return d, false
	}
	d.fd, d.name = d.file.Host, at.Path
	d.full = path.Join(d.file.Path, at.Path)
	d.mnt = ns.mountOf(d.full)
	if d.mnt != ns.mountOf(d.file.Path) || d.mnt.proc || ns.inner[d.full] != nil {
		d.release()
		return d, false
	}
	return d, true
}

// trusted reports whether a directory was opened by this kernel. Others are
// inherited or received: they may lie anywhere.
func (fs *FileSystem) trusted(f *File) bool {
	return f.Private() || !isDir(f.Host) || !onProc(f.Host) && fs.ns.confined(f.Host, fs.ns.mountOf(f.Path))
}
