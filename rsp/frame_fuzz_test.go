package rsp

import (
	"bytes"
	"testing"
)

// FuzzFraming checks that what is encoded for a client decodes to the same.
func FuzzFraming(f *testing.F) {
	f.Add([]byte("hello }#$*"), 100)
	f.Add(bytes.Repeat([]byte("0"), 1000), 10)
	f.Fuzz(func(t *testing.T, data []byte, limit int) {
		if limit < 0 || limit > 1<<20 {
			limit = 100
		}
		esc, n := appendEscaped(nil, data, limit)
		if len(esc) > limit {
			t.Fatalf("%d bytes, limit %d", len(esc), limit)
		}
		if got := unescape(bytes.Clone(esc)); !bytes.Equal(got, data[:n]) {
			t.Fatalf("%q became %q", data[:n], got)
		}
		hex := appendHex(nil, data)
		if got, ok := expand(appendCompressed(nil, hex), 2*len(data)); !ok || !bytes.Equal(got, hex) {
			t.Fatalf("%q became %q", hex, got)
		}
		decoded, ok := decodeRequest(bytes.Clone(data), limit)
		if ok && len(decoded) > limit {
			t.Fatalf("%q decodes to %d bytes, limit %d", data, len(decoded), limit)
		}
	})
}
