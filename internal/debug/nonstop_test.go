package debug_test

import (
	"strings"
	"testing"
	"time"
)

// notification waits for the announcement of a stop, and fetches all that wait.
func (c *client) notification() []string {
	c.t.Helper()
	for len(c.notified) == 0 {
		start, text, err := c.packet()
		if err != nil {
			c.t.Fatal(err)
		}
		if start == '%' {
			c.notified = append(c.notified, text)
		}
	}
	stops := []string{strings.TrimPrefix(c.notified[0], "Stop:")}
	c.notified = c.notified[1:]
	for {
		next := c.cmd("vStopped")
		if next == "OK" {
			return stops
		}
		stops = append(stops, next)
	}
}

// nonStop begins a session in which threads stop one by one.
func nonStop(t *testing.T, srv *server) (c *client, main string) {
	t.Helper()
	c = dial(t, srv)
	c.want("OK", "QNonStop:1")
	main = stopThread(t, c.wantPrefix("T", "?"))
	c.want("OK", "vStopped")
	return c, main
}

// TestNonStop: one thread stands while the others run, and the memory of the
// running program is read, written and watched.
func TestNonStop(t *testing.T) {
	srv := start(t, "storm", "1000000000")
	hit, total := symbol(t, "storm", "hit"), symbol(t, "storm", "total")
	c, main := nonStop(t, srv)
	c.want("OK", "Z0,%x,1", hit)
	c.want("OK", "vCont;c")
	stops := c.notification()
	first := stopThread(t, stops[0])
	if !strings.HasPrefix(stops[0], "T05swbreak:;") || first == main {
		t.Fatalf("stops %q, want a worker at the breakpoint", stops)
	}
	c.want("OK", "z0,%x,1", hit)
	c.want("OK", "Hg%s", first)
	if pc := c.register(regRIP); pc != hit {
		t.Errorf("it stands at %#x, not %#x", pc, hit)
	}
	c.want("OK", "Hg%s", main)
	if got := c.cmd("p%x", regRIP); !strings.HasPrefix(got, "E") {
		t.Errorf("registers of a running thread: %s", got)
	}
	// The others that came to the breakpoint go on, and then things move.
	c.want("OK", "vCont;c")
	before := c.word(total)
	for c.word(total) == before {
	}
	c.want("OK", "vCont;t:%s", main)
	// Threads may have come to the breakpoint before it went.
	for stop := ""; !strings.HasPrefix(stop, "T00"); {
		for _, stop = range c.notification() {
			if id := stopThread(t, stop); id != main {
				c.want("OK", "vCont;c:%s", id)
			}
		}
	}
	for now := c.word(total); c.word(total) == now; {
	}
	// A watchpoint that is set while threads run.
	c.want("OK", "Z2,%x,4", total)
	stops = c.notification()
	if !strings.HasPrefix(stops[0], "T05watch:") {
		t.Errorf("stops %q, want a watchpoint", stops)
	}
	c.want("OK", "z2,%x,4", total)
	c.want("OK", "M%x,4:00000000", symbol(t, "storm", "rounds"))
	c.want("OK", "vCont;c")
	for {
		stops := c.notification()
		if last := stops[len(stops)-1]; strings.HasPrefix(last, "W00") {
			break
		}
		// Threads that had touched the word before the watchpoint went.
		c.want("OK", "vCont;c")
	}
	c.conn.Close()
	if end := srv.wait(t); end != "exit status 0" {
		t.Error(end)
	}
}

// TestFirstThreadGone: the selected thread has ended, its process has not.
func TestFirstThreadGone(t *testing.T) {
	srv := start(t, "steps", "leave")
	c, main := nonStop(t, srv)
	c.want("OK", "Hg%s", main)
	c.want("OK", "vCont;c")
	srv.waitFor(t, "alone\n")
	done := symbol(t, "steps", "done")
	c.want("00000000", "m%x,4", done)
	c.want("OK", "M%x,4:01000000", done)
	if stops := c.notification(); !strings.HasPrefix(stops[0], "W00") {
		t.Errorf("stops %q, want the end", stops)
	}
	c.conn.Close()
	if end := srv.wait(t); end != "exit status 0" {
		t.Error(end)
	}
}

// TestWatchBystander: a thread that sleeps while another one writes to what is
// watched has not written it.
func TestWatchBystander(t *testing.T) {
	srv := start(t, "steps", "watch")
	c := dial(t, srv)
	main := stopThread(t, c.wantPrefix("T05", "?"))
	c.want("OK", "Z2,%x,4", symbol(t, "steps", "handled"))
	hits := 0
	for {
		stop := c.cmd("vCont;c")
		if strings.HasPrefix(stop, "W00") {
			break
		}
		if hits++; !strings.HasPrefix(stop, "T05watch:") || stopThread(t, stop) != main {
			t.Errorf("%s; only %s writes", stop, main)
		}
	}
	if hits != 5 {
		t.Errorf("%d hits for 5 writes", hits)
	}
	c.conn.Close()
	srv.wait(t)
}

// TestHaltInAStep: a thread that is asked to stop while it executes an
// instruction on the debugger's account does so after it.
func TestHaltInAStep(t *testing.T) {
	srv := start(t, "storm", "1000000000")
	hit := symbol(t, "storm", "hit")
	c, _ := nonStop(t, srv)
	c.want("OK", "vCont;c")
	for len(strings.Split(c.cmd("qfThreadInfo"), ",")) < 1+16 {
		time.Sleep(time.Millisecond)
	}
	all := strings.Split(strings.TrimPrefix(c.cmd("qfThreadInfo"), "m"), ",")
	c.want("OK", "Z0,%x,1;X3,220027", hit) // if 0
	for range 20 {
		time.Sleep(5 * time.Millisecond)
		running := map[string]bool{}
		for _, id := range all[:1+16] { // the others come and go
			running[id] = true
		}
		c.want("OK", "vCont;t")
		for len(running) > 0 {
			for _, stop := range c.notification() {
				if stop != "N" { // the last one that ran has ended
					delete(running, stopThread(t, stop))
				}
			}
		}
		c.want("OK", "vCont;c")
	}
	c.want("OK", "vKill;%x", pid(t, c))
	c.conn.Close()
	srv.wait(t)
}

// TestNonStopInterrupt: vCtrlC stops a thread, also one that waits.
func TestNonStopInterrupt(t *testing.T) {
	srv := start(t, "sleep", "read")
	c, main := nonStop(t, srv)
	c.want("OK", "vCont;c:%s", main)
	srv.waitFor(t, "ready\n")
	c.pause()
	c.want("OK", "vCtrlC")
	if stops := c.notification(); len(stops) != 1 || !strings.HasPrefix(stops[0], "T02thread:"+main) {
		t.Errorf("stops %q, want an interrupt", stops)
	}
	c.want("OK", "Hg%s", main)
	if orig := c.register(regOrig); orig != 0 {
		t.Errorf("orig_rax is %d, not read's number", int64(orig))
	}
	c.want("OK", "vKill;%x", pid(t, c))
	c.conn.Close()
	if end := srv.wait(t); end != "signal: killed" {
		t.Error(end)
	}
}
