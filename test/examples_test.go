package test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	greetings = "Hello, reader! (1)\nHello, reader! (2)\nHello, reader! (3)\n"
	rawPort   = "127.0.0.1:8080" // of the raw echo server
)

// TestExamples runs the examples as their README says: torov run CONFIG.json.
func TestExamples(t *testing.T) {
	needKVM(t)
	dir := examples(t)
	for _, c := range []struct{ config, stdout string }{
		{"hello/hello-raw.json", "Hello from a raw image!\n"},
		{"hello/hello-c.json", greetings + "total 14\n"},
		{"hello/hello-go.json", greetings},
	} {
		t.Run(c.config, func(t *testing.T) {
			r := runConfig(t, dir, c.config)
			if r.status != "exit status 0" || r.stdout != c.stdout || r.stderr != "" {
				t.Errorf("%s, stderr %q, stdout (- wanted, + got):\n%s", r.status, r.stderr, diff(c.stdout, r.stdout))
			}
		})
	}
	for _, c := range []struct{ config, file, contents, stdout string }{
		{"write/write-raw.json", "hello.txt", "Written by a raw image.\n", "wrote /hello.txt\n"},
		{"write/write-c.json", "notes.txt", "Written by a C program.\n", "wrote /notes.txt: Written by a C program.\n"},
		{"write/write-go.json", "notes-go.txt", "Written by a Go program.\n", "wrote notes-go.txt: Written by a Go program.\n"},
	} {
		t.Run(c.config, func(t *testing.T) { writeExample(t, dir, c.config, c.file, c.contents, c.stdout) })
	}
	for _, config := range []string{"echo/echo-raw.json", "echo/echo-c.json", "echo/echo-go.json"} {
		t.Run(config, func(t *testing.T) { echoExample(t, dir, config) })
	}
}

func runConfig(t *testing.T, dir, config string) result {
	t.Helper()
	return run(t, command{path: torov(t), args: []string{"run", filepath.Join(dir, config)}, dir: t.TempDir()})
}

// writeExample: the file appears below MountPoint, with the program's bytes.
func writeExample(t *testing.T, dir, config, file, contents, stdout string) {
	path := filepath.Join(dir, "../build/examples/root", file)
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	r := runConfig(t, dir, config)
	if r.status != "exit status 0" || r.stdout != stdout || r.stderr != "" {
		t.Errorf("%s, stderr %q, stdout (- wanted, + got):\n%s", r.status, r.stderr, diff(stdout, r.stdout))
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != contents {
		t.Errorf("the file holds %q (%v), want %q", got, err, contents)
	}
}

// echoExample talks to the server, with several clients in turn, then ends it
// with SIGTERM, of which it dies as it would without torov.
func echoExample(t *testing.T, dir, config string) {
	if strings.Contains(config, "raw") {
		l, err := net.Listen("tcp", rawPort)
		if err != nil {
			t.Skipf("the raw image's fixed port is taken: %v", err)
		}
		l.Close()
	}
	s := serve(t, command{path: torov(t), args: []string{"run", filepath.Join(dir, config)}})
	for _, size := range []int{1, 100, 4096, 100000} {
		sent := bytes.Repeat([]byte("echo!"), size/5+1)
		got, err := converse(s.address, sent, defaultTimeout(t))
		if err != nil || !bytes.Equal(got, sent) {
			s.fail(t, "sent %d bytes, %d came back: %v", len(sent), len(got), err)
		}
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if r := s.wait(t); r.status != "signal: terminated" || r.stderr != "" {
		t.Errorf("after SIGTERM: %s, stderr %q", r.status, r.stderr)
	}
}

// converse sends data, hangs up its own direction, and returns all that comes
// back.
func converse(address string, data []byte, timeout time.Duration) ([]byte, error) {
	conn, err := net.DialTimeout("tcp", address, timeout)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(timeout)); err != nil {
		return nil, err
	}
	sent := make(chan error, 1)
	go func() {
		_, err := conn.Write(data)
		sent <- errors.Join(err, conn.(*net.TCPConn).CloseWrite())
	}()
	got, err := io.ReadAll(conn)
	return got, errors.Join(err, <-sent)
}
