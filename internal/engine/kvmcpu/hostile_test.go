package kvmcpu

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"

	"torov/internal/engine"
	"torov/internal/mm"
)

// Programs that want to hurt: whatever a program does ends in an exit that the
// kernel can make a signal of, the engine goes on, and the program stays at
// CPL 3.

// healthy checks that the vCPU still does what it should: a system call at
// CPL 3, with I/O privilege 0, and a fault.
func healthy(t *testing.T, b *bench, after string) {
	t.Helper()
	// syscall; mov %cs,%ebx; pushf; pop %rdx; syscall; hlt
	code := []byte{0x0f, 0x05, 0x8c, 0xcb, 0x9c, 0x5a, 0x0f, 0x05, 0xf4}
	if _, errno := b.as.DebugWrite(codeAddr+0x800, code); errno != 0 {
		t.Fatal(errno)
	}
	// The segments are the program's own affair.
	if err := b.cpu.SetSegs(engine.Segs{CS: selUserCS, SS: selUserSS}); err != nil {
		t.Fatalf("after %s: %v", after, err)
	}
	r := b.cpu.Regs()
	*r = engine.Regs{RIP: uint64(codeAddr) + 0x800, RSP: uint64(stackAddr) + 0x800, RFLAGS: flagsReset}
	for _, want := range []engine.GVA{codeAddr + 0x802, codeAddr + 0x808} {
		if e := b.run(t); e.Kind != engine.ExitSyscall || r.RIP != uint64(want) {
			t.Fatalf("after %s: exit %+v at %#x, want a system call at %#x", after, e, r.RIP, want)
		}
	}
	if r.RBX != selUserCS || r.RDX>>12&3 != 0 {
		t.Fatalf("after %s: CS %#x, flags %#x: the program has privileges", after, r.RBX, r.RDX)
	}
	if e := b.run(t); e.Kind != engine.ExitException || e.Vector != engine.VectorGP {
		t.Fatalf("after %s: HLT gives %+v", after, e)
	}
}

// attack runs code until it leaves the program, and for a moment at most.
func attack(t *testing.T, b *bench, name string, code []byte) engine.Exit {
	t.Helper()
	if _, errno := b.as.DebugWrite(codeAddr, append(code, 0x0f, 0x05, 0xf4)); errno != 0 {
		t.Fatal(errno)
	}
	timer := time.AfterFunc(20*time.Millisecond, b.cpu.Interrupt)
	defer timer.Stop()
	e, err := b.cpu.Run()
	if err != nil {
		t.Fatalf("%s: % x: the engine failed: %v", name, code, err)
	}
	return e
}

func imm64(op []byte, v uint64) []byte { return binary.LittleEndian.AppendUint64(op, v) }

