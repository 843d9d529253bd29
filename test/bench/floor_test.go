package bench

import (
	"encoding/binary"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"torov/kvm"
)

// Guest-physical addresses of the bare machine, mapped one to one and open to
// CPL 3: page tables, GDT, TSS, system call entry, code.
const (
	addrPML4  = 0x1000
	addrPDPT  = 0x2000
	addrPD    = 0x3000
	addrGDT   = 0x4000
	addrTSS   = 0x5000
	addrEntry = 0x6000
	addrCode  = 0x7000
	memory    = 2 << 20

	kernelCS, userCS, userSS = 0x10, 0x33, 0x2b
	portFloor                = 0x80
	sysret                   = addrEntry + 2
)

// bare makes a vCPU at CPL 3 that executes SYSCALL in a loop.
func bare(b *testing.B) *kvm.VCPU {
	b.Helper()
	check := func(err error) {
		b.Helper()
		if err != nil {
			b.Fatal(err)
		}
	}
	sys, err := kvm.Open("")
	if err != nil {
		b.Skipf("no usable KVM: %v", err)
	}
	vm, err := sys.CreateVM()
	check(err)
	mem, err := unix.Mmap(-1, 0, memory, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS)
	check(err)
	b.Cleanup(func() {
		vm.Close()
		sys.Close()
		_ = unix.Munmap(mem)
	})
	put := func(at int, v uint64) { binary.LittleEndian.PutUint64(mem[at:], v) }
	put(addrPML4, addrPDPT|7)
	put(addrPDPT, addrPD|7)
	put(addrPD, 0x87)
	put(addrGDT+kernelCS, 0x00af9b000000ffff)
	put(addrGDT+0x18, 0x00cf93000000ffff)
	put(addrGDT+0x20, 0x00cffb000000ffff)
	put(addrGDT+0x28, 0x00cff3000000ffff)
	put(addrGDT+0x30, 0x00affb000000ffff)
	binary.LittleEndian.PutUint16(mem[addrTSS+0x66:], 0x68) // I/O map: all ports open
	copy(mem[addrEntry:], []byte{0xe6, portFloor, 0x48, 0x0f, 0x07})
	copy(mem[addrCode:], []byte{0x0f, 0x05, 0xeb, 0xfc})
	check(vm.SetMemory(0, 0, 0, mem))
	cpu, err := vm.CreateVCPU(0)
	check(err)
	b.Cleanup(func() { cpu.Close() })
	cpuid, err := sys.SupportedCPUID()
	check(err)
	check(cpu.SetCPUID(cpuid))
	var s kvm.SRegs
	check(cpu.SRegs(&s))
	s.CR0, s.CR3, s.CR4, s.EFER = 0x80050033, addrPML4, 0x620, 0xd01
	s.GDT = kvm.DTable{Base: addrGDT, Limit: 0x37}
	s.TR = kvm.Segment{Base: addrTSS, Limit: 0x88, Selector: 0x40, Type: 11, Present: 1}
	s.CS = kvm.Segment{Limit: 0xffffffff, Selector: userCS, Type: 11, Present: 1, DPL: 3, S: 1, L: 1, G: 1}
	s.SS = kvm.Segment{Limit: 0xffffffff, Selector: userSS, Type: 3, Present: 1, DPL: 3, S: 1, DB: 1, G: 1}
	check(cpu.SetSRegs(&s))
	check(cpu.SetMSRs(
		kvm.MSR{Index: 0xc0000081, Data: 0x23<<48 | kernelCS<<32}, kvm.MSR{Index: 0xc0000082, Data: addrEntry},
		kvm.MSR{Index: 0xc0000084, Data: 0x100}))
	check(cpu.SetRegs(&kvm.Regs{RIP: addrCode, RSP: memory, RFLAGS: 0x202}))
	return cpu
}

// floor is the cheapest loop of the same shape as a system call of torov:
// SYSCALL, OUT, registers through the run page, back.
func floor(b *testing.B) part {
	b.Helper()
	runtime.LockOSThread()
	b.Cleanup(runtime.UnlockOSThread)
	cpu := bare(b)
	run := cpu.RunPage()
	run.ValidRegs = kvm.SyncRegsGeneral
	step := func() {
		err := cpu.Run()
		for run.DirtyRegs = 0; err == unix.EINTR; {
			err = cpu.Run() // a signal of Go's runtime: not an exit of the guest's
		}
		if err != nil {
			b.Fatal(err)
		}
		if run.ExitReason != kvm.ExitIO || run.IO().Port != portFloor {
			b.Fatalf("exit: %s", run.Describe())
		}
	}
	step()
	var s kvm.SRegs
	if err := cpu.SRegs(&s); err != nil {
		b.Fatal(err)
	}
	cpl3 := s.CS.Selector&3 == 3
	return part{"floor", func(*testing.B) float64 {
		begin := time.Now()
		for range syscallCount {
			r := &run.Sync.Regs
			r.RAX = 1
			if cpl3 {
				r.RIP, r.RFLAGS = r.RCX, r.R11
			} else {
				r.RIP, r.RFLAGS = sysret, 0x202
			}
			run.DirtyRegs = kvm.SyncRegsGeneral
			step()
		}
		return float64(time.Since(begin).Nanoseconds()) / syscallCount
	}}
}
