package kvmcpu

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/mm"
	"torov/kvm"
)

// place says where the processor stands between two runs, and so which way
// leads back to the program.
type place uint8

const (
	inProgram place = iota // CPL 3
	inEntry                // CPL 0, before the SYSRETQ of the system call entry
	inGate                 // CPL 0, in an exception's stub
)

// CPU is one vCPU. See engine.CPU for who may call what.
type CPU struct {
	m    *Machine
	vcpu *kvm.VCPU
	run  *kvm.Run
	id   int
	page []byte     // the shim's page of this vCPU
	at   engine.GVA // its address in the guest

	root       engine.GPA
	place      place
	raw        engine.Regs // what KVM left in the run page
	sregs      kvm.SRegs
	sregsValid bool // sregs is what the vCPU holds
	sregsDirty bool // sregs must be loaded

	debug     engine.Debug
	debugOn   uint32 // control word KVM has
	programTF bool   // the program itself set the trap flag
	stepFrom  engine.Regs
	stepTries int

	tid     atomic.Int32 // the host thread that runs it
	running atomic.Bool  // in Run
	kicked  atomic.Bool
}

// Control register values: what Linux gives programs, as far as it shows at CPL 3.
const (
	cr0      = 0x80050033 // PG AM WP NE ET MP PE
	cr4Base  = 0x620      // OSXMMEXCPT OSFXSR PAE
	cr4FSGS  = 1 << 16
	cr4XSave = 1 << 18
	efer     = 0xd01 // NXE LMA LME SCE

	msrSTAR  = 0xc0000081
	msrLSTAR = 0xc0000082
	msrCSTAR = 0xc0000083
	msrFMask = 0xc0000084

	// syscallMask is what SYSCALL clears: TF, DF, IOPL, NT, RF, AC. IF stays,
	// so that an emulated host keeps its interrupts.
	syscallMask = engine.FlagTF | engine.FlagDF | 3<<12 | 1<<14 | engine.FlagRF | engine.FlagAC

	flagsReset = engine.FlagOne | engine.FlagIF
)

func (m *Machine) newCPU(id int) (*CPU, error) {
	vcpu, err := m.vm.CreateVCPU(id)
	if err != nil {
		return nil, err
	}
	c := &CPU{m: m, vcpu: vcpu, run: vcpu.RunPage(), id: id}
	if err := c.init(); err != nil {
		vcpu.Close()
		return nil, err
	}
	return c, nil
}

func (c *CPU) init() (err error) {
	if c.page, c.at, err = c.m.shim.newCPUPage(c.id); err != nil {
		return err
	}
	if c.m.entryAtCPL3.Load() {
		allowPort(c.page, portSyscall, 1)
	}
	if err := c.vcpu.SetCPUID(c.m.cpuid); err != nil {
		return err
	}
	if err := c.vcpu.SRegs(&c.sregs); err != nil {
		return err
	}
	s := &c.sregs
	s.CR0, s.CR4, s.EFER = cr0, cr4Base, efer
	if c.m.feat.fsgsbase {
		s.CR4 |= cr4FSGS
	}
	if c.m.feat.xsave {
		s.CR4 |= cr4XSave
	}
	s.GDT = kvm.DTable{Base: uint64(shimBase) + gdtOffset, Limit: uint16(len(gdt)*8 - 1)}
	s.IDT = kvm.DTable{Base: uint64(shimBase) + idtOffset, Limit: numVectors*16 - 1}
	s.TR = kvm.Segment{Base: uint64(c.at), Limit: tssLimit, Selector: selTSS, Type: 11, Present: 1}
	s.LDT = kvm.Segment{Unusable: 1}
	c.enterUserSegments()
	if err := c.vcpu.SetSRegs(s); err != nil {
		return err
	}
	if c.m.feat.xcr0 != 0 {
		if err := c.vcpu.SetXCR0(c.m.feat.xcr0); err != nil {
			return err
		}
	}
	c.run.ValidRegs = kvm.SyncRegsGeneral
	return c.vcpu.SetMSRs(
		kvm.MSR{Index: msrSTAR, Data: selUserCS32<<48 | selKernelCS<<32},
		kvm.MSR{Index: msrLSTAR, Data: uint64(entryAddr)},
		// AMD's processors know SYSCALL in 32-bit code too. It must not lead
		// to where the program may have put something.
		kvm.MSR{Index: msrCSTAR, Data: uint64(entryAddr)},
		kvm.MSR{Index: msrFMask, Data: syscallMask})
}

