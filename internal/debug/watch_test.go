package debug_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestWatchWhileOthersWait: a change is the doing of the thread that made it,
// not also of those that were in system calls meanwhile.
func TestWatchWhileOthersWait(t *testing.T) {
	srv := start(t, "threads")
	turns := symbol(t, "threads", "turns")
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	c.want("OK", "Z2,%x,4", turns)
	stop := c.wantPrefix(fmt.Sprintf("T05watch:%x;", turns), "vCont;c")
	if main := fmt.Sprintf("p%x.%x", pid(t, c), pid(t, c)); !strings.Contains(stop, "thread:"+main+";") {
		t.Errorf("the main thread, %s, changed it: %s", main, stop)
	}
	c.want("OK", "M%x,4:63000000", turns)
	c.wantPrefix("W00", "vCont;c")
	c.conn.Close()
	if end := srv.wait(t); end != "exit status 0" || srv.stdout.String() != "shared 360\n" {
		t.Errorf("%s, output %q", end, srv.stdout.String())
	}
}

// TestWatchAmongSignals: a signal that comes just before an instruction does
// not make it count as executed.
func TestWatchAmongSignals(t *testing.T) {
	turns := 200
	if testing.Short() {
		turns = 10
	}
	srv := start(t, "noise")
	counter := symbol(t, "noise", "counter")
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	c.want("OK", "QPassSignals:1e")
	c.want("OK", "Z2,%x,4", counter)
	for n := 1; n <= turns; n++ {
		c.wantPrefix(fmt.Sprintf("T05watch:%x;", counter), "vCont;c")
		if got := c.word(counter) & 0xffffffff; got != uint64(n) {
			t.Fatalf("stop %d, but the counter is %d", n, got)
		}
	}
	c.want("OK", "z2,%x,4", counter)
	c.wantPrefix("W00", "vCont;c")
	c.conn.Close()
	if end := srv.wait(t); end != "exit status 0" || srv.stdout.String() != "counter 200\n" {
		t.Errorf("%s, output %q", end, srv.stdout.String())
	}
}

// TestWatchStorm: sixteen threads change one variable, and every change is
// reported, once, however many happen at a time.
func TestWatchStorm(t *testing.T) {
	rounds := 10
	if testing.Short() {
		rounds = 1
	}
	srv := start(t, "storm", fmt.Sprint(rounds))
	total := symbol(t, "storm", "total")
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	c.want("OK", "Z2,%x,4", total)
	seen := map[uint64]bool{}
	for n := range 16 * rounds {
		if stop := c.cmd("vCont;c"); !strings.HasPrefix(stop, fmt.Sprintf("T05watch:%x;", total)) {
			t.Fatalf("after %d changes: %s", n, stop)
		}
		seen[c.word(total)&0xffffffff] = true
	}
	c.wantPrefix("W00", "vCont;c")
	c.conn.Close()
	srv.wait(t)
	if !seen[uint64(16*rounds)] {
		t.Errorf("the last value was not seen; %d were", len(seen))
	}
}
