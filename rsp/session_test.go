package rsp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"torov/rsp"
	"torov/rsp/internal/toy"
)

// noTracepoints is a target without them.
func noTracepoints(t *rsp.Target) { t.Tracepoints = nil }

func TestUnknownPacketsGetTheEmptyReply(t *testing.T) {
	s := start(t, toy.Counter(), noTracepoints)
	s.hello()
	for _, p := range []string{
		"vMustReplyEmpty", "qNonsense", "QNonsense:1", "vNonsense;1", "jNonsense:{}", "qTStatus", "QTinit", "e", "",
		"qXfer:nonsense:read::0,10", "qXfer:features:write:a:0:b", "vFile:nonsense:1", "qSearch:disk:0;1;x", "bx", "~",
	} {
		s.want(p, "")
	}
}

func TestSupportedFollowsFromCapabilities(t *testing.T) {
	s := start(t, toy.Counter())
	full := s.cmd(gdbFeatures)
	for _, f := range []string{
		"PacketSize=20000", "QStartNoAckMode+", "multiprocess+", "swbreak+", "hwbreak+", "binary-upload+",
		"qXfer:auxv:read+", "qXfer:siginfo:write+", "QCatchSyscalls+", "QNonStop+", "fork-events+", "exec-events+",
		"ConditionalBreakpoints+", "BreakpointCommands+", "QThreadEvents+", "QSetWorkingDir+", "no-resumed+",
	} {
		if !strings.Contains(";"+full+";", ";"+f+";") {
			t.Errorf("%s is missing in %s", f, full)
		}
	}
	for _, f := range []string{"vfork-events", "ReverseStep", "error-message", "native-signals", "memory-map"} {
		if strings.Contains(full, f) {
			t.Errorf("%s should not be in %s", f, full)
		}
	}
	least := start(t, toy.Counter(), func(t *rsp.Target) {
		*t = rsp.Target{Registers: t.Registers, Memory: t.Memory, RunControl: t.RunControl, Threads: t.Threads}
	})
	got := least.cmd("qSupported:swbreak+")
	for item := range strings.SplitSeq(got, ";") {
		if strings.HasPrefix(item, "PacketSize=") {
			continue
		}
		if strings.Contains(item, "multiprocess") || strings.Contains(item, "auxv") || strings.Contains(item, "Events") ||
			strings.Contains(item, "Breakpoint") || strings.Contains(item, "QNonStop") || item == "hwbreak+" {
			t.Errorf("%s was announced without a reason: %s", item, got)
		}
	}
	for _, p := range []string{"Z0,401000,1", "qRcmd,00", "vFile:open:2f:0,0", "QPassSignals:e", "qGetTLSAddr:0,0,0", "vRun;", "vAttach;1", "bc"} {
		least.want(p, "")
	}
}

func TestAcknowledgements(t *testing.T) {
	s := start(t, toy.Counter())
	s.acks = false // by hand
	expect := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		for i := range got {
			got[i] = s.readByte()
		}
		if string(got) != want {
			t.Fatalf("got %q, want %q", got, want)
		}
	}
	s.raw("+$?#00") // wrong checksum
	expect("-")
	s.raw("++$qAttached#8f")
	expect("+$1#31")
	s.raw("-") // once more, please
	expect("$1#31")
	s.raw("-")
	expect("$1#31")
	s.raw("+noise\x03\x03" + "$vMustReplyEmpty#3A") // upper case is accepted
	expect("+$#00")
	s.raw("$QStartNo$QStartNoAckMode#b0") // started again in the middle
	expect("+$OK#9a")
	s.raw("+" + "$?#zz") // checksums do not matter now
	if got := s.packet('$'); !strings.HasPrefix(got, "T05") {
		t.Fatalf("got %q", got)
	}
}