func (c *CPU) enterUserSegments() {
	c.sregs.CS = kvm.Segment{Limit: 0xffffffff, Selector: selUserCS, Type: 11, Present: 1, DPL: 3, S: 1, L: 1, G: 1}
	c.sregs.SS = kvm.Segment{Limit: 0xffffffff, Selector: selUserSS, Type: 3, Present: 1, DPL: 3, S: 1, DB: 1, G: 1}
}

// nullSegment is what a data segment register holds in a 64-bit program.
func nullSegment(base uint64) kvm.Segment {
	return kvm.Segment{Base: base, Limit: 0xffffffff, Type: 3, DPL: 3, S: 1, DB: 1, G: 1, Unusable: 1}
}

// Reset implements engine.CPU. Whoever interrupted the CPU meanwhile is not
// forgotten.
func (c *CPU) Reset(root engine.GPA) error {
	defer c.kicked.Store(true)
	return c.reset(root)
}

func (c *CPU) reset(root engine.GPA) error {
	s := &c.sregs
	c.root, s.CR3, s.CR2 = root, uint64(root), 0
	s.DS, s.ES, s.FS, s.GS = nullSegment(0), nullSegment(0), nullSegment(0), nullSegment(0)
	c.enterUserSegments()
	c.sregsValid, c.sregsDirty, c.place = true, true, inProgram
	*c.Regs() = engine.Regs{RFLAGS: flagsReset}
	c.kicked.Store(false)
	c.tid.Store(int32(unix.Gettid()))
	if err := c.SetDebug(engine.Debug{}); err != nil {
		return err
	}
	var image [kvm.XSaveSize]byte
	initialXSave(&image)
	return c.vcpu.SetXSave(&image)
}

// Release implements engine.CPU: the vCPU waits for the next thread.
func (c *CPU) Release() {
	c.m.mu.Lock()
	defer c.m.mu.Unlock()
	c.m.idle = append(c.m.idle, c)
}

// Interrupt implements engine.CPU. The order matters: the flag, then
// immediate_exit for a CPU that is about to enter, then the signal for one
// that is inside.
func (c *CPU) Interrupt() {
	c.kicked.Store(true)
	c.vcpu.SetImmediateExit(true)
	if c.running.Load() {
		// SIGURG is the signal of Go's own preemption: its runtime always
		// handles it and takes a spurious one. ESRCH means the thread is gone.
		_ = unix.Tgkill(unix.Getpid(), int(c.tid.Load()), unix.SIGURG)
	}
}

// Run implements engine.CPU.
func (c *CPU) Run() (engine.Exit, error) {
	c.running.Store(true)
	defer c.running.Store(false)
	c.stepTries = 0
	for {
		if c.kicked.CompareAndSwap(true, false) {
			c.vcpu.SetImmediateExit(false)
			c.m.exits[countInterrupted].Add(1)
			return engine.Exit{Kind: engine.ExitInterrupted}, nil
		}
		if !canonical(c.Regs().RIP) {
			// No processor gets there, and some KVMs fail to try.
			c.m.exits[countOtherException].Add(1)
			return engine.Exit{Kind: engine.ExitException, Vector: engine.VectorGP}, nil
		}
		if err := c.enter(); err != nil {
			return engine.Exit{}, err
		}
		exit, done, err := c.once()
		if done || err != nil {
			return exit, err
		}
	}
}

