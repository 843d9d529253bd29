package kernel

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
	"torov/internal/mm"
)

// testPID is of no process of the host: above PID_MAX_LIMIT.
const testPID = 4194304 + 7

// testThread returns a thread, without a CPU, whose process has this file system.
func testThread(t *testing.T, root, cwd string, mounts ...Mount) *Thread {
	t.Helper()
	fs, err := NewFileSystem(root, cwd, mounts)
	if err != nil {
		t.Fatal(err)
	}
	mem, err := mm.NewMemory(16<<20, func(int, engine.GPA, []byte) error { return nil })
	if err != nil {
		t.Fatal(err)
	}
	as, err := mm.NewAddressSpace(mem, 1<<40)
	if err != nil {
		t.Fatal(err)
	}
	k := New(Config{})
	comm := "prog"
	p := &Process{Kernel: k, PID: testPID, Files: NewFileTable(), FS: fs, limits: hostLimits(), creds: hostCreds()}
	p.hostParent = 1
	p.Become(&Loaded{AS: as, Exe: "/bin/prog", Args: []string{"prog", "x y"}})
	p.Comm.Store(&comm)
	th := &Thread{Proc: p, TID: testPID}
	th.wakeFD.Store(-1)
	p.threads = []*Thread{th}
	k.procs[p.PID], k.threads[th.TID] = p, th
	t.Cleanup(func() {
		p.Files.CloseAll()
		fs.Close()
		if err := mem.Close(); err != nil {
			t.Error(err)
		}
	})
	return th
}

