package kernel

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"sort"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// FileSystem is what a process sees of files: its root, its working directory
// and its umask. Safe for concurrent use.
type FileSystem struct {
	ns *namespace

	mu     sync.Mutex
	cwd    *File
	umask  uint32
	locked map[inode]bool // files with record locks of the process
}

// namespace says where the program's paths lead. It does not change, and all
// file systems made by Clone share it.
type namespace struct {
	mounts map[string]*mount   // by target; "/" and "/proc" are always there
	inner  map[string][]string // the directories on the way to a target, with the next names
	plain  bool                // the root is the host's and there are no mounts
	fds    int                 // host descriptor of the VMM's /proc/self/fd
	dev    uint64              // device number of procfs
	sticky bool                // fs.protected_symlinks
}

// mount is a host directory, or file, at a place of the program's tree.
type mount struct {
	target   string // program's path, canonical
	fd       int    // O_PATH
	readOnly bool
	proc     bool // the program's own /proc
	host     bool // the host's root directory
}

const procTarget = "/proc"

// hostUmask takes the umask out of the host's hands, which would apply it to
// all threads: every program has its own. It returns what the umask was.
var hostUmask = sync.OnceValue(func() uint32 { return uint32(unix.Umask(0)) })

// NewFileSystem returns the file system of a first process. root is a host
// directory, "" or "/" the host's root; cwd is the program's path of its
// working directory, "" the one torov has itself.
func NewFileSystem(root, cwd string, mounts []Mount) (*FileSystem, error) {
	ns := &namespace{mounts: map[string]*mount{}, inner: map[string][]string{}, plain: len(mounts) == 0}
	fs := &FileSystem{ns: ns, umask: hostUmask()}
	if err := ns.addProc(); err != nil {
		return nil, err
	}
	if root == "" {
		root = "/"
	}
	if err := fs.mount(Mount{Source: root, Target: "/"}); err != nil {
		return nil, fmt.Errorf("root directory: %w", err)
	}
	// A mount may lie inside another one: outer ones first.
	mounts = append([]Mount(nil), mounts...)
	sort.SliceStable(mounts, func(i, j int) bool { return len(mounts[i].Target) < len(mounts[j].Target) })
	for _, m := range mounts {
		if err := fs.mount(m); err != nil {
			return nil, fmt.Errorf("mount %s at %s: %w", m.Source, m.Target, err)
		}
	}
	ns.plain = ns.plain && ns.mounts["/"].host
	return fs, fs.enterFirst(cwd)
}

