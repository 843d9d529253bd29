package syscalls

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestDescribe(t *testing.T) {
	th := netThread(t)
	path := pokeString(t, th, testArea, "/etc/passwd")
	long := pokeString(t, th, testArea+256, strings.Repeat("x", 100))
	for _, c := range []struct {
		name   string
		args   Args
		result uint64
		want   string
	}{
		{"openat", Args{1<<64 - 100, uint64(path), unix.O_RDWR | unix.O_CREAT, 0o644}, 3, `openat(AT_FDCWD, "/etc/passwd", 0x42, 0644)`},
		{"openat", Args{5, 0x10, 0}, 3, `openat(5, 0x10, 0x0, 0)`},
		{"write", Args{1, uint64(path), 4}, 4, `write(1, "/etc", 4)`},
		{"write", Args{1, uint64(long), 100}, 100, `write(1, "` + strings.Repeat("x", shown) + `"..., 100)`},
		{"read", Args{1<<64 - 1, uint64(path), 1 << 40}, 1<<64 - 9, `read(-1, ` + "0x20000000" + `, 1099511627776)`},
		{"read", Args{0, 0, 5}, 5, `read(0, NULL, 5)`},
		{"kill", Args{7, 9}, 0, `kill(7, SIGKILL)`},
		{"getpid", Args{}, 7, `getpid()`},
	} {
		if got := Describe(th, nrOf(t, c.name), c.args, c.result); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	if got := Describe(th, 9999, Args{1, 2}, 0); got != "syscall_9999(0x1, 0x2, 0x0, 0x0, 0x0, 0x0)" {
		t.Error(got)
	}
}
