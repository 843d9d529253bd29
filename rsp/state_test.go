package rsp_test

import (
	"fmt"
	"strings"
	"testing"

	"torov/rsp"
	"torov/rsp/amd64"
	"torov/rsp/internal/toy"
)

// regSize is the size of the toy's g reply in bytes.
func regSize(s *session) int {
	n := 0
	for _, r := range s.m.Describe().Registers() {
		n += r.Size()
	}
	return n
}

func TestRegistersHaveTheDescribedLength(t *testing.T) {
	s := startGDB(t, toy.Counter())
	if g := s.cmd("g"); len(g) != 2*regSize(s) {
		t.Errorf("g has %d digits, the description %d bytes", len(g), regSize(s))
	}
}

func TestRegistersRoundTrip(t *testing.T) {
	s := startGDB(t, toy.Counter())
	for i, r := range s.m.Describe().Registers() {
		if r.Name == "cs" || r.Name == "ss" || r.Name == "ds" || r.Name == "es" || r.Name == "fs" || r.Name == "gs" || r.Name == "gs_base" {
			continue // constants of the toy
		}
		value := make([]byte, r.Size())
		for j := range value {
			value[j] = byte(i + j + 1)
		}
		if num := r.Num; num >= amd64.FCTRL && num <= amd64.FOP {
			copy(value, []byte{0x55, 0x01, 0, 0}) // fits the narrow x87 registers
		}
		s.want(fmt.Sprintf("P%x=%x", r.Num, value), "OK")
		if got := s.cmd(fmt.Sprintf("p%x", r.Num)); got != fmt.Sprintf("%x", value) && r.Num != amd64.FTAG {
			t.Errorf("%s: wrote %x, read %s", r.Name, value, got)
		}
	}
	g := s.cmd("g")
	s.want("G"+g, "OK")
	if again := s.cmd("g"); again != g {
		t.Error("writing what was read changes registers")
	}
}

func TestShortGLeavesTheRest(t *testing.T) {
	s := startGDB(t, toy.Counter())
	s.want("P1="+le64(0x1111), "OK")
	s.want("G"+le64(0x2222), "OK")
	g := s.cmd("g")
	if g[:32] != le64(0x2222)+le64(0x1111) {
		t.Errorf("rax and rbx are %s", g[:32])
	}
	// A register without a value is left alone too.
	s.want("G"+strings.Repeat("x", 16)+le64(0x3333), "OK")
	if g := s.cmd("g"); g[:32] != le64(0x2222)+le64(0x3333) {
		t.Errorf("rax and rbx are %s", g[:32])
	}
}

// partly makes a register of the toy unavailable.
type partly struct{ rsp.Registers }

func (p partly) ReadRegisters(t rsp.ThreadID, regs []rsp.RegisterValue) error {
	err := p.Registers.ReadRegisters(t, regs)
	for i := range regs {
		if regs[i].Name == "rbx" {
			regs[i].Unavailable = true
		}
	}
	return err
}

func TestUnavailableRegisters(t *testing.T) {
	s := start(t, toy.Counter(), func(t *rsp.Target) { t.Registers = partly{t.Registers} })
	s.hello()
	s.want("p1", strings.Repeat("x", 16))
	if g := s.cmd("g"); g[16:32] != strings.Repeat("x", 16) || len(g) != 2*regSize(s) {
		t.Errorf("g is %.40s...", g)
	}
}

func TestThreadSuffix(t *testing.T) {
	image := toy.Threads()
	s := startGDB(t, image)
	s.want("QThreadSuffixSupported", "OK")
	s.want("Z0,"+at(image, "wait")+",1", "OK")
	s.begins("vCont;c", "T05swbreak")
	for n := range 3 {
		s.want(fmt.Sprintf("P6=%s;thread:%s;", le64(uint64(n+100)), tid(n)), "OK")
	}
	for n := range 3 {
		s.want(fmt.Sprintf("p6;thread:%s;", tid(n)), le64(uint64(n+100)))
		if g := s.cmd(fmt.Sprintf("g;thread:%s;", tid(n))); g[6*16:7*16] != le64(uint64(n+100)) {
			t.Errorf("thread %d: rbp is %s", n, g[6*16:7*16])
		}
	}
	s.want("G"+le64(7)+";thread:"+tid(2)+";", "OK")
	s.want("p0;thread:"+tid(2)+";", le64(7))
}

func TestSavedRegisters(t *testing.T) {
	s := startGDB(t, toy.Counter())
	s.want("P39="+le64(0x1234), "OK") // orig_rax
	id := s.cmd("QSaveRegisterState")
	s.want("P39="+le64(1), "OK")
	s.want("P0="+le64(99), "OK")
	s.want("QRestoreRegisterState:"+id+";thread:"+tid(0)+";", "OK")
	s.want("p39", le64(0x1234))
	s.want("p0", le64(0))
	s.fails("QRestoreRegisterState:" + id)
	for range 200 {
		s.cmd("QSaveRegisterState")
	}
	s.fails("QRestoreRegisterState:2") // the oldest are forgotten
}

