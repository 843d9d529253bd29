package config

import (
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the reference into docs/configuration.md")

const page = "../../docs/configuration.md"

func readPage(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestPageIsFresh(t *testing.T) {
	const begin, end = "<!-- fields: generated, `go test ./internal/config -update` -->\n", "\n<!-- end of fields -->"
	text := readPage(t)
	head, rest, ok := strings.Cut(text, begin)
	old, tail, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatalf("%s has lost the marks around the generated part", page)
	}
	fresh := "\n" + Reference()
	if old == fresh {
		return
	}
	if !*update {
		t.Fatalf("%s is out of date; run: go test ./internal/config -update", page)
	}
	if err := os.WriteFile(page, []byte(head+begin+fresh+end+tail), 0o644); err != nil {
		t.Fatal(err)
	}
}

// blocks returns the fenced blocks of the page in one language.
func blocks(t *testing.T, language string) []string {
	t.Helper()
	var out []string
	for _, m := range regexp.MustCompile("(?s)```"+language+"\n(.*?)```").FindAllStringSubmatch(readPage(t), -1) {
		out = append(out, m[1])
	}
	if len(out) == 0 {
		t.Fatalf("%s has no %s blocks", page, language)
	}
	return out
}

func TestPageExamplesAreValid(t *testing.T) {
	for _, example := range blocks(t, "json") {
		if _, err := Parse("example.json", []byte(example), testNames); err != nil {
			t.Errorf("%v in:\n%s", err, example)
		}
	}
}

// TestPageErrorsAreReal checks that the errors shown are ones that TestFaults
// proves.
func TestPageErrorsAreReal(t *testing.T) {
	var real []string
	for _, f := range faults {
		real = append(real, "server.json:"+f.want)
	}
	for _, block := range blocks(t, "text") {
		for line := range strings.Lines(block) {
			if line = strings.TrimSpace(line); !slices.Contains(real, line) {
				t.Errorf("no test of the package gives this error: %s", line)
			}
		}
	}
}

// TestReferenceIsComplete checks that every row can stand in a Markdown table.
func TestReferenceIsComplete(t *testing.T) {
	rows := 0
	for line := range strings.Lines(Reference()) {
		if strings.HasPrefix(line, "| `") {
			rows++
			cells := strings.Split(strings.Trim(line, "|\n"), "|")
			if len(cells) != 4 || slices.ContainsFunc(cells, func(c string) bool { return strings.TrimSpace(c) == "" }) {
				t.Errorf("row without four filled cells: %s", line)
			}
		}
	}
	want := len(configFields) + len(mountFields) + len(debugFields) + len(hypercallFields) + len(permissionFields)
	if rows != want {
		t.Errorf("%d rows for %d fields", rows, want)
	}
}
