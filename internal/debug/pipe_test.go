package debug_test

import (
	"strings"
	"syscall"
	"testing"
)

// TestPipe: gdb starts torov itself, and talks to it through a pipe. The
// program has nothing to read and writes where torov's messages go.
func TestPipe(t *testing.T) {
	needGDB(t)
	needKVM(t)
	program := programPath(t, "basic")
	cmd := command(t, "gdb", "-nx", "-q", "-batch", "-ex", "set debuginfod enabled off",
		"-ex", "target remote | "+torovPath(t)+" run -A --gdb - "+program, "-ex", "break main", "-ex", "continue", "-ex", "continue", program)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Errorf("%v", err)
	}
	inOrder(t, string(out), "Breakpoint 1, main", "factorial 720", "exited with code 0122")
	if strings.Contains(string(out), "warning: ") {
		t.Errorf("gdb warns:\n%s", out)
	}
}

// TestHangup: what runs as gdbserver ends with its terminal, also while a
// debugger is to come.
func TestHangup(t *testing.T) {
	needKVM(t)
	srv := startTorov(t, script{program: "basic", flags: []string{"--gdbserver"}})
	if err := srv.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	if end := srv.wait(t); end != "signal: hangup" {
		t.Error(end)
	}
}

// TestMonitorExit: gdbserver's command to end it.
func TestMonitorExit(t *testing.T) {
	srv := start(t, "basic")
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	c.want("OK", "qRcmd,%x", "exit")
	if reply, err := c.reply(); err == nil {
		t.Errorf("after the end: %s", reply)
	}
	if end := srv.wait(t); end != "signal: killed" {
		t.Error(end)
	}
}
