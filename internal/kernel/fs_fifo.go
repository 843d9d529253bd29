package kernel

import (
	"path"
	"time"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// fifoWait emulates what blocks in open(2): a FIFO whose other end nobody has
// open, and a file somebody holds a lease on. The host's open would block a
// thread beyond anybody's reach, so it is called with O_NONBLOCK and repeated.
// The host tells of a partner by no event; hence the pauses.
type fifoWait struct {
	t     *Thread
	pause time.Duration
}

// Bounds of the pause between two looks.
const (
	minFIFOPause = time.Millisecond
	maxFIFOPause = 20 * time.Millisecond
)

func (w *fifoWait) sleep() linux.Errno {
	w.pause = min(max(2*w.pause, minFIFOPause), maxFIFOPause)
	return w.t.Sleep("open", w.t.Kernel().clock.After(int64(w.pause)))
}

// retry reports whether an error means that the program has to wait: ENXIO
// may be a FIFO without a reader, EAGAIN a lease.
func (w *fifoWait) retry(errno linux.Errno, flags uint64) bool {
	if w.t == nil || flags&unix.O_NONBLOCK != 0 {
		return false
	}
	return errno == linux.EAGAIN || errno == linux.ENXIO && flags&unix.O_ACCMODE == unix.O_WRONLY
}

func (fs *FileSystem) isFIFO(t *Thread, at At) bool {
	n, errno := fs.Lookup(t, at, 0)
	if errno != 0 {
		return false
	}
	defer n.Close()
	return n.mode()&unix.S_IFMT == unix.S_IFIFO
}

// wantsWriter reports whether f is a FIFO that waits for a writer. Pipes
// without a name do not, when they are opened by way of /proc.
func (w *fifoWait) wantsWriter(ns *namespace, f *File, flags uint64) bool {
	if w.t == nil || f.seekable || flags&(unix.O_ACCMODE|unix.O_NONBLOCK|unix.O_PATH) != 0 || modeOf(f.Host)&unix.S_IFMT != unix.S_IFIFO {
		return false
	}
	name, err := ns.hostPath(f.Host)
	return err == nil && path.IsAbs(name)
}

// forWriter waits until somebody has, or had, the FIFO open for writing.
func (w *fifoWait) forWriter(f *File) (*File, linux.Errno) {
	var scratch [2]int
	if err := unix.Pipe2(scratch[:], unix.O_CLOEXEC); err != nil {
		f.Release()
		return nil, linux.FromHost(err)
	}
	defer unix.Close(scratch[0])
	defer unix.Close(scratch[1])
	for !hasWriter(f.Host, scratch[1]) {
		if errno := w.sleep(); errno != 0 {
			f.Release()
			return nil, errno
		}
	}
	return f, 0
}

// hasWriter looks without taking anything out: tee(2) from a pipe that is
// empty gives 0 without writers and EAGAIN with them.
func hasWriter(fifo, scratch int) bool {
	if Ready(fifo, unix.POLLIN) { // also POLLHUP: a writer came and went
		return true
	}
	n, err := unix.Tee(fifo, scratch, 1, unix.SPLICE_F_NONBLOCK)
	return n > 0 || err == unix.EAGAIN
}
