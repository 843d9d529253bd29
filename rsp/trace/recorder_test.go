package trace

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"torov/rsp/agent"
)

// program counts traps.
type program struct{ traps map[uint64]int }

func (p *program) InsertTrap(addr uint64) error {
	if addr == 0 {
		return errors.New("no memory there")
	}
	p.traps[addr]++
	return nil
}

func (p *program) RemoveTrap(addr uint64) {
	if p.traps[addr]--; p.traps[addr] < 0 {
		panic("removed twice")
	}
	if p.traps[addr] == 0 {
		delete(p.traps, addr)
	}
}

// thread has 4 registers of 8 bytes, the last of which is the program counter,
// and 64 KiB of memory at 0x1000.
type thread struct {
	regs   [4]uint64
	memory [0x10000]byte
}

func (t *thread) Register(n int) (uint64, error) {
	if n >= len(t.regs) {
		return 0, errors.New("no such register")
	}
	return t.regs[n], nil
}

func (t *thread) ReadMemory(addr uint64, buf []byte) error {
	if t.Read(addr, buf) < len(buf) {
		return errors.New("no memory there")
	}
	return nil
}

func (t *thread) Read(addr uint64, buf []byte) int {
	if addr < 0x1000 || addr >= 0x1000+uint64(len(t.memory)) {
		return 0
	}
	return copy(buf, t.memory[addr-0x1000:])
}

func (t *thread) PC() uint64 { return t.regs[3] }

func (t *thread) ReadBlock(block []byte) {
	for i, v := range t.regs {
		binary.LittleEndian.PutUint64(block[8*i:], v)
	}
}

// world is a recorder with a program and a thread at 0x100.
type world struct {
	*Recorder
	t *testing.T
	p *program
	*thread
	clock time.Time
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, p: &program{map[uint64]int{}}, thread: &thread{}, clock: time.UnixMicro(1000)}
	w.Recorder = New(w.p, Layout{Size: 32, PC: 24})
	w.Now = func() time.Time { w.clock = w.clock.Add(time.Microsecond); return w.clock }
	for i := range w.memory {
		w.memory[i] = byte(i)
	}
	w.regs = [4]uint64{1, 0x2000, 3, 0x100}
	return w
}

func (w *world) expr(code string) *agent.Expr {
	w.t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(code, " ", ""))
	if err != nil {
		w.t.Fatal(err)
	}
	e, err := agent.Compile(b)
	if err != nil {
		w.t.Fatal(err)
	}
	return e
}

// point defines a tracepoint.
func (w *world) point(p Point) *Point {
	w.t.Helper()
	p.Enabled, p.Fast = true, -1
	if p.Addr == 0 {
		p.Addr = 0x100
	}
	if err := w.Define(&p); err != nil {
		w.t.Fatal(err)
	}
	return &p
}

func (w *world) start() {
	w.t.Helper()
	if err := w.Start(); err != nil {
		w.t.Fatal(err)
	}
}

// hit passes the place of a tracepoint, and executes n instructions more.
func (w *world) hit(n int) {
	s := w.Hit(w.thread)
	for range n {
		w.regs[3]++
		s = w.Step(w.thread, s)
	}
	w.regs[3] = 0x100
}

// wantFrames checks frames, given as the tracepoint's number and what is in it.
func (w *world) wantFrames(want ...string) {
	w.t.Helper()
	var got []string
	for n := 0; ; n++ {
		f, ok := w.Frame(n)
		if !ok {
			break
		}
		s := fmt.Sprint(f.Point)
		if pc, ok := f.PC(); ok {
			s += fmt.Sprintf(" pc=%x", pc)
		}
		for _, m := range f.Memory() {
			s += fmt.Sprintf(" %x+%x", m.Addr, len(m.Data))
		}
		for _, v := range f.Variables() {
			value, _ := f.Variable(v)
			s += fmt.Sprintf(" $%d=%d", v, value)
		}
		got = append(got, s)
	}
	if g, x := strings.Join(got, "; "), strings.Join(want, "; "); g != x {
		w.t.Errorf("frames: %s\nwant:   %s", g, x)
	}
}

func (w *world) wantReason(want string) {
	w.t.Helper()
	s := w.Status()
	if got := strings.TrimSpace(fmt.Sprintf("%s %d %s", s.Reason, s.Point, s.Error)); s.Running || got != want {
		w.t.Errorf("running %v, reason %q, want %q", s.Running, got, want)
	}
	if len(w.p.traps) != 0 {
		w.t.Errorf("traps are left: %v", w.p.traps)
	}
}

