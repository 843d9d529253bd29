package bench

import (
	"bufio"
	"debug/elf"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// stub is a debugger's connection to a stub, as little as the benchmarks need.
type stub struct {
	conn       net.Conn
	in         *bufio.Reader
	packetSize int
	thread     string
}

// dial connects to a stub that is about to listen and stops acknowledging.
func dial(b *testing.B, address string) *stub {
	b.Helper()
	var conn net.Conn
	var err error
	for range 100 {
		if conn, err = net.Dial("tcp", address); err == nil {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if err != nil {
		b.Fatal(err)
	}
	s := &stub{conn: conn, in: bufio.NewReaderSize(conn, 1<<20)}
	var features string
	for _, packet := range []string{"QStartNoAckMode", "qSupported:multiprocess+;swbreak+;vContSupported+"} {
		features = s.command(b, packet)
		if packet == "QStartNoAckMode" {
			if _, err := conn.Write([]byte("+")); err != nil {
				b.Fatal(err)
			}
		}
	}
	if _, err := fmt.Sscanf(features, "PacketSize=%x", &s.packetSize); err != nil {
		b.Fatalf("%s: %v", features, err)
	}
	stop := s.command(b, "?")
	thread := regexp.MustCompile(`thread:([^;]*);`).FindStringSubmatch(stop)
	if thread == nil {
		b.Fatal(stop)
	}
	s.thread = thread[1]
	return s
}

// command sends a packet and returns the reply's payload, run lengths and all.
func (s *stub) command(b *testing.B, payload string) string {
	b.Helper()
	sum := byte(0)
	for i := range len(payload) {
		sum += payload[i]
	}
	if _, err := fmt.Fprintf(s.conn, "$%s#%02x", payload, sum); err != nil {
		b.Fatal(err)
	}
	text, err := s.in.ReadSlice('#')
	if err != nil {
		b.Fatalf("%s: %v", payload, err)
	}
	_, reply, _ := strings.Cut(string(text), "$")
	if _, err := s.in.Discard(2); err != nil {
		b.Fatal(err)
	}
	return strings.TrimSuffix(reply, "#")
}

// expect sends a packet whose reply begins with want.
func (s *stub) expect(b *testing.B, payload, want string) {
	b.Helper()
	if r := s.command(b, payload); !strings.HasPrefix(r, want) {
		b.Fatalf("%s: %s", payload, r)
	}
}

// runTo lets the guest run to an address.
func (s *stub) runTo(b *testing.B, at uint64) {
	b.Helper()
	s.expect(b, fmt.Sprintf("Z0,%x,1", at), "OK")
	s.expect(b, "vCont;c", "T05")
	s.expect(b, fmt.Sprintf("z0,%x,1", at), "OK")
}

// symbol is an address of the guest's.
func symbol(b *testing.B, name string) uint64 {
	b.Helper()
	at, _ := function(b, name)
	return at
}

// function is the range of a function of the guest's.
func function(b *testing.B, name string) (start, size uint64) {
	b.Helper()
	f, err := elf.Open(guest(b))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		b.Fatal(err)
	}
	for _, s := range symbols {
		if s.Name == name {
			return s.Value, s.Size
		}
	}
	b.Fatalf("the guest has no %s", name)
	return 0, 0
}

func number(b *testing.B, text string) float64 {
	b.Helper()
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil {
		b.Fatal(err)
	}
	return v
}
