package test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// busybox is the program of Debian's busybox-static.
const busybox = "/bin/busybox"

// guestEnv is the whole environment of every program under test, so that a
// run does not depend on who starts it.
var guestEnv = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/", "TZ=UTC", "LC_ALL=C"}

func TestMain(m *testing.M) {
	// Programs that die must not leave core files among their output.
	if err := syscall.Setrlimit(syscall.RLIMIT_CORE, &syscall.Rlimit{}); err != nil {
		fmt.Fprintln(os.Stderr, "setrlimit:", err)
		os.Exit(1)
	}
	syscall.Umask(0o022)
	code := m.Run()
	if built.dir != "" {
		os.RemoveAll(built.dir)
	}
	os.Exit(code)
}

// inSample says whether the ith row of a table runs: all do, or every fifth
// under -short.
func inSample(i int) bool { return !testing.Short() || i%5 == 0 }

// command is one program to run.
type command struct {
	path    string
	args    []string
	env     []string // added to guestEnv
	dir     string
	stdin   string
	timeout time.Duration // 0: the default
}

// result is what a run left behind.
type result struct {
	stdout, stderr string
	status         string // "exit status 0", "signal: aborted", "no end within 1m0s"
	files          string // of the working directory, see snapshot
}

// run runs a command to its end. It fails the test only where the command
// cannot be started.
func run(t *testing.T, c command) result {
	t.Helper()
	timeout := c.timeout
	if timeout == 0 {
		timeout = defaultTimeout(t)
	}
	ctx, cancel := context.WithTimeout(t.Context(), timeout)
	defer cancel()
	cmd := prepare(ctx, c)
	stdout, stderr := output{full: cancel}, output{full: cancel}
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if c.stdin != "" {
		cmd.Stdin = strings.NewReader(c.stdin)
	}
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && ctx.Err() == nil {
		t.Fatalf("cannot run %s: %v", c, err)
	}
	r := result{stdout: stdout.String(), stderr: stderr.String()}
	if stdout.Len() > outputLimit || stderr.Len() > outputLimit {
		r.status = "no end of output"
	} else if ctx.Err() != nil {
		r.status = fmt.Sprintf("no end within %v", timeout)
	} else {
		// The core flag depends on limits of the machine, not on the program.
		r.status = strings.TrimSuffix(cmd.ProcessState.String(), " (core dumped)")
	}
	return r
}

// outputLimit is how much a program may print, in bytes.
const outputLimit = 32 << 20

// output collects what a program prints, and ends it when that is too much.
type output struct {
	bytes.Buffer
	full func()
}

func (o *output) Write(p []byte) (int, error) {
	if o.Len() > outputLimit {
		o.full()
		return len(p), nil
	}
	return o.Buffer.Write(p)
}

// prepare makes an exec.Cmd in a process group of its own, all of which ends
// when ctx does.
func prepare(ctx context.Context, c command) *exec.Cmd {
	cmd := exec.CommandContext(ctx, c.path, c.args...)
	cmd.Env = append(append([]string(nil), guestEnv...), c.env...)
	cmd.Dir = c.dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	return cmd
}

func (c command) String() string {
	return strings.Join(append([]string{c.path}, c.args...), " ")
}

// inVM returns the command that runs c under torov with everything allowed.
func (c command) inVM(t *testing.T) command {
	t.Helper()
	return c.underTorov(t, "-A")
}

// underTorov returns the command that runs c under torov with these flags.
func (c command) underTorov(t *testing.T, flags ...string) command {
	t.Helper()
	args := append([]string{"run"}, flags...)
	args = append(append(args, c.path), c.args...)
	c.path, c.args = torov(t), args
	return c
}

