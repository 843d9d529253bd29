package debug_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// inOrder checks that the texts occur in the output one after the other.
func inOrder(t *testing.T, out string, texts ...string) {
	t.Helper()
	rest := out
	for _, text := range texts {
		i := strings.Index(rest, text)
		if i < 0 {
			t.Fatalf("no %q where it should be in:\n%s", text, out)
		}
		rest = rest[i+len(text):]
	}
}

const lldbScript = `
breakpoint set -n main
continue
next
next
breakpoint set -n factorial
continue
frame variable
breakpoint disable 2
finish
watchpoint set variable counter
continue
p f(3)
p counter
memory read -c 7 &text
memory region &counter
thread list
watchpoint delete -f
breakpoint set -n scale -c "by > 1"
continue
thread step-inst
register write rbx 0x1234
register read rbx
breakpoint delete -f
continue
`

func TestLLDB(t *testing.T) {
	needKVM(t)
	if lab != "" {
		t.Skip("the labs have no lldb")
	}
	if _, err := exec.LookPath("lldb"); err != nil {
		t.Skipf("no lldb here: %v", err)
	}
	for _, program := range []string{"basic", "basic-dyn"} {
		t.Run(program, func(t *testing.T) {
			srv := startTorov(t, script{program: program})
			commands := filepath.Join(srv.dir, "commands")
			if err := os.WriteFile(commands, []byte(lldbScript), 0o666); err != nil {
				t.Fatal(err)
			}
			cmd := command(t, "lldb", "--no-lldbinit", "-b", "-o", "target create "+programPath(t, program),
				"-o", "process connect --plugin gdb-remote unix-connect://"+srv.address, "-s", commands)
			bytes, err := cmd.CombinedOutput()
			out := string(bytes)
			if err != nil && strings.Contains(out, "unable to") {
				t.Skipf("this lldb cannot run scripts:\n%s", out)
			}
			inOrder(t, out,
				"stop reason = signal SIGSTOP", "stop reason = breakpoint 1.1", "main(argc=1", "-> 53", "-> 54",
				"stop reason = breakpoint 2.1", "(int) n = 6", "Return value: (int) $0 = 720",
				"old value: 0", "new value: 1", "stop reason = watchpoint 1", "(int) $1 = 83", "(int) $2 = 1",
				"69 6e 69 74 69 61 6c", "rw-", "* thread #1: tid = 4", "stop reason = breakpoint 3.1", "by=1.25",
				"stop reason = instruction step into", "rbx = 0x0000000000001234", "exited with status = 82")
			if end := srv.wait(t); end != "exit status 82" {
				t.Error(end)
			}
		})
	}
}

// lldbServer is what Delve starts: a program named lldb-server.
const lldbServer = `#!/bin/sh
# lldb-server gdbserver [OPTION...] :PORT -- PROGRAM ARGUMENT...
shift
while case $1 in -*) true ;; *) false ;; esac; do shift; done
address=$1
shift 2
exec "$TOROV" run -A --gdb "$address" -- "$@"
`

const delveScript = `break main.add
condition 1 id == 2
continue
args
stack
next
next
print r
stepout
goroutines
threads
regs
clearall
continue
exit
`

func TestDelve(t *testing.T) {
	needKVM(t)
	if lab != "" {
		t.Skip("the labs have no Delve")
	}
	if _, err := exec.LookPath("dlv"); err != nil {
		t.Skipf("no Delve here: %v", err)
	}
	dir := shortTempDir(t)
	if err := os.WriteFile(filepath.Join(dir, "lldb-server"), []byte(lldbServer), 0o777); err != nil {
		t.Fatal(err)
	}
	cmd := command(t, "dlv", "exec", "--backend=lldb", "--allow-non-terminal-interactive=true", programPath(t, "routines"))
	cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "HOME=" + dir, "TOROV=" + torovPath(t), "TERM=dumb", "NO_COLOR=1"}
	cmd.Stdin = strings.NewReader(delveScript)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	inOrder(t, string(out),
		"Breakpoint 1 set at", "main.add()", "id = 2", "main.worker", "=>  15:", "=>  16:", "main.result {id: 2, sum: 0}",
		"main.worker()", "Values returned:", "sum: 112", "Goroutine 1 - User:", "* Thread 4", "Fs_base = 0x", "has exited with status 0")
}