var registers = Action{Kind: CollectRegisters}

func memory(base int, addr, size uint64) Action {
	return Action{Kind: CollectMemory, Base: base, Addr: addr, Len: size}
}

func TestCollect(t *testing.T) {
	w := newWorld(t)
	if err := w.SetInitial(Variable{Number: 7, Name: "n", Initial: 40}); err != nil {
		t.Fatal(err)
	}
	w.point(Point{Number: 1, Actions: []Action{
		registers, memory(NoBase, 0x1234, 4), memory(1, ^uint64(0x0f), 2),
		{Kind: Evaluate, Expr: w.expr("2c0007 2202 02 2d0007 2e0007 27")}, // n += 2, collected
		{Kind: Evaluate, Expr: w.expr("231000 2208 0c 231010 23ffff 2f 27")},
	}})
	w.memory[0x15] = 0
	w.start()
	w.hit(0)
	w.hit(0)
	w.wantFrames("1 pc=100 1234+4 1ff0+2 1000+8 1010+6 $7=42", "1 pc=100 1234+4 1ff0+2 1000+8 1010+6 $7=44")
	f, _ := w.Frame(1)
	var b [8]byte
	if n := f.Read(0x1236, b[:]); n != 2 || b[0] != 0x36 || b[1] != 0x37 {
		t.Errorf("memory of the frame: %d %x", n, b)
	}
	if n := f.Read(0x1238, b[:]); n != 0 {
		t.Errorf("memory that is not in the frame: %d", n)
	}
	if _, ok := f.Variable(8); ok {
		t.Error("a variable that is not in the frame")
	}
	w.Stop()
	w.wantReason("tstop 0")
	w.hit(0)
	if s := w.Status(); s.Frames != 2 || s.Created != 2 || !s.Stopped.After(s.Started) {
		t.Errorf("%+v", s)
	}
}

// What cannot be read is not in the frame; the rest is.
func TestCollectWhatIsNotThere(t *testing.T) {
	w := newWorld(t)
	end := uint64(0x1000 + len(w.memory))
	w.point(Point{Number: 1, Actions: []Action{
		memory(NoBase, 0, 8), memory(NoBase, end-3, 8), memory(9, 0, 1),
		{Kind: Evaluate, Expr: w.expr("2200 1a 2208 0c 27")}, // 8 bytes behind a null pointer
		memory(NoBase, end-0x10000, 0x20000), registers,
	}})
	w.start()
	w.hit(0)
	w.wantFrames(fmt.Sprintf("1 pc=100 %x+3 %x+ffff %x+1", end-3, end-0x10000, end-1))
}

func TestConditions(t *testing.T) {
	w := newWorld(t)
	a := w.point(Point{Number: 1, Condition: w.expr("260000 2205 13 27")}) // the first register is 5
	b := w.point(Point{Number: 2})
	c := w.point(Point{Number: 3})
	w.point(Point{Number: 4, Addr: 0x200})
	c.Enabled = false
	w.start()
	for i := range uint64(10) {
		w.regs[0] = i
		w.hit(0)
	}
	if a.Hits() != 1 || b.Hits() != 10 || c.Hits() != 0 {
		t.Errorf("%d, %d and %d hits", a.Hits(), b.Hits(), c.Hits())
	}
	if fmt.Sprint(w.p.traps) != "map[256:3 512:1]" || !w.Wants(0x100) || w.Wants(0x101) {
		t.Errorf("traps %v", w.p.traps)
	}
	w.start() // again: hits start at 0, frames stay
	if a.Hits() != 0 || b.Hits() != 0 || w.Status().Frames != 11 {
		t.Errorf("%d and %d hits, %d frames", a.Hits(), b.Hits(), w.Status().Frames)
	}
}

func TestErrorsEndTheRun(t *testing.T) {
	for want, p := range map[string]Point{
		"terror 1 division by zero":                     {Condition: newWorld(t).expr("2201 2200 05 27")},
		"terror 1 no memory there":                      {Condition: newWorld(t).expr("2200 17 27")},
		"terror 1 expression takes too many steps":      {Actions: []Action{{Kind: Evaluate, Expr: newWorld(t).expr("210000")}}},
		"terror 1 stack overflow or underflow":          {Actions: []Action{{Kind: Evaluate, Expr: newWorld(t).expr("0227")}}},
		"terror 1 stack overflow or underflow (a step)": {Steps: 2, StepActions: []Action{{Kind: Evaluate, Expr: newWorld(t).expr("0227")}}},
	} {
		w := newWorld(t)
		p.Number = 1
		w.point(p)
		w.start()
		w.hit(1)
		w.wantReason(strings.TrimSuffix(want, " (a step)"))
	}
}

