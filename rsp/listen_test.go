package rsp_test

import (
	"bufio"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"torov/rsp"
	"torov/rsp/internal/toy"
)

// serve serves a program at an address until the test ends.
func serve(t *testing.T, addr string, image *toy.Image) (net.Listener, *toy.Machine) {
	t.Helper()
	l, err := rsp.Listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	m := toy.New(image)
	t.Cleanup(m.Close)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	srv := &rsp.Server{Target: m.Target()}
	go func() { done <- srv.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve: %v", err)
		}
	})
	return l, m
}

func dial(t *testing.T, l net.Listener) *conn {
	t.Helper()
	c, err := net.Dial(l.Addr().Network(), l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &conn{t: t, c: c, br: bufio.NewReader(c), acks: true}
}

func TestListenDefaultsToLoopback(t *testing.T) {
	l, _ := serve(t, ":0", toy.Counter())
	if ip := l.Addr().(*net.TCPAddr).IP; !ip.IsLoopback() {
		t.Errorf("listening on %v", ip)
	}
	c := dial(t, l)
	c.hello()
	c.begins("?", "T05")
}

func TestListenRefusesNonsense(t *testing.T) {
	for _, addr := range []string{"", "1234", "unix:", "localhost", ":port:", "unix:" + strings.Repeat("x", 300)} {
		if l, err := rsp.Listen(addr); err == nil {
			l.Close()
			t.Errorf("%q was accepted", addr)
		}
	}
}

func TestListenOnUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gdb")
	l, _ := serve(t, "unix:"+path, toy.Counter())
	if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v: others may connect", fi.Mode(), err)
	}
	if _, err := rsp.Listen("unix:" + path); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a second listener: %v", err)
	}
	c := dial(t, l)
	c.hello()
	c.begins("?", "T05")
}

func TestListenReplacesStaleSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "gdb")
	old, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	old.(*net.UnixListener).SetUnlinkOnClose(false)
	old.Close()
	serve(t, "unix:"+path, toy.Counter())
	file := filepath.Join(t.TempDir(), "file")
	os.WriteFile(file, nil, 0o600)
	if l, err := rsp.Listen("unix:" + file); err == nil {
		l.Close()
		t.Error("an ordinary file was replaced")
	}
}

func TestSecondClientIsRefused(t *testing.T) {
	l, m := serve(t, ":0", toy.Counter())
	first := dial(t, l)
	first.hello()
	second := dial(t, l)
	if got := second.cmd(gdbFeatures); got != "E.another debugger is connected" {
		t.Errorf("got %q", got)
	}
	if _, err := second.br.ReadByte(); err == nil {
		t.Error("the connection stays open")
	}
	first.begins("?", "T05")
	if n := m.Record().Sessions; n != 1 {
		t.Errorf("the target saw %d clients", n)
	}
}

func TestClientsInSequence(t *testing.T) {
	image := toy.Counter()
	l, m := serve(t, ":0", image)
	for i := range 20 {
		c := dial(t, l)
		c.hello()
		c.begins("?", "T05")
		c.want("Z0,"+at(image, "loop")+",1", "OK")
		if i%2 == 0 {
			c.want("D", "OK")
		}
		c.c.Close()
	}
	c := dial(t, l)
	c.hello()
	if n := m.Breakpoints(); n != 0 {
		t.Errorf("%d breakpoints are left", n)
	}
}

func TestConnectingAloneDoesNotStopTheProgram(t *testing.T) {
	l, m := serve(t, ":0", toy.Counter())
	c := dial(t, l)
	c.raw("GET / HTTP/1.0\r\n\r\n+++")
	c.c.Close()
	c = dial(t, l)
	c.hello()
	if n := m.Record().Sessions; n != 1 {
		t.Errorf("the target saw %d clients", n)
	}
}

