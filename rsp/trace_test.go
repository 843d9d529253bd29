package rsp_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"torov/rsp"
	"torov/rsp/amd64"
	"torov/rsp/internal/toy"
)

// startTrace begins a trace of the program Counter: at each call of work the
// registers and the counter, and at its end the counter alone.
func startTrace(t *testing.T, more ...string) (s *session, work, end string) {
	t.Helper()
	image := toy.Counter()
	s = startGDB(t, image)
	work, end = at(image, "work"), at(image, "work_end")
	s.all("QTinit", "QTDP:1:"+work+":E:0:0-", "QTDP:-1:"+work+":R0fM-1,403000,8",
		"QTDP:2:"+end+":E:0:0-", "QTDP:-2:"+end+":M-1,403000,8")
	s.all(more...)
	s.want("Z0,"+end+",1;X9,260005164022091327", "OK") // in the last call
	s.want("QTStart", "OK")
	s.begins("vCont;c", "T05swbreak")
	return s, work, end
}

// all sends packets that must be answered with OK.
func (s *session) all(packets ...string) {
	for _, p := range packets {
		s.want(p, "OK")
	}
}

// status returns an item of qTStatus.
func (s *session) status(name string) string {
	for item := range strings.SplitSeq(s.cmd("qTStatus"), ";") {
		if v, ok := strings.CutPrefix(item, name+":"); ok {
			return v
		}
	}
	return "-"
}

func TestTraceFrames(t *testing.T) {
	s, work, end := startTrace(t)
	s.want("QTStop", "OK")
	if got := s.status("tframes") + " " + s.status("tcreated") + " " + s.status("tstop"); got != "14 14 :0" {
		t.Errorf("frames, created, reason: %s", got)
	}
	s.want("qTP:1:"+work, fmt.Sprintf("Va:%x", 10*(1+regSize(s)+11+8)))
	s.want("qTP:2:"+end, fmt.Sprintf("Va:%x", 10*(11+8)))
	live := s.cmd("g")
	s.want("m403000,8", le64(45))

	s.want("QTFrame:6", "F6T1") // before work(3)
	s.want("m403000,8", le64(3))
	s.want("m403004,8", "00000000") // as much as there is
	s.want("p5", le64(3))
	s.want("p10", le64(parseHex(t, work)))
	if g := s.cmd("g"); len(g) != len(live) || g[5*16:6*16] != le64(3) {
		t.Errorf("registers %.200s", g)
	}
	s.fails("m403008,8")
	s.fails("x403008,8")
	s.fails("M403000,1:00")
	s.fails("G" + live)
	s.fails("P0=" + le64(0))
	s.fails("vCont;c")
	s.fails("c" + work)
	s.fails("s")
	if got := s.xfer("traceframe-info", "", 20); got != "<traceframe-info>\n<memory start=\"0x403000\" length=\"0x8\"/>\n</traceframe-info>\n" {
		t.Errorf("frame: %s", got)
	}
	s.want("QTFrame:tdp:2", "F7T2")
	s.want("m403000,8", le64(6))
	s.want("p10", le64(parseHex(t, end)))
	s.want("p5", strings.Repeat("x", 16))
	s.want("QTFrame:pc:"+work, "F8T1")
	s.want("QTFrame:range:"+end+":"+end, "F9T2")
	s.want("QTFrame:outside:"+end+":"+end, "FaT1")
	s.want("QTFrame:outside:0:ffffffffffffffff", "F-1")
	s.want("QTFrame:14", "F-1")
	s.want("m403000,8", le64(10)) // still frame a
	s.want("QTFrame:ffffffff", "OK")
	s.want("g", live)
	s.fails("qXfer:traceframe-info:read::0,100")
	s.want("QTFrame:0", "F0T1")
	s.fails("m401000,1")
	s.want("QTro:401000,402000", "OK")
	s.want("m401000,1", "48")
	s.fails("m401fff,2")
	s.want("QTFrame:-1", "OK")
	s.want("z0,"+end+",1", "OK")
	s.want("vCont;c", "W07;process:"+pid)
}

func TestTraceRunsAgain(t *testing.T) {
	s, _, _ := startTrace(t)
	s.want("QTinit", "OK")
	if got := s.status("tframes") + " " + s.status("tstop"); got != "0 :0" {
		t.Errorf("frames, reason: %s", got)
	}
	s.want("qTfP", "l")
}

