package debug_test

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// keyboard types commands into a debugger as a person does, who looks at what
// comes. Comments in the commands say for what:
//
//	# await TEXT     the debugger says so, after the command before
//	# output TEXT    the program says so
//	# pause          nothing, for a while
//	# ^C             nothing: this is the key
type keyboard struct {
	srv      *server
	debugger *os.Process
	in       io.WriteCloser
	out      *buffer
}

// play ends with the last command.
func (k keyboard) play(t *testing.T, commands string) {
	t.Helper()
	defer k.in.Close()
	before, end := 0, time.Now().Add(timeout(t))
	until := func(text string, said func() string) {
		for !strings.Contains(said(), text) {
			if time.Now().After(end) {
				t.Fatalf("waiting for %q in\n%s", text, k.out.String())
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	for line := range strings.Lines(commands) {
		line = strings.TrimSuffix(line, "\n")
		if text, ok := strings.CutPrefix(line, "# await "); ok {
			until(text, func() string { return k.out.String()[before:] })
		} else if text, ok := strings.CutPrefix(line, "# output "); ok {
			until(text, k.srv.stdout.String)
		} else if line == "# pause" {
			time.Sleep(200 * time.Millisecond) // into the loop, or the wait
		} else if line == "# ^C" {
			before = len(k.out.String())
			if err := k.debugger.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
		} else if !strings.HasPrefix(line, "#") {
			before = len(k.out.String())
			if _, err := fmt.Fprintln(k.in, line); err != nil {
				t.Fatalf("%s: %v\n%s", line, err, k.out.String())
			}
		}
	}
}
