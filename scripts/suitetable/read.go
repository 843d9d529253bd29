package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// outcomes are how a test can end, in the order of the table's columns.
var outcomes = []string{"PASS", "FAIL", "XFAIL", "KFAIL", "XPASS", "KPASS", "UNRESOLVED", "UNTESTED", "UNSUPPORTED", "none"}

// A file of tests that was cut off has the outcome "none" once.
const none = "none"

// suiteFile is what became of one .exp file: how its tests ended, by name.
// A name can occur more than once.
type suiteFile map[string][]string

// readTree reads DIR/gdb.base/NAME/gdb.sum and so on, by "gdb.base/NAME.exp".
func readTree(dir string) (map[string]suiteFile, error) {
	files := map[string]suiteFile{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.Name() != "gdb.sum" {
			return err
		}
		name, err := filepath.Rel(dir, filepath.Dir(path))
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		files[name+".exp"], err = readSummary(f)
		return err
	})
	if err == nil && len(files) == 0 {
		err = fmt.Errorf("%s: no gdb.sum in it", dir)
	}
	return files, err
}

// remark is what dejagnu's tests say of how it went; it is not part of the name.
var remark = regexp.MustCompile(` \([^()]*\)$`)

// readSummary reads lines "OUTCOME: gdb.base/NAME.exp: test".
func readSummary(r io.Reader) (suiteFile, error) {
	tests := suiteFile{}
	complete := false
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<24)
	for s.Scan() {
		line := s.Text()
		if strings.Contains(line, "=== gdb Summary ===") {
			complete = true
		}
		outcome, test, ok := strings.Cut(line, ": ")
		if ok && outcome != none && slices.Contains(outcomes, outcome) {
			_, test, _ = strings.Cut(test, ": ")
			test = remark.ReplaceAllString(test, "")
			tests[test] = append(tests[test], outcome)
		}
	}
	if !complete {
		tests["(cut off)"] = []string{none}
	}
	return tests, s.Err()
}

// allowance is a line of the list of known differences.
type allowance struct {
	most   int // tests; -1: any number, also when the file is not run
	reason string
}

// readKnown reads lines "FILE.exp NUMBER reason"; NUMBER is how many of the
// file's tests may differ, or "any", or "skip" for those that are not run. A #
// begins a comment.
func readKnown(path string) (map[string]allowance, error) {
	known := map[string]allowance{}
	if path == "" {
		return known, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	for i, line := range strings.Split(string(text), "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		if len(words) < 3 || known[words[0]].reason != "" {
			return nil, fmt.Errorf("%s:%d: want FILE.exp NUMBER REASON, each file once", path, i+1)
		}
		a := allowance{most: -1, reason: strings.Join(words[2:], " ")}
		if words[1] != "any" && words[1] != "skip" {
			if a.most, err = strconv.Atoi(words[1]); err != nil || a.most < 1 {
				return nil, fmt.Errorf("%s:%d: %q: want a number, any or skip", path, i+1, words[1])
			}
		}
		known[words[0]] = a
	}
	return known, nil
}

func writeLines(path string, lines []string) error {
	if len(lines) == 0 {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	return os.WriteFile(path, []byte(strings.Join(lines, "\n")+"\n"), 0o666)
}
