package rsp

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"torov/rsp/trace"
)

// tracePackets say what a trace run records, start and stop it.
var tracePackets = packetTable{
	"QTinit":         tracing((*session).traceInit),
	"QTDV":           tracing((*session).traceVariable),
	"QTEnable":       tracing(enableTracepoint(true)),
	"QTDisable":      tracing(enableTracepoint(false)),
	"QTro":           tracing((*session).traceReadOnly),
	"QTStart":        tracing(func(_ *session, r *trace.Recorder, _ *args) ([]byte, error) { return done(r.Start()) }),
	"QTStop":         tracing(func(_ *session, r *trace.Recorder, _ *args) ([]byte, error) { r.Stop(); return replyOK, nil }),
	"QTDisconnected": tracing((*session).traceDisconnected),
	"QTNotes":        tracing((*session).traceNotes),
	"QTBuffer":       tracing((*session).traceBuffer),
	"qTStatus":       tracing((*session).traceStatus),
	"qTBuffer":       tracing((*session).traceRaw),
	"qTV":            tracing((*session).variableValue),
	// Any instruction will do: a fast tracepoint is one like others.
	"qTMinFTPILen": tracing(func(*session, *trace.Recorder, *args) ([]byte, error) { return []byte("1"), nil }),
}

// tracing makes a handler of one that works on the recorder.
func tracing(f func(s *session, r *trace.Recorder, a *args) ([]byte, error)) handler {
	return func(s *session, a *args) (reply []byte, err error) {
		if s.t.Tracepoints == nil {
			return nil, errEmpty
		}
		err = s.t.Tracepoints.Trace(func(r *trace.Recorder) error {
			reply, err = f(s, r, a)
			return err
		})
		return reply, err
	}
}

func (s *session) traceInit(r *trace.Recorder, _ *args) ([]byte, error) {
	s.trace = traceState{}
	r.Clear()
	return replyOK, nil
}

// traceVariable: QTDV:number:value:builtin:name.
func (s *session) traceVariable(r *trace.Recorder, a *args) ([]byte, error) {
	a.expect(':')
	v := trace.Variable{Number: a.size(1 << 16)}
	a.expect(':')
	v.Initial = int64(a.hex())
	a.expect(':')
	v.Builtin = a.hex() != 0
	a.expect(':')
	v.Name = string(a.hexRest())
	if err := a.done(); err != nil {
		return nil, err
	}
	if v.Number >= 1<<16 {
		return nil, errors.New("the number of a trace state variable has 16 bits")
	}
	return done(r.SetInitial(v))
}

var errNoTracepoint = errors.New("no such tracepoint")

// tracepoint reads number:address of an existing tracepoint.
func (a *args) tracepoint(r *trace.Recorder) (*trace.Point, error) {
	number := a.size(1 << 30)
	a.expect(':')
	addr := a.hex()
	if err := a.err(); err != nil {
		return nil, err
	}
	if p := r.Find(number, addr); p != nil {
		return p, nil
	}
	return nil, errNoTracepoint
}

// enableTracepoint: QTEnable:number:address and QTDisable:number:address.
func enableTracepoint(on bool) func(*session, *trace.Recorder, *args) ([]byte, error) {
	return func(_ *session, r *trace.Recorder, a *args) ([]byte, error) {
		a.expect(':')
		p, err := a.tracepoint(r)
		if err == nil {
			err = a.done()
		}
		if err != nil {
			return nil, err
		}
		p.Enabled = on
		return replyOK, nil
	}
}

