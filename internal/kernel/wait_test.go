package kernel

import (
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
)

// blockOn adds call 905: it waits for w and returns the errno as a value.
func blockOn(w *world, wait func() *Wait) {
	w.on(905, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) { return uint64(t.Block(wait())), 0 })
}

func TestBlock(t *testing.T) {
	w := newWorld(t, nil)
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(pipe[0])
	defer unix.Close(pipe[1])
	now := w.k.Clock().Monotonic()
	past, future := now-1, now+int64(20*time.Millisecond)
	never := func() bool { return false }
	fds := []unix.PollFd{{Fd: int32(pipe[0]), Events: unix.POLLIN}}
	ready := []unix.PollFd{{Fd: -1}, {Fd: int32(pipe[1]), Events: unix.POLLOUT}}
	for _, c := range []struct {
		name string
		wait Wait
		want linux.Errno
	}{
		{"past deadline", Wait{Deadline: past}, linux.ETIMEDOUT},
		{"deadline", Wait{Deadline: future}, linux.ETIMEDOUT},
		{"deadline, nothing ready", Wait{Deadline: future, Fds: fds, Done: never}, linux.ETIMEDOUT},
		{"ready", Wait{Deadline: Never, Fds: ready}, 0},
		{"ready in the past", Wait{Deadline: past, Fds: ready}, 0},
		{"done", Wait{Deadline: Never, Done: func() bool { return true }}, 0},
		{"a descriptor that is none", Wait{Deadline: Never, Fds: []unix.PollFd{{Fd: 1 << 20, Events: unix.POLLIN}}}, 0},
	} {
		blockOn(w, func() *Wait { return &c.wait })
		if r := w.main.call(905); linux.Errno(r.RAX) != c.want {
			t.Errorf("%s: %v, want %v", c.name, linux.Errno(r.RAX), c.want)
		}
	}
	if ready[0].Revents != 0 || ready[1].Revents != unix.POLLOUT {
		t.Errorf("revents %+v", ready)
	}
	// Becomes ready meanwhile.
	blockOn(w, func() *Wait { return &Wait{What: "a pipe", Deadline: Never, Fds: fds} })
	before := w.main.leave(enterCall(905))
	w.main.waits()
	if w.main.Waiting() != "a pipe" {
		t.Errorf("waits for %q", w.main.Waiting())
	}
	if _, err := unix.Write(pipe[1], []byte("x")); err != nil {
		t.Fatal(err)
	}
	if r := w.main.back(before, nil); r.RAX != 0 || fds[0].Revents != unix.POLLIN || w.main.Waiting() != "" {
		t.Errorf("RAX %d, revents %+v", r.RAX, fds)
	}
}

// The caller's slice may be part of a larger one.
func TestBlockLeavesTheRestAlone(t *testing.T) {
	w := newWorld(t, nil)
	all := []unix.PollFd{{Fd: -1}, {Fd: 12345, Events: 1}}
	blockOn(w, func() *Wait { return &Wait{Fds: all[:1], Deadline: 0} })
	w.main.call(905)
	if all[1].Fd != 12345 {
		t.Errorf("the next element is %+v", all[1])
	}
}

// Whoever makes Done true and pokes is not missed, whenever that is.
func TestBlockDoneRace(t *testing.T) {
	w := newWorld(t, nil)
	var done atomic.Bool
	w.on(905, func(t *Thread, _ uint64, args [6]uint64) (uint64, linux.Errno) {
		return args[0], t.Block(&Wait{Deadline: Never, Done: done.Load})
	})
	for i := uint64(1); i <= 500; i++ {
		done.Store(false)
		w.main.leave(enterCall(905, i))
		for range i % 50 * 100 {
		}
		done.Store(true)
		w.main.poke()
		// poke makes the thread enter the program more often.
		w.main.back(0, func(r engine.Regs) bool { return r.RAX == i && r.RDI == i })
	}
}

