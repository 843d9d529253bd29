package debug_test

import (
	"debug/elf"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/arch/x86/x86asm"
)

// wantAll sends packets that must be answered with OK.
func (c *client) wantAll(packets ...string) {
	c.t.Helper()
	for _, p := range packets {
		c.want("OK", "%s", p)
	}
}

// instructions lists the addresses of the instructions between two symbols.
func instructions(t *testing.T, program, from, to string) (list []uint64) {
	t.Helper()
	start, end := symbol(t, program, from), symbol(t, program, to)
	f, err := elf.Open(programPath(t, program))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text := f.Section(".text")
	code := make([]byte, end-start)
	if _, err := text.ReadAt(code, int64(start-text.Addr)); err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(code); {
		list = append(list, start+uint64(at))
		if strings.HasPrefix(string(code[at:]), "\xf3\x0f\x1e\xfa") { // ENDBR64, which the decoder does not know
			at += 4
			continue
		}
		inst, err := x86asm.Decode(code[at:], 64)
		if err != nil {
			t.Fatalf("at %#x: %v", start+uint64(at), err)
		}
		at += inst.Len
	}
	return list
}

// recorded reads the registers of all frames.
func (c *client) recorded() (list []string) {
	c.t.Helper()
	for n := 0; ; n++ {
		r := c.cmd("QTFrame:%x", n)
		if r == "F-1" {
			c.want("OK", "QTFrame:ffffffff")
			return list
		}
		if !strings.HasPrefix(r, fmt.Sprintf("F%xT", n)) {
			c.t.Fatalf("frame %d: %q", n, r)
		}
		list = append(list, c.cmd("g"))
	}
}

