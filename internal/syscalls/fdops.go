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
		Call{Name: "read", Group: GroupBase, Args: args("fd", "fd", "buf", "ptr", "count", "size"), Do: fileCall(read)},
		Call{Name: "write", Group: GroupBase, Args: args("fd", "fd", "buf", "buf", "count", "size"), Do: fileCall(write)},
		Call{Name: "readv", Group: GroupBase, Args: args("fd", "fd", "iov", "ptr", "count", "size"), Do: fileCall(readv)},
		Call{Name: "writev", Group: GroupBase, Args: args("fd", "fd", "iov", "ptr", "count", "size"), Do: fileCall(writev)},
		Call{Name: "pread64", Group: GroupBase, Args: args("fd", "fd", "buf", "ptr", "count", "size", "offset", "int"), Do: fileCall(pread)},
		Call{Name: "pwrite64", Group: GroupBase, Args: args("fd", "fd", "buf", "buf", "count", "size", "offset", "int"), Do: fileCall(pwrite)},
		Call{Name: "preadv", Group: GroupBase, Args: args("fd", "fd", "iov", "ptr", "count", "size", "offset", "int", "high", "int"), Do: fileCall(preadv)},
		Call{Name: "pwritev", Group: GroupBase, Args: args("fd", "fd", "iov", "ptr", "count", "size", "offset", "int", "high", "int"), Do: fileCall(pwritev)},
		Call{Name: "preadv2", Group: GroupBase, Args: args("fd", "fd", "iov", "ptr", "count", "size", "offset", "int", "high", "int", "flags", "hex"), Do: fileCall(preadv2)},
		Call{Name: "pwritev2", Group: GroupBase, Args: args("fd", "fd", "iov", "ptr", "count", "size", "offset", "int", "high", "int", "flags", "hex"), Do: fileCall(pwritev2)},
		Call{Name: "lseek", Group: GroupBase, Args: args("fd", "fd", "offset", "int", "whence", "int"), Do: fileCall(lseek)},
	)
}

// buffer checks the buffer of read(2) or write(2) in the order of vfs_read.
func buffer(at engine.GVA, n uint64) ([]mm.Range, linux.Errno) {
	switch {
	case n > uint64(mm.UserEnd) || at > mm.UserEnd-engine.GVA(n):
		return nil, linux.EFAULT
	case n == 0:
		return nil, 0
	}
	return []mm.Range{{Addr: at, Len: n}}, 0
}

// readVector copies in an array of buffers (import_iovec).
func readVector(t *kernel.Thread, at engine.GVA, n uint64) ([]mm.Range, linux.Errno) {
	if n > linux.UIO_MAXIOV {
		return nil, linux.EINVAL
	}
	iov, errno := mm.ReadSlice[linux.Iovec](t.Proc.AS(), at, int(n))
	if errno != 0 {
		return nil, errno
	}
	for _, v := range iov {
		if int64(v.Len) < 0 {
			return nil, linux.EINVAL
		}
	}
	ranges := make([]mm.Range, 0, len(iov))
	left := uint64(mm.MaxTransfer)
	for _, v := range iov {
		size := min(v.Len, left)
		if _, errno := buffer(engine.GVA(v.Base), size); errno != 0 {
			return nil, errno
		}
		ranges = append(ranges, mm.Range{Addr: engine.GVA(v.Base), Len: size})
		left -= size
	}
	return ranges, 0
}

func total(ranges []mm.Range) (n uint64) {
	for _, r := range ranges {
		n += r.Len
	}
	return n
}

// clip shortens the ranges to n bytes.
func clip(ranges []mm.Range, n uint64) []mm.Range {
	out := append([]mm.Range(nil), ranges...)
	for i := range out {
		out[i].Len = min(out[i].Len, n)
		n -= out[i].Len
	}
	return out
}

// transferred is the result of I/O.
func transferred(n int, errno linux.Errno) (uint64, linux.Errno) { return uint64(n), errno }

func readInto(t *kernel.Thread, f *kernel.File, to []mm.Range, errno linux.Errno) (n uint64, _ linux.Errno) {
	if errno == 0 {
		n, errno = transferred(t.Read(f, to))
	}
	return n, modeFirst(f, unix.O_WRONLY, errno)
}