func TestTraceStatus(t *testing.T) {
	s := startGDB(t, toy.Counter())
	work := at(toy.Counter(), "work")
	s.want("qTStatus", "T0;tnotrun:0;tframes:0;tcreated:0;tfree:500000;tsize:500000;circular:0;disconn:0;starttime:0;stoptime:0;username:;notes:")
	s.all("QTinit", "QTBuffer:circular:1", "QTBuffer:size:1000", "QTDisconnected:1", "QTNotes:user:"+hexOf("me")+";notes:"+hexOf("it")+";tstop:"+hexOf("why")+";",
		"QTDP:a:"+work+":E:0:3")
	s.want("QTStart", "OK")
	if got := s.cmd("qTStatus"); !strings.HasPrefix(got, "T1;") || !strings.Contains(got, "tsize:1000;circular:1;disconn:1;") ||
		!strings.HasSuffix(got, ";stoptime:0;username:6d65;notes:6974") {
		t.Errorf("status %s", got)
	}
	s.fails("QTBuffer:size:2000")
	s.want("QTStop", "OK")
	if got := s.status("tstop"); got != hexOf("why")+":0" {
		t.Errorf("reason %s", got)
	}
	s.all("QTStart", "Z0,"+at(toy.Counter(), "work_end")+",1;X9,260005164022091327")
	s.begins("vCont;c", "T05")
	if got := s.status("tpasscount") + " " + s.status("tframes"); got != "a 3" {
		t.Errorf("tracepoint, frames: %s", got)
	}
	s.all("QTBuffer:size:-1")
	if got := s.status("tsize") + " " + s.status("tframes"); got != "500000 0" {
		t.Errorf("size, frames: %s", got)
	}
	// An error, of which the client gets the text.
	s, _, _ = startTrace(t, "QTDP:3:"+work+":E:0:0:X6,220122000527")
	if got := s.status("terror"); got != hexOf("division by zero")+":3" {
		t.Errorf("error %s", got)
	}
}

// What one client has defined another can read, in the same words.
func TestTraceIsUploaded(t *testing.T) {
	s := startGDB(t, toy.Counter())
	work, end := at(toy.Counter(), "work"), at(toy.Counter(), "work_end")
	s.all("QTinit",
		"QTDP:2:"+end+":D:5:7:F3:X3,220127-", "QTDP:-2:"+end+":R03M-1,10,4-", "QTDP:-2:"+end+":M7,fffffffffffffff8,10-", "QTDP:-2:"+end+":SR1X3,220127",
		"QTDP:1:"+work+":E:0:0",
		"QTDPsrc:2:"+end+":at:0:6:"+hexOf("*&work"), "QTDPsrc:2:"+end+":cmd:0:a:"+hexOf("coll"), "QTDPsrc:2:"+end+":cmd:4:a:"+hexOf("ect $x"), "QTDPsrc:2:"+end+":cmd:0:3:"+hexOf("end"),
		"QTDV:7:fffffffffffffffd:0:"+hexOf("x"), "QTDV:1:0:1:"+hexOf("trace_timestamp"), "QTEnable:2:"+end, "QTDisable:1:"+work)
	var got []string
	for p := s.cmd("qTfP"); p != "l"; p = s.cmd("qTsP") {
		got = append(got, p)
	}
	for v := s.cmd("qTfV"); v != "l"; v = s.cmd("qTsV") {
		got = append(got, v)
	}
	want := []string{
		"T1:" + work + ":D:0:0",
		"T2:" + end + ":E:5:7:F3:X3,220127", "A2:" + end + ":R03", "A2:" + end + ":M-1,10,4", "A2:" + end + ":M7,fffffffffffffff8,10",
		"S2:" + end + ":R1", "S2:" + end + ":X3,220127",
		"Z2:" + end + ":at:0:6:" + hexOf("*&work"), "Z2:" + end + ":cmd:0:a:" + hexOf("collect $x"), "Z2:" + end + ":cmd:0:3:" + hexOf("end"),
		"1:0:1:" + hexOf("trace_timestamp"), "7:fffffffffffffffd:0:" + hexOf("x"),
	}
	if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
		t.Errorf("got\n%s\nwant\n%s", g, w)
	}
	s.want("qTsP", "l")
	s.want("qTMinFTPILen", "1")
}