func TestPassCount(t *testing.T) {
	w := newWorld(t)
	w.point(Point{Number: 1, Passes: 3})
	w.start()
	for range 5 {
		w.hit(0)
	}
	w.wantReason("tpasscount 1")
	w.wantFrames("1", "1", "1")
	// The last hit of one tracepoint is one of all others at its address.
	w.Clear()
	w.point(Point{Number: 1, Passes: 2})
	w.point(Point{Number: 2, Passes: 2})
	w.start()
	w.hit(0)
	w.hit(0)
	w.hit(0)
	w.wantReason("tpasscount 1")
	w.wantFrames("1", "2", "1", "2")
	w.Clear()
	w.point(Point{Number: 2, Passes: 2, Steps: 2, StepActions: []Action{registers}})
	w.start()
	for range 3 {
		w.hit(3)
	}
	w.wantReason("tpasscount 2")
	w.wantFrames("2", "2 pc=101", "2 pc=102", "2", "2 pc=101", "2 pc=102")
}

func TestSteps(t *testing.T) {
	w := newWorld(t)
	w.point(Point{Number: 1, Steps: 3, StepActions: []Action{registers}})
	w.point(Point{Number: 2, Addr: 0x101, Steps: 1})
	w.start()
	s := w.Hit(w.thread)
	w.regs[3]++
	s = append(w.Step(w.thread, s), w.Hit(w.thread)...)
	w.regs[3]++
	if s = w.Step(w.thread, s); len(s) != 1 {
		t.Errorf("%d steppings are left", len(s))
	}
	w.regs[3]++
	if s = w.Step(w.thread, s); len(s) != 0 {
		t.Errorf("%d steppings are left", len(s))
	}
	w.wantFrames("1", "1 pc=101", "2", "1 pc=102", "2", "1 pc=103")
	// A stepping of a run that is over records nothing in the next one.
	w.regs[3] = 0x100
	s = w.Hit(w.thread)
	w.start()
	if s = w.Step(w.thread, s); len(s) != 0 || w.Status().Frames != 7 {
		t.Errorf("%d steppings are left, %d frames", len(s), w.Status().Frames)
	}
}

func TestFullAndCircular(t *testing.T) {
	w := newWorld(t)
	for size, ok := range map[int64]bool{5: false, 0: false, -2: false, MaxSize + 1: false, 6: true, MaxSize: true, -1: true, 100: true} {
		if err := w.Resize(size); (err == nil) != ok {
			t.Errorf("size %d: %v", size, err)
		}
	}
	if err := w.Resize(100); err != nil {
		t.Fatal(err)
	}
	w.point(Point{Number: 1, Actions: []Action{{Kind: Evaluate, Expr: w.expr("2e0001 27")}}}) // 19 bytes with the time
	w.start()
	if err := w.Resize(200); err == nil {
		t.Error("the size changes during a run")
	}
	for range 9 {
		w.hit(0)
	}
	w.wantReason("tfull 0")
	if s := w.Status(); s.Frames != 5 || s.Free != 5 || s.Size != 100 {
		t.Errorf("%+v", s)
	}
	w.SetCircular(true)
	w.start()
	for range 9 {
		w.hit(0)
	}
	s := w.Status()
	if !s.Running || s.Frames != 5 || s.Created != 14 || !s.Circular {
		t.Errorf("%+v", s)
	}
	first, _ := w.Frame(0)
	last, _ := w.Frame(4)
	a, _ := first.Variable(1)
	b, _ := last.Variable(1)
	if b-a != 4 {
		t.Errorf("times %d and %d: not the last five", a, b)
	}
	// A frame that does not fit at all.
	w.Clear()
	w.point(Point{Number: 1, Actions: []Action{memory(NoBase, 0x1000, 1<<62)}})
	w.start()
	w.hit(0)
	w.wantReason("tfull 0")
}

func TestSearch(t *testing.T) {
	w := newWorld(t)
	w.point(Point{Number: 1, Actions: []Action{registers}})
	w.point(Point{Number: 2, Addr: 0x200})
	w.start()
	w.hit(0)
	w.regs[3] = 0x200
	w.hit(0)
	w.hit(0)
	at200 := func(f Frame) bool { pc, ok := w.Recorder.PC(f); return ok && pc == 0x200 }
	if n, ok := w.Search(0, at200); !ok || n != 1 {
		t.Errorf("frame %d, %v", n, ok)
	}
	if _, ok := w.Search(2, at200); ok {
		t.Error("there are not so many")
	}
	if _, ok := w.Recorder.PC(Frame{Point: 9}); ok {
		t.Error("the place of a tracepoint that there is not")
	}
}

