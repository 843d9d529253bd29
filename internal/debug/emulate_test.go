package debug_test

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// moved is an instruction, and whether the debugger does it itself.
type moved struct {
	code     string
	emulated bool
}

// The buffer is 256 bytes; RBX, RBP and RSP point into it, RCX is 3.
var movedInstructions = []moved{
	{"8903", true},                  // mov %eax,(%rbx)
	{"488903", true},                // mov %rax,(%rbx)
	{"44884b05", true},              // mov %r9b,5(%rbx)
	{"40887301", true},              // mov %sil,1(%rbx)
	{"887301", false},               // mov %dh,1(%rbx)
	{"668903", false},               // mov %ax,(%rbx)
	{"c644cb105a", true},            // movb $0x5a,0x10(%rbx,%rcx,8)
	{"48c703ffffffff", true},        // movq $-1,(%rbx)
	{"c70378563412", true},          // movl $0x12345678,(%rbx)
	{"8b4304", true},                // mov 4(%rbx),%eax
	{"488b448bf8", true},            // mov -8(%rbx,%rcx,4),%rax
	{"4c8b3c24", true},              // mov (%rsp),%r15
	{"8a03", false},                 // mov (%rbx),%al
	{"b878563412", true},            // mov $0x12345678,%eax
	{"48b8efcdab9078563412", true},  // movabs $0x1234567890abcdef,%rax
	{"48c7c080000000", true},        // mov $0x80,%rax
	{"49c7c080ffffff", true},        // mov $-0x80,%r8
	{"4889e5", true},                // mov %rsp,%rbp
	{"89d2", true},                  // mov %edx,%edx
	{"4589d1", true},                // mov %r10d,%r9d
	{"0fb603", true},                // movzbl (%rbx),%eax
	{"440fb74302", true},            // movzwl 2(%rbx),%r8d
	{"480fb6c2", true},              // movzbq %dl,%rax
	{"0fb6c6", false},               // movzbl %dh,%eax
	{"0fbe03", true},                // movsbl (%rbx),%eax
	{"4c0fbe03", true},              // movsbq (%rbx),%r8
	{"480fbf4302", true},            // movswq 2(%rbx),%rax
	{"486303", true},                // movslq (%rbx),%rax
	{"4863c2", true},                // movslq %edx,%rax
	{"8d448b10", true},              // lea 0x10(%rbx,%rcx,4),%eax
	{"488d0510000000", true},        // lea 0x10(%rip),%rax
	{"678d4310", false},             // lea 0x10(%ebx),%eax
	{"488b0510000000", true},        // mov 0x10(%rip),%rax
	{"50", true},                    // push %rax
	{"4157", true},                  // push %r15
	{"54", true},                    // push %rsp
	{"6aff", true},                  // push $-1
	{"6878563492", true},            // push $-0x6dcba988
	{"ff33", false},                 // push (%rbx)
	{"90", true},                    // nop
	{"0f1f4000", true},              // nopl 0(%rax)
	{"4190", false},                 // xchg %r8,%rax
	{"48870b", false},               // xchg %rcx,(%rbx)
	{"480103", false},               // add %rax,(%rbx)
	{"4883ec20", false},             // sub $0x20,%rsp
	{"488983bc0e0000", false},       // mov %rax,0xebc(%rbx): ends on the next page
	{"48890500000000", false},       // mov %rax,0(%rip): its own text, a fault
	{"48890425000000", false},       // mov %rax,0x...: no memory there
	{"488b042500100000", false},     // mov 0x1000,%rax: no memory there
	{"64488b042500000000", false},   // mov %fs:0,%rax
	{"8ed8", false},                 // mov %eax,%ds
	{"8cd8", false},                 // mov %ds,%eax
	{"48a30000000000007f00", false}, // movabs %rax,0x7f000000000000: no memory
	{"f3a4", false},                 // rep movsb
	{"488d00", true},                // lea (%rax),%rax
	{"4c8d9c24f0ffffff", true},      // lea -0x10(%rsp),%r11
	{"c645ff80", true},              // movb $-0x80,-1(%rbp)
	{"c7442404ffffff7f", true},      // movl $0x7fffffff,4(%rsp)
	{"66c703ffff", false},           // movw $-1,(%rbx)
	{"49bf0000000000000080", true},  // movabs $1<<63,%r15
	{"41bf000000802e", true},        // mov $0x80000000,%r15d
	{"480fb70b", true},              // movzwq (%rbx),%rcx
	{"0fbfc2", true},                // movswl %dx,%eax
	{"0fbec2", true},                // movsbl %dl,%eax
	{"440fb6c6", true},              // movzbl %sil,%r8d
}

// emulation is a program that stands and is made to do single instructions.
type emulation struct {
	*client
	pc, buffer uint64
}

// prepare puts code and known values where the instruction finds them.
func (e *emulation) prepare(code string) {
	e.t.Helper()
	pattern := make([]byte, 256)
	for i := range pattern {
		pattern[i] = byte(i*37 + 0x80)
	}
	e.want("OK", "M%x,100:%x", e.buffer, pattern)
	e.want("OK", "M%x,20:%s%s", e.pc, code, strings.Repeat("90", 0x20-len(code)/2))
	for num, v := range map[int]uint64{
		0: 0x8877665544332211, 1: e.buffer + 64, 2: 3, 3: 0x99aabbcc80ff8182, 4: e.buffer + 0xa1, 5: e.buffer + 0xb2,
		6: e.buffer + 128, regRSP: e.buffer + 192, 8: 0x0102030405060708, 9: 0xf1f2f3f4f5f6f7f8, 10: 0xfedcba9876543210,
		11: 0, 15: 0x1111111122222222, regRIP: e.pc, 17: 0x202,
	} {
		e.want("OK", "P%x=%x", num, binary.LittleEndian.AppendUint64(nil, v)[:len(e.cmd("p%x", num))/2])
	}
}

