package linux

import "encoding/binary"

// SigInfo is siginfo_t: 128 bytes whose second half depends on the signal
// (sigaction(2), asm-generic/siginfo.h). On amd64 the variable part starts at
// offset 16.
type SigInfo struct {
	Signo  int32
	Errno  int32
	Code   int32
	_      int32
	Fields [112]byte
}

// si_code: who sent the signal.
const (
	SI_USER     = 0    // kill, raise
	SI_KERNEL   = 0x80 // the kernel, for no reason of its own
	SI_QUEUE    = -1   // sigqueue
	SI_TIMER    = -2   // timer_settime
	SI_MESGQ    = -3   // mq_notify
	SI_ASYNCIO  = -4   // aio_*
	SI_SIGIO    = -5   // queued SIGIO
	SI_TKILL    = -6   // tkill, tgkill
	SI_DETHREAD = -7   // sent by execve to other threads
	SI_ASYNCNL  = -60  // getaddrinfo_a
)

// si_code of SIGILL, SIGFPE, SIGSEGV, SIGBUS, SIGTRAP, SIGCHLD, SIGIO, SIGSYS.
const (
	ILL_ILLOPC = 1 // illegal opcode
	ILL_ILLOPN = 2 // illegal operand
	ILL_ILLADR = 3 // illegal addressing mode
	ILL_ILLTRP = 4 // illegal trap
	ILL_PRVOPC = 5 // privileged opcode
	ILL_PRVREG = 6 // privileged register
	ILL_COPROC = 7 // coprocessor error
	ILL_BADSTK = 8 // internal stack error

	FPE_INTDIV   = 1  // integer divide by zero
	FPE_INTOVF   = 2  // integer overflow
	FPE_FLTDIV   = 3  // floating point divide by zero
	FPE_FLTOVF   = 4  // floating point overflow
	FPE_FLTUND   = 5  // floating point underflow
	FPE_FLTRES   = 6  // floating point inexact result
	FPE_FLTINV   = 7  // floating point invalid operation
	FPE_FLTSUB   = 8  // subscript out of range
	FPE_FLTUNK   = 14 // undiagnosed
	FPE_CONDTRAP = 15 // trap on condition

	SEGV_MAPERR = 1 // address not mapped
	SEGV_ACCERR = 2 // mapped, but without that permission
	SEGV_BNDERR = 3 // failed address bound checks
	SEGV_PKUERR = 4 // failed protection key checks

	BUS_ADRALN    = 1 // invalid address alignment
	BUS_ADRERR    = 2 // nonexistent physical address: beyond the file's end
	BUS_OBJERR    = 3 // object-specific hardware error
	BUS_MCEERR_AR = 4
	BUS_MCEERR_AO = 5

	TRAP_BRKPT  = 1 // process breakpoint
	TRAP_TRACE  = 2 // process trace trap
	TRAP_BRANCH = 3 // taken branch trap
	TRAP_HWBKPT = 4 // hardware breakpoint or watchpoint
	TRAP_UNK    = 5 // undiagnosed
	TRAP_PERF   = 6

	CLD_EXITED    = 1
	CLD_KILLED    = 2
	CLD_DUMPED    = 3
	CLD_TRAPPED   = 4
	CLD_STOPPED   = 5
	CLD_CONTINUED = 6

	POLL_IN  = 1
	POLL_OUT = 2
	POLL_MSG = 3
	POLL_ERR = 4
	POLL_PRI = 5
	POLL_HUP = 6

	SYS_SECCOMP       = 1
	SYS_USER_DISPATCH = 2
)

// auditArchX8664 is AUDIT_ARCH_X86_64, si_arch of SIGSYS.
const auditArchX8664 = 0xc000003e

// KillInfo describes a signal sent by kill(2); code is SI_USER, or SI_TKILL
// for tkill(2) and tgkill(2).
func KillInfo(sig Signal, code int32, pid int32, uid uint32) SigInfo {
	si := SigInfo{Signo: int32(sig), Code: code}
	si.put32(0, uint32(pid))
	si.put32(4, uid)
	return si
}

