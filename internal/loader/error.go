package loader

import (
	"torov/internal/linux"
)

// Error says why a program cannot be loaded: What it is, Why that does not
// work, and what to Do. It unwraps to the errno that execve(2) gives.
type Error struct {
	What, Why, Do string
	errno         linux.Errno
}

func (e *Error) Error() string {
	text := e.What
	if e.Why != "" {
		text += ": " + e.Why
	}
	if e.Do != "" {
		text += "; " + e.Do
	}
	return text
}

// Errno is what execve(2) returns to the program for this error.
func (e *Error) Errno() linux.Errno { return e.errno }

// Unwrap makes errors.Is(err, linux.ENOEXEC) and linux.FromHost work.
func (e *Error) Unwrap() error { return e.errno }

const rebuild = "build the program again or fetch a fresh copy"

// damaged is the error for files that no linker makes.
func damaged(errno linux.Errno, why string) *Error {
	return &Error{What: "damaged ELF file", Why: why, Do: rebuild, errno: errno}
}
