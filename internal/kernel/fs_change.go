package kernel

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// fixed reports whether a name leads to a mount, or is on the way to one.
func (ns *namespace) fixed(dir *Node, last string) bool {
	full := path.Join(dir.Path, strings.TrimSuffix(last, "/"))
	return ns.mounts[full] != nil || ns.inner[full] != nil
}

// create makes a new name; do is the host call.
func (fs *FileSystem) create(t *Thread, at At, do func(dir int, name string) error) linux.Errno {
	dir, last, errno := fs.Parent(t, at)
	if errno != 0 {
		return errno
	}
	defer dir.Close()
	if last == "" || fs.ns.fixed(dir, last) {
		return linux.EEXIST
	}
	if fd, _, errno := dir.Change(); errno == 0 {
		return linux.FromHost(do(fd, last))
	}
	// That it is there already counts for more than that it may not be made.
	n, errno := fs.Lookup(t, at, LookupNoFollow)
	switch errno {
	case 0:
		n.Close()
		return linux.EEXIST
	case linux.ENOENT:
		return linux.EROFS
	}
	return errno
}

// Mkdir is mkdirat(2).
func (fs *FileSystem) Mkdir(t *Thread, at At, mode uint32) linux.Errno {
	mode &= 0o1777 &^ fs.Umask()
	return fs.create(t, at, func(dir int, name string) error { return unix.Mkdirat(dir, name, mode) })
}

// Mknod is mknodat(2).
func (fs *FileSystem) Mknod(t *Thread, at At, mode, dev uint32) linux.Errno {
	mode &^= fs.Umask()
	return fs.create(t, at, func(dir int, name string) error { return unix.Mknodat(dir, name, mode, int(dev)) })
}

// Symlink is symlinkat(2).
func (fs *FileSystem) Symlink(t *Thread, target string, at At) linux.Errno {
	if target == "" {
		return linux.ENOENT
	}
	return fs.create(t, at, func(dir int, name string) error { return unix.Symlinkat(target, dir, name) })
}

// Link is linkat(2); flags are those of Lookup for the old name.
func (fs *FileSystem) Link(t *Thread, from At, flags int, to At) linux.Errno {
	old, errno := fs.Lookup(t, from, flags)
	if errno != 0 {
		return errno
	}
	defer old.Close()
	dir, last, errno := fs.Parent(t, to)
	if errno != 0 {
		return errno
	}
	other := dir.mnt != old.mnt
	dir.Close()
	if last != "" && (other || old.synth != nil || old.file != nil && !fs.mayLink(old.file)) {
		return linux.EXDEV
	}
	return fs.create(t, to, func(dir int, name string) error {
		return unix.Linkat(unix.AT_FDCWD, fdPath(old.fd), dir, name, unix.AT_SYMLINK_FOLLOW)
	})
}

// mayLink reports whether an open file may get a name: one that came from
// outside of a root must not.
func (fs *FileSystem) mayLink(f *File) bool { return f.Private() || fs.ns.plain }

// Unlink is unlinkat(2).
func (fs *FileSystem) Unlink(t *Thread, at At, flags int) linux.Errno {
	dir, last, errno := fs.Parent(t, at)
	if errno != 0 {
		return errno
	}
	defer dir.Close()
	switch {
	case last == "" && flags&unix.AT_REMOVEDIR == 0:
		return linux.EISDIR
	case last == "", fs.ns.fixed(dir, last):
		return linux.EBUSY
	}
	fd, _, errno := dir.Change()
	if errno != 0 {
		return errno
	}
	return linux.FromHost(unix.Unlinkat(fd, last, flags))
}

// Rename is renameat2(2).
func (fs *FileSystem) Rename(t *Thread, from, to At, flags uint) linux.Errno {
	a, aLast, errno := fs.Parent(t, from)
	if errno != 0 {
		return errno
	}
	defer a.Close()
	b, bLast, errno := fs.Parent(t, to)
	if errno != 0 {
		return errno
	}
	defer b.Close()
	switch {
	case a.mnt != b.mnt:
		return linux.EXDEV
	case aLast == "" || bLast == "" || fs.ns.fixed(a, aLast) || fs.ns.fixed(b, bLast):
		return linux.EBUSY
	}
	afd, _, errno := a.Change()
	if errno != 0 {
		return errno
	}
	bfd, _, errno := b.Change()
	if errno != 0 {
		return errno
	}
	return linux.FromHost(unix.Renameat2(afd, aLast, bfd, bLast, flags))
}
