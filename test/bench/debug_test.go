package bench

import (
	"bufio"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// stub is a debugger's connection to a stub, as little as the benchmarks need.
type stub struct {
	conn net.Conn
	in   *bufio.Reader
}

// dial connects to a stub that is about to listen and stops acknowledging.
func dial(b *testing.B, network, address string) *stub {
	b.Helper()
	var conn net.Conn
	var err error
	for range 100 {
		if conn, err = net.Dial(network, address); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		b.Fatal(err)
	}
	s := &stub{conn, bufio.NewReaderSize(conn, 1<<20)}
	for _, packet := range []string{"qSupported:multiprocess+;swbreak+;vContSupported+", "QStartNoAckMode"} {
		s.command(b, packet)
		if _, err := conn.Write([]byte("+")); err != nil {
			b.Fatal(err)
		}
	}
	s.command(b, "?")
	return s
}

// command sends a packet and returns the reply's payload.
func (s *stub) command(b *testing.B, payload string) string {
	b.Helper()
	sum := byte(0)
	for i := range len(payload) {
		sum += payload[i]
	}
	if _, err := fmt.Fprintf(s.conn, "$%s#%02x", payload, sum); err != nil {
		b.Fatal(err)
	}
	text, err := s.in.ReadString('#')
	if err != nil {
		b.Fatalf("%s: %v", payload, err)
	}
	if _, err := s.in.Discard(2); err != nil {
		b.Fatal(err)
	}
	_, text, _ = strings.Cut(text, "$")
	return strings.TrimSuffix(text, "#")
}

// both runs a benchmark against gdbserver and against torov, on the same
// program.
func both(b *testing.B, f func(b *testing.B, s *stub)) {
	run := func(network, address string, args ...string) func(b *testing.B) {
		return func(b *testing.B) {
			cmd := exec.Command(args[0], args[1:]...)
			cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			if err := cmd.Start(); err != nil {
				b.Fatal(err)
			}
			defer func() {
				_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
				_ = cmd.Wait()
			}()
			s := dial(b, network, address)
			defer s.conn.Close()
			f(b, s)
		}
	}
	const address = "127.0.0.1:47613"
	socket := filepath.Join(dir, "gdb")
	b.Run("gdbserver", func(b *testing.B) {
		run("tcp", address, need(b, "gdbserver"), "--once", address, guest(b), "spin", "1")(b)
	})
	b.Run("torov", run("unix", socket, torov(b), "run", "--gdb", "unix:"+socket, guest(b), "spin", "1"))
}

// BenchmarkStep is one single step, asked for by packet.
func BenchmarkStep(b *testing.B) {
	both(b, func(b *testing.B, s *stub) {
		for b.Loop() {
			if r := s.command(b, "vCont;s"); !strings.HasPrefix(r, "T05") {
				b.Fatal(r)
			}
		}
	})
}

// BenchmarkReadMemory reads the program's memory 4 KiB at a time.
func BenchmarkReadMemory(b *testing.B) {
	const size, text = 4096, 0x401000
	both(b, func(b *testing.B, s *stub) {
		b.SetBytes(size)
		for b.Loop() {
			if r := s.command(b, fmt.Sprintf("m%x,%x", text, size)); len(r) < size {
				b.Fatalf("%d characters: %.20s", len(r), r)
			}
		}
	})
}