func TestMemory(t *testing.T) {
	s := startGDB(t, toy.Counter())
	s.want("m403010,5", hexOf("hello"))
	s.want("x403010,5", "bhello")
	s.want("x0,0", "b")
	s.want("M403000,4:01020304", "OK")
	s.want("X403004,0:", "OK")
	s.want("X403004,4:"+escape("#$}*"), "OK")
	s.want("m403000,8", "01020304"+hexOf("#$}*"))
	if got := s.cmd("x403004,4"); got != "b}\x03}\x04}]}\x0a" {
		t.Errorf("x escapes badly: %q", got)
	}
	// What can be read of a range that goes on into nothing.
	s.want("m403ffc,10", "00000000")
	s.want("M400000,0:", "OK")
	s.fails("M400000,1:00")
	s.fails("m400fff,2")
}

func TestHugeLengthsAreClamped(t *testing.T) {
	s := startGDB(t, toy.Counter())
	if got := s.cmd("m403000,ffffffffffffffff"); len(got) != 0x2000 {
		t.Errorf("got %d digits", len(got))
	}
	if got := s.cmd("x403000,ffffffffffffffff"); len(unescape(got)) != 0x1001 {
		t.Errorf("got %d bytes", len(got))
	}
	s.want("M403000,1000:"+strings.Repeat("2a", 0x1000), "OK")
	// 4096 asterisks, each escaped.
	if got := s.cmd("x403000,1000"); len(got) > rsp.DefaultPacketSize || len(unescape(got)) != 0x1001 {
		t.Errorf("got %d bytes", len(got))
	}
	fd := s.cmd("vFile:open:" + hexOf("/toy") + ",0,0")
	s.begins("vFile:pread:"+fd[1:]+",ffffffffffffffff,0", "F")
}

func TestSearch(t *testing.T) {
	s := startGDB(t, toy.Counter())
	s.want("qSearch:memory:403000;1000;from", "1,403016")
	s.want("qSearch:memory:403000;1000;absent", "0")
	s.want("qSearch:memory:403000;16;from", "0") // just out of the range
	s.want("qSearch:memory:403000;1a;from", "1,403016")
	s.fails("qSearch:memory:403000;1001;absent") // beyond what is mapped
	// Across the border of two pieces of 64 KiB.
	base := s.cmd("_M20000,rw")
	addr := parseHex(t, base) + 0x10000 - 2
	s.want(fmt.Sprintf("X%x,4:need", addr), "OK")
	s.want("qSearch:memory:"+base+";20000;need", fmt.Sprintf("1,%x", addr))
}

func parseHex(t *testing.T, s string) (v uint64) {
	t.Helper()
	if _, err := fmt.Sscanf(s, "%x", &v); err != nil {
		t.Fatalf("%q is not a number: %v", s, err)
	}
	return v
}

func TestChecksumOfMemory(t *testing.T) {
	s := startGDB(t, toy.Counter())
	s.want("X403000,9:123456789", "OK")
	s.want("qCRC:403000,9", "C376e6e7")
}

func TestBreakpointPackets(t *testing.T) {
	image := toy.Counter()
	s := startGDB(t, image)
	work := at(image, "work")
	for range 2 { // both are idempotent
		s.want("Z0,"+work+",1", "OK")
	}
	if n := s.m.Breakpoints(); n != 1 {
		t.Errorf("%d breakpoints", n)
	}
	s.want("m"+work+",2", "48be") // never the breakpoint instruction
	for range 2 {
		s.want("z0,"+work+",1", "OK")
	}
	if n := s.m.Breakpoints(); n != 0 {
		t.Errorf("%d breakpoints", n)
	}
	for n := range 4 {
		s.want(fmt.Sprintf("Z2,%x,4", 0x403000+4*n), "OK")
	}
	s.want("Z3,403020,4", "E.no free debug register (4 in use)")
	s.want("Z5,403000,1", "")
	s.want("Zff,403000,1", "")
}

// noReadWatch refuses read watchpoints for good.
type noReadWatch struct{ rsp.Breakpoints }

func (n noReadWatch) InsertBreakpoint(b *rsp.Breakpoint) error {
	if b.Kind == rsp.ReadWatch {
		return rsp.ErrUnsupported
	}
	return n.Breakpoints.InsertBreakpoint(b)
}

func TestUnsupportedKindStaysUnsupported(t *testing.T) {
	s := start(t, toy.Counter(), func(t *rsp.Target) { t.Breakpoints = noReadWatch{t.Breakpoints} })
	s.hello()
	s.want("Z3,403000,4", "")
	s.want("z3,403000,4", "")
	s.want("Z4,403000,4", "OK")
}
