package kvmcpu

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"time"
	"unsafe"

	"torov/internal/engine"
	"torov/internal/mm"
	"torov/kvm"
)

// requireKVM skips, or fails where KVM is demanded, when there is none.
func requireKVM(t testing.TB) {
	t.Helper()
	sys, err := kvm.Open("")
	if err != nil {
		if os.Getenv("TOROV_REQUIRE_KVM") != "" {
			t.Fatalf("KVM is required here: %v", err)
		}
		t.Skipf("no usable KVM: %v", err)
	}
	sys.Close()
}

const (
	codeAddr  engine.GVA = 0x400000
	dataAddr  engine.GVA = 0x500000
	stackAddr engine.GVA = 0x600000
)

type bench struct {
	m   *Machine
	as  *mm.AddressSpace
	cpu engine.CPU
}

// program makes a machine with one CPU about to run code.
func program(t testing.TB, code ...byte) *bench {
	t.Helper()
	requireKVM(t)
	runtime.LockOSThread()
	m, err := New(Options{Memory: 64 << 20, HypercallPort: 0x10})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	as, err := m.NewSpace(mm.UserEnd)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range []mm.MapRequest{
		{Addr: codeAddr, Length: 0x1000, Prot: mm.ProtRead | mm.ProtExec},
		{Addr: dataAddr, Length: 0x1000, Prot: mm.ProtRead | mm.ProtWrite},
		{Addr: stackAddr, Length: 0x1000, Prot: mm.ProtRead | mm.ProtWrite},
	} {
		r.Fixed = true
		if _, errno := as.Map(r); errno != 0 {
			t.Fatal(errno)
		}
	}
	if _, errno := as.DebugWrite(codeAddr, code); errno != 0 {
		t.Fatal(errno)
	}
	cpu, err := m.NewCPU(as.Root())
	if err != nil {
		t.Fatal(err)
	}
	cpu.Regs().RIP, cpu.Regs().RSP = uint64(codeAddr), uint64(stackAddr)+0x1000
	return &bench{m, as, cpu}
}

func (b *bench) run(t testing.TB) engine.Exit {
	t.Helper()
	e, err := b.cpu.Run()
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func (b *bench) want(t testing.TB, kind engine.ExitKind, rip engine.GVA) engine.Exit {
	t.Helper()
	e := b.run(t)
	if e.Kind != kind || b.cpu.Regs().RIP != uint64(rip) {
		t.Fatalf("exit %+v at %#x, want kind %d at %#x", e, b.cpu.Regs().RIP, kind, rip)
	}
	return e
}

func TestLayout(t *testing.T) {
	if unsafe.Sizeof(engine.Regs{}) != unsafe.Sizeof(kvm.Regs{}) ||
		unsafe.Offsetof(engine.Regs{}.R8) != unsafe.Offsetof(kvm.Regs{}.R8) ||
		unsafe.Offsetof(engine.Regs{}.RFLAGS) != unsafe.Offsetof(kvm.Regs{}.RFLAGS) {
		t.Fatal("engine.Regs and kvm.Regs differ")
	}
}

func TestSyscallRoundTrip(t *testing.T) {
	// mov $39,%eax; syscall; mov %rax,%rbx; syscall
	b := program(t, 0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0x48, 0x89, 0xc3, 0x0f, 0x05)
	for i := range 3 {
		b.want(t, engine.ExitSyscall, codeAddr+7)
		if b.cpu.Regs().RAX != 39 {
			t.Fatalf("RAX %d", b.cpu.Regs().RAX)
		}
		b.cpu.Regs().RAX = 0x1234567890 + uint64(i)
		b.want(t, engine.ExitSyscall, codeAddr+12)
		r := b.cpu.Regs()
		if r.RBX != 0x1234567890+uint64(i) || r.RSP != uint64(stackAddr)+0x1000 {
			t.Fatalf("RBX %#x RSP %#x", r.RBX, r.RSP)
		}
		r.RIP = uint64(codeAddr)
	}
}

func TestExceptions(t *testing.T) {
	for _, c := range []struct {
		name   string
		code   []byte
		vector uint8
		at     engine.GVA
		addr   engine.GVA
		err    uint64
	}{
		{"read unmapped", []byte{0x8b, 0x04, 0x25, 0, 0, 0x70, 0}, engine.VectorPF, 0, 0x700000, engine.FaultUser},
		{"write read-only", []byte{0x89, 0x04, 0x25, 0, 0, 0x40, 0}, engine.VectorPF, 0, codeAddr, engine.FaultUser | engine.FaultWrite | engine.FaultPresent},
		{"divide", []byte{0x31, 0xc9, 0xf7, 0xf1}, engine.VectorDE, 2, 0, 0},
		{"ud2", []byte{0x0f, 0x0b}, engine.VectorUD, 0, 0, 0},
		{"hlt", []byte{0xf4}, engine.VectorGP, 0, 0, 0},
		{"int3", []byte{0xcc}, engine.VectorBP, 1, 0, 0},
		{"out to a closed port", []byte{0xe6, 0x81}, engine.VectorGP, 0, 0, 0},
		{"cli", []byte{0xfa}, engine.VectorGP, 0, 0, 0},
		{"write to the shim", []byte{0x89, 0x04, 0x25, 0, 0, 0, 0x80}, engine.VectorPF, 0, shimBase, engine.FaultUser | engine.FaultWrite | engine.FaultPresent},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := program(t, c.code...)
			e := b.want(t, engine.ExitException, codeAddr+c.at)
			if e.Vector != c.vector || e.Addr != c.addr || e.ErrorCode != c.err {
				t.Fatalf("exit %+v, want vector %d addr %#x error code %#x", e, c.vector, c.addr, c.err)
			}
			// The way back works too: skip the instruction, do a system call.
			b.as.DebugWrite(codeAddr+0x100, []byte{0x0f, 0x05})
			b.cpu.Regs().RIP = uint64(codeAddr) + 0x100
			b.want(t, engine.ExitSyscall, codeAddr+0x102)
		})
	}
}

