package debug_test

import (
	"strings"
	"testing"
	"time"
)

// visit connects, interrupts the program a few times and leaves, in one of
// several ways. It reports whether the program is still there.
func visit(t *testing.T, srv *server, turn int) bool {
	t.Helper()
	c, err := tryConnect(t, srv)
	if err != nil {
		return false // it has ended
	}
	defer c.conn.Close()
	packets := append(append([]string{}, hello...), "?")
	if turn%2 == 0 {
		packets = append(packets, "QPassSignals:1e") // SIGUSR1, in GDB's numbers
	}
	for _, p := range packets {
		if c.send(p) != nil {
			return false
		}
		if reply, err := c.reply(); err != nil || strings.HasPrefix(reply, "W") {
			return false
		}
	}
	resume := "vCont;c"
	for range 3 {
		if c.send(resume) != nil {
			return false
		}
		time.Sleep(time.Duration(turn%4) * time.Millisecond)
		if _, err := c.conn.Write([]byte{3}); err != nil {
			return false
		}
		stop, err := c.reply()
		if err != nil || strings.HasPrefix(stop, "W") {
			return false
		}
		if resume = "vCont;c"; strings.HasPrefix(stop, "T1e") {
			resume = "vCont;C1e:" + stopThread(t, stop) + ";c"
			if turn%3 == 0 {
				break // whoever leaves has not decided: it is delivered
			}
		}
	}
	if turn%2 == 0 {
		_ = c.send("D") // and is not waited for
	}
	return true
}

// TestUnnoticed: a program that waits in system calls gets what it would get
// without torov and without a debugger, while one comes, interrupts and goes
// all the time.
func TestUnnoticed(t *testing.T) {
	least := 5 // visits
	if lab != "" {
		least = 1
	}
	for _, call := range []string{"read", "nanosleep", "futex", "poll", "epoll", "accept"} {
		t.Run(call, func(t *testing.T) {
			t.Parallel()
			for range 5 {
				native := command(t, programPath(t, "blocking"), call)
				out, err := native.Output()
				if err != nil {
					t.Fatal(err)
				}
				srv := start(t, "blocking", call)
				turns := 0
				for visit(t, srv, turns) {
					turns++
				}
				if end := srv.wait(t); end != "exit status 0" || turns < least {
					t.Fatalf("%s, after %d visits", end, turns)
				}
				want, got := string(out), srv.stdout.String()
				if want == got {
					return
				}
				if !early(want, got) {
					t.Fatalf("after %d visits:\n%s", turns, diff(want, got))
				}
			}
			t.Error("whenever it was tried a signal came before the call")
		})
	}
}

// early reports whether two runs differ only in that one of them, on a busy
// machine, had not come to its call when the signal came, and so was not
// interrupted in it.
func early(want, got string) bool {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	if len(a) != len(b) || a[0] != b[0] {
		return false
	}
	_, undisturbed, _ := strings.Cut(a[0], ": ")
	undisturbed = strings.Replace(undisturbed, "0 signals", "1 signals", 1)
	for i := range a {
		if a[i] != b[i] && !strings.HasSuffix(a[i], ": "+undisturbed) && !strings.HasSuffix(b[i], ": "+undisturbed) {
			return false
		}
	}
	return true
}
