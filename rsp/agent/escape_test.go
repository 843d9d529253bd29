package agent

import "testing"

func TestUnescape(t *testing.T) {
	for in, want := range map[string]string{
		`n is %d\n`:      "n is %d\n",
		`\t\\\"\'\a\e\q`: "\t\\\"'\a\x1b\\q",
		`\101\60x\7`:     "A0x\a",
		`\777`:           `\777`,
		`end\`:           `end\`,
		"":               "",
	} {
		if got := unescape(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}
