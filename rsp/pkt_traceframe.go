package rsp

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"torov/rsp/trace"
)

// traceFramePackets choose the trace frame that a client looks at.
var traceFramePackets = packetTable{
	"QTFrame": (*session).chooseFrame,
}

// traceState is a client's view of the trace.
type traceState struct {
	// frame is the number of the frame that it looks at, plus 1. While there
	// is one, registers and memory are those that were recorded.
	frame       int
	stepActions bool     // QTDP: the actions that follow are for steps
	pieces      []string // what is left of qTfP's answer
	variables   []string // what is left of qTfV's
}

// errInFrame is the answer to what would change or resume the program.
var errInFrame = errors.New("a trace frame is selected; 'tfind none' goes back to the program")

// errNoFrame: a circular buffer may have dropped it.
var errNoFrame = errors.New("the trace frame is not in the buffer any more")

// notInFrame refuses what makes no sense while a frame is selected.
func (s *session) notInFrame() error {
	if s.trace.frame > 0 {
		return errInFrame
	}
	return nil
}

// tracedFrame returns the frame that the client looks at; ok is false if that is
// the program itself.
func (s *session) tracedFrame(r *trace.Recorder) (f trace.Frame, ok bool, err error) {
	if s.trace.frame == 0 {
		return f, false, nil
	}
	if f, ok = r.Frame(s.trace.frame - 1); !ok {
		err = errNoFrame
	}
	return f, ok, err
}

// errProgramGone: registers and memory are a thread's to a client, also those in
// a frame. GDB 13 breaks an assertion of its own when it looks at a frame while
// there is no thread.
var errProgramGone = errors.New("the program has ended; 'tsave FILE' keeps the trace frames, and 'target tfile FILE' shows them")

// chooseFrame: with no program, no frame can be looked at.
func (s *session) chooseFrame(a *args) ([]byte, error) {
	if _, err := s.pid(); err != nil && s.t.Tracepoints != nil && !bytes.HasPrefix(a.rest, []byte(":-1")) && !bytes.Equal(a.rest, []byte(":ffffffff")) {
		return nil, errProgramGone
	}
	return tracing((*session).selectFrame)(s, a)
}

// selectFrame: QTFrame:number, -1 for none, and the next frame with
// QTFrame:pc:address, tdp:number, range:start:end or outside:start:end, the end
// included.
func (s *session) selectFrame(r *trace.Recorder, a *args) ([]byte, error) {
	a.expect(':')
	wanted, number, err := frameChoice(r, a)
	if err != nil {
		return nil, err
	}
	switch {
	case wanted != nil:
		var ok bool
		if number, ok = r.Search(s.trace.frame, wanted); !ok {
			return []byte("F-1"), nil
		}
	case number < 0:
		s.trace.frame = 0
		return replyOK, nil
	}
	f, ok := r.Frame(number)
	if !ok {
		return []byte("F-1"), nil
	}
	s.trace.frame = number + 1
	return fmt.Appendf(nil, "F%xT%x", number, f.Point), nil
}

// frameChoice reads what QTFrame is to find: a number, or a condition.
func frameChoice(r *trace.Recorder, a *args) (wanted func(trace.Frame) bool, number int, err error) {
	var lo, hi uint64
	inside := true
	switch {
	case a.cutPrefix("tdp:"):
		point := a.size(1 << 30)
		return func(f trace.Frame) bool { return f.Point == point }, 0, a.done()
	case a.cutPrefix("pc:"):
		lo = a.hex()
		hi = lo
	case a.cutPrefix("range:"):
		lo, hi = a.interval()
	case a.cutPrefix("outside:"):
		lo, hi = a.interval()
		inside = false
	default:
		number, err = a.frameNumber()
		return nil, number, err
	}
	return func(f trace.Frame) bool {
		pc, ok := r.PC(f)
		return ok && (pc >= lo && pc <= hi) == inside
	}, 0, a.done()
}

