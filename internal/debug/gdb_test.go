package debug_test

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

var (
	update    = flag.Bool("update", false, "rewrite the transcripts in testdata/sessions")
	gdbserver = flag.Bool("gdbserver", false, "compare the transcripts with sessions of gdbserver, where they say that they can be")
)

// A session is a file of gdb commands, testdata/sessions/NAME.gdb, whose first
// comments say what is debugged:
//
//	# program: NAME ARGUMENT...
//	# torov: FLAG...         further flags of torov run
//	# attach: TEXT           the program runs, and gdb comes when it has printed this
//	# interrupt: TEXT        ^C whenever the program prints this line
//	# like gdbserver         the transcript is the same with gdbserver
//	# any thread             which of the threads it is depends on the day
//	# not in a short run     others cover the same ground in the slow lab
//	# interactive            commands are typed, see keyboard
//
// A line "# reconnect" ends one gdb and starts another on the same program, after
// the program has printed TEXT if "# after: TEXT" follows. CONNECT connects,
// EXTENDED by the extended protocol. The
// transcript NAME.out holds each command after a "+", what gdb said, the
// program's output and its end.
type script struct {
	name          string
	program, args string
	flags         []string
	attach        string
	linker        string // the dynamic linker, if it is run and loads the program
	interrupt     string
	likeGdbserver bool
	anyThread     bool
	long          bool
	interactive   bool
	parts         []string // commands of one debugger each
	debugger      string   // by the file's ending
}

func readScript(t *testing.T, file string) script {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	ending := filepath.Ext(file)
	s := script{name: strings.TrimSuffix(filepath.Base(file), ending), debugger: ending[1:]}
	for part := range strings.SplitSeq(string(text), "\n# reconnect\n") {
		s.parts = append(s.parts, part)
	}
	for line := range strings.Lines(s.parts[0]) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		switch key {
		case "# program":
			s.program, s.args, _ = strings.Cut(value, " ")
		case "# torov":
			s.flags = strings.Fields(value)
		case "# attach":
			s.attach = value
		case "# interrupt":
			s.interrupt = value
		case "# like gdbserver":
			s.likeGdbserver = true
		case "# any thread":
			s.anyThread = true
		case "# interactive":
			s.interactive = true
		case "# not in a short run":
			s.long = true
		}
	}
	if s.program == "" {
		t.Fatalf("%s names no program", file)
	}
	return s
}

