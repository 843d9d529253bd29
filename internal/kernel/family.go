package kernel

import (
	"slices"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
	"torov/internal/mm"
)

// family is what a process is to others. Its fields are under Kernel.mu.
type family struct {
	parent     *Process // nil: the host's
	hostParent int      // parent's id for a process without one here
	children   []*Process
	group      int
	session    int
	execed     bool          // it has done an execve: its group is its own affair
	exitSignal linux.Signal  // what the parent gets at the end; 0 for none
	deathSig   linux.Signal  // that the parent's end sends; 0 for none
	ended      bool          // its threads are gone; somebody may wait for it
	used       Usage         // of threads that have ended
	usage      Usage         // of children that were waited for
	vfork      chan struct{} // closed when a vfork's parent may go on; nil for others
	change     childChange   // a stop or a continuation that nobody has waited for
}

// Usage is processor time in nanoseconds.
type Usage struct{ User, System int64 }

func (u Usage) plus(v Usage) Usage { return Usage{u.User + v.User, u.System + v.System} }

// threadUsage is the processor time of the calling host thread, which has run
// one thread of the program and nothing else.
func threadUsage() Usage {
	var ru unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_THREAD, &ru) // cannot fail
	return Usage{ru.Utime.Nano(), ru.Stime.Nano()}
}

// Usage is what the thread's process has used, as far as it can be told apart
// from others': all of torov's time while there is but one process, and else
// that of this thread and of those that have ended. children is that of children
// that were waited for.
func (t *Thread) Usage() (own, children Usage) {
	k := t.Kernel()
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.procs) == 1 {
		var ru unix.Rusage
		_ = unix.Getrusage(unix.RUSAGE_SELF, &ru) // cannot fail
		return Usage{ru.Utime.Nano(), ru.Stime.Nano()}, t.Proc.usage
	}
	return t.Proc.used.plus(threadUsage()), t.Proc.usage
}

// childChange is what beside the end waitpid(2) tells of a child.
type childChange struct {
	kind   int32 // CLD_STOPPED or CLD_CONTINUED, 0 for none
	signal linux.Signal
}

// initPID is the parent of processes whose own has ended.
const initPID = 1

// hostFamily makes the process one that the host's processes know as torov.
func (p *Process) hostFamily() {
	p.hostParent, p.group = unix.Getppid(), unix.Getpgrp()
	p.session, _ = unix.Getsid(0) // cannot fail for oneself
	if p.PID == initPID {
		p.hostParent, p.group, p.session = 0, p.PID, p.PID
	}
}

// ParentPID is getppid(2).
func (p *Process) ParentPID() int {
	p.Kernel.mu.Lock()
	defer p.Kernel.mu.Unlock()
	if p.parent != nil {
		return p.parent.PID
	}
	return p.hostParent
}

// Group is getpgid(2), Session is getsid(2).
func (p *Process) Group() int {
	p.Kernel.mu.Lock()
	defer p.Kernel.mu.Unlock()
	return p.group
}

// Session returns the session's id.
func (p *Process) Session() int {
	p.Kernel.mu.Lock()
	defer p.Kernel.mu.Unlock()
	return p.session
}

// DeathSignal is PR_GET_PDEATHSIG.
func (p *Process) DeathSignal() linux.Signal {
	p.Kernel.mu.Lock()
	defer p.Kernel.mu.Unlock()
	return p.deathSig
}

// SetDeathSignal is PR_SET_PDEATHSIG.
func (p *Process) SetDeathSignal(s linux.Signal) {
	p.Kernel.mu.Lock()
	defer p.Kernel.mu.Unlock()
	p.deathSig = s
}

// NewSession is setsid(2).
func (p *Process) NewSession() (int, linux.Errno) {
	k := p.Kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, other := range k.procs {
		if other.group == p.PID {
			return 0, linux.EPERM
		}
	}
	p.group, p.session = p.PID, p.PID
	return p.PID, 0
}

// SetGroup is setpgid(2) by p for the process pid.
func (p *Process) SetGroup(pid, group int) linux.Errno {
	k := p.Kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	target := k.procs[pid]
	switch {
	case target == nil || target != p && target.parent != p:
		return linux.ESRCH
	case target != p && target.execed:
		return linux.EACCES
	case target.session != p.session || target.session == target.PID:
		return linux.EPERM
	}
	if group != pid {
		found := group == p.group
		for _, other := range k.procs {
			found = found || other.group == group && other.session == p.session
		}
		if !found {
			return linux.EPERM
		}
	}
	target.group = group
	return 0
}

// GroupMembers returns the processes of a group.
func (k *Kernel) GroupMembers(group int) (out []*Process) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, p := range k.procs {
		if p.group == group && !p.ended {
			out = append(out, p)
		}
	}
	return out
}

// useSpace counts the processes that use an address space, and gives it back
// after the last one.
func (k *Kernel) useSpace(as *mm.AddressSpace, n int) {
	k.mu.Lock()
	k.spaces[as] += n
	last := k.spaces[as] == 0
	if last {
		delete(k.spaces, as)
	}
	k.mu.Unlock()
	if last {
		if err := k.machine.FreeSpace(as); err != nil {
			k.Logf("give an address space back: %v", err)
		}
	}
}

