package kernel

import (
	"math"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// fakeTimer is a timer on a clock that stands until the test moves it. The
// test calls fire itself: the host timer behind it waits for hours.
func fakeTimer(s *timers, now *int64, fired *[]int64) *timer {
	t := &timer{clock: timerClock{now: func() int64 { return *now }, wait: func(int64) int64 { return int64(time.Hour) }}}
	t.expired = func(missed int64) { *fired = append(*fired, missed) }
	return t
}

func TestTimerPeriods(t *testing.T) {
	var s timers
	var fired []int64
	now := int64(1000)
	x := fakeTimer(&s, &now, &fired)
	s.arm(x, 1100, 50)
	steps := []struct {
		now, left int64
		fired     int // signals so far
		missed    int64
	}{
		{1099, 1, 0, 0},
		{1100, 50, 1, 0},
		{1149, 1, 1, 0},
		{1310, 40, 2, 3}, // due at 1150, and missed 1200, 1250 and 1300
		{1350, 50, 3, 0},
	}
	for _, step := range steps {
		now = step.now
		s.fire(x, x.arms)
		if x.left() != step.left || len(fired) != step.fired {
			t.Fatalf("at %d: left %d, fired %d times; want %d and %d", now, x.left(), len(fired), step.left, step.fired)
		}
		if step.fired > 0 && fired[step.fired-1] != step.missed {
			t.Errorf("at %d: missed %d periods, want %d", now, fired[step.fired-1], step.missed)
		}
	}
	before := x.arms
	s.arm(x, 0, 0)
	now += 1000
	s.fire(x, before)
	if len(fired) != 3 || x.left() != 0 {
		t.Errorf("a callback of an old setting counts: fired %d times, left %d", len(fired), x.left())
	}
}

func TestTimerOnceAndStop(t *testing.T) {
	var s timers
	var fired []int64
	now := int64(1)
	once := fakeTimer(&s, &now, &fired)
	s.arm(once, math.MaxInt64, 0)
	if left := once.left(); left != math.MaxInt64-1 {
		t.Errorf("left %d of a timer at the end of time", left)
	}
	s.arm(once, 5, 0)
	now = 9
	if once.left() != 1 {
		t.Errorf("left %d of a timer that is about to fire, want 1: 0 means that it is not armed", once.left())
	}
	s.fire(once, once.arms)
	s.fire(once, once.arms+1)
	if len(fired) != 1 || once.left() != 0 {
		t.Errorf("fired %d times, left %d; want once and nothing", len(fired), once.left())
	}
	s.interval[unix.ITIMER_REAL] = once
	s.arm(once, 20, 20)
	s.stop()
	now = 100
	s.fire(once, once.arms)
	if len(fired) != 1 {
		t.Error("a timer fired after stop")
	}
	s.arm(once, 200, 0)
	if once.wake != nil {
		t.Error("a timer was started after stop")
	}
}

func TestLater(t *testing.T) {
	for _, c := range []struct{ now, d, want int64 }{{1, 2, 3}, {5, math.MaxInt64, math.MaxInt64}, {math.MaxInt64, 1, math.MaxInt64}} {
		if got := later(c.now, c.d); got != c.want {
			t.Errorf("later(%d, %d) = %d, want %d", c.now, c.d, got, c.want)
		}
	}
}

// pendingTimer waits for the signal of a timer.
func pendingTimer(t *testing.T, q *sigqueue, id int32) linux.SigInfo {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		q.mu.Lock()
		info := q.timerPending(id)
		q.mu.Unlock()
		if info != nil {
			return *info
		}
	}
	t.Fatalf("no signal of timer %d within 10 s", id)
	return linux.SigInfo{}
}

func TestSetitimer(t *testing.T) {
	th := testThread(t, "/", "/")
	p := th.Proc
	th.SetBlocked(linux.MakeSigSet(linux.SIGALRM))
	if v, i := p.Setitimer(unix.ITIMER_REAL, int64(time.Hour), int64(time.Minute)); v != 0 || i != 0 {
		t.Errorf("the old setting is %d, %d", v, i)
	}
	if v, i := p.Getitimer(unix.ITIMER_REAL); v > int64(time.Hour) || v < int64(time.Hour)-int64(time.Minute) || i != int64(time.Minute) {
		t.Errorf("getitimer: %d, %d", v, i)
	}
	if v, i := p.Setitimer(unix.ITIMER_REAL, int64(time.Millisecond), 0); v < int64(59*time.Minute) || i != int64(time.Minute) {
		t.Errorf("the old setting is %d, %d", v, i)
	}
	for end := time.Now().Add(10 * time.Second); !th.Pending().Has(linux.SIGALRM); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no SIGALRM within 10 s")
		}
	}
	if info, _ := th.TakeSignal(linux.MakeSigSet(linux.SIGALRM)); info.Code != linux.SI_KERNEL {
		t.Errorf("si_code %d", info.Code)
	}
	if v, i := p.Getitimer(unix.ITIMER_VIRTUAL); v != 0 || i != 0 {
		t.Errorf("a timer that was never set: %d, %d", v, i)
	}
}

