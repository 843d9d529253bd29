package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree writes gdb.sum files: file name and lines in turn.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name, "gdb.sum")
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const end = "\t\t=== gdb Summary ===\n"

func TestCompare(t *testing.T) {
	reference := tree(t, map[string]string{
		"gdb.base/same":  "Running x.exp ...\nPASS: gdb.base/same.exp: one\nFAIL: gdb.base/same.exp: two\n" + end,
		"gdb.base/worse": "PASS: gdb.base/worse.exp: one\nPASS: gdb.base/worse.exp: one\nPASS: gdb.base/worse.exp: a: b\n" + end,
		"gdb.base/gone":  "PASS: gdb.base/gone.exp: one\n" + end,
		"gdb.mi/cut":     "PASS: gdb.mi/cut.exp: one\n" + end,
	})
	torov := tree(t, map[string]string{
		"gdb.base/same":  "PASS: gdb.base/same.exp: one (after a while)\nKFAIL: gdb.base/same.exp: two (PRMS: 1)\n" + end,
		"gdb.base/worse": "PASS: gdb.base/worse.exp: one\nFAIL: gdb.base/worse.exp: one\n" + end,
		"gdb.mi/cut":     "",
	})
	known := filepath.Join(t.TempDir(), "known")
	for _, c := range []struct{ known, unknown, say string }{
		{"", "gdb.base/gone.exp gdb.base/worse.exp gdb.mi/cut.exp", "not run: a: b\n  FAIL: one"},
		{"gdb.base/worse.exp 2 because\ngdb.base/gone.exp any it is\n# comment\n", "gdb.mi/cut.exp", "known: gdb.base/worse.exp: 2 tests: because"},
		{"gdb.base/worse.exp 1 because\ngdb.base/gone.exp 1 it is\ngdb.mi/cut.exp 1 x\n", "gdb.base/worse.exp", "2 tests that only the reference passes, 1 are known"},
		{"gdb.base/same.exp 1 it was\n", "gdb.base/gone.exp gdb.base/worse.exp gdb.mi/cut.exp", "not different now: gdb.base/same.exp"},
	} {
		if err := os.WriteFile(known, []byte(c.known), 0o666); err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		got, err := load(reference, torov, known)
		if err != nil {
			t.Fatal(err)
		}
		got.print(&out, false)
		if unknown := strings.Join(got.unknown(), " "); unknown != c.unknown || !strings.Contains(out.String(), c.say) {
			t.Errorf("%q: unknown %s, want %s; output must have %q:\n%s", c.known, unknown, c.unknown, c.say, out.String())
		}
	}
	for _, bad := range []string{"gdb.base/a.exp\n", "gdb.base/a.exp x reason\n", "gdb.base/a.exp 0 reason\n", "a.exp 1 r\na.exp 1 r\n"} {
		if err := os.WriteFile(known, []byte(bad), 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := load(reference, torov, known); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
	if _, err := load(t.TempDir(), torov, ""); err == nil {
		t.Error("no error for a run without results")
	}
}
