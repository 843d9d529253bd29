package rsp_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"torov/rsp"
	"torov/rsp/amd64"
	"torov/rsp/internal/toy"
)

// startLLDB is start, and the beginning of LLDB's conversation.
func startLLDB(t *testing.T, image *toy.Image, change ...func(*rsp.Target)) *session {
	t.Helper()
	s := start(t, image, change...)
	s.want("QStartNoAckMode", "OK")
	s.acks = false
	s.begins("qSupported:xmlRegisters=i386,arm,mips,arc;multiprocess+;fork-events+;vfork-events+", "PacketSize=")
	for _, p := range []string{"QThreadSuffixSupported", "QListThreadsInStopReply", "QEnableErrorStrings"} {
		s.want(p, "OK")
	}
	return s
}

func TestLLDBQuestions(t *testing.T) {
	s := startLLDB(t, toy.Counter())
	triple := hexOf("x86_64-unknown-linux-gnu")
	s.want("qHostInfo", "triple:"+triple+";ptrsize:8;endian:little;ostype:linux;watchpoint_exceptions_received:after;vm-page-size:4096;os_version:6.1.0;hostname:746f79;")
	s.want("qProcessInfo", "pid:"+pid+";parent-pid:1;real-uid:3e8;real-gid:3e8;effective-uid:3e8;effective-gid:3e8;triple:"+triple+";ostype:linux;endian:little;ptrsize:8;name:"+hexOf("/toy")+";")
	s.want("qGDBServerVersion", "name:toy;version:1;")
	s.want("qMemoryRegionInfo", "OK")
	s.want("qMemoryRegionInfo:401234", "start:401000;size:1000;permissions:rx;name:"+hexOf("/toy")+";")
	s.want("qMemoryRegionInfo:0", "start:0;size:401000;")
	s.want("qMemoryRegionInfo:ffffffffffff0000", "start:ffffffffffff0000;size:10000;")
	s.begins("qMemoryRegionInfo:800000", "start:7ff000;size:4000;permissions:rw;name:"+hexOf("[stack]")+";type:stack;")
	s.want("qWatchpointSupportInfo:", "num:4;")
	s.want("qEcho:17", "qEcho:17")
	addr := s.cmd("_M2000,rwx")
	s.want("M"+addr+",2:1234", "OK")
	s.want("_m"+addr, "OK")
	s.fails("m" + addr + ",2")
}

func TestRegisterInfo(t *testing.T) {
	s := startLLDB(t, toy.Counter())
	s.want("qRegisterInfo10", "name:rip;bitsize:64;offset:128;encoding:uint;format:hex;set:core;alt-name:pc;generic:pc;")
	s.want("qRegisterInfo18", "name:st0;bitsize:80;offset:164;encoding:vector;format:vector-uint8;set:core;")
	n := 0
	for strings.HasPrefix(s.cmd(fmt.Sprintf("qRegisterInfo%x", n)), "name:") {
		n++
	}
	if want := len(s.m.Describe().Registers()); n != want {
		t.Errorf("%d registers, not %d", n, want)
	}
}

// gap describes registers whose numbers are not dense.
type gap struct{ rsp.Registers }

func (gap) Describe() *rsp.Description { return amd64.Describe(amd64.FeaturePKRU) }

func TestRegisterInfoNeedsDenseNumbers(t *testing.T) {
	s := startLLDB(t, toy.Counter(), func(t *rsp.Target) { t.Registers = gap{t.Registers} })
	s.want("qRegisterInfo0", "")
}

func TestLLDBStopReply(t *testing.T) {
	image := toy.Threads()
	s := startLLDB(t, image)
	s.want("Z0,"+at(image, "worker")+",1", "OK")
	got := s.begins("vCont;c", "T05thread:"+tid(1))
	for _, want := range []string{
		";reason:breakpoint;", ";hexname:" + hexOf("worker") + ";", ";threads:" + tid(0) + "," + tid(1) + ";",
		";thread-pcs:", "," + at(image, "worker") + ";",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%s is missing in %s", want, got)
		}
	}
	s.begins("qThreadStopInfo"+tid(1), "T05thread:"+tid(1))
	s.begins("qThreadStopInfo"+tid(0), "T00thread:"+tid(0))
}

func TestSignalsAreNativeForLLDB(t *testing.T) {
	s := startLLDB(t, toy.Signals())
	s.begins("vCont;c", "T0athread:") // SIGUSR1 as Linux numbers it
	s.begins("vCont;C0a:"+tid(0), "T0bthread:")
	s.want("QPassSignals:0b", "OK")
	if got := fmt.Sprint(s.m.Record().Delivered); got != "[10]" {
		t.Errorf("delivered: %s", got)
	}
}

func TestThreadsInfo(t *testing.T) {
	image := toy.Threads()
	s := startLLDB(t, image)
	s.want("Z2,"+fmt.Sprintf("%x", 0x7ffff8)+",8", "OK")
	s.want("z2,"+fmt.Sprintf("%x", 0x7ffff8)+",8", "OK")
	s.want("Z0,"+at(image, "spin")+",1", "OK")
	s.begins("vCont;c", "T05")
	var list []struct {
		TID       int
		Name      string
		Reason    string
		Signal    int
		Registers map[string]string
	}
	reply := s.cmd("jThreadsInfo")
	if strings.ContainsAny(strings.ReplaceAll(reply, "}]", ""), "#$*") {
		t.Errorf("framing in %s", reply)
	}
	if err := json.Unmarshal([]byte(unescape(reply)), &list); err != nil {
		t.Fatalf("%s: %v", reply, err)
	}
	if len(list) < 2 || list[0].TID != int(toy.FirstPID) || list[0].Reason != "none" || list[1].Reason != "breakpoint" || list[1].Signal != 5 ||
		list[1].Name != "worker" || list[1].Registers["16"] != le64(image.Symbols["spin"]) {
		t.Errorf("got %+v", list)
	}
}

func TestWatchpointDescription(t *testing.T) {
	image := toy.Counter()
	s := startLLDB(t, image)
	s.want("Z2,403000,8", "OK")
	got := s.begins("vCont;c", "T05watch:403000;")
	if want := ";reason:watchpoint;description:" + hexOf(fmt.Sprintf("%d 0 %d", 0x403000, 0x403000)) + ";"; !strings.Contains(got, want) {
		t.Errorf("%s is missing in %s", want, got)
	}
}
