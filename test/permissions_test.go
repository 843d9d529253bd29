package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPermissions runs denied.c, which tries calls of several groups, with
// different grants.
func TestPermissions(t *testing.T) {
	needKVM(t)
	for _, c := range []struct {
		name              string
		flags             []string
		open, net, change string // results of open; of socket; of mkdir and unlink
	}{
		{"nothing granted", nil, "EPERM", "EPERM", "EPERM"},
		{"a group", []string{"--allow", "file"}, "0", "EPERM", "0"},
		{"two groups", []string{"--allow", "file,net"}, "0", "0", "0"},
		{"repeated flags", []string{"--allow", "file", "--allow", "net"}, "0", "0", "0"},
		{"calls", []string{"--allow", "open,openat,socket"}, "0", "0", "EPERM"},
		{"everything", []string{"-A"}, "0", "0", "0"},
		{"everything, long", []string{"--allow-all"}, "0", "0", "0"},
		{"everything but a group", []string{"-A", "--deny", "net"}, "0", "EPERM", "0"},
		{"a group but a call", []string{"--allow", "file,net", "--deny", "socket"}, "0", "EPERM", "0"},
	} {
		t.Run(c.name, func(t *testing.T) {
			// musl asks for nothing at its start; glibc reads /proc/self/exe.
			native := command{path: filepath.Join(programs(t), "musl/denied"), stdin: "from stdin"}
			cmd := native.underTorov(t, c.flags...)
			cmd.dir = t.TempDir()
			if err := os.WriteFile(filepath.Join(cmd.dir, "file"), nil, 0o644); err != nil {
				t.Fatal(err)
			}
			r := run(t, cmd)
			want := deniedOutput(c.open, c.net, c.change)
			if r.status != "exit status 7" || r.stdout != want {
				t.Errorf("%s, stdout (- wanted, + got):\n%s", r.status, diff(want, r.stdout))
			}
			checkRefusals(t, r.stderr, map[string]bool{"open": c.open == "EPERM", "socket": c.net == "EPERM", "mkdir": c.change == "EPERM", "unlink": c.change == "EPERM"})
		})
	}
}

func deniedOutput(open, net, change string) string {
	out := "memory and time: 1\nstdin: from stdin\n"
	for range 3 {
		out += fmt.Sprintf("open: %s\nsocket: %s\n", open, net)
	}
	return out + fmt.Sprintf("mkdir: %s\nunlink: %s\n", change, change)
}

// checkRefusals: each refused call is told once, in one line that names the
// flag which would allow it or has taken it away; nothing else is told, and the
// program's own line is there.
func checkRefusals(t *testing.T, stderr string, refused map[string]bool) {
	t.Helper()
	own := 0
	told := map[string]int{}
	for line := range strings.Lines(stderr) {
		if line == "the program's own line\n" {
			own++
			continue
		}
		if !strings.Contains(line, "--allow") && !strings.Contains(line, "--deny") {
			t.Errorf("a line that names no flag: %q", line)
		}
		for call := range refused {
			if strings.Contains(line, call) {
				told[call]++
			}
		}
	}
	if own != 1 {
		t.Errorf("the program's own line came %d times", own)
	}
	for call, want := range refused {
		if n := told[call]; (n == 1) != want || n > 1 {
			t.Errorf("refusal of %s told %d times, refused: %v\nstderr:\n%s", call, n, want, stderr)
		}
	}
}

// TestPermissionsConfig: the same by ToroV's list of hypercalls.
func TestPermissionsConfig(t *testing.T) {
	needKVM(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf(`{"Binary": %q, "Cwd": %q, "Hypercalls": [
		{"Name": "Open", "Allowed": "True"},
		{"Name": "socket", "Allowed": false}]}`, filepath.Join(programs(t), "musl/denied"), dir)
	path := filepath.Join(dir, "denied.json")
	if err := os.WriteFile(path, []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
	r := run(t, command{path: torov(t), args: []string{"run", path}, stdin: "from stdin"})
	if want := deniedOutput("0", "EPERM", "EPERM"); r.status != "exit status 7" || r.stdout != want {
		t.Errorf("%s, stdout (- wanted, + got):\n%s", r.status, diff(want, r.stdout))
	}
	checkRefusals(t, r.stderr, map[string]bool{"open": false, "socket": true, "mkdir": true, "unlink": true})
}

// TestFlags: --env, --cwd and --root reach the program.
func TestFlags(t *testing.T) {
	needKVM(t)
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "inner"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "inner/file"), []byte("in the root\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		flags []string
		args  []string
		want  string
	}{
		{[]string{"--env", "A=b c"}, []string{"sh", "-c", "echo $A"}, "b c\n"},
		{[]string{"--env", "A=1", "--env", "B="}, []string{"sh", "-c", "echo ${A}${B-unset}"}, "1\n"},
		{[]string{"--cwd", root}, []string{"cat", "inner/file"}, "in the root\n"},
		{[]string{"--root", root, "--cwd", "/"}, []string{"ls", "inner"}, "file\n"},
		{[]string{"--root", root, "--cwd", "/"}, []string{"sh", "-c", "test -e " + root + " || echo hidden"}, "hidden\n"},
		{[]string{"--root", root, "--cwd", "/inner"}, []string{"cat", "file"}, "in the root\n"},
		{[]string{"--root", root, "--cwd", "/inner"}, []string{"cat", "../../../../inner/file"}, "in the root\n"},
		{[]string{"--root", root, "--cwd", "/inner"}, []string{"pwd"}, "/inner\n"},
	} {
		t.Run(strings.Join(c.flags, " ")+" "+c.args[0], func(t *testing.T) {
			r := run(t, command{path: busybox, args: c.args}.underTorov(t, append([]string{"-A"}, c.flags...)...))
			if r.status != "exit status 0" || r.stdout != c.want || r.stderr != "" {
				t.Errorf("%s, stderr %q, stdout (- wanted, + got):\n%s", r.status, r.stderr, diff(c.want, r.stdout))
			}
		})
	}
}
