package rsp

import (
	"bufio"
	"bytes"
	"io"
	"sync/atomic"
)

// inputKind is what the client sent.
type inputKind uint8

const (
	inputPacket    inputKind = iota
	inputInterrupt           // 0x03 outside a packet
	inputNak                 // '-': send the last packet again
	inputBad                 // a packet with a wrong checksum
	inputOversize            // a packet that is too long, read to its end
	inputEnd                 // the connection is closed
)

// input is one thing the client sent.
type input struct {
	kind    inputKind
	payload []byte
	err     error // inputEnd
}

const interruptByte = 0x03

// reader reads a connection in a goroutine of its own, so that an interrupt is
// noticed while the program runs.
type reader struct {
	br    *bufio.Reader
	limit int // payload bytes
	noAck atomic.Bool
	in    chan input
	done  chan struct{}
	raw   []byte
}

func newReader(r io.Reader, limit int, done chan struct{}) *reader {
	return &reader{br: bufio.NewReaderSize(r, 64<<10), limit: limit, in: make(chan input), done: done}
}

// run reads until the connection fails.
func (r *reader) run() {
	for {
		in, err := r.next()
		if err != nil {
			in = input{kind: inputEnd, err: err}
		}
		select {
		case r.in <- in:
		case <-r.done:
			return
		}
		if err != nil {
			return
		}
	}
}

// next reads the next thing that matters, skipping acknowledgements and noise
// between packets.
func (r *reader) next() (input, error) {
	for {
		b, err := r.br.ReadByte()
		if err != nil {
			return input{}, err
		}
		switch b {
		case '$':
			return r.packet()
		case interruptByte:
			return input{kind: inputInterrupt}, nil
		case '-':
			return input{kind: inputNak}, nil
		}
	}
}

// packet reads the rest of a packet. '$' and '#' never occur unescaped in one,
// so a second '$' is where the client started again.
func (r *reader) packet() (input, error) {
	r.raw = r.raw[:0]
	oversize := false
	// Escaped payloads may be twice as long as what they stand for.
	maxRaw := 2*r.limit + 1
	for {
		chunk, err := r.br.ReadSlice('#')
		if i := bytes.LastIndexByte(chunk, '$'); i >= 0 {
			r.raw, oversize, chunk = r.raw[:0], false, chunk[i+1:]
		}
		if oversize = oversize || len(r.raw)+len(chunk) > maxRaw; !oversize {
			r.raw = append(r.raw, chunk...)
		}
		if err == nil {
			break
		}
		if err != bufio.ErrBufferFull {
			return input{}, err
		}
	}
	var sum [2]byte
	if _, err := io.ReadFull(r.br, sum[:]); err != nil {
		return input{}, err
	}
	if oversize {
		return input{kind: inputOversize}, nil
	}
	raw := r.raw[:len(r.raw)-1] // without '#'
	if !r.noAck.Load() && !checksumOK(raw, sum) {
		return input{kind: inputBad}, nil
	}
	payload, ok := decodeRequest(bytes.Clone(raw), r.limit)
	if !ok {
		return input{kind: inputOversize}, nil
	}
	return input{kind: inputPacket, payload: payload}, nil
}

func checksumOK(raw []byte, sum [2]byte) bool {
	hi, ok1 := hexValue(sum[0])
	lo, ok2 := hexValue(sum[1])
	return ok1 && ok2 && hi<<4|lo == checksum(raw)
}
