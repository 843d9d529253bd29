package toy

import (
	"encoding/binary"
	"slices"

	"torov/rsp"
	"torov/rsp/amd64"
)

// The system calls, with Linux's numbers. clone's arguments are the new
// thread's rip and rsp.
const (
	sysWrite     = 1
	sysPause     = 34
	sysClone     = 56
	sysFork      = 57
	sysExit      = 60
	sysTkill     = 200
	sysExitGroup = 231
)

const enosys = -38

// si_code of SIGTRAP (sigaction(2)).
const (
	trapBreakpoint = 1
	trapTrace      = 2
	trapHardware   = 4
)

// enterCall is a SYSCALL instruction. If the call is to be caught the thread
// stops in the state ptrace(2) shows at entry: rax is -ENOSYS.
func (m *Machine) enterCall(t *thread) *rsp.Stop {
	nr := t.gpr[amd64.RAX]
	t.orig = nr
	if t.catches(int(nr)) {
		errno := int64(enosys)
		t.gpr[amd64.RAX] = uint64(errno)
		t.call = callEntered
		return &rsp.Stop{Kind: rsp.StopSyscallEntry, Thread: t.id, Syscall: int(nr)}
	}
	return m.finishCall(t)
}

func (t *thread) catches(nr int) bool {
	p := t.proc
	return p.catch && (len(p.catchOnly) == 0 || p.catchOnly[nr])
}

// finishCall executes the system call whose number is in orig_rax: a client
// may have changed it at the entry, to -1 to skip the call.
func (m *Machine) finishCall(t *thread) *rsp.Stop {
	caught := t.call == callEntered
	t.call = callNone
	nr := int64(t.orig)
	if stop := m.execute(t, nr); stop != nil {
		return stop
	}
	if caught && t.catches(int(nr)) {
		t.call = callDone
		return &rsp.Stop{Kind: rsp.StopSyscallReturn, Thread: t.id, Syscall: int(nr)}
	}
	return m.stepped(t)
}

// execute does what a system call does.
func (m *Machine) execute(t *thread, nr int64) *rsp.Stop {
	a0, a1, a2 := t.gpr[amd64.RDI], t.gpr[amd64.RSI], t.gpr[amd64.RDX]
	result := &t.gpr[amd64.RAX]
	switch nr {
	case sysWrite:
		m.seen.Output = append(m.seen.Output, t.proc.bytes(a1, int(min(a2, 4096)))...)
		*result = a2
	case sysPause:
		*result = 0
		t.blocked = true
	case sysClone:
		return m.clone(t, a0, a1)
	case sysFork:
		return m.fork(t)
	case sysExit:
		return m.endThread(t, int(byte(a0)))
	case sysExitGroup:
		return m.endProcess(t.proc, rsp.Stop{Kind: rsp.StopExited, Code: int(byte(a0))})
	case sysTkill:
		*result = 0
		return m.signal(t, rsp.Signal(a0), 0)
	case -1:
	default:
		errno := int64(enosys)
		*result = uint64(errno)
	}
	return nil
}

// clone makes a thread; the client sees it before its first instruction.
func (m *Machine) clone(t *thread, rip, sp uint64) *rsp.Stop {
	tid := rsp.TID(t.proc.pid)
	for _, u := range m.threads {
		tid = max(tid, u.id.TID)
	}
	u := m.newThread(t.proc, tid+1, rip, sp)
	u.name = "worker"
	u.running, u.action = true, rsp.Action{}
	m.threads = append(m.threads, u)
	t.gpr[amd64.RAX] = uint64(u.id.TID)
	if m.events&rsp.EventThread != 0 {
		u.running = false
		return &rsp.Stop{Kind: rsp.StopThreadCreated, Thread: u.id}
	}
	return nil
}

// fork copies the process. A child nobody wants to debug ends at once.
func (m *Machine) fork(t *thread) *rsp.Stop {
	m.lastPID += 100
	t.gpr[amd64.RAX] = uint64(m.lastPID)
	if m.events&rsp.EventFork == 0 {
		return nil
	}
	p := &process{pid: m.lastPID, breakpoints: map[place]*rsp.Breakpoint{}}
	for _, s := range t.proc.mem {
		s.data = slices.Clone(s.data)
		p.mem = append(p.mem, s)
	}
	for k, b := range t.proc.breakpoints {
		p.breakpoints[k] = b
	}
	u := m.newThread(p, rsp.TID(p.pid), t.rip, 0)
	u.gpr, u.flags, u.xsave, u.name = t.gpr, t.flags, slices.Clone(t.xsave), "child"
	u.gpr[amd64.RAX] = 0
	m.procs, m.threads = append(m.procs, p), append(m.threads, u)
	return &rsp.Stop{Kind: rsp.StopFork, Thread: t.id, Child: u.id}
}

// signal stops a thread for a signal it is about to get, or delivers it if the
// client does not care.
func (m *Machine) signal(t *thread, sig rsp.Signal, addr uint64) *rsp.Stop {
	t.setSigInfo(sig, 1, addr)
	if m.pass[sig] {
		if stop := m.deliver(t, sig); stop != nil {
			return stop
		}
		return m.stepped(t)
	}
	return &rsp.Stop{Kind: rsp.StopSignal, Thread: t.id, Signal: sig}
}

// fatal are the signals that end the program.
var fatal = map[rsp.Signal]bool{sigILL: true, sigSEGV: true, 15: true, rsp.SIGKILL: true}

// deliver gives a thread a signal. It returns the end of the process if that is
// what comes of it.
func (m *Machine) deliver(t *thread, sig rsp.Signal) *rsp.Stop {
	m.seen.Delivered = append(m.seen.Delivered, sig)
	t.blocked = false
	if !fatal[sig] {
		return nil
	}
	return m.endProcess(t.proc, rsp.Stop{Kind: rsp.StopKilled, Signal: sig})
}

// endThread ends one thread, and the process with its last.
func (m *Machine) endThread(t *thread, code int) *rsp.Stop {
	m.threads = slices.DeleteFunc(m.threads, func(u *thread) bool { return u == t })
	if !slices.ContainsFunc(m.threads, func(u *thread) bool { return u.proc == t.proc }) {
		return m.endProcess(t.proc, rsp.Stop{Kind: rsp.StopExited, Code: code})
	}
	if m.events&rsp.EventThread != 0 {
		return &rsp.Stop{Kind: rsp.StopThreadExited, Thread: t.id, Code: code}
	}
	return nil
}

// endProcess removes a process and completes the event that says so.
func (m *Machine) endProcess(p *process, stop rsp.Stop) *rsp.Stop {
	stop.Thread.PID = p.pid
	m.threads = slices.DeleteFunc(m.threads, func(u *thread) bool { return u.proc == p })
	m.procs = slices.DeleteFunc(m.procs, func(q *process) bool { return q == p })
	if len(m.threads) == 0 {
		m.initial = stop
		m.recorder.ProgramEnded()
		m.traps = map[uint64]int{}
	}
	return &stop
}

// setSigInfo fills in what the kernel would: si_signo, si_code, si_addr.
func (t *thread) setSigInfo(sig rsp.Signal, code int, addr uint64) {
	clear(t.siginfo[:])
	binary.LittleEndian.PutUint32(t.siginfo[0:], uint32(sig))
	binary.LittleEndian.PutUint32(t.siginfo[8:], uint32(code))
	binary.LittleEndian.PutUint64(t.siginfo[16:], addr)
}
