package debug_test

import (
	"strings"
	"testing"
)

// TestThreadEvents: with QThreadEvents every thread that comes or goes is
// reported, in its own turn.
func TestThreadEvents(t *testing.T) {
	srv := start(t, "tls")
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	c.want("OK", "QThreadEvents:1")
	stop := c.cmd("vCont;c")
	if !strings.HasPrefix(stop, "T05create:;") {
		t.Fatalf("got %q, want the new thread", stop)
	}
	thread := stopThread(t, stop)
	if list := c.threads(); len(list) != 2 || list[1] != thread {
		t.Errorf("threads %v, the new one is %s", list, thread)
	}
	c.want("OK", "Hg%s", thread)
	if orig := c.register(regOrig); int64(orig) != -1 {
		t.Errorf("orig_rax of a new thread is %d", int64(orig))
	}
	c.want("w00;"+thread, "vCont;c")
	if list := c.threads(); len(list) != 1 {
		t.Errorf("threads after one has ended: %v", list)
	}
	c.want("OK", "QThreadEvents:0")
	c.wantPrefix("W00", "vCont;c")
	c.conn.Close()
	srv.wait(t)
}

// TestNoResumed: a client that resumes one thread alone hears when it ends.
func TestNoResumed(t *testing.T) {
	srv := start(t, "tls")
	look := symbol(t, "tls", "look")
	c := dial(t, srv)
	main := stopThread(t, c.wantPrefix("T05", "?"))
	c.want("OK", "Z0,%x,1", look)
	c.wantPrefix("T05swbreak", "vCont;c")
	c.stepOver(main, look)
	worker := stopThread(t, c.wantPrefix("T05swbreak", "vCont;c"))
	if worker == main {
		t.Fatal("the main thread was faster than the one it waits for")
	}
	c.want("OK", "z0,%x,1", look)
	c.want("N", "vCont;c:%s", worker)
	c.wantPrefix("W00", "vCont;c")
	c.conn.Close()
	srv.wait(t)
}

// TestHeldThreads: threads that are made while one thread runs alone wait too.
func TestHeldThreads(t *testing.T) {
	srv := start(t, "tls")
	look := symbol(t, "tls", "look")
	c := dial(t, srv)
	main := stopThread(t, c.wantPrefix("T05", "?"))
	c.want("OK", "Z0,%x,1", symbol(t, "tls", "worker"))
	c.want("OK", "Z0,%x,1", look)
	c.wantPrefix("T05swbreak", "vCont;c")
	c.stepOver(main, look)
	// The main thread makes the other and waits for it: only ^C ends that.
	if err := c.send("vCont;c:" + main); err != nil {
		t.Fatal(err)
	}
	c.interrupt()
	stop, err := c.reply()
	if err != nil || !strings.HasPrefix(stop, "T02") || stopThread(t, stop) != main {
		t.Fatalf("got %q, %v, want an interrupt of %s", stop, err, main)
	}
	if list := c.threads(); len(list) > 1 {
		c.want("OK", "Hg%s", list[1])
		if pc := c.register(regRIP); pc == symbol(t, "tls", "worker") {
			t.Error("the new thread ran")
		}
	}
	if thread := stopThread(t, c.wantPrefix("T05swbreak", "vCont;c")); thread == main {
		t.Error("the new thread does not run now")
	}
	c.want("OK", "z0,%x,1", symbol(t, "tls", "worker"))
	c.want("OK", "z0,%x,1", look)
	c.wantPrefix("W00", "vCont;c")
	c.conn.Close()
	srv.wait(t)
}
