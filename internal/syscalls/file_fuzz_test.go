package syscalls

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/kernel"
	"torov/internal/linux"
)

// fileCalls are the calls that FuzzFileCalls makes. Not among them are those
// that may wait, which takes a running thread, and sync.
var fileCalls = []string{
	"read", "write", "readv", "writev", "pread64", "pwrite64", "preadv2", "pwritev2", "lseek", "close", "close_range", "dup", "dup2", "dup3", "ioctl",
	"open", "openat", "openat2", "creat", "truncate", "ftruncate", "fallocate", "fadvise64", "umask", "memfd_create", "getdents", "getdents64", "getcwd",
	"chdir", "fchdir", "mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat2", "link", "linkat", "symlink", "symlinkat", "stat", "lstat",
	"fstat", "newfstatat", "statx", "access", "faccessat2", "readlink", "readlinkat", "statfs", "fstatfs", "chmod", "fchmod", "fchmodat2", "utimensat",
	"utimes", "getxattr", "setxattr", "flistxattr", "removexattr", "inotify_init1", "inotify_add_watch", "sendfile", "splice", "tee", "copy_file_range",
}

// fuzzValues are arguments that mean something to some call: descriptors,
// addresses of paths and buffers, lengths, and what is beyond all of them.
var fuzzValues = []uint64{
	0, 1, 2, 3, 4, 5, 6, 7, 8, 63, 64, 1<<64 - 1, unix.AT_FDCWD & (1<<64 - 1), unix.AT_EMPTY_PATH, unix.AT_SYMLINK_NOFOLLOW, unix.O_RDWR | unix.O_CREAT, unix.O_PATH,
	unix.O_DIRECTORY, unix.O_TMPFILE | unix.O_RDWR, 0o777, 24, 100, 4096, 1 << 20, 1 << 31, 1 << 32, 1 << 40, 1 << 63, 1<<63 - 1, uint64(testArea), uint64(testArea) + 64,
	uint64(testArea) + 128, uint64(testArea) + 192, uint64(testArea) + 256, uint64(testArea) + 4000, uint64(testArea) + testAreaSize - 4, 1 << 47, 0xffff800000000000,
}

// FuzzFileCalls makes calls with arguments of all kinds in a root of its own:
// nothing panics or hangs, and nothing outside the root changes.
func FuzzFileCalls(f *testing.F) {
	f.Add([]byte("\x0f\x1d\x0f\x0f\x00\x00\x00\x01\x03\x1e\x14"), "/f\x00../../outside\x00/proc/self/fd/3\x00d")
	f.Add([]byte("\x24\x1d\x1e\x1f\x20\x00\x00\x10\x0c\x1d\x0f\x13"), "a\x00b\x00/../outside\x00link")
	f.Fuzz(func(t *testing.T, program []byte, memory string) {
		base := t.TempDir()
		for _, name := range []string{"root/d", "outside"} {
			if err := os.MkdirAll(filepath.Join(base, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(filepath.Join(base, "root/f"), []byte("contents"), 0o644); err != nil {
			t.Fatal(err)
		}
		th := netThread(t)
		fs, err := kernel.NewFileSystem(filepath.Join(base, "root"), "/", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer fs.Close()
		th.Proc.FS = fs
		th.Proc.SetLimit(unix.RLIMIT_FSIZE, linux.Rlimit{Cur: 1 << 20, Max: 1 << 20})
		for _, name := range []string{"/f", "/d", "/", "/proc", "/dev/null"} {
			if file, errno := fs.Open(nil, kernel.At{Path: name}, linux.OpenHow{}); errno == 0 {
				if _, errno := th.Proc.Files.Install(file, 0, 64, false); errno != 0 {
					t.Fatal(errno)
				}
			}
		}
		poke(t, th, testArea, []byte(memory[:min(len(memory), testAreaSize)]))
		const perCall = 7
		for ; len(program) >= perCall; program = program[perCall:] {
			c := byName(fileCalls[int(program[0])%len(fileCalls)])
			var a Args
			for i := range a {
				a[i] = fuzzValues[int(program[1+i])%len(fuzzValues)]
			}
			if _, errno := c.Do(th, a); errno > 133 && errno != linux.ERESTARTSYS {
				t.Errorf("%s%#x: %v", c.Name, a, errno)
			}
		}
		if names, err := os.ReadDir(base); err != nil || len(names) != 2 {
			t.Errorf("beside the root are %v now (%v)", names, err)
		}
		if names, err := os.ReadDir(filepath.Join(base, "outside")); err != nil || len(names) != 0 {
			t.Errorf("outside the root are %v now (%v)", names, err)
		}
	})
}
