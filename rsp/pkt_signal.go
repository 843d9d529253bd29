package rsp

// signalPackets say which signals and system calls stop the program.
var signalPackets = packetTable{
	"QPassSignals":    (*session).passSignals,
	"QProgramSignals": (*session).programSignals,
	"QCatchSyscalls":  (*session).catchSyscalls,
	"QThreadEvents":   (*session).threadEvents,
}

// maxList bounds the lists of numbers a client may send.
const maxList = 4096

// signalList reads sig;sig;...
func (s *session) signalList(a *args) []Signal {
	a.expect(':')
	var list []Signal
	for !a.empty() && !a.bad {
		if sig := s.signalArg(a); sig != 0 {
			list = append(list, sig)
		}
		if !a.empty() {
			a.expect(';')
		}
	}
	return list
}

func (s *session) passSignals(a *args) ([]byte, error) {
	if s.t.Signals == nil {
		return nil, ErrUnsupported
	}
	list := s.signalList(a)
	if err := a.err(); err != nil {
		return nil, err
	}
	return done(s.t.Signals.PassSignals(list))
}

func (s *session) programSignals(a *args) ([]byte, error) {
	if s.t.Signals == nil {
		return nil, ErrUnsupported
	}
	list := s.signalList(a)
	if err := a.err(); err != nil {
		return nil, err
	}
	return done(s.t.Signals.ProgramSignals(list))
}

// catchSyscalls: QCatchSyscalls:0, QCatchSyscalls:1[;number]...
func (s *session) catchSyscalls(a *args) ([]byte, error) {
	if s.t.Syscalls == nil {
		return nil, ErrUnsupported
	}
	a.expect(':')
	on := a.hex() != 0
	var numbers []int
	for a.accept(';') && len(numbers) < maxList {
		numbers = append(numbers, a.size(1<<20))
	}
	if err := a.done(); err != nil {
		return nil, err
	}
	pid, err := s.pid()
	if err != nil {
		return nil, err
	}
	return done(s.t.Syscalls.CatchSyscalls(pid, on, numbers))
}

// threadEvents: QThreadEvents:1 or 0.
func (s *session) threadEvents(a *args) ([]byte, error) {
	if s.supportedEvents()&EventThread == 0 {
		return nil, ErrUnsupported
	}
	a.expect(':')
	on := a.hex() != 0
	if err := a.done(); err != nil {
		return nil, err
	}
	if on {
		s.client.events |= EventThread
	} else {
		s.client.events &^= EventThread
	}
	return done(s.enableEvents())
}

// enableEvents tells the target which events the client wants.
func (s *session) enableEvents() error {
	if s.t.Events == nil {
		return nil
	}
	return s.t.Events.EnableEvents(s.client.events & s.t.Events.SupportedEvents())
}
