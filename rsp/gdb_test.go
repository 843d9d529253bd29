package rsp_test

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"torov/rsp/internal/toy"
)

// debuggerTimeout bounds a run of a real debugger.
const debuggerTimeout = 30 * time.Second

// debugger runs a real debugger with a script against a program and returns
// what it printed. PORT in the script is replaced.
func debugger(t *testing.T, image *toy.Image, name string, args []string, script string) (string, *toy.Machine) {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed: %v", name, err)
	}
	l, m := serve(t, ":0", image)
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(script, "PORT", port)), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), debuggerTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, append(args, file)...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "DEBUGINFOD_URLS=", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if ctx.Err() != nil {
		t.Fatalf("%s hangs:\n%s", name, out)
	}
	if err != nil && name == "gdb" {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	return string(out), m
}

func gdb(t *testing.T, image *toy.Image, script string) (string, *toy.Machine) {
	t.Helper()
	return debugger(t, image, "gdb", []string{"-nx", "-q", "-batch", "-x"},
		"set pagination off\nset confirm off\nset width 0\n"+script)
}

// inOrder checks that the lines occur in the output one after the other.
func inOrder(t *testing.T, out string, lines ...string) {
	t.Helper()
	rest := out
	for _, line := range lines {
		_, after, ok := strings.Cut(rest, line)
		if !ok {
			t.Fatalf("%q is missing, or in the wrong place, in\n%s", line, out)
		}
		rest = after
	}
}

func TestGDB(t *testing.T) {
	out, m := gdb(t, toy.Counter(), `
target remote 127.0.0.1:PORT
info registers rip
break work if $rdi == 5
continue
bt 1
watch *(long*)&counter
continue
p $_siginfo.si_signo
x/i $pc
delete
catch syscall write
continue
continue
info threads
info proc mappings
monitor echo hi there
find &message, +64, 'f','r','o','m'
p $mxcsr
p $eflags
p $fctrl
p $xmm0.uint128
p $ymm1.v2_int128[1]
info os threads
p ((long(*)(long))work)(100)
p *(long*)&counter
set var *(long*)&counter = 0x23242a7d
p/x *(long*)&counter
compare-sections .text
delete
continue
`)
	inOrder(t, out,
		"in _start ()", "rip            0x401000", "Breakpoint 1, ", " in work ()", "#0 ", " in work ()",
		"Hardware watchpoint 2: *(long*)&counter", "Old value = 10", "New value = 15", "$1 = 5", "<work_end>:\tret",
		"Catchpoint 3 (call to syscall write)", "Catchpoint 3 (returned from syscall write)",
		`"toy"`, "process 5000001", "r-xp   /toy", "[stack]", "hi there", "0x403016 <message+6>", "1 pattern found",
		"$2 = [ IM DM ZM OM UM PM ]", "$3 = [ ZF IF ]", "$4 = 895", "$5 = 0", "$6 = 0", "5000001    toy", "$7 = 145", "$8 = 145", "$9 = 0x23242a7d",
		"matched.", "exited with code 07")
	if strings.Contains(strings.ToLower(out), "warning") && !strings.Contains(out, "File transfers from remote targets can be slow") {
		t.Errorf("GDB warns:\n%s", out)
	}
	if got := string(m.Record().Output); got != "hello from the toy\n" {
		t.Errorf("the program wrote %q", got)
	}
}

func TestGDBTargetSideEvaluation(t *testing.T) {
	out, m := gdb(t, toy.Counter(), `
target remote 127.0.0.1:PORT
set breakpoint condition-evaluation target
set dprintf-style agent
break *&work_store if *(int*)0x403000 == -3 || *(unsigned char*)0x403000 == 21 || *(short *)0x403000 < -5
dprintf *&work_end,"i=%d counter=%ld %s\n", (int)$rdi, *(long*)0x403000, (char*)0x403010
continue
p $rdi
continue
`)
	inOrder(t, out, "Breakpoint 1, ", "in work_store ()", "$1 = 7", "exited with code 07")
	printed := string(m.Record().Printed)
	inOrder(t, printed, "i=0 counter=0 hello from the toy\n", "i=5 counter=15 hello", "i=9 counter=45 hello")
}

