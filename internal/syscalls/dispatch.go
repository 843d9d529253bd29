package syscalls

import (
	"sync"

	"torov/internal/kernel"
	"torov/internal/linux"
)

// Permissions say which calls a program may make. What is not granted is
// refused with EPERM; the base group is always granted unless denied by name.
type Permissions struct {
	All         bool
	Allow, Deny []string // names of calls and groups, checked with CheckName
}

// Dispatcher serves system calls under a set of permissions.
type Dispatcher struct {
	granted map[uint64]bool
	denied  map[uint64]bool // by name: Own does not help
	told    sync.Map        // call number -> struct{}: refusals are reported once
	hooks   []Hook
}

// Hook sees every call: Enter before, Leave after it was served.
type Hook interface {
	Enter(t *kernel.Thread, c *Call, nr uint64, a Args)
	Leave(t *kernel.Thread, c *Call, nr uint64, a Args, value uint64, errno linux.Errno)
}

// NewDispatcher returns a dispatcher; the permissions do not change later.
func NewDispatcher(p Permissions, hooks ...Hook) *Dispatcher {
	d := &Dispatcher{granted: make(map[uint64]bool), denied: make(map[uint64]bool), hooks: hooks}
	set := func(names []string, value bool) {
		for _, name := range names {
			for nr, c := range table {
				if c.Name == name || string(c.Group) == name {
					d.granted[nr] = value
				}
			}
		}
	}
	for nr, c := range table {
		d.granted[nr] = p.All || c.Group == GroupBase
	}
	set(p.Allow, true)
	set(p.Deny, false)
	for _, name := range p.Deny {
		if c := byName(name); c != nil {
			d.denied[c.Nr] = true
		}
	}
	return d
}

// Allowed reports whether a call is granted.
func (d *Dispatcher) Allowed(nr uint64) bool { return d.granted[nr] }

// Syscall implements kernel.SyscallFunc.
func (d *Dispatcher) Syscall(t *kernel.Thread, nr uint64, regs [6]uint64) (value uint64, errno linux.Errno) {
	c, a := table[nr], Args(regs)
	for _, h := range d.hooks {
		h.Enter(t, c, nr, a)
	}
	switch {
	case c == nil:
		errno = linux.ENOSYS
	case !d.granted[nr] && (d.denied[nr] || c.Own == nil || !c.Own(t, a)):
		d.refused(t, c)
		errno = linux.EPERM
	default:
		value, errno = c.Do(t, a)
	}
	for _, h := range d.hooks {
		h.Leave(t, c, nr, a, value, errno)
	}
	return value, errno
}

// refused tells the person once per call which flag would grant it.
func (d *Dispatcher) refused(t *kernel.Thread, c *Call) {
	if _, told := d.told.LoadOrStore(c.Nr, struct{}{}); told {
		return
	}
	group := ""
	if c.Group != GroupBase {
		group = ", --allow " + string(c.Group)
	}
	t.Kernel().Logf("%s[%d]: %s refused: not permitted; grant it with --allow %s%s or -A",
		t.Comm(), t.TID, c.Name, c.Name, group)
}
