package syscalls

import (
	"unsafe"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// ioctlPointer is ioctl(2) on the host with a pointer to buf, which is as
// large as the request says.
func ioctlPointer(fd int, request uint32, buf []byte) (int, linux.Errno) {
	// SAFETY: buf is not empty, and large enough by the table of requests; the
	// conversion is in the call.
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(unsafe.Pointer(&buf[0])))
	return int(n), linux.Errno(errno)
}

// ioctlNumber is ioctl(2) on the host with a number.
func ioctlNumber(fd int, request uint32, arg uint64) (int, linux.Errno) {
	n, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg))
	return int(n), linux.Errno(errno)
}