// The eventfd of a thread stays open while somebody pokes it: its number may be
// a file of the program's a moment later.
func TestPokeAtTheEnd(t *testing.T) {
	w := newWorld(t, nil)
	blockOn(w, func() *Wait { return &Wait{Deadline: 0} })
	a := w.clone(Clone{Stack: worldStack})
	a.call(905) // now it has an eventfd
	fd := int(a.wakeFD.Load())
	poking, end := make(chan bool), make(chan bool)
	go func() {
		a.wakeMu.RLock() // as poke does
		close(poking)
		<-end
		if !isOpen(fd) {
			t.Error("closed while it is poked")
		}
		a.wakeMu.RUnlock()
	}()
	<-poking
	a.leave(func(*engine.Regs) engine.Exit {
		a.ExitThread(0)
		return engine.Exit{Kind: engine.ExitInterrupted}
	})
	time.Sleep(10 * time.Millisecond) // for whoever would close it
	close(end)
	for deadline := time.Now().Add(soon); a.wakeFD.Load() >= 0; a.poke() {
		if time.Now().After(deadline) {
			t.Fatal("the eventfd is never closed")
		}
	}
	if isOpen(fd) {
		t.Error("the eventfd is still open")
	}
	a.poke()
}

func TestSleepRestart(t *testing.T) {
	w := newWorld(t, &tracer{event: noSignals})
	deadline := int64(0)
	sleep := func(t *Thread) (uint64, linux.Errno) { return 1, t.Sleep("a nap", deadline) }
	w.on(906, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) {
		deadline = t.Kernel().Clock().After(int64(30 * time.Millisecond))
		v, errno := sleep(t)
		if errno == linux.ERESTARTSYS {
			t.SetRestart(sleep)
			errno = linux.ERESTART_RESTARTBLOCK
		}
		return v, errno
	})
	withBlocking(w)
	before := w.main.leave(enterCall(906))
	w.main.waits()
	w.main.Signal(linux.KernelInfo(linux.SIGUSR1))
	r := w.main.back(before, nil)
	if r.RAX != callRestart {
		t.Fatalf("RAX %d", r.RAX)
	}
	if r := w.main.call(callRestart); r.RAX != 1 || w.k.Clock().Monotonic() < deadline {
		t.Errorf("woke %d ns early, RAX %d", deadline-w.k.Clock().Monotonic(), int64(r.RAX))
	}
}

func TestClockAfter(t *testing.T) {
	var c Clock
	now := c.Monotonic()
	for ns, want := range map[int64]int64{-1: Never, Never: Never, Never - now + 1e15: Never} {
		if got := c.After(ns); got != want {
			t.Errorf("after %d ns: %d", ns, got)
		}
	}
	if got := c.After(1e9); got < now+1e9 || got > now+int64(soon) {
		t.Errorf("after a second: %d, now %d", got, now)
	}
	if _, err := c.Now(1234); err == nil {
		t.Error("a clock that does not exist")
	}
}

// Ends of threads and processes.
func TestExits(t *testing.T) {
	w := newWorld(t, nil)
	w.on(907, func(t *Thread, _ uint64, args [6]uint64) (uint64, linux.Errno) {
		t.ExitThread(int(args[0]))
		return 0, linux.EJUSTRETURN
	})
	w.on(908, func(t *Thread, _ uint64, args [6]uint64) (uint64, linux.Errno) {
		t.Proc.Exit(ExitStatus{Code: int(args[0])})
		return 0, linux.EJUSTRETURN
	})
	withBlocking(w)
	a, b := w.clone(Clone{Stack: worldStack}), w.clone(Clone{Stack: worldStack})
	if len(w.p.Threads()) != 3 || w.k.Thread(a.TID) != a.Thread || a.TID == b.TID {
		t.Fatalf("threads %v", w.p.Threads())
	}
	// The first thread ends; the others go on.
	w.main.leave(enterCall(907, 11))
	for len(w.p.Threads()) == 3 {
		time.Sleep(time.Millisecond)
	}
	if r := a.call(callBlock + 100); r.RAX != linux.ENOSYS.Result() {
		t.Errorf("RAX %d", int64(r.RAX))
	}
	if w.p.Leader() != a.Thread {
		t.Error("the oldest thread is not the leader")
	}
	// exit_group ends those that wait too; the first status counts.
	b.leave(enterCall(callBlock))
	b.waits()
	a.leave(enterCall(908, 12))
	w.wantEnd(ExitStatus{Code: 12})
	w.p.Exit(ExitStatus{Code: 13})
	w.wantEnd(ExitStatus{Code: 12})
	if len(w.k.Threads()) != 0 || len(w.k.Processes()) != 0 || w.k.Process(testPID) != nil || w.k.Thread(a.TID) != nil {
		t.Error("something is left of the program")
	}
}

