package rsp

import (
	"bytes"
	"errors"
	"sync"
)

// handler answers one packet. The reply is ready for the wire except for
// framing. A nil reply with a nil error means that the answer comes later, or
// that there is none. The error errEmpty gives the empty reply.
type handler func(s *session, a *args) ([]byte, error)

// packetTable maps packet names to handlers. Every family of packets has one,
// in the file that holds its handlers.
type packetTable map[string]handler

// families is all of them.
func families() []packetTable {
	return []packetTable{
		sessionPackets, processPackets, runPackets, nonStopPackets, threadPackets, registerPackets,
		memoryPackets, breakpointPackets, signalPackets, programPackets, filePackets, monitorPackets,
		lldbPackets, lldbThreadPackets, tracePackets, tracepointPackets, traceFramePackets,
	}
}

// packets is what they hold.
var packets = sync.OnceValue(func() packetTable {
	all := packetTable{}
	for _, family := range families() {
		for name, h := range family {
			all[name] = h
		}
	}
	return all
})

// bareNames are the long names that are followed by their argument without a
// separator.
var bareNames = []string{"qThreadStopInfo", "qRegisterInfo", "_M", "_m"}

// splitName finds the name of a packet. Names that begin with one of qQvj are
// words, ended by a separator which stays with the arguments; "vCont?" is one
// too. All others are a single letter.
func splitName(p []byte) (name string, rest []byte) {
	if len(p) == 0 {
		return "", nil
	}
	for _, n := range bareNames {
		if bytes.HasPrefix(p, []byte(n)) {
			return n, p[len(n):]
		}
	}
	switch p[0] {
	case 'q', 'Q', 'v', 'j':
		if i := bytes.IndexAny(p, ":;,?"); i >= 0 {
			if p[i] == '?' {
				i++
			}
			return string(p[:i]), p[i:]
		}
		return string(p), nil
	}
	return string(p[:1]), p[1:]
}

// dispatch answers a packet.
func (s *session) dispatch(payload []byte) {
	name, rest := splitName(payload)
	h, ok := packets()[name]
	if !ok {
		s.reply(nil)
		return
	}
	reply, err := h(s, &args{rest: rest})
	switch {
	case err == errEmpty, errors.Is(err, ErrUnsupported) && !s.known[name] && !announced[name]:
		s.reply(nil)
		return
	case err != nil:
		s.reply(s.errorReply(name, err))
	case reply != nil:
		s.reply(reply)
	}
	s.known[name] = true
}

// errEmpty is a handler's way to ask for the empty reply: the packet is not
// served.
var errEmpty = errors.New("packet not served")

// announced are the packets whose existence qSupported has told the client
// about. They must never get the empty reply, nor must any packet that has got
// another one before: GDB then gives up the connection.
var announced = map[string]bool{
	"qXfer": true, "vCont": true, "QPassSignals": true, "QProgramSignals": true, "QCatchSyscalls": true, "QNonStop": true,
	"QThreadEvents": true, "QThreadOptions": true, "b": true, "Z": true, "z": true,
}

// ok is the reply of a packet that has nothing to tell.
var replyOK = []byte("OK")

// done turns the result of a capability into a reply.
func done(err error) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	return replyOK, nil
}

// errorReply puts an error in the form the client understands. Replies in text
// are not understood everywhere: GDB before 16 takes them for data in the
// answers to some packets.
func (s *session) errorReply(name string, err error) []byte {
	code := errorNumber(err)
	number := []byte{'E', hexDigits[code>>4], hexDigits[code&15]}
	switch {
	case s.client.kind == clientLLDB && s.client.errorStrings:
		return append(append(number, ';'), hexString(err.Error())...)
	case s.client.kind == clientLLDB, s.client.kind == clientDelve:
		return number
	case s.client.errorMessage, name[0] == 'Z', name[0] == 'z', name[0] == 'v', name[0] == 'Q', name == "qGetTLSAddr":
		return []byte("E." + text(err.Error()))
	}
	return number
}