func TestDefinitions(t *testing.T) {
	w := newWorld(t)
	w.point(Point{Number: 2, Addr: 0x300})
	w.point(Point{Number: 1, Addr: 0x100})
	w.point(Point{Number: 3, Addr: 0x300})
	w.point(Point{Number: 2, Addr: 0x200})
	got := ""
	for _, p := range w.Points() {
		got += fmt.Sprintf(" %d@%x", p.Number, p.Addr)
	}
	if got != " 1@100 2@200 2@300 3@300" {
		t.Errorf("defined:%s", got)
	}
	for _, p := range []Point{{Number: 2, Addr: 0x300}, {Number: 0, Addr: 1}, {Number: 1 << 15, Addr: 1}, {Number: -1, Addr: 1}} {
		if err := w.Define(&p); err == nil {
			t.Errorf("%d at %#x is accepted", p.Number, p.Addr)
		}
	}
	w.start()
	late := w.point(Point{Number: 9, Addr: 0x100})
	w.hit(0)
	if err := w.Install(late); err != nil || late.Hits() != 1 || w.p.traps[0x100] != 2 {
		t.Errorf("%v, %d hits, traps %v", err, late.Hits(), w.p.traps)
	}
	bad := &Point{Number: 10, Enabled: true}
	if err := w.Define(bad); err != nil {
		t.Fatal(err)
	}
	if err := w.Install(bad); err == nil || w.Find(10, 0) != nil || len(w.Points()) != 5 {
		t.Errorf("%v, %d tracepoints", err, len(w.Points()))
	}
	w.Stop()
	if err := w.Define(bad); err != nil {
		t.Fatal(err)
	}
	if err := w.Start(); err == nil || len(w.p.traps) != 0 || w.Running() {
		t.Errorf("%v, traps %v", err, w.p.traps)
	}
	for n := range maxPoints {
		if err := w.Define(&Point{Number: 1, Addr: uint64(0x1000 + n)}); err != nil {
			break
		}
	}
	if len(w.Points()) != maxPoints {
		t.Errorf("%d tracepoints", len(w.Points()))
	}
}

func TestEndsOfARun(t *testing.T) {
	w := newWorld(t)
	w.wantReason("tnotrun 0")
	w.point(Point{Number: 1})
	w.start()
	w.KeepGoing(true)
	w.Disconnect()
	if !w.Running() {
		t.Error("the run ends without its client")
	}
	w.KeepGoing(false)
	w.Disconnect()
	w.wantReason("tdisconnected 0")
	w.start()
	clear(w.p.traps) // with the program
	w.ProgramEnded()
	w.wantReason("terror 0 the program has ended")
	w.Disconnect()
	w.wantReason("terror 0 the program has ended")
}

func TestVariables(t *testing.T) {
	w := newWorld(t)
	for n := range maxVariables + 1 {
		err := w.SetInitial(Variable{Number: n, Initial: int64(n)})
		if (err == nil) != (n <= maxVariables-1) {
			t.Fatalf("variable %d: %v", n, err)
		}
	}
	w.SetVariable(5, -6)
	w.SetVariable(1, 99)
	w.SetVariable(1<<20, 99)
	if w.Variable(5) != -6 || w.Variable(1) < 1000 || w.Variable(1<<20) != 0 {
		t.Errorf("values %d, %d, %d", w.Variable(5), w.Variable(1), w.Variable(1<<20))
	}
	if v := w.Variables()[0]; v.Name != "trace_timestamp" || !v.Builtin {
		t.Errorf("%+v", v)
	}
}

func TestReadOnly(t *testing.T) {
	w := newWorld(t)
	w.SetReadOnly([]Range{{0x1000, 0x2000}, {^uint64(0) - 15, ^uint64(0)}})
	for _, c := range []struct {
		addr, n uint64
		want    bool
	}{{0x1000, 0x1000, true}, {0x1000, 0x1001, false}, {0xfff, 2, false}, {0x1fff, 1, true}, {0x1fff, 2, false}, {^uint64(0) - 15, ^uint64(0), false}, {^uint64(0) - 15, 8, true}} {
		if got := w.IsReadOnly(c.addr, c.n); got != c.want {
			t.Errorf("%#x+%#x: %v", c.addr, c.n, got)
		}
	}
}
