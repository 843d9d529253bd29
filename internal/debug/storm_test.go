package debug_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// threads lists the client's threads.
func (c *client) threads() []string {
	c.t.Helper()
	var list []string
	for q := "qfThreadInfo"; ; q = "qsThreadInfo" {
		reply := c.cmd("%s", q)
		if reply == "l" {
			return list
		}
		list = append(list, strings.Split(strings.TrimPrefix(reply, "m"), ",")...)
	}
}

// stepOver steps a thread over the breakpoint it stands at, as gdb does: alone,
// with the breakpoint removed.
func (c *client) stepOver(thread string, at uint64) {
	c.t.Helper()
	c.want("OK", "z0,%x,1", at)
	c.wantPrefix("T05", "vCont;s:%s", thread)
	c.want("OK", "Z0,%x,1", at)
}

// TestStopStorm: sixteen threads hit one breakpoint while another thread makes
// more. At every stop everything stands, and no hit is lost.
func TestStopStorm(t *testing.T) {
	rounds := 20
	if testing.Short() {
		rounds = 2
	}
	srv := start(t, "storm", fmt.Sprint(rounds))
	hit, total := symbol(t, "storm", "hit"), symbol(t, "storm", "total")
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	c.want("OK", "Z0,%x,1", hit)
	for n := range 16 * rounds {
		stop := c.wantPrefix("T05swbreak:;", "vCont;c")
		thread := stopThread(t, stop)
		c.want("OK", "Hg%s", thread)
		if pc := c.register(regRIP); pc != hit {
			t.Fatalf("hit %d: the thread is at %#x, not %#x", n, pc, hit)
		}
		// Nothing moves while somebody looks.
		before, words := c.threads(), c.word(total)
		for _, id := range before {
			c.want("OK", "Hg%s", id)
			c.register(regRIP)
		}
		if after := c.threads(); len(after) != len(before) {
			t.Fatalf("hit %d: %d threads, then %d", n, len(before), len(after))
		}
		if now := c.word(total); now != words {
			t.Fatalf("hit %d: memory changes while the program is stopped", n)
		}
		c.stepOver(thread, hit)
	}
	c.wantPrefix("W00", "vCont;c")
	c.conn.Close()
	if end := srv.wait(t); end != "exit status 0" || srv.stdout.String() != "total right\n" {
		t.Errorf("%s, output %q", end, srv.stdout.String())
	}
}

// never is a condition that does not hold: const8 0, end.
const never = "X3,220027"

// TestFalseConditionStorm: the debugger steps threads over a breakpoint on its
// own, thousands of times, and none goes through without being seen.
func TestFalseConditionStorm(t *testing.T) {
	rounds := 100
	if testing.Short() {
		rounds = 5
	}
	srv := start(t, "storm", fmt.Sprint(rounds))
	hit, at := symbol(t, "storm", "hit"), symbol(t, "storm", "nothing")
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	c.want("OK", "Z0,%x,1;%s", hit, never)
	c.want("OK", "Z1,%x,1;%s", at, never)
	c.wantPrefix("W00", "vCont;c")
	c.conn.Close()
	if end := srv.wait(t); end != "exit status 0" || srv.stdout.String() != "total right\n" {
		t.Errorf("%s, output %q", end, srv.stdout.String())
	}
}

// TestInterruptStorm stops and resumes a busy program again and again.
func TestInterruptStorm(t *testing.T) {
	turns := 100
	if testing.Short() {
		turns = 5
	}
	srv := start(t, "storm", "1000000000")
	left := symbol(t, "storm", "rounds")
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	c.want("OK", "Z0,%x,1", symbol(t, "storm", "hit"))
	c.wantPrefix("T05", "vCont;c")
	c.want("OK", "z0,%x,1", symbol(t, "storm", "hit"))
	for n := range turns {
		if err := c.send("vCont;c"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Duration(n%8) * time.Millisecond)
		if _, err := c.conn.Write([]byte{3}); err != nil {
			t.Fatal(err)
		}
		stop, err := c.reply()
		if err != nil || !strings.HasPrefix(stop, "T02") {
			t.Fatalf("interrupt %d: %q, %v", n, stop, err)
		}
	}
	c.want("OK", "M%x,4:00000000", left)
	c.wantPrefix("W00", "vCont;c")
	c.conn.Close()
	if end := srv.wait(t); end != "exit status 0" {
		t.Error(end)
	}
}