// addProc opens the host's procfs: the source of what the program's /proc has
// in common with it, and the VMM's way to reopen its own descriptors.
func (ns *namespace) addProc() error {
	fd, err := unix.Open("/proc", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err == nil && !onProc(fd) {
		err = unix.ENOENT
	}
	if err != nil {
		return fmt.Errorf("/proc of the host: %w; torov needs it: mount procfs there", err)
	}
	if ns.fds, err = unix.Open("/proc/self/fd", unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err != nil {
		return fmt.Errorf("/proc/self/fd of the host: %w; torov needs it", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("/proc of the host: %w", err)
	}
	ns.dev = st.Dev
	if b, err := os.ReadFile("/proc/sys/fs/protected_symlinks"); err == nil {
		ns.sticky = strings.TrimSpace(string(b)) != "0"
	}
	ns.add(&mount{target: procTarget, fd: fd, readOnly: true, proc: true})
	return nil
}

func (ns *namespace) add(m *mount) {
	ns.mounts[m.target] = m
	for name := m.target; name != "/"; {
		dir, last := path.Split(name)
		if dir = path.Clean(dir); !contains(ns.inner[dir], last) {
			ns.inner[dir] = append(ns.inner[dir], last)
		}
		name = dir
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}

// mount adds one mount.
func (fs *FileSystem) mount(m Mount) error {
	target := path.Clean(m.Target)
	switch {
	case !path.IsAbs(m.Target):
		return fmt.Errorf("the target is not an absolute path")
	case inProc(target):
		return fmt.Errorf("the program's /proc is torov's own; choose another target")
	case fs.ns.mounts[target] != nil && target != "/":
		return fmt.Errorf("there is already a mount at %s", target)
	}
	fd, errno := hostOpen(unix.AT_FDCWD, m.Source, unix.O_PATH, 0, 0)
	if errno == linux.ENOSYS {
		return fmt.Errorf("openat2: %w; torov needs Linux 5.6 or later (or a container runtime that lets openat2 through)", errno)
	}
	if errno != 0 {
		return fmt.Errorf("%s: %w", m.Source, errno)
	}
	if onProc(fd) {
		unix.Close(fd)
		return fmt.Errorf("%s is on procfs, which would let the program reach torov itself; it has a /proc of its own", m.Source)
	}
	if target == "/" && !isDir(fd) {
		unix.Close(fd)
		return fmt.Errorf("%s: %w", m.Source, linux.ENOTDIR)
	}
	if target != "/" {
		// The place may be reached by way of symlinks, as for mount(8).
		if n, errno := fs.Lookup(nil, At{Path: path.Dir(target)}, 0); errno == 0 {
			target = path.Join(n.Path, path.Base(target))
			n.Close()
		}
	}
	source, err := fs.ns.hostPath(fd)
	if err != nil {
		return err
	}
	fs.ns.add(&mount{target: target, fd: fd, readOnly: m.ReadOnly, host: source == "/"})
	return nil
}

// enterFirst sets the first working directory.
func (fs *FileSystem) enterFirst(cwd string) error {
	if cwd != "" {
		if !path.IsAbs(cwd) {
			return fmt.Errorf("working directory %s: it is not an absolute path of the program", cwd)
		}
		if errno := fs.Chdir(nil, At{Path: cwd}); errno != 0 {
			return fmt.Errorf("working directory %s: %w", cwd, errno)
		}
		return nil
	}
	if own, err := os.Getwd(); err == nil {
		if cwd, ok := fs.ns.programPath(filepath.Clean(own)); ok && fs.Chdir(nil, At{Path: cwd}) == 0 {
			return nil
		}
	}
	if errno := fs.Chdir(nil, At{Path: "/"}); errno != 0 {
		return fmt.Errorf("working directory /: %w", errno)
	}
	return nil
}

// programPath translates a host path, which lies below the root, for the program.
func (ns *namespace) programPath(host string) (string, bool) {
	root, err := ns.hostPath(ns.mounts["/"].fd)
	if err != nil {
		return "", false
	}
	rest, ok := below(host, root)
	return path.Join("/", rest), ok
}

// below returns what follows dir in p; ok is false if p is not in dir.
func below(p, dir string) (rest string, ok bool) {
	if dir == "/" {
		return p, strings.HasPrefix(p, "/")
	}
	rest, ok = strings.CutPrefix(p, dir)
	return rest, ok && (rest == "" || rest[0] == '/')
}

// inProc reports whether a canonical path is /proc or in it.
func inProc(p string) bool {
	_, ok := below(p, procTarget)
	return ok
}

// mountOf returns the mount a canonical path lies in: the longest prefix.
func (ns *namespace) mountOf(p string) *mount {
	best := ns.mounts["/"]
	for target, m := range ns.mounts {
		if _, ok := below(p, target); ok && len(target) > len(best.target) {
			best = m
		}
	}
	return best
}

// Clone returns a file system for a new process: it starts where this one is.
func (fs *FileSystem) Clone() *FileSystem {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return &FileSystem{ns: fs.ns, cwd: fs.cwd.Hold(), umask: fs.umask}
}

// Close gives the working directory back, when the process has ended.
func (fs *FileSystem) Close() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.cwd != nil {
		fs.cwd.Release()
		fs.cwd = nil
	}
}

// Umask returns the file mode creation mask of umask(2).
func (fs *FileSystem) Umask() uint32 {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return fs.umask
}

// SetUmask replaces the mask and returns the old one.
func (fs *FileSystem) SetUmask(mask uint32) uint32 {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	old := fs.umask
	fs.umask = mask & 0o777
	return old
}

// workDir returns the working directory with a reference that the caller
// releases; nil while there is none yet, which means the root.
func (fs *FileSystem) workDir() *File {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.cwd == nil {
		return nil
	}
	return fs.cwd.Hold()
}

// Chdir is chdir(2), and fchdir(2) with an empty path.
func (fs *FileSystem) Chdir(t *Thread, at At) linux.Errno {
	n, errno := fs.Lookup(t, at, LookupEmpty)
	if errno != 0 {
		return errno
	}
	defer n.Close()
	if !n.isDir() {
		return linux.ENOTDIR
	}
	if n.file != nil && !fs.trusted(n.file) {
		return linux.EACCES
	}
	if errno := n.Access(unix.X_OK, unix.AT_EACCESS); errno != 0 {
		return errno
	}
	dir, errno := fs.openNode(n, linux.OpenHow{Flags: unix.O_PATH | unix.O_DIRECTORY})
	if errno != 0 {
		return errno
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.cwd != nil {
		fs.cwd.Release()
	}
	fs.cwd = dir
	return 0
}

// Getcwd returns the working directory's path as it is now; ENOENT if the
// directory has been removed.
func (fs *FileSystem) Getcwd() (string, linux.Errno) {
	dir := fs.workDir()
	if dir == nil {
		return "/", 0
	}
	defer dir.Release()
	name, deleted := fs.PathOf(dir)
	if deleted {
		return "", linux.ENOENT
	}
	return name, 0
}

// PathOf returns the program's name of an open file as it is now, and whether
// the file has been removed. What has no path is called as in /proc/PID/fd.
func (fs *FileSystem) PathOf(f *File) (name string, deleted bool) {
	if f.Ops != nil || inProc(f.Path) {
		return f.Path, false
	}
	host, err := fs.ns.hostPath(f.Host)
	if err != nil {
		return f.Path, false
	}
	if !strings.HasPrefix(host, "/") || strings.HasPrefix(host, "/memfd:") {
		return host, false // pipe:[7], socket:[7], anon_inode:[eventpoll]
	}
	var st unix.Stat_t
	if strings.HasSuffix(host, deletedSuffix) && unix.Fstat(f.Host, &st) == nil && st.Nlink == 0 {
		host, deleted = strings.TrimSuffix(host, deletedSuffix), true
	}
	m := fs.ns.mountOf(f.Path)
	source, err := fs.ns.hostPath(m.fd)
	rest, ok := below(host, source)
	if err != nil || !ok {
		return f.Path, deleted
	}
	return path.Join(m.target, rest), deleted
}

const deletedSuffix = " (deleted)"

// shown returns the mounts that are not the host's own, outer ones first.
func (ns *namespace) shown() (list []*mount) {
	for _, m := range ns.mounts {
		if !m.host && !(m.proc && ns.mounts["/"].host) {
			list = append(list, m)
		}
	}
	sort.Slice(list, func(i, j int) bool { return list[i].target < list[j].target })
	return list
}

// fsType names the file system for /proc/mounts; what it really is on the
// host is nobody's business.
func (m *mount) fsType() string {
	if m.proc {
		return "proc"
	}
	return "torov"
}

func (m *mount) options() string {
	if m.readOnly {
		return "ro,relatime"
	}
	return "rw,relatime"
}
