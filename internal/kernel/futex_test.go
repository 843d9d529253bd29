package kernel

import (
	"testing"
	"time"

	"torov/internal/engine"
	"torov/internal/linux"
	"torov/internal/mm"
)

const (
	wordA  = worldData
	wordB  = worldData + 64
	anyBit = linux.FUTEX_BITSET_MATCH_ANY
)

// futexWorld has n threads that wait on wordA with masks 1, 2, 4, …
func futexWorld(t *testing.T, n int, private bool) (*world, []*actor) {
	t.Helper()
	w := newWorld(t, nil)
	w.on(910, func(t *Thread, _ uint64, a [6]uint64) (uint64, linux.Errno) {
		return 0, t.FutexWait(engine.GVA(a[0]), uint32(a[1]), uint32(a[2]), int64(a[3]), private)
	})
	var actors []*actor
	for i := range n {
		a := w.clone(Clone{Stack: worldStack})
		a.asleep = a.leave(enterCall(910, uint64(wordA), 0, 1<<i, Never))
		a.waits()
		actors = append(actors, a)
	}
	return w, actors
}

// as runs f as a system call of the first thread.
func (w *world) as(f func(t *Thread) (int, linux.Errno)) (int, linux.Errno) {
	w.t.Helper()
	var n int
	var errno linux.Errno
	w.on(911, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) {
		n, errno = f(t)
		return 0, 0
	})
	w.main.call(911)
	return n, errno
}

func (w *world) wake(at engine.GVA, n int, mask uint32, private bool) int {
	w.t.Helper()
	n, errno := w.as(func(t *Thread) (int, linux.Errno) { return t.FutexWake(at, n, mask, private) })
	if errno != 0 {
		w.t.Fatal(errno)
	}
	return n
}

// awake counts the threads that are back in the program, after a moment in
// which others might come.
func awake(actors []*actor) (n int) {
	time.Sleep(5 * time.Millisecond)
	for _, a := range actors {
		if a.cpu.Entries() > a.asleep {
			n++
		}
	}
	return n
}

func wantAwake(t *testing.T, actors []*actor, want int) {
	t.Helper()
	for deadline := time.Now().Add(soon); awake(actors) < want && time.Now().Before(deadline); {
	}
	if got := awake(actors); got != want {
		t.Errorf("%d threads are awake, want %d", got, want)
	}
}

func TestFutexWake(t *testing.T) {
	for _, private := range []bool{false, true} {
		w, actors := futexWorld(t, 5, private)
		if n := w.wake(wordB, 10, anyBit, private); n != 0 {
			t.Errorf("woke %d at another word", n)
		}
		if n := w.wake(wordA, 10, 1<<20, private); n != 0 {
			t.Errorf("woke %d with another bit", n)
		}
		if n := w.wake(wordA, 10, 1<<2|1<<20, private); n != 1 {
			t.Errorf("woke %d with one bit", n)
		}
		wantAwake(t, actors, 1)
		if n := w.wake(wordA, 0, anyBit, private); n != 1 { // as Linux: at least one
			t.Errorf("woke %d of 0", n)
		}
		if n := w.wake(wordA, 2, anyBit, private); n != 2 {
			t.Errorf("woke %d of 2", n)
		}
		wantAwake(t, actors, 4)
		if n := w.wake(wordA, 1<<30, anyBit, private); n != 1 {
			t.Errorf("woke %d in the end", n)
		}
		wantAwake(t, actors, 5)
		if len(w.k.futexes.waiters) != 0 {
			t.Error("the table is not empty")
		}
	}
}

