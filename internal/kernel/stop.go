package kernel

import "torov/internal/linux"

// stopSignals are those that stop by default.
const stopSignals = linux.SigSet(1<<(linux.SIGSTOP-1) | 1<<(linux.SIGTSTP-1) | 1<<(linux.SIGTTIN-1) | 1<<(linux.SIGTTOU-1))

// hasParent reports whether the process has a parent here, which can wait for
// it to be stopped and continue it.
func (p *Process) hasParent() bool {
	p.Kernel.mu.Lock()
	defer p.Kernel.mu.Unlock()
	return p.parent != nil
}

// stopBy stops all threads of the process before they go on in the program.
func (p *Process) stopBy(s linux.Signal) {
	p.stopped.Store(true)
	p.changed(linux.CLD_STOPPED, s)
	for _, t := range p.Threads() {
		t.poke()
	}
}

// resume is what SIGCONT does when it is sent, whoever catches or blocks it.
func (p *Process) resume() {
	if !p.stopped.CompareAndSwap(true, false) {
		return
	}
	for _, t := range p.Threads() {
		t.poke()
	}
	p.changed(linux.CLD_CONTINUED, linux.SIGCONT)
}

// changed tells the parent of a stop or a continuation.
func (p *Process) changed(kind int32, s linux.Signal) {
	k := p.Kernel
	k.mu.Lock()
	p.change = childChange{kind, s}
	parent := p.parent
	k.mu.Unlock()
	if parent == nil {
		return
	}
	if parent.Action(linux.SIGCHLD).Flags&linux.SA_NOCLDSTOP == 0 {
		parent.Signal(linux.ChildInfo(kind, int32(p.PID), p.Creds().UID, int32(s), 0, 0))
	}
	for _, t := range parent.Threads() {
		t.poke()
	}
}

// standStill holds the thread while its process is stopped.
func (t *Thread) standStill() {
	_ = t.Block(&Wait{What: "stopped", Deadline: Never, Deaf: true, Done: func() bool { return !t.Proc.stopped.Load() }})
}

// sent does what sending a signal does before anybody takes it: a continuation
// and the stops cancel each other.
func (p *Process) sent(s linux.Signal) {
	var gone linux.SigSet
	switch {
	case s == linux.SIGCONT:
		gone = stopSignals
		p.resume()
	case stopSignals.Has(s):
		gone.Add(linux.SIGCONT)
	default:
		return
	}
	for s := gone.Next(); s != 0; s = gone.Next() {
		gone.Del(s)
		p.pending.drop(s)
		for _, t := range p.Threads() {
			t.pending.drop(s)
		}
	}
}
