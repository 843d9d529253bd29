// Command torov runs a Linux program as its own KVM virtual machine.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/alecthomas/kong"
)

// version is set by the linker.
var version = "unknown"

// Exit statuses that are torov's own, as env(1) and shells use them.
const (
	exitFailed      = 125 // torov itself failed
	exitCannotRun   = 126 // the program is there but cannot be run
	exitNotFound    = 127 // the program is not there
	exitSignalShift = 128 // plus the signal, if dying by it did not work
)

// cli is the whole command line: one field per verb, each in a file of its own.
type cli struct {
	Run      runCmd      `cmd:"" help:"Run a program, or what a configuration file describes, in its own virtual machine."`
	Syscalls syscallsCmd `cmd:"" help:"Print the table of system calls: number, name, permission group, state."`
	Version  versionCmd  `cmd:"" help:"Print the version."`
}

type versionCmd struct{}

// Run implements the verb.
func (versionCmd) Run() error {
	fmt.Println("torov", version)
	return nil
}

// statusError is an error with an exit status.
type statusError struct {
	status int
	err    error
}

func (e *statusError) Error() string { return e.err.Error() }
func (e *statusError) Unwrap() error { return e.err }

func main() {
	var c cli
	parser := kong.Must(&c, kong.Name("torov"), kong.Description("Runs a Linux program as its own KVM virtual machine, and debugs it."),
		kong.UsageOnError(), kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.Vars{"memory": defaultMemory()})
	args, err := personality(os.Args)
	if err != nil {
		fmt.Fprintf(os.Stderr, "torov: %v\n", err)
		os.Exit(2)
	}
	own, program := cutProgram(parser.Model, args)
	ctx, err := parser.Parse(own)
	if err != nil {
		parser.Errorf("%s", err)
		os.Exit(2)
	}
	if len(program) > 0 {
		c.Run.Program, c.Run.Args = program[0], program[1:]
	}
	if err := ctx.Run(); err != nil {
		fmt.Fprintf(os.Stderr, "torov: %v\n", err)
		status := exitFailed
		var s *statusError
		if errors.As(err, &s) {
			status = s.status
		}
		os.Exit(status)
	}
}

// cutProgram takes the program and its arguments off a command line of the verb
// run. They are nobody else's: a parser would take arguments that look like
// flags for torov's, or split them.
func cutProgram(app *kong.Application, args []string) (own, program []string) {
	if len(args) == 0 || args[0] != "run" {
		return args, nil
	}
	valued := map[string]bool{}
	for _, command := range app.Children {
		if command.Name != "run" {
			continue
		}
		for _, flag := range command.Flags {
			valued["--"+flag.Name] = !flag.IsBool()
		}
	}
	for i := 1; i < len(args); i++ {
		switch a := args[i]; {
		case a == "--":
			return args[:i], args[i+1:]
		case a == "-" || !strings.HasPrefix(a, "-"):
			return args[:i], args[i:]
		case valued[a]:
			i++
		}
	}
	return args, nil
}
