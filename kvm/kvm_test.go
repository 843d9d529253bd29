package kvm

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// open opens KVM; it skips, or fails where KVM is demanded, when there is none.
func open(t testing.TB) *System {
	t.Helper()
	s, err := Open("")
	if err != nil {
		if os.Getenv("TOROV_REQUIRE_KVM") != "" {
			t.Fatalf("KVM is required here: %v", err)
		}
		t.Skipf("no usable KVM: %v", err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestOpenMissing(t *testing.T) {
	_, err := Open(filepath.Join(t.TempDir(), "kvm"))
	if !errors.Is(err, unix.ENOENT) || !strings.Contains(err.Error(), "load the module kvm_intel or kvm_amd") {
		t.Fatalf("error %v", err)
	}
	var e *Error
	if !errors.As(err, &e) || filepath.Base(e.Op) != "kvm" {
		t.Fatalf("the error does not name the path: %v", err)
	}
}

func TestOpenWithoutPermission(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kvm")
	if err := os.WriteFile(path, nil, 0); err != nil {
		t.Fatal(err)
	}
	if unix.Geteuid() == 0 {
		// Root may open everything, unless this thread's file system id is another.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if _, err := unix.SetfsuidRetUid(65534); err != nil {
			t.Fatal(err)
		}
		defer func() { _, _ = unix.SetfsuidRetUid(0) }()
	}
	_, err := Open(path)
	if !errors.Is(err, unix.EACCES) || !strings.Contains(err.Error(), "add yourself to the group that owns it (usually kvm), or run as root") {
		t.Fatalf("error %v", err)
	}
}

func TestOpenErrors(t *testing.T) {
	for errno, want := range map[unix.Errno]string{
		unix.EPERM: "group that owns it", unix.ENODEV: "load the module", unix.ENXIO: "load the module", unix.EBUSY: "another hypervisor",
	} {
		err := openError("/dev/kvm", errno)
		if !errors.Is(err, errno) || !strings.HasPrefix(err.Error(), "/dev/kvm: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: %q", errno, err)
		}
	}
}

func TestOpenOtherFile(t *testing.T) {
	_, err := Open("/dev/null")
	if !errors.Is(err, unix.ENOTTY) || !strings.Contains(err.Error(), "/dev/null: ") || !strings.Contains(err.Error(), "not a KVM device") {
		t.Fatalf("error %v", err)
	}
}

func TestErrorsNameTheOperation(t *testing.T) {
	vm, err := open(t).CreateVM()
	if err != nil {
		t.Fatal(err)
	}
	defer vm.Close()
	cpu, err := vm.CreateVCPU(0)
	if err != nil {
		t.Fatal(err)
	}
	defer cpu.Close()
	_, again := vm.CreateVCPU(0)
	bad := []struct {
		op    string
		errno error
		err   error
	}{
		{"KVM_CREATE_VCPU", unix.EEXIST, again},
		{"KVM_SET_USER_MEMORY_REGION", unix.EINVAL, vm.SetMemory(0, 0, 1, make([]byte, 1))},
		{"KVM_SET_CPUID2", unix.E2BIG, cpu.SetCPUID(make([]CPUIDEntry, maxCPUIDEntries+1))},
		{"KVM_SET_MSRS", unix.E2BIG, cpu.SetMSRs(make([]MSR, maxMSRs+1)...)},
		{"KVM_SET_XCRS", unix.EINVAL, cpu.SetXCR0(0)}, // x87 cannot be off
	}
	for _, c := range bad {
		var e *Error
		if !errors.As(c.err, &e) || e.Op != c.op || !errors.Is(c.err, c.errno) {
			t.Errorf("%s: error %v, want %v", c.op, c.err, c.errno)
		}
	}
	const lstar, notCanonical = 0xc0000082, 1 << 62
	if err := cpu.SetMSRs(MSR{Index: lstar, Data: notCanonical}); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), "0xc0000082") {
		t.Errorf("LSTAR that is not canonical: %v", err)
	}
}

// tiny is a machine in real mode with one page of memory at 0x1000.
type tiny struct {
	vm  *VM
	cpu *VCPU
	mem []byte
}

const tinyCode = 0x1000

func newTiny(t *testing.T, code ...byte) *tiny {
	t.Helper()
	sys := open(t)
	runtime.LockOSThread()
	m := &tiny{}
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var err error
	m.vm, err = sys.CreateVM()
	fail(err)
	t.Cleanup(func() { m.vm.Close() })
	fail(m.vm.SetTSSAddr(0xfffbd000))
	m.mem, err = unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	fail(err)
	t.Cleanup(func() { _ = unix.Munmap(m.mem) })
	copy(m.mem, code)
	fail(m.vm.SetMemory(0, 0, tinyCode, m.mem))
	m.cpu, err = m.vm.CreateVCPU(0)
	fail(err)
	t.Cleanup(func() { m.cpu.Close() })
	var s SRegs
	fail(m.cpu.SRegs(&s))
	s.CS.Base, s.CS.Selector = 0, 0
	fail(m.cpu.SetSRegs(&s))
	fail(m.cpu.SetRegs(&Regs{RIP: tinyCode, RFLAGS: 0x202, RAX: 40, RBX: 2}))
	return m
}

