package syscalls

import (
	"slices"
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
	grants [lastNumber + 1]grant
	told   sync.Map // call number -> struct{}: refusals are reported once
	hooks  []Hook
}

// grant is what the permissions say of one call.
type grant struct {
	allowed bool
	denied  bool // by --deny, with its group or alone
	byName  bool // denied alone: Call.Own does not help
}

// Hook sees every call: Enter before, Leave after it was served.
type Hook interface {
	Enter(t *kernel.Thread, c *Call, nr uint64, a Args)
	Leave(t *kernel.Thread, c *Call, nr uint64, a Args, value uint64, errno linux.Errno)
}

// NewDispatcher returns a dispatcher; the permissions do not change later.
func NewDispatcher(p Permissions, hooks ...Hook) *Dispatcher {
	d := &Dispatcher{hooks: hooks}
	for nr, c := range table {
		if c == nil {
			continue
		}
		named := func(names []string) (group, call bool) {
			return slices.Contains(names, string(c.Group)), slices.Contains(names, c.Name)
		}
		group, call := named(p.Allow)
		groupDenied, byName := named(p.Deny)
		g := grant{denied: groupDenied || byName, byName: byName}
		g.allowed = !g.denied && (p.All || group || call || c.Group == GroupBase)
		d.grants[nr] = g
	}
	return d
}

// Allowed reports whether a call is granted.
func (d *Dispatcher) Allowed(nr uint64) bool {
	return nr < uint64(len(d.grants)) && d.grants[nr].allowed
}

// Syscall implements kernel.SyscallFunc.
func (d *Dispatcher) Syscall(t *kernel.Thread, nr uint64, regs [6]uint64) (value uint64, errno linux.Errno) {
	c, a := Lookup(nr), Args(regs)
	for _, h := range d.hooks {
		h.Enter(t, c, nr, a)
	}
	switch {
	case c == nil:
		errno = linux.ENOSYS
	case d.grants[nr].allowed:
		value, errno = c.Do(t, a)
	default:
		value, errno = d.ownUse(t, c, a)
	}
	for _, h := range d.hooks {
		h.Leave(t, c, nr, a, value, errno)
	}
	return value, errno
}

// Permits is kernel.Config.Permits.
func (d *Dispatcher) Permits(t *kernel.Thread, nr uint64) bool {
	if d.Allowed(nr) {
		return true
	}
	d.refused(t, table[nr])
	return false
}

// ownUse serves a call that is not granted if it needs no permission.
func (d *Dispatcher) ownUse(t *kernel.Thread, c *Call, a Args) (uint64, linux.Errno) {
	if c.Own != nil && !d.grants[c.Nr].byName {
		if do := c.Own(t, a); do != nil {
			return do(t, a)
		}
	}
	d.refused(t, c)
	return 0, linux.EPERM
}

// refused tells the person once per call which flag would grant it.
func (d *Dispatcher) refused(t *kernel.Thread, c *Call) {
	if _, told := d.told.LoadOrStore(c.Nr, struct{}{}); told {
		return
	}
	if d.grants[c.Nr].denied {
		t.Kernel().Logf("%s[%d]: %s refused: taken away by --deny, or by Allowed false in the configuration", t.Comm(), t.TID, c.Name)
		return
	}
	group := ""
	if c.Group != GroupBase {
		group = ", --allow " + string(c.Group)
	}
	t.Kernel().Logf("%s[%d]: %s refused: not permitted; grant it with --allow %s%s or -A",
		t.Comm(), t.TID, c.Name, c.Name, group)
}
