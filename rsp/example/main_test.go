package main

import (
	"context"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"torov/rsp"
)

// TestGDB debugs the toy CPU as its documentation says.
func TestGDB(t *testing.T) {
	if _, err := exec.LookPath("gdb"); err != nil {
		t.Skipf("no gdb here: %v", err)
	}
	socket := filepath.Join(t.TempDir(), "gdb")
	l, err := rsp.Listen("unix:" + socket)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	c := newCPU()
	server := rsp.Server{Target: &rsp.Target{Registers: c, Memory: c, RunControl: c, Threads: c, Breakpoints: c}}
	go server.Serve(ctx, l)
	args := []string{"-nx", "-batch"}
	for _, command := range []string{
		"set architecture i386:x86-64", "target remote " + socket, "x/3i $pc", "stepi", "print $rcx", "break *0x1012 if $rcx == 2", "continue",
		"print $rax", "set $rax = 100", "set {char}0x1017 = 0x90", "set {char}0x1018 = 0xf4", "delete", "continue",
	} {
		args = append(args, "-ex", command)
	}
	out, err := exec.CommandContext(ctx, "gdb", args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	rest := string(out)
	for _, want := range []string{"mov    $0x5,%rcx", "add    %rcx,%rax", "$1 = 5", "Breakpoint 1, ", "$2 = 14", "exited with code 0145"} {
		_, after, ok := strings.Cut(rest, want)
		if !ok {
			t.Fatalf("no %q where it should be in:\n%s", want, out)
		}
		rest = after
	}
}
