package rsp

import "bytes"

// A packet is $payload#cc, where cc is the sum of the payload's bytes modulo
// 256 in hexadecimal (GDB manual, E.1 "Overview").

// escapeByte introduces a byte that would otherwise have a meaning of its own;
// the byte follows xor-ed with escapeMask.
const (
	escapeByte = '}'
	escapeMask = 0x20
)

const hexDigits = "0123456789abcdef"

// appendPacket frames a payload that needs no more escaping. start is '$', or
// '%' for a notification.
func appendPacket(dst []byte, start byte, payload []byte) []byte {
	var sum byte
	for _, b := range payload {
		sum += b
	}
	dst = append(dst, start)
	dst = append(dst, payload...)
	return append(dst, '#', hexDigits[sum>>4], hexDigits[sum&15])
}

// appendEscaped appends binary data for use in a reply. '*' must be escaped
// too, because clients expand run lengths in every reply. It stops before dst
// would exceed limit and returns how many bytes of data it took.
func appendEscaped(dst, data []byte, limit int) ([]byte, int) {
	for i, b := range data {
		switch b {
		case '#', '$', escapeByte, '*':
			if len(dst)+2 > limit {
				return dst, i
			}
			dst = append(dst, escapeByte, b^escapeMask)
		default:
			if len(dst)+1 > limit {
				return dst, i
			}
			dst = append(dst, b)
		}
	}
	return dst, len(data)
}

// unescape undoes escaping in place. An escape at the very end is malformed
// and dropped.
func unescape(p []byte) []byte {
	first := bytes.IndexByte(p, escapeByte)
	if first < 0 {
		return p
	}
	out := p[:first]
	for i := first; i < len(p); i++ {
		b := p[i]
		if b == escapeByte {
			if i++; i == len(p) {
				break
			}
			b = p[i] ^ escapeMask
		}
		out = append(out, b)
	}
	return out
}

// Run lengths: "X*n" is X followed by n-29 more of it, n printable. The counts
// whose letter would be mistaken for framing are not used.
const (
	rleBias  = 29
	rleMin   = 3
	rleMax   = 126 - rleBias
	rleBytes = 256 // payloads shorter than this are not worth the work
)

// rleForbidden are the letters a run length must not be.
const rleForbidden = "#$+-*}"

// compress run-length-encodes a long payload made of hexadecimal digits (and
// the x of unavailable registers) only. Other payloads are returned as they
// are: some clients do not expand runs in what they take for binary data.
func compress(p []byte) []byte {
	if len(p) < rleBytes {
		return p
	}
	for _, b := range p {
		if (b < '0' || b > '9') && (b < 'a' || b > 'f') && b != 'x' {
			return p
		}
	}
	out := make([]byte, 0, len(p)/2)
	for i := 0; i < len(p); {
		n := 1
		for i+n < len(p) && p[i+n] == p[i] {
			n++
		}
		out = appendRun(out, p[i], n)
		i += n
	}
	return out
}

// appendRun appends n times b, shortened where that is possible.
func appendRun(dst []byte, b byte, n int) []byte {
	for n > 0 {
		dst = append(dst, b)
		n--
		more := min(n, rleMax)
		for more >= rleMin && bytes.IndexByte([]byte(rleForbidden), byte(more+rleBias)) >= 0 {
			more--
		}
		if more >= rleMin {
			dst = append(dst, '*', byte(more+rleBias))
			n -= more
		}
	}
	return dst
}

// expand undoes run-length encoding. ok is false if the encoding is malformed
// or the result is longer than limit.
func expand(p []byte, limit int) (out []byte, ok bool) {
	if bytes.IndexByte(p, '*') < 0 {
		return p, len(p) <= limit
	}
	for i := 0; i < len(p); i++ {
		if p[i] != '*' {
			out = append(out, p[i])
			continue
		}
		i++
		if len(out) == 0 || i == len(p) || p[i] < rleBias+rleMin || p[i] > 126 {
			return nil, false
		}
		n := int(p[i]) - rleBias
		if len(out)+n > limit {
			return nil, false
		}
		out = append(out, bytes.Repeat(out[len(out)-1:], n)...)
	}
	return out, len(out) <= limit
}

// binaryRequests are the packets whose arguments are binary data, in which an
// unescaped '*' is only a character.
var binaryRequests = [][]byte{[]byte("X"), []byte("vFile:pwrite:"), []byte("qSearch:memory:"), []byte("qXfer:")}

// decodeRequest turns what stood between $ and # into a payload.
func decodeRequest(raw []byte, limit int) (payload []byte, ok bool) {
	for _, prefix := range binaryRequests {
		if bytes.HasPrefix(raw, prefix) {
			p := unescape(raw)
			return p, len(p) <= limit
		}
	}
	p, ok := expand(raw, limit)
	if !ok {
		return nil, false
	}
	return unescape(p), true
}

// text makes a string fit for a packet that is not unescaped by its reader.
func text(s string) string {
	return string(bytes.Map(func(r rune) rune {
		if r < ' ' || r > '~' || r == '#' || r == '$' || r == '}' || r == '*' {
			return '.'
		}
		return r
	}, []byte(s)))
}