func TestHostilePrograms(t *testing.T) {
	jump := func(v uint64) []byte { return append(imm64([]byte{0x48, 0xb8}, v), 0xff, 0xe0) } // mov $v,%rax; jmp *%rax
	for _, c := range []struct {
		name string
		code []byte
	}{
		{"jump to the entry", jump(uint64(entryAddr))},
		{"jump to the entry's SYSRET", jump(uint64(entryAddr) + sysretOffset)},
		{"jump to the entry with a wild RCX", append(imm64([]byte{0x48, 0xb9}, 1<<62), jump(uint64(entryAddr))...)},
		{"jump to a gate", jump(uint64(shimBase) + stubsOffset)},
		{"jump to the per-CPU page", jump(uint64(cpuPages))},
		{"jump to the border", jump(uint64(mm.UserEnd) - 1)},
		{"jump beyond canonical addresses", jump(1 << 47)},
		{"jump to the top", jump(^uint64(0))},
		{"IN from the system call's port", []byte{0xe4, portSyscall}},
		{"IN from an exception's port", []byte{0xe4, portException}},
		{"IN from the hypercall port", []byte{0xe4, 0x10}},
		{"IN of EAX from the hypercall port", []byte{0xe5, 0x10}},
		{"OUT to the system call's port", []byte{0xe6, portSyscall}},
		{"OUT to the system call's port with a wild RCX", append(imm64([]byte{0x48, 0xb9}, 1<<62), 0xe6, portSyscall)},
		{"OUT to an exception's port", []byte{0xe6, portException + 14}},
		{"OUT between ports", []byte{0x66, 0xba, 0x13, 0x00, 0xef}},
		{"OUTSB to the hypercall port", []byte{0x66, 0xba, 0x10, 0x00, 0x48, 0x8d, 0x35, 0xf0, 0xff, 0xff, 0xff, 0x6e}},
		{"REP OUTSB to the hypercall port", []byte{0x66, 0xba, 0x10, 0x00, 0x48, 0x8d, 0x35, 0xf0, 0xff, 0xff, 0xff, 0xb9, 9, 0, 0, 0, 0xf3, 0x6e}},
		{"INSB from the hypercall port", []byte{0x66, 0xba, 0x10, 0x00, 0x48, 0xbf, 0, 0, 0x50, 0, 0, 0, 0, 0, 0x6c}},
		{"STI", []byte{0xfb}},
		{"POPF of everything", []byte{0x68, 0xff, 0xff, 0xff, 0x7f, 0x9d}},
		{"trap flag over SYSCALL", []byte{0x9c, 0x81, 0x0c, 0x24, 0, 1, 0, 0, 0x9d}},
		{"INT 3", []byte{0xcd, 3}}, {"INT 14", []byte{0xcd, 14}}, {"INT 128", []byte{0xcd, 0x80}}, {"ICEBP", []byte{0xf1}},
		{"SYSENTER", []byte{0x0f, 0x34}}, {"SYSEXIT", []byte{0x0f, 0x35}}, {"SYSRET", []byte{0x48, 0x0f, 0x07}},
		{"IRET to nowhere", []byte{0x48, 0xcf}}, {"SWAPGS", []byte{0x0f, 0x01, 0xf8}},
		{"VMCALL", []byte{0x0f, 0x01, 0xc1}}, {"VMMCALL", []byte{0x0f, 0x01, 0xd9}}, {"UD2", []byte{0x0f, 0x0b}},
		{"WRMSR", []byte{0x0f, 0x30}}, {"mov to CR3", []byte{0x0f, 0x22, 0xd8}}, {"mov to DR7", []byte{0x0f, 0x23, 0xf8}}, {"LGDT", []byte{0x0f, 0x01, 0x14, 0x24}},
		{"null stack segment", []byte{0x31, 0xc0, 0x8e, 0xd0}}, {"data segments", []byte{0xb8, 0x2b, 0, 0, 0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xe0, 0x8e, 0xe8}},
		{"kernel's data segment", []byte{0xb8, 0x18, 0, 0, 0, 0x8e, 0xd8}}, {"TSS as a segment", []byte{0xb8, 0x40, 0, 0, 0, 0x8e, 0xe0}},
		{"wild stack", append(imm64([]byte{0x48, 0xbc}, 1<<62), 0x50)},
		{"wild stack, then a fault", append(imm64([]byte{0x48, 0xbc}, 0xdead<<48), 0x0f, 0x0b)},
		{"wild FS base", append(imm64([]byte{0x48, 0xb8}, 1<<62), 0xf3, 0x48, 0x0f, 0xae, 0xd0)},
		{"bad MXCSR", []byte{0x6a, 0xff, 0x0f, 0xae, 0x14, 0x24}},
		// push $0x23; push $next; lretq: 32-bit code, which does a system call.
		{"32-bit SYSCALL", farTo32(0x0f, 0x05)}, {"32-bit SYSENTER", farTo32(0x0f, 0x34)}, {"32-bit INT 128", farTo32(0xcd, 0x80)},
		{"32-bit OUT", farTo32(0xe6, 0x10)}, {"32-bit fault", farTo32(0x0f, 0x0b)}, {"32-bit INTO", farTo32(0xb0, 0x7f, 0x04, 0x7f, 0xce)},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := program(t)
			b.cpu.Regs().RCX = uint64(codeAddr) + 0x100
			e := attack(t, b, c.name, c.code)
			t.Logf("exit %+v at %#x", e, b.cpu.Regs().RIP)
			healthy(t, b, c.name)
			// The second time may go another way.
			*b.cpu.Regs() = engine.Regs{RIP: uint64(codeAddr), RSP: uint64(stackAddr) + 0x800, RCX: uint64(codeAddr) + 0x100, RFLAGS: flagsReset}
			attack(t, b, c.name, c.code)
			healthy(t, b, c.name+", again")
		})
	}
}

// farTo32 goes to 32-bit code: lea next(%rip),%rax; push $0x23; push %rax; lretq.
func farTo32(code ...byte) []byte {
	return append([]byte{0x48, 0x8d, 0x05, 5, 0, 0, 0, 0x6a, selUserCS32, 0x50, 0x48, 0xcb}, code...)
}

