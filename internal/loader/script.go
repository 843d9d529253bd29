package loader

import (
	"bytes"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// ScriptHeader is how much of a file Linux looks at for its #! line, bytes
// (BINPRM_BUF_SIZE).
const ScriptHeader = 256

// MaxScriptDepth is how many scripts may be each other's interpreters before
// execve gives up with ELOOP.
const MaxScriptDepth = 5

// Script is the first line of an interpreter script.
type Script struct {
	Interp string
	Arg    string // the rest of the line: one argument, even with spaces in it
	HasArg bool
}

// Argv returns the arguments of the interpreter for a script that was
// executed under the given path with argv.
func (s Script) Argv(path string, argv []string) []string {
	out := []string{s.Interp}
	if s.HasArg {
		out = append(out, s.Arg)
	}
	out = append(out, path)
	if len(argv) > 1 {
		out = append(out, argv[1:]...)
	}
	return out
}

// IsScript reports whether the file that starts with head is a script.
func IsScript(head []byte) bool { return bytes.HasPrefix(head, []byte("#!")) }

// ParseScript reads the #! line at the start of a file as Linux does
// (fs/binfmt_script.c). Only the first ScriptHeader bytes count. A path that
// does not end there is refused, because running half a path would be worse;
// an argument may be cut.
func ParseScript(head []byte) (Script, error) {
	if !IsScript(head) {
		return Script{}, scriptError("it does not start with #!", linux.ENOEXEC)
	}
	var line [ScriptHeader]byte // zeros follow the end of a short file
	copy(line[:], head)

	// A NUL ends the search for the newline.
	end := bytes.IndexAny(line[:], "\n\x00")
	if end < 0 || line[end] == 0 {
		end = ScriptHeader - 1
		start := skipBlanks(line[:], 2)
		if start == ScriptHeader || findBlank(line[:], start) < 0 {
			return Script{}, scriptError("the path of its interpreter is missing or too long", linux.ENOEXEC)
		}
	}
	for line[end-1] == ' ' || line[end-1] == '\t' {
		end--
	}
	text := line[:end]
	start := skipBlanks(text, 2)
	if start >= len(text) {
		return Script{}, scriptError("its #! line names no interpreter", linux.ENOEXEC)
	}
	s := Script{Interp: unix.ByteSliceToString(text[start:])}
	if sep := findBlank(text, start); sep >= 0 {
		s.Interp = string(text[start:sep])
		if arg := skipBlanks(text, sep); text[sep] != 0 && arg < len(text) {
			s.Arg, s.HasArg = unix.ByteSliceToString(text[arg:]), true
		}
	}
	if s.Interp == "" {
		return Script{}, scriptError("the path of its interpreter is empty", linux.EACCES)
	}
	return s, nil
}

func scriptError(why string, errno linux.Errno) *Error {
	return &Error{What: "a script that cannot be run", Why: why, Do: "let it start with a line like #!/bin/sh", errno: errno}
}

// skipBlanks returns the index of the first byte from i on that is neither
// space nor tab.
func skipBlanks(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t') {
		i++
	}
	return i
}

// findBlank returns the index of the first space, tab or NUL from i on, or -1.
func findBlank(b []byte, i int) int {
	n := bytes.IndexAny(b[i:], " \t\x00")
	if n < 0 {
		return -1
	}
	return i + n
}
