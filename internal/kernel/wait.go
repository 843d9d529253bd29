package kernel

import (
	"encoding/binary"
	"slices"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// Pause asks the thread to report EventPause as soon as it can: at once when
// it runs the program or waits, else when the system call it is in has done
// what cannot be interrupted.
func (t *Thread) Pause() {
	t.paused.Store(true)
	t.poke()
}

// poke makes the thread look at its requests: out of the guest, out of a wait.
func (t *Thread) poke() {
	if t.CPU != nil {
		t.CPU.Interrupt()
	}
	// The lock keeps the descriptor open: its number could be another file's.
	t.wakeMu.RLock()
	defer t.wakeMu.RUnlock()
	if fd := t.wakeFD.Load(); fd >= 0 {
		one := [8]byte{1}
		// EAGAIN means that it is signalled already.
		_, _ = unix.Write(int(fd), one[:])
	}
}

// closeWake closes the eventfd of a thread that has ended.
func (t *Thread) closeWake() {
	t.wakeMu.Lock()
	defer t.wakeMu.Unlock()
	if fd := t.wakeFD.Swap(-2); fd >= 0 {
		unix.Close(int(fd))
	}
}

// wakeDescriptor returns the thread's eventfd.
func (t *Thread) wakeDescriptor() (int, linux.Errno) {
	if fd := t.wakeFD.Load(); fd >= 0 {
		return int(fd), 0
	}
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return -1, linux.EAGAIN
	}
	t.wakeFD.Store(int32(fd))
	return fd, 0
}

// Wait is what a blocked thread waits for: one of Fds ready, Done returning
// true, or Deadline. It is data, not a host thread inside somebody's call.
type Wait struct {
	What     string        // for people: "read", "futex 0x…"
	Fds      []unix.PollFd // host descriptors; Revents is filled in
	Deadline int64         // CLOCK_MONOTONIC in nanoseconds, Never for none
	Done     func() bool   // nil for none; made true before poke
	Deaf     bool          // only the end of the thread interrupts it, no signal
}

// Block waits. The result is 0 when something is ready, ETIMEDOUT after the
// deadline, ERESTARTSYS when a signal wants to be delivered. A tracer may stop
// the thread meanwhile without its noticing.
func (t *Thread) Block(w *Wait) linux.Errno {
	wake, errno := t.wakeDescriptor()
	if errno != 0 {
		return errno
	}
	fds := append(slices.Clip(w.Fds), unix.PollFd{Fd: int32(wake), Events: unix.POLLIN})
	t.waiting.Store(&w.What)
	defer t.waiting.Store(nil)
	for {
		if w.Done != nil && w.Done() {
			return 0
		}
		if errno := t.interrupted(w.Deaf); errno != 0 {
			return errno
		}
		timeout := t.timeout(w.Deadline)
		n, err := unix.Ppoll(fds, timeout, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return linux.FromHost(err)
		case n == 0:
			if w.Done != nil && w.Done() {
				return 0
			}
			return linux.ETIMEDOUT
		}
		if fds[len(fds)-1].Revents != 0 {
			var b [8]byte
			_, _ = unix.Read(wake, b[:])
			n--
		}
		if n > 0 {
			copy(w.Fds, fds)
			return 0
		}
	}
}

func (t *Thread) timeout(deadline int64) *unix.Timespec {
	if deadline == Never {
		return nil
	}
	ts := unix.NsecToTimespec(max(deadline-t.Kernel().clock.Monotonic(), 0))
	return &ts
}

// interrupted looks at the requests that end or suspend a wait.
func (t *Thread) interrupted(deaf bool) linux.Errno {
	for {
		if t.Dying() {
			return linux.ERESTARTSYS
		}
		if !t.paused.CompareAndSwap(true, false) {
			break
		}
		if t.pauseInCall() {
			return linux.ERESTARTSYS
		}
	}
	if !deaf && t.signalPending() {
		return linux.ERESTARTSYS
	}
	return 0
}

// pauseInCall reports EventPause from inside a system call. The tracer sees
// what a debugger on Linux would see: RAX is -ERESTARTSYS and OrigRAX the
// number. If it changes RIP, RAX or OrigRAX the call is given up.
func (t *Thread) pauseInCall() (abandoned bool) {
	r := t.Regs()
	rax, orig := r.RAX, t.OrigRAX
	r.RAX = linux.ERESTARTSYS.Result()
	before := *r
	t.trace(Event{Kind: EventPause})
	if *r == before && t.OrigRAX == orig {
		r.RAX = rax
		return false
	}
	if r.RIP == before.RIP && r.RSP == before.RSP && r.RAX == before.RAX && t.OrigRAX == orig {
		r.RAX = rax // only other registers were edited: the call goes on
		return false
	}
	t.abandoned = true
	return true
}

// Ready reports whether host descriptor fd is ready now.
func Ready(fd int, events int16) bool {
	fds := []unix.PollFd{{Fd: int32(fd), Events: events}}
	n, err := unix.Ppoll(fds, &unix.Timespec{}, nil)
	return err == nil && n > 0
}

// Sleep blocks until the deadline: 0 when it has come, ERESTARTSYS for a signal.
func (t *Thread) Sleep(what string, deadline int64) linux.Errno {
	if errno := t.Block(&Wait{What: what, Deadline: deadline}); errno != linux.ETIMEDOUT {
		return errno
	}
	return 0
}

// SetRestart says how restart_syscall(2) goes on with the current call, after
// ERESTART_RESTARTBLOCK.
func (t *Thread) SetRestart(f func(t *Thread) (uint64, linux.Errno)) { t.restart = f }

// RestartSyscall is restart_syscall(2).
func (t *Thread) RestartSyscall() (uint64, linux.Errno) {
	if f := t.restart; f != nil {
		return f(t)
	}
	return 0, linux.EINTR
}

func le32(v uint32) []byte { return binary.LittleEndian.AppendUint32(nil, v) }
