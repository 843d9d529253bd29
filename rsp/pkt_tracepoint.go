package rsp

import (
	"errors"
	"fmt"

	"torov/rsp/agent"
	"torov/rsp/trace"
)

// tracepointPackets define tracepoints, and tell a client of those that another
// one has left.
var tracepointPackets = packetTable{
	"QTDP":    tracing((*session).defineTracepoint),
	"QTDPsrc": tracing((*session).tracepointSource),
	"qTP":     tracing((*session).tracepointStatus),
	"qTfP":    tracing((*session).firstDefinition),
	"qTsP":    tracing((*session).nextDefinition),
	"qTfV":    tracing((*session).firstVariable),
	"qTsV":    tracing((*session).nextVariable),
}

// itemCost is what an action or source takes in memory beside its text.
const itemCost = 128

// defineTracepoint: QTDP:number:address:E|D:steps:passes[:Flength][:S]
// [:Xlength,bytes][-], followed, if there is a "-" at the end, by packets
// QTDP:-number:address:[S]action...[-]. Those after an S are for steps.
func (s *session) defineTracepoint(r *trace.Recorder, a *args) ([]byte, error) {
	a.expect(':')
	var (
		p    *trace.Point
		more bool
		err  error
	)
	if a.accept('-') {
		if p, err = a.tracepoint(r); err == nil {
			a.expect(':')
			more, err = s.actions(r, p, a)
		}
	} else if p, more, err = tracepointHead(a); err == nil {
		if err = r.Define(p); err == nil && p.Condition != nil {
			err = r.Grow(itemCost + len(p.Condition.Code()))
		}
		s.trace.stepActions = false
	}
	if err != nil {
		return nil, err
	}
	if !more {
		err = r.Install(p)
	}
	return done(err)
}

// tracepointHead reads the first packet of a tracepoint.
func tracepointHead(a *args) (p *trace.Point, more bool, err error) {
	p = &trace.Point{Number: a.size(1 << 30), Fast: -1}
	a.expect(':')
	p.Addr = a.hex()
	a.expect(':')
	if p.Enabled = a.accept('E'); !p.Enabled {
		a.expect('D')
	}
	a.expect(':')
	p.Steps = a.hex()
	a.expect(':')
	p.Passes = a.hex()
	for a.accept(':') && !a.bad {
		switch {
		case a.accept('F'):
			p.Fast = a.size(1 << 30)
		case a.accept('S'):
			return nil, false, errors.New("static tracepoints are not supported")
		case a.accept('X'):
			if p.Condition, err = a.expression(); err != nil {
				return nil, false, fmt.Errorf("tracepoint condition: %w", err)
			}
		default:
			a.bad = true
		}
	}
	more = a.accept('-')
	return p, more, a.done()
}

// expression reads length,bytes of an agent expression, after its X.
func (a *args) expression() (*agent.Expr, error) {
	n := a.hex()
	a.expect(',')
	if a.bad || n > uint64(len(a.rest)/2) {
		return nil, errMalformed
	}
	code, err := unhex(a.rest[:2*n])
	if err != nil {
		return nil, errMalformed
	}
	a.rest = a.rest[2*n:]
	return agent.Compile(code)
}

// actions reads actions up to the end of the packet; more says that other
// packets follow.
func (s *session) actions(r *trace.Recorder, p *trace.Point, a *args) (more bool, err error) {
	var now, steps []trace.Action
	size, stepActions := 0, s.trace.stepActions
	for !a.empty() && !more {
		if more = a.accept('-'); more {
			continue
		}
		if a.accept('S') {
			stepActions = true
			continue
		}
		if len(p.Actions)+len(p.StepActions)+len(now)+len(steps) >= maxExpressions {
			return false, errors.New("too many actions on one tracepoint")
		}
		before := a.rest
		action, err := a.action()
		if err != nil {
			return false, err
		}
		action.Text = string(before[:len(before)-len(a.rest)])
		size += itemCost + len(action.Text)
		if stepActions {
			steps = append(steps, action)
		} else {
			now = append(now, action)
		}
	}
	if err = a.done(); err == nil {
		err = r.Grow(size)
	}
	if err != nil {
		return false, err
	}
	s.trace.stepActions = stepActions
	p.Actions, p.StepActions = append(p.Actions, now...), append(p.StepActions, steps...)
	return more, nil
}

