package syscalls

import (
	"golang.org/x/sys/unix"

	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func init() {
	register(Call{Name: "ioctl", Group: GroupBase, State: Partial, Note: "terminals, pseudo-terminals, FIONREAD and the like, file attributes, block device sizes, addresses of network interfaces",
		Args: args("fd", "fd", "request", "hex", "arg", "hex"), Do: fileCall(ioctl)})
}

// ioctlArg says what the argument of a request is.
type ioctlArg struct {
	size    int  // bytes it points to, 0: a number
	in, out bool // which way they go
}

var (
	number   = ioctlArg{}
	intIn    = ioctlArg{size: 4, in: true}
	intOut   = ioctlArg{size: 4, out: true}
	longOut  = ioctlArg{size: 8, out: true}
	ifreqArg = ioctlArg{size: 40, in: true, out: true}
)

const (
	termiosSize  = 36
	termios2Size = 44
	winsizeSize  = 8
)

// ioctls are the requests that go to the host, with what they read and write.
// A request that is not here never does: its pointer would mean torov's memory.
var ioctls = map[uint32]ioctlArg{
	unix.TCGETS:   {size: termiosSize, out: true},
	unix.TCSETS:   {size: termiosSize, in: true},
	unix.TCSETSW:  {size: termiosSize, in: true},
	unix.TCSETSF:  {size: termiosSize, in: true},
	unix.TCGETS2:  {size: termios2Size, out: true},
	unix.TCSETS2:  {size: termios2Size, in: true},
	unix.TCSETSW2: {size: termios2Size, in: true},
	unix.TCSETSF2: {size: termios2Size, in: true},
	unix.TCSBRK:   number,
	unix.TCSBRKP:  number,
	unix.TCXONC:   number,
	unix.TCFLSH:   number,

	unix.TIOCGWINSZ: {size: winsizeSize, out: true},
	unix.TIOCSWINSZ: {size: winsizeSize, in: true},
	unix.TIOCGPGRP:  intOut,
	unix.TIOCSPGRP:  intIn,
	unix.TIOCGSID:   intOut,
	unix.TIOCSCTTY:  number,
	unix.TIOCNOTTY:  number,
	unix.TIOCEXCL:   number,
	unix.TIOCNXCL:   number,
	unix.TIOCGEXCL:  intOut,
	unix.TIOCOUTQ:   intOut,
	unix.TIOCMGET:   intOut,
	unix.TIOCMSET:   intIn,
	unix.TIOCMBIS:   intIn,
	unix.TIOCMBIC:   intIn,
	unix.TIOCGETD:   intOut,
	unix.TIOCGPTN:   intOut,
	unix.TIOCSPTLCK: intIn,
	unix.TIOCGPTLCK: intOut,
	unix.TIOCPKT:    intIn,

	linux.FIONREAD: intOut,
	linux.FIOQSIZE: longOut,
	linux.FIGETBSZ: intOut,

	unix.FS_IOC_GETFLAGS: intOut, // a long by name, an int in fact
	unix.BLKGETSIZE:      longOut,
	unix.BLKGETSIZE64:    longOut,
	unix.BLKSSZGET:       intOut,
	unix.BLKPBSZGET:      intOut,
	unix.BLKROGET:        intOut,
	unix.BLKBSZGET:       intOut,
	unix.RNDGETENTCNT:    intOut,

	unix.SIOCGIFNAME:    ifreqArg,
	unix.SIOCGIFINDEX:   ifreqArg,
	unix.SIOCGIFFLAGS:   ifreqArg,
	unix.SIOCGIFADDR:    ifreqArg,
	unix.SIOCGIFDSTADDR: ifreqArg,
	unix.SIOCGIFBRDADDR: ifreqArg,
	unix.SIOCGIFNETMASK: ifreqArg,
	unix.SIOCGIFMETRIC:  ifreqArg,
	unix.SIOCGIFMTU:     ifreqArg,
	unix.SIOCGIFHWADDR:  ifreqArg,
	unix.SIOCGIFTXQLEN:  ifreqArg,
	unix.SIOCATMARK:     intOut,
}

func ioctl(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	request := a.Uint(1)
	if f.PathOnly() {
		return 0, linux.EBADF
	}
	switch request {
	case linux.FIOCLEX, linux.FIONCLEX:
		t.Proc.Files.SetCloexec(a.Int(0), request == linux.FIOCLEX)
		return 0, 0
	case linux.FIONBIO, linux.FIOASYNC:
		on, errno := mm.Read[int32](t.Proc.AS(), a.Addr(2))
		if errno == 0 && request == linux.FIONBIO {
			f.SetNonblock(on != 0)
		}
		return 0, errno
	case unix.TIOCGPGRP:
		return terminalGroup(t, f, a)
	case unix.TIOCSPGRP:
		return setTerminalGroup(t, f, a)
	case unix.FICLONE:
		return cloneFile(t, f, a.Int(2))
	case unix.FS_IOC_SETFLAGS:
		if errno := t.Proc.FS.Changeable(f); errno != 0 {
			return 0, errno
		}
		return hostIoctl(t, f, a, intIn)
	}
	arg, known := ioctls[request]
	if !known || f.Ops != nil {
		return 0, linux.ENOTTY
	}
	return hostIoctl(t, f, a, arg)
}

// terminalGroup is tcgetpgrp(3).
func terminalGroup(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	group := t.Kernel().Foreground()
	if n, errno := hostIoctl(t, f, a, intOut); errno != 0 || group == 0 {
		return n, errno
	}
	return 0, mm.Write(t.Proc.AS(), a.Addr(2), int32(group))
}

// setTerminalGroup is tcsetpgrp(3).
func setTerminalGroup(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	if f.Ops != nil {
		return 0, linux.ENOTTY
	}
	if _, errno := ioctlPointer(f.Host, unix.TIOCGPGRP, make([]byte, intOut.size)); errno != 0 {
		return 0, errno // no terminal, or not that of torov's session
	}
	group, errno := mm.Read[int32](t.Proc.AS(), a.Addr(2))
	switch {
	case errno != 0:
		return 0, errno
	case group < 0:
		return 0, linux.EINVAL
	}
	return 0, t.Proc.SetForeground(int(group))
}

// hostIoctl passes a request to the host with a copy of what it points to.
func hostIoctl(t *kernel.Thread, f *kernel.File, a Args, arg ioctlArg) (uint64, linux.Errno) {
	if arg.size == 0 {
		n, errno := ioctlNumber(f.Host, a.Uint(1), a[2])
		return uint64(n), errno
	}
	buf := make([]byte, arg.size)
	if arg.in {
		if _, errno := t.Proc.AS().CopyIn(buf, a.Addr(2)); errno != 0 {
			return 0, errno
		}
	}
	n, errno := ioctlPointer(f.Host, a.Uint(1), buf)
	if errno != 0 {
		return 0, errno
	}
	if arg.out {
		_, errno = t.Proc.AS().CopyOut(a.Addr(2), buf)
	}
	return uint64(n), errno
}

func cloneFile(t *kernel.Thread, to *kernel.File, fd int32) (uint64, linux.Errno) {
	from, errno := t.Proc.Files.Get(fd)
	if errno != 0 {
		return 0, errno
	}
	defer from.Release()
	return done(unix.IoctlFileClone(to.Host, from.Host))
}
