package rsp

import (
	"bytes"
	"errors"
	"fmt"

	"torov/rsp/agent"
)

// breakpointPackets insert and remove breakpoints.
var breakpointPackets = packetTable{
	"Z": (*session).insert,
	"z": (*session).remove,
}

// breakpointKey identifies a breakpoint; conditions and commands are not part
// of it.
type breakpointKey struct {
	pid  PID
	kind BreakpointKind
	addr Addr
	len  int
}

func (b *Breakpoint) key() breakpointKey { return breakpointKey{b.PID, b.Kind, b.Addr, b.Len} }

// place reads what Z and z have in common: type,addr,kind.
func (s *session) place(a *args) (*Breakpoint, error) {
	kind := BreakpointKind(a.size(int(numBreakpointKinds)))
	a.expect(',')
	b := &Breakpoint{Kind: kind, Addr: a.addr()}
	a.expect(',')
	b.Len = a.size(1 << 30)
	if err := a.err(); err != nil {
		return nil, err
	}
	if s.t.Breakpoints == nil || kind >= numBreakpointKinds || s.refused[kind] {
		return nil, errEmpty
	}
	pid, err := s.pid()
	b.PID = pid
	return b, err
}

// insert: Ztype,addr,kind[;Xlen,bytes]...[;cmds:persist,Xlen,bytes...].
func (s *session) insert(a *args) ([]byte, error) {
	b, err := s.place(a)
	if err != nil {
		return nil, err
	}
	if err := parseAgent(a, b); err != nil {
		return nil, err
	}
	err = s.t.Breakpoints.InsertBreakpoint(b)
	if errors.Is(err, ErrUnsupported) && !s.accepted[b.Kind] {
		s.refused[b.Kind] = true
		return nil, errEmpty
	}
	s.accepted[b.Kind] = true
	if err != nil {
		return nil, err
	}
	s.breakpoints[b.key()] = b
	return replyOK, nil
}

// remove: ztype,addr,kind. Removing what is not there is not an error: an exec
// may have taken it away.
func (s *session) remove(a *args) ([]byte, error) {
	b, err := s.place(a)
	if err != nil {
		return nil, err
	}
	known, ok := s.breakpoints[b.key()]
	if !ok {
		return replyOK, nil
	}
	delete(s.breakpoints, b.key())
	return done(s.t.Breakpoints.RemoveBreakpoint(known))
}

// maxExpressions bounds the conditions and commands of a breakpoint.
const maxExpressions = 1024

// parseAgent reads conditions and commands. Their lengths are hexadecimal;
// the bytes are pairs of digits.
func parseAgent(a *args, b *Breakpoint) error {
	list := &b.Conditions
	for a.accept(';') || !a.empty() {
		if len(b.Conditions)+len(b.Commands) >= maxExpressions {
			return errors.New("too many conditions and commands on one breakpoint")
		}
		if rest, ok := bytes.CutPrefix(a.rest, []byte("cmds:")); ok {
			a.rest = rest
			b.Persist = a.hex() != 0
			a.expect(',')
			list = &b.Commands
		}
		if !a.accept('X') {
			return errMalformed
		}
		n := a.hex()
		a.expect(',')
		if a.bad || n > uint64(len(a.rest)/2) {
			return errMalformed
		}
		code, err := unhex(a.rest[:2*n])
		if err != nil {
			return errMalformed
		}
		a.rest = a.rest[2*n:]
		expr, err := agent.Compile(code)
		if err != nil {
			return fmt.Errorf("breakpoint condition: %w", err)
		}
		*list = append(*list, expr)
	}
	return a.err()
}

// removeBreakpoints removes what the client has inserted in a process (AllPID:
// everywhere) and left behind. A breakpoint whose commands are to persist
// stays.
func (s *session) removeBreakpoints(p PID) {
	for k, b := range s.breakpoints {
		if p != AllPID && k.pid != p {
			continue
		}
		delete(s.breakpoints, k)
		if b.Persist && len(b.Commands) > 0 {
			s.srv.persistent[k] = b
			continue
		}
		if err := s.t.Breakpoints.RemoveBreakpoint(b); err != nil {
			s.log.Warn("removing a breakpoint the debugger left", "addr", uint64(b.Addr), "err", err)
		}
	}
}

// takePersistent hands over what the client before left on purpose, so that the
// next one can remove it.
func (s *Server) takePersistent() map[breakpointKey]*Breakpoint {
	taken := s.persistent
	s.persistent = map[breakpointKey]*Breakpoint{}
	if taken == nil {
		taken = map[breakpointKey]*Breakpoint{}
	}
	return taken
}

// inheritBreakpoints notes that the child of a fork has its parent's
// breakpoints in its memory.
func (s *session) inheritBreakpoints(parent, child PID) {
	for k, b := range s.breakpoints {
		if k.pid == parent {
			c := *b
			c.PID = child
			s.breakpoints[c.key()] = &c
		}
	}
}

// forgetBreakpoints notes that a process's memory is gone, and with it what
// was inserted there.
func (s *session) forgetBreakpoints(p PID) {
	for k := range s.breakpoints {
		if k.pid == p {
			delete(s.breakpoints, k)
		}
	}
}