func TestHypercallPort(t *testing.T) {
	// mov $499,%eax; out %eax,$0x10; mov %eax,%ebx; syscall
	b := program(t, 0xb8, 0xf3, 1, 0, 0, 0xe7, 0x10, 0x89, 0xc3, 0x0f, 0x05)
	b.want(t, engine.ExitHypercall, codeAddr+7)
	if b.cpu.Regs().RAX != 499 {
		t.Fatalf("RAX %d", b.cpu.Regs().RAX)
	}
	b.cpu.Regs().RAX = 77
	b.want(t, engine.ExitSyscall, codeAddr+11)
	if b.cpu.Regs().RBX != 77 {
		t.Fatalf("RBX %d", b.cpu.Regs().RBX)
	}
}

func TestSegmentBases(t *testing.T) {
	// mov %fs:0,%eax; syscall
	b := program(t, 0x64, 0x8b, 0x04, 0x25, 0, 0, 0, 0, 0x0f, 0x05, 0x65, 0x8b, 0x04, 0x25, 0, 0, 0, 0, 0x0f, 0x05)
	b.as.CopyOut(dataAddr, []byte{1, 2, 3, 4, 5, 6, 7, 8})
	s, err := b.cpu.Segs()
	if err != nil {
		t.Fatal(err)
	}
	s.FSBase, s.GSBase = uint64(dataAddr), uint64(dataAddr)+4
	if err := b.cpu.SetSegs(s); err != nil {
		t.Fatal(err)
	}
	b.want(t, engine.ExitSyscall, codeAddr+10)
	if got := b.cpu.Regs().RAX; got != 0x04030201 {
		t.Fatalf("fs:0 is %#x", got)
	}
	b.want(t, engine.ExitSyscall, codeAddr+20)
	if got := b.cpu.Regs().RAX; got != 0x08070605 {
		t.Fatalf("gs:0 is %#x", got)
	}
	if got, _ := b.cpu.Segs(); got.FSBase != uint64(dataAddr) || got.CS != selUserCS {
		t.Fatalf("segs %+v", got)
	}
}

func TestInterrupt(t *testing.T) {
	b := program(t, 0x48, 0xff, 0xc0, 0xeb, 0xfb) // 1: inc %rax; jmp 1b
	b.cpu.Interrupt()
	if e := b.run(t); e.Kind != engine.ExitInterrupted {
		t.Fatalf("exit %+v", e)
	}
	// Slow machines may be asked again before the guest ran at all.
	last, progress := uint64(0), 0
	for round := 0; progress < 20; round++ {
		time.AfterFunc(5*time.Millisecond, b.cpu.Interrupt)
		if e := b.run(t); e.Kind != engine.ExitInterrupted {
			t.Fatalf("exit %+v", e)
		}
		r := b.cpu.Regs()
		if r.RAX < last || r.RIP != uint64(codeAddr) && r.RIP != uint64(codeAddr)+3 || round > 1000 {
			t.Fatalf("RAX %d after %d, RIP %#x, round %d", r.RAX, last, r.RIP, round)
		}
		if r.RAX > last {
			progress++
		}
		last = r.RAX
	}
}

