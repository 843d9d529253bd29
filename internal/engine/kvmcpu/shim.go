package kvmcpu

import (
	"encoding/binary"

	"torov/internal/engine"
	"torov/internal/mm"
)

// The shim is everything that runs at CPL 0. In assembly, all of it:
//
//	entry:      out %al, $portSyscall      # MSR_LSTAR points here
//	            sysretq
//	probe:      syscall
//	            hlt
//	vector N:   out %al, $portException+N  # for N in 0..31
//	            hlt
//
// No instruction changes a register, so that at every exit the general
// registers are the program's. What the stubs cannot keep there (RIP, RFLAGS,
// RSP, the error code) the processor has put into RCX and R11, or on the
// vCPU's own stack. The way back from SYSCALL is the SYSRETQ; from everything
// else the engine loads CS, SS, RIP, RSP and RFLAGS itself.
const (
	// shimBase is where the supervisor's pages are: one with tables and
	// stubs, then one per vCPU.
	shimBase engine.GVA = 0xffffffff80000000
	// entryAddr is the page above the program's half, which no program can
	// map. There are KVMs that enter it with the program's privilege; on
	// those, and only there, the program can read it.
	entryAddr = mm.UserEnd

	gdtOffset   = 0x000
	idtOffset   = 0x100
	stubsOffset = 0x400
	stubSize    = 16
	numVectors  = 32

	cpuPages    = shimBase + 0x10000
	maxShimCPUs = 4096

	portSyscall   = 0x80
	portException = 0xe0
)

// Selectors, in the order that SYSCALL and SYSRET demand; Linux's numbers.
const (
	selKernelCS = 0x10
	selKernelSS = 0x18
	selUserCS32 = 0x23
	selUserSS   = 0x2b
	selUserCS   = 0x33
	selTSS      = 0x40
)

var gdt = [...]uint64{
	selKernelCS / 8: 0x00af9b000000ffff,
	selKernelSS / 8: 0x00cf93000000ffff,
	// Only a number that SYSRET counts from: a program that got to 32-bit code
	// could do a 32-bit SYSCALL, which some KVMs take to the lower half of
	// CSTAR, at CPL 0.
	selUserCS32 / 8: 0,
	selUserSS / 8:   0x00cff3000000ffff,
	selUserCS / 8:   0x00affb000000ffff,
	// TR is loaded by the engine, with its base; no instruction reads a descriptor.
	selTSS / 8: 0, selTSS/8 + 1: 0,
}

// Per-vCPU page: TSS with its I/O permission map, then three stacks.
const (
	tssRSP0      = 0x04
	tssIST1      = 0x24
	tssMapBase   = 0x66
	tssMap       = 0x68
	tssPorts     = 256
	tssLimit     = tssMap + tssPorts/8 // one byte of ones ends the map
	stackDouble  = 0x600               // top of IST 2: double faults
	stackDebug   = 0xa00               // top of IST 1: debug exceptions, NMI, machine checks
	stackTop     = 0x1000              // RSP0
	lowestOnPage = 0x100
)

// ist says which vectors get a stack of their own. A debug exception can come
// in the first instruction after SYSCALL, when RSP is still the program's.
var ist = map[int]byte{engine.VectorDB: 1, 2: 1, engine.VectorMC: 1, engine.VectorDF: 2}

// userGate says which vectors a program may raise by INT n (DPL 3).
var userGate = map[int]bool{engine.VectorBP: true, engine.VectorOF: true}

// hasErrorCode lists the vectors that push an error code (SDM volume 3, 6.3.1).
var hasErrorCode = [numVectors]bool{8: true, 10: true, 11: true, 12: true, 13: true, 14: true, 17: true, 21: true, 29: true, 30: true}

type shim struct {
	mem       *mm.Memory
	table     *mm.ShimTable
	entryPage engine.GPA
	hypercall uint16
}

func newShim(mem *mm.Memory, hypercallPort uint16) (*shim, error) {
	table, err := mm.NewShimTable(mem, shimBase)
	if err != nil {
		return nil, err
	}
	s := &shim{mem: mem, table: table, hypercall: hypercallPort}
	page, err := mem.Alloc(engine.PageSize)
	if err != nil {
		return nil, err
	}
	if s.entryPage, err = mem.Alloc(engine.PageSize); err != nil {
		return nil, err
	}
	entry := mem.Bytes(s.entryPage, engine.PageSize)
	copy(entry, []byte{0xe6, portSyscall, 0x48, 0x0f, 0x07})
	copy(entry[probeOffset:], []byte{0x0f, 0x05, 0xf4})
	writeTables(mem.Bytes(page, engine.PageSize))
	return s, table.Map(shimBase, page, false)
}

// sysretOffset is where the SYSRETQ lies in the entry page.
const sysretOffset = 2

// probeOffset is where it has a SYSCALL of its own, to see what that does.
const probeOffset = 16

func writeTables(b []byte) {
	for i, d := range gdt {
		binary.LittleEndian.PutUint64(b[gdtOffset+8*i:], d)
	}
	for v := range numVectors {
		stub := uint64(shimBase) + stubsOffset + uint64(v)*stubSize
		copy(b[stubsOffset+v*stubSize:], []byte{0xe6, byte(portException + v), 0xf4})
		const presentInterruptGate = 0x8e
		attr := uint64(presentInterruptGate)
		if userGate[v] {
			attr |= 3 << 5
		}
		gate := b[idtOffset+16*v:]
		binary.LittleEndian.PutUint64(gate, stub&0xffff|selKernelCS<<16|uint64(ist[v])<<32|attr<<40|(stub>>16&0xffff)<<48)
		binary.LittleEndian.PutUint64(gate[8:], stub>>32)
	}
}

// newCPUPage makes the page of vCPU id and returns it with its address.
func (s *shim) newCPUPage(id int) ([]byte, engine.GVA, error) {
	gpa, err := s.mem.Alloc(engine.PageSize)
	if err != nil {
		return nil, 0, err
	}
	at := cpuPages + engine.GVA(id)*engine.PageSize
	b := s.mem.Bytes(gpa, engine.PageSize)
	binary.LittleEndian.PutUint64(b[tssRSP0:], uint64(at)+stackTop)
	binary.LittleEndian.PutUint64(b[tssIST1:], uint64(at)+stackDebug)
	binary.LittleEndian.PutUint64(b[tssIST1+8:], uint64(at)+stackDouble)
	binary.LittleEndian.PutUint16(b[tssMapBase:], tssMap)
	for i := tssMap; i <= tssLimit; i++ {
		b[i] = 0xff
	}
	if s.hypercall != 0 {
		allowPort(b, s.hypercall, 4) // OUT of EAX touches four ports
	}
	return b, at, s.table.Map(at, gpa, true)
}

// allowPort opens ports for CPL 3 in the I/O permission map.
func allowPort(page []byte, port uint16, n uint16) {
	for p := port; p < port+n && p < tssPorts; p++ {
		page[tssMap+p/8] &^= 1 << (p % 8)
	}
}