// same runs c natively and in the VM, each in a directory at the same path
// that fill has filled, and reports every difference.
func same(t *testing.T, c command, fill func(dir string) error, normalise func(string) string) {
	t.Helper()
	c.dir = filepath.Join(t.TempDir(), "dir")
	native := runFresh(t, c, fill)
	vm := runFresh(t, c.inVM(t), fill)
	if normalise == nil {
		normalise = func(s string) string { return s }
	}
	report := func(what, a, b string) {
		if a, b = normalise(a), normalise(b); a != b {
			t.Errorf("%s of %s differs (- native, + torov):\n%s", what, c, diff(a, b))
		}
	}
	if native.status != vm.status {
		t.Errorf("natively %s ends with %q, under torov with %q", c, native.status, vm.status)
	}
	report("stdout", native.stdout, vm.stdout)
	report("stderr", native.stderr, vm.stderr)
	report("files left", native.files, vm.files)
}

func runFresh(t *testing.T, c command, fill func(dir string) error) result {
	t.Helper()
	if err := errors.Join(os.RemoveAll(c.dir), os.Mkdir(c.dir, 0o755)); err != nil {
		t.Fatal(err)
	}
	if fill != nil {
		if err := fill(c.dir); err != nil {
			t.Fatal(err)
		}
	}
	r := run(t, c)
	files, err := snapshot(c.dir)
	if err != nil {
		t.Fatal(err)
	}
	r.files = files
	return r
}

func defaultTimeout(t *testing.T) time.Duration {
	t.Helper()
	s := os.Getenv("TOROV_TIMEOUT")
	if s == "" {
		return time.Minute
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("TOROV_TIMEOUT: %v", err)
	}
	return d
}

// needKVM skips the test, or fails it under TOROV_REQUIRE_KVM=1, where
// /dev/kvm cannot be opened.
func needKVM(t *testing.T) {
	t.Helper()
	f, err := os.OpenFile("/dev/kvm", os.O_RDWR, 0)
	if err == nil {
		f.Close()
		return
	}
	if os.Getenv("TOROV_REQUIRE_KVM") == "1" {
		t.Fatalf("TOROV_REQUIRE_KVM=1, but there is no KVM here: %v", err)
	}
	t.Skipf("no KVM here: %v", err)
}

// built is what the tests build themselves, once.
var built struct {
	torov, programs, examples sync.Once
	dir                       string
	torovErr                  error
	programsErr, examplesErr  error
}

// torov returns the path of the torov to test.
func torov(t *testing.T) string {
	t.Helper()
	if path := os.Getenv("TOROV_BIN"); path != "" {
		return absolute(t, path)
	}
	built.torov.Do(func() {
		if built.dir, built.torovErr = os.MkdirTemp("", "torov-test-"); built.torovErr == nil {
			built.torovErr = build("go", "build", "-o", built.dir+"/torov", "torov/cmd/torov")
		}
	})
	if built.torovErr != nil {
		t.Fatalf("cannot build torov (TOROV_BIN names one that is built): %v", built.torovErr)
	}
	return filepath.Join(built.dir, "torov")
}

// programs returns the folder of the guest programs.
func programs(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("TOROV_PROGRAMS"); dir != "" {
		return absolute(t, dir)
	}
	built.programs.Do(func() { built.programsErr = build("make", "-s", "-j2", "-C", "programs") })
	if built.programsErr != nil {
		t.Fatalf("cannot build the guest programs (TOROV_PROGRAMS names a folder of built ones): %v", built.programsErr)
	}
	return absolute(t, "../build/programs")
}

// examples returns the folder of the examples, built.
func examples(t *testing.T) string {
	t.Helper()
	if dir := os.Getenv("TOROV_EXAMPLES"); dir != "" {
		return absolute(t, dir)
	}
	if os.Getenv("TOROV_PROGRAMS") != "" {
		return absolute(t, "../examples") // who brings one built brings both
	}
	built.examples.Do(func() { built.examplesErr = build("make", "-s", "-C", "../examples") })
	if built.examplesErr != nil {
		t.Fatalf("cannot build the examples (TOROV_EXAMPLES names a folder of built ones): %v", built.examplesErr)
	}
	return absolute(t, "../examples")
}

func build(name string, args ...string) error {
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, out[:min(len(out), 4000)])
	}
	return nil
}

func absolute(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}
