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

// hostUmask takes the umask out of the host's hands, which would apply it to
// all threads: every program has its own. It returns what the umask was.
var hostUmask = sync.OnceValue(func() uint32 { return uint32(unix.Umask(0)) })

// NewFileSystem returns the file system of a first process. root is a host
// directory, "" or "/" the host's root; cwd is the program's path of its
// working directory, "" the one torov has itself.
func NewFileSystem(root, cwd string, mounts []Mount) (*FileSystem, error) {
	ns := &namespace{mounts: map[string]*mount{}, inner: map[string][]string{}, fds: -1}
	ns.refs.Store(1)
	fs := &FileSystem{ns: ns, umask: hostUmask()}
	if err := fs.build(root, cwd, mounts); err != nil {
		fs.Close()
		return nil, err
	}
	return fs, nil
}

func (fs *FileSystem) build(root, cwd string, mounts []Mount) error {
	if err := fs.ns.addProc(); err != nil {
		return err
	}
	if root == "" {
		root = "/"
	}
	if err := fs.mount(Mount{Source: root, Target: "/"}); err != nil {
		return fmt.Errorf("root directory: %w", err)
	}
	// A mount may lie inside another one: outer ones first.
	mounts = append([]Mount(nil), mounts...)
	sort.SliceStable(mounts, func(i, j int) bool { return len(mounts[i].Target) < len(mounts[j].Target) })
	for _, m := range mounts {
		if err := fs.mount(m); err != nil {
			return fmt.Errorf("mount %s at %s: %w", m.Source, m.Target, err)
		}
	}
	fs.ns.plain = len(mounts) == 0 && fs.ns.mounts["/"].host
	return fs.enterFirst(cwd)
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

// Clone returns a file system for a new process: it starts where this one is.
func (fs *FileSystem) Clone() *FileSystem {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.ns.refs.Add(1)
	return &FileSystem{ns: fs.ns, cwd: fs.cwd.Hold(), umask: fs.umask}
}

// Close gives back what the file system holds, once, when its process has ended.
func (fs *FileSystem) Close() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.cwd != nil {
		fs.cwd.Release()
		fs.cwd = nil
	}
	fs.ns.release()
}

// Umask returns the file mode creation mask of umask(2). It applies to every
// new file, where Linux leaves it out in directories with a default ACL.
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
