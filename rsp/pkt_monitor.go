package rsp

import "errors"

// monitorPackets run commands that a person types.
var monitorPackets = packetTable{
	"qRcmd": (*session).monitor,
}

// monitor: qRcmd,hex runs a command. What it prints goes to the client at
// once, in O packets, because a command may take a while.
func (s *session) monitor(a *args) ([]byte, error) {
	if s.t.Monitor == nil {
		return nil, errEmpty
	}
	a.expect(',')
	line := string(a.hexRest())
	if err := a.done(); err != nil {
		return nil, err
	}
	t, err := s.thread()
	if err != nil && !errors.Is(err, ErrNoProcess) {
		return nil, err
	}
	err = s.t.Monitor.Command(t, line, (*console)(s))
	if errors.Is(err, ErrEnd) {
		_, err = s.killAll(nil)
		s.closing = true
		return done(err)
	}
	if err != nil && !s.client.errorMessage && s.client.kind == clientGDB {
		// This client would show the number alone.
		(*console)(s).Write([]byte(err.Error() + "\n"))
	}
	if errors.Is(err, ErrUnsupported) {
		err = errors.New("no such monitor command")
	}
	return done(err)
}

// console writes to the client's terminal.
type console session

func (c *console) Write(p []byte) (int, error) {
	s := (*session)(c)
	for rest := p; len(rest) > 0; {
		part := rest[:min(len(rest), (s.packetSize-1)/2)]
		rest = rest[len(part):]
		s.reply(appendHex([]byte{'O'}, part))
		if s.closing {
			return 0, errors.New("the debugger has gone")
		}
	}
	return len(p), nil
}