func TestResendsAreLimited(t *testing.T) {
	s := start(t, toy.Counter())
	s.acks = false
	s.raw(frame("qAttached"))
	s.readByte()
	for range 5 {
		s.packet('$')
		s.raw("-")
	}
	s.packet('$')
	s.raw("-")
	if err := waitEnd(t, s); err != nil {
		t.Errorf("the session ended with %v", err)
	}
}

func waitEnd(t *testing.T, s *session) error {
	t.Helper()
	select {
	case err := <-s.ended:
		return err
	case <-time.After(testTimeout):
		t.Fatal("the session does not end")
		return nil
	}
}

func TestOversizePacketIsDrained(t *testing.T) {
	s := startGDB(t, toy.Counter())
	s.fails("M403000,1:" + strings.Repeat("0", 3*rsp.DefaultPacketSize))
	s.fails("m0,0" + strings.Repeat("0* ", rsp.DefaultPacketSize/4)) // too long when expanded
	s.want("qAttached", "1")
}

// malformed are packets whose arguments make no sense: each gets an error, and
// the session goes on.
var malformed = []string{
	"m", "m1", "m,", "m1,", "mz,1", "m1,1x", "m11111111111111111,1", "M", "M1,1", "M403000,2:1", "M403000,1:xy", "M403000,1:",
	"X403000,2:a", "X403000", "x", "x1", "p", "pz", "pffffffffffffffff", "pfffffffff", "P", "P0", "P0=", "P0=1", "P0=zz",
	"Pfff=00", "G1", "Gzz" + strings.Repeat("0", 14), "H", "Hx1", "Hg", "Hgp", "Hg99", "Hc99", "T", "T99", "Tzz", "Z", "Z0", "Z0,", "Z0,401000",
	"Z0,401000,1;X", "Z0,401000,1;X5,27", "Z0,401000,1;Xzz,27", "Z0,401000,1;X1,01", "Z0,401000,1;X1,2", "Z0,401000,1;cmds:", "Z0,401000,1;Y1,27",
	"vCont", "vCont;", "vCont;x", "vCont;C", "vCont;r1", "vCont;c:", "vCont;c:zz", "vCont;t", "C", "S", "Czz", "cx", "sx",
	"qXfer:features:read:target.xml", "qXfer:features:read:target.xml:0", "qXfer:features:read:none.xml:0,10",
	"qXfer:auxv:read::x,1", "qXfer:siginfo:write::fff:a", "qXfer:exec-file:read:zz:0,10", "qXfer:libraries-svr4:read:start=x:0,10",
	"qCRC", "qCRC:1", "qCRC:1,x", "qCRC:1,1", "qSearch:memory:0", "qSearch:memory:403000;10;", "qThreadExtraInfo", "qThreadExtraInfo,99",
	"qGetTLSAddr", "qGetTLSAddr:" + pid, "qRcmd", "qRcmd,1", "qMemoryRegionInfo:", "qMemoryRegionInfo:x",
	"qRegisterInfo", "qRegisterInfofff", "qThreadStopInfo", "qThreadStopInfo99", "_M", "_M1", "_M0,r", "_M10,q", "_M100000000000,rw", "_m", "_m403000",
	"QSaveRegisterState;thread:99;", "QRestoreRegisterState:1", "QRestoreRegisterState:x", "QRestoreRegisterState",
	"g;thread:99;", "g;x", "gx", "QPassSignals", "QPassSignals:x", "QPassSignals:e;;", "QCatchSyscalls", "QCatchSyscalls:2x",
	"QNonStop", "QNonStop:x", "QThreadEvents:x", "vAttach", "vAttach;", "vAttach;7", "vAttach;-1", "vKill", "vKill;7", "D;7", "Dx", "vRun;zz", "vRun;" + hexOf("/nope"),
	"QEnvironmentHexEncoded:zz", "QEnvironmentHexEncoded:", "QSetWorkingDir:1", "qXfer:osdata:read:none:0,10",
}

