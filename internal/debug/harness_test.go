package debug_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// lab is the laboratory that the tests run in: "vtx", "svm", or "" outside.
var lab = os.Getenv("TOROV_LAB")

// required says that what is missing is a failure.
func required() bool { return os.Getenv("TOROV_REQUIRE_KVM") == "1" || lab != "" }

func missing(t *testing.T, format string, args ...any) {
	t.Helper()
	if required() {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

func needKVM(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err != nil {
		missing(t, "no KVM here: %v", err)
	}
	f.Close()
}

func needGDB(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("gdb"); err != nil {
		missing(t, "no gdb here: %v", err)
	}
}

// timeout bounds everything that one test waits for.
func timeout(t *testing.T) time.Duration {
	t.Helper()
	s := os.Getenv("TOROV_TIMEOUT")
	if s == "" && lab != "" {
		return 5 * time.Minute
	}
	if s == "" {
		return time.Minute
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("TOROV_TIMEOUT: %v", err)
	}
	return d
}

// command makes a command that dies with the test, or at its time limit.
func command(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), timeout(t))
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=/nonexistent", "TZ=UTC", "LC_ALL=C", "TERM=dumb"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

// built is what the tests build themselves, once.
var built struct {
	torov, programs       sync.Once
	dir                   string
	torovErr, programsErr error
}

func TestMain(m *testing.M) {
	// Programs that die must not leave core files.
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		fmt.Fprintln(os.Stderr, "setrlimit:", err)
		os.Exit(1)
	}
	dir, err := os.MkdirTemp("", "torov-debug-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	built.dir = dir
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func torovPath(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("TOROV_BIN"); path != "" {
		return path
	}
	path := filepath.Join(built.dir, "torov")
	built.torov.Do(func() { built.torovErr = build("go", "build", "-o", path, "torov/cmd/torov") })
	if built.torovErr != nil {
		t.Fatalf("cannot build torov (TOROV_BIN names one that is built): %v", built.torovErr)
	}
	return path
}

// programPath finds a debuggee: in TOROV_PROGRAMS/debug, or built now.
func programPath(t *testing.T, name string) string {
	t.Helper()
	if dir := os.Getenv("TOROV_PROGRAMS"); dir != "" {
		path := filepath.Join(dir, "debug", name)
		if _, err := os.Stat(path); err == nil || lab != "" {
			return path
		}
	}
	built.programs.Do(func() {
		built.programsErr = build("make", "-s", "-C", "testdata/programs", "OUT="+filepath.Join(built.dir, "programs"))
	})
	if built.programsErr != nil {
		t.Fatalf("cannot build the debuggees (TOROV_PROGRAMS/debug holds built ones): %v", built.programsErr)
	}
	return filepath.Join(built.dir, "programs", name)
}

// flatConfig writes the configuration that runs the flat image.
func flatConfig(t *testing.T) string {
	t.Helper()
	path := filepath.Join(shortTempDir(t), "raw.json")
	text := fmt.Sprintf("{\"Binary\": %q, \"Startaddr\": \"400200\"}\n", programPath(t, "raw"))
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func build(name string, args ...string) error {
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// buffer is written by one goroutine and read by others.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// server is a program that waits for a debugger.
type server struct {
	cmd            *exec.Cmd
	address        string
	stdout, stderr buffer
	input          io.WriteCloser
	torov          bool
	dir            string        // scratch, and gdb's working directory
	ended          chan struct{} // closed after cmd.Wait, which gave err
	err            error
}

// startTorov runs a program under torov, held for a debugger.
func startTorov(t *testing.T, s script) *server {
	t.Helper()
	dir := shortTempDir(t)
	socket := filepath.Join(dir, "gdb")
	srv := &server{address: socket, torov: true, dir: dir}
	how := "--gdb"
	if s.attach != "" {
		how = "--gdb-attach"
	}
	args := append([]string{"run", "-A", "--stats", how, "unix:" + socket}, s.flags...)
	program := programPath(t, s.program)
	if s.program == "raw" {
		program = flatConfig(t)
	}
	args = append(args, "--")
	if s.linker != "" {
		args = append(args, s.linker)
	}
	args = append(append(args, program), strings.Fields(s.args)...)
	srv.cmd = command(t, torovPath(t), args...)
	srv.start(t)
	for {
		// The socket is in the file system a moment before it takes clients.
		said := srv.stderr.String()
		if strings.Contains(said, "waiting for a debugger") || s.attach != "" && strings.Contains(said, "a debugger may connect") {
			srv.waitFor(t, s.attach)
			return srv
		}
		srv.mustRun(t)
		time.Sleep(5 * time.Millisecond)
	}
}

// startGdbserver runs a program under gdbserver.
func startGdbserver(t *testing.T, s script) *server {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	srv := &server{address: address, dir: shortTempDir(t)}
	args := append([]string{"--no-startup-with-shell", address, programPath(t, s.program)}, strings.Fields(s.args)...)
	srv.cmd = command(t, "gdbserver", args...)
	srv.start(t)
	for !strings.Contains(srv.stderr.String(), "Listening on port") {
		srv.mustRun(t)
		time.Sleep(5 * time.Millisecond)
	}
	return srv
}

// start starts the server. Its stdin stays open, and empty.
func (srv *server) start(t *testing.T) {
	t.Helper()
	srv.cmd.Stdout = &srv.stdout
	if srv.cmd.Stderr == nil {
		srv.cmd.Stderr = &srv.stderr
	}
	var err error
	if srv.input, err = srv.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := srv.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	srv.ended = make(chan struct{})
	go func() {
		srv.err = srv.cmd.Wait()
		close(srv.ended)
	}()
	t.Cleanup(func() {
		_ = srv.cmd.Cancel() // fails if it has ended
		<-srv.ended
	})
}

func (srv *server) mustRun(t *testing.T) {
	t.Helper()
	select {
	case <-srv.ended:
		t.Fatalf("%s ended: %v\n%s", srv.cmd, srv.err, srv.stderr.String())
	default:
	}
}

// waitFor waits until the program has written a text.
func (srv *server) waitFor(t *testing.T, text string) {
	t.Helper()
	for !strings.Contains(srv.stdout.String(), text) {
		srv.mustRun(t)
		time.Sleep(5 * time.Millisecond)
	}
}

// wait waits for the end and says how it was.
func (srv *server) wait(t *testing.T) string {
	t.Helper()
	<-srv.ended
	err := srv.err
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v\n%s", srv.cmd, err, srv.stderr.String())
	}
	if srv.torov {
		countExits(t, srv.stderr.String())
	}
	end := strings.TrimSuffix(srv.cmd.ProcessState.String(), " (core dumped)")
	for _, bad := range []string{"panic: ", "fatal error: ", "DATA RACE"} {
		if log := srv.stderr.String(); strings.Contains(log, bad) {
			t.Errorf("%s:\n%s", bad, log)
		}
	}
	return end
}

// shortTempDir is a directory whose name leaves room for a socket's.
func shortTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "gdb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// messages are torov's own lines for people.
func (srv *server) messages() string {
	var out strings.Builder
	for line := range strings.Lines(srv.stderr.String()) {
		if strings.HasPrefix(line, "torov: ") && !strings.HasPrefix(line, "torov: exits:") && !strings.HasPrefix(line, "torov: peak memory:") && !strings.HasPrefix(line, "torov: waiting for") && !strings.HasPrefix(line, "torov: a debugger may") {
			out.WriteString(line)
		}
	}
	return out.String()
}

var exitLine = regexp.MustCompile(`(?m)^torov: exits: (\S+) +(\d+)$`)

// total counts the exits of all sessions.
var total = struct {
	sync.Mutex
	exits map[string]int
}{exits: map[string]int{}}

// countExits adds what --stats printed. In the labs all of a session's events
// must have come from where the lab's KVM can serve them.
func countExits(t *testing.T, log string) {
	t.Helper()
	total.Lock()
	defer total.Unlock()
	for _, m := range exitLine.FindAllStringSubmatch(log, -1) {
		var n int
		fmt.Sscan(m[2], &n)
		total.exits[m[1]] += n
		for _, gate := range map[string][]string{"vtx": {"breakpoint-by-gate", "step-by-gate"}, "svm": {"step-by-gate"}}[lab] {
			if m[1] == gate {
				t.Errorf("%d times %s: KVM_EXIT_DEBUG should have served it here", n, gate)
			}
		}
	}
}

// TestServedByKVM looks back at the sessions before it.
func TestServedByKVM(t *testing.T) {
	total.Lock()
	defer total.Unlock()
	want := map[string][]string{"vtx": {"breakpoint-by-kvm", "step-by-kvm", "debug-register"}, "svm": {"step-by-kvm"}}[lab]
	if want == nil {
		t.Skip("what KVM serves itself is only known in the labs vtx and svm")
	}
	t.Logf("exits: %v", total.exits)
	for _, name := range want {
		if total.exits[name] == 0 {
			t.Errorf("no %s in any session", name)
		}
	}
}

// diff shows the lines that differ, with their neighbours.
func diff(want, got string) string {
	a, b := strings.Split(want, "\n"), strings.Split(got, "\n")
	// lengths[i][j] is the length of the longest common subsequence of a[i:] and b[j:].
	lengths := make([][]int, len(a)+1)
	for i := range lengths {
		lengths[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				lengths[i][j] = lengths[i+1][j+1] + 1
			} else {
				lengths[i][j] = max(lengths[i+1][j], lengths[i][j+1])
			}
		}
	}
	var out strings.Builder
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			fmt.Fprintf(&out, "  %s\n", a[i])
			i++
			j++
		case j >= len(b) || i < len(a) && lengths[i+1][j] >= lengths[i][j+1]:
			fmt.Fprintf(&out, "- %s\n", a[i])
			i++
		default:
			fmt.Fprintf(&out, "+ %s\n", b[j])
			j++
		}
	}
	return out.String()
}
