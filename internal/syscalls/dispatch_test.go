package syscalls

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"torov/internal/kernel"
	"torov/internal/linux"
)

func nrOf(t testing.TB, name string) uint64 {
	t.Helper()
	c := byName(name)
	if c == nil {
		t.Fatalf("no call %s", name)
	}
	return c.Nr
}

func TestPermissions(t *testing.T) {
	for _, c := range []struct {
		name    string
		p       Permissions
		allowed string
		refused string
	}{
		{"nothing granted", Permissions{}, "read exit getppid mmap futex", "open socket clone setuid"},
		{"a call", Permissions{Allow: []string{"openat"}}, "openat read", "open socket"},
		{"a group", Permissions{Allow: []string{"file"}}, "openat open read", "socket clone"},
		{"two groups", Permissions{Allow: []string{"net", "thread"}}, "socket clone", "open"},
		{"all", Permissions{All: true}, "open socket clone setuid read", ""},
		{"all but a call", Permissions{All: true, Deny: []string{"socket"}}, "open connect", "socket"},
		{"all but a group", Permissions{All: true, Deny: []string{"net"}}, "open", "socket connect"},
		{"deny is stronger", Permissions{All: true, Allow: []string{"socket", "net"}, Deny: []string{"socket"}}, "connect", "socket"},
		{"base is not sacred", Permissions{Deny: []string{"read"}}, "write", "read"},
		{"all of base", Permissions{Allow: []string{"read"}, Deny: []string{"base"}}, "", "read write exit"},
		{"a call that is not there", Permissions{Allow: []string{"kexec_load"}}, "read", "open"},
	} {
		d := NewDispatcher(c.p)
		for _, name := range strings.Fields(c.allowed) {
			if !d.Allowed(nrOf(t, name)) {
				t.Errorf("%s: %s is refused", c.name, name)
			}
		}
		for _, name := range strings.Fields(c.refused) {
			if d.Allowed(nrOf(t, name)) {
				t.Errorf("%s: %s is allowed", c.name, name)
			}
		}
		for _, nr := range []uint64{lastNumber + 1, 335, ^uint64(0)} {
			if d.Allowed(nr) {
				t.Errorf("%s: call %d is allowed", c.name, nr)
			}
		}
	}
}

// logged returns a thread whose kernel writes its log to a buffer.
func logged(t *testing.T) (*kernel.Thread, *bytes.Buffer) {
	t.Helper()
	var log bytes.Buffer
	comm := "prog"
	th := netThread(t)
	th.Proc.Kernel = kernel.New(kernel.Config{Log: &log})
	th.Proc.Comm.Store(&comm)
	return th, &log
}

// A refusal is EPERM, has no effect and is told once, with what to do.
func TestRefusal(t *testing.T) {
	for _, c := range []struct {
		p    Permissions
		call string
		want string
	}{
		{Permissions{}, "socket", "torov: prog[4242]: socket refused: not permitted; grant it with --allow socket, --allow net or -A\n"},
		{Permissions{Deny: []string{"socket"}, All: true}, "socket", "torov: prog[4242]: socket refused: taken away by --deny, or by Allowed false in the configuration\n"},
		{Permissions{Deny: []string{"net"}, All: true}, "socket", "torov: prog[4242]: socket refused: taken away by --deny, or by Allowed false in the configuration\n"},
		{Permissions{Deny: []string{"getppid"}}, "getppid", "torov: prog[4242]: getppid refused: taken away by --deny, or by Allowed false in the configuration\n"},
	} {
		th, log := logged(t)
		d := NewDispatcher(c.p)
		for range 3 {
			if v, errno := d.Syscall(th, nrOf(t, c.call), [6]uint64{2, 1, 0}); v != 0 || errno != linux.EPERM {
				t.Errorf("%s: %d, %v", c.call, v, errno)
			}
		}
		if log.String() != c.want {
			t.Errorf("%s: told %q, want %q", c.call, log.String(), c.want)
		}
		if len(th.Proc.Files.Snapshot()) != 0 {
			t.Errorf("%s made a descriptor", c.call)
		}
	}
}

func TestUnknownCalls(t *testing.T) {
	th, log := logged(t)
	d := NewDispatcher(Permissions{All: true})
	for _, nr := range []uint64{335, lastNumber + 1, 1 << 31, 1 << 32, 1 << 63, ^uint64(0)} {
		if _, errno := d.Syscall(th, nr, [6]uint64{}); errno != linux.ENOSYS {
			t.Errorf("call %d: %v", nr, errno)
		}
	}
	if log.Len() != 0 {
		t.Errorf("told %q", log.String())
	}
}

// hook writes down what it sees.
type hook struct {
	name string
	out  *[]string
}

func (h hook) Enter(_ *kernel.Thread, c *Call, nr uint64, a Args) {
	*h.out = append(*h.out, fmt.Sprintf("%s>%d(%d) row %v", h.name, nr, a[0], c != nil))
}

func (h hook) Leave(_ *kernel.Thread, _ *Call, nr uint64, _ Args, value uint64, errno linux.Errno) {
	*h.out = append(*h.out, fmt.Sprintf("%s<%d = %d %s", h.name, nr, value, errno.Name()))
}

func TestHooks(t *testing.T) {
	th, _ := logged(t)
	var seen []string
	d := NewDispatcher(Permissions{}, hook{"a", &seen}, hook{"b", &seen})
	for nr, arg := range map[uint64]uint64{nrOf(t, "getpid"): 7} {
		_, _ = d.Syscall(th, nr, [6]uint64{arg})
	}
	_, _ = d.Syscall(th, nrOf(t, "socket"), [6]uint64{8})
	_, _ = d.Syscall(th, 999, [6]uint64{9})
	want := "a>39(7) row true, b>39(7) row true, a<39 = 4242 , b<39 = 4242 , " +
		"a>41(8) row true, b>41(8) row true, a<41 = 0 EPERM, b<41 = 0 EPERM, " +
		"a>999(9) row false, b>999(9) row false, a<999 = 0 ENOSYS, b<999 = 0 ENOSYS"
	if got := strings.Join(seen, ", "); got != want {
		t.Errorf("seen\n%s, want\n%s", got, want)
	}
}