func TestMalformedPacketsGetErrors(t *testing.T) {
	s := startGDB(t, toy.Counter())
	for _, p := range malformed {
		s.fails(p)
	}
	s.want("qAttached", "1")
	s.begins("?", "T05")
}

func TestErrorsInTheClientsForm(t *testing.T) {
	const bad = "Z0,0,1" // nothing is mapped at 0
	for _, c := range []struct {
		name, features string
		before         []string
		memory, other  string
	}{
		{"gdb 13", gdbFeatures, nil, "E01", "E.cannot insert a breakpoint at 0x0: no memory is mapped there"},
		{"gdb 16", gdbFeatures + ";error-message+", nil, "E.no memory is mapped there", "E.cannot insert a breakpoint at 0x0: no memory is mapped there"},
		{"lldb", "qSupported:xmlRegisters=i386,arm,mips,arc;multiprocess+", []string{"QEnableErrorStrings"},
			"E01;" + hexOf("no memory is mapped there"), "E01;" + hexOf("cannot insert a breakpoint at 0x0: no memory is mapped there")},
		{"old lldb", "qSupported:xmlRegisters=i386,arm,mips,arc", nil, "E01", "E01"},
		{"delve", "qSupported:swbreak+;hwbreak+;no-resumed+;xmlRegisters=i386", []string{"QThreadSuffixSupported"}, "E01", "E01"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, toy.Counter())
			for _, p := range c.before {
				s.want(p, "OK")
			}
			s.cmd(c.features)
			s.want("m0,4", c.memory)
			s.want(bad, c.other)
		})
	}
}

func TestKillAnswersAndCloses(t *testing.T) {
	s := startGDB(t, toy.Counter())
	s.want("k", "X09")
	if err := waitEnd(t, s); err != nil {
		t.Error(err)
	}
	if n := len(s.m.Threads()); n != 0 {
		t.Errorf("%d threads live on", n)
	}
}

func TestKillWhileRunning(t *testing.T) {
	s := startGDB(t, toy.Threads())
	s.send("vCont;c")
	s.want("k", "X09")
	if err := waitEnd(t, s); err != nil {
		t.Error(err)
	}
	if n := len(s.m.Threads()); n != 0 {
		t.Errorf("%d threads live on", n)
	}
}

func TestExtendedKillKeepsTheConnection(t *testing.T) {
	s := startGDB(t, toy.Counter())
	s.want("!", "OK")
	s.want("vKill;"+pid, "OK")
	s.want("?", "W00")
	s.fails("g")
	s.fails("vCont;c")
	s.want("qfThreadInfo", "l")
	s.begins("vRun;", "T05")
	s.want("qAttached", "0")
}

func TestDetachRemovesBreakpoints(t *testing.T) {
	for _, detach := range []string{"D", "D;" + pid, "D1", "D1;" + pid} {
		image := toy.Counter()
		s := startGDB(t, image)
		s.want("Z0,"+at(image, "work")+",1", "OK")
		s.want("Z2,403000,8", "OK")
		s.want(detach, "OK")
		if n := s.m.Breakpoints(); n != 0 {
			t.Errorf("%s leaves %d breakpoints", detach, n)
		}
		s.fails("g")
		s.want("?", "W00")
		s.c.Close()
		waitEnd(t, s)
		if n := s.m.Record().Detached; n != 1 {
			t.Errorf("%s: detached %d times", detach, n)
		}
	}
}