// tree makes files, directories ("name/") and symlinks ("name -> target").
func tree(t *testing.T, dir string, names ...string) {
	t.Helper()
	for _, name := range names {
		link, target, isLink := strings.Cut(name, " -> ")
		full := filepath.Join(dir, link)
		err := os.MkdirAll(filepath.Dir(full), 0o755)
		switch {
		case err != nil:
		case isLink:
			err = os.Symlink(target, full)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(full, 0o755)
		default:
			err = os.WriteFile(full, []byte("in "+name), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func (th *Thread) open(name string, flags uint64) (*File, linux.Errno) {
	return th.Proc.FS.Open(th, At{Path: name}, linux.OpenHow{Flags: flags, Mode: 0o600 * (flags & unix.O_CREAT / unix.O_CREAT)})
}

// contents returns what a file holds, or the error of opening it in brackets.
func (th *Thread) contents(t *testing.T, at At) string {
	t.Helper()
	f, errno := th.Proc.FS.Open(th, at, linux.OpenHow{})
	if errno != 0 {
		return "[" + errno.Name() + "]"
	}
	defer f.Release()
	return fileText(t, f)
}

func fileText(t *testing.T, f *File) string {
	t.Helper()
	var out []byte
	for {
		buf := make([]byte, 4096)
		n, err := unix.Read(f.Host, buf)
		if err == unix.EISDIR || f.Ops != nil && err != nil {
			return "[directory]"
		}
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			return string(out)
		}
		out = append(out, buf[:n]...)
	}
}

func names(t *testing.T, f *File) []string {
	t.Helper()
	var list []string
	for {
		b, _, errno := f.ReadDir(1024)
		if errno != 0 {
			t.Fatal(errno)
		}
		if len(b) == 0 {
			slices.Sort(list)
			return list
		}
		for _, e := range parseEntries(b) {
			if e.name != "." && e.name != ".." {
				list = append(list, e.name)
			}
		}
	}
}

// TestResolution opens paths in a root and compares with what must be found.
func TestResolution(t *testing.T) {
	base := t.TempDir()
	root := filepath.Join(base, "root")
	tree(t, base, "secret", "outside/file", "root/secret/decoy", "root/a/b/c", "root/a/f", "root/dir/",
		"root/abs -> /a/f", "root/rel -> a/f", "root/up -> ../../../../secret", "root/a/updir -> ../..",
		"root/hostpath -> "+base+"/secret", "root/loop1 -> loop2", "root/loop2 -> loop1", "root/dangling -> nowhere",
		"root/a/b/back -> ../../a/f", "root/chain -> abs", "root/slash -> a/f/", "root/dirlink -> a", "root/a/deep -> b/../b/./c")
	th := testThread(t, root, "/a")
	for _, c := range []struct{ path, want string }{
		{"/a/f", "in root/a/f"}, {"f", "in root/a/f"}, {"b/c", "in root/a/b/c"}, {"./b/../f", "in root/a/f"}, {"b/../../a/f", "in root/a/f"},
		{"//a///f", "in root/a/f"}, {"/abs", "in root/a/f"}, {"/rel", "in root/a/f"}, {"/chain", "in root/a/f"}, {"b/back", "in root/a/f"},
		{"/a/deep", "in root/a/b/c"}, {"/dirlink/b/c", "in root/a/b/c"}, {"/dirlink/../a/f", "in root/a/f"},
		// Ways out.
		{"/../secret", "[directory]"}, {"../../../secret/decoy", "in root/secret/decoy"}, {"/a/../../../secret/decoy", "in root/secret/decoy"},
		{"/up/decoy", "in root/secret/decoy"}, {"/a/updir/secret/decoy", "in root/secret/decoy"}, {"/hostpath", "[ENOENT]"},
		{"/../outside/file", "[ENOENT]"}, {"/a/updir/../../outside/file", "[ENOENT]"},
		// Errors.
		{"", "[ENOENT]"}, {"/a/f/", "[ENOTDIR]"}, {"/a/f/x", "[ENOTDIR]"}, {"/a/f/..", "[ENOTDIR]"}, {"/a/f/.", "[ENOTDIR]"}, {"/slash", "[ENOTDIR]"},
		{"/loop1", "[ELOOP]"}, {"/dangling", "[ENOENT]"}, {"/missing/x", "[ENOENT]"}, {"/missing/../a/f", "[ENOENT]"}, {"/a/", "[directory]"}, {"/", "[directory]"},
		{"/rel/..", "[ENOTDIR]"}, {"/" + strings.Repeat("n", 256), "[ENAMETOOLONG]"}, {"/abs/" + strings.Repeat("n", 256), "[ENOTDIR]"},
	} {
		if got := th.contents(t, At{Path: c.path}); got != c.want {
			t.Errorf("open %.40q: %q, want %q", c.path, got, c.want)
		}
	}
}

// TestResolutionAsHost walks the same paths with and without the help of the
// host and natively: errors and files must be the same.
func TestResolutionAsHost(t *testing.T) {
	dir := t.TempDir()
	tree(t, dir, "a/b/c", "a/f", "rel -> a/f", "dirlink -> a", "abs -> "+dir+"/a/b", "loop -> loop", "dangling -> nowhere", "slash -> a/", "empty/")
	t.Chdir(dir)
	th := testThread(t, "", "")
	parts := []string{"a", "b", "f", "c", ".", "..", "rel", "dirlink", "abs", "loop", "dangling", "slash", "missing", "empty", ""}
	flags := []uint64{unix.O_RDONLY, unix.O_NOFOLLOW, unix.O_PATH | unix.O_NOFOLLOW, unix.O_DIRECTORY, unix.O_WRONLY, unix.O_CREAT | unix.O_EXCL, unix.O_DIRECTORY | unix.O_NOFOLLOW}
	count := 0
	for _, x := range parts {
		for _, y := range parts {
			for _, z := range parts {
				p := x + "/" + y + "/" + z
				if x == "" {
					p = dir + p
				}
				for _, fl := range flags {
					want := native(p, fl)
					f, errno := th.Proc.FS.Open(th, At{Path: p}, linux.OpenHow{Flags: fl})
					if got := identify(f, errno, fl); got != want {
						t.Errorf("open %q flags %#x: %s, natively %s", p, fl, got, want)
					}
					w := walker{fs: th.Proc.FS, t: th, cur: Node{fd: -1}}
					if errno = w.start(At{Path: p}); errno == 0 {
						f, errno = w.open(p, linux.OpenHow{Flags: fl})
					}
					w.close()
					got := identify(f, errno, fl)
					if got != want {
						t.Errorf("walk %q flags %#x: %s, natively %s", p, fl, got, want)
					}
					count++
				}
			}
		}
	}
	t.Logf("%d paths", count)
}

// native opens a path without torov and says which file it is.
func native(p string, flags uint64) string {
	fd, err := unix.Open(p, int(flags)|unix.O_CLOEXEC, 0)
	if err != nil {
		return linux.FromHost(err).Name()
	}
	defer unix.Close(fd)
	if flags&unix.O_CREAT != 0 {
		os.Remove(p)
		return "created"
	}
	return inodeNumber(fd)
}

func identify(f *File, errno linux.Errno, flags uint64) string {
	if errno != 0 {
		return errno.Name()
	}
	defer f.Release()
	if flags&unix.O_CREAT != 0 {
		os.Remove(f.Path)
		return "created"
	}
	return inodeNumber(f.Host)
}

func inodeNumber(fd int) string {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return err.Error()
	}
	return strconv.FormatUint(st.Ino, 10)
}

func TestMounts(t *testing.T) {
	base := t.TempDir()
	tree(t, base, "root/etc/hosts", "root/link -> /data/in", "root/data2 -> /data", "data/one", "data/sub/two", "data/out -> /etc/hosts", "data/back -> ../../etc/hosts", "ro/file", "ro/dir/", "single")
	root := filepath.Join(base, "root")
	th := testThread(t, root, "/", Mount{Source: base + "/data", Target: "/data/in"}, Mount{Source: base + "/ro", Target: "/ro", ReadOnly: true},
		Mount{Source: base + "/single", Target: "/etc/one"}, Mount{Source: base + "/ro", Target: "/data/in/sub", ReadOnly: true})
	fs := th.Proc.FS
	for _, c := range []struct{ path, want string }{
		{"/data/in/one", "in data/one"}, {"/link/one", "in data/one"}, {"/data2/in/one", "in data/one"}, {"/data/in/out", "in root/etc/hosts"},
		{"/data/in/back", "in root/etc/hosts"}, {"/data/in/../in/one", "in data/one"}, {"/data/in/../../etc/hosts", "in root/etc/hosts"},
		{"/ro/file", "in ro/file"}, {"/etc/one", "in single"}, {"/etc/one/x", "[ENOTDIR]"}, {"/etc/one/", "[ENOTDIR]"}, {"/data/in/sub/file", "in ro/file"},
		{"/data/in/sub/../one", "in data/one"}, {"/data", "[directory]"}, {"/data/in/", "[directory]"}, {"/data/none", "[ENOENT]"}, {"/data/in/sub/two", "[ENOENT]"},
	} {
		if got := th.contents(t, At{Path: c.path}); got != c.want {
			t.Errorf("open %q: %q, want %q", c.path, got, c.want)
		}
	}
	for _, c := range []struct {
		what string
		got  linux.Errno
		want linux.Errno
	}{
		{"create ro", second(th.open("/ro/new", unix.O_CREAT|unix.O_WRONLY)), linux.EROFS},
		{"create existing ro", second(th.open("/ro/file", unix.O_CREAT)), 0},
		{"create excl ro", second(th.open("/ro/file", unix.O_CREAT|unix.O_EXCL)), linux.EEXIST},
		{"write ro", second(th.open("/ro/file", unix.O_RDWR)), linux.EROFS},
		{"truncate ro", second(th.open("/ro/file", unix.O_TRUNC)), linux.EROFS},
		{"write inner ro", second(th.open("/data/in/sub/file", unix.O_RDWR)), linux.EROFS},
		{"write ro dir", second(th.open("/ro/dir", unix.O_RDWR)), linux.EISDIR},
		{"mkdir ro", fs.Mkdir(th, At{Path: "/ro/x"}, 0o755), linux.EROFS},
		{"mkdir existing ro", fs.Mkdir(th, At{Path: "/ro/dir"}, 0o755), linux.EEXIST},
		{"mkdir on the way", fs.Mkdir(th, At{Path: "/data"}, 0o755), linux.EEXIST},
		{"mkdir virtual", fs.Mkdir(th, At{Path: "/data/x"}, 0o755), linux.EROFS},
		{"unlink ro", fs.Unlink(th, At{Path: "/ro/file"}, 0), linux.EROFS},
		{"rmdir mount", fs.Unlink(th, At{Path: "/ro"}, unix.AT_REMOVEDIR), linux.EBUSY},
		{"rmdir root", fs.Unlink(th, At{Path: "/"}, unix.AT_REMOVEDIR), linux.EBUSY},
		{"rename across", fs.Rename(th, At{Path: "/etc/hosts"}, At{Path: "/data/in/hosts"}, 0), linux.EXDEV},
		{"rename mount", fs.Rename(th, At{Path: "/ro"}, At{Path: "/or"}, 0), linux.EBUSY},
		{"link across", fs.Link(th, At{Path: "/etc/hosts"}, 0, At{Path: "/data/in/hosts"}), linux.EXDEV},
		{"rename", fs.Rename(th, At{Path: "/data/in/one"}, At{Path: "/data/in/eins"}, 0), 0},
		{"link", fs.Link(th, At{Path: "/data/in/eins"}, 0, At{Path: "/data/in/one"}), 0},
	} {
		if c.got != c.want {
			t.Errorf("%s: %v, want %v", c.what, c.got, c.want)
		}
	}
	f, errno := th.open("/", unix.O_DIRECTORY)
	if errno != 0 {
		t.Fatal(errno)
	}
	defer f.Release()
	if got := strings.Join(names(t, f), " "); got != "data data2 etc link proc ro" {
		t.Errorf("root lists %q", got)
	}
	if errno := fs.Chdir(th, At{Path: "/link/sub/dir"}); errno != 0 {
		t.Fatal(errno)
	}
	if cwd, errno := fs.Getcwd(); cwd != "/data/in/sub/dir" || errno != 0 {
		t.Errorf("working directory %q %v", cwd, errno)
	}
}

func second(f *File, errno linux.Errno) linux.Errno {
	if errno == 0 {
		f.Release()
	}
	return errno
}

func TestMountErrors(t *testing.T) {
	dir := t.TempDir()
	for _, m := range []Mount{
		{Source: dir + "/missing", Target: "/x"}, {Source: dir, Target: "relative"}, {Source: "/proc", Target: "/hostproc"},
		{Source: "/proc/1", Target: "/x"}, {Source: dir, Target: "/proc/sys"}, {Source: dir, Target: "/proc"},
	} {
		fs, err := NewFileSystem(dir, "/", []Mount{m})
		if err == nil {
			fs.Close()
			t.Errorf("mount %+v: no error", m)
		}
	}
	if _, err := NewFileSystem("/proc", "/", nil); err == nil {
		t.Error("/proc as root: no error")
	}
	if _, err := NewFileSystem(dir, "/missing", nil); !errors.Is(err, unix.ENOENT) {
		t.Errorf("missing working directory: %v", err)
	}
}

// TestMovedDirectory: a directory that somebody outside moves out of the root
// is no way out.
func TestMovedDirectory(t *testing.T) {
	base := t.TempDir()
	tree(t, base, "secret", "root/a/b/c/")
	th := testThread(t, base+"/root", "/a/b/c")
	if err := os.Rename(base+"/root/a/b", base+"/moved"); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{"../../secret", "../secret", "../../../etc/passwd"} {
		if got := th.contents(t, At{Path: p}); got != "[ENOENT]" {
			t.Errorf("open %q: %q", p, got)
		}
	}
}

func TestWorkingDirectory(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	tree(t, dir, "a/b/", "f")
	t.Chdir(dir)
	th := testThread(t, "", "")
	fs := th.Proc.FS
	check := func(want string, wantErr linux.Errno) {
		t.Helper()
		if cwd, errno := fs.Getcwd(); cwd != want || errno != wantErr {
			t.Errorf("working directory %q %v, want %q %v", cwd, errno, want, wantErr)
		}
	}
	check(dir, 0)
	for _, c := range []struct {
		path string
		want linux.Errno
	}{{"f", linux.ENOTDIR}, {"missing", linux.ENOENT}, {"a/b", 0}} {
		if errno := fs.Chdir(th, At{Path: c.path}); errno != c.want {
			t.Errorf("chdir %s: %v, want %v", c.path, errno, c.want)
		}
	}
	if errno := fs.Chdir(th, At{Path: dir + "/a/b"}); errno != 0 {
		t.Fatal(errno)
	}
	clone := fs.Clone()
	defer clone.Close()
	if err := os.Rename("a", "moved"); err != nil {
		t.Fatal(err)
	}
	check(dir+"/moved/b", 0)
	if err := os.Remove("moved/b"); err != nil {
		t.Fatal(err)
	}
	check("", linux.ENOENT)
	if errno := fs.Chdir(th, At{Path: ".."}); errno != 0 {
		t.Errorf("chdir .. from a removed directory: %v", errno)
	}
	check(dir+"/moved", 0)
	if _, errno := clone.Getcwd(); errno != linux.ENOENT {
		t.Errorf("the clone followed: %v", errno)
	}
}

func TestUmask(t *testing.T) {
	dir := t.TempDir()
	th := testThread(t, dir, "/")
	th.Proc.FS.SetUmask(0o027)
	f, errno := th.Proc.FS.Open(th, At{Path: "/f"}, linux.OpenHow{Flags: unix.O_CREAT | unix.O_WRONLY, Mode: 0o666})
	if errno != 0 {
		t.Fatal(errno)
	}
	defer f.Release()
	if st, _ := f.Stat(); st.Mode&0o777 != 0o640 {
		t.Errorf("mode %o", st.Mode&0o777)
	}
	if errno := th.Proc.FS.Mkdir(th, At{Path: "/d"}, 0o777); errno != 0 {
		t.Fatal(errno)
	}
	if st, err := os.Stat(dir + "/d"); err != nil || st.Mode().Perm() != 0o750 {
		t.Errorf("%v %v", st.Mode(), err)
	}
}

// TestNoLeaks: whatever is looked up, opened and refused, no descriptor of the
// VMM stays open.
func TestNoLeaks(t *testing.T) {
	base := t.TempDir()
	tree(t, base, "root/a/f", "root/link -> a/f", "root/loop -> loop", "root/dangling -> x/y", "root/dir/", "data/one")
	open := func() int {
		list, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	th := testThread(t, base+"/root", "/", Mount{Source: base + "/data", Target: "/m/in", ReadOnly: true})
	fs := th.Proc.FS
	th.install(t, hostFD(t, base, unix.O_DIRECTORY), base, false)
	before := open()
	for _, p := range []string{"/", ".", "a/f", "a/../a/f", "link", "link/", "loop", "dangling", "dir/..", "/m", "/m/in/one", "/m/in/..", "/proc", "/proc/self/fd", "/proc/self/fd/0", "/proc/self/fd/0/..",
		"/proc/self/maps", "/proc/self/comm", "/proc/self/cwd/a", "/proc/net/..", "/proc/cpuinfo", "/proc/1/comm", "missing/x", ""} {
		for _, flags := range []uint64{unix.O_RDONLY, unix.O_RDWR, unix.O_PATH, unix.O_PATH | unix.O_NOFOLLOW, unix.O_DIRECTORY, unix.O_CREAT | unix.O_EXCL} {
			for _, resolve := range []uint64{0, unix.RESOLVE_BENEATH, unix.RESOLVE_IN_ROOT, unix.RESOLVE_NO_XDEV} {
				if f, errno := fs.Open(th, At{Path: p}, linux.OpenHow{Flags: flags, Mode: 0o600 * (flags & unix.O_CREAT / unix.O_CREAT), Resolve: resolve}); errno == 0 {
					f.Release()
				}
			}
		}
		for _, flags := range []int{0, LookupNoFollow, LookupEmpty} {
			if n, errno := fs.Lookup(th, At{Path: p}, flags); errno == 0 {
				n.Close()
			}
		}
		fs.Mkdir(th, At{Path: p}, 0o755)
		fs.Unlink(th, At{Path: p + "x"}, 0)
		fs.Rename(th, At{Path: p}, At{Path: p}, 0)
		fs.Link(th, At{Path: p}, 0, At{Path: "/m/in/one"})
		if errno := fs.Chdir(th, At{Path: p}); errno == 0 {
			fs.Chdir(th, At{Path: "/"})
		}
	}
	if fd, errno := fs.OpenProgram("/a/f"); errno == 0 {
		unix.Close(fd)
	}
	fs.Clone().Close()
	if after := open(); after != before {
		t.Errorf("%d descriptors before, %d after", before, after)
	}
}