func TestTraceVariables(t *testing.T) {
	// work counts $7 down.
	s, _, _ := startTrace(t, "QTDV:7:5:0:"+hexOf("x"), "QTDP:3:"+at(toy.Counter(), "work_store")+":E:0:0-",
		"QTDP:-3:"+at(toy.Counter(), "work_store")+":Xd,2c00072201032d00072e000727")
	s.want("qTV:7", "V"+fmt.Sprintf("%x", uint64(1<<64-5)))
	s.want("qTV:9", "V0")
	s.want("QTFrame:1", "F1T3")
	s.want("qTV:7", "V4")
	s.want("qTV:9", "U")
	if got := s.xfer("traceframe-info", "", 100); !strings.Contains(got, `<tvar id="7"/>`) {
		t.Errorf("frame: %s", got)
	}
	s.want("QTFrame:0", "F0T1")
	s.want("qTV:7", "U")
	fresh := startGDB(t, toy.Counter())
	fresh.want("qTV:1", "U") // before the first run
}

// A file made of what qTBuffer gives has the frames one after the other.
func TestTraceIsSaved(t *testing.T) {
	s, _, _ := startTrace(t)
	var file strings.Builder
	for {
		part := s.cmd(fmt.Sprintf("qTBuffer:%x,64", file.Len()/2))
		if part == "l" {
			break
		}
		file.WriteString(part)
	}
	size := 10 * (2*6 + 1 + regSize(s) + 2*(11+8))
	if file.Len() != 2*size {
		t.Fatalf("%d bytes, want %d", file.Len()/2, size)
	}
	head := fmt.Sprintf("0100%s52", le64(uint64(1 + regSize(s) + 19))[:8])
	if !strings.HasPrefix(file.String(), head) || !strings.HasSuffix(file.String(), "02001300000"+"04d"+le64(0x403000)+"0800"+le64(45)) {
		t.Errorf("begins with %.20s, ends with %s", file.String(), file.String()[file.Len()-50:])
	}
	s.fails(fmt.Sprintf("qTBuffer:%x,1", size+1))
}

// goesOn lets the toy run on when a client detaches.
type goesOn struct{ *rsp.Target }

func (g goesOn) Kill(rsp.PID) error { return nil }
func (g goesOn) Detach(rsp.PID, bool) error {
	return g.RunControl.Resume([]rsp.Action{{Thread: rsp.AllThreads}})
}

func TestTraceWithoutAClient(t *testing.T) {
	for _, on := range []string{"0", "1"} {
		image := toy.Threads()
		s := start(t, image, func(t *rsp.Target) { t.Process = goesOn{t} })
		s.hello()
		spin := at(image, "spin")
		s.all("QTinit", "QTBuffer:circular:1", "QTDP:1:"+spin+":E:0:5", "QTDisconnected:"+on, "Z0,"+at(image, "wait")+",1")
		s.begins("vCont;c", "T05swbreak")
		s.all("z0,"+at(image, "wait")+",1", "QTStart", "D;"+pid)
		s.conn.c.Close()
		if err := waitEnd(t, s); err != nil {
			t.Fatal(err)
		}
		// Every connection stops the program, every end of one lets it go on.
		status := "T1"
		for deadline := time.Now().Add(testTimeout); strings.HasPrefix(status, "T1") && time.Now().Before(deadline); {
			s.connect(t)
			s.hello()
			status = s.cmd("qTStatus")
			s.conn.c.Close()
			if err := waitEnd(t, s); err != nil {
				t.Fatal(err)
			}
		}
		want := "T0;tdisconnected:0;"
		if on == "1" {
			want = "T0;tpasscount:1;tframes:5;"
		}
		if !strings.HasPrefix(status, want) {
			t.Errorf("QTDisconnected:%s: %s", on, status)
		}
	}
}

// With no program no frame can be looked at, but the trace can be saved.
func TestTraceAfterTheProgram(t *testing.T) {
	s, _, end := startTrace(t)
	s.want("z0,"+end+",1", "OK")
	s.begins("vCont;c", "W07")
	if got := s.status("terror"); got != hexOf("the program has ended")+":0" {
		t.Errorf("reason %s", got)
	}
	s.fails("QTFrame:0")
	s.want("QTFrame:ffffffff", "OK")
	s.begins("qTBuffer:0,8", "0100")
	s.fails("QTStart")
}

