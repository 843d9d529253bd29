package syscalls

import (
	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
)

// ownDescriptor is Call.Own of calls that take an open descriptor when
// AT_EMPTY_PATH is set: C libraries stat their standard output that way.
func ownDescriptor(path, flags int) func(*kernel.Thread, Args) bool {
	return func(t *kernel.Thread, a Args) bool {
		return a.Uint(flags)&unix.AT_EMPTY_PATH != 0 && a.Int(0) >= 0 && (a[path] == 0 || pathIs(t, a.Addr(path), ""))
	}
}

// ownExe is Call.Own of readlink: a program may learn where it lies, which C
// libraries ask at start and argv tells anyway.
func ownExe(path int) func(*kernel.Thread, Args) bool {
	return func(t *kernel.Thread, a Args) bool { return pathIs(t, a.Addr(path), "/proc/self/exe") }
}

func pathIs(t *kernel.Thread, at engine.GVA, want string) bool {
	got, errno := t.Proc.AS.CopyInString(at, len(want)+1)
	return errno == 0 && got == want
}
