package kernel

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
	"torov/internal/mm"
)

// install gives the program a host descriptor.
func (th *Thread) install(t *testing.T, host int, name string, private bool) int32 {
	t.Helper()
	fd, errno := th.Proc.Files.Install(NewFile(host, name, private, false), 0, 1024, false)
	if errno != 0 {
		t.Fatal(errno)
	}
	return fd
}

func hostFD(t *testing.T, name string, flags int) int {
	t.Helper()
	fd, err := unix.Open(name, flags|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

// TestHostProcesses: no path leads to a process of the host, this one above all.
func TestHostProcesses(t *testing.T) {
	own, some := strconv.Itoa(os.Getpid()), strconv.Itoa(os.Getppid())
	dir := t.TempDir()
	tree(t, dir, "environ -> /proc/"+own+"/environ", "proc -> /proc", "pid -> /proc/"+own, "up -> /proc/self/../"+own+"/fd", "fd -> /proc/self/fd")
	t.Chdir(dir)
	th := testThread(t, "", "")
	root, errno := th.open("/", unix.O_DIRECTORY)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer root.Release()
	proc, errno := th.open("/proc", unix.O_DIRECTORY)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer proc.Release()
	sys, errno := th.open("/proc/sys/kernel", unix.O_DIRECTORY)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer sys.Release()
	for _, pid := range []string{own, some, "1"} {
		for _, at := range []At{
			{nil, "/proc/" + pid}, {nil, "/proc/" + pid + "/comm"}, {nil, "//proc/./" + pid + "/comm"}, {nil, "/proc/self/../" + pid + "/comm"},
			{nil, "/proc/sys/../" + pid + "/comm"}, {nil, "/proc/net/../../" + pid + "/comm"}, {nil, "/proc/self/net/../../" + pid + "/comm"},
			{nil, "/proc/self/root/proc/" + pid + "/comm"}, {nil, "/proc/self/cwd/proc/" + pid + "/comm"}, {nil, "/proc/thread-self/../../../" + pid + "/comm"},
			{nil, "proc/" + pid + "/comm"}, {nil, "environ"}, {nil, "pid/environ"}, {nil, "up/0"}, {nil, "up"}, {nil, "/etc/../proc/" + pid + "/comm"},
			{root, "proc/" + pid + "/comm"}, {root, "dev/../proc/" + pid}, {proc, pid}, {proc, pid + "/comm"}, {proc, "self/../" + pid}, {proc, "../proc/" + pid},
			{sys, "../../" + pid + "/comm"}, {sys, "../../../proc/" + pid}, {nil, "/dev/fd/../../" + pid}, {nil, "fd/../../" + pid},
			{nil, "/proc/0" + pid}, {nil, "/proc/+" + pid}, {nil, "/proc/self/task/" + pid}, {nil, "/proc/kcore"}, {nil, "/proc/kmsg"},
		} {
			for _, flags := range []uint64{unix.O_RDONLY, unix.O_PATH, unix.O_PATH | unix.O_NOFOLLOW} {
				if flags&unix.O_NOFOLLOW != 0 && !strings.Contains(at.Path, "/") && at.Dir == nil {
					continue // the symlink itself
				}
				f, errno := th.Proc.FS.Open(th, at, linux.OpenHow{Flags: flags})
				if errno == 0 {
					f.Release()
				}
				if errno != linux.ENOENT {
					t.Errorf("open %q flags %#x: %v", at.Path, flags, errno)
				}
			}
			if n, errno := th.Proc.FS.Lookup(th, at, 0); errno != linux.ENOENT {
				if n != nil {
					n.Close()
				}
				t.Errorf("look up %q: %v", at.Path, errno)
			}
		}
	}
	for _, name := range names(t, proc) {
		if n, err := strconv.Atoi(name); err == nil && n != testPID {
			t.Errorf("/proc lists %d", n)
		}
	}
}

// TestForeignDirectory: a directory outside the root that the program inherits
// can be looked at, but is no way out.
func TestForeignDirectory(t *testing.T) {
	base := t.TempDir()
	tree(t, base, "outside/secret", "root/f")
	th := testThread(t, base+"/root", "/")
	fs := th.Proc.FS
	for _, c := range []struct{ dir, file string }{{base + "/outside", "secret"}, {"/proc", "1/comm"}, {"/proc/self", "comm"}, {base, "outside/secret"}, {"/", "etc/passwd"}} {
		fd := th.install(t, hostFD(t, c.dir, unix.O_DIRECTORY), c.dir, false)
		f, _ := th.Proc.Files.Get(fd)
		link := "/proc/self/fd/" + strconv.Itoa(int(fd))
		for _, at := range []At{{f, c.file}, {f, ".."}, {f, "."}, {nil, link + "/" + c.file}, {nil, link + "/.."}, {nil, link}} {
			got := th.contents(t, at)
			if inProc(c.dir) && (got == "[directory]" || got == "[ENOTDIR]") {
				continue // of the program's own /proc
			}
			if got != "[EACCES]" && got != "[ENOENT]" {
				t.Errorf("%s: open %q: %q", c.dir, at.Path, got)
			}
		}
		if errno := fs.Chdir(th, At{Dir: f}); errno == 0 {
			t.Errorf("%s: fchdir succeeded", c.dir)
		}
		if errno := fs.Mkdir(th, At{Dir: f, Path: "new"}, 0o755); errno == 0 {
			t.Errorf("%s: mkdir succeeded", c.dir)
		}
		if _, errno := fs.Lookup(th, At{Dir: f}, LookupEmpty); errno != 0 {
			t.Errorf("%s: fstat: %v", c.dir, errno)
		}
		f.Release()
	}
}

func TestProcFDs(t *testing.T) {
	dir := t.TempDir()
	tree(t, dir, "root/f", "outside")
	th := testThread(t, dir+"/root", "/")
	// Inherited, read-only, and outside the root.
	fd := th.install(t, hostFD(t, dir+"/outside", unix.O_RDONLY), "/outside", false)
	f, errno := th.open("/f", unix.O_RDWR)
	if errno != 0 {
		t.Fatal(errno)
	}
	own, _ := th.Proc.Files.Install(f, 0, 1024, false)
	if _, err := unix.Seek(f.Host, 3, unix.SEEK_SET); err != nil {
		t.Fatal(err)
	}
	name := func(fd int32) string { return fmt.Sprintf("/proc/self/fd/%d", fd) }
	for _, c := range []struct {
		path  string
		flags uint64
		want  linux.Errno
	}{
		{name(fd), unix.O_RDONLY, 0}, {name(fd), unix.O_WRONLY, linux.EACCES}, {name(fd), unix.O_RDWR, linux.EACCES}, {name(fd), unix.O_TRUNC, linux.EACCES},
		{name(own), unix.O_WRONLY, 0}, {name(own), unix.O_NOFOLLOW, linux.ELOOP}, {name(own) + "/x", 0, linux.ENOTDIR}, {name(99), 0, linux.ENOENT},
		{name(own), unix.O_CREAT | unix.O_EXCL, linux.EEXIST},
	} {
		if got := second(th.open(c.path, c.flags)); got != c.want {
			t.Errorf("open %s flags %#x: %v, want %v", c.path, c.flags, got, c.want)
		}
	}
	again, errno := th.open(name(own), unix.O_RDONLY)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer again.Release()
	if got := fileText(t, again); got != "in root/f" {
		t.Errorf("a file opened anew starts at %q", got)
	}
	n, errno := th.Proc.FS.Lookup(th, At{Path: name(own)}, LookupNoFollow)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer n.Close()
	if target, _ := n.Readlink(); target != "/f" {
		t.Errorf("link says %q", target)
	}
	list, errno := th.open("/proc/self/fd", unix.O_DIRECTORY)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer list.Release()
	if got := names(t, list); !slices.Equal(got, []string{"0", "1"}) {
		t.Errorf("descriptors %v", got)
	}
	if _, errno := list.Lseek(0, unix.SEEK_SET); errno != 0 {
		t.Fatal(errno)
	}
	th.Proc.Files.Close(own)
	if got := names(t, list); !slices.Equal(got, []string{"0"}) {
		t.Errorf("descriptors after rewind %v", got)
	}
}

func TestProcContents(t *testing.T) {
	th := testThread(t, "", "/")
	as := th.Proc.AS()
	if _, errno := as.Map(mm.MapRequest{Addr: 0x400000, Length: 0x2000, Prot: mm.ProtRead | mm.ProtWrite, Fixed: true, Name: mm.HeapName}); errno != 0 {
		t.Fatal(errno)
	}
	pid := strconv.Itoa(testPID)
	for _, c := range []struct{ path, want string }{
		{"/proc/self/cmdline", "prog\x00x y\x00"}, {"/proc/self/comm", "prog\n"}, {"/proc/thread-self/comm", "prog\n"}, {"/proc/" + pid + "/comm", "prog\n"},
		{"/proc/self/task/" + pid + "/comm", "prog\n"},
		{"/proc/self/maps", "00400000-00402000 rw-p 00000000 00:00 0 " + strings.Repeat(" ", 33) + "[heap]\n"},
		{"/proc/self/mem", "[EACCES]"}, {"/proc/self/nothing", "[ENOENT]"}, {"/proc/self/task/1/comm", "[ENOENT]"}, {"/proc/self/statm", "2 2 0 0 0 2 0\n"},
	} {
		if got := th.contents(t, At{Path: c.path}); got != c.want {
			t.Errorf("%s is %q, want %q", c.path, got, c.want)
		}
	}
	// The same number of fields, and the same lines, as the host's.
	for _, name := range []string{"stat", "statm", "limits", "smaps", "status"} {
		got, errno := th.Proc.ProcFile(name)
		if errno != 0 {
			t.Fatalf("%s: %v", name, errno)
		}
		want := hostProc(name)
		switch name {
		case "stat", "statm":
			if a, b := len(bytes.Fields(got)), len(bytes.Fields(want)); a != b {
				t.Errorf("%s has %d fields, the host's %d: %s", name, a, b, got)
			}
		case "limits":
			if string(got) != string(want) {
				t.Errorf("limits:\n%swant\n%s", got, want)
			}
		case "status":
			for line := range bytes.Lines(got) {
				if key, _, _ := bytes.Cut(line, []byte(":")); !bytes.Contains(want, append([]byte("\n"), key...)) && string(key) != "Name" {
					t.Errorf("the host's status has no line %q", key)
				}
			}
		}
	}
	if _, errno := th.Proc.ProcFile("exe"); errno != linux.EINVAL {
		t.Errorf("a link as a file: %v", errno)
	}
	if _, errno := th.Proc.ProcFile("task/" + pid + "/maps"); errno != 0 {
		t.Errorf("maps of a thread: %v", errno)
	}
}

func TestProcWrite(t *testing.T) {
	th := testThread(t, "", "/")
	f, errno := th.open("/proc/self/comm", unix.O_WRONLY)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer f.Release()
	if n, errno := f.Ops.Write(th, &mm.Buffers{Bufs: [][]byte{[]byte("a very long "), []byte("name")}, Size: 16}); n != 16 || errno != 0 {
		t.Errorf("write: %d %v", n, errno)
	}
	if th.Comm() != "a very long nam" {
		t.Errorf("name %q", th.Comm())
	}
	for _, name := range []string{"/proc/self/maps", "/proc/self/stat"} {
		if got := second(th.open(name, unix.O_WRONLY)); got != linux.EACCES {
			t.Errorf("open %s for writing: %v", name, got)
		}
	}
	for _, name := range []string{"/proc/sys/kernel/hostname", "/proc/sysrq-trigger"} {
		if got := second(th.open(name, unix.O_WRONLY)); got != linux.EROFS && got != linux.ENOENT {
			t.Errorf("open %s for writing: %v", name, got)
		}
	}
}

// TestProcMapsFile: a mapped file shows with device, inode and the program's name.
func TestProcMapsFile(t *testing.T) {
	dir := t.TempDir()
	tree(t, dir, "lib")
	th := testThread(t, dir, "/")
	f, errno := th.open("/lib", unix.O_RDONLY)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer f.Release()
	file, err := mm.NewFile(f.Host, f.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, errno := th.Proc.AS().Map(mm.MapRequest{Addr: 0x7f0000000000, Length: engine.PageSize, Prot: mm.ProtRead | mm.ProtExec, File: file, Shared: true, Fixed: true}); errno != 0 {
		t.Fatal(errno)
	}
	got := strings.Fields(th.contents(t, At{Path: "/proc/self/maps"}))
	dev := fmt.Sprintf("%02x:%02x", unix.Major(file.Dev), unix.Minor(file.Dev))
	want := []string{"7f0000000000-7f0000001000", "r-xs", "00000000", dev, strconv.FormatUint(file.Ino, 10), "/lib"}
	if !slices.Equal(got, want) {
		t.Errorf("maps %q, want %q", got, want)
	}
}
