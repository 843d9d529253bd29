package debug_test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
)

// delve builds Delve, once, unless scripts/dlv has.
var delve = sync.OnceValues(func() (string, error) {
	path, err := filepath.Abs("../../build/tools/dlv")
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, build("../../scripts/dlv")
})

// needDelve returns its path.
func needDelve(t *testing.T) string {
	t.Helper()
	needKVM(t)
	if lab != "" {
		t.Skip("the labs have no Delve")
	}
	path, err := delve()
	if err != nil {
		missing(t, "no Delve here: %v", err)
	}
	return path
}

// startDelve runs Delve, which finds torov under the name of the stub that it
// starts. What the program and torov say comes in its own output.
func startDelve(t *testing.T, args ...string) *server {
	t.Helper()
	path := needDelve(t)
	srv := &server{dir: shortTempDir(t)}
	torov, err := filepath.Abs(torovPath(t))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(torov, filepath.Join(srv.dir, "lldb-server")); err != nil {
		t.Fatal(err)
	}
	srv.cmd = command(t, path, args...)
	srv.cmd.Dir, srv.cmd.Stderr = srv.dir, &srv.stdout
	srv.cmd.Env = []string{"PATH=" + srv.dir + ":" + os.Getenv("PATH"), "HOME=" + srv.dir, "TERM=dumb", "NO_COLOR=1", "DELVE_DEBUGSERVER_PATH="}
	srv.start(t)
	return srv
}

// TestDelve plays the sessions in testdata/delve, files like those for gdb.
func TestDelve(t *testing.T) {
	needDelve(t)
	files, err := filepath.Glob("testdata/delve/*.dlv")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sessions: %v", err)
	}
	for _, file := range files {
		s := readScript(t, file)
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			golden := strings.TrimSuffix(file, ".dlv") + ".out"
			got := s.delve(t)
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

// delve plays the session and returns the transcript. Delve does not repeat
// the commands: they are put in after its prompts.
func (s script) delve(t *testing.T) string {
	t.Helper()
	args := []string{"exec", "--backend=lldb", "--allow-non-terminal-interactive=true", programPath(t, s.program), "--"}
	srv := startDelve(t, append(args, strings.Fields(s.args)...)...)
	commands := "config source-list-line-count 0\n" + s.parts[0] + "exit\n"
	keyboard{srv, srv.cmd.Process, srv.input, &srv.stdout}.play(t, commands)
	if end := srv.wait(t); end != "exit status 0" {
		t.Errorf("dlv: %s\n%s%s", end, srv.stdout.String(), srv.stderr.String())
	}
	said := strings.Split(srv.stdout.String(), "(dlv) ")
	var out strings.Builder
	for line := range strings.Lines(commands) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		if said = said[1:]; len(said) == 0 {
			t.Fatalf("dlv ended before %s%s", line, srv.stdout.String())
		}
		if !strings.HasPrefix(line, "config ") {
			out.WriteString("(dlv) " + line + said[0])
		}
	}
	return normaliseDelve(out.String())
}

// What differs from run to run, or from one version of Go to the next.
var (
	delveQuiet = regexp.MustCompile(`(?m)^([0-9]+ +ADDRESS in runtime\..*\n.*|.*Goroutine [0-9]+ - .*/src/runtime/.*|\[[0-9]+ goroutines\]|=> *[0-9]{3,}:.*)\n`)
	// Where a ^C finds the program.
	delveHalt    = regexp.MustCompile(`(received SIGINT.*\n)(?:[^(].*\n)*`)
	delveRuntime = regexp.MustCompile(`[^ ]*/src/runtime/([a-z_0-9]*\.(?:go|s):)[0-9]+`)
	// On their way to what they will wait for.
	delveWorker  = regexp.MustCompile(`(main\.worker \(ADDRESS\)) [[(].*`)
	delveProcess = regexp.MustCompile(`(?i)\b((?:process|thread|pid) |(?:id|sum): )[0-9]{7,}`)
	delveRoutine = regexp.MustCompile(`(?m)(Goroutine |goroutine\(|Switched from )(?:[0-9]{2,}|[02-9]|1( to))`)
)

func normaliseDelve(s string) string {
	s = longNumber.ReplaceAllString(s, "ADDRESS")
	s = delveHalt.ReplaceAllString(s, "$1")
	s = delveQuiet.ReplaceAllString(s, "")
	s = delveRuntime.ReplaceAllString(s, "runtime/$1")
	if dir, err := filepath.Abs("testdata/programs"); err == nil {
		s = strings.ReplaceAll(s, dir+"/", "")
	}
	s = delveWorker.ReplaceAllString(s, "$1")
	s = delveRoutine.ReplaceAllString(s, "${1}N$2")
	return delveProcess.ReplaceAllString(s, "${1}N")
}
