package rsp

// signalPackets say which signals and system calls stop the program.
var signalPackets = packetTable{
	"QPassSignals":    (*session).passSignals,
	"QProgramSignals": (*session).programSignals,
	"QCatchSyscalls":  (*session).catchSyscalls,
	"QThreadEvents":   (*session).threadEvents,
	"QThreadOptions":  (*session).threadOptions,
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
		return nil, errEmpty
	}
	list := s.signalList(a)
	if err := a.err(); err != nil {
		return nil, err
	}
	return done(s.t.Signals.PassSignals(list))
}

func (s *session) programSignals(a *args) ([]byte, error) {
	if s.t.Signals == nil {
		return nil, errEmpty
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
		return nil, errEmpty
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
		return nil, errEmpty
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

// cloneOption is the bit of QThreadOptions that asks for clone events, the only
// one announced.
const cloneOption = 1

// threadOptions: QThreadOptions[;options[:thread]]... (GDB 15). Which threads an
// option is for is not passed on: GDB copes with events it did not ask for.
func (s *session) threadOptions(a *args) ([]byte, error) {
	if s.supportedEvents()&EventClone == 0 {
		return nil, errEmpty
	}
	s.client.events &^= EventClone
	for a.accept(';') {
		if a.hex()&cloneOption != 0 {
			s.client.events |= EventClone
		}
		if a.accept(':') {
			a.threadID()
		}
	}
	if err := a.done(); err != nil {
		return nil, err
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
