package rsp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"torov/rsp"
	"torov/rsp/internal/toy"
)

// Conditions as GDB writes them for (int)$rdi == 5 and 7.
const (
	rdiIs5 = "Xb,2600051640162022051327"
	rdiIs7 = "Xb,2600051640162022071327"
)

func TestStopRepliesSayWhy(t *testing.T) {
	image := toy.Counter()
	s := startGDB(t, image)
	thread := "thread:" + tid(0) + ";core:0;"
	s.begins("?", "T05"+thread)
	s.begins("vCont;s:"+tid(0), "T05"+thread)
	s.want("Z0,"+at(image, "work")+",1", "OK")
	got := s.begins("vCont;c:p"+pid+".-1", "T05swbreak:;"+thread)
	for _, reg := range []string{"10:" + le64(image.Symbols["work"]), "06:" + le64(0), "07:"} {
		if !strings.Contains(got, ";"+reg) {
			t.Errorf("%s is missing in %s", reg, got)
		}
	}
	s.want("z0,"+at(image, "work")+",1", "OK")
	s.want("Z1,"+at(image, "work_end")+",1", "OK")
	s.begins("c", "T05hwbreak:;"+thread)
	s.want("z1,"+at(image, "work_end")+",1", "OK")
	for _, w := range []struct{ z, name string }{{"2", "watch"}, {"3", "rwatch"}, {"4", "awatch"}} {
		s.want("Z"+w.z+",403004,2", "OK")
		s.begins("c", "T05"+w.name+":403004;"+thread)
		s.want("z"+w.z+",403004,2", "OK")
	}
	s.want("QCatchSyscalls:1;1", "OK")
	s.begins("c", "T05syscall_entry:1;"+thread)
	s.begins("c", "T05syscall_return:1;"+thread)
	s.want("QCatchSyscalls:0", "OK")
	s.want("c", "W07;process:"+pid)
	s.want("?", "W07;process:"+pid)
	if got := string(s.m.Record().Output); !strings.HasPrefix(got, "hello") {
		t.Errorf("the program wrote %q", got)
	}
}

func TestNoReasonsThatWereNotNegotiated(t *testing.T) {
	image := toy.Counter()
	s := start(t, image)
	s.cmd("qSupported:xmlRegisters=i386")
	s.want("QStartNoAckMode", "OK")
	s.acks = false
	s.want("Z0,"+at(image, "work")+",1", "OK")
	s.begins("vCont;c", fmt.Sprintf("T05thread:%s;", pid)) // no process either
	s.want("z0,"+at(image, "work")+",1", "OK")
	s.want("c", "W07")
}

func TestStepRange(t *testing.T) {
	image := toy.Counter()
	s := startGDB(t, image)
	start, end := image.Symbols["work"], image.Symbols["work_end"]
	s.want("Z0,"+at(image, "work")+",1", "OK")
	s.begins("vCont;c", "T05swbreak")
	s.want("z0,"+at(image, "work")+",1", "OK")
	got := s.cmd(fmt.Sprintf("vCont;r%x,%x:%s;c:p%s.-1", start, end, tid(0), pid))
	if !strings.Contains(got, ";10:"+le64(end)) {
		t.Errorf("the range ends at %x, the stop is %s", end, got)
	}
	// Outside of the range it is a single step.
	got = s.cmd(fmt.Sprintf("vCont;r%x,%x", start, start+1))
	if strings.Contains(got, ";10:"+le64(end)) {
		t.Errorf("not even one step was taken: %s", got)
	}
}

func TestOldResumePackets(t *testing.T) {
	image := toy.Counter()
	s := startGDB(t, image)
	s.want("Hc"+tid(0), "OK")
	s.begins("s", "T05thread:")
	s.want("p10", le64(image.Entry+10))
	s.begins("s"+at(image, "_start"), "T05thread:") // from another address
	s.want("p10", le64(image.Entry+10))
	s.want("Z0,"+at(image, "loop")+",1", "OK")
	s.want("Hc-1", "OK")
	s.begins("c"+at(image, "_start"), "T05swbreak")
	s.want("z0,"+at(image, "loop")+",1", "OK")
	s.begins("S1e;"+at(image, "_start"), "T05thread:")
	s.want("C09", "X09;process:"+pid)
	if got := fmt.Sprint(s.m.Record().Delivered); got != "[10 9]" { // SIGUSR1 is 30 to GDB
		t.Errorf("delivered: %s", got)
	}
}

