package kernel

import (
	"sort"
	"strconv"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// hiddenProc are files of the host's /proc that show more than a program is
// to see, kernel memory and messages above all.
var hiddenProc = map[string]bool{
	"acpi": true, "kcore": true, "keys": true, "kmsg": true, "latency_stats": true, "sched_debug": true, "scsi": true, "timer_list": true,
}

// procRoot is /proc as thread t sees it: the processes of this kernel, and of
// the host what does not belong to any process. t may be nil.
func procRoot(t *Thread) *synth {
	return &synth{
		mode:   unix.S_IFDIR | 0o555,
		lookup: func(name string) (*synth, linux.Errno) { return procLookup(t, name) },
		names:  func() []entry { return procNames(t) },
	}
}

func symlink(text string) *synth {
	return &synth{mode: unix.S_IFLNK | 0o777, link: func() string { return text }}
}

func procLookup(t *Thread, name string) (*synth, linux.Errno) {
	switch {
	case hiddenProc[name]:
		return nil, linux.ENOENT
	case name == "mounts" || name == "net":
		return symlink("self/" + name), 0
	case name == "self" || name == "thread-self":
		if t == nil {
			return nil, linux.ENOENT
		}
		pid := strconv.Itoa(t.Proc.PID)
		if name == "self" {
			return symlink(pid), 0
		}
		return symlink(pid + "/task/" + strconv.Itoa(t.TID)), 0
	}
	if name[0] < '0' || name[0] > '9' {
		return &synth{host: name}, 0
	}
	id, err := strconv.Atoi(name)
	if err != nil || t == nil || strconv.Itoa(id) != name {
		return nil, linux.ENOENT
	}
	k := t.Kernel()
	if p := k.Process(id); p != nil {
		return procDir(&procView{p: p}), 0
	}
	if other := k.Thread(id); other != nil {
		return procDir(&procView{p: other.Proc}), 0
	}
	return nil, linux.ENOENT
}

func procNames(t *Thread) []entry {
	var list []entry
	if fd, err := unix.Open("/proc", unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0); err == nil {
		for _, e := range hostEntries(fd, nil) {
			if (e.name[0] < '0' || e.name[0] > '9') && !hiddenProc[e.name] {
				list = append(list, e)
			}
		}
		unix.Close(fd)
	}
	if t == nil {
		return list
	}
	var ids []int
	for _, p := range t.Kernel().Processes() {
		ids = append(ids, p.PID)
	}
	return append(list, numbered(ids, unix.DT_DIR)...)
}

func numbered(ids []int, typ uint8) (list []entry) {
	sort.Ints(ids)
	for _, id := range ids {
		list = append(list, entry{strconv.Itoa(id), typ})
	}
	return list
}

// procView is a process, or one thread of it, as /proc shows it.
type procView struct {
	p *Process
	t *Thread // nil: the process
}

// thread is the thread whose state is shown: of a process the oldest one's;
// nil if the process has just ended.
func (v *procView) thread() *Thread {
	if v.t != nil {
		return v.t
	}
	return v.p.Leader()
}

// id is what the directory is called.
func (v *procView) id() int {
	if v.t != nil {
		return v.t.TID
	}
	return v.p.PID
}

// own makes a node belong to the process's user.
func (v *procView) own(s *synth) *synth {
	c := v.p.Creds()
	s.uid, s.gid = c.EUID, c.EGID
	return s
}

// procFile is one file of /proc/PID.
type procFile struct {
	name    string
	mode    uint32
	process bool // not in /proc/PID/task/TID
	make    func(v *procView) *synth
}

// text is a read-only file whose contents f makes.
func text(name string, perm uint32, f func(v *procView) []byte) procFile {
	return procFile{name: name, mode: unix.S_IFREG | perm, make: func(v *procView) *synth {
		return &synth{content: func() ([]byte, linux.Errno) { return f(v), 0 }}
	}}
}

// hostText is a file whose contents are those of torov itself: what the host
// applies to torov it applies to the program.
func hostText(name string, perm uint32) procFile {
	return text(name, perm, func(*procView) []byte { return hostProc(name) })
}

// denied is a file that is there and cannot be opened.
func denied(name string, perm uint32) procFile {
	return procFile{name: name, mode: unix.S_IFREG | perm, make: func(*procView) *synth {
		return &synth{content: func() ([]byte, linux.Errno) { return nil, linux.EACCES }}
	}}
}

func node(name string, mode uint32, f func(v *procView) *synth) procFile {
	return procFile{name: name, mode: mode, make: f}
}

func processOnly(f procFile) procFile {
	f.process = true
	return f
}

// procFiles is what is in /proc/PID. It is filled in by init because task
// leads back to it.
var procFiles []procFile

func init() {
	procFiles = []procFile{
		text("auxv", 0o400, procAuxv),
		hostText("cgroup", 0o444),
		text("cmdline", 0o444, procCmdline),
		node("comm", unix.S_IFREG|0o644, procComm),
		hostText("cpuset", 0o444),
		node("cwd", unix.S_IFLNK|0o777, procCwd),
		text("environ", 0o400, procEnviron),
		node("exe", unix.S_IFLNK|0o777, procExe),
		node("fd", unix.S_IFDIR|0o500, procFDs),
		node("fdinfo", unix.S_IFDIR|0o555, procFDInfos),
		hostText("gid_map", 0o444),
		hostText("io", 0o400),
		text("limits", 0o444, procLimits),
		hostText("loginuid", 0o444),
		text("maps", 0o444, procMaps),
		denied("mem", 0o600),
		text("mountinfo", 0o444, procMountinfo),
		text("mounts", 0o444, procMounts),
		node("net", unix.S_IFDIR|0o555, func(*procView) *synth { return &synth{host: "thread-self/net", trusted: true} }),
		node("ns", unix.S_IFDIR|0o511, procNamespaces),
		hostText("oom_adj", 0o444),
		hostText("oom_score", 0o444),
		hostText("oom_score_adj", 0o444),
		denied("pagemap", 0o400),
		text("personality", 0o400, func(*procView) []byte { return []byte("00000000\n") }),
		node("root", unix.S_IFLNK|0o777, func(*procView) *synth {
			root := symlink("/")
			root.magic = true
			return root
		}),
		hostText("sessionid", 0o444),
		hostText("setgroups", 0o444),
		text("smaps", 0o444, procSmaps),
		text("stat", 0o444, procStat),
		text("statm", 0o444, procStatm),
		text("status", 0o444, procStatus),
		processOnly(node("task", unix.S_IFDIR|0o555, procTask)),
		hostText("uid_map", 0o444),
		text("wchan", 0o444, func(*procView) []byte { return []byte("0") }),
	}
}

// procDir is /proc/PID or /proc/PID/task/TID.
func procDir(v *procView) *synth {
	return v.own(&synth{
		mode: unix.S_IFDIR | 0o555,
		lookup: func(name string) (*synth, linux.Errno) {
			for _, f := range procFiles {
				if f.name == name && !(f.process && v.t != nil) {
					s := v.own(f.make(v))
					s.mode = f.mode
					return s, 0
				}
			}
			return nil, linux.ENOENT
		},
		names: func() (list []entry) {
			for _, f := range procFiles {
				if !(f.process && v.t != nil) {
					list = append(list, entry{f.name, dirType(f.mode)})
				}
			}
			return list
		},
	})
}

func procTask(v *procView) *synth {
	return &synth{
		lookup: func(name string) (*synth, linux.Errno) {
			for _, t := range v.p.Threads() {
				if strconv.Itoa(t.TID) == name {
					return procDir(&procView{p: v.p, t: t}), 0
				}
			}
			return nil, linux.ENOENT
		},
		names: func() []entry {
			var ids []int
			for _, t := range v.p.Threads() {
				ids = append(ids, t.TID)
			}
			return numbered(ids, unix.DT_DIR)
		},
	}
}

// ProcFile returns the contents of a file of /proc/PID, for debuggers: "maps",
// "task/7/comm". ENOENT if there is none, EINVAL if it is no regular file.
func (p *Process) ProcFile(rel string) ([]byte, linux.Errno) {
	s := procDir(&procView{p: p})
	for rel != "" {
		var name string
		if name, rel = cutFirst(rel); name == "" {
			break
		}
		if s.lookup == nil {
			return nil, linux.ENOTDIR
		}
		var errno linux.Errno
		if s, errno = s.lookup(name); errno != 0 {
			return nil, errno
		}
	}
	if s.content == nil {
		return nil, linux.EINVAL
	}
	return s.content()
}
