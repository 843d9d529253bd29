package kernel

import (
	"math/rand/v2"
	"testing"

	"torov/internal/linux"
)

// arrival is a signal whose order of arrival can be told.
func arrival(s linux.Signal, n int) linux.SigInfo {
	return linux.KillInfo(s, linux.SI_QUEUE, int32(n), 0)
}

func TestSigqueueOrder(t *testing.T) {
	var q sigqueue
	for i, s := range []linux.Signal{linux.SIGTERM, 40, linux.SIGHUP, 34, 40, linux.SIGTERM, linux.SIGSEGV, 40} {
		if !q.add(arrival(s, i)) {
			t.Fatalf("%v was dropped", s)
		}
	}
	// What the thread's own instruction caused, then by number; standard
	// signals once, real-time ones each, in order.
	for _, want := range []struct {
		s linux.Signal
		n int32
	}{{linux.SIGSEGV, 6}, {linux.SIGHUP, 2}, {linux.SIGTERM, 0}, {34, 3}, {40, 1}, {40, 4}, {40, 7}} {
		info, ok := q.take(^linux.SigSet(0))
		if !ok || info.Signal() != want.s || info.PID() != want.n {
			t.Fatalf("%v number %d, %v; want %v number %d", info.Signal(), info.PID(), ok, want.s, want.n)
		}
	}
	if _, ok := q.take(^linux.SigSet(0)); ok || q.members() != 0 {
		t.Fatalf("left over: %v", q.members())
	}
}

func TestSigqueueMaskAndDrop(t *testing.T) {
	var q sigqueue
	for i, s := range []linux.Signal{linux.SIGINT, 50, 50, linux.SIGTERM} {
		q.add(arrival(s, i))
	}
	var of linux.SigSet
	if _, ok := q.take(of); ok {
		t.Fatal("taken from the empty set")
	}
	of.Add(50)
	if info, ok := q.take(of); !ok || info.Signal() != 50 || !q.members().Has(50) {
		t.Fatalf("took %v, left %v", info.Signal(), q.members())
	}
	q.drop(50)
	q.drop(50)
	if _, ok := q.take(of); ok || q.members().Has(50) || !q.members().Has(linux.SIGINT) || len(q.infos) != 2 {
		t.Fatalf("after drop %v", q.members())
	}
}

// A flood of real-time signals is bounded, and keeps no other signal out: a
// fault or a SIGTERM that got lost would leave a program that cannot be ended.
func TestSigqueueFull(t *testing.T) {
	var q sigqueue
	for i := range maxQueued {
		if !q.add(arrival(linux.SIGRTMAX, i)) {
			t.Fatalf("signal %d was dropped", i)
		}
	}
	if q.add(arrival(linux.SIGRTMAX, 0)) || q.add(arrival(linux.SIGRTMIN, 0)) {
		t.Error("the queue has no end")
	}
	if !q.add(arrival(linux.SIGSEGV, 7)) || !q.add(arrival(linux.SIGTERM, 8)) {
		t.Fatal("a standard signal was dropped")
	}
	if info, ok := q.take(^linux.SigSet(0)); !ok || info.Signal() != linux.SIGSEGV || info.PID() != 7 {
		t.Errorf("took %v", info.Signal())
	}
}

// Random use against the simplest possible queue.
func TestSigqueueRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	var q sigqueue
	var model []linux.SigInfo
	pending := func(s linux.Signal) bool {
		for _, info := range model {
			if info.Signal() == s {
				return true
			}
		}
		return false
	}
	for i := range 20000 {
		s := linux.Signal(1 + r.IntN(linux.NumSignals))
		switch r.IntN(5) {
		case 0, 1:
			if q.add(arrival(s, i)); s.Realtime() || !pending(s) {
				model = append(model, arrival(s, i))
			}
		case 2, 3:
			of := linux.SigSet(r.Uint64() & r.Uint64())
			best := -1
			for j, info := range model {
				if of.Has(info.Signal()) && (best < 0 || before(info.Signal(), model[best].Signal())) {
					best = j
				}
			}
			info, ok := q.take(of)
			if ok != (best >= 0) || ok && info != model[best] {
				t.Fatalf("step %d: took %v, %v; want index %d of %d", i, info.Signal(), ok, best, len(model))
			}
			if ok {
				model = append(model[:best:best], model[best+1:]...)
			}
		case 4:
			q.drop(s)
			var kept []linux.SigInfo
			for _, info := range model {
				if info.Signal() != s {
					kept = append(kept, info)
				}
			}
			model = kept
		}
		if q.members().Has(s) != pending(s) {
			t.Fatalf("step %d: %v pending %v, want %v", i, s, q.members().Has(s), pending(s))
		}
	}
}

// before is the order in which Linux delivers: synchronous signals first, then
// by number.
func before(a, b linux.Signal) bool {
	if x, y := linux.SigSynchronous.Has(a), linux.SigSynchronous.Has(b); x != y {
		return x
	}
	return a < b
}
