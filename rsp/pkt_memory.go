package rsp

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
)

// memoryPackets read, write, search and check memory.
var memoryPackets = packetTable{
	"m":       (*session).readMemory,
	"M":       (*session).writeMemory,
	"x":       (*session).readBinary,
	"X":       (*session).writeBinary,
	"qCRC":    (*session).checksum,
	"qSearch": (*session).search,
}

var errZeroLength = errors.New("nothing to read")

// fetch reads memory of the selected process: as much of the range as can be
// read, at least one byte. The next call overwrites it.
func (s *session) fetch(addr Addr, size int) ([]byte, error) {
	if size == 0 {
		return nil, errZeroLength
	}
	if data, live, err := s.frameMemory(addr, size); !live {
		return data, err
	}
	pid, err := s.pid()
	if err != nil {
		return nil, err
	}
	s.memory = slices.Grow(s.memory[:0], size)
	buf := s.memory[:size]
	n, err := s.t.Memory.ReadMemory(pid, addr, buf)
	if n > 0 {
		return buf[:min(n, size)], nil
	}
	if err == nil {
		err = fmt.Errorf("cannot read memory at %#x", uint64(addr))
	}
	return nil, err
}

// readMemory: maddr,length.
func (s *session) readMemory(a *args) ([]byte, error) {
	addr := a.addr()
	a.expect(',')
	size := a.size(s.packetSize / 2)
	if err := a.done(); err != nil {
		return nil, err
	}
	data, err := s.fetch(addr, size)
	if err != nil {
		return nil, err
	}
	s.text = appendHex(s.text[:0], data)
	return s.text, nil
}

// readBinary: xaddr,length. The reply begins with b, so that an empty answer
// (to a probe of length 0) is not taken for "unsupported".
func (s *session) readBinary(a *args) ([]byte, error) {
	addr := a.addr()
	a.expect(',')
	size := a.size(s.packetSize)
	if err := a.done(); err != nil {
		return nil, err
	}
	if size == 0 {
		return []byte{'b'}, nil
	}
	data, err := s.fetch(addr, size)
	if err != nil {
		return nil, err
	}
	s.text, _ = appendEscaped(append(s.text[:0], 'b'), data, s.packetSize)
	return s.text, nil
}

// writeMemory: Maddr,length:hex.
func (s *session) writeMemory(a *args) ([]byte, error) {
	addr := a.addr()
	a.expect(',')
	size := a.hex()
	a.expect(':')
	data := a.hexRest()
	if uint64(len(data)) != size {
		a.bad = true
	}
	return s.store(a, addr, data)
}

// writeBinary: Xaddr,length:bytes. GDB probes for it with length 0.
func (s *session) writeBinary(a *args) ([]byte, error) {
	addr := a.addr()
	a.expect(',')
	size := a.hex()
	a.expect(':')
	data := a.all()
	if uint64(len(data)) != size {
		a.bad = true
	}
	return s.store(a, addr, data)
}

func (s *session) store(a *args, addr Addr, data []byte) ([]byte, error) {
	if err := a.err(); err != nil {
		return nil, err
	}
	if len(data) == 0 {
		return replyOK, nil
	}
	if err := s.notInFrame(); err != nil {
		return nil, err
	}
	pid, err := s.pid()
	if err != nil {
		return nil, err
	}
	return done(s.t.Memory.WriteMemory(pid, addr, data))
}

// scanChunk is how much memory search and checksum hold at a time, in bytes.
const scanChunk = 64 << 10

// scan reads a range piece by piece until f returns false. The client may
// break it off with ^C or by going away: the range can be enormous.
func (s *session) scan(addr Addr, size uint64, f func(addr Addr, data []byte) bool) error {
	for size > 0 {
		data, err := s.fetch(addr, int(min(size, scanChunk)))
		if err != nil {
			return err
		}
		if !f(addr, data) {
			return nil
		}
		addr += Addr(len(data))
		size -= uint64(len(data))
		if s.interrupted() {
			return errors.New("interrupted")
		}
	}
	return nil
}

// interrupted looks, without waiting, whether the client wants a long packet
// to end. Packets that come meanwhile are answered afterwards.
func (s *session) interrupted() bool {
	if len(s.waiting) >= maxWaiting {
		return false
	}
	select {
	case in := <-s.in.in:
		if in.kind == inputEnd {
			s.closing = true
			return true
		}
		if in.kind == inputPacket {
			s.ack()
			s.waiting = append(s.waiting, in)
			return false
		}
		return in.kind == inputInterrupt
	default:
		return false
	}
}

// checksum: qCRC:addr,length gives GDB's CRC-32: polynomial 0x04c11db7, most
// significant bit first, starting with all ones and not inverted.
func (s *session) checksum(a *args) ([]byte, error) {
	a.expect(':')
	addr := a.addr()
	a.expect(',')
	size := a.hex()
	if err := a.done(); err != nil {
		return nil, err
	}
	crc := uint32(0xffffffff)
	err := s.scan(addr, size, func(_ Addr, data []byte) bool {
		for _, b := range data {
			crc = crc<<8 ^ crcTable()[byte(crc>>24)^b]
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "C%x", crc), nil
}

// search: qSearch:memory:addr;length;pattern finds the first occurrence.
func (s *session) search(a *args) ([]byte, error) {
	a.expect(':')
	if string(a.until(':')) != "memory" {
		return nil, errEmpty
	}
	addr := a.addr()
	a.expect(';')
	size := a.hex()
	a.expect(';')
	pattern := a.all()
	if err := a.err(); err != nil {
		return nil, err
	}
	if len(pattern) == 0 {
		return nil, errors.New("nothing to search for")
	}
	var (
		window []byte // the end of what was read before, and the new piece
		found  = -1
		start  = addr
	)
	err := s.scan(addr, size, func(at Addr, data []byte) bool {
		start = at - Addr(len(window))
		window = append(window, data...)
		if found = bytes.Index(window, pattern); found >= 0 {
			return false
		}
		if keep := len(pattern) - 1; len(window) > keep {
			window = append(window[:0], window[len(window)-keep:]...)
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if found < 0 {
		return []byte("0"), nil
	}
	return fmt.Appendf(nil, "1,%x", uint64(start)+uint64(found)), nil
}
