package rsp

import (
	"encoding/binary"
	"errors"
	"slices"
)

// runPackets resume the program and ask why it stopped.
var runPackets = packetTable{
	"?":      (*session).whyStopped,
	"c":      func(s *session, a *args) ([]byte, error) { return s.oldResume(a, Continue, false) },
	"C":      func(s *session, a *args) ([]byte, error) { return s.oldResume(a, Continue, true) },
	"s":      func(s *session, a *args) ([]byte, error) { return s.oldResume(a, Step, false) },
	"S":      func(s *session, a *args) ([]byte, error) { return s.oldResume(a, Step, true) },
	"vCont?": (*session).resumeActions,
	"vCont":  (*session).vCont,
	"b":      (*session).backwards,
}

// whyStopped: `?`. In all-stop mode it repeats the last stop; in non-stop mode
// it begins a report of all threads that are stopped.
func (s *session) whyStopped(a *args) ([]byte, error) {
	if err := a.done(); err != nil {
		return nil, err
	}
	if s.nonStop {
		return s.reportAll()
	}
	if s.stopped.Kind == StopNone {
		return []byte("W00"), nil
	}
	return s.stopReply(s.stopped), nil
}

func (s *session) resumeActions(*args) ([]byte, error) {
	return []byte("vCont;c;C;s;S;t;r"), nil
}