func TestPosixTimerOverrun(t *testing.T) {
	th := testThread(t, "/", "/")
	p := th.Proc
	th.SetBlocked(linux.MakeSigSet(linux.SIGUSR1))
	id, errno := th.TimerCreate(unix.CLOCK_MONOTONIC, &linux.Sigevent{Notify: linux.SIGEV_SIGNAL, Signo: int32(linux.SIGUSR1), Value: 42})
	if errno != 0 {
		t.Fatal(errno)
	}
	if _, _, errno := p.TimerSettime(id, false, 1, 0); errno != 0 {
		t.Fatal(errno)
	}
	pendingTimer(t, &p.pending, id)
	x := p.timers.posix[id]
	p.timers.mu.Lock()
	x.notify(p, 0) // two periods more while the signal waits, and one missed
	x.notify(p, 1)
	p.timers.mu.Unlock()
	if n, _ := p.TimerGetoverrun(id); n != 0 {
		t.Errorf("overrun %d before any delivery", n)
	}
	info, ok := th.TakeSignal(linux.MakeSigSet(linux.SIGUSR1))
	if !ok || info.UID() != 3 || info.Value() != 42 || info.Code != linux.SI_TIMER {
		t.Errorf("got %v overrun %d value %d code %d, want 3, 42 and SI_TIMER", ok, info.UID(), info.Value(), info.Code)
	}
	if _, more := th.TakeSignal(linux.MakeSigSet(linux.SIGUSR1)); more {
		t.Error("the timer queued a second signal")
	}
	if n, _ := p.TimerGetoverrun(id); n != 3 {
		t.Errorf("overrun %d after the delivery, want 3", n)
	}
	p.timers.mu.Lock()
	x.queued = math.MaxInt32 - 1
	x.notify(p, math.MaxInt64)
	p.timers.mu.Unlock()
	if last := pendingTimer(t, &p.pending, id); last.UID() != math.MaxInt32 {
		t.Errorf("overrun %d, want DELAYTIMER_MAX", last.UID())
	}
	if errno := p.TimerDelete(id); errno != 0 {
		t.Fatal(errno)
	}
	if th.Pending() != 0 {
		t.Errorf("signals of a deleted timer: %v", th.Pending())
	}
}

func TestPosixTimerErrors(t *testing.T) {
	th := testThread(t, "/", "/")
	signal := func(notify, signo, tid int32) *linux.Sigevent {
		return &linux.Sigevent{Notify: notify, Signo: signo, TID: tid}
	}
	own := int32(th.TID)
	for _, c := range []struct {
		clock int32
		event *linux.Sigevent
		want  linux.Errno
	}{
		{unix.CLOCK_MONOTONIC, nil, 0},
		{unix.CLOCK_REALTIME, signal(linux.SIGEV_NONE, 0, 0), 0},
		{unix.CLOCK_BOOTTIME, signal(linux.SIGEV_THREAD_ID, 64, own), 0},
		{unix.CLOCK_THREAD_CPUTIME_ID, signal(linux.SIGEV_THREAD, 1, 0), 0},
		{unix.CLOCK_MONOTONIC, signal(linux.SIGEV_SIGNAL, 0, 0), linux.EINVAL},
		{unix.CLOCK_MONOTONIC, signal(linux.SIGEV_SIGNAL, 65, 0), linux.EINVAL},
		{unix.CLOCK_MONOTONIC, signal(linux.SIGEV_THREAD_ID, 1, own+1), linux.EINVAL},
		{unix.CLOCK_MONOTONIC, signal(99, 1, 0), linux.EINVAL},
		{unix.CLOCK_MONOTONIC_RAW, nil, linux.EOPNOTSUPP},
		{77, nil, linux.EINVAL},
		{-1, nil, linux.EINVAL},
	} {
		if _, errno := th.TimerCreate(c.clock, c.event); errno != c.want {
			t.Errorf("clock %d, event %+v: %v, want %v", c.clock, c.event, errno, c.want)
		}
	}
	if id, _ := th.TimerCreate(unix.CLOCK_MONOTONIC, nil); id != 4 {
		t.Errorf("the fifth timer has number %d", id)
	}
	p := th.Proc
	p.SetLimit(unix.RLIMIT_SIGPENDING, linux.Rlimit{Cur: 5, Max: 5})
	if _, errno := th.TimerCreate(unix.CLOCK_MONOTONIC, nil); errno != linux.EAGAIN {
		t.Errorf("beyond RLIMIT_SIGPENDING: %v", errno)
	}
	if _, _, errno := p.TimerSettime(77, false, 1, 1); errno != linux.EINVAL {
		t.Errorf("settime of no timer: %v", errno)
	}
	p.timers.stop()
	if _, errno := th.TimerCreate(unix.CLOCK_MONOTONIC, nil); errno != linux.EAGAIN {
		t.Errorf("after the end of the process: %v", errno)
	}
}

func TestForgetKeepsOthers(t *testing.T) {
	th := testThread(t, "/", "/")
	p := th.Proc
	x := &posixTimer{id: 3, signal: linux.SIGRTMIN}
	for _, info := range []linux.SigInfo{
		linux.QueueInfo(linux.SIGRTMIN, 3, 0, 1), linux.TimerInfo(linux.SIGRTMIN, 3, 0, 0), linux.TimerInfo(linux.SIGRTMIN, 4, 0, 0),
	} {
		p.pending.add(info)
	}
	x.forget(p)
	if len(p.pending.infos) != 2 || p.pending.timerPending(3) != nil || p.pending.timerPending(4) == nil || !p.pending.set.Has(linux.SIGRTMIN) {
		t.Errorf("left: %v of %v", p.pending.infos, p.pending.set)
	}
}
