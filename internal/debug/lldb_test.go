package debug_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestLLDB plays the sessions in testdata/lldb, files like those for gdb.
func TestLLDB(t *testing.T) {
	needKVM(t)
	if lab != "" {
		t.Skip("the labs have no lldb")
	}
	if _, err := exec.LookPath("lldb"); err != nil {
		missing(t, "no lldb here (scripts/setup installs it): %v", err)
	}
	files, err := filepath.Glob("testdata/lldb/*.lldb")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sessions: %v", err)
	}
	for _, file := range files {
		s := readScript(t, file)
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			golden := strings.TrimSuffix(file, ".lldb") + ".out"
			got := s.run(t, startTorov(t, s))
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
					t.Fatal(err)
				}
				return
			}
			compare(t, golden, got)
		})
	}
}

// lldbSettings leave out what depends on the C library, and source lines that
// nobody needs to read.
const lldbSettings = `settings set stop-disassembly-display never
settings set stop-line-count-before 0
settings set stop-line-count-after 0
settings set stop-show-column none
settings set target.load-script-from-symbol-file false
settings set plugin.process.gdb-remote.packet-timeout %d
`

// lldb plays one part.
func (s script) lldb(t *testing.T, srv *server, commands string) string {
	t.Helper()
	commands = strings.ReplaceAll(commands, "CONNECT", "process connect --plugin gdb-remote unix-connect://"+srv.address)
	settings := fmt.Sprintf(lldbSettings, int(timeout(t).Seconds()))
	for name, text := range map[string]string{"settings": settings, "commands": commands} {
		if err := os.WriteFile(filepath.Join(srv.dir, name), []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	args := []string{"--no-lldbinit", "--no-use-colors", "-o", "command source -s 1 settings", "-o", "target create " + programPath(t, s.program)}
	if s.interactive {
		args = append(args, "-o", "version")
	} else {
		// Commands that are sourced wait for the stop, and go on after an error.
		args = append(args, "-o", "command source -e 0 -c 0 commands", "-o", "quit")
	}
	cmd := command(t, "lldb", args...)
	cmd.Dir = srv.dir
	var out buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if s.interactive {
		keyboard{srv, cmd.Process, in, &out}.play(t, commands)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("lldb: %v\n%s", err, out.String())
	}
	text := out.String()
	for _, last := range []string{"(lldb) version\n", "(lldb) command source -e 0 -c 0 commands\n"} {
		if _, rest, ok := strings.Cut(text, last); ok {
			return rest
		}
	}
	t.Errorf("lldb did not come to the commands:\n%s", text)
	return text
}

// What differs from run to run, or from one C library to the next.
var (
	lldbQuiet   = regexp.MustCompile(`(?m)^(Process [0-9]+ resuming|lldb version .*|Executing commands in .*|\(lldb\) (#.*|process connect .*|quit)|Traceback .*|  File "<string>".*|ModuleNotFoundError: .*)\n`)
	lldbNumber  = regexp.MustCompile(`0x0*[1-9a-f][0-9a-f]{5,15}\b`)
	lldbUUID    = regexp.MustCompile(`[0-9A-F]{8}(-[0-9A-F]{4}){3}-[0-9A-F]{12}(-[0-9A-F]{8})?`)
	lldbProcess = regexp.MustCompile(`\b([Pp]rocess|tid =) ([0-9]{7,})`)
	lldbThread  = regexp.MustCompile(`^[* ] thread #[0-9]+, `)
	// Frames without a line number are the C library's.
	lldbColumn  = regexp.MustCompile(`(\.c:[0-9]+):[0-9]+`)
	lldbLibrary = regexp.MustCompile("(?m)^ +frame #[1-9][0-9]*: ADDRESS [^ `]+`([^:\n]*|.* at (libc|pthread)[-_.a-z]*:.*)\n")
	lldbPlace   = regexp.MustCompile("(?m)ADDRESS [^ `]+`[^:,\n]*( at \\S+\\.S:[0-9]+)?(, name|$)")
)

func normaliseLLDB(s string) string {
	s = lldbQuiet.ReplaceAllString(s, "")
	s = lldbNumber.ReplaceAllString(s, "ADDRESS")
	s = lldbUUID.ReplaceAllString(s, "UUID")
	s = lldbColumn.ReplaceAllString(s, "$1")
	s = lldbLibrary.ReplaceAllString(s, "")
	s = lldbPlace.ReplaceAllString(s, "(the C library)$2")
	if dir, err := filepath.Abs("testdata/programs"); err == nil {
		s = strings.ReplaceAll(s, dir+"/", "")
	}
	s = withoutSelections(s)
	first := 0
	return lldbProcess.ReplaceAllStringFunc(s, func(text string) string {
		m := lldbProcess.FindStringSubmatch(text)
		var id int
		fmt.Sscan(m[2], &id)
		if first == 0 {
			first = id
		}
		return fmt.Sprintf("%s PID+%d", m[1], id-first)
	})
}

// withoutSelections leaves out what "thread select" says, which comes when it
// likes: a thread and its place that no stop and no backtrace has announced.
func withoutSelections(s string) string {
	var out strings.Builder
	stopped, backtrace, skip := false, false, 0
	for line := range strings.Lines(s) {
		if command, ok := strings.CutPrefix(line, "(lldb) "); ok {
			backtrace = strings.HasPrefix(command, "bt") || strings.HasPrefix(command, "thread backtrace")
		}
		if lldbThread.MatchString(line) && !stopped && !backtrace {
			skip = 2
		}
		if skip > 0 {
			skip--
			continue
		}
		out.WriteString(line)
		stopped = strings.HasSuffix(line, " stopped\n")
	}
	return out.String()
}