func TestGDB(t *testing.T) {
	needGDB(t)
	files, err := filepath.Glob("testdata/sessions/*.gdb")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sessions: %v", err)
	}
	for _, file := range files {
		s := readScript(t, file)
		t.Run(s.name, func(t *testing.T) {
			if s.long && testing.Short() && lab != "svm" {
				t.Skip("left out of short runs in the lab vtx: a session takes ten seconds and more, and others cover the same ground")
			}
			golden := strings.TrimSuffix(file, ".gdb") + ".out"
			if *gdbserver {
				if !s.likeGdbserver {
					t.Skip("not said to be like gdbserver")
				}
				got := s.run(t, startGdbserver(t, s))
				want, err := os.ReadFile(golden)
				if err != nil {
					t.Fatal(err)
				}
				want = endLine.ReplaceAll(want, nil)
				if got != string(want) {
					t.Errorf("gdbserver differs from %s (- torov, + gdbserver):\n%s", golden, diff(string(want), got))
				}
				return
			}
			needKVM(t)
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

func compare(t *testing.T, golden, got string) {
	t.Helper()
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != got {
		t.Errorf("the transcript differs from %s (- expected, + seen):\n%s", golden, diff(string(want), got))
	}
}

// run plays the script against a server and returns the transcript.
func (s script) run(t *testing.T, srv *server) string {
	t.Helper()
	var out strings.Builder
	for i, part := range s.parts {
		if i > 0 {
			out.WriteString("== another " + s.debugger + "\n")
		}
		if text, ok := strings.CutPrefix(part, "# after: "); ok {
			text, _, _ = strings.Cut(text, "\n")
			srv.waitFor(t, text+"\n")
		}
		if s.debugger == "lldb" {
			out.WriteString(s.lldb(t, srv, part))
		} else {
			out.WriteString(s.gdb(t, srv, part))
		}
	}
	end := srv.wait(t)
	out.WriteString("== program\n" + srv.stdout.String())
	if srv.torov {
		out.WriteString(srv.messages() + "== " + end + "\n")
	}
	if t.Failed() {
		t.Logf("torov said:\n%s", srv.stderr.String())
	}
	normalise := normalise
	if s.debugger == "lldb" {
		normalise = normaliseLLDB
	}
	text := strings.ReplaceAll(normalise(out.String()), filepath.Dir(programPath(t, s.program))+"/", "")
	if s.anyThread {
		text = whichThread.ReplaceAllString(text, "$1$2")
	}
	return text
}

// gdb plays one part.
func (s script) gdb(t *testing.T, srv *server, commands string) string {
	t.Helper()
	symbols := programPath(t, s.program)
	if s.program == "raw" {
		symbols = programPath(t, "raw.elf")
	}
	cmd := command(t, "gdb", "-nx", "-q",
		"-ex", "set prompt", "-ex", "set confirm off", "-ex", "set pagination off", "-ex", "set width 0",
		"-ex", "set print thread-events off", "-ex", "set print inferior-events off",
		"-ex", "set debuginfod enabled off", "-ex", "set style enabled off", "-ex", "set auto-load off", "-ex", "set debug-file-directory /nonexistent",
		"-ex", "set remotetimeout "+fmt.Sprint(int(timeout(t).Seconds())),
		"-ex", "set trace-commands on", "-ex", "file "+symbols)
	cmd.Dir = srv.dir
	connect := strings.NewReplacer("CONNECT", "target remote "+srv.address, "EXTENDED", "target extended-remote "+srv.address)
	cmd.Stdin = strings.NewReader(connect.Replace(commands))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	if s.interrupt != "" {
		go srv.interruptAt(s.interrupt, cmd.Process, done)
	}
	err := cmd.Wait()
	close(done)
	if err != nil {
		t.Errorf("gdb: %v\n%s", err, out.String())
	}
	text := out.String()
	if _, rest, ok := strings.Cut(text, "+file "); ok {
		_, text, _ = strings.Cut(rest, "\n")
	}
	return text
}

// What differs from run to run, or from one C library to the next.
var (
	quietLines = regexp.MustCompile(`(?m)^(Reading symbols from .*|warning: File transfers from remote targets can be slow.*|\+target (extended-)?remote .*|Remote debugging using .*|Reading .* from remote target\.\.\.|` +
		`Using host libthread_db.*|\(No debugging symbols found in .*|` +
		`\[Thread debugging using.*)\n`)
	longNumber = regexp.MustCompile(`0x[0-9a-f]{6,16}\b`)
	threadID   = regexp.MustCompile(`(?:(Thread) ([0-9]+)\.([0-9]+)|(process|LWP) ([0-9]+))`)
	// Frames without debugging information are the C library's.
	libraryFrame = regexp.MustCompile(`(?m)^#[0-9]+ +ADDRESS in [^\n]*\(\)(| from [^\n]*)\n`)
	libraryPlace = regexp.MustCompile(`(?m)ADDRESS in [^ ]+ \(\)(| from [^\n]*)$`)
	endLine      = regexp.MustCompile(`(?m)^== (exit|signal).*\n`)
	symbolFile   = regexp.MustCompile(`(in section \S+|Detaching from program:) (of )?/[^ ,]*`)
	goStart      = regexp.MustCompile(`_rt0_amd64_linux \(\) at [^\n]*\n[^\n]*\n`)
	starred      = regexp.MustCompile(`(?m) \(\*\)| {4}(?:target:)|^\(\*\).*\n`)
	whichThread  = regexp.MustCompile(`(?m)^\[Switching to Thread .*\n|(Thread) [0-9]+ (")`)
	// How gdb notices that the connection is gone depends on the day.
	closedByExit = regexp.MustCompile(`(?s)(\+monitor exit\n).*?(== )`)
	procPath     = regexp.MustCompile(`/proc/[0-9]+/`)
	tracedThread = regexp.MustCompile(`(?m)^torov: \[[0-9]+\]`)
	// When a trace ran, and how much it recorded: registers differ in size.
	traceTime   = regexp.MustCompile(`(Trace started at|stopped) [0-9.]+ secs`)
	traceSize   = regexp.MustCompile(`(Trace buffer has|trace buffer usage) [0-9]+ bytes`)
	traceStamp  = regexp.MustCompile(`(\$trace_timestamp 0 +)[0-9]+`)
	traceFree   = regexp.MustCompile(`free \([0-9]+% full\)`)
	frameNumber = regexp.MustCompile(`(?m)^#[0-9]+ +`)
)

// normalise takes out of a transcript what says nothing.
func normalise(s string) string {
	s = strings.ReplaceAll(s, "(gdb) ", "")
	s = quietLines.ReplaceAllString(s, "")
	s = longNumber.ReplaceAllString(s, "ADDRESS")
	s = libraryFrame.ReplaceAllString(s, "")
	s = libraryPlace.ReplaceAllString(s, "ADDRESS in (the C library)")
	s = symbolFile.ReplaceAllString(s, "$1")
	s = goStart.ReplaceAllString(s, "(the start of Go's runtime)\n")
	s = starred.ReplaceAllString(s, "")
	if dir, err := filepath.Abs("testdata/programs"); err == nil {
		s = strings.ReplaceAll(s, dir+"/", "")
	}
	s = tracedThread.ReplaceAllString(s, "torov: [TID]")
	s = traceStamp.ReplaceAllString(s, "${1}MICROSECONDS")
	s = traceTime.ReplaceAllString(s, "$1 TIME")
	s = traceSize.ReplaceAllString(s, "$1 SIZE bytes")
	s = traceFree.ReplaceAllString(s, "free")
	s = closedByExit.ReplaceAllString(s, "$1$2")
	s = procPath.ReplaceAllString(s, "/proc/PID/")
	s = frameNumber.ReplaceAllString(s, "#  ")
	first := 0
	return threadID.ReplaceAllStringFunc(s, func(id string) string {
		m := threadID.FindStringSubmatch(id)
		var pid, tid int
		fmt.Sscan(m[2]+m[5], &pid)
		if first == 0 {
			first = pid
		}
		if m[4] != "" {
			return fmt.Sprintf("%s PID+%d", m[4], pid-first)
		}
		fmt.Sscan(m[3], &tid)
		return fmt.Sprintf("Thread PID.PID+%d", tid-pid)
	})
}

// interruptAt sends gdb a ^C each time the program has printed a line.
func (srv *server) interruptAt(line string, gdb *os.Process, done chan struct{}) {
	seen := 0
	for {
		select {
		case <-done:
			return
		case <-time.After(50 * time.Millisecond):
		}
		if n := strings.Count(srv.stdout.String(), line+"\n"); n > seen {
			seen = n
			time.Sleep(200 * time.Millisecond) // into the loop, or the wait
			_ = gdb.Signal(os.Interrupt)
		}
	}
}