func TestFutexWaitErrors(t *testing.T) {
	w, _ := futexWorld(t, 0, false)
	w.put32(wordA, 7)
	past := w.k.Clock().Monotonic() - 1
	for _, c := range []struct {
		name      string
		at        engine.GVA
		val, mask uint32
		deadline  int64
		want      linux.Errno
	}{
		{"other value", wordA, 8, anyBit, Never, linux.EAGAIN},
		{"no bits", wordA, 7, 0, Never, linux.EINVAL},
		{"unaligned", wordA + 1, 7, anyBit, Never, linux.EINVAL},
		{"unmapped", 0x7000_0000_0000, 7, anyBit, Never, linux.EFAULT},
		{"not canonical", 1 << 63, 7, anyBit, Never, linux.EFAULT},
		{"past", wordA, 7, anyBit, past, linux.ETIMEDOUT},
		{"soon", wordA, 7, anyBit, past + int64(5*time.Millisecond), linux.ETIMEDOUT},
	} {
		r := w.main.call(910, uint64(c.at), uint64(c.val), uint64(c.mask), uint64(c.deadline))
		if r.RAX != c.want.Result() {
			t.Errorf("%s: %d, want %v", c.name, int64(r.RAX), c.want)
		}
		if len(w.k.futexes.waiters) != 0 {
			t.Errorf("%s: a waiter is left", c.name)
		}
	}
	for at, want := range map[engine.GVA]linux.Errno{wordA + 2: linux.EINVAL, 0x7000_0000_0000: linux.EFAULT} {
		if _, errno := w.as(func(t *Thread) (int, linux.Errno) { return t.FutexWake(at, 1, anyBit, false) }); errno != want {
			t.Errorf("wake at %#x: %v", at, errno)
		}
	}
	if _, errno := w.as(func(t *Thread) (int, linux.Errno) { return t.FutexWake(wordA, 1, 0, false) }); errno != linux.EINVAL {
		t.Errorf("wake without bits: %v", errno)
	}
}

func TestFutexSignal(t *testing.T) {
	w, actors := futexWorld(t, 1, true)
	w.p.SetAction(linux.SIGUSR1, handler(0))
	actors[0].Signal(linux.KernelInfo(linux.SIGUSR1))
	if r := actors[0].back(actors[0].asleep, nil); r.RIP != handlerAt {
		t.Errorf("registers %+v", r)
	}
	if w.wake(wordA, 1, anyBit, true) != 0 || len(w.k.futexes.waiters) != 0 {
		t.Error("a waiter is left")
	}
}

func TestFutexRequeue(t *testing.T) {
	w, actors := futexWorld(t, 5, true)
	requeue := func(wake, move int, cmp *uint32) (int, linux.Errno) {
		return w.as(func(t *Thread) (int, linux.Errno) { return t.FutexRequeue(wordA, wordB, wake, move, cmp, true) })
	}
	if n, errno := requeue(1, 1, new(uint32(1))); errno != linux.EAGAIN || n != 0 {
		t.Errorf("with another value: %d, %v", n, errno)
	}
	if _, errno := requeue(-1, 1, nil); errno != linux.EINVAL {
		t.Error(errno)
	}
	if _, errno := requeue(1, -1, nil); errno != linux.EINVAL {
		t.Error(errno)
	}
	if n, errno := requeue(1, 2, new(uint32(0))); errno != 0 || n != 3 {
		t.Errorf("%d, %v", n, errno)
	}
	wantAwake(t, actors, 1)
	if n := w.wake(wordB, 10, anyBit, true); n != 2 {
		t.Errorf("woke %d at the new word", n)
	}
	wantAwake(t, actors, 3)
	if n, errno := requeue(0, 10, nil); errno != 0 || n != 2 {
		t.Errorf("%d, %v", n, errno)
	}
	if n := w.wake(wordA, 10, anyBit, true); n != 0 {
		t.Errorf("woke %d at the old word", n)
	}
	if n := w.wake(wordB, 10, anyBit, true); n != 2 {
		t.Errorf("woke %d", n)
	}
	wantAwake(t, actors, 5)
}

