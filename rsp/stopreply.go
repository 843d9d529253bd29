package rsp

import (
	"fmt"
	"slices"
)

// stopReply writes a stop in the form of the reply to a resume.
func (s *session) stopReply(stop Stop) []byte {
	switch stop.Kind {
	case StopExited:
		return s.appendProcess(fmt.Appendf(nil, "W%02x", byte(stop.Code)), stop.Thread.PID)
	case StopKilled:
		return s.appendProcess(fmt.Appendf(nil, "X%02x", s.toClient(stop.Signal)), stop.Thread.PID)
	case StopThreadExited:
		return fmt.Appendf(nil, "w%02x;%s", uint32(stop.Code), s.formatThread(stop.Thread))
	case StopNoResumed:
		return []byte("N")
	case StopNone:
		return []byte("W00")
	}
	return s.threadStop(stop)
}

// appendProcess adds which process ended, for clients that know several.
func (s *session) appendProcess(p []byte, pid PID) []byte {
	if s.client.multiprocess {
		return fmt.Appendf(p, ";process:%x", int(pid))
	}
	return p
}

// stopSignal is the signal number in a thread's stop reply.
func (s *session) stopSignal(stop Stop) int {
	switch stop.Kind {
	case StopSignal:
		return s.toClient(stop.Signal)
	case StopInterrupt:
		return s.toClient(SIGINT)
	case StopHalted:
		if s.nonStop {
			return 0
		}
		if s.client.kind == clientLLDB {
			// LLDB takes a SIGTRAP at the entry point for a hit of its own
			// breakpoint there, which it sets in between, and goes on.
			return s.toClient(SIGSTOP)
		}
	}
	return s.toClient(SIGTRAP)
}

// threadStop writes a T packet: the signal, why, which thread, and registers
// the client would ask for next.
func (s *session) threadStop(stop Stop) []byte {
	p := fmt.Appendf(nil, "T%02x", s.stopSignal(stop))
	p = s.appendReason(p, stop)
	p = fmt.Appendf(p, "thread:%s;", s.formatThread(stop.Thread))
	if info, err := s.threadInfo(stop.Thread); err == nil && info.Core >= 0 {
		p = fmt.Appendf(p, "core:%x;", info.Core)
	}
	if stop.Kind != StopExec {
		// GDB ignores registers after an exec: the new program's are
		// described anew.
		p = s.appendExpedited(p, stop.Thread)
	}
	return s.appendLLDB(p, stop)
}

// appendReason adds the field that says why.
func (s *session) appendReason(p []byte, stop Stop) []byte {
	switch stop.Kind {
	case StopBreakpoint:
		// Unasked for, this is an error to GDB.
		if s.client.features["swbreak"] {
			p = append(p, "swbreak:;"...)
		}
	case StopHardwareBreakpoint:
		if s.client.features["hwbreak"] {
			p = append(p, "hwbreak:;"...)
		}
	case StopWatch:
		name := map[BreakpointKind]string{WriteWatch: "watch", ReadWatch: "rwatch"}[stop.Watch]
		if name == "" {
			name = "awatch"
		}
		p = fmt.Appendf(p, "%s:%x;", name, uint64(stop.Addr))
	case StopSyscallEntry:
		p = fmt.Appendf(p, "syscall_entry:%x;", uint32(stop.Syscall))
	case StopSyscallReturn:
		p = fmt.Appendf(p, "syscall_return:%x;", uint32(stop.Syscall))
	case StopFork:
		p = fmt.Appendf(p, "fork:%s;", s.formatThread(stop.Child))
	case StopVfork:
		p = fmt.Appendf(p, "vfork:%s;", s.formatThread(stop.Child))
	case StopVforkDone:
		p = append(p, "vforkdone:;"...)
	case StopExec:
		p = fmt.Appendf(p, "exec:%s;", hexString(stop.Path))
	case StopThreadCreated:
		p = append(p, "create:;"...)
	case StopClone:
		p = fmt.Appendf(p, "clone:%s;", s.formatThread(stop.Child))
	case StopLibrary:
		p = append(p, "library:;"...)
	case StopHistoryBegin:
		p = append(p, "replaylog:begin;"...)
	case StopHistoryEnd:
		p = append(p, "replaylog:end;"...)
	}
	return p
}

// expedited returns the registers worth sending along.
func (s *session) expedited() []*Register {
	var regs []*Register
	for _, r := range s.regs {
		if slices.Contains(s.desc.Expedite, r.Name) ||
			len(s.desc.Expedite) == 0 && (r.Generic == "pc" || r.Generic == "sp" || r.Generic == "fp") {
			regs = append(regs, r)
		}
	}
	return regs
}

func (s *session) appendExpedited(p []byte, t ThreadID) []byte {
	vals, err := s.read(t, s.expedited())
	if err != nil {
		return p
	}
	for _, v := range vals {
		if !v.Unavailable {
			p = fmt.Appendf(p, "%02x:%x;", v.Num, v.Value)
		}
	}
	return p
}
