package kernel

import (
	"errors"
	"os"

	"torov/internal/linux"
)

// Exec is execve(2): the process runs another program from now on, with the
// calling thread as its only one. fd is a host descriptor of the file, which
// Exec takes over; path is the program's own name for it, asked what it was
// asked for by. If it succeeds the thread's registers are those of the new
// program.
func (t *Thread) Exec(fd int, path, asked string, args, env []string) linux.Errno {
	k, p := t.Kernel(), t.Proc
	file := os.NewFile(uintptr(fd), path)
	defer file.Close()
	if len(args) == 0 {
		args = []string{""} // as Linux since 5.18
	}
	loaded, regs, err := k.load(Program{File: file, Path: path, Asked: asked, Args: args, Env: env}, p, 0)
	if err != nil {
		return execErrno(err)
	}
	if errno := t.aloneInProcess(); errno != 0 {
		if err := k.machine.FreeSpace(loaded.AS); err != nil {
			k.fail(t, err)
		}
		return errno
	}
	t.clearTID()
	old := p.AS()
	p.Become(loaded)
	if err := t.CPU.Reset(loaded.AS.Root()); err != nil {
		k.fail(t, err)
		return linux.EIO
	}
	*t.Regs() = regs
	k.useSpace(old, -1)
	t.forget()
	p.endVfork()
	k.mu.Lock()
	p.execed = true
	k.mu.Unlock()
	t.trace(Event{Kind: EventExec})
	return 0
}

// execErrno is how a program that cannot be loaded looks to who wanted it.
func execErrno(err error) linux.Errno {
	var errno linux.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return linux.ENOEXEC
}

// forget is what a process loses in an execve(2).
func (t *Thread) forget() {
	p := t.Proc
	t.ClearTID, t.RobustList, t.restart, t.savedMask = 0, 0, nil, nil
	t.AltStack = linux.Stack{Flags: linux.SS_DISABLE}
	t.Name.Store(nil)
	p.timers.dropPosix()
	p.Files.closeOnExec()
	p.resetSignals()
	p.mu.Lock()
	p.dumpable = 1
	p.mu.Unlock()
}

// resetSignals makes caught signals do what they do by default.
func (p *Process) resetSignals() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.actions {
		if p.actions[s].Handler != linux.SIG_IGN {
			p.actions[s] = linux.SigAction{}
		} else {
			p.actions[s] = linux.SigAction{Handler: linux.SIG_IGN}
		}
	}
}

// aloneInProcess ends the other threads and makes t the process's first one.
// EAGAIN if the process is ending anyway.
func (t *Thread) aloneInProcess() linux.Errno {
	p := t.Proc
	for _, other := range p.Threads() {
		if other != t {
			other.condemned.Store(true)
			other.poke()
		}
	}
	alone := func() bool { return len(p.Threads()) == 1 }
	if errno := t.Block(&Wait{What: "execve", Deadline: Never, Deaf: true, Done: alone}); errno != 0 {
		return linux.EAGAIN
	}
	k := t.Kernel()
	k.mu.Lock()
	defer k.mu.Unlock()
	if t.TID != p.PID {
		delete(k.threads, t.TID)
		t.TID = p.PID
		k.threads[t.TID] = t
	}
	return 0
}
