package kernel

import (
	"sync"
	"sync/atomic"

	"torov/internal/linux"
)

// maxQueued bounds the queued real-time signals of one queue, as
// RLIMIT_SIGPENDING does.
const maxQueued = 4096

// sigqueue holds pending signals: standard ones once, real-time ones in order.
type sigqueue struct {
	mu    sync.Mutex
	set   linux.SigSet
	infos []linux.SigInfo // in order of arrival
	// maybe has at least the members of set, so that a thread sees without
	// the lock that there is nothing, as nearly always.
	maybe atomic.Uint64
}

// add queues a signal; false if the limit drops it, which only happens to
// real-time ones.
func (q *sigqueue) add(info linux.SigInfo) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	s := info.Signal()
	if q.set.Has(s) && !s.Realtime() {
		return true
	}
	if s.Realtime() && len(q.infos) >= maxQueued {
		return false
	}
	q.set.Add(s)
	q.infos = append(q.infos, info)
	q.maybe.Store(uint64(q.set))
	return true
}

// take removes the first pending signal of the set: by Linux's order of
// numbers, then of arrival.
func (q *sigqueue) take(of linux.SigSet) (linux.SigInfo, bool) {
	if linux.SigSet(q.maybe.Load())&of == 0 {
		return linux.SigInfo{}, false
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	defer func() { q.maybe.Store(uint64(q.set)) }()
	s := (q.set & of).Next()
	if s == 0 {
		return linux.SigInfo{}, false
	}
	at, more := -1, false
	for i := range q.infos {
		if q.infos[i].Signal() != s {
			continue
		}
		if at >= 0 {
			more = true
			break
		}
		at = i
	}
	info := q.infos[at]
	q.infos = append(q.infos[:at], q.infos[at+1:]...)
	if !more {
		q.set.Del(s)
	}
	return info, true
}

func (q *sigqueue) members() linux.SigSet {
	if q.maybe.Load() == 0 {
		return 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.set
}

// drop forgets pending signals.
func (q *sigqueue) drop(s linux.Signal) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !q.set.Has(s) {
		return
	}
	q.set.Del(s)
	kept := q.infos[:0]
	for _, info := range q.infos {
		if info.Signal() != s {
			kept = append(kept, info)
		}
	}
	q.infos = kept
	q.maybe.Store(uint64(q.set))
}

// Blocked returns the thread's signal mask.
func (t *Thread) Blocked() linux.SigSet { return linux.SigSet(t.blocked.Load()) }

// SetBlocked replaces the signal mask. Only the thread itself calls it.
func (t *Thread) SetBlocked(set linux.SigSet) { t.blocked.Store(uint64(set &^ linux.SigUnblockable)) }

// SetTemporaryMask replaces the mask until a handler has been set up or the
// call returns, as sigsuspend, ppoll and epoll_pwait do.
func (t *Thread) SetTemporaryMask(set linux.SigSet) {
	old := t.Blocked()
	t.savedMask = &old
	t.SetBlocked(set)
}

// RestoreMask undoes SetTemporaryMask, unless a signal is about to be
// delivered that needs the temporary mask.
func (t *Thread) RestoreMask(interrupted bool) {
	if t.savedMask != nil && !interrupted {
		t.SetBlocked(*t.savedMask)
		t.savedMask = nil
	}
}

// Pending returns the signals that wait for t or its process.
func (t *Thread) Pending() linux.SigSet { return t.pending.members() | t.Proc.pending.members() }

// Action returns what the process does on a signal.
func (p *Process) Action(s linux.Signal) linux.SigAction {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.actions[s]
}

// SetAction replaces what the process does on a signal and returns the old
// action. Ignoring a signal drops pending ones.
func (p *Process) SetAction(s linux.Signal, a linux.SigAction) linux.SigAction {
	p.mu.Lock()
	old := p.actions[s]
	p.actions[s] = a
	p.mu.Unlock()
	if p.ignores(s) {
		p.pending.drop(s)
		for _, t := range p.Threads() {
			t.pending.drop(s)
		}
	}
	return old
}

// ignores reports whether a signal would have no effect.
func (p *Process) ignores(s linux.Signal) bool {
	a := p.Action(s)
	return a.Handler == linux.SIG_IGN || a.Handler == linux.SIG_DFL && s.DefaultAction() == linux.ActionIgnore
}

// Signal sends a signal to the thread.
func (t *Thread) Signal(info linux.SigInfo) linux.Errno {
	s := info.Signal()
	if s == linux.SIGKILL {
		t.Proc.Kill(s)
		return 0
	}
	t.Proc.sent(s)
	if t.Proc.discards(s, t.Blocked()) {
		return 0
	}
	if !t.pending.add(info) {
		return linux.EAGAIN
	}
	if t.Blocked().Has(s) {
		t.Proc.raiseSignalFiles(s)
	}
	t.poke()
	return 0
}

// discards: an ignored signal is dropped when sent, unless it is blocked (the
// disposition may change) or a tracer wants to see it.
func (p *Process) discards(s linux.Signal, blocked linux.SigSet) bool {
	return p.ignores(s) && !blocked.Has(s) && p.tracer() == nil
}

// Signal sends a signal to the process: some thread that does not block it
// will take it.
func (p *Process) Signal(info linux.SigInfo) linux.Errno {
	s := info.Signal()
	if s == linux.SIGKILL {
		p.Kill(s)
		return 0
	}
	p.sent(s)
	threads := p.Threads()
	var taker *Thread
	for _, t := range threads {
		if !t.Blocked().Has(s) {
			taker = t
			break
		}
	}
	if taker != nil && p.discards(s, 0) {
		return 0
	}
	if !p.pending.add(info) {
		return linux.EAGAIN
	}
	if taker != nil {
		taker.poke()
		return 0
	}
	p.raiseSignalFiles(s)
	for _, t := range threads {
		t.poke() // sigtimedwait takes blocked signals
	}
	return 0
}

// signalPending reports whether there is a signal to deliver.
func (t *Thread) signalPending() bool {
	return t.Pending()&^t.Blocked() != 0
}

// TakeSignal removes a pending signal of the set, the thread's own first, for
// sigtimedwait and signalfd.
func (t *Thread) TakeSignal(of linux.SigSet) (linux.SigInfo, bool) {
	if info, ok := t.pending.take(of); ok {
		return info, true
	}
	return t.Proc.pending.take(of)
}

// Force sends a signal that the thread's own instruction caused. If it is
// blocked or ignored the program dies of it, as on Linux (force_sig_info).
func (t *Thread) Force(info linux.SigInfo) {
	s := info.Signal()
	p := t.Proc
	p.mu.Lock()
	if t.Blocked().Has(s) || p.actions[s].Handler == linux.SIG_IGN {
		p.actions[s].Handler = linux.SIG_DFL
	}
	p.mu.Unlock()
	mask := t.Blocked()
	mask.Del(s)
	t.SetBlocked(mask)
	t.pending.drop(s)
	t.pending.add(info)
}