// malformedTrace are packets that mean nothing, or too much.
var malformedTrace = []string{
	"QTDP", "QTDP:", "QTDP:1", "QTDP:1:401000", "QTDP:1:401000:E", "QTDP:1:401000:E:0", "QTDP:1:401000:X:0:0", "QTDP:1:401000:E:0:0:", "QTDP:1:401000:E:0:0:Q",
	"QTDP:0:401000:E:0:0", "QTDP:8000:401000:E:0:0", "QTDP:ffffffffffffffffff:401000:E:0:0", "QTDP:1:401000:E:-1:0", "QTDP:1:401000:E:0:0:S", "QTDP:1:401000:E:0:0:X",
	"QTDP:1:401000:E:0:0:X3,2201", "QTDP:1:401000:E:0:0:X1,00", "QTDP:1:401000:E:0:0:Xffffffffffffffff,22", "QTDP:1:401000:E:0:0-x", "QTDP:-1:401000:R0", "QTDP:--1:401000:R0",
	"QTDP:-9:401000:M", "QTDP:-9:401000:M-1", "QTDP:-9:401000:M-1,1", "QTDP:-9:401000:M-2,1,1", "QTDP:-9:401000:M-1,1,", "QTDP:-9:401000:X", "QTDP:-9:401000:Q", "QTDP:-9:401000:L", "QTDP:-9:401000:R0-R0",
	"QTDP:9:401000:E:0:0", // defined twice
	"QTDPsrc:", "QTDPsrc:9:401000", "QTDPsrc:9:401000:at", "QTDPsrc:9:401000:at:0:1:0", "QTDPsrc:8:401000:at:0:1:00", "QTDV:", "QTDV:1", "QTDV:1:2:3", "QTDV:1:2:3:4", "QTDV:10000:0:0:", "QTDV:-1:0:0:",
	"QTEnable:", "QTEnable:9", "QTEnable:8:401000", "QTDisable:9:401001", "QTro:1", "QTro:1,", "QTDisconnected:", "QTDisconnected:x", "QTNotes:user:0;", "QTNotes:who:00;",
	"QTBuffer:", "QTBuffer:size:", "QTBuffer:size:-2", "QTBuffer:size:0", "QTBuffer:size:ffffffffffffffff", "QTBuffer:circular:", "QTBuffer:circular:-1", "QTBuffer:shape:1",
	"QTFrame:", "QTFrame:-2", "QTFrame:x", "QTFrame:pc:", "QTFrame:range:1", "QTFrame:range:1:", "QTFrame:outside:", "QTFrame:tdp:", "qTP:", "qTP:9", "qTP:8:401000", "qTV:", "qTV:x", "qTBuffer:", "qTBuffer:0", "qTBuffer:1,1", "qTStatus:",
}

func TestMalformedTracePackets(t *testing.T) {
	s := startGDB(t, toy.Counter())
	s.all("QTinit", "QTDP:9:401000:E:0:0-")
	for _, p := range malformedTrace {
		s.fails(p)
	}
	s.want("qTfP", "T9:401000:E:0:0")
	s.want("qTsP", "l")
}

// A client cannot make the definitions grow without bounds.
func TestTraceDefinitionsAreBounded(t *testing.T) {
	s := startGDB(t, toy.Counter())
	s.all("QTinit", "QTDP:1:401000:E:0:0-")
	for _, packet := range []string{
		"QTDP:-1:401000:" + strings.Repeat("R", 100) + "-",
		"QTDPsrc:1:401000:cmd:0:a:" + strings.Repeat("00", 30000),
		"QTDPsrc:1:401000:cmd:0:0:",
	} {
		for n := 0; s.cmd(packet) == "OK"; n++ {
			if n > 100000 {
				t.Fatalf("%.60s is accepted for ever", packet)
			}
		}
	}
}

func TestTraceLayout(t *testing.T) {
	m := toy.New(toy.Counter())
	defer m.Close()
	l := m.Describe().TraceLayout()
	if l.PC != 16*8 || l.Size <= amd64.RIP*8 {
		t.Errorf("%+v", l)
	}
	var target rsp.Target = *m.Target()
	if target.Tracepoints == nil {
		t.Error("the toy has no tracepoints")
	}
}
