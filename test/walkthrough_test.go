package test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWalkthrough plays examples/WALKTHROUGH.md: gdb gets the commands of its
// gdb blocks and must answer with their other lines, in order, with any text
// for "...".
func TestWalkthrough(t *testing.T) {
	needKVM(t)
	gdb, err := exec.LookPath("gdb")
	if err != nil {
		t.Skipf("no gdb here (Debian: apt-get install gdb): %v", err)
	}
	dir := examples(t)
	commands, answers := walkthrough(t, filepath.Join(dir, "WALKTHROUGH.md"))
	program := filepath.Join(dir, "../build/examples/hello-c")
	work := t.TempDir()
	socket := filepath.Join(work, "gdb")
	commands = strings.Replace(commands, "target remote :1234", "target remote "+socket, 1)
	script := filepath.Join(work, "commands")
	if err := os.WriteFile(script, []byte("set confirm off\nset pagination off\nset sysroot /\nset width 0\n"+commands), 0o644); err != nil {
		t.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(t.Context(), defaultTimeout(t))
	defer cancel()
	held := prepare(ctx, command{path: program, args: []string{"reader"}}.underTorov(t, "--gdb", "unix:"+socket))
	var stdout, stderr bytes.Buffer
	held.Stdout, held.Stderr = &stdout, &stderr
	if err := held.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = held.Wait(); close(ended) }() // its status is in ProcessState
	if err := awaitFile(ctx, socket, ended); err != nil {
		cancel()
		<-ended
		t.Fatalf("torov does not listen: %v\n%s", err, stderr.String())
	}

	out, err := exec.CommandContext(ctx, gdb, "-q", "-nx", "-batch", "-x", script, program).CombinedOutput()
	if err != nil {
		t.Errorf("gdb: %v", err)
	}
	rest := string(out)
	for _, answer := range answers {
		at := pattern(answer).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("gdb does not answer %q after\n%s", answer, out[:len(out)-len(rest)])
		}
		rest = rest[at[1]:]
	}
	<-ended
	want := "Good day, reader! (1)\nGood day, reader! (2)\nGood day, reader! (3)\ntotal 14\n"
	if status := held.ProcessState.String(); status != "exit status 0" || stdout.String() != want {
		t.Errorf("%s, stderr %q, stdout (- wanted, + got):\n%s", status, stderr.String(), diff(want, stdout.String()))
	}
}

// walkthrough returns the commands of a Markdown file's gdb blocks, one a
// line, and the other lines of those blocks.
func walkthrough(t *testing.T, path string) (commands string, answers []string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```gdb\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	for _, block := range blocks {
		for line := range strings.Lines(block[1]) {
			if command, ok := strings.CutPrefix(line, "(gdb) "); ok {
				commands += command
			} else {
				answers = append(answers, strings.TrimSuffix(line, "\n"))
			}
		}
	}
	if len(blocks) < 5 || len(answers) < 10 {
		t.Fatalf("%s has only %d gdb blocks with %d answers", path, len(blocks), len(answers))
	}
	return commands, answers
}

// pattern is a whole line with any text for "...", blanks and tabs alike.
func pattern(line string) *regexp.Regexp {
	p := regexp.QuoteMeta(strings.Join(strings.Fields(line), " "))
	p = strings.ReplaceAll(p, `\.\.\.`, `.*`)
	return regexp.MustCompile(`(?m)^\s*` + strings.ReplaceAll(p, " ", `[ \t]+`) + `\s*$`)
}
