package rsp

import (
	"testing"
)

func TestPacketNames(t *testing.T) {
	n := 0
	for _, family := range families() {
		n += len(family)
	}
	if n != len(packets()) {
		t.Errorf("%d names in %d entries: one family hides a packet of another", len(packets()), n)
	}
	for name := range packets() {
		for _, arguments := range []string{"", ":1", ";1", ",1"} {
			if got, rest := splitName([]byte(name + arguments)); got != name && len(name) > 1 {
				t.Errorf("%s%s is taken for %s with %q", name, arguments, got, rest)
			}
		}
	}
	for name := range announced {
		if packets()[name] == nil {
			t.Errorf("%s is announced but not served", name)
		}
	}
	for p, want := range map[string]string{
		"m1,2": "m", "vCont?": "vCont?", "vCont;c": "vCont", "qThreadStopInfo1f": "qThreadStopInfo", "qRegisterInfoa": "qRegisterInfo",
		"_M10,rw": "_M", "_m10": "_m", "qC": "qC", "qCRC:1,2": "qCRC", "vFile:open:2f": "vFile", "Hg0": "H", "jThreadsInfo": "jThreadsInfo", "": "",
	} {
		if got, _ := splitName([]byte(p)); got != want {
			t.Errorf("%q has the name %q, want %q", p, got, want)
		}
	}
}