func decimal(t *testing.T, s string) int {
	t.Helper()
	n, err := strconv.Atoi(s)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// stepExits counts the exits from the guest for single steps.
func stepExits(t *testing.T, srv *server) (n int) {
	t.Helper()
	for _, m := range exitLine.FindAllStringSubmatch(srv.stderr.String(), -1) {
		if m[1] == "step-by-gate" || m[1] == "step-by-kvm" {
			n += decimal(t, m[2])
		}
	}
	return n
}

// An instruction under a tracepoint does what it always does, whether the
// debugger executes it itself, steps over it, or the processor does it in a
// series of steps.
func TestInstructionsUnderTracepoints(t *testing.T) {
	const program = "emulate"
	var runs [3][]string
	var exits [3]int
	routine, done := symbol(t, program, "routine"), symbol(t, program, "done")
	for i := range runs {
		srv := start(t, program)
		c := dial(t, srv)
		c.wantPrefix("T05", "?")
		c.wantAll("QTinit", fmt.Sprintf("Z0,%x,1", done))
		switch i {
		case 0: // steps
			c.wantAll(fmt.Sprintf("QTDP:1:%x:E:1000:0-", routine), fmt.Sprintf("QTDP:-1:%x:R0-", routine), fmt.Sprintf("QTDP:-1:%x:SR0", routine))
		case 2: // a watchpoint keeps the debugger from executing instructions itself
			c.wantAll(fmt.Sprintf("Z2,%x,8", c.register(regRSP)-4096))
			fallthrough
		case 1:
			for _, a := range instructions(t, program, "routine", "routine_end") {
				c.wantAll(fmt.Sprintf("QTDP:1:%x:E:0:0-", a), fmt.Sprintf("QTDP:-1:%x:R0", a))
			}
		}
		c.wantAll("QTStart")
		c.wantPrefix("T05swbreak", "vCont;c")
		c.wantAll("QTStop")
		runs[i] = c.recorded()
		c.wantPrefix("X09", "k")
		c.conn.Close()
		srv.wait(t)
		exits[i] = stepExits(t, srv)
	}
	if exits[1] >= exits[2] {
		t.Errorf("%d exits for steps where the debugger may execute instructions itself, %d where it may not", exits[1], exits[2])
	}
	steps, end := runs[0], symbol(t, program, "routine_end")
	for i := range steps {
		if pc := little(t, steps[i][regRIP*16:][:16]); pc < routine || pc >= end {
			steps = steps[:i]
			break
		}
	}
	for i, name := range []string{"executed by the debugger", "stepped over"} {
		got := runs[i+1]
		for n := range min(len(got), len(steps)) {
			if got[n] != steps[n] {
				t.Fatalf("%s: after the instruction at %#x:\n%s, and in steps\n%s", name, little(t, steps[max(n-1, 0)][regRIP*16:][:16]), got[n][:24*16], steps[n][:24*16])
			}
		}
		if len(got) != len(steps) {
			t.Errorf("%s: %d instructions, in steps %d", name, len(got), len(steps))
		}
	}
	t.Logf("%d instructions", len(steps))
}

// A system call is one step of a series, as any instruction.
func TestStepsOverSystemCalls(t *testing.T) {
	const program = "emulate"
	list := instructions(t, program, "calls", "calls_end")
	srv := start(t, program)
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	c.wantAll("QTinit", fmt.Sprintf("QTDP:1:%x:E:%x:1-", list[0], len(list)), fmt.Sprintf("QTDP:-1:%x:R0SR0", list[0]), "QTStart")
	c.wantPrefix("T05swbreak", "%s", c.breakAt(symbol(t, program, "done")))
	list = append(list, symbol(t, program, "calls_end"))
	frames := c.recorded()
	for i, f := range frames {
		if pc := little(t, f[regRIP*16:][:16]); i >= len(list) || pc != list[i] {
			t.Fatalf("frame %d is at %#x; the instructions are at %#x", i, pc, list)
		}
	}
	if len(frames) != len(list) {
		t.Errorf("%d frames, want %d", len(frames), len(list))
	}
	if pid := little(t, frames[3][:16]); pid == 0 || int64(pid) < 0 {
		t.Errorf("getpid gave %d", int64(pid))
	}
}

// breakAt inserts a breakpoint and returns the packet that goes there.
func (c *client) breakAt(a uint64) string {
	c.t.Helper()
	c.want("OK", "Z0,%x,1", a)
	return "vCont;c"
}

// traceStatus returns an item of qTStatus.
func (c *client) traceStatus(name string) string {
	c.t.Helper()
	for item := range strings.SplitSeq(c.cmd("qTStatus"), ";") {
		if v, ok := strings.CutPrefix(item, name+":"); ok {
			return v
		}
	}
	return ""
}

// All threads come by the same places at once: one whose instruction the
// debugger executes, one that it steps over, and one with a breakpoint on it.
func TestTracepointsAndThreads(t *testing.T) {
	const program = "trace"
	visit := instructions(t, program, "visit", "pause_here")
	srv := start(t, program, "threads")
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	c.wantAll("QTinit", "QTBuffer:circular:1", "QTDV:7:0:0:6e")
	for i, a := range visit {
		// Every hit of the first counts.
		c.wantAll(fmt.Sprintf("QTDP:%x:%x:E:0:0-", i+1, a))
		if i == 0 {
			c.wantAll(fmt.Sprintf("QTDP:-1:%x:Xa,2c0007220102"+"2d000727", a))
		} else {
			c.wantAll(fmt.Sprintf("QTDP:-%x:%x:X1,27", i+1, a))
		}
	}
	c.wantAll("QTStart", fmt.Sprintf("Z0,%x,1;X3,220027", visit[4]))
	c.wantPrefix("W00", "vCont;c")
	if got := c.cmd("qTV:7"); got != fmt.Sprintf("V%x", 420) {
		t.Errorf("%s hits of the first instruction", got)
	}
	for i, a := range visit {
		if got := c.cmd("qTP:%x:%x", i+1, a); !strings.HasPrefix(got, fmt.Sprintf("V%x:", 420)) {
			t.Errorf("%s hits at %#x", got, a)
		}
	}
	c.conn.Close()
	if end := srv.wait(t); end != "exit status 0" {
		t.Error(end)
	}
}

// A run that ends while threads are on their way through its traps does no harm
// to them.
func TestTraceEndsAmongThreads(t *testing.T) {
	const program = "trace"
	visit := instructions(t, program, "visit", "pause_here")
	for passes := 25; passes < 400; passes += 75 {
		srv := start(t, program, "threads")
		c := dial(t, srv)
		c.wantPrefix("T05", "?")
		c.wantAll("QTinit")
		for i, a := range visit {
			c.wantAll(fmt.Sprintf("QTDP:%x:%x:E:0:%x", i+1, a, passes))
		}
		c.wantAll("QTStart")
		c.wantPrefix("W00", "vCont;c")
		if got := c.traceStatus("tpasscount"); got == "" {
			t.Errorf("the status is %s", c.cmd("qTStatus"))
		}
		c.conn.Close()
		if end := srv.wait(t); end != "exit status 0" {
			t.Error(end)
		}
	}
}

// In non-stop mode a trace begins, changes and ends while threads run.
func TestTraceWhileRunning(t *testing.T) {
	const program = "trace"
	srv := start(t, program, "wait")
	c, _ := nonStop(t, srv)
	spin := symbol(t, program, "usleep")
	c.wantAll("QTinit", fmt.Sprintf("QTDP:1:%x:E:0:0", spin), "vCont;c", "QTStart")
	hits := func() uint64 {
		v, _, _ := strings.Cut(strings.TrimPrefix(c.cmd("qTP:1:%x", spin), "V"), ":")
		return number(t, v)
	}
	more := func() bool {
		for before, n := hits(), 0; n < 100; n++ {
			if hits() > before {
				return true
			}
			c.pause()
		}
		return false
	}
	if !more() {
		t.Error("no hits while the program runs")
	}
	c.wantAll(fmt.Sprintf("QTDisable:1:%x", spin))
	before := hits()
	c.pause()
	if now := hits(); now != before {
		t.Errorf("%d hits of a tracepoint that is disabled", now-before)
	}
	c.wantAll(fmt.Sprintf("QTEnable:1:%x", spin))
	if !more() {
		t.Error("no hits after QTEnable")
	}
	next := instructions(t, program, "visit", "pause_here")[0]
	c.wantAll(fmt.Sprintf("QTDP:2:%x:E:0:0", next)) // installed at once
	for range 20 {
		c.wantAll("QTStop", "QTStart")
	}
	c.wantAll("QTStop", "QTFrame:ffffffff")
	c.pause()
	c.wantAll(fmt.Sprintf("M%x,4:07000000", symbol(t, program, "go")))
	if stops := c.notification(); !strings.HasPrefix(stops[0], "W07") {
		t.Errorf("the program stops with %s", stops)
	}
	c.conn.Close()
	srv.wait(t)
}

// An instruction that faults is recorded once, and faults where it is.
func TestTracepointOnAFault(t *testing.T) {
	const program = "emulate"
	fault := symbol(t, program, "fault")
	srv := start(t, program)
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	c.wantAll("QTinit", fmt.Sprintf("QTDP:1:%x:E:0:0", fault), "QTStart", fmt.Sprintf("P10=%s", littleHex(fault)))
	for _, p := range []string{"vCont;c", "vCont;s", "vCont;c"} {
		// The trace began while the thread was elsewhere.
		c.wantPrefix("T0b", "%s", p)
		if pc := c.register(regRIP); pc != fault {
			t.Errorf("it faults at %#x, not %#x", pc, fault)
		}
		if n := c.traceStatus("tframes"); n != "1" {
			t.Errorf("%s frames", n)
		}
	}
	c.wantPrefix("X0b", "vCont;C0b")
	c.conn.Close()
	srv.wait(t)
}

// littleHex writes a value as registers are written.
func littleHex(v uint64) string { return fmt.Sprintf("%016x", bits.ReverseBytes64(v)) }
