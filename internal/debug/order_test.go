package debug_test

import (
	"strings"
	"testing"
)

// inOrder checks that the texts occur in the output one after the other.
func inOrder(t *testing.T, out string, texts ...string) {
	t.Helper()
	rest := out
	for _, text := range texts {
		i := strings.Index(rest, text)
		if i < 0 {
			t.Fatalf("no %q where it should be in:\n%s", text, out)
		}
		rest = rest[i+len(text):]
	}
}
