package linux

import "sync"

// SyscallName returns the name of an amd64 system call; ok is false for
// numbers that Linux does not use.
func SyscallName(nr uint64) (name string, ok bool) {
	if nr >= uint64(len(syscallNames)) {
		return "", false
	}
	return syscallNames[nr], syscallNames[nr] != ""
}

// SyscallNumber is the inverse of SyscallName.
func SyscallNumber(name string) (nr uint64, ok bool) {
	nr, ok = syscallNumbers()[name]
	return nr, ok
}

var syscallNumbers = sync.OnceValue(func() map[string]uint64 {
	m := make(map[string]uint64, len(syscallNames))
	for nr, name := range syscallNames {
		if name != "" {
			m[name] = uint64(nr)
		}
	}
	return m
})
