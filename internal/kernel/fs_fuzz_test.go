package kernel

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// FuzzPath: no path, however it is written, leads out of a root directory
// with symlinks and mounts of all kinds, or to a process of the host.
func FuzzPath(f *testing.F) {
	for _, p := range []string{"/", "../../../etc/passwd", "a/../../..", "m/in/../up/..", "abs/../../etc", "/proc/self/root/../..", "/proc/self/fd/0/..",
		"/proc/self/cwd/../..", "/proc/1/root", "/proc/sys/../1", "m/abs/up/out", "dev/fd/0", "/proc/thread-self/net/../../../..", "a//./b/./../../m/./in"} {
		f.Add(p, uint8(0))
		f.Add(p, uint8(130))
	}
	flags := []uint64{unix.O_RDONLY, unix.O_PATH, unix.O_PATH | unix.O_NOFOLLOW, unix.O_DIRECTORY, unix.O_WRONLY}
	f.Fuzz(func(t *testing.T, p string, how uint8) {
		if strings.ContainsRune(p, 0) || len(p) > 4000 {
			return
		}
		base := t.TempDir()
		tree(t, base, "secret", "root/a/b/c", "root/abs -> /a/b", "root/up -> ../../../..", "root/out -> "+base, "root/dev/fd -> /proc/self/fd",
			"data/x", "data/up -> ../../..", "data/abs -> /", "root/self -> /proc/self", "root/loop -> loop/x")
		th := testThread(t, base+"/root", "/a", Mount{Source: base + "/data", Target: "/m/in"})
		dir := hostFD(t, base, unix.O_DIRECTORY)
		th.install(t, dir, "/a", false) // a lie about where it is
		flag := flags[int(how)%len(flags)]
		at := At{Path: p}
		if how >= 128 {
			at.Dir, _ = th.Proc.Files.Get(0)
			defer at.Dir.Release()
		}
		file, errno := th.Proc.FS.Open(th, at, linux.OpenHow{Flags: flag | unix.O_NONBLOCK*(1-flag&unix.O_PATH/unix.O_PATH)})
		if errno != 0 {
			return
		}
		defer file.Release()
		if file.Ops != nil {
			return // the kernel's own
		}
		host, err := th.Proc.FS.ns.hostPath(file.Host)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(host, "/memfd:") && inProc(file.Path) {
			return
		}
		for _, inside := range []string{base + "/root", base + "/data"} {
			if _, ok := below(host, inside); ok {
				return
			}
		}
		if rest, ok := strings.CutPrefix(host, "/proc/"); ok && inProc(file.Path) && (rest[0] < '0' || rest[0] > '9' || strings.Contains(rest, "/net")) {
			return
		}
		t.Errorf("%q flags %#x leads to %s", p, flag, host)
	})
}
