package rsp

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
)

// errMalformed is the answer to a packet whose arguments do not parse.
var errMalformed = errors.New("malformed packet")

// args is the unread rest of a packet. A method that does not find what it
// expects marks the packet as bad; the handler checks once, with err, after
// the last one.
type args struct {
	rest []byte
	bad  bool
}

func (a *args) err() error {
	if a.bad {
		return errMalformed
	}
	return nil
}

// done is err for a handler that must have read everything.
func (a *args) done() error {
	if len(a.rest) > 0 {
		a.bad = true
	}
	return a.err()
}

func (a *args) empty() bool { return len(a.rest) == 0 }

// accept reads the letter c if it is next.
func (a *args) accept(c byte) bool {
	if len(a.rest) > 0 && a.rest[0] == c {
		a.rest = a.rest[1:]
		return true
	}
	return false
}

// expect reads the letter c, which must be next.
func (a *args) expect(c byte) {
	if !a.accept(c) {
		a.bad = true
	}
}

// until reads up to the letter c and over it; without one, everything.
func (a *args) until(c byte) []byte {
	before, after, _ := bytes.Cut(a.rest, []byte{c})
	a.rest = after
	return before
}

// all reads the rest.
func (a *args) all() []byte {
	r := a.rest
	a.rest = nil
	return r
}

func hexValue(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}

// hex reads an unsigned number, most significant digit first. There must be at
// least one digit and no more than 64 bits.
func (a *args) hex() uint64 {
	var v uint64
	n := 0
	for n < len(a.rest) {
		d, ok := hexValue(a.rest[n])
		if !ok {
			break
		}
		if v>>60 != 0 {
			a.bad = true
		}
		v = v<<4 | uint64(d)
		n++
	}
	if n == 0 {
		a.bad = true
	}
	a.rest = a.rest[n:]
	return v
}

func (a *args) addr() Addr { return Addr(a.hex()) }

// size reads a number that is used as a length and clamps it.
func (a *args) size(limit int) int { return int(min(a.hex(), uint64(limit))) }

// id reads one half of a thread id: a positive 31-bit number, 0, or -1.
func (a *args) id() int {
	if a.accept('-') {
		a.expect('1')
		return -1
	}
	v := a.hex()
	if v > math.MaxInt32 {
		a.bad = true
		return 0
	}
	return int(v)
}

// threadID reads "p1.2", "p1" (all threads of process 1), or "2". In the last
// form the process is given as AnyPID.
func (a *args) threadID() ThreadID {
	if !a.accept('p') {
		t := ThreadID{TID: TID(a.id())}
		if t.TID == AllTID {
			t.PID = AllPID
		}
		return t
	}
	t := ThreadID{PID: PID(a.id()), TID: AllTID}
	if a.accept('.') {
		t.TID = TID(a.id())
	}
	return t
}

// hexBytes reads the bytes that follow as pairs of digits, up to c or the end.
func (a *args) hexBytes(until byte) []byte {
	b, err := unhex(a.until(until))
	if err != nil {
		a.bad = true
	}
	return b
}

// hexRest reads all of the rest as pairs of digits.
func (a *args) hexRest() []byte {
	b, err := unhex(a.all())
	if err != nil {
		a.bad = true
	}
	return b
}

func unhex(s []byte) ([]byte, error) {
	b := make([]byte, hex.DecodedLen(len(s)))
	_, err := hex.Decode(b, s)
	return b, err
}

// appendHex appends data as pairs of digits.
func appendHex(dst, data []byte) []byte { return hex.AppendEncode(dst, data) }

func hexString(s string) string { return hex.EncodeToString([]byte(s)) }

// decimal reads a number of at most nine decimal digits.
func (a *args) decimal() int {
	v, n := 0, 0
	for n < len(a.rest) && n < 9 && a.rest[n] >= '0' && a.rest[n] <= '9' {
		v = v*10 + int(a.rest[n]-'0')
		n++
	}
	if n == 0 {
		a.bad = true
	}
	a.rest = a.rest[n:]
	return v
}
