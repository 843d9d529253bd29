package debug_test

import (
	"debug/elf"
	"fmt"
	"strings"
	"testing"
	"time"
)

// symbol returns the address of a symbol in a debuggee.
func symbol(t *testing.T, program, name string) uint64 {
	t.Helper()
	f, err := elf.Open(programPath(t, program))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.Symbols()
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range symbols {
		if s.Name == name && elf.ST_BIND(s.Info) == elf.STB_GLOBAL {
			return s.Value
		}
	}
	t.Fatalf("%s has no symbol %s", program, name)
	return 0
}

// start runs a program under torov for a client of its own.
func start(t *testing.T, program string, args ...string) *server {
	t.Helper()
	needKVM(t)
	return startTorov(t, script{program: program, args: strings.Join(args, " ")})
}

// Registers of the core feature, by number.
const (
	regRAX  = 0
	regRSP  = 7
	regRIP  = 16
	regOrig = 57
)

func TestRegisterRoundTrip(t *testing.T) {
	srv := start(t, "fpu")
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	c.want("OK", "Z0,%x,1", symbol(t, "fpu", "loaded"))
	c.wantPrefix("T05swbreak:;", "vCont;c")
	before := c.cmd("g")
	c.want("OK", "G%s", before)
	if after := c.cmd("g"); after != before {
		t.Errorf("G of what g said changes registers:\n%s\n%s", before, after)
	}
	// Every bit of every register, except where the processor has none.
	for num := range 200 {
		old := c.cmd("p%x", num)
		if strings.HasPrefix(old, "E") || old == "" || num >= 18 && num <= 23 || num >= 32 && num <= 39 {
			continue // not there; selectors; x87 control, whose widths differ
		}
		pattern := strings.Repeat("5a", len(old)/2)
		switch num {
		case 17: // eflags: CF PF ZF SF
			pattern = "c5020000"
		case 56: // mxcsr
			pattern = "801f0000"
		case 58, 59: // bases must be canonical
			pattern = "5a5a5a5a5a5a0000"
		case regRIP:
			continue
		}
		if got := c.cmd("P%x=%s", num, pattern); got != "OK" {
			t.Errorf("P of register %d: %s", num, got)
			continue
		}
		if got := c.cmd("p%x", num); got != pattern && !(num >= 24 && num <= 31) && num != 17 {
			t.Errorf("register %d: wrote %s, read %s", num, pattern, got)
		}
		c.want("OK", "P%x=%s", num, old)
	}
	if after := c.cmd("g"); after != before {
		t.Errorf("registers are not what they were:\n%s\n%s", before, after)
	}
	c.want("OK", "z0,%x,1", symbol(t, "fpu", "loaded"))
	c.wantPrefix("W00", "vCont;c")
	c.conn.Close()
	if end := srv.wait(t); end != "exit status 0" || srv.stdout.String() != "1.5 2.5 3.5 4.5 3.1416\n" {
		t.Errorf("%s, output %q", end, srv.stdout.String())
	}
}

// TestClientVanishes cuts the connection at every packet of a session. The
// program must run on as if nobody had been there, and the next client must
// find it in order.
func TestClientVanishes(t *testing.T) {
	if testing.Short() {
		t.Skip("many runs of the same; too long for a lab")
	}
	spin, twice := symbol(t, "sleep", "spin"), symbol(t, "sleep", "twice")
	goes, turns := symbol(t, "sleep", "go"), symbol(t, "sleep", "turns")
	session := append(append([]string{}, hello...), "?", "Hgp0.0", "g",
		fmt.Sprintf("Z0,%x,1", spin), fmt.Sprintf("Z0,%x,1", twice), fmt.Sprintf("Z2,%x,4", goes), fmt.Sprintf("Z3,%x,1", turns+0x4000),
		"vCont;c", fmt.Sprintf("m%x,40", spin), "vCont;s", fmt.Sprintf("z0,%x,1", spin), "vCont;s", "QPassSignals:e", "QCatchSyscalls:1",
		fmt.Sprintf("vCont;r%x,%x", spin, spin+0x100))
	for cut := range len(session) + 1 {
		for _, wait := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d/%v", cut, wait), func(t *testing.T) {
				srv := start(t, "sleep")
				c := connect(t, srv)
				for i, p := range session[:cut] {
					last := i == cut-1
					if err := c.send(p); err != nil {
						t.Fatal(err)
					}
					// The range step goes round in the loop until somebody stops it.
					if forever := i == len(session)-1; !last || wait && !forever {
						if _, err := c.reply(); err != nil {
							t.Fatalf("%s: %v", p, err)
						}
					} else if wait {
						time.Sleep(20 * time.Millisecond)
					}
				}
				c.conn.Close()
				c = dial(t, srv)
				c.wantPrefix("T", "?")
				// It has to get round the loop first.
				for c.word(turns) == 0 {
					c.interruptAfter(20 * time.Millisecond)
				}
				c.want("OK", "M%x,4:07000000", goes)
				c.wantPrefix("W07", "vCont;c")
				c.conn.Close()
				if end := srv.wait(t); end != "exit status 7" {
					t.Error(end)
				}
			})
		}
	}
}

func TestStrace(t *testing.T) {
	srv := start(t, "basic")
	c := dial(t, srv)
	c.wantPrefix("T05", "?")
	monitor := func(line string) {
		c.t.Helper()
		for reply := c.cmd("qRcmd,%x", line); reply != "OK"; {
			var err error
			if reply, err = c.reply(); err != nil {
				t.Fatal(err)
			}
		}
	}
	monitor("strace write exit_group")
	monitor("fail write ENOSPC times 1")
	c.wantPrefix("W52", "vCont;c")
	c.conn.Close()
	srv.wait(t)
	log := srv.messages()
	inOrder(t, log, `] write(1, "add 5\n`, ") = -1 ENOSPC\n", "] exit_group(82) = ?\n")
	if srv.stdout.String() != "" || strings.Contains(log, "brk") {
		t.Errorf("output %q, log:\n%s", srv.stdout.String(), log)
	}
}

func TestSecondClient(t *testing.T) {
	srv := start(t, "sleep")
	first := dial(t, srv)
	first.wantPrefix("T05", "?")
	second := connect(t, srv)
	if err := second.send(hello[0]); err != nil {
		t.Fatal(err)
	}
	if got, err := second.reply(); err != nil || !strings.HasPrefix(got, "E.") {
		t.Errorf("a second client is told %q, %v", got, err)
	}
	first.want("OK", "D;%x", pid(t, first))
	first.conn.Close()
	third := dial(t, srv)
	third.wantPrefix("T05", "?")
	third.want("OK", "M%x,4:01000000", symbol(t, "sleep", "go"))
	third.wantPrefix("W01", "vCont;c")
	third.conn.Close()
	if end := srv.wait(t); end != "exit status 1" {
		t.Error(end)
	}
}

// pid is the number of the process being debugged.
func pid(t *testing.T, c *client) uint64 {
	t.Helper()
	id := c.wantPrefix("QCp", "qC")
	p, _, _ := strings.Cut(strings.TrimPrefix(id, "QCp"), ".")
	return number(t, p)
}
