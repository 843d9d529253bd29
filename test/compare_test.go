package test

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// snapshot lists a directory tree: name, mode, and for files their size and
// what they hold.
func snapshot(dir string) (string, error) {
	var out strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		fmt.Fprintf(&out, "%v %s", info.Mode(), name)
		switch {
		case info.Mode().IsRegular():
			sum, err := hashFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&out, " %d %.8x", info.Size(), sum)
		case info.Mode()&fs.ModeSymlink != 0:
			target, err := os.Readlink(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(&out, " -> %s", target)
		}
		out.WriteByte('\n')
		return nil
	})
	return out.String(), err
}

// hashFile hashes the beginning of a file, for a program may have made a sparse
// one without end.
func hashFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, io.LimitReader(f, 4<<20))
	return h.Sum(nil), err
}

const (
	diffContext = 2   // equal lines shown around a difference
	diffLines   = 100 // lines shown at most
	diffWidth   = 300 // bytes of a line shown at most
)

// diff shows how b differs from a, line by line: "-" is in a alone, "+" in b
// alone. Control characters are escaped.
func diff(a, b string) string {
	x, y := slices.Collect(strings.Lines(a)), slices.Collect(strings.Lines(b))
	var out []string
	shown, skipped := 0, 0
	for _, e := range edits(x, y) {
		if e.near {
			if skipped > 0 {
				out = append(out, fmt.Sprintf("  (%d equal lines)", skipped))
				skipped = 0
			}
			out = append(out, fmt.Sprintf("%c %s", e.op, visible(e.line)))
			if shown++; shown == diffLines {
				return strings.Join(append(out, "  (and so on)"), "\n")
			}
		} else {
			skipped++
		}
	}
	return strings.Join(out, "\n")
}

func visible(line string) string {
	line, ended := strings.CutSuffix(line, "\n")
	if len(line) > diffWidth {
		line = line[:diffWidth] + "..."
	}
	quoted := fmt.Sprintf("%q", line)
	line = strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
	if !ended {
		line += " (no newline)"
	}
	return line
}

type edit struct {
	op   byte // ' ', '-' or '+'
	line string
	near bool // a difference is within diffContext lines
}

// edits turns x into y with the fewest deletions and insertions, by the
// longest common subsequence of what lies between equal ends.
func edits(x, y []string) []edit {
	var head, tail []edit
	for len(x) > 0 && len(y) > 0 && x[0] == y[0] {
		head = append(head, edit{op: ' ', line: x[0]})
		x, y = x[1:], y[1:]
	}
	for len(x) > 0 && len(y) > 0 && x[len(x)-1] == y[len(y)-1] {
		tail = append(tail, edit{op: ' ', line: x[len(x)-1]})
		x, y = x[:len(x)-1], y[:len(y)-1]
	}
	slices.Reverse(tail)
	all := append(append(head, middle(x, y)...), tail...)
	for i, e := range all {
		if e.op != ' ' {
			for j := max(0, i-diffContext); j <= min(len(all)-1, i+diffContext); j++ {
				all[j].near = true
			}
		}
	}
	return all
}

func middle(x, y []string) []edit {
	var out []edit
	common := make([][]int, len(x)+1)
	if len(x)*len(y) < 4e6 {
		for i := range common {
			common[i] = make([]int, len(y)+1)
		}
		for i := len(x) - 1; i >= 0; i-- {
			for j := len(y) - 1; j >= 0; j-- {
				if x[i] == y[j] {
					common[i][j] = common[i+1][j+1] + 1
				} else {
					common[i][j] = max(common[i+1][j], common[i][j+1])
				}
			}
		}
		for len(x) > 0 && len(y) > 0 {
			i, j := len(common)-1-len(x), len(common[0])-1-len(y)
			switch {
			case x[0] == y[0]:
				out = append(out, edit{op: ' ', line: x[0]})
				x, y = x[1:], y[1:]
			case common[i+1][j] >= common[i][j+1]:
				out = append(out, edit{op: '-', line: x[0]})
				x = x[1:]
			default:
				out = append(out, edit{op: '+', line: y[0]})
				y = y[1:]
			}
		}
	}
	for _, line := range x {
		out = append(out, edit{op: '-', line: line})
	}
	for _, line := range y {
		out = append(out, edit{op: '+', line: line})
	}
	return out
}

func TestDiff(t *testing.T) {
	for _, c := range []struct{ a, b, want string }{
		{"", "", ""},
		{"1\n2\n3\n4\n5\n6\n", "1\n2\n3\n4\nfive\n6\n", "  (2 equal lines)\n  3\n  4\n- 5\n+ five\n  6"},
		{"a\nb\nc\n", "a\nc\nd\n", "  a\n- b\n  c\n+ d"},
		{"x", "x\n", "- x (no newline)\n+ x"},
		{"tab\there \"q\"\n", "", "- tab\\there \"q\""},
	} {
		if got := diff(c.a, c.b); got != c.want {
			t.Errorf("diff(%q, %q) =\n%s\nwant\n%s", c.a, c.b, got, c.want)
		}
	}
}
