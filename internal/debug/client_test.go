package debug_test

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"
)

// client speaks the protocol itself, for what gdb would not do.
type client struct {
	t        *testing.T
	conn     net.Conn
	in       *bufio.Reader
	notified []string
}

// dial connects and negotiates as gdb does.
func dial(t *testing.T, srv *server) *client {
	t.Helper()
	c := connect(t, srv)
	for _, p := range hello {
		c.cmd("%s", p)
	}
	return c
}

// hello is how gdb begins.
var hello = []string{
	"qSupported:multiprocess+;swbreak+;hwbreak+;qRelocInsn+;fork-events+;vfork-events+;exec-events+;vContSupported+;QThreadEvents+;no-resumed+;xmlRegisters=i386",
	"vMustReplyEmpty", "QStartNoAckMode",
}

// connect connects only.
func connect(t *testing.T, srv *server) *client {
	t.Helper()
	c, err := tryConnect(t, srv)
	if err != nil {
		t.Fatalf("%v\n%s", err, srv.stderr.String())
	}
	return c
}

// tryConnect connects to what may have ended.
func tryConnect(t *testing.T, srv *server) (*client, error) {
	conn, err := net.Dial("unix", srv.address)
	if err != nil {
		return nil, err
	}
	t.Cleanup(func() { conn.Close() })
	return &client{t: t, conn: conn, in: bufio.NewReader(conn)}, conn.SetDeadline(time.Now().Add(timeout(t)))
}

// send sends one packet and does not wait for its answer.
func (c *client) send(payload string) error {
	sum := byte(0)
	for i := range len(payload) {
		sum += payload[i]
	}
	_, err := fmt.Fprintf(c.conn, "+$%s#%02x", payload, sum)
	return err
}

// reply reads one packet, and keeps a notification that comes before it.
func (c *client) reply() (string, error) {
	for {
		start, text, err := c.packet()
		if err != nil || start == '$' {
			return text, err
		}
		c.notified = append(c.notified, text)
	}
}

// packet reads a packet or a notification.
func (c *client) packet() (start byte, text string, err error) {
	for start != '$' && start != '%' {
		if start, err = c.in.ReadByte(); err != nil {
			return start, "", err
		}
	}
	if text, err = c.in.ReadString('#'); err == nil {
		_, err = c.in.Discard(2)
	}
	return start, expand(strings.TrimSuffix(text, "#")), err
}

// expand undoes run-length encoding.
func expand(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '*' && i > 0 && i+1 < len(s) {
			out.WriteString(strings.Repeat(s[i-1:i], int(s[i+1])-29))
			i++
			continue
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

// cmd sends a packet and returns the answer.
func (c *client) cmd(format string, args ...any) string {
	c.t.Helper()
	payload := fmt.Sprintf(format, args...)
	if err := c.send(payload); err != nil {
		c.t.Fatalf("%s: %v", payload, err)
	}
	reply, err := c.reply()
	if err != nil {
		c.t.Fatalf("%s: %v", payload, err)
	}
	return reply
}

// want sends a packet that must be answered so.
func (c *client) want(reply, format string, args ...any) {
	c.t.Helper()
	if got := c.cmd(format, args...); got != reply {
		c.t.Fatalf("%s: got %q, want %q", fmt.Sprintf(format, args...), got, reply)
	}
}

// wantPrefix sends a packet whose answer must begin so, and returns it.
func (c *client) wantPrefix(prefix, format string, args ...any) string {
	c.t.Helper()
	got := c.cmd(format, args...)
	if !strings.HasPrefix(got, prefix) {
		c.t.Fatalf("%s: got %q, want %s...", fmt.Sprintf(format, args...), got, prefix)
	}
	return got
}

// word reads eight bytes of memory.
func (c *client) word(at uint64) uint64 {
	c.t.Helper()
	return little(c.t, c.cmd("m%x,8", at))
}

// register reads one register by its number.
func (c *client) register(num int) uint64 {
	c.t.Helper()
	return little(c.t, c.cmd("p%x", num))
}

// le64 is a register's value as packets have it.
func le64(v uint64) string {
	return hex.EncodeToString(binary.LittleEndian.AppendUint64(nil, v))
}

func little(t *testing.T, digits string) (v uint64) {
	t.Helper()
	b, err := hex.DecodeString(digits)
	if err != nil {
		t.Fatalf("%q is no value", digits)
	}
	for i := min(len(b), 8) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

// thread is the id in a stop reply.
func stopThread(t *testing.T, stop string) string {
	t.Helper()
	_, rest, ok := strings.Cut(stop, "thread:")
	if !ok {
		t.Fatalf("no thread in %q", stop)
	}
	id, _, _ := strings.Cut(rest, ";")
	return id
}

// interruptAfter lets the program run for a while, then stops it with ^C.
func (c *client) interruptAfter(d time.Duration) {
	c.t.Helper()
	if err := c.send("vCont;c"); err != nil {
		c.t.Fatal(err)
	}
	time.Sleep(d)
	if _, err := c.conn.Write([]byte{3}); err != nil {
		c.t.Fatal(err)
	}
	if r, err := c.reply(); err != nil || !strings.HasPrefix(r, "T02") {
		c.t.Fatalf("^C: got %q, %v", r, err)
	}
}

// pause lets the program run into what it is to be found in.
func (c *client) pause() { time.Sleep(100 * time.Millisecond) }

// interrupt sends a ^C when the program has run for a while.
func (c *client) interrupt() {
	c.t.Helper()
	c.pause()
	if _, err := c.conn.Write([]byte{3}); err != nil {
		c.t.Fatal(err)
	}
}

func number(t *testing.T, s string) uint64 {
	t.Helper()
	v, err := strconv.ParseUint(s, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
