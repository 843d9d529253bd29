package rsp

import (
	"encoding/json"
	"fmt"
	"strconv"
)

// lldbThreadPackets tell LLDB (and Delve) about all threads at once.
var lldbThreadPackets = packetTable{
	"qThreadStopInfo": (*session).threadStopInfo,
	"jThreadsInfo":    (*session).threadsInfo,
}

// stopOf is why a thread is stopped: for the event reported last or kept for
// later, that; for all others, because the rest stopped.
func (s *session) stopOf(t ThreadID) Stop {
	if s.stopped.Thread == t && !s.stopped.Ends() {
		return s.stopped
	}
	for _, k := range s.kept {
		if k.Thread == t {
			return k
		}
	}
	return Stop{Kind: StopHalted, Thread: t}
}

// threadStopInfo: qThreadStopInfoTID. T00 says that nothing happened to it.
func (s *session) threadStopInfo(a *args) ([]byte, error) {
	t := a.threadID()
	if err := a.done(); err != nil {
		return nil, err
	}
	t, err := s.resolve(t)
	if err != nil {
		return nil, err
	}
	stop := s.stopOf(t)
	reply := s.threadStop(stop)
	if stop.Kind == StopHalted && t != s.stopped.Thread {
		copy(reply, "T00")
	}
	return reply, nil
}

// lldbReasons are LLDB's words for why a thread stopped; for other kinds the
// signal says it.
var lldbReasons = map[StopKind]string{
	StopStep:               "trace",
	StopBreakpoint:         "breakpoint",
	StopHardwareBreakpoint: "breakpoint",
	StopWatch:              "watchpoint",
	StopSignal:             "signal",
	StopInterrupt:          "signal",
	StopExec:               "exec",
	StopFork:               "fork",
	StopVfork:              "vfork",
	StopVforkDone:          "vforkdone",
}

// description is the sentence LLDB shows. For watchpoints LLDB reads it: the
// address, the number of the debug register, the address of the access.
func description(stop Stop) string {
	if stop.Kind == StopWatch {
		return fmt.Sprintf("%d %d %d", uint64(stop.Addr), 0, uint64(stop.Addr))
	}
	return stop.Description
}

// appendLLDB adds what LLDB and Delve understand and GDB skips.
func (s *session) appendLLDB(p []byte, stop Stop) []byte {
	if s.client.kind == clientGDB {
		return p
	}
	if reason := lldbReasons[stop.Kind]; reason != "" && (s.client.kind == clientLLDB) {
		p = fmt.Appendf(p, "reason:%s;", reason)
	}
	if d := description(stop); d != "" {
		p = fmt.Appendf(p, "description:%s;", hexString(d))
	}
	if info, err := s.threadInfo(stop.Thread); err == nil && info.Name != "" {
		p = fmt.Appendf(p, "hexname:%s;", hexString(info.Name))
	}
	if s.client.listThreads {
		p = s.appendThreads(p)
	}
	return p
}

// maxListed bounds the thread list of a stop reply; beyond it the client asks.
const maxListed = 512

// appendThreads adds all threads of the process and where they are.
func (s *session) appendThreads(p []byte) []byte {
	pid, err := s.pid()
	if err != nil {
		return p
	}
	var ids, pcs []byte
	pc := s.generic("pc")
	n := 0
	for _, t := range s.threads() {
		if t.ID.PID != pid {
			continue
		}
		if n++; n > maxListed {
			return p
		}
		if len(ids) > 0 {
			ids, pcs = append(ids, ','), append(pcs, ',')
		}
		ids = append(ids, s.formatThread(t.ID)...)
		if pc != nil {
			if vals, err := s.read(t.ID, []*Register{pc}); err == nil {
				pcs = strconv.AppendUint(pcs, leUint(vals[0].Value), 16)
			}
		}
	}
	p = fmt.Appendf(p, "threads:%s;", ids)
	if pc != nil {
		p = fmt.Appendf(p, "thread-pcs:%s;", pcs)
	}
	return p
}

// leUint reads up to eight bytes, least significant first.
func leUint(b []byte) uint64 {
	var v uint64
	for i := min(len(b), 8) - 1; i >= 0; i-- {
		v = v<<8 | uint64(b[i])
	}
	return v
}

// jsonThread is one element of jThreadsInfo's answer.
type jsonThread struct {
	TID         int               `json:"tid"`
	Name        string            `json:"name,omitempty"`
	Reason      string            `json:"reason"`
	Signal      int               `json:"signal,omitempty"`
	Description string            `json:"description,omitempty"`
	Registers   map[string]string `json:"registers,omitempty"`
}

// threadsInfo: jThreadsInfo, thread and register numbers in decimal.
func (s *session) threadsInfo(*args) ([]byte, error) {
	pid, err := s.pid()
	if err != nil {
		return nil, err
	}
	list := []jsonThread{}
	for _, t := range s.threads() {
		if t.ID.PID == pid {
			list = append(list, s.jsonThread(t))
		}
	}
	data, err := json.Marshal(list)
	if err != nil {
		return nil, err
	}
	reply, n := appendEscaped(nil, data, s.packetSize)
	if n < len(data) {
		return nil, errTooLong
	}
	return reply, nil
}

func (s *session) jsonThread(t ThreadInfo) jsonThread {
	stop := s.stopOf(t.ID)
	j := jsonThread{TID: int(t.ID.TID), Name: t.Name, Reason: lldbReasons[stop.Kind], Description: description(stop)}
	if stop.Kind != StopHalted {
		j.Signal = s.stopSignal(stop)
	}
	if j.Reason == "" {
		j.Reason = "none"
	}
	if vals, err := s.read(t.ID, s.expedited()); err == nil {
		j.Registers = map[string]string{}
		for _, v := range vals {
			if !v.Unavailable {
				j.Registers[strconv.Itoa(v.Num)] = fmt.Sprintf("%x", v.Value)
			}
		}
	}
	return j
}
