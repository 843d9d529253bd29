package kernel

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"torov/internal/engine"
	"torov/internal/linux"
	"torov/internal/mm"
)

// Thread is one thread of the program: a CPU of the engine on a host thread of
// its own. Its fields without a lock belong to its goroutine, and to the
// tracer while an event of the thread is being handled.
type Thread struct {
	Proc *Process
	TID  int
	CPU  engine.CPU

	// OrigRAX is the number of the system call the thread is in, -1 outside.
	// A tracer that changes it to -1 keeps the call from being restarted.
	OrigRAX int64

	ClearTID   engine.GVA // set_tid_address: zeroed and woken at the end
	RobustList engine.GVA
	AltStack   linux.Stack
	Name       atomic.Pointer[string] // nil: the process's

	pending   sigqueue
	blocked   atomic.Uint64 // linux.SigSet
	savedMask *linux.SigSet // to restore when the handler has been set up
	restart   func(t *Thread) (uint64, linux.Errno)
	callSize  uint64 // length of the instruction that made the call
	fault     faultState
	aside     aside

	wakeMu    sync.RWMutex // held for writing to close wakeFD
	wakeFD    atomic.Int32 // eventfd, -1 until the thread first waits
	paused    atomic.Bool  // somebody asked for EventPause
	dead      bool
	condemned atomic.Bool // another thread wants to be alone (execve)
	abandoned bool        // the tracer changed registers under a blocked call
	status    ExitStatus
	waiting   atomic.Pointer[string] // what for, for people who look
}

// faultState is what the last exception left, for signal frames.
type faultState struct {
	vector, code, cr2 uint64
}

// Regs returns the general registers.
func (t *Thread) Regs() *engine.Regs { return t.CPU.Regs() }

// Kernel returns the kernel the thread belongs to.
func (t *Thread) Kernel() *Kernel { return t.Proc.Kernel }

// Dying reports whether the thread is about to end with its process.
func (t *Thread) Dying() bool { return t.dead || t.condemned.Load() || t.Proc.isExiting() }

// Comm is the thread's name, as in /proc/PID/comm.
func (t *Thread) Comm() string {
	if n := t.Name.Load(); n != nil {
		return *n
	}
	return *t.Proc.Comm.Load()
}

// Waiting says what the thread waits for, "" if it runs.
func (t *Thread) Waiting() string {
	if s := t.waiting.Load(); s != nil {
		return *s
	}
	return ""
}

// start runs a new thread on a goroutine of its own. setup runs there first,
// with the CPU made, and decides whether the thread comes to life.
func (p *Process) start(t *Thread, setup func(cpu engine.CPU) error) error {
	k := p.Kernel
	t.wakeFD.Store(-1)
	t.OrigRAX = -1
	ready := make(chan error, 1)
	k.running.Add(1)
	go func() {
		defer k.running.Done()
		// The thread stays locked: when the goroutine ends, so does the host
		// thread, and KVM's binding of the vCPU to it.
		runtime.LockOSThread()
		cpu, err := k.machine.NewCPU(p.AS().Root())
		if err != nil {
			ready <- err
			return
		}
		defer cpu.Release()
		t.CPU = cpu
		if t.TID == 0 {
			k.mu.Lock()
			t.TID = k.newID()
			k.mu.Unlock()
		}
		if err := setup(cpu); err != nil {
			ready <- err
			return
		}
		k.mu.Lock()
		k.threads[t.TID] = t
		p.threads = append(p.threads, t)
		k.mu.Unlock()
		if tr := p.tracer(); tr != nil {
			tr.Created(t)
		}
		ready <- nil
		t.main()
	}()
	return <-ready
}

// main is the life of a thread.
func (t *Thread) main() {
	t.trace(Event{Kind: EventStart})
	for t.ready() {
		exit, err := t.CPU.Run()
		if err == nil {
			err = t.handle(exit)
		}
		if err != nil {
			t.Proc.Kernel.fail(t, err)
		}
	}
	t.end()
}

// ready does what must be done before the program goes on; false ends the thread.
func (t *Thread) ready() bool {
	for {
		if t.Dying() {
			return false
		}
		if t.paused.CompareAndSwap(true, false) {
			t.trace(Event{Kind: EventPause})
			continue
		}
		if t.Proc.stopped.Load() {
			t.standStill()
			continue
		}
		if !t.deliver() {
			return !t.Dying()
		}
	}
}

// handle serves one exit from the guest. The error is the VMM's.
func (t *Thread) handle(e engine.Exit) error {
	if t.aside.on {
		t.backFromAside(e)
	}
	switch e.Kind {
	case engine.ExitInterrupted:
		return nil
	case engine.ExitSyscall:
		t.callSize = 2
		t.syscall(uint64(uint32(t.Regs().RAX))) // the upper half is ignored, as by Linux
	case engine.ExitHypercall:
		t.callSize = t.outSize()
		t.syscall(uint64(uint32(t.Regs().RAX)))
	case engine.ExitException:
		t.exception(e)
	case engine.ExitBusError:
		t.Force(linux.FaultInfo(linux.SIGBUS, linux.BUS_ADRERR, t.Regs().RIP))
	case engine.ExitBreakpoint:
		t.breakpoint()
	case engine.ExitStep:
		t.trace(Event{Kind: EventStep})
	case engine.ExitDebugRegister:
		t.trace(Event{Kind: EventDebugRegister, DR6: e.DR6})
	case engine.ExitShutdown:
		return errors.New("triple fault: the virtual processor cannot go on")
	default:
		return fmt.Errorf("exit of unknown kind %d", e.Kind)
	}
	return nil
}