// enter prepares the run page so that the vCPU goes on in the program with
// the registers in Regs.
func (c *CPU) enter() error {
	r := c.Regs()
	c.programTF = r.RFLAGS&engine.FlagTF != 0
	c.stepFrom = *r
	c.stepFrom.RFLAGS &^= engine.FlagRF
	switch {
	case c.place == inProgram && !c.sregsDirty:
		c.armTrap(r)
		if *r != c.raw {
			c.run.DirtyRegs = kvm.SyncRegsGeneral
		}
		return nil
	case c.place == inEntry && !c.sregsDirty && !c.debug.Step && r.RIP == r.RCX &&
		r.RFLAGS == r.R11 && r.R11&^(engine.FlagsUser|flagsReset) == 0 && r.RIP < uint64(mm.UserEnd):
		// The registers are as SYSRET would make them: the short way. It would
		// take I/O privilege from R11 too.
		r.RIP, r.RFLAGS = uint64(entryAddr)+sysretOffset, flagsReset
		c.run.DirtyRegs = kvm.SyncRegsGeneral
		return nil
	}
	if err := c.fetchSRegs(); err != nil {
		return err
	}
	c.armTrap(r)
	c.enterUserSegments()
	c.run.Sync.SRegs = c.sregs
	c.run.DirtyRegs = kvm.SyncRegsGeneral | kvm.SyncRegsSystem
	c.sregsDirty = false
	c.place = inProgram
	return nil
}

// armTrap sets the trap flag for a step. KVM_GUESTDBG_SINGLESTEP alone sets
// it only at the RIP that the vCPU had when the ioctl was made; what the
// control bit is needed for is to get the exception out of the guest.
func (c *CPU) armTrap(r *engine.Regs) {
	if c.debug.Step {
		r.RFLAGS |= engine.FlagTF
	}
}

// once enters the guest one time; done is false if it must go in again.
func (c *CPU) once() (exit engine.Exit, done bool, err error) {
	err = c.vcpu.Run()
	c.run.DirtyRegs = 0
	c.raw = *c.Regs()
	switch {
	case err == nil:
	case errors.Is(err, unix.EINTR):
		return c.signalled()
	case errors.Is(err, unix.EFAULT):
		// The host could not provide the memory: a mapped file was cut short.
		c.arrive(inProgram)
		return engine.Exit{Kind: engine.ExitBusError}, true, nil
	default:
		return exit, true, err
	}
	if r := c.run.ExitReason; r < maxReason {
		c.m.exits[r].Add(1)
	}
	return c.decode()
}

// signalled deals with EINTR. Between SYSCALL or an exception and the shim's
// OUT the registers are not the program's, and an exception that KVM has yet
// to deliver would be lost if anybody set them: then the vCPU goes on to its
// exit, which is one instruction away, and the request is answered after it.
func (c *CPU) signalled() (exit engine.Exit, done bool, err error) {
	c.vcpu.SetImmediateExit(false)
	r := c.Regs()
	if r.RIP == uint64(entryAddr)+sysretOffset {
		c.arrive(inEntry)
		if c.m.entryAtCPL3.Load() {
			c.place = inProgram
		}
		r.RIP, r.RFLAGS = r.RCX, r.R11&engine.FlagsUser|flagsReset
		return exit, false, nil
	}
	pending := c.inShim()
	if !pending {
		if pending, err = c.vcpu.ExceptionPending(); err != nil {
			return exit, true, err
		}
	}
	hidden := !pending && c.maybeHidden()
	if !pending && !hidden {
		c.arrive(inProgram)
		return exit, false, nil
	}
	again := c.kicked.Swap(false)
	if hidden {
		exit, done, err = c.bounce()
	} else {
		exit, done, err = c.once()
	}
	if again {
		c.Interrupt()
	}
	return exit, done, err
}

// maybeHidden reports whether a breakpoint exception may be on its way that
// KVM does not own up to: KVM_GET_VCPU_EVENTS leaves software exceptions out,
// trusting that RIP is still at the INT3. That is so on processors; a
// paravirtual KVM has RIP behind it.
func (c *CPU) maybeHidden() bool {
	if !c.m.entryAtCPL3.Load() && c.m.exits[countSyscall].Load() != 0 {
		return false
	}
	b, ok := c.m.mem.Peek(c.root, engine.GVA(c.Regs().RIP-1))
	return ok && b == 0xcc
}

