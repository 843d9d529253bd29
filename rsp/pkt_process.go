package rsp

import (
	"errors"
	"fmt"
)

// processPackets start, attach to, leave and end processes.
var processPackets = packetTable{
	"D":                      (*session).detachPacket,
	"k":                      (*session).killAll,
	"vKill":                  (*session).killOne,
	"vRun":                   (*session).runPacket,
	"R":                      (*session).restart,
	"vAttach":                (*session).attachPacket,
	"QDisableRandomization":  launchOption(func(l *Launch, a *args) { l.ASLR = a.hex() == 0 }),
	"QStartupWithShell":      launchOption(func(l *Launch, a *args) { l.Shell = a.hex() != 0 }),
	"QSetWorkingDir":         launchOption(func(l *Launch, a *args) { l.Dir = string(a.hexRest()) }),
	"QEnvironmentHexEncoded": launchOption(setEnv),
	"QEnvironmentUnset":      launchOption(unsetEnv),
	"QEnvironmentReset":      launchOption(resetEnv),
}

// detach removes the breakpoints of a process and lets it run alone.
func (s *session) detach(pid PID, stay bool) error {
	s.removeBreakpoints(pid)
	s.leaveTrace()
	if s.t.Process != nil {
		return s.t.Process.Detach(pid, stay)
	}
	if stay {
		return nil
	}
	return s.t.RunControl.Resume([]Action{{Thread: ThreadID{pid, AllTID}}})
}

func (s *session) kill(pid PID) error {
	s.forgetBreakpoints(pid)
	if s.t.Process == nil {
		return nil
	}
	return s.t.Process.Kill(pid)
}

// detachPacket: D, D;pid, and LLDB's D1 and D1;pid, which leave the process
// stopped.
func (s *session) detachPacket(a *args) ([]byte, error) {
	stay := a.accept('1')
	pids := s.pids()
	if a.accept(';') {
		pids = []PID{PID(a.id())}
		if _, err := s.resolve(ThreadID{PID: pids[0]}); err != nil {
			return nil, err
		}
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	if len(pids) == 0 {
		return nil, ErrNoProcess
	}
	for _, pid := range pids {
		if err := s.detach(pid, stay); err != nil {
			return nil, err
		}
		s.left(pid)
	}
	return replyOK, nil
}

// left notes that a process is the client's no more.
func (s *session) left(pid PID) {
	s.gone[pid] = true
	if s.general.PID == pid {
		s.general = ThreadID{}
	}
	if s.stopped.Thread.PID == pid {
		s.stopped = Stop{}
	}
}

// killAll: k. LLDB and Delve wait for an answer, GDB does not mind one.
func (s *session) killAll(*args) ([]byte, error) {
	if s.running {
		if err := s.attach(); err != nil {
			return nil, err
		}
	}
	for _, pid := range s.pids() {
		if err := s.kill(pid); err != nil {
			return nil, err
		}
		s.left(pid)
	}
	s.closing = !s.extended
	return fmt.Appendf(nil, "X%02x", s.toClient(SIGKILL)), nil
}

// killOne: vKill;pid.
func (s *session) killOne(a *args) ([]byte, error) {
	a.expect(';')
	pid := PID(a.id())
	if err := a.done(); err != nil {
		return nil, err
	}
	t, err := s.resolve(ThreadID{PID: pid})
	if err != nil {
		return nil, err
	}
	if err := s.kill(t.PID); err != nil {
		return nil, err
	}
	s.left(t.PID)
	return replyOK, nil
}

// launchOption makes the handler of a packet that only changes how the next
// program is started.
func launchOption(set func(l *Launch, a *args)) handler {
	return func(s *session, a *args) ([]byte, error) {
		if s.t.Launcher == nil {
			return nil, errEmpty
		}
		a.accept(':')
		l := s.launch
		set(&l, a)
		if err := a.done(); err != nil {
			return nil, err
		}
		if len(l.Env) > maxList {
			return nil, errors.New("too many changes to the environment")
		}
		s.launch = l
		return replyOK, nil
	}
}

// setEnv takes hexadecimal NAME=VALUE.
func setEnv(l *Launch, a *args) {
	b := args{rest: a.hexRest()}
	name := string(b.until('='))
	if name == "" {
		a.bad = true
	}
	l.Env = append(l.Env[:len(l.Env):len(l.Env)], EnvChange{Name: name, Value: string(b.all())})
}

func unsetEnv(l *Launch, a *args) {
	l.Env = append(l.Env[:len(l.Env):len(l.Env)], EnvChange{Unset: true, Name: string(a.hexRest())})
}

// resetEnv forgets the changes made so far; what the target itself has is
// asked for by a change of its own.
func resetEnv(l *Launch, _ *args) { l.Env = []EnvChange{{Reset: true}} }

// runPacket: vRun;path[;argument]..., all hexadecimal.
func (s *session) runPacket(a *args) ([]byte, error) {
	if s.t.Launcher == nil {
		return nil, errEmpty
	}
	a.expect(';')
	l := s.launch
	l.Path, l.Args = string(a.hexBytes(';')), nil
	for !a.empty() && !a.bad {
		l.Args = append(l.Args, string(a.hexBytes(';')))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	return s.start(l)
}

// restart: R starts the last program again. It has no reply.
func (s *session) restart(*args) ([]byte, error) {
	if s.t.Launcher == nil {
		return nil, errEmpty
	}
	if _, err := s.start(s.launch); err != nil {
		s.log.Warn("restarting the program", "err", err)
	}
	return nil, nil
}

// start launches a program and returns its first stop.
func (s *session) start(l Launch) ([]byte, error) {
	stop, err := s.t.Launcher.Launch(l)
	if err != nil {
		return nil, err
	}
	s.launch, s.launched = l, true
	s.pump.take() // what the program before had to say
	clear(s.breakpoints)
	return s.adopt(stop), nil
}

// adopt begins to debug a process that has just been started or attached to.
func (s *session) adopt(stop Stop) []byte {
	delete(s.gone, stop.Thread.PID)
	s.kept, s.crossed = nil, false
	return s.report(stop)
}

// attachPacket: vAttach;pid.
func (s *session) attachPacket(a *args) ([]byte, error) {
	if s.t.Attacher == nil {
		return nil, errEmpty
	}
	a.expect(';')
	pid := PID(a.id())
	if err := a.done(); err != nil {
		return nil, err
	}
	if pid <= 0 {
		return nil, ErrNoProcess
	}
	stop, err := s.t.Attacher.AttachTo(pid)
	if err != nil {
		return nil, err
	}
	s.launched = false
	reply := s.adopt(stop)
	if s.nonStop {
		// The stop itself is announced by a notification.
		s.notifyStop(stop)
		return replyOK, nil
	}
	return reply, nil
}
