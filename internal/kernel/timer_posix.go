package kernel

import (
	"math"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// maxPosixTimers bounds the timers of one process, beside RLIMIT_SIGPENDING.
const maxPosixTimers = 4096

// posixTimer is a timer of timer_create(2).
type posixTimer struct {
	timer
	absolute timerClock // for TIMER_ABSTIME
	relative timerClock
	id       int32
	signal   linux.Signal // 0: SIGEV_NONE
	tid      int          // SIGEV_THREAD_ID; 0: the process
	value    uint64

	// Overruns of the signal that was queued last, and of the one before it.
	queued, delivered int32
}

// TimerCreate makes a POSIX timer that is not armed (timer_create(2)); nil
// stands for the default notification.
func (t *Thread) TimerCreate(clock int32, ev *linux.Sigevent) (int32, linux.Errno) {
	x := &posixTimer{}
	if errno := x.setClock(t, clock); errno != 0 {
		return 0, errno
	}
	s := &t.Proc.timers
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopped || uint64(len(s.posix)) >= min(maxPosixTimers, t.Proc.Limit(unix.RLIMIT_SIGPENDING).Cur) {
		return 0, linux.EAGAIN
	}
	x.id = s.nextID
	if ev == nil {
		ev = &linux.Sigevent{Notify: linux.SIGEV_SIGNAL, Signo: int32(linux.SIGALRM), Value: uint64(x.id)}
	}
	if errno := x.setNotification(t, ev); errno != 0 {
		return 0, errno
	}
	for s.posix[s.nextID] != nil || s.nextID == x.id {
		s.nextID = (s.nextID + 1) & math.MaxInt32
	}
	if s.posix == nil {
		s.posix = make(map[int32]*posixTimer)
	}
	s.posix[x.id] = x
	return x.id, 0
}

// setClock: a relative time on the wall clock does not move with its steps, so
// it counts on CLOCK_MONOTONIC (timer_settime(2)).
func (x *posixTimer) setClock(t *Thread, clock int32) linux.Errno {
	k := t.Kernel()
	switch clock {
	case unix.CLOCK_REALTIME, unix.CLOCK_TAI:
		x.absolute = k.hostTimerClock(clock, steppedWait)
		x.relative = k.hostTimerClock(unix.CLOCK_MONOTONIC, steadyWait)
	case unix.CLOCK_MONOTONIC, unix.CLOCK_BOOTTIME:
		x.absolute = k.hostTimerClock(clock, steadyWait)
		x.relative = x.absolute
	case unix.CLOCK_PROCESS_CPUTIME_ID:
		x.absolute = k.hostTimerClock(clock, cpuWait)
		x.relative = x.absolute
	case unix.CLOCK_THREAD_CPUTIME_ID:
		// The calling thread's, whoever reads it (CPUCLOCK_PERTHREAD and
		// CPUCLOCK_SCHED in include/linux/posix-timers.h).
		x.absolute = k.hostTimerClock(^int32(unix.Gettid())<<3|4|2, cpuWait)
		x.relative = x.absolute
	case unix.CLOCK_MONOTONIC_RAW, unix.CLOCK_REALTIME_COARSE, unix.CLOCK_MONOTONIC_COARSE:
		return linux.EOPNOTSUPP
	case unix.CLOCK_REALTIME_ALARM, unix.CLOCK_BOOTTIME_ALARM:
		return linux.EPERM // a program cannot wake the machine
	default:
		return linux.EINVAL
	}
	x.clock = x.relative
	return 0
}

// setNotification is good_sigevent in kernel/time/posix-timers.c.
func (x *posixTimer) setNotification(t *Thread, ev *linux.Sigevent) linux.Errno {
	x.value = ev.Value
	switch ev.Notify {
	case linux.SIGEV_NONE:
		return 0
	case linux.SIGEV_SIGNAL, linux.SIGEV_THREAD:
	case linux.SIGEV_THREAD_ID:
		target := t.Kernel().Thread(int(ev.TID))
		if target == nil || target.Proc != t.Proc {
			return linux.EINVAL
		}
		x.tid = target.TID
	default:
		return linux.EINVAL
	}
	if ev.Signo < 1 || ev.Signo > linux.NumSignals {
		return linux.EINVAL
	}
	x.signal = linux.Signal(ev.Signo)
	p := t.Proc
	x.expired = func(missed int64) { x.notify(p, missed) }
	return 0
}

// target returns where the timer's signals wait, and what sends them; nil if
// their thread has ended.
func (x *posixTimer) target(p *Process) (*sigqueue, func(linux.SigInfo) linux.Errno) {
	if x.tid == 0 {
		return &p.pending, p.Signal
	}
	if t := p.Kernel.Thread(x.tid); t != nil {
		return &t.pending, t.Signal
	}
	return nil, nil
}

// notify sends the timer's signal. While one is pending the timer does not
// queue another but counts an overrun.
func (x *posixTimer) notify(p *Process, missed int64) {
	q, send := x.target(p)
	if q == nil {
		return // the thread has ended
	}
	more := int32(min(missed+1, math.MaxInt32-int64(x.queued)))
	if q.setOverrun(x.id, x.queued+more) {
		x.queued += more
		return
	}
	x.delivered, x.queued = x.queued, int32(min(missed, math.MaxInt32))
	send(linux.TimerInfo(x.signal, x.id, x.queued, x.value))
}

// timerPending finds the signal of a POSIX timer among the pending ones.
func (q *sigqueue) timerPending(id int32) *linux.SigInfo {
	for i := range q.infos {
		// The first field of a timer's siginfo is its id, where others
		// have the pid.
		if info := &q.infos[i]; info.Code == linux.SI_TIMER && info.PID() == id {
			return info
		}
	}
	return nil
}

// setOverrun changes the overrun count of a timer's signal; false if none is
// pending.
func (q *sigqueue) setOverrun(id, n int32) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	info := q.timerPending(id)
	if info != nil {
		info.SetOverrun(n)
	}
	return info != nil
}