// bounce lets a hidden exception out, or else one instruction pass.
func (c *CPU) bounce() (exit engine.Exit, done bool, err error) {
	if c.debug.Step {
		return c.once()
	}
	d := c.debug
	c.debug.Step = true
	g := kvm.GuestDebug{Control: c.debugOn | kvm.GuestDebugEnable | kvm.GuestDebugSingleStep}
	if err = c.vcpu.SetGuestDebug(&g); err == nil {
		exit, done, err = c.once()
	}
	c.debug = d
	c.debugOn |= kvm.GuestDebugEnable // so that applyDebug writes it again
	if e := c.applyDebug(d, c.m.DebugCaps); err == nil {
		err = e
	}
	if done && exit.Kind == engine.ExitStep {
		done = false
	}
	return exit, done, err
}

func (c *CPU) decode() (exit engine.Exit, done bool, err error) {
	switch c.run.ExitReason {
	case kvm.ExitIO:
		return c.decodeIO()
	case kvm.ExitDebug:
		return c.decodeDebug()
	case kvm.ExitShutdown:
		c.arrive(inProgram)
		return engine.Exit{Kind: engine.ExitShutdown}, true, nil
	case kvm.ExitIntr, kvm.ExitIRQWindowOpen:
		return exit, false, nil
	}
	return exit, true, fmt.Errorf("vCPU %d at %#x: %s", c.id, c.Regs().RIP, c.run.Describe())
}

func (c *CPU) decodeIO() (exit engine.Exit, done bool, err error) {
	io := c.run.IO()
	switch {
	case io.Out && io.Port == portSyscall:
		if c.m.entryAtCPL3.Load() {
			c.arrive(inProgram)
		} else {
			c.arrive(inEntry)
		}
		return c.syscall(), true, nil
	case io.Out && io.Port >= portException && io.Port < portException+numVectors && c.inShim():
		return c.exception(int(io.Port - portException))
	case io.Out && io.Port >= c.m.opt.HypercallPort && c.m.opt.HypercallPort != 0 && io.Port < c.m.opt.HypercallPort+4:
		return c.hypercall(io.Port)
	}
	return c.forbiddenIO()
}

// syscall presents a system call: SYSCALL left RIP in RCX and RFLAGS in R11.
func (c *CPU) syscall() engine.Exit {
	c.m.exits[countSyscall].Add(1)
	r := c.Regs()
	if c.debug.Step && !c.programTF {
		r.R11 &^= engine.FlagTF
	}
	r.RIP, r.RFLAGS = r.RCX, r.R11&engine.FlagsUser|flagsReset
	return engine.Exit{Kind: engine.ExitSyscall}
}

// complete makes KVM finish the I/O instruction that it left the guest for.
func (c *CPU) complete() error {
	c.vcpu.SetImmediateExit(true)
	if err := c.vcpu.Run(); err != nil && !errors.Is(err, unix.EINTR) {
		return err
	}
	if !c.kicked.Load() {
		c.vcpu.SetImmediateExit(false)
	}
	return nil
}

// forbiddenIO presents input, or output to a port that is none of ours, as what
// it is without the port: a general protection fault.
func (c *CPU) forbiddenIO() (exit engine.Exit, done bool, err error) {
	before := *c.Regs()
	if err := c.complete(); err != nil {
		return exit, true, err
	}
	c.arrive(inProgram)
	c.raw, *c.Regs() = *c.Regs(), before
	c.m.exits[countOtherException].Add(1)
	return engine.Exit{Kind: engine.ExitException, Vector: engine.VectorGP}, true, nil
}

// hypercall presents an OUT of the program. Whether RIP is past it depends on
// the KVM, until the instruction has been completed by entering once more.
func (c *CPU) hypercall(port uint16) (exit engine.Exit, done bool, err error) {
	if err := c.complete(); err != nil {
		return exit, true, err
	}
	c.m.exits[countHypercall].Add(1)
	c.arrive(inProgram)
	return engine.Exit{Kind: engine.ExitHypercall, Port: port}, true, nil
}

