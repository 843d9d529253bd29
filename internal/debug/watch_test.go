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