// outSize is the length of the OUT instruction before RIP: one byte with the
// port in DX, two with the port in the instruction.
func (t *Thread) outSize() uint64 {
	var b [1]byte
	if _, errno := t.Proc.AS().CopyIn(b[:], engine.GVA(t.Regs().RIP-1)); errno == 0 && (b[0] == 0xee || b[0] == 0xef) {
		return 1
	}
	return 2
}

// syscall serves a system call and writes the result to RAX.
func (t *Thread) syscall(nr uint64) {
	r := t.Regs()
	t.OrigRAX = int64(nr)
	tr := t.Proc.tracer()
	traced := tr != nil && tr.WantsSyscalls(t, nr)
	if traced {
		r.RAX = linux.ENOSYS.Result()
		tr.Event(t, Event{Kind: EventSyscallEntry})
		nr = uint64(t.OrigRAX)
		if t.OrigRAX < 0 || t.Dying() {
			// The tracer skips the call; RAX is what it made of it.
			t.finishSyscall(tr, traced)
			return
		}
	}
	value, errno := t.Proc.Kernel.cfg.Syscall(t, nr, [6]uint64{r.RDI, r.RSI, r.RDX, r.R10, r.R8, r.R9})
	switch {
	case t.abandoned:
		// The tracer has sent the thread elsewhere: nothing returns.
		t.abandoned = false
		if !t.restartPending() {
			t.OrigRAX, t.restart = -1, nil
		}
		return
	case errno == linux.EJUSTRETURN:
	case errno != 0:
		r.RAX = errno.Result()
	default:
		r.RAX = value
	}
	t.finishSyscall(tr, traced)
}

func (t *Thread) finishSyscall(tr Tracer, traced bool) {
	// A tracer that stopped the thread inside the call may want the return.
	if tr != nil && !t.Dying() && (traced || tr.WantsSyscalls(t, uint64(t.OrigRAX))) {
		tr.Event(t, Event{Kind: EventSyscallReturn})
	}
	if !t.restartPending() {
		t.OrigRAX = -1
		t.restart = nil
	}
}

// Clone is what clone(2) asks for beside the flags that all threads share.
type Clone struct {
	Stack     engine.GVA // 0: the parent's
	TLS       engine.GVA
	SetTLS    bool
	ParentTID engine.GVA // 0: not wanted
	ChildTID  engine.GVA // write the id there in the child
	ClearTID  engine.GVA
}

// CloneThread makes a thread that continues after the system call of t, with
// result 0, and returns its id.
func (t *Thread) CloneThread(c Clone) (int, linux.Errno) {
	state, err := t.cpuState(c)
	if err != nil {
		t.Kernel().fail(t, err)
		return 0, linux.EAGAIN
	}
	child := &Thread{Proc: t.Proc, ClearTID: c.ClearTID}
	child.blocked.Store(t.blocked.Load())
	child.Name.Store(t.Name.Load())
	child.AltStack.Flags = linux.SS_DISABLE
	err = t.Proc.start(child, func(cpu engine.CPU) error {
		for _, at := range []engine.GVA{c.ParentTID, c.ChildTID} {
			if at != 0 {
				// As on Linux the thread starts even if the address is bad.
				_ = mm.Write(t.Proc.AS(), at, int32(child.TID))
			}
		}
		return state.apply(cpu)
	})
	if err != nil {
		return 0, linux.EAGAIN
	}
	return child.TID, 0
}

// ExitThread ends the calling thread, as exit(2).
func (t *Thread) ExitThread(code int) {
	t.dead, t.status = true, ExitStatus{Code: code & 0xff}
}

// clearTID is what a thread leaves for others when it stops using its memory
// (mm_release in the kernel).
func (t *Thread) clearTID() {
	t.leaveRobustList()
	if t.ClearTID != 0 {
		if _, errno := t.Proc.AS().CopyOut(t.ClearTID, []byte{0, 0, 0, 0}); errno == 0 {
			t.FutexWake(t.ClearTID, 1, linux.FUTEX_BITSET_MATCH_ANY, false)
		}
	}
}

// end is the last thing a thread does.
func (t *Thread) end() {
	if !t.Proc.isExiting() {
		t.clearTID()
	}
	// After this the thread writes no memory: a debugger that has heard of the
	// end need not wait for the thread to stop.
	t.trace(Event{Kind: EventThreadExit, Status: t.status})
	t.Proc.remove(t)
	t.closeWake()
}
