package rsp

import (
	"bytes"
	"math/rand"
	"strings"
	"testing"
)

func TestCompressExpandsToTheSame(t *testing.T) {
	for n := rleBytes; n < rleBytes+200; n++ {
		for _, p := range [][]byte{
			bytes.Repeat([]byte("0"), n),
			append(bytes.Repeat([]byte("a1"), rleBytes), bytes.Repeat([]byte("x"), n-rleBytes)...),
		} {
			c := appendCompressed(nil, p)
			got, ok := expand(c, 1<<20)
			if !ok || !bytes.Equal(got, p) {
				t.Fatalf("run of %d: %q expands to %q", n, c, got)
			}
		}
	}
}

func TestCompressedRunsUseNoFramingLetters(t *testing.T) {
	for n := 1; n < 500; n++ {
		run := appendRun(nil, '0', n)
		for i := 0; i < len(run); i++ {
			if run[i] != '*' {
				continue
			}
			i++
			if c := run[i]; c < 32 || c > 126 || strings.IndexByte("#$+-", c) >= 0 {
				t.Fatalf("a run of %d is written %q", n, run)
			}
		}
	}
}

func TestCompressShortens(t *testing.T) {
	p := bytes.Repeat([]byte("0"), 4096)
	if c := appendCompressed(nil, p); len(c) > 200 {
		t.Errorf("4096 zeros take %d bytes", len(c))
	}
	for _, p := range []string{strings.Repeat("0", rleBytes-1), strings.Repeat("}", 4096), "m" + strings.Repeat("0", 4096)} {
		if c := appendCompressed(nil, []byte(p)); string(c) != p {
			t.Errorf("%.10q... was compressed", p)
		}
	}
}

// Payloads of random runs, with a letter here or there that forbids to encode.
func TestCompressRandomRuns(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	shorter := 0
	for range 2000 {
		var p []byte
		for len(p) < rleBytes+rng.Intn(400) {
			letter := "0123456789abcdefx"[rng.Intn(17)]
			p = append(p, bytes.Repeat([]byte{letter}, 1+rng.Intn(1<<rng.Intn(8)))...)
		}
		c := appendCompressed([]byte("$"), p)
		if got, ok := expand(c[1:], 1<<20); !ok || !bytes.Equal(got, p) || c[0] != '$' {
			t.Fatalf("%q became %q", p, c)
		}
		if len(c) < len(p) {
			shorter++
		}
		p[rng.Intn(len(p))] = "lg}*#"[rng.Intn(5)]
		if c := appendCompressed(nil, p); !bytes.Equal(c, p) {
			t.Fatalf("%q, which is not hexadecimal, became %q", p, c)
		}
	}
	if shorter < 1000 {
		t.Errorf("only %d of 2000 payloads became shorter", shorter)
	}
}

func TestChecksum(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for n := range 5000 {
		p := bytes.Repeat([]byte{0xff}, n)
		if n%2 == 0 {
			rng.Read(p)
		}
		want := byte(0)
		for _, b := range p {
			want += b
		}
		if got := checksum(p); got != want {
			t.Fatalf("%d bytes: %#x, want %#x", n, got, want)
		}
	}
}

func TestEscapedStopsAtTheLimit(t *testing.T) {
	data := []byte("ab#cd")
	for limit, want := range []string{"", "a", "ab", "ab", "ab}\x03", "ab}\x03c", "ab}\x03cd", "ab}\x03cd"} {
		took := len(unescape([]byte(want)))
		if esc, n := appendEscaped(nil, data, limit); string(esc) != want || n != took {
			t.Errorf("limit %d: %q of %d bytes, want %q of %d", limit, esc, n, want, took)
		}
	}
}

func TestExpandRefuses(t *testing.T) {
	for _, p := range []string{"*0", "a*", "a*\x1f", "a*\x7f"} {
		if out, ok := expand([]byte(p), 100); ok {
			t.Errorf("%q expands to %q", p, out)
		}
	}
	if _, ok := expand([]byte("0*~*~"), 100); ok {
		t.Error("the limit is not kept")
	}
	if out, ok := expand([]byte("0* "), 100); !ok || string(out) != "0000" {
		t.Errorf(`"0* " expands to %q`, out)
	}
}

