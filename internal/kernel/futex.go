package kernel

import (
	"fmt"
	"sync"

	"torov/internal/engine"
	"torov/internal/linux"
	"torov/internal/mm"
)

// futexTable holds the threads that wait on words of memory.
type futexTable struct {
	mu      sync.Mutex
	waiters map[futexKey][]*futexWaiter
}

// futexKey says which word it is. A private futex is one of the address space,
// whatever is mapped there.
type futexKey = mm.Word

// futexWord reads the word at a and returns its key.
func (t *Thread) futexWord(a engine.GVA, private bool) (uint32, futexKey, linux.Errno) {
	v, errno := t.Proc.AS().Load32(a)
	if errno != 0 {
		return 0, futexKey{}, errno
	}
	if private {
		return v, futexKey{Space: t.Proc.AS(), At: uint64(a), Private: true}, 0
	}
	key, errno := t.Proc.AS().WordAt(a)
	return v, key, errno
}

type futexWaiter struct {
	thread *Thread
	mask   uint32
	key    futexKey
	woken  bool
}

// FutexWait is FUTEX_WAIT_BITSET: it waits while the word at a is val, until
// a wake with a common bit in mask, or the deadline on CLOCK_MONOTONIC.
func (t *Thread) FutexWait(a engine.GVA, val, mask uint32, deadline int64, private bool) linux.Errno {
	if mask == 0 {
		return linux.EINVAL
	}
	table := &t.Kernel().futexes
	w := &futexWaiter{thread: t, mask: mask}
	table.mu.Lock()
	// The word is read under the lock that wakers take: no wake between the
	// look and the wait can be lost.
	now, key, errno := t.futexWord(a, private)
	if errno != 0 || now != val {
		table.mu.Unlock()
		if errno != 0 {
			return errno
		}
		return linux.EAGAIN
	}
	w.key = key
	table.add(w)
	table.mu.Unlock()
	errno = t.Block(&Wait{What: fmt.Sprintf("futex %#x", uint64(a)), Deadline: deadline, Done: func() bool {
		table.mu.Lock()
		defer table.mu.Unlock()
		return w.woken
	}})
	table.mu.Lock()
	defer table.mu.Unlock()
	if w.woken {
		return 0 // a wake that came with the signal or the deadline counts
	}
	table.remove(w)
	return errno
}

func (f *futexTable) add(w *futexWaiter) {
	if f.waiters == nil {
		f.waiters = make(map[futexKey][]*futexWaiter)
	}
	f.waiters[w.key] = append(f.waiters[w.key], w)
}

func (f *futexTable) remove(w *futexWaiter) {
	list := f.waiters[w.key]
	for i := range list {
		if list[i] == w {
			list = append(list[:i], list[i+1:]...)
			break
		}
	}
	if len(list) == 0 {
		delete(f.waiters, w.key)
		return
	}
	f.waiters[w.key] = list
}

// wake wakes at most n waiters; the caller holds mu.
func (f *futexTable) wake(key futexKey, n int, mask uint32) int {
	woken := 0
	for _, w := range append([]*futexWaiter(nil), f.waiters[key]...) {
		if woken >= n {
			break
		}
		if w.mask&mask == 0 {
			continue
		}
		f.remove(w)
		w.woken = true
		w.thread.poke()
		woken++
	}
	return woken
}

// FutexWake is FUTEX_WAKE_BITSET; it returns how many it woke.
func (t *Thread) FutexWake(a engine.GVA, n int, mask uint32, private bool) (int, linux.Errno) {
	if mask == 0 {
		return 0, linux.EINVAL
	}
	_, key, errno := t.futexWord(a, private)
	if errno != 0 {
		return 0, errno
	}
	f := &t.Kernel().futexes
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.wake(key, max(n, 1), mask), 0
}

// FutexRequeue is FUTEX_CMP_REQUEUE, or FUTEX_REQUEUE if cmp is nil: it wakes
// some waiters of a and moves others to b; it returns how many of both.
func (t *Thread) FutexRequeue(a, b engine.GVA, wake, move int, cmp *uint32, private bool) (int, linux.Errno) {
	if wake < 0 || move < 0 {
		return 0, linux.EINVAL
	}
	f := &t.Kernel().futexes
	f.mu.Lock()
	defer f.mu.Unlock()
	now, from, errno := t.futexWord(a, private)
	if errno != 0 {
		return 0, errno
	}
	_, to, errno := t.futexWord(b, private)
	if errno != 0 {
		return 0, errno
	}
	if cmp != nil && now != *cmp {
		return 0, linux.EAGAIN
	}
	n := f.wake(from, wake, linux.FUTEX_BITSET_MATCH_ANY)
	for _, w := range append([]*futexWaiter(nil), f.waiters[from]...) {
		if move == 0 || from == to {
			break
		}
		f.remove(w)
		w.key = to
		f.add(w)
		move--
		n++
	}
	return n, 0
}

