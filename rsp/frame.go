package rsp

import (
	"bytes"
	"encoding/binary"
	"strings"
)

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
	from := len(dst) + 1
	return seal(append(append(dst, start), payload...), from)
}

// appendReply frames a payload, with run lengths where they help.
func appendReply(dst, payload []byte) []byte {
	from := len(dst) + 1
	return seal(appendCompressed(append(dst, '$'), payload), from)
}

// seal ends the packet whose payload begins at from.
func seal(dst []byte, from int) []byte {
	sum := checksum(dst[from:])
	return append(dst, '#', hexDigits[sum>>4], hexDigits[sum&15])
}

// checksum adds bytes modulo 256, eight at a time: every other one, in sums of
// 16 bits each, which hold 128 pairs.
func checksum(p []byte) byte {
	const odd, block = 0x00ff00ff00ff00ff, 8 * 128
	var sum uint64
	for len(p) >= 8 {
		var sums uint64
		n := min(len(p), block) &^ 7
		for i := 0; i < n; i += 8 {
			w := binary.LittleEndian.Uint64(p[i:])
			sums += w&odd + w>>8&odd
		}
		p = p[n:]
		sum += sums + sums>>16 + sums>>32 + sums>>48
	}
	for _, b := range p {
		sum += uint64(b)
	}
	return byte(sum)
}

// escaped are the bytes of a reply that must be escaped. '*' is one, because
// clients expand run lengths in every reply.
var escaped = [256]bool{'#': true, '$': true, escapeByte: true, '*': true}

// appendEscaped appends binary data for use in a reply. It stops before dst
// would exceed limit and returns how many bytes of data it took.
func appendEscaped(dst, data []byte, limit int) ([]byte, int) {
	for i := 0; i < len(data); {
		plain := i
		for plain < len(data) && !escaped[data[plain]] {
			plain++
		}
		room := max(limit-len(dst), 0)
		if plain-i > room {
			return append(dst, data[i:i+room]...), i + room
		}
		dst = append(dst, data[i:plain]...)
		if i = plain; i == len(data) {
			break
		}
		if len(dst)+2 > limit {
			return dst, i
		}
		dst = append(dst, escapeByte, data[i]^escapeMask)
		i++
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

// runLetters are those of a payload that may be compressed: hexadecimal digits
// and the x of unavailable registers.
var runLetters = func() (is [256]bool) {
	for _, b := range []byte(hexDigits + "x") {
		is[b] = true
	}
	return is
}()

func onlyRunLetters(p []byte) bool {
	for _, b := range p {
		if !runLetters[b] {
			return false
		}
	}
	return true
}

// appendCompressed appends a payload, run-length-encoded if it is long and made
// of hexadecimal digits only: some clients do not expand runs in what they take
// for binary data. Runs are looked for eight letters at a time. Those shorter
// than 15 may be missed: random memory has many of four, and writing those
// down costs more time than it saves.
func appendCompressed(dst, p []byte) []byte {
	if len(p) < rleBytes {
		return append(dst, p...)
	}
	begin, done := len(dst), 0 // p[:done] is in dst
	for i := 0; i+8 <= len(p); {
		w := binary.LittleEndian.Uint64(p[i:])
		if w != w<<8|w>>56 { // not eight times the same
			i += 8
			continue
		}
		start := i
		for start > done && p[start-1] == p[i] {
			start--
		}
		if !onlyRunLetters(p[done : start+1]) {
			return append(dst[:begin], p...)
		}
		end := endOfRun(p, i+8, w)
		dst = appendRun(append(dst, p[done:start]...), p[i], end-start)
		done, i = end, (end+7)&^7
	}
	if done > 0 && !onlyRunLetters(p[done:]) {
		return append(dst[:begin], p...)
	}
	return append(dst, p[done:]...)
}

// endOfRun returns the end of a run in p that goes on at i; w is eight of it.
func endOfRun(p []byte, i int, w uint64) int {
	for i+8 <= len(p) && binary.LittleEndian.Uint64(p[i:]) == w {
		i += 8
	}
	for i < len(p) && p[i] == byte(w) {
		i++
	}
	return i
}

// appendRun appends n times b, shortened where that is possible.
func appendRun(dst []byte, b byte, n int) []byte {
	for n > 0 {
		dst = append(dst, b)
		n--
		more := min(n, rleMax)
		for more >= rleMin && strings.IndexByte(rleForbidden, byte(more+rleBias)) >= 0 {
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
