package rsp

import (
	"bytes"
	"errors"
	"fmt"
)

// registerPackets read and write registers.
var registerPackets = packetTable{
	"g":                     (*session).readRegisters,
	"G":                     (*session).writeRegisters,
	"p":                     (*session).readRegister,
	"P":                     (*session).writeRegister,
	"QSaveRegisterState":    (*session).saveRegisters,
	"QRestoreRegisterState": (*session).restoreRegisters,
}

// errNoRegister is the answer to a number that the description lacks.
var errNoRegister = errors.New("no such register")

// suffix reads LLDB's ";thread:ID;" at the end of a register packet and
// returns the thread the packet is about.
func (s *session) suffix(a *args) (ThreadID, error) {
	if a.accept(';') {
		rest, ok := bytes.CutPrefix(a.rest, []byte("thread:"))
		if a.rest = rest; !ok {
			return ThreadID{}, errMalformed
		}
		t := a.threadID()
		a.accept(';')
		if err := a.done(); err != nil {
			return ThreadID{}, err
		}
		return s.resolve(t)
	}
	if err := a.done(); err != nil {
		return ThreadID{}, err
	}
	return s.thread()
}

// values makes room for the values of registers.
func values(regs []*Register) []RegisterValue {
	size := 0
	for _, r := range regs {
		size += r.Size()
	}
	buf := make([]byte, size)
	vals := make([]RegisterValue, len(regs))
	for i, r := range regs {
		vals[i] = RegisterValue{Register: r, Value: buf[:r.Size():r.Size()]}
		buf = buf[r.Size():]
	}
	return vals
}

// read returns the values of registers of a thread.
func (s *session) read(t ThreadID, regs []*Register) ([]RegisterValue, error) {
	vals := values(regs)
	return vals, s.t.Registers.ReadRegisters(t, vals)
}

// appendValue writes a value in the form of g and p.
func appendValue(dst []byte, v RegisterValue) []byte {
	if v.Unavailable {
		return append(dst, bytes.Repeat([]byte("xx"), v.Size())...)
	}
	return appendHex(dst, v.Value)
}

func (s *session) readRegisters(a *args) ([]byte, error) {
	t, err := s.suffix(a)
	if err != nil {
		return nil, err
	}
	vals, err := s.look(t, s.regs)
	if err != nil {
		return nil, err
	}
	var reply []byte
	for _, v := range vals {
		reply = appendValue(reply, v)
	}
	return reply, nil
}

// writeRegisters: a G that is shorter than g leaves the other registers as
// they are, and so does "xx" for a register that has no value.
func (s *session) writeRegisters(a *args) ([]byte, error) {
	data := a.until(';')
	if a.rest != nil {
		a.rest = append([]byte{';'}, a.rest...)
	}
	t, err := s.suffix(a)
	if err != nil {
		return nil, err
	}
	var vals []RegisterValue
	for _, r := range s.regs {
		if len(data) < 2*r.Size() {
			break
		}
		part := data[:2*r.Size()]
		data = data[2*r.Size():]
		if bytes.IndexByte(part, 'x') >= 0 {
			continue
		}
		value, err := unhex(part)
		if err != nil {
			return nil, errMalformed
		}
		vals = append(vals, RegisterValue{Register: r, Value: value})
	}
	if len(data) > 0 {
		return nil, errMalformed
	}
	return done(s.setRegisters(t, vals))
}

func (s *session) readRegister(a *args) ([]byte, error) {
	num := a.hex()
	t, err := s.suffix(a)
	if err != nil {
		return nil, err
	}
	r, err := s.register(num)
	if err != nil {
		return nil, err
	}
	vals, err := s.look(t, []*Register{r})
	if err != nil {
		return nil, err
	}
	return appendValue(nil, vals[0]), nil
}

func (s *session) writeRegister(a *args) ([]byte, error) {
	num := a.hex()
	a.expect('=')
	n := bytes.IndexByte(a.rest, ';')
	if n < 0 {
		n = len(a.rest)
	}
	value, err := unhex(a.rest[:n])
	a.rest = a.rest[n:]
	if err != nil {
		return nil, errMalformed
	}
	t, err := s.suffix(a)
	if err != nil {
		return nil, err
	}
	r, err := s.register(num)
	if err != nil {
		return nil, err
	}
	if len(value) != r.Size() {
		return nil, fmt.Errorf("register %s has %d bytes, not %d", r.Name, r.Size(), len(value))
	}
	return done(s.setRegisters(t, []RegisterValue{{Register: r, Value: value}}))
}

func (s *session) register(num uint64) (*Register, error) {
	if r := s.byID[int(min(num, 1<<30))]; r != nil {
		return r, nil
	}
	return nil, errNoRegister
}

// generic returns the first register with a role, nil if there is none.
func (s *session) generic(role string) *Register {
	for _, r := range s.regs {
		if r.Generic == role {
			return r
		}
	}
	return nil
}

// savedRegisters is what QSaveRegisterState keeps for a client that calls a
// function of the program.
type savedRegisters struct {
	thread ThreadID
	values []RegisterValue
}

// maxSaved bounds how many states a client may leave behind.
const maxSaved = 64

func (s *session) saveRegisters(a *args) ([]byte, error) {
	t, err := s.suffix(a)
	if err != nil {
		return nil, err
	}
	vals, err := s.look(t, s.regs)
	if err != nil {
		return nil, err
	}
	kept := vals[:0]
	for _, v := range vals {
		if !v.Unavailable {
			kept = append(kept, v)
		}
	}
	s.nextSaved++
	delete(s.saved, s.nextSaved-maxSaved)
	s.saved[s.nextSaved] = savedRegisters{t, kept}
	return fmt.Appendf(nil, "%d", s.nextSaved), nil
}

// restoreRegisters: QRestoreRegisterState:ID;thread:TID; with the ID in
// decimal, as QSaveRegisterState gave it.
func (s *session) restoreRegisters(a *args) ([]byte, error) {
	a.expect(':')
	id := a.decimal()
	if _, err := s.suffix(a); err != nil {
		return nil, err
	}
	state, ok := s.saved[id]
	if !ok {
		return nil, errors.New("no such saved register state")
	}
	delete(s.saved, id)
	return done(s.setRegisters(state.thread, state.values))
}
