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
		Call{Name: "sendfile", Group: GroupBase, Args: args("out", "fd", "in", "fd", "offset", "ptr", "count", "size"), Do: sendfile},
		Call{Name: "splice", Group: GroupBase, Args: args("in", "fd", "in_offset", "ptr", "out", "fd", "out_offset", "ptr", "count", "size", "flags", "hex"), Do: splice},
		Call{Name: "tee", Group: GroupBase, Args: args("in", "fd", "out", "fd", "count", "size", "flags", "hex"), Do: tee},
		Call{Name: "copy_file_range", Group: GroupBase, Args: args("in", "fd", "in_offset", "ptr", "out", "fd", "out_offset", "ptr", "count", "size", "flags", "hex"), Do: copyFileRange},
	)
}

// maxCopy bounds what one host call copies between files, so that the thread
// can be stopped in between.
const maxCopy = 128 << 20

// twoFiles looks up two descriptors; the files are valid during do.
func twoFiles(t *kernel.Thread, in, out int32, do func(in, out *kernel.File) (int, linux.Errno)) (uint64, linux.Errno) {
	x, errno := t.Proc.Files.Get(in)
	if errno != 0 {
		return 0, errno
	}
	defer x.Release()
	y, errno := t.Proc.Files.Get(out)
	if errno != 0 {
		return 0, errno
	}
	defer y.Release()
	n, errno := do(x, y)
	return uint64(n), t.BrokenPipe(errno)
}

// offsetArg is an offset in the program's memory that a call uses instead of a
// file's position, and updates; nil without one.
type offsetArg struct {
	at  engine.GVA
	ptr *int64
}

func readOffset(t *kernel.Thread, at engine.GVA) (o offsetArg, errno linux.Errno) {
	if at == 0 {
		return o, 0
	}
	v, errno := mm.Read[int64](t.Proc.AS(), at)
	return offsetArg{at, &v}, errno
}

func (o offsetArg) write(t *kernel.Thread) linux.Errno {
	if o.ptr == nil {
		return 0
	}
	return mm.Write(t.Proc.AS(), o.at, *o.ptr)
}

func sendfile(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	offset, errno := readOffset(t, a.Addr(2))
	if errno != 0 {
		return 0, errno
	}
	return twoFiles(t, a.Int(1), a.Int(0), func(in, out *kernel.File) (int, linux.Errno) {
		n, errno := t.SendFile(out, in, offset.ptr, a[3])
		if errno == 0 {
			errno = offset.write(t)
		}
		return n, errno
	})
}

// retryBoth calls op, which moves data from one file to another without
// waiting, until it does not give EAGAIN.
func retryBoth(t *kernel.Thread, what string, in, out *kernel.File, nowait bool, op func() (int, linux.Errno)) (int, linux.Errno) {
	if in.Ops != nil || out.Ops != nil {
		return 0, linux.EINVAL
	}
	for {
		n, errno := 0, linux.EAGAIN
		if askFirst(in, unix.POLLIN) && askFirst(out, unix.POLLOUT) {
			n, errno = op()
		}
		if errno != linux.EAGAIN || nowait {
			return n, errno
		}
		file, events := in, int16(unix.POLLIN)
		if kernel.Ready(in.Host, unix.POLLIN) {
			file, events = out, unix.POLLOUT
		}
		w := kernel.Wait{What: what, Fds: []unix.PollFd{{Fd: int32(file.Host), Events: events}}, Deadline: kernel.Never}
		if errno := t.Block(&w); errno != 0 {
			return 0, errno
		}
	}
}

// askFirst polls a file whose host side may block; the others say EAGAIN.
func askFirst(f *kernel.File, events int16) bool {
	return f.Private() || f.Seekable() || kernel.Ready(f.Host, events)
}

func splice(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	flags := a.Uint(5)
	if flags&^(unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MORE|unix.SPLICE_F_GIFT) != 0 {
		return 0, linux.EINVAL
	}
	if a[4] == 0 {
		return 0, 0
	}
	return twoFiles(t, a.Int(0), a.Int(2), func(in, out *kernel.File) (int, linux.Errno) {
		inAt, errno := readOffset(t, a.Addr(1))
		if errno != 0 {
			return 0, errno
		}
		outAt, errno := readOffset(t, a.Addr(3))
		if errno != 0 {
			return 0, errno
		}
		nowait := flags&unix.SPLICE_F_NONBLOCK != 0 || in.Nonblock() || out.Nonblock()
		n, errno := retryBoth(t, "splice", in, out, nowait, func() (int, linux.Errno) {
			n, err := unix.Splice(in.Host, inAt.ptr, out.Host, outAt.ptr, int(a[4]), int(flags|unix.SPLICE_F_NONBLOCK))
			return int(max(n, 0)), linux.FromHost(err)
		})
		if errno == 0 {
			errno = inAt.write(t)
		}
		if errno == 0 {
			errno = outAt.write(t)
		}
		return n, errno
	})
}

func tee(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	flags := a.Uint(3)
	if flags&^(unix.SPLICE_F_MOVE|unix.SPLICE_F_NONBLOCK|unix.SPLICE_F_MORE|unix.SPLICE_F_GIFT) != 0 {
		return 0, linux.EINVAL
	}
	if a[2] == 0 {
		return 0, 0
	}
	return twoFiles(t, a.Int(0), a.Int(1), func(in, out *kernel.File) (int, linux.Errno) {
		nowait := flags&unix.SPLICE_F_NONBLOCK != 0 || in.Nonblock() || out.Nonblock()
		return retryBoth(t, "tee", in, out, nowait, func() (int, linux.Errno) {
			n, err := unix.Tee(in.Host, out.Host, int(a[2]), int(flags|unix.SPLICE_F_NONBLOCK))
			return int(max(n, 0)), linux.FromHost(err)
		})
	})
}

func copyFileRange(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return twoFiles(t, a.Int(0), a.Int(2), func(in, out *kernel.File) (int, linux.Errno) {
		if in.Ops != nil || out.Ops != nil || a.Uint(5) != 0 || int64(a[4]) < 0 {
			return 0, linux.EINVAL
		}
		inAt, errno := readOffset(t, a.Addr(1))
		if errno != 0 {
			return 0, errno
		}
		outAt, errno := readOffset(t, a.Addr(3))
		if errno != 0 {
			return 0, errno
		}
		n, err := unix.CopyFileRange(in.Host, inAt.ptr, out.Host, outAt.ptr, int(min(a[4], maxCopy)), 0)
		if err != nil {
			return 0, linux.FromHost(err)
		}
		if errno := inAt.write(t); errno != 0 {
			return 0, errno
		}
		return n, outAt.write(t)
	})
}
