package syscalls

import (
	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func init() {
	register(
		Call{Name: "poll", Group: GroupBase, Args: args("fds", "ptr", "count", "uint", "timeout", "int"), Do: poll},
		Call{Name: "ppoll", Group: GroupBase, Args: args("fds", "ptr", "count", "uint", "timeout", "ptr", "mask", "ptr", "size", "size"), Do: ppoll},
	)
}

// maxPoll bounds a poll set beside RLIMIT_NOFILE, which may be unlimited.
const maxPoll = 1 << 20

// pollSet is a set of descriptors to wait for. Its files are held.
type pollSet struct {
	fds   []linux.PollFd // the program's descriptors; Revents are results
	hosts []unix.PollFd  // the same in the host's terms, -1 for what is not asked
	files []*kernel.File
	bad   int // descriptors that are not open
}

// newPollSet holds the files of fds.
func newPollSet(t *kernel.Thread, fds []linux.PollFd) *pollSet {
	s := &pollSet{fds: fds, hosts: make([]unix.PollFd, len(fds))}
	for i := range fds {
		fds[i].Revents = 0
		s.hosts[i] = unix.PollFd{Fd: -1, Events: fds[i].Events}
		if fds[i].Fd < 0 {
			continue
		}
		f, errno := t.Proc.Files.Get(fds[i].Fd)
		if errno != 0 {
			fds[i].Revents = unix.POLLNVAL
			s.bad++
			continue
		}
		s.files = append(s.files, f)
		s.hosts[i].Fd = int32(f.Host)
	}
	return s
}

func (s *pollSet) release() {
	for _, f := range s.files {
		f.Release()
	}
}

// wait waits until something is ready and returns how many are: 0 after the
// deadline. What is ready counts more than a signal, and a signal more than
// the deadline (do_poll).
func (s *pollSet) wait(t *kernel.Thread, deadline int64) (int, linux.Errno) {
	if len(s.hosts) > 0 {
		n, err := unix.Ppoll(s.hosts, &unix.Timespec{}, nil)
		if err != nil && err != unix.EINTR {
			return 0, linux.FromHost(err)
		}
		if n > 0 || s.bad > 0 {
			return s.collect(), 0
		}
	}
	switch errno := t.Block(&kernel.Wait{What: "poll", Fds: s.hosts, Deadline: deadline}); errno {
	case 0:
		return s.collect(), 0
	case linux.ETIMEDOUT:
		return 0, 0
	default:
		return 0, errno
	}
}

// collect copies the host's answer and counts what is ready.
func (s *pollSet) collect() int {
	n := s.bad
	for i, h := range s.hosts {
		if h.Fd >= 0 && h.Revents != 0 {
			s.fds[i].Revents = h.Revents
			n++
		}
	}
	return n
}

// pollAt polls a set in the program's memory.
func pollAt(t *kernel.Thread, at engine.GVA, count uint32, deadline int64) (uint64, linux.Errno) {
	if uint64(count) > min(openLimit(t), maxPoll) {
		return 0, linux.EINVAL
	}
	fds, errno := mm.ReadSlice[linux.PollFd](t.Proc.AS(), at, int(count))
	if errno != 0 {
		return 0, errno
	}
	s := newPollSet(t, fds)
	defer s.release()
	n, errno := s.wait(t, deadline)
	if errno != 0 {
		return 0, errno
	}
	return uint64(n), writeRevents(t, at, fds)
}

// writeRevents writes the results and nothing else: other threads may use the
// rest of the structures.
func writeRevents(t *kernel.Thread, at engine.GVA, fds []linux.PollFd) linux.Errno {
	const size, revents = 8, 6
	for i := range fds {
		if errno := mm.Write(t.Proc.AS(), at+engine.GVA(i*size+revents), fds[i].Revents); errno != 0 {
			return errno
		}
	}
	return 0
}

// msDeadline is the deadline of a time-out in milliseconds, negative for none.
func msDeadline(t *kernel.Thread, ms int32) int64 {
	if ms < 0 {
		return kernel.Never
	}
	return t.Kernel().Clock().After(int64(ms) * 1e6)
}

func poll(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return pollUntil(t, a.Addr(0), a.Uint(1), msDeadline(t, a.Int(2)))
}

// pollUntil is poll(2) with its deadline fixed, so that an interrupted call
// does not start its time-out anew.
func pollUntil(t *kernel.Thread, at engine.GVA, count uint32, deadline int64) (uint64, linux.Errno) {
	n, errno := pollAt(t, at, count, deadline)
	if errno == linux.ERESTARTSYS {
		t.SetRestart(func(t *kernel.Thread) (uint64, linux.Errno) { return pollUntil(t, at, count, deadline) })
		errno = linux.ERESTART_RESTARTBLOCK
	}
	return n, errno
}

func ppoll(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	limit, errno := readLimit(t, a.Addr(2), timespecLimit)
	if errno != 0 {
		return 0, errno
	}
	masked := false
	if a[3] != 0 {
		set, errno := sigSetAt(t, a.Addr(3), a[4])
		if errno != 0 {
			return 0, errno
		}
		t.SetTemporaryMask(set)
		masked = true
	}
	n, errno := pollAt(t, a.Addr(0), a.Uint(1), limit.deadline)
	return limit.finish(t, n, errno, masked)
}

// waitLimit is the time-out of ppoll and select: a structure in the program's
// memory that is updated with what remains.
type waitLimit struct {
	at       engine.GVA // 0: none
	form     limitForm
	deadline int64
}

// limitForm is the structure of a time-out.
type limitForm uint8

const (
	timespecLimit limitForm = iota
	timevalLimit
)

func readLimit(t *kernel.Thread, at engine.GVA, form limitForm) (waitLimit, linux.Errno) {
	l := waitLimit{at: at, form: form, deadline: kernel.Never}
	if at == 0 {
		return l, 0
	}
	var ns int64
	var errno linux.Errno
	if form == timespecLimit {
		ns, errno = readTimeout(t, at)
	} else {
		ns, errno = readTimeval(t, at)
	}
	l.deadline = t.Kernel().Clock().After(ns)
	return l, errno
}

// readTimeval copies in the time-out of select(2): unlike elsewhere a second
// or more of microseconds is taken.
func readTimeval(t *kernel.Thread, at engine.GVA) (int64, linux.Errno) {
	tv, errno := mm.Read[linux.Timeval](t.Proc.AS(), at)
	if errno != 0 {
		return 0, errno
	}
	if tv.Sec < 0 || tv.Usec < 0 {
		return 0, linux.EINVAL
	}
	const most = kernel.Never / int64(1e9)
	seconds := tv.Usec / 1e6
	if tv.Sec >= most || seconds >= most || tv.Sec+seconds >= most {
		return kernel.Never, 0
	}
	return (tv.Sec+seconds)*1e9 + tv.Usec%1e6*1e3, 0
}

// finish writes what remains, puts the signal mask back and decides on the
// restart: a call whose time-out cannot be written is not restarted, as it
// would wait too long (poll_select_finish).
func (l waitLimit) finish(t *kernel.Thread, n uint64, errno linux.Errno, masked bool) (uint64, linux.Errno) {
	interrupted := errno == linux.ERESTARTSYS
	if masked {
		t.RestoreMask(interrupted)
	}
	if interrupted {
		errno = linux.ERESTARTNOHAND
	}
	if l.at == 0 {
		return n, errno
	}
	left := unix.NsecToTimespec(max(l.deadline-t.Kernel().Clock().Monotonic(), 0))
	var werr linux.Errno
	if l.form == timespecLimit {
		werr = mm.Write(t.Proc.AS(), l.at, left)
	} else {
		werr = mm.Write(t.Proc.AS(), l.at, linux.ToTimeval(left))
	}
	if werr != 0 && interrupted {
		errno = linux.EINTR
	}
	return n, errno
}
