package main

import (
	"strings"
	"testing"
)

// events of two packages: one with a passed, a skipped and a failed test, one
// whose only test is skipped.
const (
	good = `{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestX"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"=== RUN   TestX\n"}
{"Action":"pass","Package":"m/a","Test":"TestX","Elapsed":0.5}
{"Action":"pass","Package":"m/a","Elapsed":1.5}
`
	skipped = `{"Action":"output","Package":"m/b","Test":"TestY","Output":"=== RUN   TestY\n"}
{"Action":"output","Package":"m/b","Test":"TestY","Output":"    b_test.go:9: no /dev/kvm\n"}
{"Action":"output","Package":"m/b","Test":"TestY","Output":"--- SKIP: TestY (0.00s)\n"}
{"Action":"skip","Package":"m/b","Test":"TestY"}
{"Action":"pass","Package":"m/b","Elapsed":0.5}
`
	failed = `{"Action":"output","Package":"m/c","Test":"TestZ","Output":"    c_test.go:7: got 1\n"}
{"Action":"fail","Package":"m/c","Test":"TestZ"}
{"Action":"output","Package":"m/c","Output":"FAIL\n"}
{"Action":"fail","Package":"m/c","Elapsed":0.25}
`
	// A panic ends the process: the package fails, the test never does.
	panicked = `{"Action":"output","Package":"m/d","Test":"TestP","Output":"panic: boom\n"}
{"Action":"output","Package":"m/d","Output":"FAIL\tm/d\n"}
{"Action":"fail","Package":"m/d","Elapsed":0}
`
	// A machine that dies gives no result at all.
	died = `{"Action":"start","Package":"m/g"}
{"Action":"output","Package":"m/g","Test":"TestD","Output":"=== RUN   TestD\n"}
`
	unbuilt = `{"Action":"build-output","ImportPath":"m/e","Output":"e.go:1: syntax error\n"}
{"Action":"build-fail","ImportPath":"m/e"}
{"Action":"fail","Package":"m/e","Elapsed":0,"FailedBuild":"m/e"}
`
	untested = `{"Action":"skip","Package":"m/f"}
`
)

func TestReport(t *testing.T) {
	tests := []struct {
		name, events string
		must         []string
		ok           bool
		summary      string
		shown        []string
	}{
		{"good", good + untested, []string{"m/a"}, true, "n: 1 passed in 1 packages, 2 s", []string{"ok   m/a"}},
		{"a skip and its reason", good + skipped, nil, true, "n: 1 passed, 1 skipped in 2 packages, 2 s",
			[]string{"  m/b TestY: b_test.go:9: no /dev/kvm\n"}},
		{"all KVM tests skipped", good + skipped, []string{"m/a", "m/b"}, false,
			"n: 1 passed, 1 skipped in 2 packages, 2 s, FAILED", []string{"m/b: every test was skipped"}},
		{"KVM package did not run", good, []string{"m/none"}, false, "n: 1 passed in 1 packages, 2 s, FAILED",
			[]string{"m/none: every test was skipped or none was run"}},
		{"failure", good + failed, nil, false, "n: 1 passed, 1 failed in 2 packages, 2 s, FAILED (m/c)",
			[]string{"--- FAIL m/c TestZ\n    c_test.go:7: got 1\n"}},
		{"panic", good + panicked, nil, false, "n: 1 passed in 2 packages, 2 s, FAILED (m/d)",
			[]string{"--- cut off: m/d TestP\npanic: boom\n"}},
		{"no result", good + died, nil, false, "n: 1 passed in 2 packages, 2 s, FAILED (m/g)",
			[]string{"FAIL m/g\n", "--- cut off: m/g TestD\n=== RUN   TestD\n"}},
		{"does not build", good + unbuilt, nil, false, "n: 1 passed in 2 packages, 2 s, FAILED (m/e)",
			[]string{"e.go:1: syntax error\n"}},
		{"no test", untested, nil, false, "n: 0 passed in 0 packages, 0 s, FAILED", []string{"no test passed"}},
		{"nothing", "", nil, false, "n: 0 passed in 0 packages, 0 s, FAILED", nil},
		{"other lines", "go: downloading\n" + good, nil, true, "n: 1 passed in 1 packages, 2 s", []string{"go: downloading\n"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			r := newReport(&out)
			if err := r.read(strings.NewReader(test.events)); err != nil {
				t.Fatal(err)
			}
			ok, summary := r.finish("n", test.must)
			if ok != test.ok || summary != test.summary {
				t.Errorf("got  %v %s\nwant %v %s", ok, summary, test.ok, test.summary)
			}
			for _, s := range test.shown {
				if !strings.Contains(out.String(), s) {
					t.Errorf("%q is not in:\n%s", s, &out)
				}
			}
		})
	}
}
