package bench

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// address is where the stubs listen: TCP for both, since gdbserver has no other.
const address = "127.0.0.1:47613"

// starter starts a stub with the guest in the background; stop ends it.
type starter func(b *testing.B, mode, rounds string) (stop func())

func start(b *testing.B, args ...string) (stop func()) {
	b.Helper()
	cmd := exec.Command(args[0], args[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	return func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}
}

func startGdbserver(b *testing.B, mode, rounds string) (stop func()) {
	b.Helper()
	return start(b, need(b, "gdbserver"), "--once", address, guest(b), mode, rounds)
}

func startTorov(b *testing.B, mode, rounds string) (stop func()) {
	b.Helper()
	return start(b, torov(b), "run", "--gdb", address, guest(b), mode, rounds)
}

// both runs a benchmark against gdbserver and against torov, on the same
// program.
func both(b *testing.B, mode, rounds string, f func(b *testing.B, s *stub)) {
	run := func(start starter) func(b *testing.B) {
		return func(b *testing.B) {
			defer start(b, mode, rounds)()
			s := dial(b, address)
			defer s.conn.Close()
			f(b, s)
		}
	}
	b.Run("gdbserver", run(startGdbserver))
	b.Run("torov", run(startTorov))
}

// BenchmarkStep is one single step, asked for by packet.
func BenchmarkStep(b *testing.B) {
	both(b, "spin", "1", func(b *testing.B, s *stub) {
		for b.Loop() {
			s.expect(b, "vCont;s", "T05")
		}
	})
}

// BenchmarkStepRange is a round of a loop of twelve instructions that the stub
// steps through by itself, as for gdb's next and finish.
func BenchmarkStepRange(b *testing.B) {
	const rounds = 100
	both(b, "count", fmt.Sprint(rounds), func(b *testing.B, s *stub) {
		start, size := function(b, "count")
		for b.Loop() {
			s.runTo(b, start)
			s.expect(b, fmt.Sprintf("vCont;r%x,%x:%s", start, start+size, s.thread), "T05")
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/rounds, "ns/op")
	})
}

// memorySize is that of the guest's random numbers.
const memorySize = 64 << 20

// pieces sends a request for each piece of the guest's memory that fits into a
// packet, as gdb does it.
func pieces(b *testing.B, s *stub, request string, perByte int) {
	at, end := symbol(b, "memory"), symbol(b, "memory")+memorySize
	size := uint64(s.packetSize-32) / uint64(perByte)
	for ; at < end; at += size {
		n := min(size, end-at)
		if r := s.command(b, fmt.Sprintf(request, at, n)); len(r) < int(n) {
			b.Fatalf("%d characters: %.20s", len(r), r)
		}
	}
}

// BenchmarkReadMemory reads 64 MiB of random numbers: by m packets, by x
// packets, which gdbserver 13 does not have, and 4 KiB of text at a time.
func BenchmarkReadMemory(b *testing.B) {
	read := func(request string, perByte int) func(b *testing.B, s *stub) {
		return func(b *testing.B, s *stub) {
			s.runTo(b, symbol(b, "ready"))
			b.SetBytes(memorySize)
			for b.Loop() {
				pieces(b, s, request, perByte)
			}
		}
	}
	both(b, "spin", "1", read("m%x,%x", 2))
	b.Run("torov-binary", func(b *testing.B) {
		defer startTorov(b, "spin", "1")()
		s := dial(b, address)
		defer s.conn.Close()
		read("x%x,%x", 1)(b, s)
	})
}

// BenchmarkReadPage reads the program's text 4 KiB at a time.
func BenchmarkReadPage(b *testing.B) {
	const size, text = 4096, 0x401000
	both(b, "spin", "1", func(b *testing.B, s *stub) {
		b.SetBytes(size)
		for b.Loop() {
			if r := s.command(b, fmt.Sprintf("m%x,%x", text, size)); len(r) < size/8 {
				b.Fatalf("%d characters: %.20s", len(r), r)
			}
		}
	})
}

// BenchmarkSearch looks for what is not there in 64 MiB.
func BenchmarkSearch(b *testing.B) {
	both(b, "spin", "1", func(b *testing.B, s *stub) {
		s.runTo(b, symbol(b, "ready"))
		request := fmt.Sprintf("qSearch:memory:%x;%x;not there at all", symbol(b, "memory"), memorySize)
		b.SetBytes(memorySize)
		for b.Loop() {
			if r := s.command(b, request); r != "0" {
				b.Fatal(r)
			}
		}
	})
}

// timedStub is timed under a debugger that is connected and lets the guest run.
func timedStub(mode string, count int) part {
	return part{"attached", func(b *testing.B) float64 {
		b.Helper()
		cmd := exec.Command(torov(b), "run", "--gdb", address, guest(b), mode, fmt.Sprint(count))
		var out strings.Builder
		cmd.Stdout = &out
		if err := cmd.Start(); err != nil {
			b.Fatal(err)
		}
		s := dial(b, address)
		s.expect(b, "vCont;c", "W00")
		s.conn.Close()
		if err := cmd.Wait(); err != nil {
			b.Fatal(err)
		}
		return number(b, out.String())
	}}
}

// BenchmarkAttached is what a debugger costs that is connected and has nothing
// to do.
func BenchmarkAttached(b *testing.B) {
	compare(b, timed("alone", "compute", 50000, torov(b), "run"), timedStub("compute", 50000))
}

// BenchmarkAttachedSyscall is the same with system calls.
func BenchmarkAttachedSyscall(b *testing.B) {
	compare(b, timed("alone", "getppid", syscallCount, torov(b), "run"), timedStub("getppid", syscallCount))
}

// scratch is a file of this run's.
func scratch(name string) string { return filepath.Join(dir, name) }
