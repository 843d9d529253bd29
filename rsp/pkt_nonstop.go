package rsp

import (
	"errors"
	"slices"
)

// nonStopPackets are those of non-stop mode, in which threads stop one by one
// and stops are announced by notifications.
var nonStopPackets = packetTable{
	"QNonStop": (*session).setNonStop,
	"vStopped": (*session).nextNotified,
	"vCtrlC":   (*session).interruptPacket,
}

// setNonStop: QNonStop:1 or 0. The debuggee is stopped as a whole when the
// mode changes.
func (s *session) setNonStop(a *args) ([]byte, error) {
	a.expect(':')
	on := a.hex() != 0
	if err := a.done(); err != nil {
		return nil, err
	}
	if s.t.NonStop == nil {
		return nil, errEmpty
	}
	if on == s.nonStop {
		return replyOK, nil
	}
	if s.nonStop {
		// What the client has not been told of stays to be told.
		rest := s.notified[min(1, len(s.notified)):]
		if err := s.attach(); err != nil {
			return nil, err
		}
		s.kept = rest
	}
	if err := s.t.NonStop.SetNonStop(on); err != nil {
		return nil, err
	}
	s.nonStop = on
	return replyOK, nil
}

// interruptPacket: vCtrlC.
func (s *session) interruptPacket(a *args) ([]byte, error) {
	if err := a.done(); err != nil {
		return nil, err
	}
	if !s.nonStop && !s.running {
		return replyOK, nil
	}
	return done(s.t.RunControl.Interrupt())
}

// notifyStop queues a stop and announces it if the client has none to fetch.
func (s *session) notifyStop(stop Stop) {
	s.account(stop)
	s.notified = append(s.notified, stop)
	if len(s.notified) == 1 {
		s.notify(append([]byte("Stop:"), s.stopReply(stop)...))
	}
}

// nextNotified: vStopped says that the client has seen the head of the queue
// and wants the next.
func (s *session) nextNotified(a *args) ([]byte, error) {
	if err := a.done(); err != nil {
		return nil, err
	}
	if len(s.notified) > 0 {
		s.notified = s.notified[1:]
	}
	if len(s.notified) == 0 {
		return replyOK, nil
	}
	return s.stopReply(s.notified[0]), nil
}

// reportAll answers `?` in non-stop mode: the first stopped thread, the others
// with vStopped.
func (s *session) reportAll() ([]byte, error) {
	fresh := append(s.notified, s.kept...)
	s.notified, s.kept = nil, nil
	for _, t := range s.threads() {
		if t.Running {
			continue
		}
		stop := Stop{Kind: StopHalted, Thread: t.ID}
		if i := slices.IndexFunc(fresh, func(n Stop) bool { return n.Thread == t.ID }); i >= 0 {
			stop = fresh[i]
		}
		s.notified = append(s.notified, stop)
	}
	if len(s.notified) == 0 {
		return replyOK, nil
	}
	return s.stopReply(s.notified[0]), nil
}

// resumeNonStop resumes the threads that the client knows to be stopped: one
// with an event it has not fetched yet stays.
func (s *session) resumeNonStop(actions []Action) ([]byte, error) {
	var each []Action
	for _, t := range s.threads() {
		a, ok := ActionFor(actions, t.ID)
		unfetched := slices.ContainsFunc(s.notified, func(n Stop) bool { return n.Thread == t.ID })
		if !ok || unfetched || t.Running != (a.Kind == Halt) {
			continue
		}
		a.Thread = t.ID
		each = append(each, a)
	}
	if len(each) == 0 {
		return replyOK, nil
	}
	err := s.t.RunControl.Resume(each)
	if errors.Is(err, ErrUnsupported) {
		err = errors.New("the target cannot resume threads one by one")
	}
	return done(err)
}