func TestEscapeRoundTrip(t *testing.T) {
	rng := rand.New(rand.NewSource(1))
	for range 100 {
		data := make([]byte, rng.Intn(300))
		rng.Read(data)
		esc, n := appendEscaped(nil, data, 1<<20)
		if n != len(data) {
			t.Fatalf("took %d of %d bytes", n, len(data))
		}
		if bytes.ContainsAny(esc, "#$*") {
			t.Fatalf("%q holds framing", esc)
		}
		if got := unescape(esc); !bytes.Equal(got, data) {
			t.Fatalf("%q became %q", data, got)
		}
	}
}

func TestEscapeStopsAtTheLimit(t *testing.T) {
	for limit := range 8 {
		esc, n := appendEscaped(nil, []byte("a}b#c"), limit)
		if len(esc) > limit {
			t.Errorf("limit %d: %q is longer", limit, esc)
		}
		if got := unescape(bytes.Clone(esc)); string(got) != "a}b#c"[:n] {
			t.Errorf("limit %d: %q stands for %q, %d bytes reported", limit, esc, got, n)
		}
	}
}

func TestDecodeRequestKeepsStarsInBinary(t *testing.T) {
	if p, ok := decodeRequest([]byte("X10,3:a*b"), 100); !ok || string(p) != "X10,3:a*b" {
		t.Errorf("got %q", p)
	}
	if p, ok := decodeRequest([]byte("M10,2:0* "), 100); !ok || string(p) != "M10,2:0000" {
		t.Errorf("got %q", p)
	}
}

func TestSignalNumbers(t *testing.T) {
	// From GDB's include/gdb/signals.def.
	for sig, gdb := range map[Signal]int{
		1: 1, 2: 2, 5: 5, 6: 6, 7: 10, 8: 8, 9: 9, 10: 30, 11: 11, 12: 31, 13: 13, 14: 14, 15: 15, 17: 20, 18: 19,
		19: 17, 20: 18, 21: 21, 22: 22, 23: 16, 24: 24, 25: 25, 26: 26, 27: 27, 28: 28, 29: 23, 30: 32, 31: 12,
		32: 77, 33: 45, 34: 46, 63: 75, 64: 78,
	} {
		if got := sig.GDB(); got != gdb {
			t.Errorf("Linux %d is GDB %d, want %d", sig, got, gdb)
		}
		if got := SignalFromGDB(gdb); got != sig {
			t.Errorf("GDB %d is Linux %d, want %d", gdb, got, sig)
		}
	}
	seen := map[int]bool{}
	for sig := Signal(1); sig <= maxSignal; sig++ {
		if n := sig.GDB(); seen[n] {
			t.Errorf("two signals are GDB %d", n)
		} else {
			seen[n] = true
		}
	}
	if Signal(0).GDB() != 0 || SignalFromGDB(0) != 0 || SignalFromGDB(9999) != 0 {
		t.Error("numbers that are not signals must stay 0")
	}
}

func TestCRC(t *testing.T) {
	// The check value of CRC-32/MPEG-2, which is GDB's.
	crc := uint32(0xffffffff)
	for _, b := range []byte("123456789") {
		crc = crc<<8 ^ crcTable()[byte(crc>>24)^b]
	}
	if crc != 0x0376e6e7 {
		t.Errorf("got %#x", crc)
	}
}

func TestThreadIDs(t *testing.T) {
	for in, want := range map[string]ThreadID{
		"p1.2": {1, 2}, "p-1.-1": AllThreads, "pa": {10, AllTID}, "pa.-1": {10, AllTID}, "2f": {0, 0x2f},
		"0": {}, "-1": AllThreads, "p0.0": {}, "p1.0": {1, 0},
	} {
		a := args{rest: []byte(in)}
		if got := a.threadID(); got != want || a.done() != nil {
			t.Errorf("%q is %v, want %v (error %v)", in, got, want, a.err())
		}
	}
	for _, in := range []string{"", "p", "p.", "p1.", "-2", "80000000", "pffffffff.1", "x", "p1.2.3", "1 "} {
		a := args{rest: []byte(in)}
		if got := a.threadID(); a.done() == nil {
			t.Errorf("%q is taken for %v", in, got)
		}
	}
}