// FUTEX_OP(op, oparg, cmp, cmparg) of linux/futex.h.
func futexOp(op, arg, cmp, cmpArg uint32) uint32 {
	return op<<28 | cmp<<24 | arg&0xfff<<12 | cmpArg&0xfff
}

func TestFutexWakeOp(t *testing.T) {
	const shift = 8 // FUTEX_OP_OPARG_SHIFT
	w, actors := futexWorld(t, 3, true)
	wakeOp := func(op uint32, n, n2 int) (int, linux.Errno) {
		return w.as(func(t *Thread) (int, linux.Errno) { return t.FutexWakeOp(wordB, wordA, n, n2, op, true) })
	}
	for _, c := range []struct {
		name     string
		op       uint32
		old, new uint32
	}{
		{"set", futexOp(linux.FUTEX_OP_SET, 5, linux.FUTEX_OP_CMP_EQ, 1), 7, 5},
		{"set -1", futexOp(linux.FUTEX_OP_SET, 0xfff, linux.FUTEX_OP_CMP_EQ, 1), 7, 0xffffffff},
		{"add", futexOp(linux.FUTEX_OP_ADD, 3, linux.FUTEX_OP_CMP_EQ, 1), 0xfffffffe, 1},
		{"or", futexOp(linux.FUTEX_OP_OR, 6, linux.FUTEX_OP_CMP_EQ, 1), 9, 15},
		{"and not", futexOp(linux.FUTEX_OP_ANDN, 6, linux.FUTEX_OP_CMP_EQ, 1), 15, 9},
		{"xor", futexOp(linux.FUTEX_OP_XOR, 6, linux.FUTEX_OP_CMP_EQ, 1), 3, 5},
		{"shifted", futexOp(linux.FUTEX_OP_OR|shift, 31, linux.FUTEX_OP_CMP_EQ, 1), 0, 1 << 31},
		{"shifted too far", futexOp(linux.FUTEX_OP_SET|shift, 33, linux.FUTEX_OP_CMP_EQ, 1), 0, 2},
	} {
		w.put32(wordA, c.old)
		if n, errno := wakeOp(c.op, 1, 1); n != 0 || errno != 0 || w.get32(wordA) != c.new {
			t.Errorf("%s: woke %d, %v, word %#x, want %#x", c.name, n, errno, w.get32(wordA), c.new)
		}
	}
	for _, op := range []uint32{futexOp(5, 0, 0, 0), futexOp(7, 0, 0, 0), futexOp(0, 0, 6, 0), futexOp(0, 0, 15, 0)} {
		if _, errno := wakeOp(op, 1, 1); errno != linux.ENOSYS {
			t.Errorf("op %#x: %v", op, errno)
		}
	}
	// The comparison, with the old value and signed, decides about the second word.
	for _, c := range []struct {
		cmp  uint32
		old  uint32
		want bool
	}{
		{linux.FUTEX_OP_CMP_EQ, 2, true}, {linux.FUTEX_OP_CMP_EQ, 3, false}, {linux.FUTEX_OP_CMP_NE, 3, true}, {linux.FUTEX_OP_CMP_LT, 1, true},
		{linux.FUTEX_OP_CMP_LT, 2, false}, {linux.FUTEX_OP_CMP_LE, 2, true}, {linux.FUTEX_OP_CMP_GT, 0xffffffff, false}, {linux.FUTEX_OP_CMP_GE, 2, true},
	} {
		if got, ok := wakeCompare(c.cmp, int32(c.old), 2); !ok || got != c.want {
			t.Errorf("compare %d: %d with 2 is %v", c.cmp, int32(c.old), got)
		}
	}
	w.put32(wordA, 2)
	if n, errno := wakeOp(futexOp(linux.FUTEX_OP_SET, 0, linux.FUTEX_OP_CMP_EQ, 3), 1, 1); n != 0 || errno != 0 {
		t.Errorf("woke %d, %v", n, errno)
	}
	if n, errno := wakeOp(futexOp(linux.FUTEX_OP_SET, 0, linux.FUTEX_OP_CMP_EQ, 0), 1, 2); n != 2 || errno != 0 {
		t.Errorf("woke %d, %v", n, errno)
	}
	wantAwake(t, actors, 2)
	if n, errno := wakeOp(futexOp(linux.FUTEX_OP_SET, 0, linux.FUTEX_OP_CMP_EQ, 0), 0, 0); n != 1 || errno != 0 {
		t.Errorf("woke %d, %v: as Linux, at least one", n, errno)
	}
}

