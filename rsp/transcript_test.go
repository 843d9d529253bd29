package rsp_test

import (
	"bufio"
	"bytes"
	"flag"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"torov/rsp"
	"torov/rsp/internal/toy"
)

var update = flag.Bool("update", false, "write the replies of testdata/*.txt anew")

// transcriptPrograms says which program each transcript was made with.
var transcriptPrograms = map[string]func() *toy.Image{
	"gdb13.txt": toy.Counter, "lldb14.txt": toy.Counter, "delve.txt": toy.Counter, "gdb13-signals.txt": toy.Signals, "gdb13-trace.txt": toy.Counter,
}

// TestTranscripts replays what real debuggers have sent and compares the
// replies. In a transcript "> " is a packet of the debugger, "< " the reply,
// both quoted as in Go; "<~ " a long reply, by length, CRC-32 and beginning.
func TestTranscripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) != len(transcriptPrograms) {
		t.Fatalf("found %v, %v", files, err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			target := noTracepoints
			if strings.Contains(file, "trace") {
				target = func(*rsp.Target) {}
			}
			got := replay(t, transcriptPrograms[filepath.Base(file)](), target, want)
			if *update {
				if err := os.WriteFile(file, got, 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			compare(t, string(got), string(want))
		})
	}
}

// compare reports the first difference.
func compare(t *testing.T, got, want string) {
	t.Helper()
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("line %d: got\n%s\nwant\n%s\nafter %s", i+1, g[i], w[i], w[max(i-1, 0)])
		}
	}
	if len(g) != len(w) {
		t.Fatalf("%d lines, want %d", len(g), len(w))
	}
}

// replay sends the packets of a transcript and returns it with the replies of
// this server.
func replay(t *testing.T, image *toy.Image, target func(*rsp.Target), transcript []byte) []byte {
	s := start(t, image, target)
	var out bytes.Buffer
	lines := bufio.NewScanner(bytes.NewReader(transcript))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := lines.Text()
		quoted, isPacket := strings.CutPrefix(line, "> ")
		if strings.HasPrefix(line, "<") {
			continue
		}
		fmt.Fprintln(&out, line)
		if !isPacket {
			continue
		}
		payload, err := strconv.Unquote(quoted)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		s.send(escapeRequest(payload))
		for {
			reply := s.packet('$')
			fmt.Fprintln(&out, summary(reply))
			if reply == "OK" || !strings.HasPrefix(payload, "qRcmd") {
				break // only output comes in several packets
			}
		}
		if payload == "QStartNoAckMode" {
			s.acks = false
		}
	}
	return out.Bytes()
}

// escapeRequest escapes the framing letters in a packet.
func escapeRequest(p string) string { return escape(p) }

// summary writes a reply as a line of a transcript.
func summary(reply string) string {
	const long = 400
	if len(reply) <= long {
		return "< " + strconv.Quote(reply)
	}
	return fmt.Sprintf("<~ %d %08x %s", len(reply), crc32.ChecksumIEEE([]byte(reply)), strconv.Quote(reply[:60]))
}
