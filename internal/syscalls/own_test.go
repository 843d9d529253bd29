package syscalls

import (
	"testing"

	"golang.org/x/sys/unix"
)

// TestOwnUseIsFixed: what a call needs no permission for is decided once; a
// thread that changes the path afterwards does not get at another file.
func TestOwnUseIsFixed(t *testing.T) {
	th := netThread(t)
	fd := must(t, th, "eventfd2", 0, 0)
	path, out := testArea, testArea+512
	for name, c := range map[string]struct {
		path, other string // other fails in another way
		args        Args
	}{
		"newfstatat": {"", "/nowhere", Args{uint64(fd), uint64(path), uint64(out), unix.AT_EMPTY_PATH}},
		"statx":      {"", "/nowhere", Args{uint64(fd), uint64(path), unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS, uint64(out)}},
		"readlink":   {"/proc/self/exe", "/etc", Args{uint64(path), uint64(out), 256}},
		"readlinkat": {"/proc/self/exe", "/etc", Args{1<<64 - 100, uint64(path), uint64(out), 256}},
	} {
		t.Run(name, func(t *testing.T) {
			pokeString(t, th, path, c.other)
			row := table[nrOf(t, name)]
			if row.Own(th, c.args) != nil {
				t.Fatal("a file is taken for the program's own")
			}
			pokeString(t, th, path, c.path)
			do := row.Own(th, c.args)
			if do == nil {
				t.Fatal("not the program's own")
			}
			_, want := do(th, c.args)
			pokeString(t, th, path, c.other)
			if _, errno := do(th, c.args); errno != want {
				t.Errorf("the changed path gives %v, the first gave %v", errno, want)
			}
		})
	}
}
