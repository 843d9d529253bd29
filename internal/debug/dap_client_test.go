package debug_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strconv"
	"strings"
	"testing"
	"time"
)

// dap is a client of the Debug Adapter Protocol, as IDEs are.
type dap struct {
	t      *testing.T
	conn   net.Conn
	in     *bufio.Reader
	seq    int
	events []message
}

// message is what both sides send.
type message struct {
	Seq        int    `json:"seq"`
	Type       string `json:"type"`
	Command    string `json:"command,omitempty"`
	Arguments  any    `json:"arguments,omitempty"`
	Event      string `json:"event,omitempty"`
	RequestSeq int    `json:"request_seq,omitempty"`
	Success    bool   `json:"success,omitempty"`
	Message    string `json:"message,omitempty"`
	Body       object `json:"body,omitempty"`
}

// object is a JSON object, to be looked into.
type object map[string]any

// at follows names and indexes, separated by dots.
func (o object) at(path string) any {
	var v any = map[string]any(o)
	for name := range strings.SplitSeq(path, ".") {
		switch w := v.(type) {
		case map[string]any:
			v = w[name]
		case []any:
			i, err := strconv.Atoi(name)
			if err != nil || i >= len(w) {
				return nil
			}
			v = w[i]
		default:
			return nil
		}
	}
	return v
}

func dialDAP(t *testing.T, address string) *dap {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(timeout(t))); err != nil {
		t.Fatal(err)
	}
	return &dap{t: t, conn: conn, in: bufio.NewReader(conn)}
}

// send sends a request and does not wait for its response.
func (d *dap) send(command string, arguments any) int {
	d.t.Helper()
	d.seq++
	b, err := json.Marshal(message{Seq: d.seq, Type: "request", Command: command, Arguments: arguments})
	if err != nil {
		d.t.Fatal(err)
	}
	if _, err := fmt.Fprintf(d.conn, "Content-Length: %d\r\n\r\n%s", len(b), b); err != nil {
		d.t.Fatalf("%s: %v", command, err)
	}
	return d.seq
}

func (d *dap) receive() message {
	d.t.Helper()
	var m message
	header, err := textproto.NewReader(d.in).ReadMIMEHeader()
	if err != nil {
		d.t.Fatalf("the header of a message: %v", err)
	}
	n, err := strconv.Atoi(header.Get("Content-Length"))
	if err != nil {
		d.t.Fatalf("a message without length: %v", header)
	}
	b := make([]byte, n)
	if _, err := io.ReadFull(d.in, b); err != nil {
		d.t.Fatal(err)
	}
	if err := json.Unmarshal(b, &m); err != nil {
		d.t.Fatalf("%s: %v", b, err)
	}
	return m
}

// response waits for the response to a request, which must be a success.
func (d *dap) response(seq int) object {
	d.t.Helper()
	for {
		m := d.receive()
		if m.Type != "response" || m.RequestSeq != seq {
			d.events = append(d.events, m)
			continue
		}
		if !m.Success {
			d.t.Fatalf("%s: %s %v", m.Command, m.Message, m.Body.at("error.format"))
		}
		return m.Body
	}
}

// request sends a request and waits for its response.
func (d *dap) request(command string, arguments any) object {
	d.t.Helper()
	return d.response(d.send(command, arguments))
}

// event waits for an event.
func (d *dap) event(name string) object {
	d.t.Helper()
	for {
		for i, m := range d.events {
			if m.Event == name {
				d.events = d.events[i+1:]
				return m.Body
			}
		}
		d.events = append(d.events, d.receive())
	}
}

// stopped waits until the program stops, for a reason, and returns the frame
// on top of the stack and the thread.
func (d *dap) stopped(reason, function string, line int) (frame, thread any) {
	d.t.Helper()
	stop := d.event("stopped")
	thread = stop.at("threadId")
	stack := d.request("stackTrace", object{"threadId": thread})
	if got := stop.at("reason"); got != reason || stack.at("stackFrames.0.name") != function || stack.at("stackFrames.0.line") != float64(line) {
		d.t.Fatalf("stopped for %v in %v line %v; want %s, %s, %d", got, stack.at("stackFrames.0.name"), stack.at("stackFrames.0.line"), reason, function, line)
	}
	return stack.at("stackFrames.0.id"), thread
}

// evaluate checks the value of an expression.
func (d *dap) evaluate(frame any, expression, want string) {
	d.t.Helper()
	body := d.request("evaluate", object{"expression": expression, "frameId": frame, "context": "repl"})
	if got := body.at("result"); got != want {
		d.t.Errorf("%s is %v, want %s", expression, got, want)
	}
}