// gdbConversation is how GDB 13 begins, and a little debugging.
func gdbConversation(image *toy.Image) []string {
	return []string{
		gdbFeatures, "vMustReplyEmpty", "QStartNoAckMode", "!", "QProgramSignals:0;1;3", "Hgp0.0",
		"qXfer:features:read:target.xml:0,1000", "qTStatus", "?", "qXfer:threads:read::0,1000", "qAttached:" + pid,
		"vFile:setfs:0", "vFile:open:" + hexOf("/toy") + ",0,0", "vFile:pread:0,1000,0", "Hc-1", "qOffsets",
		"qXfer:auxv:read::0,1000", "Z0," + at(image, "worker") + ",1", "Z2,403000,4", "QPassSignals:e", "vCont;c:p" + pid + ".-1",
		"g", "z0," + at(image, "worker") + ",1", "vCont;s:" + tid(1), "Z0," + at(image, "spin") + ",1", "vCont;c", "X403000,1:a", "vCont;c:" + tid(0),
	}
}

// TestClientDiesAtEachPacket closes the connection after each packet of a
// conversation, before its reply has been read, and looks at what is left.
func TestClientDiesAtEachPacket(t *testing.T) {
	image := toy.Threads()
	l, m := serve(t, ":0", image)
	packets := gdbConversation(image)
	for n := range len(packets) + 1 {
		c := dial(t, l)
		for i, p := range packets[:n] {
			c.acks = i < 2 // QStartNoAckMode's own reply is acknowledged too late to matter
			if i == n-1 {
				c.raw(frame(p))
				break
			}
			if c.acks {
				c.cmd(p)
				continue
			}
			c.raw(frame(p))
			if i == 2 {
				c.readByte()
			}
			c.packet('$')
		}
		if n == len(packets) {
			c.raw("\x03")
		}
		c.c.Close()
		c = dial(t, l)
		c.hello()
		if got := c.begins("?", "T"); got == "" {
			t.Fatal("no stop")
		}
		if left := m.Breakpoints(); left != 0 {
			t.Fatalf("after packet %d (%s): %d breakpoints are left", n, packets[max(n-1, 0)], left)
		}
		c.begins("vRun;", "T05")
		c.want("D", "OK")
		c.c.Close()
	}
}

func TestServeEndsWithTheContext(t *testing.T) {
	m := toy.New(toy.Threads())
	defer m.Close()
	l, err := rsp.Listen(":0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- (&rsp.Server{Target: m.Target()}).Serve(ctx, l) }()
	c := dial(t, l)
	c.hello()
	c.send("vCont;c")
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if _, err := c.br.ReadByte(); err == nil {
		t.Error("the connection stays open")
	}
}

func TestServeOnStdio(t *testing.T) {
	// GDB with the server as its child, at the other end of two pipes; one
	// session is all there is.
	gdb, err := exec.LookPath("gdb")
	if err != nil {
		t.Skipf("gdb is not installed: %v", err)
	}
	server := filepath.Join(t.TempDir(), "server")
	if out, err := exec.Command("go", "build", "-o", server, "torov/rsp/internal/toy/toygdb").CombinedOutput(); err != nil {
		t.Fatalf("building the server: %v\n%s", err, out)
	}
	cmd := exec.Command(gdb, "-nx", "-q", "-batch", "-ex", "set confirm off", "-ex", "target remote | "+server+" -listen -",
		"-ex", "p $pc", "-ex", "continue")
	cmd.Env = append(os.Environ(), "DEBUGINFOD_URLS=")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("gdb: %v\n%s", err, out)
	}
	inOrder(t, string(out), "0x401000 <_start>", "exited with code 07")
}

func TestServeNeedsATarget(t *testing.T) {
	for _, target := range []*rsp.Target{nil, {}} {
		l, err := rsp.Listen(":0")
		if err != nil {
			t.Fatal(err)
		}
		if err := (&rsp.Server{Target: target}).Serve(context.Background(), l); err == nil {
			t.Error("served nothing without an error")
		}
	}
}
