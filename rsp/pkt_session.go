package rsp

import (
	"fmt"
	"strings"
)

// sessionPackets negotiate, and keep the connection in order.
var sessionPackets = packetTable{
	"qSupported":              (*session).supported,
	"vMustReplyEmpty":         func(*session, *args) ([]byte, error) { return nil, errEmpty },
	"QStartNoAckMode":         (*session).startNoAck,
	"!":                       (*session).extend,
	"QThreadSuffixSupported":  (*session).useThreadSuffix,
	"QListThreadsInStopReply": (*session).listThreads,
	"QEnableErrorStrings":     (*session).enableErrorStrings,
	"qEcho":                   echo,
	"QAllow":                  func(*session, *args) ([]byte, error) { return replyOK, nil },
	"qSymbol":                 (*session).symbols,
}

// supported: qSupported[:feature[;feature]...].
func (s *session) supported(a *args) ([]byte, error) {
	a.accept(':')
	s.client.announce(string(a.all()))
	for _, f := range eventFeatures {
		if s.client.features[f.name] {
			s.client.events |= f.event
		}
	}
	s.log.Info("debugger connected", "kind", s.client.kind.String())
	if err := s.enableEvents(); err != nil {
		s.log.Warn("enabling events", "err", err)
	}
	var reply strings.Builder
	fmt.Fprintf(&reply, "PacketSize=%x", s.packetSize)
	for _, f := range features {
		if f.when(s) {
			reply.WriteString(";" + f.name)
		}
	}
	if s.t.Tracepoints != nil {
		for _, name := range traceFeatures {
			reply.WriteString(";" + name + "+")
		}
	}
	return []byte(reply.String()), nil
}

// startNoAck: the OK to it is still acknowledged, which the reader skips.
func (s *session) startNoAck(*args) ([]byte, error) {
	s.in.noAck.Store(true)
	return replyOK, nil
}

// extend: `!` makes the connection outlive the program.
func (s *session) extend(*args) ([]byte, error) {
	s.extended = true
	if e, ok := s.t.Session.(SessionExtender); ok {
		e.Extended()
	}
	return replyOK, nil
}

func (s *session) useThreadSuffix(*args) ([]byte, error) {
	s.client.threadSuffix = true
	return replyOK, nil
}

func (s *session) listThreads(*args) ([]byte, error) {
	s.client.listThreads = true
	return replyOK, nil
}

func (s *session) enableErrorStrings(*args) ([]byte, error) {
	s.client.errorStrings = true
	return replyOK, nil
}

// echo: qEcho:text lets LLDB find out which replies belong to which packets.
func echo(_ *session, a *args) ([]byte, error) {
	return []byte("qEcho" + text(string(a.all()))), nil
}

// symbols: qSymbol:: offers to look up symbols; there is nothing to look up.
func (s *session) symbols(*args) ([]byte, error) { return replyOK, nil }
