package agent

import "bytes"

// trace: address and size are popped.
func trace(s *state) error {
	v, err := s.top(2)
	if err != nil {
		return err
	}
	s.sp -= 2
	return s.collect(v[0], v[1])
}

// traceQuick leaves the address on the stack; the size is an operand.
func traceQuick(s *state, size int) error {
	v, err := s.top(1)
	if err != nil {
		return err
	}
	return s.collect(v[0], int64(size))
}

// traceString records up to the end of a string: address and the largest size
// are popped.
func traceString(s *state) error {
	v, err := s.top(2)
	if err != nil {
		return err
	}
	s.sp -= 2
	limit := int(min(uint64(v[1]), maxString))
	str, err := s.readString(uint64(v[0]), limit)
	if err == nil {
		return s.collect(v[0], int64(min(len(str)+1, limit)))
	}
	// A string that runs into nothing: as much of it as there is.
	return s.collect(v[0], int64(len(str)))
}

func traceVariable(s *state, num int) error {
	if s.env.Collector == nil {
		return ErrUndefined
	}
	return s.env.Collector.CollectVariable(num)
}

// collect records memory. How much is recorded in all is the collector's
// concern.
func (s *state) collect(addr, size int64) error {
	if s.env.Collector == nil {
		return ErrUndefined
	}
	return s.env.Collector.CollectMemory(uint64(addr), uint64(size))
}

// readString reads a string that ends with a zero byte, without it, or limit
// bytes. With an error comes what could be read.
func (s *state) readString(addr uint64, limit int) ([]byte, error) {
	var str []byte
	for len(str) < limit {
		// Pieces end at multiples of their size, so that they do not cross
		// into a page that the string does not reach.
		const piece = 64
		at := addr + uint64(len(str))
		buf := make([]byte, min(piece-int(at%piece), limit-len(str)))
		if err := s.env.Machine.ReadMemory(at, buf); err != nil {
			return str, err
		}
		if i := bytes.IndexByte(buf, 0); i >= 0 {
			return append(str, buf[:i]...), nil
		}
		str = append(str, buf...)
	}
	return str, nil
}
