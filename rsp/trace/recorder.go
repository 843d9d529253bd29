package trace

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// Bounds of what clients may define.
const (
	maxPoints    = 4096
	maxVariables = 4096
	maxNumber    = 1<<15 - 1 // a frame has two bytes for it
	maxText      = 4 << 20   // bytes of actions and sources, all together
)

// Reasons why a run is not going on, in the protocol's words.
const (
	reasonNever        = "tnotrun"
	reasonStop         = "tstop"
	reasonFull         = "tfull"
	reasonPasses       = "tpasscount"
	reasonError        = "terror"
	reasonDisconnected = "tdisconnected"
)

// Recorder is a trace: what to record, what was recorded, and whether it is
// recording.
type Recorder struct {
	program Program
	layout  Layout
	// Now is the clock; tests may replace it.
	Now func() time.Time

	points    []*Point // by address, those at one address in the order of definition
	at        map[uint64][]*Point
	text      int // bytes of actions and sources
	variables []*Variable
	readOnly  []Range
	buffer    buffer
	frame     []byte // the one that is being made

	running      bool
	run          int // how many there were
	status       Status
	disconnected bool // a run goes on without a client
}

// Status is how a trace stands.
type Status struct {
	Running bool
	// Reason is why it does not run: tnotrun, tstop, tfull, tpasscount, terror
	// or tdisconnected. Point is the tracepoint it is about, 0 if none, Error
	// what went wrong, Note what the client wrote about a tstop.
	Reason           string
	Point            int
	Error            string
	Note             string
	Frames           int // in the buffer
	Created          uint64
	Free, Size       int // bytes of the buffer
	Circular         bool
	Disconnected     bool
	Started, Stopped time.Time
	User, Notes      string
}

// New makes an empty recorder.
func New(program Program, layout Layout) *Recorder {
	r := &Recorder{program: program, layout: layout, Now: time.Now, buffer: newBuffer()}
	r.status.Reason = reasonNever
	r.Clear()
	return r
}

// Clear ends a run and forgets tracepoints, variables and frames.
func (r *Recorder) Clear() {
	r.Stop()
	r.points, r.at, r.text = nil, make(map[uint64][]*Point), 0
	r.readOnly = nil
	r.variables = []*Variable{{Number: timestampVariable, Name: "trace_timestamp", Builtin: true}}
	r.buffer.clear()
}

// Find returns a tracepoint, nil if there is none.
func (r *Recorder) Find(number int, addr uint64) *Point {
	for _, p := range r.at[addr] {
		if p.Number == number {
			return p
		}
	}
	return nil
}

// Points returns all tracepoints.
func (r *Recorder) Points() []*Point { return r.points }

// Define adds a tracepoint. While a run is on, it takes part in it after
// Install.
func (r *Recorder) Define(p *Point) error {
	switch {
	case p.Number <= 0 || p.Number > maxNumber:
		return fmt.Errorf("tracepoint number %d; there can be 1 to %d", p.Number, maxNumber)
	case r.Find(p.Number, p.Addr) != nil:
		return fmt.Errorf("tracepoint %d at %#x is defined already", p.Number, p.Addr)
	case len(r.points) >= maxPoints:
		return fmt.Errorf("more than %d tracepoints", maxPoints)
	}
	i, _ := slices.BinarySearchFunc(r.points, p.Addr, func(q *Point, addr uint64) int {
		if q.Addr <= addr {
			return -1
		}
		return 1
	})
	r.points = slices.Insert(r.points, i, p)
	r.at[p.Addr] = append(r.at[p.Addr], p)
	return nil
}

// Grow accounts for n bytes of actions or sources that a client adds to a
// tracepoint.
func (r *Recorder) Grow(n int) error {
	if r.text += n; r.text > maxText {
		r.text -= n
		return fmt.Errorf("actions and sources of tracepoints take more than %d MiB", maxText>>20)
	}
	return nil
}

// Install puts a tracepoint to work that was defined during a run.
func (r *Recorder) Install(p *Point) error {
	if !r.running || p.trapped {
		return nil
	}
	if err := r.program.InsertTrap(p.Addr); err != nil {
		r.points = slices.DeleteFunc(r.points, func(q *Point) bool { return q == p })
		r.at[p.Addr] = slices.DeleteFunc(r.at[p.Addr], func(q *Point) bool { return q == p })
		return fmt.Errorf("tracepoint %d: %w", p.Number, err)
	}
	p.trapped = true
	return nil
}

// Start begins a run: the tracepoints are installed, all of them or none.
// Frames of an earlier run stay.
func (r *Recorder) Start() error {
	r.Stop()
	for _, p := range r.points {
		if err := r.program.InsertTrap(p.Addr); err != nil {
			r.removeTraps()
			return fmt.Errorf("tracepoint %d: %w", p.Number, err)
		}
		p.hits, p.usage, p.trapped = 0, 0, true
	}
	r.running = true
	r.run++
	r.status.Reason, r.status.Point, r.status.Error = "", 0, ""
	r.status.Started, r.status.Stopped = r.Now(), time.Time{}
	return nil
}

