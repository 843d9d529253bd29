package debug_test

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// vanishScript is a session with much of what a debugger leaves behind.
const vanishScript = `break add
watch counter
continue
continue
finish
delete
thbreak count
rwatch go
stepi 3
next
break add if b == 9
catch syscall write
handle SIGUSR1 nostop noprint
continue
info proc mappings
quit
`

// idBase is what torov adds to numbers of processes for debuggers.
const idBase = 4194304

// recorded is what a debugger has sent, and the number of its process in it.
type recorded struct {
	packets []string
	pid     string
}

// record plays a script in a gdb whose connection goes through the test.
func record(t *testing.T, program, commands string) recorded {
	t.Helper()
	srv := start(t, program)
	l, err := net.Listen("unix", filepath.Join(srv.dir, "proxy"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	sent := make(chan string, 1)
	go func() {
		var text strings.Builder
		defer func() { sent <- text.String() }()
		gdb, err := l.Accept()
		if err != nil {
			return
		}
		defer gdb.Close()
		stub, err := net.Dial("unix", srv.address)
		if err != nil {
			return
		}
		defer stub.Close()
		go func() { _, _ = io.Copy(gdb, stub) }()
		_, _ = io.Copy(io.MultiWriter(stub, &text), gdb)
	}()
	cmd := command(t, "gdb", "-nx", "-q", "-ex", "set confirm off", "-ex", "set pagination off", "-ex", "set auto-load off",
		"-ex", "target remote "+l.Addr().String(), programPath(t, program))
	cmd.Stdin = strings.NewReader(commands)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gdb: %v\n%s", err, out)
	}
	r := recorded{pid: fmt.Sprintf("%x", srv.cmd.Process.Pid+idBase)}
	for text := <-sent; ; {
		_, rest, ok := strings.Cut(text, "$")
		if !ok {
			return r
		}
		payload, after, _ := strings.Cut(rest, "#")
		r.packets, text = append(r.packets, payload), after
	}
}

// forProcess is the packets for another process.
func (r recorded) forProcess(pid int) []string {
	packets := slices.Clone(r.packets)
	for i, p := range packets {
		if !strings.ContainsAny(p[:1], "mMxXzZ") { // addresses look the same
			packets[i] = strings.ReplaceAll(p, r.pid, fmt.Sprintf("%x", pid+idBase))
		}
	}
	return packets
}

// reads reports whether a packet only looks at something.
func reads(packet string) bool {
	return strings.ContainsAny(packet[:1], "mxpgHTq") || strings.HasPrefix(packet, "vFile:")
}

// TestKilledAtEveryPacket ends a recorded session of gdb at every packet, as
// if gdb had been killed; of those that only look, one after the other, at the
// first. The program goes on unharmed, the next client finds
// it in order, and nothing is left in its code.
func TestKilledAtEveryPacket(t *testing.T) {
	if testing.Short() {
		t.Skip("many runs of the same; too long for a lab")
	}
	needGDB(t)
	needKVM(t)
	r := record(t, "selfcheck", vanishScript)
	if n := len(r.packets); n < 50 || r.packets[n-1][0] != 'D' {
		t.Fatalf("%d packets, the last is %q", n, r.packets[n-1])
	}
	for part := range 2 {
		t.Run(fmt.Sprint(part), func(t *testing.T) {
			t.Parallel()
			for cut := 1 + part; cut <= len(r.packets) && !t.Failed(); cut += 2 {
				p := r.packets[cut-1]
				if cut == 1 || !reads(p) || !reads(r.packets[cut-2]) {
					killedAt(t, r, cut, false)
				}
				if strings.HasPrefix(p, "vCont;") {
					killedAt(t, r, cut, true) // after the stop
				}
			}
		})
	}
}

// killedAt plays a session up to a packet, and waits for its reply or not.
func killedAt(t *testing.T, r recorded, cut int, wait bool) {
	t.Helper()
	srv := start(t, "selfcheck")
	c := connect(t, srv)
	packets := r.forProcess(srv.cmd.Process.Pid)[:cut]
	for i, p := range packets {
		if err := c.send(p); err != nil {
			t.Fatal(err)
		}
		if wait || i < cut-1 {
			if _, err := c.reply(); err != nil {
				t.Fatalf("%s: %v", p, err)
			}
		}
	}
	c.conn.Close()
	c = dial(t, srv)
	c.wantPrefix("T", "?")
	c.want("OK", "M%x,4:07000000", symbol(t, "selfcheck", "go"))
	c.wantPrefix("W07", "vCont;c")
	c.conn.Close()
	if end, said := srv.wait(t), srv.stdout.String(); end != "exit status 7" || said != "counter 110, 0 bytes of code differ\n" {
		t.Errorf("after %q (%d): %s, output %q", packets[cut-1], cut, end, said)
	}
}
