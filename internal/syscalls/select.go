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
		Call{Name: "select", Group: GroupBase, Args: args("count", "int", "read", "ptr", "write", "ptr", "except", "ptr", "timeout", "ptr"), Do: selectCall},
		Call{Name: "pselect6", Group: GroupBase, Args: args("count", "int", "read", "ptr", "write", "ptr", "except", "ptr", "timeout", "ptr", "mask", "ptr"), Do: pselect6},
	)
}

// Events of poll(2) that the unix package lacks.
const (
	pollRdNorm = 0x40
	pollRdBand = 0x80
	pollWrNorm = 0x100
	pollWrBand = 0x200
)

// selectKinds are the three sets of select(2): what is asked of poll, and
// which answers count (fs/select.c).
var selectKinds = [3]struct{ events, ready int16 }{
	{unix.POLLIN | pollRdNorm | pollRdBand, unix.POLLIN | pollRdNorm | pollRdBand | unix.POLLHUP | unix.POLLERR},
	{unix.POLLOUT | pollWrNorm | pollWrBand, unix.POLLOUT | pollWrNorm | pollWrBand | unix.POLLERR},
	{unix.POLLPRI, unix.POLLPRI},
}

// fdSets are the sets of one call: bit n%64 of word n/64 is descriptor n.
type fdSets [3][]uint64

func has(set []uint64, fd int32) bool { return set != nil && set[fd/64]>>(fd%64)&1 != 0 }

// leastTable is the size of a descriptor table that has grown once, which is
// what programs started by a shell have.
const leastTable = 256

// selectWords is how many words of the sets count: bits beyond the descriptor
// table are not looked at, however large the program says its sets are.
func selectWords(t *kernel.Thread, count int32) int {
	words := (max(leastTable, t.Proc.Files.Span()) + 63) / 64
	return min(words, (int(count)+63)/64)
}

func readSets(t *kernel.Thread, at [3]engine.GVA, words int) (sets fdSets, errno linux.Errno) {
	for i, a := range at {
		if a == 0 {
			continue
		}
		if sets[i], errno = mm.ReadSlice[uint64](t.Proc.AS(), a, words); errno != 0 {
			return sets, errno
		}
	}
	return sets, 0
}

// pollFds turns the sets into a poll set of the descriptors below count.
func (sets *fdSets) pollFds(count int32) []linux.PollFd {
	var fds []linux.PollFd
	for fd := range count {
		events := int16(0)
		for i, kind := range selectKinds {
			if has(sets[i], fd) {
				events |= kind.events
			}
		}
		if events != 0 {
			fds = append(fds, linux.PollFd{Fd: fd, Events: events})
		}
	}
	return fds
}

// results clears the sets but for what is ready, and counts the bits.
func (sets *fdSets) results(fds []linux.PollFd) (bits uint64) {
	asked := *sets
	for i, set := range sets {
		sets[i] = make([]uint64, len(set))
	}
	for _, p := range fds {
		for i, kind := range selectKinds {
			if has(asked[i], p.Fd) && p.Revents&kind.ready != 0 {
				sets[i][p.Fd/64] |= 1 << (p.Fd % 64)
				bits++
			}
		}
	}
	return bits
}

// selectAt is core_sys_select.
func selectAt(t *kernel.Thread, count int32, at [3]engine.GVA, deadline int64) (uint64, linux.Errno) {
	if count < 0 {
		return 0, linux.EINVAL
	}
	words := selectWords(t, count)
	sets, errno := readSets(t, at, words)
	if errno != 0 {
		return 0, errno
	}
	fds := sets.pollFds(min(count, int32(words*64)))
	s := newPollSet(t, fds)
	defer s.release()
	if s.bad > 0 {
		return 0, linux.EBADF
	}
	if errno := s.waitSelect(t, deadline); errno != 0 {
		return 0, errno
	}
	bits := sets.results(fds)
	for i, a := range at {
		if a == 0 {
			continue
		}
		if errno := mm.WriteSlice(t.Proc.AS(), a, sets[i]); errno != 0 {
			return 0, errno
		}
	}
	return bits, 0
}

// waitSelect waits until something that select looks for is ready: POLLERR and
// POLLHUP, which poll always reports, do not end the wait of a set of
// exceptions.
func (s *pollSet) waitSelect(t *kernel.Thread, deadline int64) linux.Errno {
	for {
		n, errno := s.wait(t, deadline)
		if errno != 0 || n == 0 {
			return errno
		}
		for i := range s.fds {
			p := &s.fds[i]
			for _, kind := range selectKinds {
				if p.Events&kind.events != 0 && p.Revents&kind.ready != 0 {
					return 0
				}
			}
			if p.Revents != 0 { // nothing more will come of it
				p.Revents, s.hosts[i].Fd = 0, -1
			}
		}
	}
}

func selectCall(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	limit, errno := readLimit(t, a.Addr(4), timevalLimit)
	if errno != 0 {
		return 0, errno
	}
	n, errno := selectAt(t, a.Int(0), [3]engine.GVA{a.Addr(1), a.Addr(2), a.Addr(3)}, limit.deadline)
	return limit.finish(t, n, errno, false)
}

func pselect6(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	var mask linux.SigSetArg
	errno := linux.Errno(0)
	if a[5] != 0 {
		if mask, errno = mm.Read[linux.SigSetArg](t.Proc.AS(), a.Addr(5)); errno != 0 {
			return 0, errno
		}
	}
	limit, errno := readLimit(t, a.Addr(4), timespecLimit)
	if errno != 0 {
		return 0, errno
	}
	if mask.Set != 0 {
		set, errno := sigSetAt(t, engine.GVA(mask.Set), mask.Size)
		if errno != 0 {
			return 0, errno
		}
		t.SetTemporaryMask(set)
	}
	n, errno := selectAt(t, a.Int(0), [3]engine.GVA{a.Addr(1), a.Addr(2), a.Addr(3)}, limit.deadline)
	return limit.finish(t, n, errno, mask.Set != 0)
}
