package syscalls

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// hostCPU returns the host processor and NUMA node the thread runs on.
func hostCPU() (cpu, node uint32, err error) {
	// SAFETY: both pointers are to local words, and the conversions are in the call.
	_, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), uintptr(unsafe.Pointer(&node)), 0)
	if errno != 0 {
		return 0, 0, errno
	}
	return cpu, node, nil
}
