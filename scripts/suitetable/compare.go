package main

import (
	"fmt"
	"io"
	"maps"
	"path"
	"slices"
	"strings"
	"text/tabwriter"
)

// difference is a file with tests that only the reference passed.
type difference struct {
	file  string
	tests []string // with what they ended as instead
	allow allowance
	known bool // no more tests than are allowed
}

// comparison is what the two runs had in common and what not.
type comparison struct {
	counts      map[string][2]map[string]int // by directory: outcomes of reference and other
	differences []difference
	over        []string // known differences that are none any more
}

func compare(want, got map[string]suiteFile, allowed map[string]allowance) *comparison {
	c := &comparison{counts: map[string][2]map[string]int{}}
	for _, file := range slices.Sorted(maps.Keys(want)) {
		other, ok := got[file]
		if !ok {
			other = suiteFile{"(no summary)": {none}}
		}
		c.count(path.Dir(file), want[file], other)
		tests := lost(want[file], other)
		allow, listed := allowed[file]
		switch {
		case len(tests) > 0:
			known := listed && (allow.most < 0 || len(tests) <= allow.most)
			c.differences = append(c.differences, difference{file, tests, allow, known})
		case listed:
			c.over = append(c.over, file)
		}
	}
	return c
}

func (c *comparison) count(dir string, files ...suiteFile) {
	for _, row := range []string{dir, "all"} {
		pair, ok := c.counts[row]
		if !ok {
			pair = [2]map[string]int{{}, {}}
			c.counts[row] = pair
		}
		for i, f := range files {
			for _, ends := range f {
				for _, outcome := range ends {
					pair[i][outcome]++
				}
			}
		}
	}
}

// lost lists the tests that passed in want and not as often in got.
func lost(want, got suiteFile) []string {
	var tests []string
	for _, name := range slices.Sorted(maps.Keys(want)) {
		missing := passed(want[name]) - passed(got[name])
		var instead []string
		for _, outcome := range got[name] {
			if outcome != "PASS" {
				instead = append(instead, outcome)
			}
		}
		for i := range missing {
			outcome := "not run"
			if i < len(instead) {
				outcome = instead[i]
			}
			tests = append(tests, outcome+": "+name)
		}
	}
	return tests
}

func passed(outcomes []string) int {
	n := 0
	for _, o := range outcomes {
		if o == "PASS" {
			n++
		}
	}
	return n
}

// unknown names the files that differ more than is allowed.
func (c *comparison) unknown() []string {
	var files []string
	for _, d := range c.differences {
		if !d.known {
			files = append(files, d.file)
		}
	}
	return files
}

func (c *comparison) print(out io.Writer, all bool) {
	c.printTable(out)
	for _, d := range c.differences {
		if d.known {
			fmt.Fprintf(out, "known: %s: %d tests: %s\n", d.file, len(d.tests), d.allow.reason)
		}
		if !d.known {
			fmt.Fprintf(out, "DIFFERENT: %s: %d tests that only the reference passes", d.file, len(d.tests))
			if d.allow.reason != "" {
				fmt.Fprintf(out, ", %d are known", d.allow.most)
			}
			fmt.Fprintln(out)
		}
		if !d.known || all {
			fmt.Fprintf(out, "  %s\n", strings.Join(d.tests, "\n  "))
		}
	}
	for _, file := range c.over {
		fmt.Fprintf(out, "listed as known, but not different now: %s\n", file)
	}
}

// printTable prints two rows of counts for each directory, of the outcomes that
// occur.
func (c *comparison) printTable(out io.Writer) {
	var columns []string
	for _, o := range outcomes {
		if c.counts["all"][0][o]+c.counts["all"][1][o] > 0 {
			columns = append(columns, o)
		}
	}
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(w, "\t\t%s\t\n", strings.Join(columns, "\t"))
	dirs := slices.Sorted(maps.Keys(c.counts))
	dirs = append(dirs[1:], dirs[0]) // "all" sorts first
	for _, dir := range dirs {
		for i, who := range []string{"reference", "torov"} {
			fmt.Fprintf(w, "%s\t%s\t", dir, who)
			for _, o := range columns {
				fmt.Fprintf(w, "%d\t", c.counts[dir][i][o])
			}
			fmt.Fprintln(w)
		}
	}
	w.Flush()
}
