package trace

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"torov/rsp/agent"
)

// errFull: the frame does not fit into what is left of the buffer.
var errFull = errors.New("the trace buffer is full")

// Stepping is a thread's while-stepping that a hit has begun.
type Stepping struct {
	point *Point
	left  uint64
	run   int // Recorder.run, when it began
}

// Hit records that a thread is about to execute an instruction with a trap. It
// returns the steppings that begin with it: while a thread has any, it is to be
// stepped, and Step called after each instruction.
func (r *Recorder) Hit(t Thread) (begun []Stepping) {
	last := 0 // the first tracepoint for which this was the last hit
	for _, p := range r.at[t.PC()] {
		if !r.running {
			return begun
		}
		if !p.Enabled || !r.holds(p, t) {
			continue
		}
		p.hits++
		switch {
		case !r.collect(p, p.Actions, t):
		case p.Steps > 0:
			begun = append(begun, Stepping{p, p.Steps, r.run})
		case p.Passes > 0 && p.hits >= p.Passes && last == 0:
			last = p.Number
		}
	}
	if last != 0 {
		r.end(reasonPasses, last, "")
	}
	return begun
}

// Step records that a thread has done an instruction, and returns the steppings
// that are not yet done.
func (r *Recorder) Step(t Thread, steppings []Stepping) (left []Stepping) {
	for _, s := range steppings {
		if !r.running || s.run != r.run {
			return nil
		}
		if !r.collect(s.point, s.point.StepActions, t) {
			return nil
		}
		if s.left--; s.left > 0 {
			left = append(left, s)
			continue
		}
		// The run ends when the steps of the last hit are done.
		if p := s.point; p.Passes > 0 && p.hits >= p.Passes {
			r.end(reasonPasses, p.Number, "")
			return nil
		}
	}
	return left
}

// holds evaluates a condition. An error ends the run: silence would be taken
// for a condition that was never true.
func (r *Recorder) holds(p *Point, t Thread) bool {
	if p.Condition == nil {
		return true
	}
	v, err := p.Condition.Eval(&agent.Env{Machine: t, Variables: r})
	if err != nil {
		r.end(reasonError, p.Number, message(err))
		return false
	}
	return v != 0
}

// isMistake tells an error of an expression from one of the thread's registers
// and memory.
func isMistake(err error) bool {
	for _, e := range []error{agent.ErrSteps, agent.ErrStack, agent.ErrDivide, agent.ErrEnd, agent.ErrUndefined} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func message(err error) string { return strings.TrimPrefix(err.Error(), "agent: ") }

// collect makes a frame. When that ends the run it returns false.
func (r *Recorder) collect(p *Point, actions []Action, t Thread) bool {
	c := collector{r: r, t: t}
	r.frame = r.frame[:0]
	for i := range actions {
		err := c.do(&actions[i])
		switch {
		case errors.Is(err, errFull):
			r.end(reasonFull, 0, "")
			return false
		case isMistake(err):
			r.end(reasonError, p.Number, message(err))
			return false
		}
		// What cannot be read is not in the frame; that is all.
	}
	if !r.buffer.add(p.Number, r.frame) {
		r.end(reasonFull, 0, "")
		return false
	}
	p.usage += uint64(len(r.frame))
	return true
}

// collector does the actions of one hit. It is an agent.Collector.
type collector struct {
	r *Recorder
	t Thread
}

func (c *collector) do(a *Action) error {
	switch a.Kind {
	case CollectRegisters:
		return c.registers()
	case CollectMemory:
		addr := a.Addr
		if a.Base != NoBase {
			base, err := c.t.Register(a.Base)
			if err != nil {
				return err
			}
			addr += base
		}
		return c.memory(addr, a.Len)
	case Evaluate:
		_, err := a.Expr.Eval(&agent.Env{Machine: c.t, Variables: c.r, Collector: c})
		return err
	}
	return fmt.Errorf("no action %q", a.Kind)
}

// room makes room for a block in the frame that is being made.
func (c *collector) room(n int) ([]byte, error) {
	r := c.r
	at := len(r.frame)
	limit := r.buffer.size
	if !r.buffer.circular {
		limit = r.buffer.free()
	}
	if headerSize+at+n > limit {
		return nil, errFull
	}
	r.frame = append(r.frame, make([]byte, n)...)
	return r.frame[at:], nil
}

func (c *collector) registers() error {
	block, err := c.room(1 + c.r.layout.Size)
	if err != nil {
		return err
	}
	block[0] = registerBlock
	c.t.ReadBlock(block[1:])
	return nil
}

// memory records a range: what can be read of it.
func (c *collector) memory(addr, size uint64) error {
	for size > 0 {
		want := int(min(size, maxMemoryBlock))
		block, err := c.room(memoryHeader + want)
		if err != nil {
			return err
		}
		n := c.t.Read(addr, block[memoryHeader:])
		block[0] = memoryBlock
		binary.LittleEndian.PutUint64(block[1:], addr)
		binary.LittleEndian.PutUint16(block[1+8:], uint16(n))
		if n < want {
			cut := memoryHeader + want // nothing to record
			if n > 0 {
				cut = want - n
			}
			c.r.frame = c.r.frame[:len(c.r.frame)-cut]
			return nil
		}
		addr += uint64(n)
		size -= uint64(n)
	}
	return nil
}

// CollectMemory implements agent.Collector.
func (c *collector) CollectMemory(addr, size uint64) error { return c.memory(addr, size) }

// CollectVariable implements agent.Collector.
func (c *collector) CollectVariable(number int) error {
	block, err := c.room(variableLength)
	if err != nil {
		return err
	}
	block[0] = variableBlock
	binary.LittleEndian.PutUint32(block[1:], uint32(number))
	binary.LittleEndian.PutUint64(block[1+4:], uint64(c.r.Variable(number)))
	return nil
}
