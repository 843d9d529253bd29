package agent

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"testing"
)

// machine has registers n*0x1111 and 4 KiB of memory at 0x1000.
type machine struct{ mem [4096]byte }

var errRead = errors.New("unreadable")

func (m *machine) Register(n int) (uint64, error) {
	if n > 15 {
		return 0, errRead
	}
	return uint64(n) * 0x1111, nil
}

func (m *machine) ReadMemory(addr uint64, buf []byte) error {
	if addr < 0x1000 || addr > 0x2000 || uint64(len(buf)) > 0x2000-addr {
		return errRead
	}
	copy(buf, m.mem[addr-0x1000:])
	return nil
}

// vars are trace state variables.
type vars map[int]int64

func (v vars) Variable(n int) int64        { return v[n] }
func (v vars) SetVariable(n int, to int64) { v[n] = to }

// collected lists what was traced.
type collected struct {
	memory    [][2]uint64
	variables []int
}

func (c *collected) CollectMemory(addr, size uint64) error {
	c.memory = append(c.memory, [2]uint64{addr, size})
	return nil
}

func (c *collected) CollectVariable(n int) error {
	c.variables = append(c.variables, n)
	return nil
}

func code(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func compile(t testing.TB, s string) *Expr {
	t.Helper()
	e, err := Compile(code(t, s))
	if err != nil {
		t.Fatalf("%s: %v", s, err)
	}
	return e
}

func testEnv() *Env {
	m := &machine{}
	copy(m.mem[:], []byte{1, 0x82, 3, 4, 5, 6, 7, 0x88})
	copy(m.mem[16:], "hello\x00")
	return &Env{Machine: m}
}

func TestValues(t *testing.T) {
	for _, c := range []struct {
		name, code string
		want       int64
	}{
		{"nothing", "27", 0},
		{"constants are big-endian and unsigned", "22ff27", 255},
		{"const16", "23800127", 0x8001},
		{"const32", "248000000127", 0x80000001},
		{"const64", "25800000000000000127", math.MinInt64 + 1},
		{"add", "220322050227", 8},
		{"sub", "220322050327", -2},
		{"mul", "220322050427", 15},
		{"div signed", "22f916082202" + "0527", -3},
		{"div unsigned", "22f9160822020627", 0x7ffffffffffffffc},
		{"rem signed", "22f9160822020727", -1},
		{"rem unsigned", "22f9160822020827", 1},
		{"smallest by minus one", "25800000000000000022ff16080527", math.MinInt64},
		{"remainder of that", "25800000000000000022ff16080727", 0},
		{"shift left", "220122040927", 16},
		{"shift left far", "220122400927", 0},
		{"shift right signed", "22f0160822020a27", -4},
		{"shift right signed far", "22f0160822ff0a27", -1},
		{"shift right unsigned", "22f01608223c0b27", 15},
		{"not", "22000e27", 1},
		{"not not", "22050e0e27", 1},
		{"and", "220c220a0f27", 8},
		{"or", "220c220a1027", 14},
		{"xor", "220c220a1127", 6},
		{"complement", "22001227", -1},
		{"equal", "220522051327", 1},
		{"less signed", "22ff160822011427", 1},
		{"less unsigned", "22ff160822011527", 0},
		{"ext 8", "22801608" + "27", -128},
		{"ext 0 and 64 do nothing", "22801600164027", 128},
		{"zero_ext", "2412345678" + "2a0c27", 0x678},
		{"zero_ext 64", "22ff16082a4027", -1},
		{"ref8", "2310011727", 0x82},
		{"ref16", "2310001827", 0x8201},
		{"ref32", "2310001927", 0x04038201},
		{"ref64", "2310001a27", -0x77f8f9fafbfc7dff},
		{"reg", "26000527", 0x5555},
		{"dup", "2203280227", 6},
		{"pop", "220322042927", 3},
		{"swap", "220322052b0327", 2},
		{"pick", "2201220222033202" + "27", 1},
		{"rot: a b c is c a b", "22012202220333" + "2927", 1},
		{"rot: c is below", "22012202220333" + "292927", 3},
		{"goto", "210006" + "22ff27" + "220727", 7},
		{"if_goto taken", "2201200008" + "220427" + "220927", 9},
		{"if_goto not taken", "2200200008" + "220427" + "220927", 4},
		{"GDB: (int)$rdi == 5", "2600051640162022051327", 0},
		{"GDB: *(unsigned char *)p == 0x82", "2400001001" + "17" + "2282" + "1327", 1},
	} {
		got, err := compile(t, c.code).Eval(testEnv())
		if err != nil || got != c.want {
			t.Errorf("%s: got %d (%#x), %v; want %d", c.name, got, uint64(got), err, c.want)
		}
	}
}

func TestEvaluationFails(t *testing.T) {
	for _, c := range []struct {
		name, code string
		want       error
	}{
		{"division by zero", "220122000527", ErrDivide},
		{"unsigned division by zero", "220122000627", ErrDivide},
		{"remainder of zero", "220122000727", ErrDivide},
		{"unreadable memory", "22001a27", errRead},
		{"border of memory", "231ffd" + "1927", errRead},
		{"no such register", "2600ff27", errRead},
		{"empty stack", "0227", ErrStack},
		{"empty stack at a jump", "20000027", ErrStack},
		{"pick too deep", "2201320127", ErrStack},
		{"endless loop", "210000", ErrSteps},
		{"endless pushing", "2201210000", ErrStack},
		{"no end", "2201", ErrEnd},
		{"empty", "", ErrEnd},
		{"variables", "2c000127", ErrUndefined},
		{"set variable", "22012d000127", ErrUndefined},
		{"trace", "220122010c27", ErrUndefined},
		{"printf", "22002200" + "3400000100" + "27", ErrUndefined},
	} {
		if _, err := compile(t, c.code).Eval(testEnv()); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

func TestBadCode(t *testing.T) {
	for _, c := range []string{
		"00", "01", "1b", "1c", "1d", "1e", "1f", "31", "35", "ff", "22", "2300", "2400", "25", "26", "20", "2100", "16", "2a", "32", "2c00",
		"210001", "210004", "20ffff27", // jumps into an operand and beyond the end
		"34", "3400", "34000001", "340000000027", "34000001" + "41" + "27", // no zero byte
		"340000032564" + "00" + "27",                // an argument too few
		"34010003" + "256600" + "27",                // %f
		"34010003" + "252a00" + "27",                // %*
		"34010006" + "253939393900" + "27",          // %9999
		"34010008" + "252e3939393964" + "00" + "27", // %.9999d
	} {
		if _, err := Compile(code(t, c)); !errors.Is(err, ErrCode) {
			t.Errorf("%s: got %v", c, err)
		}
	}
	if _, err := Compile(make([]byte, MaxCode+1)); !errors.Is(err, ErrCode) {
		t.Errorf("too long: %v", err)
	}
}

func TestVariables(t *testing.T) {
	env := testEnv()
	v := vars{7: 40}
	env.Variables = v
	got, err := compile(t, "2c0007"+"2202"+"02"+"2d0008"+"27").Eval(env)
	if err != nil || got != 42 || v[8] != 42 {
		t.Errorf("got %d, %v; variable 8 is %d", got, err, v[8])
	}
}

func TestTracing(t *testing.T) {
	env := testEnv()
	c := &collected{}
	env.Collector = c
	// trace, trace_quick, trace16, tracenz, tracev
	_, err := compile(t, "231000"+"2208"+"0c"+"231010"+"0d04"+"300100"+"29"+"231010"+"22ff"+"2f"+"2e0003"+"27").Eval(env)
	if err != nil {
		t.Fatal(err)
	}
	want := [][2]uint64{{0x1000, 8}, {0x1010, 4}, {0x1010, 256}, {0x1010, 6}}
	if len(c.memory) != len(want) {
		t.Fatalf("collected %x", c.memory)
	}
	for i := range want {
		if c.memory[i] != want[i] {
			t.Errorf("collected %x, want %x", c.memory[i], want[i])
		}
	}
	if len(c.variables) != 1 || c.variables[0] != 3 {
		t.Errorf("variables %v", c.variables)
	}
}

// printfCode makes the code GDB does: arguments from the last to the first,
// channel, function, printf.
func printfCode(format string, args ...int64) []byte {
	var b []byte
	for i := len(args) - 1; i >= 0; i-- {
		b = append(b, 0x25)
		for shift := 56; shift >= 0; shift -= 8 {
			b = append(b, byte(uint64(args[i])>>shift))
		}
	}
	b = append(b, 0x22, 0, 0x22, 0, 0x34, byte(len(args)), byte((len(format)+1)>>8), byte(len(format)+1))
	return append(append(b, format...), 0, 0x27)
}

func TestPrintf(t *testing.T) {
	for _, c := range []struct {
		format string
		args   []int64
		want   string
	}{
		{"plain\n", nil, "plain\n"},
		{"100%%", nil, "100%"},
		{"%d %ld", []int64{0xffffffff, -5}, "-1 -5"},
		{"%u %lu %hhu %hd", []int64{-1, -1, 0x1ff, 0x18000}, "4294967295 18446744073709551615 255 -32768"},
		{"%x %#lx %X %o %p", []int64{255, 255, 255, 8, 4096}, "ff 0xff FF 10 0x1000"},
		{"[%5d|%-5d|%05d|%+d|%.3d]", []int64{1, 2, 3, 4, 5}, "[    1|2    |00003|+4|005]"},
		{"%s, %c%c %.2s", []int64{0x1010, 'o', 'k', 0x1010}, "hello, ok he"},
		{"%lli %zu %jd %td", []int64{1, 2, 3, 4}, "1 2 3 4"},
	} {
		e, err := Compile(printfCode(c.format, c.args...))
		if err != nil {
			t.Errorf("%q: %v", c.format, err)
			continue
		}
		var out bytes.Buffer
		env := testEnv()
		env.Output = &out
		if _, err := e.Eval(env); err != nil || out.String() != c.want {
			t.Errorf("%q: got %q, %v; want %q", c.format, out.String(), err, c.want)
		}
	}
	e, err := Compile(printfCode("%s", 0x3000))
	if err != nil {
		t.Fatal(err)
	}
	env := testEnv()
	env.Output = &bytes.Buffer{}
	if _, err := e.Eval(env); !errors.Is(err, errRead) {
		t.Errorf("unreadable string: %v", err)
	}
}

func TestStringAtTheBorderOfMemory(t *testing.T) {
	env := testEnv()
	var out bytes.Buffer
	env.Output = &out
	copy(env.Machine.(*machine).mem[4096-4:], "end\x00")
	e, err := Compile(printfCode("%s", 0x1ffc))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Eval(env); err != nil || out.String() != "end" {
		t.Errorf("got %q, %v", out.String(), err)
	}
}

func TestExprIsSafeForConcurrentUse(t *testing.T) {
	e := compile(t, "2600051640162022051327")
	done := make(chan error)
	for range 4 {
		go func() {
			var err error
			for range 1000 {
				if _, err = e.Eval(testEnv()); err != nil {
					break
				}
			}
			done <- err
		}()
	}
	for range 4 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		"2600051640162022051327", "240040300019162022fd1608132000212400403000172215132000212200210023220120003b240040300018161022fb16081420003b220021003d220127",
		"210000", "2c0007220202" + "2d000827", "2310102208" + "0c2310100d0430010029231010" + "22ff2f2e000327",
	} {
		f.Add(code(f, s))
	}
	f.Add(printfCode("%5d %s %c\n", 1, 0x1010, 'x'))
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := Compile(b)
		if err != nil {
			if !errors.Is(err, ErrCode) {
				t.Fatalf("unknown error %v", err)
			}
			return
		}
		env := testEnv()
		env.Variables, env.Collector, env.Output = vars{}, &collected{}, &bytes.Buffer{}
		v1, err1 := e.Eval(env)
		env = testEnv()
		env.Variables, env.Collector, env.Output = vars{}, &collected{}, &bytes.Buffer{}
		if v2, err2 := e.Eval(env); v1 != v2 || (err1 == nil) != (err2 == nil) {
			t.Fatalf("evaluated twice: %d, %v and %d, %v", v1, err1, v2, err2)
		}
	})
}

func BenchmarkCondition(b *testing.B) {
	e := compile(b, "2600051640162022051327")
	env := testEnv()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := e.Eval(env); err != nil {
			b.Fatal(err)
		}
	}
}
