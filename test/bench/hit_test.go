package bench

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// never is a condition that does not hold: $rdi == -1.
const never = "X9,26000522ff16081327"

// BenchmarkHit is one pass of a place that is watched in some way: a breakpoint
// whose condition is false, a tracepoint whose condition is false, and
// tracepoints that collect 64 bytes of the stack, or all registers.
func BenchmarkHit(b *testing.B) {
	trace := func(condition, action string) func(uint64) []string {
		return func(a uint64) []string {
			packets := []string{"QTinit", "QTBuffer:circular:1", fmt.Sprintf("QTDP:1:%x:E:0:0%s", a, condition)}
			if action != "" {
				packets[2] += "-"
				packets = append(packets, fmt.Sprintf("QTDP:-1:%x:%s", a, action))
			}
			return append(packets, "QTStart")
		}
	}
	for _, what := range []struct {
		name    string
		packets func(a uint64) []string
	}{
		{"breakpoint", func(a uint64) []string { return []string{fmt.Sprintf("Z0,%x,1;%s", a, never)} }},
		{"tracepoint", trace(":"+never, "")},
		{"memory", trace("", "X7,2600072240"+"0c27")},
		{"registers", trace("", "R0fffffffffffffffffff")},
	} {
		for _, server := range []string{"torov", "gdbserver"} {
			b.Run(what.name+"/"+server, func(b *testing.B) { benchHits(b, server, what.packets(symbol(b, "hit"))) })
		}
	}
}

// benchHits lets the guest pass b.N times by what the packets make.
func benchHits(b *testing.B, server string, packets []string) {
	program := []string{guest(b), "hits", strconv.Itoa(b.N)}
	args := append([]string{torov(b), "run", "--gdb", address, "--"}, program...)
	if server == "gdbserver" {
		args = append([]string{need(b, "gdbserver"), "--once", address}, program...)
	}
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	defer func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}()
	s := dial(b, address)
	defer s.conn.Close()
	for _, p := range packets {
		if r := s.command(b, p); r != "OK" {
			b.Fatalf("%s: %q", p, r)
		}
	}
	b.ResetTimer()
	if r := s.command(b, "vCont;c"); !strings.HasPrefix(r, "W0") {
		b.Fatal(r)
	}
	b.StopTimer()
}
