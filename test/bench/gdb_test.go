package bench

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"
)

// gdb runs gdb's commands on a stub that waits and returns the seconds that
// the last of them took, by gdb's own clock.
func gdb(b *testing.B, commands ...string) float64 {
	b.Helper()
	last := commands[len(commands)-1]
	args := []string{"-nx", "-batch", "-ex", "set pagination off", "-ex", "set confirm off", "-ex", "target remote " + address}
	for _, c := range commands[:len(commands)-1] {
		args = append(args, "-ex", c)
	}
	args = append(args, "-ex", "python import time; begin = time.time()", "-ex", last,
		"-ex", "python print('took', time.time() - begin)", "-ex", "kill", guest(b))
	out, err := exec.Command(need(b, "gdb"), args...).CombinedOutput()
	text := string(out)
	took := regexp.MustCompile(`(?m)^took (.*)$`).FindStringSubmatch(text)
	// Without memory or program gdb goes on to the next command.
	if err != nil || took == nil || strings.Contains(text, "not being run") || !strings.Contains(text, "Breakpoint 1,") {
		b.Fatalf("%v\n%s", err, text)
	}
	return number(b, took[1])
}

// gdbPart is one part of a comparison: gdb's commands against a stub.
func gdbPart(start starter, mode, rounds string, per float64, commands ...string) func(b *testing.B) {
	return func(b *testing.B) {
		sum, n := 0.0, 0
		for b.Loop() {
			stop := start(b, mode, rounds)
			sum += gdb(b, commands...)
			stop()
			n++
		}
		b.ReportMetric(sum/float64(n)/per*1e9, "ns/op")
	}
}

// dump is the command that writes the guest's memory to a file.
func dump() string {
	return fmt.Sprintf("dump binary memory %s &memory (char *)&memory+%d", scratch("dump"), memorySize)
}

// BenchmarkGdbDump is gdb's dump memory of 64 MiB; an op is a KiB.
func BenchmarkGdbDump(b *testing.B) {
	commands := []string{"break ready", "continue", dump()}
	b.Run("gdbserver", gdbPart(startGdbserver, "spin", "1", memorySize>>10, commands...))
	b.Run("torov", gdbPart(startTorov, "spin", "1", memorySize>>10, commands...))
}

// BenchmarkGdbRestore is gdb's restore of the same.
func BenchmarkGdbRestore(b *testing.B) {
	commands := []string{"break ready", "continue", dump(),
		"restore " + scratch("dump") + " binary &memory"}
	b.Run("gdbserver", gdbPart(startGdbserver, "spin", "1", memorySize>>10, commands...))
	b.Run("torov", gdbPart(startTorov, "spin", "1", memorySize>>10, commands...))
}

// BenchmarkCondition is a breakpoint whose condition is false: evaluated by
// gdb, and by the stub; an op is a hit.
func BenchmarkCondition(b *testing.B) {
	commands := []string{"break ready", "continue", "break hit if i == 123456789"}
	host := append([]string{"set breakpoint condition-evaluation host"}, commands...)
	b.Run("host", gdbPart(startTorov, "hits", "1000", 1000, append(host, "continue")...))
	b.Run("torov", gdbPart(startTorov, "hits", "20000", 20000, append(commands, "continue")...))
	b.Run("gdbserver", gdbPart(startGdbserver, "hits", "20000", 20000, append(commands, "continue")...))
}

// BenchmarkWatch is a watchpoint on a local variable that changes after many
// instructions: gdb's own, by single steps, and torov's; an op is a round of
// four instructions.
func BenchmarkWatch(b *testing.B) {
	commands := []string{"break ready", "continue", "delete", "finish", "watch watched"}
	host := append([]string{"set can-use-hw-watchpoints 0"}, commands...)
	b.Run("gdb", gdbPart(startTorov, "local", "250", 250, append(host, "continue")...))
	b.Run("torov", gdbPart(startTorov, "local", "10000", 10000, append(commands, "continue")...))
}
