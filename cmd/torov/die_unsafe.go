package main

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// dieBy ends the process by a signal, as the program died. The disposition is
// reset by system call: Go's runtime would print a traceback for some.
func dieBy(sig int) {
	runtime.LockOSThread()
	// No core file of the VMM.
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
	var action struct {
		handler, flags, restorer, mask uint64
	}
	// SAFETY: action has the layout of the kernel's struct sigaction and lives through the call.
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGACTION, uintptr(sig), uintptr(unsafe.Pointer(&action)), 0, 8, 0, 0)
	set := uint64(1) << (sig - 1)
	// SAFETY: set is a word, the size of the kernel's signal set.
	_, _, _ = unix.RawSyscall6(unix.SYS_RT_SIGPROCMASK, unix.SIG_UNBLOCK, uintptr(unsafe.Pointer(&set)), 0, 8, 0, 0)
	_ = unix.Tgkill(unix.Getpid(), unix.Gettid(), unix.Signal(sig))
}
