package rsp_test

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"torov/rsp"
	"torov/rsp/internal/toy"
)

// testTimeout bounds every wait for the server.
const testTimeout = 10 * time.Second

// conn is the client's side of a connection, speaking the protocol by hand.
type conn struct {
	t    *testing.T
	c    net.Conn
	br   *bufio.Reader
	acks bool
}

// session is a toy with a server and a client connected to it.
type session struct {
	*conn
	m      *toy.Machine
	server *rsp.Server
	ended  chan error
}

// start serves a program to a client that has sent nothing yet. Some may take
// capabilities away.
func start(t *testing.T, image *toy.Image, change ...func(*rsp.Target)) *session {
	t.Helper()
	m := toy.New(image)
	t.Cleanup(m.Close)
	target := m.Target()
	for _, f := range change {
		f(target)
	}
	s := &session{m: m, server: &rsp.Server{Target: target, Name: "toy", Version: "1"}}
	s.connect(t)
	return s
}

// connect makes a (new) connection.
func (s *session) connect(t *testing.T) {
	client, server := net.Pipe()
	s.conn = &conn{t: t, c: client, br: bufio.NewReader(client), acks: true}
	ended := make(chan error, 1)
	s.ended = ended
	ctx, cancel := context.WithCancel(context.Background())
	go func() { ended <- s.server.ServeConn(ctx, server) }()
	t.Cleanup(func() { client.Close(); cancel() })
}

// startGDB is start, and the beginning of GDB's conversation.
func startGDB(t *testing.T, image *toy.Image) *session {
	t.Helper()
	s := start(t, image)
	s.hello()
	return s
}

const gdbFeatures = "qSupported:multiprocess+;swbreak+;hwbreak+;qRelocInsn+;fork-events+;vfork-events+;" +
	"exec-events+;vContSupported+;QThreadEvents+;no-resumed+;memory-tagging+;xmlRegisters=i386"

func (c *conn) hello() string {
	supported := c.cmd(gdbFeatures)
	c.want("QStartNoAckMode", "OK")
	c.acks = false
	return supported
}

func frame(payload string) string {
	var sum byte
	for i := range len(payload) {
		sum += payload[i]
	}
	return fmt.Sprintf("$%s#%02x", payload, sum)
}

func (c *conn) raw(s string) {
	c.t.Helper()
	c.c.SetDeadline(time.Now().Add(testTimeout))
	if _, err := c.c.Write([]byte(s)); err != nil {
		c.t.Fatalf("sending %.60q: %v", s, err)
	}
}

// readByte reads what must come.
func (c *conn) readByte() byte {
	c.t.Helper()
	c.c.SetDeadline(time.Now().Add(testTimeout))
	b, err := c.br.ReadByte()
	if err != nil {
		c.t.Fatalf("reading: %v", err)
	}
	return b
}

// packet reads a packet that begins with start and returns its payload with
// runs expanded, still escaped.
func (c *conn) packet(start byte) string {
	c.t.Helper()
	if b := c.readByte(); b != start {
		c.t.Fatalf("got %q where %q should begin a packet", b, start)
	}
	raw, err := c.br.ReadString('#')
	if err != nil {
		c.t.Fatal(err)
	}
	raw = raw[:len(raw)-1]
	sum := string([]byte{c.readByte(), c.readByte()})
	if want := frame(raw); want[len(want)-2:] != sum {
		c.t.Fatalf("packet %.60q has checksum %s, not %s", raw, sum, want[len(want)-2:])
	}
	if c.acks && start == '$' {
		c.raw("+")
	}
	return expand(raw)
}

// expand undoes run-length encoding, as a client does.
func expand(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] == '*' && i > 0 && i+1 < len(p) {
			b.WriteString(strings.Repeat(p[i-1:i], int(p[i+1])-29))
			i++
			continue
		}
		b.WriteByte(p[i])
	}
	return b.String()
}

// send sends a packet and reads its acknowledgement.
func (c *conn) send(payload string) {
	c.t.Helper()
	c.raw(frame(payload))
	if c.acks {
		if b := c.readByte(); b != '+' {
			c.t.Fatalf("%.60q was answered with %q", payload, b)
		}
	}
}

// cmd sends a packet and returns the reply.
func (c *conn) cmd(payload string) string {
	c.t.Helper()
	c.send(payload)
	return c.packet('$')
}

// want sends a packet that has exactly one right answer.
func (c *conn) want(payload, reply string) {
	c.t.Helper()
	if got := c.cmd(payload); got != reply {
		c.t.Fatalf("%.200q: got %.300q, want %.300q", payload, got, reply)
	}
}

// begins sends a packet whose reply begins with something.
func (c *conn) begins(payload, prefix string) string {
	c.t.Helper()
	got := c.cmd(payload)
	if !strings.HasPrefix(got, prefix) {
		c.t.Fatalf("%.200q: got %.300q, want it to begin with %q", payload, got, prefix)
	}
	return got
}

// fails sends a packet that must be answered with an error.
func (c *conn) fails(payload string) string {
	c.t.Helper()
	return c.begins(payload, "E")
}

// unescape undoes binary escaping.
func unescape(p string) string {
	var b strings.Builder
	for i := 0; i < len(p); i++ {
		if p[i] == '}' && i+1 < len(p) {
			i++
			b.WriteByte(p[i] ^ 0x20)
			continue
		}
		b.WriteByte(p[i])
	}
	return b.String()
}

// escape does binary escaping, as a client must.
func escape(p string) string {
	var b strings.Builder
	for i := range len(p) {
		if strings.IndexByte("#$}", p[i]) >= 0 {
			b.WriteByte('}')
			b.WriteByte(p[i] ^ 0x20)
			continue
		}
		b.WriteByte(p[i])
	}
	return b.String()
}

// xfer reads a whole document, size bytes at a time.
func (c *conn) xfer(object, annex string, size int) string {
	c.t.Helper()
	var doc strings.Builder
	for {
		part := c.cmd(fmt.Sprintf("qXfer:%s:read:%s:%x,%x", object, annex, doc.Len(), size))
		if part == "" || part[0] != 'm' && part[0] != 'l' {
			c.t.Fatalf("qXfer:%s: got %q", object, part)
		}
		doc.WriteString(unescape(part[1:]))
		if part[0] == 'l' {
			return doc.String()
		}
	}
}

func hexOf(s string) string { return hex.EncodeToString([]byte(s)) }

// at returns the address of a symbol of the program, in hexadecimal.
func at(image *toy.Image, name string) string {
	addr, ok := image.Symbols[name]
	if !ok {
		panic("no symbol " + name)
	}
	return fmt.Sprintf("%x", addr)
}

// le64 is a register's value on the wire.
func le64(v uint64) string {
	var b [8]byte
	for i := range b {
		b[i] = byte(v >> (8 * i))
	}
	return hex.EncodeToString(b[:])
}

// pid is the toy's process on the wire.
var pid = fmt.Sprintf("%x", int(toy.FirstPID))

// tid names the toy's nth thread on the wire, with multiprocess extensions.
func tid(n int) string { return fmt.Sprintf("p%s.%x", pid, int(toy.FirstPID)+n) }