// A stream of requests must neither be lost nor break system calls.
func TestInterruptDuringSyscalls(t *testing.T) {
	b := program(t, 0x0f, 0x05, 0xcc, 0xeb, 0xfb) // 1: syscall; int3; jmp 1b
	stop, stopped := make(chan bool), make(chan bool)
	go func() {
		defer close(stopped)
		for {
			select {
			case <-stop:
				return
			default:
				b.cpu.Interrupt()
				time.Sleep(50 * time.Microsecond)
			}
		}
	}()
	defer func() { close(stop); <-stopped }()
	want, interrupts := engine.ExitSyscall, 0
	for n := 0; n < 2000; {
		e := b.run(t)
		switch {
		case e.Kind == engine.ExitInterrupted:
			interrupts++
			r := b.cpu.Regs()
			r.RBX++ // somebody changes registers: nothing pending may get lost
			if rip := engine.GVA(r.RIP); rip < codeAddr || rip > codeAddr+5 {
				t.Fatalf("interrupted at %#x", rip)
			}
		case want == engine.ExitSyscall && e.Kind == want:
			n, want = n+1, engine.ExitException
		case want == engine.ExitException && e.Kind == want && e.Vector == engine.VectorBP:
			n, want = n+1, engine.ExitSyscall
		default:
			t.Fatalf("exit %+v at %#x after %d, want kind %d", e, b.cpu.Regs().RIP, n, want)
		}
	}
	if interrupts == 0 {
		t.Error("no interrupt came through")
	}
}

func TestProtectionTakesEffect(t *testing.T) {
	// 1: mov %eax,dataAddr; syscall; jmp 1b
	b := program(t, 0x89, 0x04, 0x25, 0, 0, 0x50, 0, 0x0f, 0x05, 0xeb, 0xf5)
	b.want(t, engine.ExitSyscall, codeAddr+9)
	b.as.Protect(dataAddr, 0x1000, mm.ProtRead)
	if e := b.want(t, engine.ExitException, codeAddr); e.Addr != dataAddr {
		t.Fatalf("exit %+v", e)
	}
	b.as.Protect(dataAddr, 0x1000, mm.ProtRead|mm.ProtWrite)
	b.want(t, engine.ExitSyscall, codeAddr+9)
	b.as.Unmap(dataAddr, 0x1000)
	if e := b.want(t, engine.ExitException, codeAddr); e.Addr != dataAddr || e.ErrorCode&engine.FaultPresent != 0 {
		t.Fatalf("exit %+v", e)
	}
}

func TestFreshXSave(t *testing.T) {
	b := program(t, 0x0f, 0x05)
	image, err := b.cpu.XSave()
	if err != nil {
		t.Fatal(err)
	}
	if len(image) != b.m.XSaveSize() || image[xsFCW] != 0x7f || image[xsFCW+1] != 3 {
		t.Fatalf("%d bytes, FCW %x", len(image), image[:2])
	}
	for i := range image {
		if i >= 160 && i < 416 { // XMM registers
			image[i] = byte(i)
		}
	}
	image[xsCompBV+7], image[xsMXCSR+3] = 0x80, 0xff // would fault if it got through
	if err := b.cpu.SetXSave(image); err != nil {
		t.Fatal(err)
	}
	b.want(t, engine.ExitSyscall, codeAddr+2)
	again, err := b.cpu.XSave()
	if err != nil || again[200] != 200 {
		t.Fatalf("XMM byte %d, %v", again[200], err)
	}
}

func TestTooManyCPUs(t *testing.T) {
	b := program(t, 0x0f, 0x05)
	b.m.maxCPUs = 2
	if _, err := b.m.NewCPU(b.as.Root()); err != nil {
		t.Fatal(err)
	}
	if _, err := b.m.NewCPU(b.as.Root()); !errors.Is(err, ErrTooManyCPUs) {
		t.Fatalf("error %v", err)
	}
	b.cpu.Release()
	if _, err := b.m.NewCPU(b.as.Root()); err != nil {
		t.Fatalf("a released vCPU is not used again: %v", err)
	}
}