// exception presents an exception: the processor's frame on the vCPU's stack
// says where the program was.
func (c *CPU) exception(vector int) (exit engine.Exit, done bool, err error) {
	r := c.Regs()
	off := r.RSP - uint64(c.at)
	if off < lowestOnPage || off > stackTop-40 {
		return exit, true, fmt.Errorf("vCPU %d: exception %d with the stack at %#x, outside the shim's", c.id, vector, r.RSP)
	}
	frame := c.page[off:stackTop]
	var code uint64
	if hasErrorCode[vector] && len(frame) >= 48 {
		code, frame = u64(frame), frame[8:]
	}
	rip, cs, flags, rsp := u64(frame), u64(frame[8:]), u64(frame[16:]), u64(frame[24:])
	if vector == engine.VectorDB && rip == uint64(entryAddr) && cs&3 != 3 {
		// The program's trap flag was set at the SYSCALL, and trapped behind
		// it, before the entry's first instruction.
		c.arrive(inGate)
		r.RSP = rsp
		return c.syscall(), true, nil
	}
	if cs&3 != 3 {
		return exit, true, fmt.Errorf("vCPU %d: exception %d, error code %#x, inside the shim at %#x", c.id, vector, code, rip)
	}
	c.arrive(inGate)
	if rip == uint64(entryAddr) && (vector == engine.VectorGP || vector == engine.VectorPF) {
		// Either SYSCALL keeps CPL 3, where the entry and its OUT were not
		// allowed, or the program jumped here.
		cpl3, err := c.syscallKeepsCPL3()
		if err != nil {
			return exit, true, err
		}
		if cpl3 {
			allowPort(c.page, portSyscall, 1)
			r.RSP = rsp
			return c.syscall(), true, nil
		}
	}
	r.RIP, r.RSP, r.RFLAGS = rip, rsp, flags&engine.FlagsUser|flagsReset
	return c.programException(vector, code)
}

// programException presents an exception of the program, whose registers are
// in Regs.
func (c *CPU) programException(vector int, code uint64) (exit engine.Exit, done bool, err error) {
	r := c.Regs()
	if c.debug.Step && !c.programTF {
		r.RFLAGS &^= engine.FlagTF
	}
	exit = engine.Exit{Kind: engine.ExitException, Vector: uint8(vector), ErrorCode: code}
	switch vector {
	case engine.VectorPF:
		c.m.exits[countPageFault].Add(1)
		if err := c.fetchSRegs(); err != nil {
			return exit, true, err
		}
		exit.Addr = engine.GVA(c.sregs.CR2)
		return exit, true, nil
	case engine.VectorGP:
		if n := c.hypercallLength(r); n > 0 {
			// A processor that does not look at the I/O permission map.
			r.RIP += n
			c.m.exits[countHypercall].Add(1)
			return engine.Exit{Kind: engine.ExitHypercall, Port: c.m.opt.HypercallPort}, true, nil
		}
	case engine.VectorBP:
		if c.debug.Breakpoints {
			c.m.exits[countBreakpointByGate].Add(1)
			r.RIP--
			return engine.Exit{Kind: engine.ExitBreakpoint}, true, nil
		}
	case engine.VectorDB:
		if c.debug.Step && !c.programTF {
			c.m.exits[countStepByGate].Add(1)
			return engine.Exit{Kind: engine.ExitStep}, true, nil
		}
	}
	c.m.exits[countOtherException].Add(1)
	return exit, true, nil
}

// hypercallLength returns the length of the instruction at RIP if it is an
// OUT to the hypercall port, 0 if not.
func (c *CPU) hypercallLength(r *engine.Regs) uint64 {
	port := c.m.opt.HypercallPort
	if port == 0 {
		return 0
	}
	op, _ := c.m.mem.Peek(c.root, engine.GVA(r.RIP))
	imm, _ := c.m.mem.Peek(c.root, engine.GVA(r.RIP+1))
	switch {
	case (op == 0xe6 || op == 0xe7) && uint16(imm) == port:
		return 2
	case (op == 0xee || op == 0xef) && uint16(r.RDX) == port:
		return 1
	}
	return 0
}

func u64(b []byte) uint64 { return binary.LittleEndian.Uint64(b) }

// arrive notes where the vCPU stands after an exit.
func (c *CPU) arrive(p place) {
	c.place = p
	c.sregsValid = false
	if p == inProgram && c.debug.Step && !c.programTF {
		c.Regs().RFLAGS &^= engine.FlagTF
	}
}

// inShim reports whether the vCPU, as KVM left it, is inside the shim.
func (c *CPU) inShim() bool {
	rip := c.Regs().RIP
	return rip >= uint64(shimBase) || rip-uint64(entryAddr) < engine.PageSize
}
