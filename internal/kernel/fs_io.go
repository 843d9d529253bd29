package kernel

import (
	"golang.org/x/sys/unix"

	"torov/internal/linux"
	"torov/internal/mm"
)

// positioned is I/O at an offset, in the shape of preadv2(2).
type positioned struct {
	offset int64 // -1: the file's own position
	flags  int   // RWF_*
	host   func(fd int, bufs [][]byte, offset int64, flags int) (int, error)
}

func (p *positioned) do(f *File, b *mm.Buffers) (int, linux.Errno) {
	n, errno := hostResult(p.host(f.Host, b.Bufs, p.offset, p.flags))
	if p.offset >= 0 {
		p.offset += int64(n)
	}
	return n, errno
}

// ReadAt reads at an offset, or at the position for -1, as preadv2(2).
func (t *Thread) ReadAt(f *File, to []mm.Range, offset int64, flags int) (int, linux.Errno) {
	return t.transferAt(f, to, mm.AccessWrite, unix.POLLIN, positioned{offset, flags, unix.Preadv2})
}

// WriteAt writes at an offset, or at the position for -1, as pwritev2(2).
func (t *Thread) WriteAt(f *File, from []mm.Range, offset int64, flags int) (int, linux.Errno) {
	n, errno := t.transferAt(f, from, mm.AccessRead, unix.POLLOUT, positioned{offset, flags, unix.Pwritev2})
	return n, t.BrokenPipe(errno)
}

func (t *Thread) transferAt(f *File, ranges []mm.Range, acc mm.Access, events int16, p positioned) (int, linux.Errno) {
	if f.Ops != nil {
		return 0, linux.ESPIPE
	}
	return t.transfer(f, ranges, acc, func(b *mm.Buffers) (int, linux.Errno) {
		if p.flags&unix.RWF_NOWAIT != 0 || f.seekable {
			n, errno := p.do(f, b)
			b.Filled(filled(acc, n))
			return n, errno
		}
		return t.RetryBlocking(f, "read or write", events, Never, func() (int, linux.Errno) {
			if !f.Private() && !Ready(f.Host, events) {
				return 0, linux.EAGAIN
			}
			n, errno := p.do(f, b)
			b.Filled(filled(acc, n))
			return n, errno
		})
	})
}

// filled is how much of the program's memory a transfer has changed.
func filled(acc mm.Access, n int) int {
	if acc == mm.AccessWrite {
		return n
	}
	return 0
}

// WriteBytes writes what the kernel itself has at the file's position, waiting
// like Write, until everything is written or something stops it.
func (t *Thread) WriteBytes(f *File, b []byte) (int, linux.Errno) {
	done := 0
	for done < len(b) {
		n, errno := t.RetryBlocking(f, "write", unix.POLLOUT, Never, func() (int, linux.Errno) {
			return t.tryWrite(f, &mm.Buffers{Bufs: [][]byte{b[done:]}, Size: len(b) - done})
		})
		if errno != 0 {
			return done, errno
		}
		done += n
	}
	return done, 0
}

// FileRoom returns how many of n bytes may be written at an offset, -1 for the
// position, under RLIMIT_FSIZE: none at all is EFBIG and SIGXFSZ.
func (t *Thread) FileRoom(f *File, offset int64, n uint64) (uint64, linux.Errno) {
	limit := t.Proc.Limit(unix.RLIMIT_FSIZE).Cur
	var st unix.Stat_t
	if limit == unix.RLIM_INFINITY || !f.seekable || n == 0 || unix.Fstat(f.Host, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return n, 0
	}
	if flags, err := unix.FcntlInt(uintptr(f.Host), unix.F_GETFL, 0); err == nil && flags&unix.O_APPEND != 0 {
		offset = st.Size
	} else if offset < 0 {
		offset, _ = unix.Seek(f.Host, 0, unix.SEEK_CUR) // a regular file has a position
	}
	if uint64(offset) >= limit {
		t.Signal(linux.KernelInfo(linux.SIGXFSZ))
		return 0, linux.EFBIG
	}
	return min(n, limit-uint64(offset)), 0
}

// Changeable says whether the metadata of an open file may be changed: EROFS
// on a read-only mount, EBADF for O_PATH files.
func (fs *FileSystem) Changeable(f *File) linux.Errno {
	if f.PathOnly() {
		return linux.EBADF
	}
	if f.Private() && fs.ns.mountOf(f.Path).readOnly {
		return linux.EROFS
	}
	return 0
}