func TestLastThreadsStatus(t *testing.T) {
	w := newWorld(t, nil)
	w.on(907, func(t *Thread, _ uint64, args [6]uint64) (uint64, linux.Errno) {
		t.ExitThread(int(args[0]))
		return 0, linux.EJUSTRETURN
	})
	a := w.clone(Clone{Stack: worldStack})
	w.main.leave(enterCall(907, 3))
	for len(w.p.Threads()) > 1 {
		time.Sleep(time.Millisecond)
	}
	a.leave(enterCall(907, 0x1234))
	w.wantEnd(ExitStatus{Code: 0x34})
}

func TestTooManyThreads(t *testing.T) {
	w := newWorld(t, nil)
	w.machine.MaxCPUs = 2
	w.clone(Clone{Stack: worldStack})
	w.on(909, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) {
		_, errno := t.CloneThread(Clone{Stack: worldStack})
		return 0, errno
	})
	if r := w.main.call(909); r.RAX != linux.EAGAIN.Result() {
		t.Errorf("RAX %d", int64(r.RAX))
	}
	if len(w.p.Threads()) != 2 {
		t.Errorf("%d threads", len(w.p.Threads()))
	}
}

func TestCloneState(t *testing.T) {
	w := newWorld(t, nil)
	w.on(902, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) {
		var set linux.SigSet
		set.Add(linux.SIGHUP)
		t.SetBlocked(set)
		t.AltStack = linux.Stack{SP: uint64(worldData), Size: 0x4000}
		if err := t.CPU.SetSegs(engine.Segs{FSBase: 0x111, GSBase: 0x222}); err != nil {
			return 0, linux.EIO
		}
		return 0, linux.FromHost(t.CPU.SetXSave([]byte{9, 9, 9}))
	})
	w.main.call(902)
	a := w.clone(Clone{Stack: worldStack - 0x1000, TLS: 0x333, SetTLS: true, ParentTID: worldData, ChildTID: worldData + 4, ClearTID: worldData + 8})
	r, _ := a.cpu.Await(soon, 0, nil)
	if r.RAX != 0 || r.RSP != uint64(worldStack)-0x1000 || r.RIP != afterCall {
		t.Errorf("registers of the child %+v", r)
	}
	segs, _ := a.cpu.Segs()
	image, _ := a.cpu.XSave()
	if segs.FSBase != 0x333 || segs.GSBase != 0x222 || image[0] != 9 || !a.Blocked().Has(linux.SIGHUP) || a.AltStack.Flags&linux.SS_DISABLE == 0 && a.AltStack.Size != 0 {
		t.Errorf("segments %+v, FPU % x, mask %v, stack %+v", segs, image[:3], a.Blocked(), a.AltStack)
	}
	if w.get32(worldData) != uint32(a.TID) || w.get32(worldData+4) != uint32(a.TID) {
		t.Errorf("ids %d %d, want %d", w.get32(worldData), w.get32(worldData+4), a.TID)
	}
	// Its end clears the word and wakes who waits there.
	w.put32(worldData+8, 5)
	w.on(903, func(t *Thread, _ uint64, _ [6]uint64) (uint64, linux.Errno) {
		return 0, t.FutexWait(worldData+8, 5, linux.FUTEX_BITSET_MATCH_ANY, Never, false)
	})
	before := w.main.leave(enterCall(903))
	w.main.waits()
	a.leave(func(*engine.Regs) engine.Exit { a.ExitThread(0); return engine.Exit{Kind: engine.ExitInterrupted} })
	if r := w.main.back(before, nil); r.RAX != 0 || w.get32(worldData+8) != 0 {
		t.Errorf("RAX %d, word %d", int64(r.RAX), w.get32(worldData+8))
	}
}