// state is all that the instruction may have changed, after a reply.
func (e *emulation) state(reply string) string {
	return reply[:3] + " " + e.cmd("g") + " " + e.cmd("m%x,100", e.buffer)
}

// steps is how often the engine has single-stepped.
func (c *client) steps() (n int) {
	c.t.Helper()
	if err := c.send("qRcmd," + hex.EncodeToString([]byte("exits"))); err != nil {
		c.t.Fatal(err)
	}
	var text strings.Builder
	for {
		reply, err := c.reply()
		if err != nil {
			c.t.Fatal(err)
		}
		if reply == "OK" {
			break
		}
		part, _ := hex.DecodeString(strings.TrimPrefix(reply, "O"))
		text.Write(part)
	}
	for _, m := range regexp.MustCompile(`step-by-\w+\s+(\d+)`).FindAllStringSubmatch(text.String(), -1) {
		k := 0
		fmt.Sscan(m[1], &k)
		n += k
	}
	return n
}

func startEmulation(t *testing.T) *emulation {
	t.Helper()
	c := dial(t, start(t, "basic"))
	c.wantPrefix("T05", "?")
	main := symbol(t, "basic", "main")
	c.want("OK", "Z0,%x,1", main)
	c.wantPrefix("T05swbreak:;", "vCont;c")
	c.want("OK", "z0,%x,1", main)
	return &emulation{c, main, c.register(regRSP)&^0xfff - 0x2000 + 0x100}
}

// TestEmulatedLikeStepped: a breakpoint whose condition is false leaves behind
// what a single step leaves behind, whether its instruction is stepped or done
// by the debugger.
func TestEmulatedLikeStepped(t *testing.T) {
	e := startEmulation(t)
	for _, in := range movedInstructions {
		n := uint64(len(in.code) / 2)
		e.prepare(in.code)
		want := e.state(e.cmd("vCont;s"))

		e.prepare(in.code)
		e.want("OK", "Z0,%x,1;X3,220027", e.pc) // const8 0, end: never
		end := e.pc + n
		if strings.HasPrefix(want, "T05") {
			end = little(t, want[4+16*16:4+17*16])
		}
		e.want("OK", "Z0,%x,1", end)
		before := e.steps()
		got := e.state(e.wantPrefix("T", "vCont;c"))
		stepped := e.steps() != before
		e.want("OK", "z0,%x,1", e.pc)
		e.want("OK", "z0,%x,1", end)
		if got != want {
			t.Errorf("%s: registers and memory after a step and after a breakpoint:\n%s\n%s", in.code, want, got)
		}
		if strings.HasPrefix(want, "T05") && stepped == in.emulated {
			t.Errorf("%s: stepped %v", in.code, stepped)
		}
	}
}

// TestEmulatedWatch: the same for stores to a page that is guarded, beside what
// is watched and into it.
func TestEmulatedWatch(t *testing.T) {
	e := startEmulation(t)
	const store = "488903" // mov %rax,(%rbx), which is buffer+64
	for _, c := range []struct {
		offset uint64
		stop   string
	}{{128, "T05swbreak"}, {0, "T05watch"}} {
		e.prepare(store)
		e.want("OK", "Z2,%x,48", e.buffer+c.offset) // more than debug registers watch
		e.want("OK", "Z0,%x,1", e.pc+3)
		before := e.steps()
		stop := e.cmd("vCont;c")
		if !strings.HasPrefix(stop, c.stop) || e.register(regRIP) != e.pc+3 || e.word(e.buffer+64) != 0x8877665544332211 {
			t.Errorf("watch at +%d: %s at %#x, %#x", c.offset, stop, e.register(regRIP), e.word(e.buffer+64))
		}
		if e.steps() != before {
			t.Errorf("watch at +%d: stepped", c.offset)
		}
		e.want("OK", "z0,%x,1", e.pc+3)
		e.want("OK", "z2,%x,48", e.buffer+c.offset)
	}
}

// TestEmulatedRange: a step over a range passes through the same states as
// single steps, and stops at breakpoints on its way.
func TestEmulatedRange(t *testing.T) {
	c := dial(t, start(t, "basic"))
	c.wantPrefix("T05", "?")
	from := symbol(t, "basic", "add")
	c.want("OK", "Z0,%x,1", from)
	c.wantPrefix("T05swbreak:;", "vCont;c")
	c.want("OK", "z0,%x,1", from)
	to, states := from, []string{c.cmd("g")}
	var places []uint64
	for pc := from; pc >= from && pc <= to+15; pc = c.register(regRIP) {
		places, to = append(places, pc), max(to, pc)
		c.wantPrefix("T05", "vCont;s")
		states = append(states, c.cmd("g"))
	}
	places = append(places, c.register(regRIP))
	if len(places) < 8 {
		t.Fatalf("add has %d instructions", len(places)-1)
	}
	for i := 1; i < len(places); i++ {
		c.want("OK", "G%s", states[0])
		c.want("OK", "Z0,%x,1", places[i])
		c.wantPrefix("T05", "vCont;r%x,%x", from, to+1)
		if got := c.cmd("g"); got != states[i] {
			t.Errorf("at instruction %d, %#x:\n%s, not\n%s", i, places[i], got, states[i])
		}
		c.want("OK", "z0,%x,1", places[i])
	}
	c.want("OK", "G%s", states[0])
	before := c.steps()
	c.wantPrefix("T05", "vCont;r%x,%x", from, to+1)
	if n := c.steps() - before; n >= len(places)-1 {
		t.Errorf("%d single steps for %d instructions", n, len(places)-1)
	}
}