// FutexWakeOp is FUTEX_WAKE_OP: it changes the word at b, wakes waiters of a,
// and those of b if the old value compares.
func (t *Thread) FutexWakeOp(a, b engine.GVA, n, n2 int, op uint32, private bool) (int, linux.Errno) {
	arg, cmpArg := int32(op<<8)>>20, int32(op<<20)>>20
	kind, cmp := op>>28&7, op>>24&15
	if op>>31 != 0 {
		arg = 1 << (uint32(arg) & 31)
	}
	f := &t.Kernel().futexes
	f.mu.Lock()
	defer f.mu.Unlock()
	_, keyA, errno := t.futexWord(a, private)
	if errno != 0 {
		return 0, errno
	}
	var old uint32
	for {
		if old, errno = t.Proc.AS().Load32(b); errno != 0 {
			return 0, errno
		}
		next, ok := wakeOp(kind, old, uint32(arg))
		if !ok {
			return 0, linux.ENOSYS
		}
		seen, errno := t.Proc.AS().CompareAndSwap32(b, old, next)
		if errno != 0 {
			return 0, errno
		}
		if seen == old {
			break
		}
	}
	_, keyB, errno := t.futexWord(b, private)
	if errno != 0 {
		return 0, errno
	}
	woken := f.wake(keyA, max(n, 1), linux.FUTEX_BITSET_MATCH_ANY)
	match, ok := wakeCompare(cmp, int32(old), cmpArg)
	if !ok {
		return 0, linux.ENOSYS
	}
	if match {
		woken += f.wake(keyB, max(n2, 1), linux.FUTEX_BITSET_MATCH_ANY)
	}
	return woken, 0
}

func wakeOp(kind, old, arg uint32) (uint32, bool) {
	switch kind {
	case linux.FUTEX_OP_SET:
		return arg, true
	case linux.FUTEX_OP_ADD:
		return old + arg, true
	case linux.FUTEX_OP_OR:
		return old | arg, true
	case linux.FUTEX_OP_ANDN:
		return old &^ arg, true
	case linux.FUTEX_OP_XOR:
		return old ^ arg, true
	}
	return 0, false
}

func wakeCompare(cmp uint32, old, arg int32) (match, ok bool) {
	switch cmp {
	case linux.FUTEX_OP_CMP_EQ:
		return old == arg, true
	case linux.FUTEX_OP_CMP_NE:
		return old != arg, true
	case linux.FUTEX_OP_CMP_LT:
		return old < arg, true
	case linux.FUTEX_OP_CMP_LE:
		return old <= arg, true
	case linux.FUTEX_OP_CMP_GT:
		return old > arg, true
	case linux.FUTEX_OP_CMP_GE:
		return old >= arg, true
	}
	return false, false
}

// leaveRobustList marks the locks a dying thread still holds, so that their
// next owner learns of it (get_robust_list(2), exit_robust_list in the kernel).
func (t *Thread) leaveRobustList() {
	if t.RobustList == 0 {
		return
	}
	head, errno := mm.Read[linux.RobustListHead](t.Proc.AS(), t.RobustList)
	if errno != 0 {
		return
	}
	entry := head.List
	for range linux.ROBUST_LIST_LIMIT {
		if engine.GVA(entry) == t.RobustList || entry == 0 {
			break
		}
		next, errno := mm.Read[uint64](t.Proc.AS(), engine.GVA(entry&^1))
		if entry&^1 != head.Pending&^1 {
			t.ownerDied(engine.GVA(int64(entry&^1) + head.FutexOffset))
		}
		if errno != 0 {
			return
		}
		entry = next
	}
	if head.Pending != 0 {
		t.ownerDied(engine.GVA(int64(head.Pending&^1) + head.FutexOffset))
	}
}

func (t *Thread) ownerDied(a engine.GVA) {
	for {
		v, errno := t.Proc.AS().Load32(a)
		if errno != 0 || v&linux.FUTEX_TID_MASK != uint32(t.TID) {
			return
		}
		seen, errno := t.Proc.AS().CompareAndSwap32(a, v, v&linux.FUTEX_WAITERS|linux.FUTEX_OWNER_DIED)
		if errno != 0 {
			return
		}
		if seen == v {
			if v&linux.FUTEX_WAITERS != 0 {
				_, _ = t.FutexWake(a, 1, linux.FUTEX_BITSET_MATCH_ANY, false)
			}
			return
		}
	}
}
