package test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// server is a program that runs until it is told to end.
type server struct {
	address string // where its first line says that it listens
	cmd     *exec.Cmd
	cancel  context.CancelFunc
	stderr  *bytes.Buffer
	rest    chan string // what it printed after the first line, once it has ended
}

// serve starts a program and waits until it has printed
// "listening on ADDRESS". What still runs when the test ends is killed.
func serve(t *testing.T, c command) *server {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*defaultTimeout(t))
	s := &server{cmd: prepare(ctx, c), cancel: cancel, stderr: new(bytes.Buffer), rest: make(chan string, 1)}
	s.cmd.Stderr = s.stderr
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatalf("cannot start %s: %v", c, err)
	}
	t.Cleanup(s.cancel)
	first := make(chan string, 1)
	go func() {
		r := bufio.NewReader(stdout)
		line, _ := r.ReadString('\n')
		first <- line
		rest, _ := io.ReadAll(r)
		s.rest <- string(rest)
	}()
	select {
	case line := <-first:
		address, ok := strings.CutPrefix(strings.TrimSpace(line), "listening on ")
		if !ok {
			s.fail(t, "%s said %q first, want \"listening on ADDRESS\"", c, line)
		}
		s.address = address
	case <-time.After(defaultTimeout(t)):
		s.fail(t, "%s says nothing", c)
	}
	return s
}

// fail ends the server and the test, and shows what the server complained of.
func (s *server) fail(t *testing.T, format string, args ...any) {
	t.Helper()
	s.cancel()
	<-s.rest
	_ = s.cmd.Wait() // its status adds nothing: it was killed
	t.Fatalf("%s\nstderr:\n%s", fmt.Sprintf(format, args...), s.stderr)
}

// wait waits for the server's own end and returns the rest of its output,
// its complaints and its status.
func (s *server) wait(t *testing.T) result {
	t.Helper()
	var rest string
	select {
	case rest = <-s.rest:
	case <-time.After(defaultTimeout(t)):
		s.fail(t, "the server does not end")
	}
	_ = s.cmd.Wait() // the status is in ProcessState
	return result{stdout: rest, stderr: s.stderr.String(), status: s.cmd.ProcessState.String()}
}

// awaitFile waits until a file exists; it gives up when ctx or the program
// that is to make it ends.
func awaitFile(ctx context.Context, path string, ended <-chan struct{}) error {
	for {
		if _, err := os.Stat(path); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ended:
			return errors.New("it has ended")
		case <-time.After(5 * time.Millisecond):
		}
	}
}