// writeAll writes at an offset, or at the position for -1, as far as
// RLIMIT_FSIZE allows.
func writeAll(t *kernel.Thread, f *kernel.File, from []mm.Range, errno linux.Errno, offset int64, flags int) (uint64, linux.Errno) {
	n := total(from)
	room := n
	if errno == 0 {
		room, errno = t.FileRoom(f, offset, n)
	}
	if errno != 0 {
		return 0, modeFirst(f, unix.O_RDONLY, errno)
	}
	if room < n {
		from = clip(from, room)
	}
	if offset < 0 && flags == 0 {
		n, errno = transferred(t.Write(f, from))
	} else {
		n, errno = transferred(t.WriteAt(f, from, offset, flags))
	}
	return n, modeFirst(f, unix.O_RDONLY, errno)
}

// modeFirst returns EBADF rather than the error of a bad buffer if the file is
// open in the mode that does not allow the transfer.
func modeFirst(f *kernel.File, wrong int, errno linux.Errno) linux.Errno {
	if errno != linux.EFAULT && errno != linux.EINVAL {
		return errno
	}
	if flags, e := f.Flags(); e == 0 && (flags&unix.O_ACCMODE == wrong || flags&unix.O_PATH != 0) {
		return linux.EBADF
	}
	return errno
}

func read(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	if a[2] == 0 && f.Ops == nil {
		_, err := unix.Read(f.Host, nil) // some files refuse it
		return done(err)
	}
	to, errno := buffer(a.Addr(1), a[2])
	return readInto(t, f, to, errno)
}

func write(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	if a[2] == 0 && f.Ops == nil {
		_, err := unix.Write(f.Host, nil)
		return 0, t.BrokenPipe(linux.FromHost(err))
	}
	from, errno := buffer(a.Addr(1), a[2])
	return writeAll(t, f, from, errno, -1, 0)
}

func readv(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	to, errno := readVector(t, a.Addr(1), a[2])
	return readInto(t, f, to, errno)
}

func writev(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	from, errno := readVector(t, a.Addr(1), a[2])
	return writeAll(t, f, from, errno, -1, 0)
}

// readAtOffset is the common part of the positioned reads.
func readAtOffset(t *kernel.Thread, f *kernel.File, to []mm.Range, errno linux.Errno, offset int64, flags int) (n uint64, _ linux.Errno) {
	if errno == 0 {
		n, errno = transferred(t.ReadAt(f, to, offset, flags))
	}
	return n, modeFirst(f, unix.O_WRONLY, errno)
}

func pread(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	if int64(a[3]) < 0 {
		return 0, linux.EINVAL
	}
	to, errno := buffer(a.Addr(1), a[2])
	return readAtOffset(t, f, to, errno, int64(a[3]), 0)
}

func pwrite(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	if int64(a[3]) < 0 {
		return 0, linux.EINVAL
	}
	from, errno := buffer(a.Addr(1), a[2])
	return writeAll(t, f, from, errno, int64(a[3]), 0)
}

// On amd64 the whole offset of preadv and its kin is in the argument that is
// called the lower half.
func preadv(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	if int64(a[3]) < 0 {
		return 0, linux.EINVAL
	}
	to, errno := readVector(t, a.Addr(1), a[2])
	return readAtOffset(t, f, to, errno, int64(a[3]), 0)
}

func pwritev(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	if int64(a[3]) < 0 {
		return 0, linux.EINVAL
	}
	from, errno := readVector(t, a.Addr(1), a[2])
	return writeAll(t, f, from, errno, int64(a[3]), 0)
}

func preadv2(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	offset, flags := int64(a[3]), int(a.Int(5))
	if offset < -1 {
		return 0, linux.EINVAL
	}
	to, errno := readVector(t, a.Addr(1), a[2])
	if offset < 0 && flags == 0 {
		return readInto(t, f, to, errno)
	}
	return readAtOffset(t, f, to, errno, offset, flags)
}

func pwritev2(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	offset := int64(a[3])
	if offset < -1 {
		return 0, linux.EINVAL
	}
	from, errno := readVector(t, a.Addr(1), a[2])
	return writeAll(t, f, from, errno, offset, int(a.Int(5)))
}

func lseek(_ *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	at, errno := f.Lseek(int64(a[1]), int(a.Uint(2)))
	return uint64(at), errno
}