func TestGDBTracepoints(t *testing.T) {
	out, _ := gdb(t, toy.Counter(), `
target remote 127.0.0.1:PORT
tvariable $sum = 0
trace *&work_store if $rdi > 2
actions
collect $rdi, *(long*)0x403000
teval $sum = $sum + $rdi
while-stepping 1
collect $rip
end
end
break *&work_end if $rdi == 9
tstart
continue
tstatus
tstop
tfind start
tdump
tfind
tdump
tfind tracepoint 1
p $rdi
tfind pc &work_store
p $trace_frame
p *(long*)0x403008
tfind none
p $sum
info tracepoints
delete
continue
`)
	inOrder(t, out, "Breakpoint 2, ", "Trace is running", "Collected 14 trace frames", "Found trace frame 0, tracepoint 1", "$rdi = 3", "*(long*)0x403000 = 3",
		"Found trace frame 1, tracepoint 1", "$rip = (void (*)()) 0x40106e <work_end>", "Found trace frame 2, tracepoint 1", "$1 = 4",
		"Found trace frame 4", "$2 = 4", "$3 = <unavailable>", "$4 = 42", "already hit 7 times", "exited with code 07")
}

func TestGDBSignals(t *testing.T) {
	out, m := gdb(t, toy.Signals(), `
target remote 127.0.0.1:PORT
handle SIGUSR1 stop print pass
continue
p $_siginfo.si_signo
continue
p $_siginfo._sifields._sigfault.si_addr
x/i $pc
continue
`)
	inOrder(t, out, "received signal SIGUSR1", "$1 = 10", "received signal SIGSEGV", "$2 = (void *) 0x0", "<crash>:\tmov", "terminated with signal SIGSEGV")
	if got := m.Record().Delivered; len(got) != 2 || got[0] != 10 || got[1] != 11 {
		t.Errorf("delivered %v", got)
	}
}

func TestGDBThreads(t *testing.T) {
	out, _ := gdb(t, toy.Threads(), `
target remote 127.0.0.1:PORT
break wait
continue
delete
thread 2
tbreak *(spin+3)
set scheduler-locking on
continue
p $rbp
stepi
p $rbp
thread 3
set $rbp = 0x333
info threads
thread apply all p $rbp
set scheduler-locking off
detach
`)
	inOrder(t, out, "hit Breakpoint 1, ", "in wait ()", "Switching to thread 2", `Thread 2 "worker" hit Temporary breakpoint 2`, "$2 = ",
		"Switching to thread 3", `"toy"`, `"worker"`, `"worker"`, "in spin ()", "Thread 3 ", "= (void *) 0x333", "Thread 2 ", "Thread 1 ", "detached")
}

func TestGDBExtendedRemote(t *testing.T) {
	out, m := gdb(t, toy.Fork(), `
target extended-remote 127.0.0.1:PORT
catch fork
set detach-on-fork off
continue
continue
inferior 2
kill
inferior 1
delete
set environment NAME=value with spaces
set cwd /somewhere
set detach-on-fork on
tbreak *0x40100a
run first "second one"
p $pc
kill
info inferiors
disconnect
`)
	inOrder(t, out, "Catchpoint 1 (forked process 5000101)", "[New inferior 2 (process 5000101)]",
		"[Inferior 1 (process 5000001) exited with code 07]", "[Inferior 2 (process 5000101) killed]", "$1 = (void (*)()) 0x40100a <_start+10>", "killed]", "<null>")
	launch := m.Record().Launch
	if strings.Join(launch.Args, "|") != "first|second one" || launch.Dir != "/somewhere" || len(launch.Env) == 0 || launch.Env[len(launch.Env)-1].Value != "value with spaces" {
		t.Errorf("launched %+v", launch)
	}
}

func TestGDBDetachesFromCatchpoint(t *testing.T) {
	// Without following, GDB removes its breakpoints from the child itself.
	out, m := gdb(t, toy.Fork(), `
target remote 127.0.0.1:PORT
break both
continue
continue
`)
	inOrder(t, out, "Detaching after fork", "Breakpoint 1, ", "in both ()", "exited with code 07")
	if n := m.Record().Detached; n != 1 {
		t.Errorf("%d processes were detached", n)
	}
}
