package kernel

import (
	"errors"

	"torov/internal/engine"
	"torov/internal/linux"
	"torov/internal/mm"
)

// ForkFlags say what a new process has in common with its parent.
type ForkFlags struct {
	ShareMemory  bool // CLONE_VM
	Wait         bool // CLONE_VFORK: the parent waits until the child execs or ends
	ResetSignals bool // CLONE_CLEAR_SIGHAND
	KeepParent   bool // CLONE_PARENT
	ExitSignal   linux.Signal
}

// Fork makes a process whose only thread continues after the system call of t,
// with result 0, and returns its id.
func (t *Thread) Fork(f ForkFlags, c Clone) (int, linux.Errno) {
	state, err := t.cpuState(c)
	if err != nil {
		t.Kernel().fail(t, err)
		return 0, linux.EAGAIN
	}
	p, err := t.Proc.clone(f)
	if err != nil {
		if errors.Is(err, mm.ErrNoMemory) {
			return 0, linux.ENOMEM
		}
		return 0, linux.EAGAIN
	}
	child := &Thread{Proc: p, TID: p.PID, ClearTID: c.ClearTID}
	child.blocked.Store(t.blocked.Load())
	child.Name.Store(t.Name.Load())
	child.AltStack = t.AltStack
	if f.ShareMemory && !f.Wait {
		child.AltStack = linux.Stack{Flags: linux.SS_DISABLE}
	}
	if c.ParentTID != 0 {
		_ = mm.Write(t.Proc.AS(), c.ParentTID, int32(child.TID))
	}
	err = p.start(child, func(cpu engine.CPU) error {
		if c.ChildTID != 0 {
			// As on Linux the process starts even if the address is bad.
			_ = mm.Write(p.AS(), c.ChildTID, int32(child.TID))
		}
		return state.apply(cpu)
	})
	if err != nil {
		p.abandon()
		return 0, linux.EAGAIN
	}
	if f.Wait {
		t.awaitVfork(p)
	}
	return p.PID, 0
}

// cpuState is what a new thread takes over of its maker's processor.
type cpuState struct {
	regs engine.Regs
	segs engine.Segs
	fpu  []byte
}

func (t *Thread) cpuState(c Clone) (s cpuState, err error) {
	if s.segs, err = t.CPU.Segs(); err != nil {
		return s, err
	}
	if s.fpu, err = t.CPU.XSave(); err != nil {
		return s, err
	}
	s.regs = *t.Regs()
	s.regs.RAX = 0
	if c.Stack != 0 {
		s.regs.RSP = uint64(c.Stack)
	}
	if c.SetTLS {
		s.segs.FSBase = uint64(c.TLS)
	}
	return s, nil
}

func (s *cpuState) apply(cpu engine.CPU) error {
	*cpu.Regs() = s.regs
	return errors.Join(cpu.SetSegs(s.segs), cpu.SetXSave(s.fpu))
}

// clone makes a child that has no thread yet.
func (p *Process) clone(f ForkFlags) (*Process, error) {
	k := p.Kernel
	loaded := *p.Loaded()
	if !f.ShareMemory {
		as, err := k.machine.NewSpace(0)
		if err != nil {
			return nil, err
		}
		if err := loaded.AS.ForkInto(as); err != nil {
			return nil, errors.Join(err, k.machine.FreeSpace(as))
		}
		loaded.AS = as
	}
	p.mu.Lock()
	child := &Process{Kernel: k, FS: p.FS.Clone(), actions: p.actions, limits: p.limits, creds: p.creds, dumpable: p.dumpable}
	p.mu.Unlock()
	if f.ResetSignals {
		child.resetSignals()
	}
	child.Files = p.Files.clone()
	child.Comm.Store(p.Comm.Load())
	child.Start = k.clock.bootTime()
	k.useSpace(loaded.AS, 1)
	child.loaded.Store(&loaded)
	if f.Wait {
		child.vfork = make(chan struct{})
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	child.PID = k.newID()
	child.group, child.session, child.exitSignal, child.parent = p.group, p.session, f.ExitSignal, p
	if f.KeepParent {
		child.parent, child.hostParent, child.exitSignal = p.parent, p.hostParent, p.exitSignal
	}
	if child.parent != nil {
		child.parent.children = append(child.parent.children, child)
	}
	k.procs[child.PID] = child
	return child, nil
}

// abandon takes back a child whose thread could not be made.
func (p *Process) abandon() {
	p.Kernel.mu.Lock()
	p.Kernel.reap(p)
	p.Kernel.mu.Unlock()
	p.giveBack()
}

// giveBack releases what the process holds.
func (p *Process) giveBack() {
	p.timers.stop()
	p.Files.CloseAll()
	p.FS.Close()
	p.Kernel.useSpace(p.AS(), -1)
	p.endVfork()
}

// endVfork lets the parent of a vfork go on.
func (p *Process) endVfork() {
	k := p.Kernel
	k.mu.Lock()
	c, parent := p.vfork, p.parent
	p.vfork = nil
	k.mu.Unlock()
	if c == nil {
		return
	}
	close(c)
	if parent != nil {
		for _, t := range parent.Threads() {
			t.poke()
		}
	}
}

// awaitVfork waits until the child uses the parent's memory no more. Signals
// wait too, but for the one that ends the parent.
func (t *Thread) awaitVfork(child *Process) {
	k := t.Kernel()
	k.mu.Lock()
	c := child.vfork
	k.mu.Unlock()
	if c == nil {
		return
	}
	_ = t.Block(&Wait{What: "vfork", Deadline: Never, Deaf: true, Done: func() bool {
		select {
		case <-c:
			return true
		default:
			return false
		}
	}})
}