// action reads one action: R mask, M base,offset,length or X length,bytes.
func (a *args) action() (act trace.Action, err error) {
	switch {
	case a.accept('R'):
		act.Kind = trace.CollectRegisters
		for len(a.rest) > 0 { // the mask, which can be longer than 64 bits
			if _, ok := hexValue(a.rest[0]); !ok {
				break
			}
			a.rest = a.rest[1:]
		}
	case a.accept('M'):
		act.Kind, act.Base = trace.CollectMemory, trace.NoBase
		if a.accept('-') {
			a.expect('1')
		} else if base := a.hex(); base <= 1<<15 {
			act.Base = int(base)
		}
		a.expect(',')
		act.Addr = a.hex()
		a.expect(',')
		act.Len = a.hex()
	case a.accept('X'):
		act.Kind = trace.Evaluate
		if act.Expr, err = a.expression(); err != nil {
			return act, fmt.Errorf("tracepoint action: %w", err)
		}
	default:
		return act, fmt.Errorf("no action begins with %.1q", a.rest)
	}
	return act, a.err()
}

// tracepointSource: QTDPsrc:number:address:type:start:length:text, in pieces if
// it is long. The length is that of the whole.
func (s *session) tracepointSource(r *trace.Recorder, a *args) ([]byte, error) {
	a.expect(':')
	p, err := a.tracepoint(r)
	if err != nil {
		return nil, err
	}
	a.expect(':')
	kind := string(a.until(':'))
	start := a.hex()
	a.expect(':')
	a.hex()
	a.expect(':')
	text := string(a.hexRest())
	if err := a.done(); err != nil {
		return nil, err
	}
	if err := r.Grow(itemCost + len(kind) + len(text)); err != nil {
		return nil, err
	}
	if n := len(p.Sources); start > 0 && n > 0 && p.Sources[n-1].Type == kind && uint64(len(p.Sources[n-1].Text)) == start {
		p.Sources[n-1].Text += text
		return replyOK, nil
	}
	p.Sources = append(p.Sources, trace.Source{Type: kind, Text: text})
	return replyOK, nil
}

// tracepointStatus: qTP:number:address gives hits and bytes in the buffer.
func (s *session) tracepointStatus(r *trace.Recorder, a *args) ([]byte, error) {
	a.expect(':')
	p, err := a.tracepoint(r)
	if err == nil {
		err = a.done()
	}
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "V%x:%x", p.Hits(), p.Usage()), nil
}

// firstDefinition: qTfP gives the first piece of what is defined, qTsP the
// others one by one, in the form they were sent in.
func (s *session) firstDefinition(r *trace.Recorder, a *args) ([]byte, error) {
	s.trace.pieces = nil
	for _, p := range r.Points() {
		s.trace.pieces = append(s.trace.pieces, tracepointPieces(p)...)
	}
	return s.nextDefinition(r, a)
}

func (s *session) nextDefinition(*trace.Recorder, *args) ([]byte, error) {
	return nextPiece(&s.trace.pieces)
}

// nextPiece takes the first of a list; "l" is its end.
func nextPiece(list *[]string) ([]byte, error) {
	if len(*list) == 0 {
		return []byte{'l'}, nil
	}
	first := (*list)[0]
	*list = (*list)[1:]
	return []byte(first), nil
}

// tracepointPieces is a tracepoint in pieces.
func tracepointPieces(p *trace.Point) []string {
	state := 'D'
	if p.Enabled {
		state = 'E'
	}
	head := fmt.Sprintf("T%x:%x:%c:%x:%x", p.Number, p.Addr, state, p.Steps, p.Passes)
	if p.Fast >= 0 {
		head += fmt.Sprintf(":F%x", p.Fast)
	}
	if p.Condition != nil {
		head += fmt.Sprintf(":X%x,%x", len(p.Condition.Code()), p.Condition.Code())
	}
	pieces := []string{head}
	for _, act := range p.Actions {
		pieces = append(pieces, fmt.Sprintf("A%x:%x:%s", p.Number, p.Addr, act.Text))
	}
	for _, act := range p.StepActions {
		pieces = append(pieces, fmt.Sprintf("S%x:%x:%s", p.Number, p.Addr, act.Text))
	}
	for _, src := range p.Sources {
		pieces = append(pieces, fmt.Sprintf("Z%x:%x:%s:0:%x:%x", p.Number, p.Addr, text(src.Type), len(src.Text), src.Text))
	}
	return pieces
}

// firstVariable: qTfV and qTsV list the trace state variables in the same way.
func (s *session) firstVariable(r *trace.Recorder, a *args) ([]byte, error) {
	s.trace.variables = nil
	for _, v := range r.Variables() {
		s.trace.variables = append(s.trace.variables, fmt.Sprintf("%x:%x:%x:%x", v.Number, uint64(v.Initial), digit01(v.Builtin), v.Name))
	}
	return s.nextVariable(r, a)
}

func (s *session) nextVariable(*trace.Recorder, *args) ([]byte, error) {
	return nextPiece(&s.trace.variables)
}
