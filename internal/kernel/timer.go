package kernel

import (
	"math"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// timers are a process's interval timers (setitimer(2)) and POSIX timers
// (timer_create(2)). mu is taken before every other lock of the kernel: a
// timer that expires sends its signal with mu held.
type timers struct {
	mu       sync.Mutex
	stopped  bool
	interval [unix.ITIMER_PROF + 1]*timer
	posix    map[int32]*posixTimer
	nextID   int32
}

// timer is one timer. Times are nanoseconds of its clock.
type timer struct {
	clock    timerClock
	due      int64 // 0: not armed
	interval int64 // 0: once
	// expired is called with timers.mu held; missed says how many periods
	// beyond the first have passed.
	expired func(missed int64)

	wake *time.Timer
	arms int // a callback of an earlier arming finds another number
}

// timerClock is what a timer counts.
type timerClock struct {
	now func() int64
	// wait says how long it is worth sleeping when left nanoseconds are to go
	// on the clock.
	wait func(left int64) int64
}

const (
	// cpuTick is how often a clock of processor time is looked at: it cannot
	// be slept on. It is Linux's own tick at HZ=250.
	cpuTick = 4 * int64(time.Millisecond)
	// stepTick bounds how late a timer on an absolute wall-clock time comes
	// after somebody has set the clock forward.
	stepTick = int64(time.Second)
	// leastWait keeps a timer with a tiny period from taking a processor: it
	// expires less often and counts what it missed.
	leastWait = 50 * int64(time.Microsecond)
)

func steadyWait(left int64) int64 { return left }

func steppedWait(left int64) int64 { return min(left, stepTick) }

// cpuWait: processor time passes at most once per processor.
func cpuWait(left int64) int64 { return max(left/int64(runtime.NumCPU()), cpuTick) }

// hostTimerClock returns the clock with a host clock id.
func (k *Kernel) hostTimerClock(id int32, wait func(int64) int64) timerClock {
	return timerClock{wait: wait, now: func() int64 {
		ns, _ := k.clock.Now(id) // 0, and the timer waits, after the thread of a clock has ended
		return ns
	}}
}

// userTime is the processor time the VMM spent outside its host kernel, which
// is where the program runs: what ITIMER_VIRTUAL counts, and a little more.
func userTime() int64 {
	var ru unix.Rusage
	if unix.Getrusage(unix.RUSAGE_SELF, &ru) != nil {
		return 0
	}
	return ru.Utime.Nano()
}

// arm sets the timer to a time of its clock; due 0 disarms it.
func (s *timers) arm(t *timer, due, interval int64) {
	t.arms++
	if t.wake != nil {
		t.wake.Stop()
		t.wake = nil
	}
	t.due, t.interval = due, interval
	if due == 0 || s.stopped || t.expired == nil {
		return
	}
	arms := t.arms
	wait := t.clock.wait(max(due-t.clock.now(), 0))
	t.wake = time.AfterFunc(time.Duration(wait), func() { s.fire(t, arms) })
}

// fire is the callback of an arming.
func (s *timers) fire(t *timer, arms int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.arms != arms || s.stopped {
		return
	}
	now := t.clock.now()
	if left := t.due - now; left > 0 {
		t.wake.Reset(time.Duration(max(t.clock.wait(left), leastWait)))
		return
	}
	missed := int64(0)
	if t.interval == 0 {
		t.due = 0
	} else {
		missed = (now - t.due) / t.interval
		t.due = later(t.due+missed*t.interval, t.interval)
		t.wake.Reset(time.Duration(max(t.clock.wait(t.due-now), leastWait)))
	}
	t.expired(missed)
}

// left returns the time to the next expiry, at least 1 for an armed timer and
// 0 for one that is not.
func (t *timer) left() int64 {
	if t.due == 0 {
		return 0
	}
	left := t.due - t.clock.now()
	switch {
	case left > 0:
		return left
	case t.interval > 0: // on its way
		return t.interval - (-left)%t.interval
	case t.expired == nil:
		return 0 // SIGEV_NONE: nobody notices, it is simply over
	}
	return 1
}

// stop ends all timers for good.
func (s *timers) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = true
	for _, t := range s.interval {
		if t != nil {
			s.arm(t, 0, 0)
		}
	}
	for _, t := range s.posix {
		s.arm(&t.timer, 0, 0)
	}
	s.posix = nil
}

// intervalSignals are what the timers of setitimer(2) send.
var intervalSignals = [...]linux.Signal{
	unix.ITIMER_REAL: linux.SIGALRM, unix.ITIMER_VIRTUAL: linux.SIGVTALRM, unix.ITIMER_PROF: linux.SIGPROF,
}

// Setitimer sets an interval timer, value nanoseconds from now (0 disarms),
// and returns what was left and the period of the old setting. ITIMER_VIRTUAL
// and ITIMER_PROF count the processor time of the whole VMM.
func (p *Process) Setitimer(which int, value, interval int64) (oldValue, oldInterval int64) {
	s := &p.timers
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.interval[which]
	if t == nil {
		t = &timer{clock: p.intervalClock(which)}
		t.expired = func(int64) { p.Signal(linux.KernelInfo(intervalSignals[which])) }
		s.interval[which] = t
	}
	oldValue, oldInterval = t.left(), t.interval
	if value == 0 {
		s.arm(t, 0, 0)
	} else {
		s.arm(t, later(t.clock.now(), value), interval)
	}
	return oldValue, oldInterval
}

// Getitimer returns what is left of an interval timer and its period.
func (p *Process) Getitimer(which int) (value, interval int64) {
	p.timers.mu.Lock()
	defer p.timers.mu.Unlock()
	if t := p.timers.interval[which]; t != nil {
		return t.left(), t.interval
	}
	return 0, 0
}

func (p *Process) intervalClock(which int) timerClock {
	switch which {
	case unix.ITIMER_VIRTUAL:
		return timerClock{now: userTime, wait: cpuWait}
	case unix.ITIMER_PROF:
		return p.Kernel.hostTimerClock(unix.CLOCK_PROCESS_CPUTIME_ID, cpuWait)
	}
	return p.Kernel.hostTimerClock(unix.CLOCK_MONOTONIC, steadyWait)
}

// later adds a duration to a time without overflow.
func later(now, d int64) int64 {
	if d > math.MaxInt64-now {
		return math.MaxInt64
	}
	return now + d
}

// dropPosix removes the POSIX timers, as execve(2) does.
func (s *timers) dropPosix() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.posix {
		s.arm(&t.timer, 0, 0)
	}
	s.posix = nil
}