// The locks of a thread that dies go to the next owner, and a list that is
// nonsense does no harm.
func TestRobustList(t *testing.T) {
	const head, lock, offset = worldData + 0x100, worldData + 0x200, 16
	for _, c := range []struct {
		name  string
		build func(w *world, tid uint32)
		check func(w *world, tid uint32) bool
	}{
		{"one lock", func(w *world, tid uint32) {
			w.put64(lock, uint64(head))
			w.put32(lock+offset, tid|linux.FUTEX_WAITERS)
			w.putHead(head, lock, 0)
		}, func(w *world, tid uint32) bool {
			return w.get32(lock+offset) == linux.FUTEX_OWNER_DIED|linux.FUTEX_WAITERS
		}},
		{"a lock of another", func(w *world, tid uint32) {
			w.put64(lock, uint64(head))
			w.put32(lock+offset, tid+1)
			w.putHead(head, lock, 0)
		}, func(w *world, tid uint32) bool { return w.get32(lock+offset) == tid+1 }},
		{"a lock about to be taken", func(w *world, tid uint32) {
			w.put32(lock+offset, tid)
			w.putHead(head, head, lock)
		}, func(w *world, tid uint32) bool { return w.get32(lock+offset) == linux.FUTEX_OWNER_DIED }},
		{"a circle", func(w *world, tid uint32) {
			w.put64(lock, uint64(lock))
			w.put32(lock+offset, tid)
			w.putHead(head, lock, 0)
		}, func(w *world, tid uint32) bool { return w.get32(lock+offset) == linux.FUTEX_OWNER_DIED }},
		{"into nothing", func(w *world, tid uint32) { w.putHead(head, 0x7000_0000_0000, 1<<63) }, func(*world, uint32) bool { return true }},
		{"unaligned", func(w *world, tid uint32) { w.putHead(head, lock+3, lock+5) }, func(*world, uint32) bool { return true }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, nil)
			a := w.clone(Clone{Stack: worldStack})
			c.build(w, uint32(a.TID))
			a.leave(func(*engine.Regs) engine.Exit {
				a.RobustList = head
				a.ExitThread(0)
				return engine.Exit{Kind: engine.ExitInterrupted}
			})
			for len(w.p.Threads()) > 1 {
				time.Sleep(time.Millisecond)
			}
			if !c.check(w, uint32(a.TID)) {
				t.Errorf("lock %#x of thread %d", w.get32(lock+offset), a.TID)
			}
		})
	}
	w := newWorld(t, nil)
	a := w.clone(Clone{Stack: worldStack})
	a.leave(func(*engine.Regs) engine.Exit {
		a.RobustList = ^engine.GVA(0)
		a.ExitThread(0)
		return engine.Exit{Kind: engine.ExitInterrupted}
	})
}

func (w *world) put64(at engine.GVA, v uint64) {
	w.t.Helper()
	if errno := mm.Write(w.p.AS(), at, v); errno != 0 {
		w.t.Fatal(errno)
	}
}

func (w *world) putHead(at, first, pending engine.GVA) {
	w.t.Helper()
	if errno := mm.Write(w.p.AS(), at, linux.RobustListHead{List: uint64(first), FutexOffset: 16, Pending: uint64(pending)}); errno != 0 {
		w.t.Fatal(errno)
	}
}
