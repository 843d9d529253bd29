package kernel

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

func procExe(v *procView) *synth {
	return &synth{magic: true, link: func() string { return v.p.Loaded().Exe }}
}

func procCwd(v *procView) *synth {
	fs := v.p.FS
	return &synth{
		magic: true,
		link: func() string {
			dir := fs.workDir()
			if dir == nil {
				return "/"
			}
			defer dir.Release()
			return fs.linkText(dir)
		},
		jump: func() (*File, linux.Errno) {
			dir := fs.workDir()
			if dir == nil {
				return nil, linux.ENOENT
			}
			return dir, 0
		},
	}
}

// linkText is what a link of /proc to a file says.
func (fs *FileSystem) linkText(f *File) string {
	name, deleted := fs.PathOf(f)
	if deleted {
		name += deletedSuffix
	}
	return name
}

func fdNames(p *Process, typ uint8) []entry {
	var ids []int
	for fd := range p.Files.Snapshot() {
		ids = append(ids, int(fd))
	}
	return numbered(ids, typ)
}

// openFile returns the file of a descriptor written as a decimal number.
func (p *Process) openFile(name string) (int32, *File, linux.Errno) {
	fd, err := strconv.ParseInt(name, 10, 32)
	if err != nil || strconv.FormatInt(fd, 10) != name {
		return -1, nil, linux.ENOENT
	}
	f, errno := p.Files.Get(int32(fd))
	if errno != 0 {
		return -1, nil, linux.ENOENT
	}
	return int32(fd), f, 0
}

func procFDs(v *procView) *synth {
	return &synth{
		names: func() []entry { return fdNames(v.p, unix.DT_LNK) },
		lookup: func(name string) (*synth, linux.Errno) {
			_, f, errno := v.p.openFile(name)
			if errno != 0 {
				return nil, errno
			}
			defer f.Release()
			return v.own(&synth{
				mode:  unix.S_IFLNK | linkMode(f),
				size:  64, // as Linux says of them all
				magic: true,
				link: func() string {
					_, f, errno := v.p.openFile(name)
					if errno != 0 {
						return deletedSuffix
					}
					defer f.Release()
					return v.p.FS.linkText(f)
				},
				jump: func() (*File, linux.Errno) {
					_, f, errno := v.p.openFile(name)
					return f, errno
				},
			}), 0
		},
	}
}

// linkMode shows how a file is open.
func linkMode(f *File) uint32 {
	flags, errno := f.Flags()
	if errno != 0 || flags&unix.O_PATH != 0 {
		return 0
	}
	return [4]uint32{0o500, 0o300, 0o700, 0o700}[flags&unix.O_ACCMODE]
}

func procFDInfos(v *procView) *synth {
	return &synth{
		names: func() []entry { return fdNames(v.p, unix.DT_REG) },
		lookup: func(name string) (*synth, linux.Errno) {
			_, f, errno := v.p.openFile(name)
			if errno != 0 {
				return nil, errno
			}
			f.Release()
			return v.own(&synth{mode: unix.S_IFREG | 0o444, content: func() ([]byte, linux.Errno) {
				fd, f, errno := v.p.openFile(name)
				if errno != 0 {
					return nil, errno
				}
				defer f.Release()
				return fdInfo(f, v.p.Files.Cloexec(fd)), 0
			}}), 0
		},
	}
}

func fdInfo(f *File, cloexec bool) []byte {
	pos, _ := f.Lseek(0, unix.SEEK_CUR) // 0 for what has no position
	flags, _ := f.Flags()
	if cloexec {
		flags |= unix.O_CLOEXEC
	}
	st, _ := f.Stat()
	return fmt.Appendf(nil, "pos:\t%d\nflags:\t0%o\nmnt_id:\t0\nino:\t%d\n", pos, flags, st.Ino)
}

// procNamespaces shows the host's namespaces, which are the program's.
func procNamespaces(v *procView) *synth {
	names := []string{"cgroup", "ipc", "mnt", "net", "pid", "pid_for_children", "time", "time_for_children", "user", "uts"}
	return &synth{
		names: func() (list []entry) {
			for _, name := range names {
				list = append(list, entry{name, unix.DT_LNK})
			}
			return list
		},
		lookup: func(name string) (*synth, linux.Errno) {
			if !contains(names, name) {
				return nil, linux.ENOENT
			}
			target, err := readlinkAt(unix.AT_FDCWD, "/proc/self/ns/"+name)
			if err != nil {
				return nil, linux.FromHost(err)
			}
			return v.own(symlink(target)), 0
		},
	}
}

// procComm is the name of a thread, which may be written (proc(5)).
func procComm(v *procView) *synth {
	return &synth{
		content: func() ([]byte, linux.Errno) {
			t := v.thread()
			if t == nil {
				return nil, linux.ESRCH
			}
			return []byte(t.Comm() + "\n"), 0
		},
		write: func(b []byte) linux.Errno {
			t := v.thread()
			if t == nil {
				return linux.ESRCH
			}
			name, _, _ := strings.Cut(string(b), "\x00")
			name = truncate(name, linux.TASK_COMM_LEN-1)
			t.Name.Store(&name)
			return 0
		},
	}
}
