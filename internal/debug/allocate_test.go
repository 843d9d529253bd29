package debug_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestAllocate: a client gets memory in the program, and takes it along when
// it goes.
func TestAllocate(t *testing.T) {
	srv := start(t, "sleep")
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	first := number(t, c.cmd("_M3000,rwx"))
	second := number(t, c.cmd("_M10,r"))
	c.want("OK", "M%x,4:12345678", second)
	c.want("12345678", "m%x,4", second)
	if got := c.cmd("qMemoryRegionInfo:%x", first+0x2fff); !strings.HasPrefix(got, fmt.Sprintf("start:%x;size:3000;permissions:rwx;", first)) {
		t.Errorf("the region of what was allocated: %s", got)
	}
	c.want("OK", "_m%x", first)
	c.wantPrefix("E", "_m%x", first)
	c.wantPrefix("E", "m%x,4", first)
	c.wantPrefix("E", "_m%x", symbol(t, "sleep", "go")&^0xfff)
	c.wantPrefix("E", "_Mffffffffffffffff,rw")
	c.conn.Close()

	c = dial(t, srv)
	c.wantPrefix("T", "?")
	c.wantPrefix("E", "m%x,4", second)
	c.want("OK", "M%x,4:03000000", symbol(t, "sleep", "go"))
	c.wantPrefix("W03", "vCont;c")
	c.conn.Close()
	srv.wait(t)
}

// TestMemoryAboveTheProgram: everything there is one gap up to the end.
func TestMemoryAboveTheProgram(t *testing.T) {
	c := dial(t, start(t, "sleep"))
	for _, at := range []uint64{1 << 47, 1 << 63, ^uint64(0)} {
		got := c.cmd("qMemoryRegionInfo:%x", at)
		var begin, size uint64
		if _, err := fmt.Sscanf(got, "start:%x;size:%x;", &begin, &size); err != nil || begin > at || begin+size != 0 {
			t.Errorf("the region at %#x is %q, %v", at, got, err)
		}
	}
}

// TestElsewhere: a client that moves a thread out of a system call without
// saying more means exactly that place (LLDB does so to call a function).
func TestElsewhere(t *testing.T) {
	srv := start(t, "sleep", "read")
	twice := symbol(t, "sleep", "twice")
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	if err := c.send("vCont;c"); err != nil {
		t.Fatal(err)
	}
	srv.waitFor(t, "ready")
	c.interrupt()
	if stop, err := c.reply(); err != nil || !strings.HasPrefix(stop, "T02") {
		t.Fatalf("^C: %q, %v", stop, err)
	}
	if orig := c.register(regOrig); orig != 0 {
		t.Fatalf("system call %d, not read", int64(orig))
	}
	before := c.cmd("g")
	c.want("OK", "P%x=%s", regRIP, le64(twice))
	c.wantPrefix("T05", "vCont;s")
	if rip := c.register(regRIP); rip != twice+1 { // push %rbp
		t.Errorf("a step at %#x comes to %#x", twice, rip)
	}
	c.want("OK", "G%s", before)
	c.want("OK", "D;%x", pid(t, c))
	c.conn.Close()
	srv.input.Close()
	if end := srv.wait(t); end != "exit status 0" || srv.stdout.String() != "ready\nread 0\ndone\n" {
		t.Errorf("%s, output %q", end, srv.stdout.String())
	}
}