func TestClientVanishes(t *testing.T) {
	for _, running := range []bool{false, true} {
		for _, policy := range []rsp.Disconnect{rsp.DisconnectDetach, rsp.DisconnectHold, rsp.DisconnectKill} {
			t.Run(fmt.Sprintf("policy %d running %v", policy, running), func(t *testing.T) {
				image := toy.Threads()
				s := startGDB(t, image)
				s.m.SetPolicy(policy)
				s.want("Z0,"+at(image, "worker")+",1", "OK")
				s.want("Z1,"+at(image, "_start")+",1", "OK")
				s.want("z1,"+at(image, "_start")+",1", "OK")
				s.begins("vCont;c", "T05swbreak")
				if running {
					s.want("z0,"+at(image, "worker")+",1", "OK")
					s.want("Z0,"+at(image, "wait")+",1", "OK")
					s.send("vCont;c:" + tid(1))
				}
				s.c.Close()
				if err := waitEnd(t, s); err != nil {
					t.Fatal(err)
				}
				if n := s.m.Breakpoints(); n != 0 {
					t.Errorf("%d breakpoints are left", n)
				}
				alive := len(s.m.Threads()) > 0
				if alive != (policy != rsp.DisconnectKill) {
					t.Errorf("alive: %v", alive)
				}
				if n := s.m.Record().Detached; (n == 1) != (policy == rsp.DisconnectDetach) {
					t.Errorf("detached %d times", n)
				}
				if alive {
					s.connect(t)
					s.hello()
					s.begins("?", "T05")
				}
			})
		}
	}
}

func TestPersistentCommandsOutliveTheClient(t *testing.T) {
	image := toy.Counter()
	s := startGDB(t, image)
	z := "0," + at(image, "work") + ",1"
	s.want("Z"+z+";cmds:1,X1,27", "OK")
	s.want("D", "OK")
	s.c.Close()
	waitEnd(t, s)
	if n := s.m.Breakpoints(); n != 1 {
		t.Fatalf("%d breakpoints, want the persistent one", n)
	}
	s.connect(t)
	s.hello()
	s.want("z"+z, "OK")
	if n := s.m.Breakpoints(); n != 0 {
		t.Error("the next client cannot remove it")
	}
}

func TestLaunchOptions(t *testing.T) {
	s := startGDB(t, toy.Counter())
	for _, p := range []string{
		"!", "QDisableRandomization:1", "QStartupWithShell:0", "QEnvironmentReset", "QEnvironmentHexEncoded:" + hexOf("A=b=c"),
		"QEnvironmentUnset:" + hexOf("HOME"), "QSetWorkingDir:" + hexOf("/tmp"),
	} {
		s.want(p, "OK")
	}
	s.begins("vRun;"+hexOf("/toy")+";"+hexOf("one")+";"+hexOf("two words"), "T05")
	want := rsp.Launch{Path: "/toy", Args: []string{"one", "two words"}, Dir: "/tmp", Env: []rsp.EnvChange{
		{Reset: true}, {Name: "A", Value: "b=c"}, {Unset: true, Name: "HOME"}}}
	if got := s.m.Record().Launch; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	// R starts the same again, without a reply.
	s.send("R")
	s.begins("?", "T05")
	if got := s.m.Record().Launch; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("restart: got %+v, want %+v", got, want)
	}
}

func TestMonitor(t *testing.T) {
	s := startGDB(t, toy.Counter())
	s.want("qRcmd,"+hexOf("echo hello"), "O"+hexOf("hello\n"))
	if got := s.packet('$'); got != "OK" {
		t.Errorf("got %q", got)
	}
	// A GDB without error-message+ would show a number only.
	s.begins("qRcmd,"+hexOf("nonsense"), "O"+hexOf("monitor nonsense: no such command"))
	if got := s.packet('$'); got != "E01" {
		t.Errorf("got %q", got)
	}
}

func TestMonitorOutputIsSplit(t *testing.T) {
	s := startGDB(t, toy.Counter())
	const size = 3 * rsp.DefaultPacketSize / 2
	s.send("qRcmd," + hexOf(fmt.Sprintf("flood %d", size)))
	n := 0
	for {
		p := s.packet('$')
		if p == "OK" {
			break
		}
		if len(p) > rsp.DefaultPacketSize {
			t.Fatalf("a packet has %d bytes", len(p))
		}
		n += (len(p) - 1) / 2
	}
	if n != size {
		t.Errorf("%d bytes of output arrived, not %d", n, size)
	}
}
