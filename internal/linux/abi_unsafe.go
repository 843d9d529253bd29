package linux

import "unsafe"

// Wire lists the types that cross the border as they lie in memory. A type
// belongs here only if it contains no pointers: any bytes are a valid value.
type Wire interface {
	int8 | uint8 | int16 | uint16 | int32 | uint32 | int64 | uint64 | SigSet |
		[2]int32 | // pipe, socketpair
		Timespec | Timeval | Itimerspec | Itimerval | Timex | Tms | Utimbuf | Timezone |
		Rusage | Rlimit | Sysinfo | Utsname |
		Stat | Statx | Statfs | Flock | FOwnerEx | OpenHow | InotifyEvent |
		PollFd | EpollEvent | Winsize | Termios | Termios2 |
		Iovec | Msghdr | Mmsghdr | Cmsghdr | Ucred | Linger |
		SockaddrIn | SockaddrIn6 | SockaddrUn | SockaddrNl |
		SigAction | SigInfo | Stack | SigContext | UContext | RTSigFrame | FPXSwBytes |
		SignalfdSiginfo | Sigevent | SigSetArg |
		CloneArgs | RobustListHead | FutexWaitv | Rseq |
		SchedParam | SchedAttr | CapHeader | CapData | AuxEntry
}

// Size returns the size of T on the wire, in bytes.
func Size[T Wire]() int {
	var v T
	// SAFETY: Sizeof does not touch memory.
	return int(unsafe.Sizeof(v))
}

// Bytes returns the bytes of *v, not a copy: what is written to them changes
// *v. It is the encoder and the decoder of every wire structure.
func Bytes[T Wire](v *T) []byte {
	// SAFETY: the slice covers exactly *v and keeps it alive; Wire admits
	// only types for which every bit pattern is valid.
	return unsafe.Slice((*byte)(unsafe.Pointer(v)), Size[T]())
}

// SliceBytes returns the bytes of all elements of s, not a copy.
func SliceBytes[T Wire](s []T) []byte {
	// SAFETY: as in Bytes; the length of s bounds the bytes, and an empty
	// or nil slice gives an empty one.
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(s))), len(s)*Size[T]())
}

// Decode returns the T whose bytes start b; ok is false if b is too short.
func Decode[T Wire](b []byte) (v T, ok bool) {
	if len(b) < Size[T]() {
		return v, false
	}
	copy(Bytes(&v), b)
	return v, true
}
