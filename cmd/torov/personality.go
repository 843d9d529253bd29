package main

import (
	"fmt"
	"io"
	"net"
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
	once, multi := name == "lldb-server", false
	var env []string
	for len(rest) > 0 && strings.HasPrefix(rest[0], "-") && rest[0] != "-" && rest[0] != "--" {
		var err error
		switch rest[0] {
		case "--once":
			once = true
		case "--multi":
			multi = true
		case "--wrapper":
			if env, rest, err = wrapper(rest); err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
		}
		rest = rest[1:] // the others are about logging, sessions and attaching
	}
	if len(rest) < 2 && !(multi && len(rest) == 1) {
		return nil, fmt.Errorf("%s: want HOST:PORT and a program", name)
	}
	address, program := stubAddress(rest[0]), rest[1:]
	if len(program) > 0 && program[0] == "--" {
		program = program[1:]
	}
	out := []string{"run", "--gdbserver", "--gdb", address}
	switch {
	case len(program) > 0:
		program[0] = here(program[0])
	case !multi:
		return nil, fmt.Errorf("%s: want a program after --", name)
	}
	if multi {
		out = append(out, "--gdb-multi")
	}
	if once || address == "-" {
		out = append(out, "--once")
	}
	if flags := strings.Fields(os.Getenv(runFlags)); len(flags) > 0 {
		out = append(out, flags...)
	} else {
		out = append(out, "-A")
	}
	out = append(out, env...)
	if len(program) > 0 {
		out = append(append(out, "--"), program...)
	}
	return out, nil
}

// wrapper reads "--wrapper env NAME=VALUE… --". Other programs than env cannot
// be wrappers: what they start would not be in the VM. It returns flags of
// "torov run", and what is left from "--" on.
func wrapper(args []string) (flags, rest []string, err error) {
	for i, a := range args {
		switch {
		case i == 0:
		case a == "--":
			return flags, args[i:], nil
		case i == 1 && filepath.Base(a) == "env":
		case i > 1 && strings.Contains(a, "="):
			flags = append(flags, "--env", a)
		default:
			return nil, nil, fmt.Errorf("--wrapper %s: want --wrapper env NAME=VALUE… --", strings.Join(args[1:i+1], " "))
		}
	}
	return nil, nil, fmt.Errorf("--wrapper: -- must end it")
}

// portTaken is how gdbserver says that; scripts then try the next port.
const portTaken = "Can't bind address: Address already in use."

// sayListening says where torov listens in the words that IDEs and scripts wait
// for before they connect.
func sayListening(w io.Writer, a net.Addr) {
	if tcp, ok := a.(*net.TCPAddr); ok {
		fmt.Fprintf(w, "Listening on port %d\n", tcp.Port)
	}
}

// stubAddress is the address of a stub's command line as torov's own: "*" is
// any host, "stdio" and "-" are the same, and IPv6 needs no brackets.
func stubAddress(a string) string {
	if a = strings.Replace(a, "*:", ":", 1); a == "stdio" {
		return "-"
	}
	host, port := a[:max(0, strings.LastIndexByte(a, ':'))], a[strings.LastIndexByte(a, ':')+1:]
	if strings.HasPrefix(host, ":") {
		return net.JoinHostPort(host, port)
	}
	return a
}

// here makes a bare name that of a file in the working directory, if there is
// one: the stubs look there before they look into PATH.
func here(name string) string {
	if info, err := os.Stat(name); !strings.Contains(name, "/") && err == nil && info.Mode().IsRegular() {
		return "./" + name
	}
	return name
}
