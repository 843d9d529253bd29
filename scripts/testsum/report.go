package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// event is one line of `go test -json`; see `go doc test2json`.
type event struct {
	Action     string
	Package    string
	ImportPath string // of build output, in place of Package
	Test       string
	Elapsed    float64 // seconds
	Output     string
}

// counts are numbers of tests, subtests included.
type counts struct{ passed, failed, skipped int }

func (c *counts) add(d counts) {
	c.passed += d.passed
	c.failed += d.failed
	c.skipped += d.skipped
}

func (c counts) String() string {
	s := fmt.Sprintf("%d passed", c.passed)
	if c.skipped > 0 {
		s += fmt.Sprintf(", %d skipped", c.skipped)
	}
	if c.failed > 0 {
		s += fmt.Sprintf(", %d failed", c.failed)
	}
	return s
}

// report collects the events of a run.
type report struct {
	out      io.Writer
	packages map[string]*counts
	running  map[string]bool             // packages without a result so far
	output   map[string]*strings.Builder // by package and test, while it runs
	skips    []string
	broken   []string // packages that failed
	elapsed  float64  // seconds, all packages added
}

func newReport(out io.Writer) *report {
	return &report{
		out:      out,
		packages: map[string]*counts{},
		running:  map[string]bool{},
		output:   map[string]*strings.Builder{},
	}
}

// read takes in all events. Lines that are not events are shown as they are.
func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			var e event
			if json.Unmarshal([]byte(line), &e) == nil && e.Action != "" {
				r.take(e)
			} else {
				fmt.Fprint(r.out, line)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the events: %w", err)
		}
	}
}

func (r *report) take(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "start":
		r.running[e.Package] = true
	case "build-output":
		fmt.Fprint(r.out, e.Output)
	case "output":
		if r.output[key] == nil {
			r.output[key] = &strings.Builder{}
		}
		r.output[key].WriteString(e.Output)
	case "pass", "fail", "skip":
		text := ""
		if b := r.output[key]; b != nil {
			text = b.String()
			delete(r.output, key)
		}
		if e.Test == "" {
			r.endPackage(e, text)
		} else {
			r.endTest(e, text)
		}
	}
}

func (r *report) counts(pkg string) *counts {
	c := r.packages[pkg]
	if c == nil {
		c = &counts{}
		r.packages[pkg] = c
	}
	return c
}

func (r *report) endTest(e event, text string) {
	c := r.counts(e.Package)
	switch e.Action {
	case "pass":
		c.passed++
	case "skip":
		c.skipped++
		r.skips = append(r.skips, fmt.Sprintf("%s %s: %s", e.Package, e.Test, lastWords(text)))
	case "fail":
		c.failed++
		fmt.Fprintf(r.out, "--- FAIL %s %s\n%s", e.Package, e.Test, text)
	}
}

func (r *report) endPackage(e event, text string) {
	delete(r.running, e.Package)
	if e.Action == "skip" { // no test files
		return
	}
	r.elapsed += e.Elapsed
	c := r.counts(e.Package)
	if e.Action == "fail" {
		r.fail(e.Package)
		fmt.Fprint(r.out, text)
		return
	}
	fmt.Fprintf(r.out, "ok   %-36s %6.1f s  %s\n", e.Package, e.Elapsed, c)
}

// fail notes that a package failed and shows the output of the tests that its
// end cut off.
func (r *report) fail(pkg string) {
	r.counts(pkg)
	r.broken = append(r.broken, pkg)
	fmt.Fprintf(r.out, "FAIL %s\n", pkg)
	var keys []string
	for key := range r.output {
		if strings.HasPrefix(key, pkg+" ") {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for _, key := range keys {
		fmt.Fprintf(r.out, "--- cut off: %s\n%s", key, r.output[key])
		delete(r.output, key)
	}
}

// finish prints the end of the report; ok is the verdict.
func (r *report) finish(name string, must []string) (ok bool, summary string) {
	// A process or a lab that died gave no result.
	for _, pkg := range slices.Sorted(maps.Keys(r.running)) {
		r.fail(pkg)
	}
	var all counts
	for _, c := range r.packages {
		all.add(*c)
	}
	if len(r.skips) > 0 {
		fmt.Fprintln(r.out, "skipped:")
		for _, s := range r.skips {
			fmt.Fprintf(r.out, "  %s\n", s)
		}
	}
	ok = all.failed == 0 && len(r.broken) == 0
	if all.passed == 0 {
		ok = false
		fmt.Fprintln(r.out, "no test passed")
	}
	for _, pkg := range must {
		if c := r.packages[pkg]; c == nil || c.passed == 0 {
			ok = false
			fmt.Fprintf(r.out, "%s: every test was skipped or none was run; its tests need KVM and must run\n", pkg)
		}
	}
	summary = fmt.Sprintf("%s: %s in %d packages, %.0f s", name, all, len(r.packages), r.elapsed)
	if !ok {
		summary += ", FAILED"
		if len(r.broken) > 0 {
			summary += " (" + strings.Join(r.broken, ", ") + ")"
		}
	}
	fmt.Fprintln(r.out, summary)
	return ok, summary
}

// lastWords is the reason that a skipped test gave: its last line of output
// that is not the test runner's.
func lastWords(text string) string {
	reason := "no reason given"
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "=== ") || strings.HasPrefix(line, "--- ") {
			continue
		}
		reason = line
	}
	return reason
}
