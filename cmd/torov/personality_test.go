package main

import (
	"bytes"
	"net"
	"os"
	"strings"
	"testing"
)

func TestPersonality(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("prog", nil, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ flags, args, want string }{
		{"", "torov run prog", "run prog"},
		{"", "torov", ""},
		{"", "torov gdbserver :1 prog a -b", "run --gdbserver --gdb :1 -A -- ./prog a -b"},
		{"", "/x/gdbserver --once localhost:1 /bin/prog", "run --gdbserver --gdb localhost:1 --once -A -- /bin/prog"},
		{"", "gdbserver :1 elsewhere", "run --gdbserver --gdb :1 -A -- elsewhere"},
		{"--allow file", "gdbserver - ./prog", "run --gdbserver --gdb - --once --allow file -- ./prog"},
		{"", "lldb-server gdbserver *:1 -- prog", "run --gdbserver --gdb :1 --once -A -- ./prog"},
		{"", "gdbserver stdio elsewhere", "run --gdbserver --gdb - --once -A -- elsewhere"},
		{"", "gdbserver ::1:2 elsewhere", "run --gdbserver --gdb [::1]:2 -A -- elsewhere"},
		{"", "gdbserver --wrapper env A=1 B=2 -- :1 elsewhere", "run --gdbserver --gdb :1 -A --env A=1 --env B=2 -- elsewhere"},
		{"", "gdbserver --wrapper nice -- :1 elsewhere", "error: gdbserver: --wrapper nice: want --wrapper env NAME=VALUE… --"},
		{"", "gdbserver --wrapper env -i -- :1 elsewhere", "error: gdbserver: --wrapper env -i: want --wrapper env NAME=VALUE… --"},
		{"", "gdbserver --wrapper env A=1", "error: gdbserver: --wrapper: -- must end it"},
		{"", "gdbserver :1", "error: gdbserver: want HOST:PORT and a program"},
		{"", "lldb-server g :1 --", "error: lldb-server: want a program after --"},
		{"", "lldb-server platform", "error: lldb-server: only its gdbserver mode is there: lldb-server gdbserver HOST:PORT -- PROGRAM"},
	} {
		t.Setenv(runFlags, c.flags)
		got, err := personality(strings.Fields(c.args))
		text := strings.Join(got, " ")
		if err != nil {
			text = "error: " + err.Error()
		}
		if text != c.want {
			t.Errorf("%s: got  %s\nwant %s", c.args, text, c.want)
		}
	}
}

// IDEs connect when they read this line.
func TestAnnounce(t *testing.T) {
	var out bytes.Buffer
	sayListening(&out, &net.TCPAddr{Port: 2345})
	sayListening(&out, &net.UnixAddr{Name: "socket"})
	if got := out.String(); got != "Listening on port 2345\n" {
		t.Errorf("%q", got)
	}
}