func TestSignals(t *testing.T) {
	s := startGDB(t, toy.Signals())
	s.begins("vCont;c", "T1ethread:") // SIGUSR1 is 30 to GDB
	info := s.xfer("siginfo", "", 16)
	if len(info) != rsp.SigInfoSize || info[0] != 10 {
		t.Errorf("siginfo is %x", info)
	}
	s.want("qXfer:siginfo:write::4:abcd", "4")
	if got := s.xfer("siginfo", "", 128); got != info[:4]+"abcd"+info[8:] {
		t.Errorf("siginfo is %x", got)
	}
	s.begins("vCont;C1e:"+tid(0), "T0bthread:") // the crash
	if info := s.xfer("siginfo", "", 128); info[0] != 11 {
		t.Errorf("siginfo is %x", info)
	}
	s.begins("vCont;c", "T0bthread:") // swallowed: it happens again
	s.want("vCont;C0b", "X0b;process:"+pid)
	if got := fmt.Sprint(s.m.Record().Delivered); got != "[10 11]" {
		t.Errorf("delivered: %s", got)
	}
}

func TestPassedSignalsDoNotStop(t *testing.T) {
	s := startGDB(t, toy.Signals())
	s.want("QPassSignals:e;1e;1f", "OK")
	s.want("QProgramSignals:", "OK")
	s.begins("vCont;c", "T0bthread:")
	if got := fmt.Sprint(s.m.Record().Delivered); got != "[10]" {
		t.Errorf("delivered: %s", got)
	}
}

func TestConditions(t *testing.T) {
	image := toy.Counter()
	s := startGDB(t, image)
	z := "Z0," + at(image, "work") + ",1;"
	s.want(z+rdiIs5, "OK")
	s.begins("vCont;c", "T05swbreak")
	s.want("p5", le64(5))
	// A new list replaces the old one; one of two conditions is enough.
	s.want(z+"X3,220027;"+rdiIs7, "OK")
	s.begins("vCont;c", "T05swbreak")
	s.want("p5", le64(7))
	s.want(z+"X3,220027;X3,220027", "OK")
	s.want("vCont;c", "W07;process:"+pid)
}

func TestFailingConditionStops(t *testing.T) {
	image := toy.Counter()
	s := startGDB(t, image)
	s.want("Z0,"+at(image, "work")+",1;X3,220027;X4,22001a27", "OK") // *(long *)0
	s.begins("vCont;c", "T05swbreak")
	s.want("p5", le64(0))
}

func TestCommands(t *testing.T) {
	image := toy.Counter()
	s := startGDB(t, image)
	// printf("i=%d\n", rdi)
	s.want("Z0,"+at(image, "work_end")+",1;cmds:0,X12,2600052200220034010006693d25640a0027", "OK")
	s.want("vCont;c", "W07;process:"+pid)
	want := ""
	for i := range 10 {
		want += fmt.Sprintf("i=%d\n", i)
	}
	if got := string(s.m.Record().Printed); got != want {
		t.Errorf("printed %q", got)
	}
}

func TestInterrupt(t *testing.T) {
	s := startGDB(t, toy.Threads())
	s.send("vCont;c")
	time.Sleep(10 * time.Millisecond)
	s.raw("+\x03\x03") // acknowledgements do not matter; one stop is enough
	if got := s.packet('$'); !strings.HasPrefix(got, "T02thread:") {
		t.Fatalf("got %s", got)
	}
	s.want("qAttached", "1") // and no second stop comes
}

func TestInterruptInTheSamePieceAsTheResume(t *testing.T) {
	s := startGDB(t, toy.Threads())
	s.raw(frame("vCont;c") + "\x03")
	if got := s.packet('$'); !strings.HasPrefix(got, "T02thread:") {
		t.Fatalf("got %s", got)
	}
}

