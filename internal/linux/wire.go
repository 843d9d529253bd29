package linux

import (
	"time"

	"golang.org/x/sys/unix"
)

// Structures without pointers are the host's own: torov runs on amd64 Linux
// only, and the unix package is generated from the kernel's headers.
type (
	Timespec        = unix.Timespec   // 16 bytes
	Timeval         = unix.Timeval    // 16
	Itimerspec      = unix.ItimerSpec // 32
	Itimerval       = unix.Itimerval  // 32
	Timex           = unix.Timex      // 208
	Tms             = unix.Tms        // 32, clock ticks
	Utimbuf         = unix.Utimbuf    // 16
	Rusage          = unix.Rusage     // 144
	Rlimit          = unix.Rlimit     // 16
	Sysinfo         = unix.Sysinfo_t  // 112
	Utsname         = unix.Utsname    // 390
	Stat            = unix.Stat_t     // 144
	Statx           = unix.Statx_t    // 256
	StatxTimestamp  = unix.StatxTimestamp
	Statfs          = unix.Statfs_t // 120
	Flock           = unix.Flock_t  // 32
	OpenHow         = unix.OpenHow  // 24
	InotifyEvent    = unix.InotifyEvent
	PollFd          = unix.PollFd           // 8
	SignalfdSiginfo = unix.SignalfdSiginfo  // 128
	Winsize         = unix.Winsize          // 8
	Termios2        = unix.Termios          // 44, of TCGETS2
	Cmsghdr         = unix.Cmsghdr          // 16
	Ucred           = unix.Ucred            // 12
	Linger          = unix.Linger           // 8
	SockaddrIn      = unix.RawSockaddrInet4 // 16, port in network order
	SockaddrIn6     = unix.RawSockaddrInet6 // 28
	SockaddrUn      = unix.RawSockaddrUnix  // 110
	SockaddrNl      = unix.RawSockaddrNetlink
	SchedAttr       = unix.SchedAttr     // 56
	CapHeader       = unix.CapUserHeader // 8
	CapData         = unix.CapUserData   // 12; version 3 uses two
)

// Termios is the kernel's struct termios of TCGETS: 36 bytes.
type Termios struct {
	Iflag, Oflag, Cflag, Lflag uint32
	Line                       uint8
	Cc                         [19]uint8
}

// Iovec is struct iovec: a range of guest memory.
type Iovec struct {
	Base uint64
	Len  uint64
}

// Msghdr is struct user_msghdr: 56 bytes.
type Msghdr struct {
	Name       uint64
	NameLen    int32
	_          int32
	Iov        uint64
	IovLen     uint64
	Control    uint64
	ControlLen uint64
	Flags      uint32
	_          uint32
}

// Mmsghdr is struct mmsghdr: 64 bytes.
type Mmsghdr struct {
	Hdr Msghdr
	Len uint32
	_   uint32
}

// EpollEvent is struct epoll_event, packed on amd64: 12 bytes.
type EpollEvent struct {
	Events uint32
	data   [2]uint32
}

// Data returns the program's cookie.
func (e *EpollEvent) Data() uint64 { return uint64(e.data[0]) | uint64(e.data[1])<<32 }

// SetData sets the program's cookie.
func (e *EpollEvent) SetData(v uint64) { e.data = [2]uint32{uint32(v), uint32(v >> 32)} }

// CloneArgs is struct clone_args of clone3(2): 88 bytes in version 2.
type CloneArgs struct {
	Flags      uint64
	Pidfd      uint64
	ChildTID   uint64
	ParentTID  uint64
	ExitSignal uint64
	Stack      uint64 // lowest address
	StackSize  uint64
	TLS        uint64 // version 0 ends here
	SetTID     uint64
	SetTIDSize uint64 // version 1
	Cgroup     uint64 // version 2
}

// RobustListHead is struct robust_list_head of set_robust_list(2): 24 bytes.
type RobustListHead struct {
	List        uint64
	FutexOffset int64
	Pending     uint64
}

// FutexWaitv is struct futex_waitv of futex_waitv(2): 24 bytes.
type FutexWaitv struct {
	Val   uint64
	UAddr uint64
	Flags uint32 // FUTEX2_*
	_     uint32
}

// Rseq is the original struct rseq (rseq(2)): 32 bytes, aligned to 32.
type Rseq struct {
	CPUIDStart uint32
	CPUID      uint32
	CS         uint64
	Flags      uint32
	NodeID     uint32
	MMCID      uint32
	_          uint32
}

// Sigevent is struct sigevent of timer_create(2): 64 bytes.
type Sigevent struct {
	Value  uint64
	Signo  int32
	Notify int32 // SIGEV_*
	TID    int32
	_      [11]int32
}

// SigSetArg is the sixth argument of pselect6(2): a pointer and a size.
type SigSetArg struct {
	Set  uint64
	Size uint64
}

// SchedParam is struct sched_param.
type SchedParam struct{ Priority int32 }

// FOwnerEx is struct f_owner_ex of F_SETOWN_EX.
type FOwnerEx struct{ Type, PID int32 }

// Timezone is struct timezone of gettimeofday(2).
type Timezone struct{ MinutesWest, DSTTime int32 }

// ToDuration returns the length of a relative time; ok is false when it is
// negative or not normalised, which is EINVAL to Linux. What is longer than a
// Duration can be, 292 years, becomes the longest one.
func ToDuration(ts Timespec) (d time.Duration, ok bool) {
	if ts.Sec < 0 || ts.Nsec < 0 || ts.Nsec >= int64(time.Second) {
		return 0, false
	}
	const longest = time.Duration(1<<63 - 1)
	if ts.Sec >= int64(longest/time.Second) {
		return longest, true
	}
	return time.Duration(ts.Sec)*time.Second + time.Duration(ts.Nsec), true
}

// FromDuration is the inverse of ToDuration for durations that are not
// negative.
func FromDuration(d time.Duration) Timespec {
	return Timespec{Sec: int64(d / time.Second), Nsec: int64(d % time.Second)}
}

// ToTimeval cuts a Timespec down to microseconds.
func ToTimeval(ts Timespec) Timeval { return Timeval{Sec: ts.Sec, Usec: ts.Nsec / 1000} }