// vCont: vCont;action[:thread][;action[:thread]]...
func (s *session) vCont(a *args) ([]byte, error) {
	var actions []Action
	for a.accept(';') && len(actions) < maxList {
		action := s.action(a)
		if action.Thread = AllThreads; a.accept(':') {
			t := a.threadID()
			if t.TID > 0 {
				// A thread that is gone meanwhile gets no action.
				found, err := s.resolve(t)
				if err != nil {
					continue
				}
				t = found
			}
			action.Thread = t
		}
		actions = append(actions, action)
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	if len(actions) == 0 {
		return nil, ErrNoProcess
	}
	return s.resumeWith(actions)
}

// action reads the letter of a vCont action and its operands.
func (s *session) action(a *args) Action {
	var act Action
	if a.empty() {
		a.bad = true
		return act
	}
	letter := a.rest[0]
	a.rest = a.rest[1:]
	switch letter {
	case 'c':
	case 'C':
		act.Signal = s.signalArg(a)
	case 's':
		act.Kind = Step
	case 'S':
		act.Kind, act.Signal = Step, s.signalArg(a)
	case 't':
		act.Kind = Halt
	case 'r':
		act.Kind, act.Start = StepRange, a.addr()
		a.expect(',')
		act.End = a.addr()
	default:
		a.bad = true
	}
	return act
}

// signalArg reads a signal number of the client's.
func (s *session) signalArg(a *args) Signal { return s.fromClient(a.size(0xff)) }

// oldResume: c[addr], s[addr], C sig[;addr], S sig[;addr]. These apply to the
// thread that Hc chose; with none chosen a step or a signal is for the selected
// thread and the others continue.
func (s *session) oldResume(a *args, kind ActionKind, signal bool) ([]byte, error) {
	action := Action{Kind: kind}
	if signal {
		if action.Signal = s.signalArg(a); !a.empty() {
			a.expect(';')
		}
	}
	moved := !a.empty()
	var pc Addr
	if moved {
		pc = a.addr()
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	chosen := s.resume
	if chosen.TID <= 0 {
		chosen = s.general
	}
	t, err := s.resolve(chosen)
	if err != nil {
		return nil, err
	}
	if moved {
		if err := s.setPC(t, pc); err != nil {
			return nil, err
		}
	}
	action.Thread = t
	actions := []Action{action}
	if s.resume.TID <= 0 {
		actions = append(actions, Action{Thread: AllThreads})
	}
	return s.resumeWith(actions)
}

// setPC moves a thread.
func (s *session) setPC(t ThreadID, pc Addr) error {
	r := s.generic("pc")
	if r == nil || r.Size() > 8 {
		return errors.New("the target does not say which register is the program counter")
	}
	value := binary.LittleEndian.AppendUint64(nil, uint64(pc))[:r.Size()]
	return s.setRegisters(t, []RegisterValue{{Register: r, Value: value}})
}

// resumeWith lets the debuggee go on, unless an event is left to be reported
// first.
func (s *session) resumeWith(actions []Action) ([]byte, error) {
	if s.nonStop {
		return s.resumeNonStop(actions)
	}
	if err := s.notInFrame(); err != nil {
		return nil, err
	}
	actions = s.withoutHalts(actions)
	if len(actions) == 0 {
		return nil, errors.New("that would resume nothing")
	}
	// A target may send more than one event for a stop. What it has sent must
	// not be taken for the answer to this resume.
	for _, stop := range s.pump.take() {
		s.event(stop)
	}
	if stop, ok := s.nextKept(actions); ok {
		return s.report(stop), nil
	}
	if len(s.pids()) == 0 {
		return nil, ErrNoProcess
	}
	// running first: the stop may arrive before Resume has returned.
	s.running = true
	if err := s.t.RunControl.Resume(actions); err != nil {
		s.running = false
		return nil, err
	}
	if s.crossed {
		s.interrupt()
	}
	return nil, nil
}

// withoutHalts drops Halt actions, which have nothing to stop in all-stop mode
// but keep threads out of the actions to their right.
func (s *session) withoutHalts(actions []Action) []Action {
	if !slices.ContainsFunc(actions, func(a Action) bool { return a.Kind == Halt }) {
		return actions
	}
	var each []Action
	for _, t := range s.threads() {
		if a, ok := ActionFor(actions, t.ID); ok && a.Kind != Halt {
			a.Thread = t.ID
			each = append(each, a)
		}
	}
	return each
}

// nextKept takes the first kept event of a thread that is being resumed and
// still holds. Events that do not hold any more are forgotten.
func (s *session) nextKept(actions []Action) (Stop, bool) {
	for i := 0; i < len(s.kept); i++ {
		stop := s.kept[i]
		if _, resumed := ActionFor(actions, stop.Thread); !resumed && !stop.Ends() {
			continue
		}
		s.kept = append(s.kept[:i:i], s.kept[i+1:]...)
		i--
		if stop.Ends() || s.t.RunControl.Valid(stop) {
			return stop, true
		}
	}
	return Stop{}, false
}

// event takes a stop from the target.
func (s *session) event(stop Stop) {
	also := stop.Also
	stop.Also = nil
	switch {
	case s.nonStop:
		s.notifyStop(stop)
		for _, other := range also {
			s.notifyStop(other)
		}
		return
	case s.running:
		s.running = false
		s.reply(s.report(stop))
	default:
		s.kept = append(s.kept, stop)
	}
	s.kept = append(s.kept, also...)
}

// report makes a stop the current one and returns its packet.
func (s *session) report(stop Stop) []byte {
	s.stopped = stop
	s.account(stop)
	s.selectThread(stop)
	if s.resume.TID > 0 {
		s.resume = AllThreads
	}
	return s.stopReply(stop)
}

// account notes what a stop means for the session's own state.
func (s *session) account(stop Stop) {
	switch stop.Kind {
	case StopExited, StopKilled, StopExec:
		s.forgetBreakpoints(stop.Thread.PID)
	case StopFork:
		delete(s.gone, stop.Child.PID) // a number that is used again
		s.inheritBreakpoints(stop.Thread.PID, stop.Child.PID)
	case StopVfork:
		delete(s.gone, stop.Child.PID)
	}
}

// backwards: bc and bs.
func (s *session) backwards(a *args) ([]byte, error) {
	if s.t.Reverse == nil {
		return nil, errEmpty
	}
	step := a.accept('s')
	if !step {
		a.expect('c')
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	t, err := s.resolve(s.resume)
	if err != nil {
		return nil, err
	}
	s.running = true
	if step {
		err = s.t.Reverse.ReverseStep(t)
	} else {
		err = s.t.Reverse.ReverseContinue()
	}
	if err != nil {
		s.running = false
	}
	return nil, err
}
