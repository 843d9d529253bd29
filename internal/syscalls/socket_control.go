package syscalls

import (
	"encoding/binary"

	"golang.org/x/sys/unix"

	"torov/internal/kernel"
	"torov/internal/linux"
)

const (
	// maxControlOut is what Linux takes by default (net.core.optmem_max).
	maxControlOut = 128 << 10
	// maxControlIn is more than any protocol answers with.
	maxControlIn = 32 << 10
	// maxRights is SCM_MAX_FD.
	maxRights = 253
	// scmPidfd is SCM_PIDFD: a descriptor of the receiving process.
	scmPidfd = 4
)

// cmsg is one control message inside a buffer.
type cmsg struct {
	linux.Cmsghdr
	at   int    // of the header in the buffer
	data []byte // in the buffer
}

// nextControl returns the control message at an offset and the offset of the
// next; ok is false at the end. EINVAL for one that does not fit (CMSG_OK).
func nextControl(control []byte, at int) (c cmsg, next int, ok bool, errno linux.Errno) {
	if at > len(control) {
		return c, at, false, 0
	}
	rest := control[at:]
	c.Cmsghdr, ok = linux.Decode[linux.Cmsghdr](rest)
	if !ok {
		return c, at, false, 0
	}
	if c.Len < unix.SizeofCmsghdr || c.Len > uint64(len(rest)) {
		return c, at, false, linux.EINVAL
	}
	c.at, c.data = at, rest[unix.SizeofCmsghdr:c.Len]
	return c, at + int(c.Len+7)&^7, true, 0
}

// controlToHost translates what a program sends, in place. The files behind
// the descriptors in it are held until the caller releases them.
func controlToHost(t *kernel.Thread, control []byte) (held []*kernel.File, errno linux.Errno) {
	for at := 0; ; {
		c, next, ok, errno := nextControl(control, at)
		if errno != 0 || !ok {
			return held, errno
		}
		at = next
		if c.Level != unix.SOL_SOCKET {
			continue
		}
		switch c.Type {
		case unix.SCM_RIGHTS:
			more, errno := rightsToHost(t, c.data)
			held = append(held, more...)
			if errno != 0 {
				return held, errno
			}
		case unix.SCM_CREDENTIALS:
			if len(c.data) >= 4 && int(binary.NativeEndian.Uint32(c.data)) == t.Proc.PID {
				binary.NativeEndian.PutUint32(c.data, uint32(unix.Getpid()))
			}
		}
	}
}

// rightsToHost replaces the program's descriptors by the host's. Files that
// only this kernel knows cannot leave it: EINVAL.
func rightsToHost(t *kernel.Thread, fds []byte) (held []*kernel.File, errno linux.Errno) {
	if len(fds)/4 > maxRights {
		return nil, linux.EINVAL
	}
	for ; len(fds) >= 4; fds = fds[4:] {
		f, errno := t.Proc.Files.Get(int32(binary.NativeEndian.Uint32(fds)))
		if errno != 0 {
			return held, errno
		}
		held = append(held, f)
		if f.Ops != nil {
			return held, linux.EINVAL
		}
		f.Share()
		binary.NativeEndian.PutUint32(fds, uint32(f.Host))
	}
	return held, 0
}

// controlFromHost translates what the host received, in place, and installs
// the descriptors in it. It returns what of the buffer is valid, the new
// descriptors, and false if some found no room (MSG_CTRUNC).
func controlFromHost(t *kernel.Thread, control []byte, cloexec bool) (valid []byte, fds []int32, all bool) {
	all = true
	for at := 0; ; {
		c, next, ok, _ := nextControl(control, at)
		if !ok {
			return control, fds, all
		}
		at = next
		if c.Level != unix.SOL_SOCKET {
			continue
		}
		switch c.Type {
		case unix.SCM_RIGHTS:
			got := rightsFromHost(t, c.data, cloexec)
			fds = append(fds, got...)
			if len(got) == len(c.data)/4 {
				continue
			}
			all = false
			// The rest is cut off: descriptors are the last message there is.
			if len(got) == 0 {
				return control[:c.at], fds, all
			}
			size := unix.SizeofCmsghdr + 4*len(got)
			binary.NativeEndian.PutUint64(control[c.at:], uint64(size))
			return control[:min(len(control), c.at+(size+7)&^7)], fds, all
		case unix.SCM_CREDENTIALS:
			pidFromHost(t, c.data)
		case scmPidfd:
			if len(c.data) >= 4 {
				unix.Close(int(binary.NativeEndian.Uint32(c.data)))
				binary.NativeEndian.PutUint32(c.data, ^uint32(0))
			}
		}
	}
}

// rightsFromHost installs received host descriptors and replaces them by the
// program's, as far as there is room; the others are closed (scm_detach_fds).
func rightsFromHost(t *kernel.Thread, data []byte, cloexec bool) (fds []int32) {
	full := false
	for ; len(data) >= 4; data = data[4:] {
		f := kernel.ReceivedFile(int(binary.NativeEndian.Uint32(data)))
		if full {
			f.Release()
			continue
		}
		fd, errno := t.Proc.Files.Install(f, 0, openLimit(t), cloexec)
		if errno != 0 {
			full = true
			continue
		}
		fds = append(fds, fd)
		binary.NativeEndian.PutUint32(data, uint32(fd))
	}
	return fds
}

// pidFromHost translates the pid at the start of a struct ucred: all processes
// of the program are this one to others, and to each other.
func pidFromHost(t *kernel.Thread, cred []byte) {
	if len(cred) >= 4 && int(binary.NativeEndian.Uint32(cred)) == unix.Getpid() {
		binary.NativeEndian.PutUint32(cred, uint32(t.Proc.PID))
	}
}
