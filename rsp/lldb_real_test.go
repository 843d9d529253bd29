package rsp_test

import (
	"strings"
	"testing"

	"torov/rsp/internal/toy"
)

func TestLLDB(t *testing.T) {
	out, m := debugger(t, toy.Counter(), "lldb", []string{"--no-lldbinit", "-b", "-s"}, `
gdb-remote 127.0.0.1:PORT
register read rip
memory region 0x401000
breakpoint set -a 0x401000
breakpoint set -n nowhere
breakpoint set -a 0x40105b
continue
register read rdi
thread step-inst
memory read -c 5 0x403010
memory write 0x403004 0x2a
watchpoint set expression -s 8 -- 0x403000
continue
register read fs_base
register write rdx 0x1234
register read rdx
thread list
breakpoint delete -f
watchpoint delete -f
continue
quit
`)
	if strings.Contains(out, "unable to") || strings.Contains(out, "command not found") {
		t.Skipf("this lldb cannot run scripts:\n%s", out)
	}
	inOrder(t, out,
		"rip = 0x0000000000401000", "[0x0000000000401000-0x0000000000402000) r-x /toy", "stop reason = breakpoint 3.1",
		"rdi = 0x0000000000000000", "stop reason = instruction step into", "68 65 6c 6c 6f", "Watchpoint created",
		"stop reason = watchpoint 1", "fs_base = 0x0000000000403800", "rdx = 0x0000000000001234", "exited with status = 7")
	if got := string(m.Record().Output); got != "hello from the toy\n" {
		t.Errorf("the program wrote %q", got)
	}
}

func TestLLDBSignalsAndThreads(t *testing.T) {
	out, _ := debugger(t, toy.Signals(), "lldb", []string{"--no-lldbinit", "-b", "-s"}, `
gdb-remote 127.0.0.1:PORT
continue
continue
continue
quit
`)
	inOrder(t, out, "stop reason = signal SIGUSR1", "stop reason = signal SIGSEGV", "exited with status = 11")
	out, _ = debugger(t, toy.Threads(), "lldb", []string{"--no-lldbinit", "-b", "-s"}, `
gdb-remote 127.0.0.1:PORT
breakpoint set -a 0x40104e
continue
thread list
thread select 2
register write rbp 7
register read rbp
detach
quit
`)
	inOrder(t, out, "stop reason = breakpoint 1.1", "thread #1: tid = 5000001", "name = 'worker'", "rbp = 0x0000000000000007", "detached")
}