// A debugger that goes on by itself at every breakpoint, and whose user presses
// ^C: the stop and the interrupt may cross each other on the way.
func TestInterruptThatCrossesAStop(t *testing.T) {
	s := startGDB(t, toy.Threads())
	s.raw("\x03")
	s.begins("?", "T05") // it has stopped, but not because of that
	s.send("vCont;c")
	if got := s.packet('$'); !strings.HasPrefix(got, "T02thread:") {
		t.Fatalf("got %s", got)
	}
	s.raw("\x03") // impatient: this stop was what they wanted
	s.begins("?", "T02")
	s.send("vCont;c")
	s.c.SetReadDeadline(time.Now().Add(50 * time.Millisecond))
	if b, err := s.br.ReadByte(); err == nil {
		t.Fatalf("the program stopped again: %q", b)
	}
}

func TestPacketsWhileRunningAreAnsweredAfterTheStop(t *testing.T) {
	s := startGDB(t, toy.Threads())
	s.send("vCont;c")
	s.raw(frame("qAttached") + frame("vMustReplyEmpty"))
	s.raw("\x03")
	if got := s.packet('$'); !strings.HasPrefix(got, "T02") {
		t.Fatalf("got %s", got)
	}
	for _, want := range []string{"1", ""} {
		if got := s.packet('$'); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// atWorker stops two threads at the same breakpoint at the same moment and
// returns the stop that is reported.
func atWorker(t *testing.T) (s *session, image *toy.Image, first string) {
	image = toy.Threads()
	s = startGDB(t, image)
	spin := "0," + at(image, "spin") + ",1"
	s.want("Z0,"+at(image, "wait")+",1", "OK")
	s.begins("vCont;c", "T05swbreak")
	s.want("z0,"+at(image, "wait")+",1", "OK")
	// Bring both to the same place.
	for n := 1; n <= 2; n++ {
		s.want("Hg"+tid(n), "OK")
		s.want("P10="+le64(image.Symbols["worker"]), "OK")
	}
	s.want("Z"+spin, "OK")
	first = s.begins("vCont;c", "T05swbreak:;thread:"+tid(1))
	return s, image, first
}

func TestSecondEventIsKept(t *testing.T) {
	s, _, _ := atWorker(t)
	// The other thread is not resumed: its event stays.
	s.begins("vCont;s:"+tid(1), "T05")
	s.begins("vCont;c", "T05swbreak:;thread:"+tid(2))
}

func TestKeptEventIsCheckedAgain(t *testing.T) {
	s, image, _ := atWorker(t)
	s.want("z0,"+at(image, "spin")+",1", "OK")
	s.send("vCont;c")
	time.Sleep(10 * time.Millisecond)
	s.raw("\x03")
	if got := s.packet('$'); !strings.HasPrefix(got, "T02") {
		t.Errorf("the breakpoint is gone, but got %s", got)
	}
}

func TestSchedulerLocking(t *testing.T) {
	s, image, _ := atWorker(t)
	s.want("z0,"+at(image, "spin")+",1", "OK")
	s.want("Hg"+tid(2), "OK")
	before := s.cmd("p6")
	for range 5 {
		s.begins("vCont;s:"+tid(1), "T05thread:"+tid(1))
	}
	s.want("Hg"+tid(2), "OK")
	s.want("p6", before)
	s.want("T"+tid(2), "OK")
}

func TestThreadLists(t *testing.T) {
	s, _, _ := atWorker(t)
	s.want("qfThreadInfo", "m"+tid(0)+","+tid(1)+","+tid(2))
	s.want("qsThreadInfo", "l")
	s.want("qC", "QC"+tid(1))
	s.want("Hgp0.0", "OK")
	s.want("qC", "QC"+tid(1)) // any thread is the one that stopped
	s.want("qThreadExtraInfo,"+tid(0), hexOf("toy: blocked in pause"))
	doc := s.xfer("threads", "", 20)
	for _, want := range []string{
		`<thread id="` + tid(0) + `" core="0" name="toy">blocked in pause</thread>`,
		`<thread id="` + tid(2) + `" core="2" name="worker"></thread>`,
	} {
		if !strings.Contains(doc, want) {
			t.Errorf("%s is missing in %s", want, doc)
		}
	}
}

func TestThreadEvents(t *testing.T) {
	image := toy.Threads()
	s := startGDB(t, image)
	s.want("QThreadEvents:1", "OK")
	s.begins("vCont;c", "T05create:;thread:"+tid(1))
	s.want("p10", le64(image.Symbols["worker"]))
	s.want("QThreadEvents:0", "OK")
}

func TestFork(t *testing.T) {
	s := startGDB(t, toy.Fork())
	s.want("Z0,"+at(toy.Fork(), "both")+",1", "OK")
	child := fmt.Sprintf("%x", int(toy.FirstPID)+100)
	s.begins("vCont;c", "T05fork:p"+child+"."+child+";thread:"+tid(0))
	if n := s.m.Breakpoints(); n != 2 {
		t.Errorf("%d breakpoints, want one in each process", n)
	}
	s.want("qfThreadInfo", "m"+tid(0)+",p"+child+"."+child)
	// As GDB does when it does not follow the child.
	s.want("Hgp"+child+"."+child, "OK")
	s.want("z0,"+at(toy.Fork(), "both")+",1", "OK")
	s.want("D;"+child, "OK")
	if n := s.m.Breakpoints(); n != 1 {
		t.Errorf("%d breakpoints, want one in the parent", n)
	}
	s.want("qfThreadInfo", "m"+tid(0))
	s.want("Hg"+tid(0), "OK")
	s.begins("vCont;c", "T05swbreak:;thread:"+tid(0))
}

func TestNonStop(t *testing.T) {
	image := toy.Threads()
	s := startGDB(t, image)
	s.want("QNonStop:1", "OK")
	s.begins("?", "T00thread:"+tid(0))
	s.want("vStopped", "OK")
	s.want("Z0,"+at(image, "worker")+",1", "OK")
	s.want("vCont;c", "OK")
	first := s.packet('%')
	if !strings.HasPrefix(first, "Stop:T05swbreak:;thread:"+tid(1)) {
		t.Fatalf("got %s", first)
	}
	// The other's event comes with the same notification or with its own.
	second := s.cmd("vStopped")
	if second == "OK" {
		second = strings.TrimPrefix(s.packet('%'), "Stop:")
	}
	if !strings.HasPrefix(second, "T05swbreak:;thread:"+tid(2)) {
		t.Fatalf("got %s", second)
	}
	s.want("vStopped", "OK")
	if doc := s.xfer("threads", "", 1000); !strings.Contains(doc, tid(0)) {
		t.Errorf("threads: %s", doc)
	}
	// One thread runs and is stopped again; the others do not notice.
	s.want("z0,"+at(image, "worker")+",1", "OK")
	s.want("vCont;c:"+tid(1), "OK")
	s.want("vCont;t:"+tid(1), "OK")
	if got := s.packet('%'); !strings.HasPrefix(got, "Stop:T00thread:"+tid(1)) {
		t.Fatalf("got %s", got)
	}
	// A thread with an event the client has not fetched stays.
	s.want("vCont;c:"+tid(1), "OK")
	s.want("Hg"+tid(1), "OK")
	rbp := s.cmd("p6")
	time.Sleep(5 * time.Millisecond)
	s.want("p6", rbp)
	s.want("vStopped", "OK")
	s.want("vCont;s:"+tid(1), "OK")
	if got := s.packet('%'); !strings.HasPrefix(got, "Stop:T05thread:"+tid(1)) {
		t.Fatalf("got %s", got)
	}
	s.want("vStopped", "OK")
	s.want("vCtrlC", "OK")
	if got := s.packet('%'); !strings.HasPrefix(got, "Stop:T02thread:"+tid(0)) {
		t.Fatalf("got %s", got)
	}
	s.want("vStopped", "OK")
	s.want("QNonStop:0", "OK")
	s.begins("vCont;s:"+tid(1), "T05thread:"+tid(1))
}