// traceReadOnly: QTro:start,end[:start,end]...
func (s *session) traceReadOnly(r *trace.Recorder, a *args) ([]byte, error) {
	var ranges []trace.Range
	for a.accept(':') {
		start := a.hex()
		a.expect(',')
		ranges = append(ranges, trace.Range{Start: start, End: a.hex()})
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	r.SetReadOnly(ranges)
	return replyOK, nil
}

// traceDisconnected: QTDisconnected:0 or 1.
func (s *session) traceDisconnected(r *trace.Recorder, a *args) ([]byte, error) {
	a.expect(':')
	on := a.hex() != 0
	if err := a.done(); err != nil {
		return nil, err
	}
	r.KeepGoing(on)
	return replyOK, nil
}

// traceNotes: QTNotes:user:text;notes:text;tstop:text; with any of them, in
// hexadecimal.
func (s *session) traceNotes(r *trace.Recorder, a *args) ([]byte, error) {
	a.expect(':')
	var user, notes, stop *string
	for !a.empty() {
		what := string(a.until(':'))
		text := string(a.hexBytes(';'))
		switch what {
		case "user":
			user = &text
		case "notes":
			notes = &text
		case "tstop":
			stop = &text
		default:
			a.bad = true
		}
		if a.bad {
			break
		}
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	r.Describe(user, notes, stop)
	return replyOK, nil
}

// traceBuffer: QTBuffer:circular:flag and QTBuffer:size:bytes, of which -1 means
// the usual size.
func (s *session) traceBuffer(r *trace.Recorder, a *args) ([]byte, error) {
	a.expect(':')
	what := string(a.until(':'))
	usual := what == "size" && a.accept('-')
	v := a.hex()
	if err := a.done(); err != nil {
		return nil, err
	}
	switch {
	case what == "circular":
		r.SetCircular(v != 0)
	case usual && v == 1:
		return done(s.resizeTrace(r, -1))
	case what == "size" && !usual:
		return done(s.resizeTrace(r, int64(min(v, 1<<62))))
	default:
		return nil, errMalformed
	}
	return replyOK, nil
}

// resizeTrace drops the frames, and so the one that the client looks at.
func (s *session) resizeTrace(r *trace.Recorder, size int64) error {
	err := r.Resize(size)
	if err == nil {
		s.trace.frame = 0
	}
	return err
}

// traceStatus: qTStatus.
func (s *session) traceStatus(r *trace.Recorder, a *args) ([]byte, error) {
	if err := a.done(); err != nil {
		return nil, err
	}
	st := r.Status()
	reason := ""
	switch st.Reason {
	case "":
		reason = "tnotrun:0;" // it runs, and this is not looked at
	case "tstop":
		reason = fmt.Sprintf("tstop:%s:0;", hexString(st.Note))
	case "terror":
		reason = fmt.Sprintf("terror:%s:%x;", hexString(st.Error), st.Point)
	default:
		reason = fmt.Sprintf("%s:%x;", st.Reason, st.Point)
	}
	return fmt.Appendf(nil, "T%d;%stframes:%x;tcreated:%x;tfree:%x;tsize:%x;circular:%d;disconn:%d;starttime:%x;stoptime:%x;username:%s;notes:%s",
		digit01(st.Running), reason, st.Frames, st.Created, st.Free, st.Size, digit01(st.Circular), digit01(st.Disconnected),
		unixMicros(st.Started), unixMicros(st.Stopped), hexString(st.User), hexString(st.Notes)), nil
}

func digit01(b bool) int {
	if b {
		return 1
	}
	return 0
}

// unixMicros is the time in microseconds since 1970, 0 if there is none.
func unixMicros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// traceRaw: qTBuffer:offset,length reads the buffer as it is written to a file.
func (s *session) traceRaw(r *trace.Recorder, a *args) ([]byte, error) {
	a.expect(':')
	offset := a.hex()
	a.expect(',')
	size := a.size(s.packetSize / 2)
	if err := a.done(); err != nil {
		return nil, err
	}
	data, ok := r.Raw(offset, size)
	switch {
	case !ok:
		return nil, errors.New("beyond the end of the trace buffer")
	case len(data) == 0:
		return []byte{'l'}, nil
	}
	return appendHex(nil, data), nil
}

// variableValue: qTV:number, in the frame that the client looks at or now.
func (s *session) variableValue(r *trace.Recorder, a *args) ([]byte, error) {
	a.expect(':')
	number := a.size(1 << 16)
	if err := a.done(); err != nil {
		return nil, err
	}
	value, known := int64(0), false
	if frame, ok, err := s.tracedFrame(r); err != nil {
		return nil, err
	} else if ok {
		value, known = frame.Variable(number)
	} else if r.Status().Reason != "tnotrun" {
		value, known = r.Variable(number), true
	}
	if !known {
		return []byte{'U'}, nil
	}
	return fmt.Appendf(nil, "V%x", uint64(value)), nil
}

// leaveTrace ends a run that must not go on without its client.
func (s *session) leaveTrace() {
	s.trace = traceState{}
	if s.t.Tracepoints == nil {
		return
	}
	_ = s.t.Tracepoints.Trace(func(r *trace.Recorder) error { r.Disconnect(); return nil })
}

// traceFeatures are the items of qSupported that say what there is.
var traceFeatures = strings.Fields("ConditionalTracepoints TraceStateVariables TracepointSource DisconnectedTracing FastTracepoints " +
	"InstallInTrace EnableDisableTracepoints QTBuffer:size tracenz qXfer:traceframe-info:read")

// cutPrefix reads a word if it is next.
func (a *args) cutPrefix(word string) bool {
	rest, ok := bytes.CutPrefix(a.rest, []byte(word))
	a.rest = rest
	return ok
}