func (a *args) interval() (lo, hi uint64) {
	lo = a.hex()
	a.expect(':')
	return lo, a.hex()
}

// frameNumber reads a frame's number, or -1 in either form that it comes in.
func (a *args) frameNumber() (int, error) {
	const minusOne = 1<<32 - 1
	if a.accept('-') {
		a.expect('1')
		return -1, a.done()
	}
	n := a.hex()
	if n == minusOne {
		return -1, a.done()
	}
	return int(min(n, minusOne)), a.done()
}

// look reads registers: the thread's, or those of the selected frame.
func (s *session) look(t ThreadID, regs []*Register) ([]RegisterValue, error) {
	if s.trace.frame == 0 {
		return s.read(t, regs)
	}
	vals := values(regs)
	return vals, s.t.Tracepoints.Trace(func(r *trace.Recorder) error {
		f, _, err := s.tracedFrame(r)
		if err != nil {
			return err
		}
		s.fromFrame(r, f, vals)
		return nil
	})
}

// fromFrame fills in the values of registers as they were recorded. Where the
// thread was is known even if registers were not recorded.
func (s *session) fromFrame(r *trace.Recorder, f trace.Frame, vals []RegisterValue) {
	block := f.Registers()
	pc, known := r.PC(f)
	for i := range vals {
		v := &vals[i]
		switch {
		case block != nil:
			copy(v.Value, block[s.placeInBlock(v.Register):])
		case known && v.Generic == "pc":
			copy(v.Value, binary.LittleEndian.AppendUint64(nil, pc))
		default:
			v.Unavailable = true
		}
	}
}

// placeInBlock is where a register lies in a register block.
func (s *session) placeInBlock(reg *Register) (at int) {
	for _, r := range s.regs {
		if r == reg {
			break
		}
		at += r.Size()
	}
	return at
}

// setRegisters changes registers of the program; those in a frame stay.
func (s *session) setRegisters(t ThreadID, vals []RegisterValue) error {
	if err := s.notInFrame(); err != nil {
		return err
	}
	return s.t.Registers.WriteRegisters(t, vals)
}

// errNotRecorded is the answer to a read of memory that is not in the frame.
var errNotRecorded = errors.New("not recorded in this trace frame")

// frameMemory reads memory as it was recorded. live says that the program's own
// is to be read: the client looks at that, or the memory does not change.
func (s *session) frameMemory(addr Addr, size int) (data []byte, live bool, err error) {
	if s.trace.frame == 0 {
		return nil, true, nil
	}
	err = s.t.Tracepoints.Trace(func(r *trace.Recorder) error {
		f, _, err := s.tracedFrame(r)
		if err != nil {
			return err
		}
		buf := make([]byte, size)
		if n := f.Read(uint64(addr), buf); n > 0 {
			data = buf[:n]
		} else if live = r.IsReadOnly(uint64(addr), uint64(size)); !live {
			return errNotRecorded
		}
		return nil
	})
	return data, live, err
}

// traceFrameDocument says what is in the selected frame.
func (s *session) traceFrameDocument(string) ([]byte, error) {
	if s.t.Tracepoints == nil {
		return nil, errEmpty
	}
	var b strings.Builder
	err := s.t.Tracepoints.Trace(func(r *trace.Recorder) error {
		f, ok, err := s.tracedFrame(r)
		if err != nil || !ok {
			return errors.Join(err, errNoFrame)
		}
		b.WriteString("<traceframe-info>\n")
		for _, m := range f.Memory() {
			fmt.Fprintf(&b, "<memory start=\"%#x\" length=\"%#x\"/>\n", m.Addr, len(m.Data))
		}
		for _, v := range f.Variables() {
			fmt.Fprintf(&b, "<tvar id=\"%d\"/>\n", v)
		}
		b.WriteString("</traceframe-info>\n")
		return nil
	})
	return []byte(b.String()), err
}
