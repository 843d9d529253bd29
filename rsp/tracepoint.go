package rsp

import "torov/rsp/trace"

// Tracepoints is offered by targets that can record data at places of the
// program without stopping it. What is to be recorded, and what was, is in a
// [trace.Recorder]; the target puts traps where the recorder wants them.
type Tracepoints interface {
	// Trace calls f with the recorder, always the same one, while nothing
	// else uses it, and returns f's error. f does not call other methods of
	// the target.
	Trace(f func(r *trace.Recorder) error) error
}

// TraceLayout is the layout of register blocks that a target's recorder must
// have: the registers in the order of the g packet.
func (d *Description) TraceLayout() trace.Layout {
	var l trace.Layout
	for _, r := range d.Registers() {
		if r.Generic == "pc" {
			l.PC = l.Size
		}
		l.Size += r.Size()
	}
	return l
}
