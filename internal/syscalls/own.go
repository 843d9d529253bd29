package syscalls

import (
	"torov/internal/kernel"
	"torov/internal/linux"
)

// ownDescriptor is Call.Own of calls that take an open descriptor when
// AT_EMPTY_PATH is set: C libraries stat their standard output that way.
func ownDescriptor(path, flags int, do Handler) func(*kernel.Thread, Args) Handler {
	return func(t *kernel.Thread, a Args) Handler {
		if own, errno := ofDescriptor(t, a.Int(0), a.Int(flags), a.Addr(path)); !own || errno != 0 {
			return nil
		}
		return func(t *kernel.Thread, a Args) (uint64, linux.Errno) {
			a[path] = 0 // a null pointer says the same as an empty path
			return do(t, a)
		}
	}
}

// ownExe is Call.Own of readlink: a program may learn where it lies, which C
// libraries ask at start and argv tells anyway.
func ownExe(path int) func(*kernel.Thread, Args) Handler {
	const exe = "/proc/self/exe"
	return func(t *kernel.Thread, a Args) Handler {
		if got, errno := t.Proc.AS().CopyInString(a.Addr(path), len(exe)+1); errno != 0 || got != exe {
			return nil
		}
		return func(t *kernel.Thread, a Args) (uint64, linux.Errno) {
			return readlinkOf(t, kernel.At{Path: exe}, 0, a.Addr(path+1), a.Int(path+2))
		}
	}
}
