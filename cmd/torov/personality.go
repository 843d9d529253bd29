package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// runFlags is the environment variable with flags of "torov run" for
// programs that debuggers start, since an IDE leaves no place for them.
const runFlags = "TOROV_RUN_FLAGS"

// personality turns the command line of a stub that debuggers know into
// torov's own, so that they start programs in a VM without knowing it:
//
//	gdbserver [OPTIONS] HOST:PORT PROGRAM [ARGS…]
//	lldb-server gdbserver [OPTIONS] HOST:PORT -- PROGRAM [ARGS…]
//
// as a verb of torov or as the name it is called by. A debugger expects the
// program to be able to do what it always does: everything is granted, unless
// TOROV_RUN_FLAGS says otherwise.
func personality(args []string) ([]string, error) {
	name, rest := filepath.Base(args[0]), args[1:]
	if name != "gdbserver" && name != "lldb-server" && len(rest) > 0 {
		name, rest = rest[0], rest[1:]
	}
	switch name {
	case "lldb-server":
		if len(rest) == 0 || rest[0] != "gdbserver" && rest[0] != "g" {
			return nil, fmt.Errorf("lldb-server: only its gdbserver mode is there: lldb-server gdbserver HOST:PORT -- PROGRAM")
		}
		rest = rest[1:]
	case "gdbserver":
	default:
		return args[1:], nil
	}
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") && rest[0] != "-" && rest[0] != "--" {
		rest = rest[1:] // options about logging, sessions and attaching
	}
	if len(rest) < 2 {
		return nil, fmt.Errorf("%s: want HOST:PORT and a program", name)
	}
	address, program := strings.Replace(rest[0], "*:", ":", 1), rest[1:]
	if program[0] == "--" {
		program = program[1:]
	}
	if len(program) == 0 {
		return nil, fmt.Errorf("%s: want a program after --", name)
	}
	out := []string{"run", "--gdb", address}
	if flags := strings.Fields(os.Getenv(runFlags)); len(flags) > 0 {
		out = append(out, flags...)
	} else {
		out = append(out, "-A")
	}
	return append(append(out, "--"), program...), nil
}