// forget takes back a signal that is still pending: since Linux 6.13 a timer
// that is set anew or deleted has nothing left of its old setting.
func (x *posixTimer) forget(p *Process) {
	q, _ := x.target(p)
	if q == nil {
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	more := false
	kept := q.infos[:0]
	for _, info := range q.infos {
		if info.Code == linux.SI_TIMER && info.PID() == x.id {
			continue
		}
		more = more || info.Signal() == x.signal
		kept = append(kept, info)
	}
	if len(kept) < len(q.infos) && !more {
		q.set.Del(x.signal)
	}
	q.infos = kept
}

func (s *timers) find(id int32) (*posixTimer, linux.Errno) {
	if x := s.posix[id]; x != nil {
		return x, 0
	}
	return nil, linux.EINVAL
}

// TimerSettime arms a POSIX timer, in nanoseconds; value 0 disarms it. It
// returns what was left and the period of the old setting.
func (p *Process) TimerSettime(id int32, absolute bool, value, interval int64) (oldValue, oldInterval int64, errno linux.Errno) {
	s := &p.timers
	s.mu.Lock()
	defer s.mu.Unlock()
	x, errno := s.find(id)
	if errno != 0 {
		return 0, 0, errno
	}
	oldValue, oldInterval = x.left(), x.interval
	x.forget(p)
	x.queued, x.delivered = 0, 0
	switch {
	case value == 0:
		s.arm(&x.timer, 0, 0)
	case absolute:
		x.clock = x.absolute
		s.arm(&x.timer, value, interval)
	default:
		x.clock = x.relative
		s.arm(&x.timer, later(x.clock.now(), value), interval)
	}
	return oldValue, oldInterval, 0
}

// TimerGettime returns what is left of a POSIX timer and its period.
func (p *Process) TimerGettime(id int32) (value, interval int64, errno linux.Errno) {
	p.timers.mu.Lock()
	defer p.timers.mu.Unlock()
	x, errno := p.timers.find(id)
	if errno != 0 {
		return 0, 0, errno
	}
	return x.left(), x.interval, 0
}

// TimerGetoverrun returns the overruns of the signal that was delivered last.
func (p *Process) TimerGetoverrun(id int32) (int32, linux.Errno) {
	p.timers.mu.Lock()
	defer p.timers.mu.Unlock()
	x, errno := p.timers.find(id)
	if errno != 0 {
		return 0, errno
	}
	q, _ := x.target(p)
	if q == nil {
		return x.queued, 0
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.timerPending(id) != nil {
		return x.delivered, 0
	}
	return x.queued, 0
}

// TimerDelete removes a POSIX timer.
func (p *Process) TimerDelete(id int32) linux.Errno {
	s := &p.timers
	s.mu.Lock()
	defer s.mu.Unlock()
	x, errno := s.find(id)
	if errno != 0 {
		return errno
	}
	s.arm(&x.timer, 0, 0)
	x.forget(p)
	delete(s.posix, id)
	return 0
}
