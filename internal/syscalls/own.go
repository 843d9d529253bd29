package syscalls

import (
	"torov/internal/engine"
	"torov/internal/kernel"
)

// ownDescriptor is Call.Own of calls that take an open descriptor when
// AT_EMPTY_PATH is set: C libraries stat their standard output that way.
func ownDescriptor(path, flags int) func(*kernel.Thread, Args) bool {
	return func(t *kernel.Thread, a Args) bool {
		own, errno := ofDescriptor(t, a.Int(0), a.Int(flags), a.Addr(path))
		return own && errno == 0
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