// TkillInfo describes a signal sent by tkill(2) or tgkill(2).
func TkillInfo(sig Signal, pid int32, uid uint32) SigInfo {
	return KillInfo(sig, SI_TKILL, pid, uid)
}

// KernelInfo describes a signal of the kernel that has no fields.
func KernelInfo(sig Signal) SigInfo {
	return SigInfo{Signo: int32(sig), Code: SI_KERNEL}
}

// FaultInfo describes SIGILL, SIGFPE, SIGSEGV, SIGBUS or SIGTRAP; addr is
// si_addr, the guest virtual address concerned.
func FaultInfo(sig Signal, code int32, addr uint64) SigInfo {
	si := SigInfo{Signo: int32(sig), Code: code}
	si.put64(0, addr)
	return si
}

// ChildInfo describes SIGCHLD, and the answer of waitid(2). status is the
// exit code for CLD_EXITED, else a signal; the times are in clock ticks.
func ChildInfo(code int32, pid int32, uid uint32, status int32, utime, stime int64) SigInfo {
	si := SigInfo{Signo: int32(SIGCHLD), Code: code}
	si.put32(0, uint32(pid))
	si.put32(4, uid)
	si.put32(8, uint32(status))
	si.put64(16, uint64(utime))
	si.put64(24, uint64(stime))
	return si
}

// TimerInfo describes the expiry of a POSIX timer (timer_create(2)).
func TimerInfo(sig Signal, timerID, overrun int32, value uint64) SigInfo {
	si := SigInfo{Signo: int32(sig), Code: SI_TIMER}
	si.put32(0, uint32(timerID))
	si.put32(4, uint32(overrun))
	si.put64(8, value)
	return si
}

// QueueInfo describes a signal of sigqueue(3); value is the union sigval.
func QueueInfo(sig Signal, pid int32, uid uint32, value uint64) SigInfo {
	si := KillInfo(sig, SI_QUEUE, pid, uid)
	si.put64(8, value)
	return si
}

// PollInfo describes SIGIO of a file with F_SETSIG; band is poll(2)'s events.
func PollInfo(sig Signal, code int32, band int64, fd int32) SigInfo {
	si := SigInfo{Signo: int32(sig), Code: code}
	si.put64(0, uint64(band))
	si.put32(8, uint32(fd))
	return si
}

// SeccompInfo describes SIGSYS: the system call nr, made at addr, is filtered.
func SeccompInfo(addr uint64, nr int32, reason Errno) SigInfo {
	si := SigInfo{Signo: int32(SIGSYS), Errno: int32(reason), Code: SYS_SECCOMP}
	si.put64(0, addr)
	si.put32(8, uint32(nr))
	si.put32(12, auditArchX8664)
	return si
}

// Signal returns si_signo; 0 if it is no signal number.
func (si *SigInfo) Signal() Signal {
	if si.Signo < 0 || si.Signo > NumSignals {
		return 0
	}
	return Signal(si.Signo)
}

// PID returns si_pid of a signal that was sent, or of a child.
func (si *SigInfo) PID() int32 { return int32(si.get32(0)) }

// UID returns si_uid of a signal that was sent, or of a child.
func (si *SigInfo) UID() uint32 { return si.get32(4) }

// Status returns si_status of SIGCHLD.
func (si *SigInfo) Status() int32 { return int32(si.get32(8)) }

// Addr returns si_addr of a fault.
func (si *SigInfo) Addr() uint64 { return binary.LittleEndian.Uint64(si.Fields[0:]) }

// Value returns si_value of a queued signal or a timer.
func (si *SigInfo) Value() uint64 { return binary.LittleEndian.Uint64(si.Fields[8:]) }

// SetOverrun changes si_overrun of a timer's signal that is still pending.
func (si *SigInfo) SetOverrun(n int32) { si.put32(4, uint32(n)) }

func (si *SigInfo) get32(off int) uint32    { return binary.LittleEndian.Uint32(si.Fields[off:]) }
func (si *SigInfo) put32(off int, v uint32) { binary.LittleEndian.PutUint32(si.Fields[off:], v) }
func (si *SigInfo) put64(off int, v uint64) { binary.LittleEndian.PutUint64(si.Fields[off:], v) }