// Stop ends a run as a client wants it.
func (r *Recorder) Stop() { r.end(reasonStop, 0, "") }

// Disconnect ends a run whose client has gone, unless it is to go on.
func (r *Recorder) Disconnect() {
	if !r.disconnected {
		r.end(reasonDisconnected, 0, "")
	}
}

// ProgramEnded forgets traps, which have gone with the program, and ends a run.
func (r *Recorder) ProgramEnded() {
	for _, p := range r.points {
		p.trapped = false
	}
	r.end(reasonError, 0, "the program has ended")
}

// end ends a run, if one is on.
func (r *Recorder) end(reason string, point int, text string) {
	if !r.running {
		return
	}
	r.running = false
	r.status.Reason, r.status.Point, r.status.Error = reason, point, text
	r.status.Stopped = r.Now()
	r.removeTraps()
}

func (r *Recorder) removeTraps() {
	for _, p := range r.points {
		if p.trapped {
			p.trapped = false
			r.program.RemoveTrap(p.Addr)
		}
	}
}

// Running reports whether a run is on.
func (r *Recorder) Running() bool { return r.running }

// Wants reports whether a trap is wanted at an address.
func (r *Recorder) Wants(addr uint64) bool {
	return slices.ContainsFunc(r.at[addr], func(p *Point) bool { return p.trapped })
}

// Status returns how the trace stands.
func (r *Recorder) Status() Status {
	s := r.status
	s.Running, s.Disconnected = r.running, r.disconnected
	b := &r.buffer
	s.Frames, s.Created, s.Free, s.Size, s.Circular = b.frames, b.created, b.free(), b.size, b.circular
	return s
}

// KeepGoing says whether a run goes on when its client goes away.
func (r *Recorder) KeepGoing(on bool) { r.disconnected = on }

// Describe sets what people wrote about the run; nil leaves a text as it is.
func (r *Recorder) Describe(user, notes, stopNote *string) {
	for _, t := range []struct{ to, from *string }{{&r.status.User, user}, {&r.status.Notes, notes}, {&r.status.Note, stopNote}} {
		if t.from != nil {
			*t.to = *t.from
		}
	}
}

// SetCircular chooses between a buffer that forgets the oldest frames when it is
// full and one that then ends the run.
func (r *Recorder) SetCircular(on bool) { r.buffer.circular = on }

// Resize changes the size of the buffer in bytes and forgets its frames; -1
// is the default.
func (r *Recorder) Resize(size int64) error {
	switch {
	case r.running:
		return errors.New("the buffer cannot change during a trace run; 'tstop' first")
	case size == -1:
		size = DefaultSize
	case size < headerSize || size > MaxSize:
		return fmt.Errorf("a trace buffer of %d bytes; it can have %d bytes to %d MiB", size, headerSize, MaxSize>>20)
	}
	r.buffer.resize(int(size))
	return nil
}

// SetReadOnly says what memory does not change, and so is read from the program
// while a client looks at a frame.
func (r *Recorder) SetReadOnly(ranges []Range) { r.readOnly = ranges }

// IsReadOnly reports whether n bytes from addr on are such memory.
func (r *Recorder) IsReadOnly(addr, n uint64) bool {
	return slices.ContainsFunc(r.readOnly, func(x Range) bool { return addr >= x.Start && addr <= x.End && n <= x.End-addr })
}

// Frame returns a frame by its number, from 0 for the oldest one in the buffer.
func (r *Recorder) Frame(number int) (Frame, bool) {
	point, data, ok := r.buffer.frame(number)
	return Frame{point, r.layout, data}, ok
}

// PC returns where a frame was recorded. Without registers in it that is taken
// to be the tracepoint's address.
func (r *Recorder) PC(f Frame) (uint64, bool) {
	if pc, ok := f.PC(); ok {
		return pc, true
	}
	for _, p := range r.points {
		if p.Number == f.Point {
			return p.Addr, true
		}
	}
	return 0, false
}

// Search returns the number of the first frame from a number on for which f is
// true.
func (r *Recorder) Search(from int, f func(Frame) bool) (number int, ok bool) {
	for n := max(from, 0); n < r.buffer.frames; n++ {
		if frame, _ := r.Frame(n); f(frame) {
			return n, true
		}
	}
	return 0, false
}

// Raw returns at most n bytes of the buffer from an offset on, as they are to be
// in a trace file; nothing at its end. ok is false beyond it.
func (r *Recorder) Raw(offset uint64, n int) (data []byte, ok bool) {
	used := uint64(r.buffer.used)
	if offset >= used || n <= 0 {
		return nil, offset <= used
	}
	return r.buffer.bytes(int(offset), int(min(uint64(n), used-offset))), true
}
