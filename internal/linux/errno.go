package linux

import (
	"errors"
	"io/fs"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// Errno is the result of a system call as the program sees it: 0 is success,
// anything else one of the error numbers of errno(3). It is never a failure
// of the VMM.
type Errno uint16

// MaxErrno is the largest error number a system call can return: results in
// [-MaxErrno, -1] are errors to every C library.
const MaxErrno = 4095

// Kernel-internal results (include/linux/errno.h). The program never sees
// them: on the way back to user mode each becomes EINTR or a new execution of
// the system call.
const (
	ERESTARTSYS           Errno = 512 // restart if the handler has SA_RESTART or there is none
	ERESTARTNOINTR        Errno = 513 // restart always
	ERESTARTNOHAND        Errno = 514 // restart only if no handler runs
	ERESTART_RESTARTBLOCK Errno = 516 // the same, by way of restart_syscall(2)

	// EJUSTRETURN is this kernel's own: the handler has set all registers
	// (rt_sigreturn, execve), RAX must not be overwritten.
	EJUSTRETURN Errno = MaxErrno + 1
)

var internalErrnos = map[Errno]string{
	ERESTARTSYS:           "ERESTARTSYS",
	ERESTARTNOINTR:        "ERESTARTNOINTR",
	ERESTARTNOHAND:        "ERESTARTNOHAND",
	ERESTART_RESTARTBLOCK: "ERESTART_RESTARTBLOCK",
	EJUSTRETURN:           "EJUSTRETURN",
}

// Internal reports whether e is one of the kernel-internal results.
func (e Errno) Internal() bool {
	_, ok := internalErrnos[e]
	return ok
}

// Name returns the symbolic name, "ENOENT"; "" for 0 and unknown numbers.
func (e Errno) Name() string {
	if name, ok := internalErrnos[e]; ok {
		return name
	}
	return unix.ErrnoName(unix.Errno(e))
}

// String returns name and meaning: "ENOENT: no such file or directory".
func (e Errno) String() string {
	if e == 0 {
		return "success"
	}
	name := e.Name()
	switch {
	case name == "":
		return "errno " + strconv.Itoa(int(e))
	case e.Internal():
		return name
	}
	return name + ": " + unix.Errno(e).Error()
}

// Error makes an Errno other than 0 usable as an error.
func (e Errno) Error() string { return e.String() }

// Is makes errors.Is(ENOENT, fs.ErrNotExist) and errors.Is(ENOENT,
// unix.ENOENT) true.
func (e Errno) Is(target error) bool {
	if e == 0 || e >= ERESTARTSYS {
		return false
	}
	host := unix.Errno(e)
	return target == host || host.Is(target)
}

// Result returns what the system call leaves in RAX for this errno.
func (e Errno) Result() uint64 { return -uint64(e) }

// FromHost translates the error of a host operation into the errno for the
// program. nil is 0; an error that carries no errno is EIO.
func FromHost(err error) Errno {
	var guest Errno
	var host unix.Errno
	switch {
	case err == nil:
		return 0
	case errors.As(err, &guest):
		return guest
	case errors.As(err, &host):
		// A host kernel keeps its internal results to itself; numbers
		// from 512 on would be taken for ours.
		if host < unix.Errno(ERESTARTSYS) {
			return Errno(host)
		}
		return EIO
	}
	for _, known := range portableErrors {
		if errors.Is(err, known.err) {
			return known.errno
		}
	}
	return EIO
}

// portableErrors are the errors of the standard library that may come
// without an errno inside.
var portableErrors = []struct {
	err   error
	errno Errno
}{
	{fs.ErrNotExist, ENOENT},
	{fs.ErrExist, EEXIST},
	{fs.ErrPermission, EACCES},
	{fs.ErrInvalid, EINVAL},
	{fs.ErrClosed, EBADF},
	{os.ErrDeadlineExceeded, ETIMEDOUT},
	{errors.ErrUnsupported, EOPNOTSUPP},
}
