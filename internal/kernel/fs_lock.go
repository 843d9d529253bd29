package kernel

import (
	"time"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// inode names a file of the host.
type inode struct{ dev, ino uint64 }

// pause bounds between two tries to get a lock that others hold: the host
// tells of its release only those who wait inside it, beyond our reach.
const (
	minLockPause = time.Millisecond
	maxLockPause = 50 * time.Millisecond
)

// retryLock calls op until it does not fail because of somebody's lock.
func (t *Thread) retryLock(what string, op func() error) linux.Errno {
	for pause := minLockPause; ; pause = min(2*pause, maxLockPause) {
		switch err := op(); err {
		case unix.EAGAIN, unix.EACCES:
		case unix.EINTR:
			continue
		default:
			return linux.FromHost(err)
		}
		if errno := t.Sleep(what, t.Kernel().clock.After(int64(pause))); errno != 0 {
			return errno
		}
	}
}

// Flock is flock(2).
func (t *Thread) Flock(f *File, op int) linux.Errno {
	host := func() error { return unix.Flock(f.Host, op|unix.LOCK_NB) }
	if op&unix.LOCK_NB != 0 {
		return linux.FromHost(host())
	}
	return t.retryLock("flock", host)
}

// RecordLock is fcntl(2) with the F_SETLK and F_OFD_SETLK commands and their
// kin. Locks of the process are torov's on the host, which has one process.
func (t *Thread) RecordLock(f *File, cmd int, lock *linux.Flock) linux.Errno {
	wait := false
	switch cmd {
	case unix.F_SETLKW:
		cmd, wait = unix.F_SETLK, true
	case unix.F_OFD_SETLKW:
		cmd, wait = unix.F_OFD_SETLK, true
	}
	if cmd == unix.F_SETLK && lock.Type != unix.F_UNLCK {
		t.Proc.FS.noteLock(f)
	}
	host := func() error { return unix.FcntlFlock(uintptr(f.Host), cmd, lock) }
	if !wait {
		return linux.FromHost(host())
	}
	return t.retryLock("fcntl", host)
}

func (fs *FileSystem) noteLock(f *File) {
	var st unix.Stat_t
	if unix.Fstat(f.Host, &st) != nil {
		return
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	if fs.locked == nil {
		fs.locked = map[inode]bool{}
	}
	fs.locked[inode{st.Dev, st.Ino}] = true
}

// DropLocks releases the process's record locks on a file, of which a
// descriptor is being closed: it need not be the one they were made with, nor
// the last (fcntl_locking(2)).
func (fs *FileSystem) DropLocks(f *File) {
	fs.mu.Lock()
	none := len(fs.locked) == 0
	fs.mu.Unlock()
	var st unix.Stat_t
	if none || unix.Fstat(f.Host, &st) != nil {
		return
	}
	id := inode{st.Dev, st.Ino}
	fs.mu.Lock()
	held := fs.locked[id]
	delete(fs.locked, id)
	fs.mu.Unlock()
	if held {
		// Any description will do, and unlocking does not fail.
		_ = unix.FcntlFlock(uintptr(f.Host), unix.F_SETLK, &unix.Flock_t{Type: unix.F_UNLCK, Whence: unix.SEEK_SET})
	}
}