// bury is what remains to be done for a process whose last thread has ended:
// its children get another parent, and its own is told.
func (k *Kernel) bury(p *Process) {
	k.mu.Lock()
	p.ended = true
	reaper := k.procs[initPID]
	if reaper == p {
		reaper = nil
	}
	var tell []func()
	for _, c := range p.children {
		c.parent, c.hostParent, c.exitSignal = reaper, initPID, linux.SIGCHLD
		if s := c.deathSig; s != 0 && !c.ended {
			tell = append(tell, func() { c.Signal(linux.KillInfo(s, linux.SI_USER, int32(p.PID), p.Creds().UID)) })
		}
		switch {
		case reaper != nil:
			reaper.children = append(reaper.children, c)
			if c.ended {
				tell = append(tell, c.tellParent())
			}
		case c.ended:
			delete(k.procs, c.PID)
		}
	}
	p.children = nil
	parent := p.parent
	if parent != nil {
		tell = append(tell, p.tellParent())
	}
	if parent == nil || parent.ended || p.exitSignal == linux.SIGCHLD && parent.leavesNoZombies() {
		k.reap(p)
	}
	done := k.onlyEnded()
	k.mu.Unlock()
	for _, f := range tell {
		f()
	}
	if done {
		k.doneOnce.Do(func() { close(k.done) })
	}
}

// onlyEnded: nobody is left who could wait for the processes that there are.
func (k *Kernel) onlyEnded() bool {
	for _, p := range k.procs {
		if !p.ended {
			return false
		}
	}
	return true
}

// reap removes an ended process; the caller holds k.mu.
func (k *Kernel) reap(p *Process) {
	delete(k.procs, p.PID)
	if p.parent != nil {
		p.parent.children = slices.DeleteFunc(p.parent.children, func(c *Process) bool { return c == p })
	}
}

// leavesNoZombies: SIGCHLD is ignored on purpose, or SA_NOCLDWAIT is set.
func (p *Process) leavesNoZombies() bool {
	a := p.Action(linux.SIGCHLD)
	return a.Handler == linux.SIG_IGN || a.Flags&linux.SA_NOCLDWAIT != 0
}

// tellParent returns how to send the signal of a child's end, and to wake who
// waits for it. The caller holds k.mu, and must not when it calls that.
func (p *Process) tellParent() func() {
	parent, signal := p.parent, p.exitSignal
	return func() {
		if signal != 0 {
			info := p.endInfo()
			info.Signo = int32(signal)
			parent.Signal(info)
		}
		for _, t := range parent.Threads() {
			t.poke()
		}
	}
}

// endInfo describes how the process ended, as SIGCHLD does.
func (p *Process) endInfo() linux.SigInfo {
	p.mu.Lock()
	status := p.status
	p.mu.Unlock()
	code, value := int32(linux.CLD_EXITED), int32(status.Code)
	if status.Signal != 0 {
		code, value = linux.CLD_KILLED, int32(status.Signal)
	}
	return linux.ChildInfo(code, int32(p.PID), p.Creds().UID, value, 0, 0)
}

// ChildStatus is what waiting for a child brings.
type ChildStatus struct {
	PID    int
	UID    uint32
	Status ExitStatus
	Code   int32 // CLD_EXITED, CLD_KILLED, CLD_STOPPED or CLD_CONTINUED
	Usage  Usage
}

// WaitFor says which children and changes a wait is about.
type WaitFor struct {
	Which                   func(c *Process) bool // called with Kernel.mu held: looks at PID and group only
	Exits, Stops, Continues bool
	Keep                    bool // WNOWAIT: somebody else may wait again
}

// PIDIs, GroupIs and Anybody are values of WaitFor.Which.
func PIDIs(pid int) func(*Process) bool     { return func(c *Process) bool { return c.PID == pid } }
func GroupIs(group int) func(*Process) bool { return func(c *Process) bool { return c.group == group } }
func Anybody(*Process) bool                 { return true }

// findChild returns the status of a child that has something to tell.
func (p *Process) findChild(w WaitFor) (s ChildStatus, found bool, errno linux.Errno) {
	k := p.Kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	errno = linux.ECHILD
	for _, c := range p.children {
		if !w.Which(c) {
			continue
		}
		errno = 0
		c.mu.Lock()
		s = ChildStatus{PID: c.PID, UID: c.creds.UID, Status: c.status, Code: linux.CLD_EXITED, Usage: c.used.plus(c.usage)}
		c.mu.Unlock()
		switch {
		case c.ended && w.Exits:
			if s.Status.Signal != 0 {
				s.Code = linux.CLD_KILLED
			}
			if !w.Keep {
				p.usage = p.usage.plus(s.Usage)
				k.reap(c)
			}
			return s, true, 0
		case c.change.kind == linux.CLD_STOPPED && w.Stops, c.change.kind == linux.CLD_CONTINUED && w.Continues:
			s.Code, s.Status = c.change.kind, ExitStatus{Signal: c.change.signal}
			if !w.Keep {
				c.change = childChange{}
			}
			return s, true, 0
		}
	}
	return s, false, errno
}

// WaitChild waits for a child of the thread's process; found is false if block
// is false and no child has anything to tell.
func (t *Thread) WaitChild(w WaitFor, block bool) (s ChildStatus, found bool, errno linux.Errno) {
	done := func() bool {
		s, found, errno = t.Proc.findChild(w)
		return found || errno != 0
	}
	if done() || !block {
		return s, found, errno
	}
	if e := t.Block(&Wait{What: "wait4", Deadline: Never, Done: done}); e != 0 && !found {
		return s, false, e
	}
	return s, found, errno
}
