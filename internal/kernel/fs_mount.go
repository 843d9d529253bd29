package kernel

import (
	"fmt"
	"os"
	"path"
	"sort"
	"strings"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// namespace says where the program's paths lead. It does not change, and all
// file systems made by Clone share it.
type namespace struct {
	mounts map[string]*mount   // by target; "/" and "/proc" are always there
	inner  map[string][]string // the directories on the way to a target, with the next names
	plain  bool                // the root is the host's and there are no mounts
	fds    int                 // host descriptor of the VMM's /proc/self/fd
	dev    uint64              // device number of procfs
	sticky bool                // fs.protected_symlinks
	refs   atomic.Int32        // file systems that share it
}

// release drops a reference; the last one closes the host's descriptors.
func (ns *namespace) release() {
	if ns.refs.Add(-1) > 0 {
		return
	}
	for _, m := range ns.mounts {
		unix.Close(m.fd)
	}
	unix.Close(ns.fds)
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
	if old := fs.ns.mounts[target]; old != nil {
		unix.Close(old.fd) // the root, which a mount may replace
	}
	fs.ns.add(&mount{target: target, fd: fd, readOnly: m.ReadOnly, host: source == "/"})
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