// Registers as a signal frame can leave them: wild addresses and flags.
func TestHostileRegisters(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(r *engine.Regs)
		want uint8 // vector, when RIP is where nothing can run
	}{
		{"RIP just not canonical", func(r *engine.Regs) { r.RIP = 1 << 47 }, engine.VectorGP},
		{"RIP far from canonical", func(r *engine.Regs) { r.RIP = 1 << 62 }, engine.VectorGP},
		{"RIP and RCX not canonical", func(r *engine.Regs) { r.RIP, r.RCX = 1<<62, 1<<62 }, engine.VectorGP},
		{"RIP in the kernel's half", func(r *engine.Regs) { r.RIP = 0xffff800000000000 }, engine.VectorPF},
		{"RIP unmapped", func(r *engine.Regs) { r.RIP = 0x1000 }, engine.VectorPF},
		{"RSP not canonical", func(r *engine.Regs) { r.RSP = 1 << 62 }, 0},
		{"I/O privilege in R11", func(r *engine.Regs) { r.R11 |= 3 << 12 }, 0},
		{"nested task in R11", func(r *engine.Regs) { r.R11 |= 1 << 14 }, 0},
		{"everything in R11", func(r *engine.Regs) { r.R11 = ^uint64(0) }, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := program(t)
			// syscall; pushf; pop %rbx; syscall
			if _, errno := b.as.DebugWrite(codeAddr, []byte{0x0f, 0x05, 0x9c, 0x5b, 0x0f, 0x05}); errno != 0 {
				t.Fatal(errno)
			}
			b.want(t, engine.ExitSyscall, codeAddr+2)
			r := b.cpu.Regs()
			c.set(r)
			at := r.RIP
			e, err := b.cpu.Run()
			if err != nil {
				t.Fatalf("the engine failed: %v", err)
			}
			if c.want != 0 && (e.Kind != engine.ExitException || e.Vector != c.want || r.RIP != at) {
				t.Errorf("exit %+v at %#x, want vector %d at %#x", e, r.RIP, c.want, at)
			}
			if e.Kind == engine.ExitSyscall && r.RBX&(3<<12|1<<14) != 0 {
				t.Errorf("the program's flags are %#x", r.RBX)
			}
			healthy(t, b, c.name)
		})
	}
}

// Random bytes as instructions, with registers that point to memory and beyond.
func TestRandomInstructions(t *testing.T) {
	rounds := 3000
	if testing.Short() {
		rounds = 200
	}
	b := program(t)
	r := rand.New(rand.NewPCG(1, 5))
	pick := func() uint64 {
		return []uint64{0, 1, uint64(dataAddr) + uint64(r.IntN(4096)), uint64(stackAddr) + 0x800, uint64(codeAddr), r.Uint64(), 1 << 62, uint64(entryAddr), uint64(shimBase)}[r.IntN(9)]
	}
	// Prefixes and opcodes that lead somewhere, put in now and then.
	starts := [][]byte{{0x0f}, {0x0f, 0x01}, {0x0f, 0xae}, {0x48}, {0xf3}, {0x66}, {0xf0}, {0xcd}, {0xe4}, {0xe6}, {0xec}, {0x6c}, {0x6e}, {0xea}, {0xcf}, {0x8e}, {0x9d}}
	kinds := map[engine.ExitKind]int{}
	for i := range rounds {
		code := make([]byte, 24)
		for j := range code {
			code[j] = byte(r.Uint32())
		}
		if r.IntN(2) == 0 {
			copy(code, starts[r.IntN(len(starts))])
		}
		regs := b.cpu.Regs()
		*regs = engine.Regs{RAX: pick(), RBX: pick(), RCX: pick(), RDX: pick(), RSI: pick(), RDI: pick(), RBP: pick(), R8: pick(), R11: pick(),
			RSP: uint64(stackAddr) + 0x800, RIP: uint64(codeAddr), RFLAGS: flagsReset | uint64(r.Uint32())&engine.FlagsUser&^engine.FlagTF}
		kinds[attack(t, b, "random code", code).Kind]++
		if i%64 == 0 {
			healthy(t, b, "random code")
		}
	}
	healthy(t, b, "random code")
	t.Logf("exits by kind: %v", kinds)
}
