package rsp_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"torov/rsp"
	"torov/rsp/internal/toy"
)

// script is a connection on which a client sends everything at once, then
// leaves. It checks what the server answers.
type script struct {
	io.Reader
	out bytes.Buffer
}

func (s *script) Write(p []byte) (int, error) { return s.out.Write(p) }
func (s *script) Close() error                { return nil }

// talk lets a server answer to input and returns all it said.
func talk(t *testing.T, image *toy.Image, input []byte) string {
	t.Helper()
	m := toy.New(image)
	defer m.Close()
	s := &script{Reader: bytes.NewReader(input)}
	if err := (&rsp.Server{Target: m.Target()}).ServeConn(context.Background(), s); err != nil {
		t.Fatalf("the session ended with %v", err)
	}
	if n := m.Breakpoints(); n != 0 && !bytes.Contains(input, []byte("cmds:")) {
		t.Fatalf("%d breakpoints are left", n)
	}
	return s.out.String()
}

// framed checks that output consists of well-formed packets of bounded size and
// acknowledgements only, and returns the number of packets.
func framed(t *testing.T, out string) int {
	t.Helper()
	n := 0
	for out != "" {
		if out[0] == '+' || out[0] == '-' {
			out = out[1:]
			continue
		}
		end := strings.IndexByte(out, '#')
		if out[0] != '$' && out[0] != '%' || end < 0 || len(out) < end+3 {
			t.Fatalf("not a packet: %.100q", out)
		}
		if want := frame(out[1:end]); out[end:end+3] != want[len(want)-3:] {
			t.Fatalf("wrong checksum: %.100q", out)
		}
		if end-1 > rsp.DefaultPacketSize {
			t.Fatalf("a packet of %d bytes", end-1)
		}
		if out[0] == '$' {
			n++
		}
		out = out[end+3:]
	}
	return n
}

// FuzzConnection feeds the server arbitrary bytes.
func FuzzConnection(f *testing.F) {
	f.Add([]byte("+$?#3f$g#67\x03-"))
	f.Add([]byte("$QStartNoAckMode#b0+$vCont;c#a8\x03"))
	f.Add([]byte("$m403000,100#00$m0* 403000,100#zz"))
	f.Add([]byte("$$$$###+++---\x03\x03$X403000,4:}}}}#00"))
	f.Fuzz(func(t *testing.T, input []byte) {
		framed(t, talk(t, toy.Threads(), input))
	})
}

// deferred are the packets whose reply comes with a stop, or never.
const deferred = "cCsSbRvk"

// FuzzPacket sends one arbitrary packet, in the middle of a session.
func FuzzPacket(f *testing.F) {
	for _, p := range append(malformed, malformedTrace...) {
		f.Add([]byte(p))
	}
	for _, p := range gdbConversation(toy.Threads()) {
		f.Add([]byte(p))
	}
	for _, p := range []string{
		"vFile:open:2f,0,0", "vFile:pread:0,10,0", "vFile:pwrite:0,0,a", "vFile:fstat:0", "jThreadsInfo", "qHostInfo",
		"qRcmd,6563686f2061", "qXfer:siginfo:write::0:aaaa", "qXfer:libraries-svr4:read:start=1;prev=2:0,10", "QNonStop:1",
		"vStopped", "vCtrlC", "QSaveRegisterState;thread:1;", "_M10,rwx", "qMemoryRegionInfo:0", "qCRC:403000,100",
		"qSearch:memory:403000;100;abc", "Z0,401000,1;X3,220127;cmds:0,X3,220127", "D", "k", "!", "vRun;", "R", "bc",
	} {
		f.Add([]byte(p))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		p := escape(string(payload))
		var in strings.Builder
		for _, packet := range []string{gdbFeatures, "QStartNoAckMode", "Z2,403000,4", "vFile:open:" + hexOf("/toy") + ",0,0", p, "?"} {
			in.WriteString(frame(packet))
		}
		n := framed(t, talk(t, toy.Counter(), []byte(in.String())))
		if len(payload) == 0 || strings.IndexByte(deferred, payload[0]) < 0 && !bytes.HasPrefix(payload, []byte("qRcmd")) {
			if n != 6 {
				t.Fatalf("%d replies to 6 packets", n)
			}
		}
	})
}