func (m *tiny) run(t *testing.T, want uint32) *Run {
	t.Helper()
	if err := m.cpu.Run(); err != nil {
		t.Fatal(err)
	}
	r := m.cpu.RunPage()
	if r.ExitReason != want {
		t.Fatalf("%s, want exit %s", r.Describe(), ExitName(want))
	}
	return r
}

func TestTinyVM(t *testing.T) {
	// add %bx,%ax; out %al,$0x17; mov %al,0x1800; hlt
	m := newTiny(t, 0x01, 0xd8, 0xe6, 0x17, 0xa2, 0x00, 0x18, 0xf4)
	r := m.run(t, ExitIO)
	if io := r.IO(); io != (IOExit{Out: true, Size: 1, Port: 0x17, Count: 1}) {
		t.Fatalf("IO %+v", io)
	}
	regs, err := m.cpu.Regs()
	if err != nil || regs.RAX != 42 {
		t.Fatalf("RAX %d, %v", regs.RAX, err)
	}
	m.run(t, ExitHLT)
	if m.mem[0x800] != 42 {
		t.Fatalf("the guest wrote %d", m.mem[0x800])
	}
	if regs, _ = m.cpu.Regs(); regs.RIP != tinyCode+8 {
		t.Fatalf("RIP %#x", regs.RIP)
	}
}

func TestSyncRegs(t *testing.T) {
	m := newTiny(t, 0x01, 0xd8, 0xf4, 0x01, 0xd8, 0xf4) // add %bx,%ax; hlt, twice
	r := m.cpu.RunPage()
	r.ValidRegs = SyncRegsGeneral | SyncRegsSystem
	m.run(t, ExitHLT)
	if r.Sync.Regs.RAX != 42 || r.Sync.Regs.RIP != tinyCode+3 {
		t.Fatalf("regs %+v", r.Sync.Regs)
	}
	var s SRegs
	if err := m.cpu.SRegs(&s); err != nil || s != r.Sync.SRegs {
		t.Fatalf("KVM_GET_SREGS %+v\nsync %+v\n%v", s, r.Sync.SRegs, err)
	}
	r.Sync.Regs.RAX, r.DirtyRegs = 100, SyncRegsGeneral
	m.run(t, ExitHLT)
	if r.Sync.Regs.RAX != 102 {
		t.Fatalf("RAX %d: the dirty registers were not taken", r.Sync.Regs.RAX)
	}
}

func TestImmediateExit(t *testing.T) {
	m := newTiny(t, 0xeb, 0xfe) // 1: jmp 1b
	m.cpu.SetImmediateExit(true)
	if err := m.cpu.Run(); err != unix.EINTR {
		t.Fatalf("error %v", err)
	}
	m.cpu.SetImmediateExit(false)
	tid := unix.Gettid()
	time.AfterFunc(20*time.Millisecond, func() { _ = unix.Tgkill(unix.Getpid(), tid, unix.SIGURG) })
	if err := m.cpu.Run(); err != unix.EINTR {
		t.Fatalf("error %v", err)
	}
}

func TestNoMemory(t *testing.T) {
	m := newTiny(t, 0xa0, 0x00, 0x20, 0xf4) // mov 0x2000,%al; hlt
	if mmio := m.run(t, ExitMMIO).MMIO(); mmio != (MMIOExit{Addr: 0x2000, Len: 1}) {
		t.Fatalf("MMIO %+v", mmio)
	}
}

func TestXSaveAndCPUID(t *testing.T) {
	sys := open(t)
	entries, err := sys.SupportedCPUID()
	if err != nil || len(entries) < 5 || entries[0].Function != 0 {
		t.Fatalf("%d entries, %v", len(entries), err)
	}
	m := newTiny(t, 0xf4)
	if err := m.cpu.SetCPUID(entries); err != nil {
		t.Fatal(err)
	}
	var image [XSaveSize]byte
	if err := m.cpu.XSave(&image); err != nil {
		t.Fatal(err)
	}
	image[160], image[512] = 0xa5, image[512]|2 // XMM0, and that it is not initial
	if err := m.cpu.SetXSave(&image); err != nil {
		t.Fatal(err)
	}
	var again [XSaveSize]byte
	if err := m.cpu.XSave(&again); err != nil || again[160] != 0xa5 {
		t.Fatalf("XMM0 %#x, %v", again[160], err)
	}
	if n, err := sys.CheckExtension(CapUserMemory); err != nil || n == 0 {
		t.Fatalf("KVM_CAP_USER_MEMORY %d, %v", n, err)
	}
}
