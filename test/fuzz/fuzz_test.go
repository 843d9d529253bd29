// Package fuzz runs guest programs that do what chance wants under a real
// torov: whatever they do, the VMM survives it.
package fuzz

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// confineEnv makes this binary confine itself to a directory and become the
// command in its arguments.
const confineEnv = "TOROV_FUZZ_CONFINE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(confineEnv); dir != "" {
		fmt.Fprintln(os.Stderr, "confine:", confine(dir, os.Args[1:]))
		os.Exit(126)
	}
	os.Exit(m.Run())
}

// confine leaves nothing that can be written but an empty directory, with the
// guest's root in it, and becomes the command. torov confines the guest; this
// is for the day when it does not.
func confine(dir string, command []string) error {
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return fmt.Errorf("unshare: %w", err)
	}
	attr := &unix.MountAttr{Attr_set: unix.MOUNT_ATTR_RDONLY, Propagation: unix.MS_PRIVATE}
	if err := unix.MountSetattr(unix.AT_FDCWD, "/", unix.AT_RECURSIVE, attr); err != nil {
		return fmt.Errorf("mount_setattr: %w", err)
	}
	if err := unix.Mount("none", dir, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "size=64m"); err != nil {
		return fmt.Errorf("mount: %w", err)
	}
	if f, err := os.Create("/torov-fuzz-can-write"); err == nil {
		f.Close()
		os.Remove(f.Name())
		return errors.New("the machine's files can still be written")
	}
	root := filepath.Join(dir, "root")
	if err := os.MkdirAll(filepath.Join(root, "d"), 0o755); err != nil {
		return err
	}
	for _, name := range []string{"f", "torov-fuzz-root"} {
		if err := os.WriteFile(filepath.Join(root, name), []byte("contents"), 0o644); err != nil {
			return err
		}
	}
	os.Unsetenv(confineEnv)
	return syscall.Exec(command[0], command, os.Environ())
}

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

// torov returns the command to test; TOROV_BIN names one that is built.
func torov(t *testing.T, dir string) string {
	t.Helper()
	path := os.Getenv("TOROV_BIN")
	if path == "" {
		path = filepath.Join(dir, "torov")
		build(t, "go", "build", "-o", path, "torov/cmd/torov")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

func build(t *testing.T, name string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("no %s here to build with", name)
	}
	if out, err := exec.Command(name, args...).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// madeLine is what the program says of its progress.
var madeLine = regexp.MustCompile(`(?m)^made (\d+)$`)

// TestRandomCalls: a hundred thousand random system calls of real programs,
// some of which kill themselves by them.
func TestRandomCalls(t *testing.T) {
	needKVM(t)
	if os.Geteuid() != 0 {
		t.Skip("needs root, to make all files of the machine read-only for the run")
	}
	dir := t.TempDir()
	program := filepath.Join(dir, "calls")
	build(t, "gcc", "-O1", "-static", "-pthread", "-o", program, "testdata/calls.c")
	vmm := torov(t, dir)
	want := 100_000
	if testing.Short() {
		want = 20_000
	}
	made, runs := 0, 0
	for seed := firstSeed(t); made < want && runs < 40; seed, runs = seed+1, runs+1 {
		n, status, stderr := randomRun(t, vmm, program, dir, seed, want-made+5000)
		t.Logf("seed %d: %d calls, %s", seed, n, status)
		if bad := vmmTrouble(status, stderr); bad != "" {
			t.Fatalf("seed %d: %s, %s\n%s", seed, status, bad, stderr)
		}
		made += n
	}
	if made < want {
		t.Errorf("only %d calls in %d runs", made, runs)
	}
}

// firstSeed is 1, so that runs can be compared, or TOROV_FUZZ_SEED.
func firstSeed(t *testing.T) int {
	t.Helper()
	text := os.Getenv("TOROV_FUZZ_SEED")
	if text == "" {
		return 1
	}
	seed, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal("TOROV_FUZZ_SEED:", err)
	}
	return seed
}

// runTimeout is more than twenty times what a run takes.
const runTimeout = 2 * time.Minute

// randomRun runs the program once and returns how many calls it told of.
func randomRun(t *testing.T, vmm, program, dir string, seed, count int) (made int, status, stderr string) {
	t.Helper()
	scratch := filepath.Join(dir, fmt.Sprint("scratch", seed))
	if err := os.Mkdir(scratch, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), runTimeout)
	defer cancel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self, vmm, "run", "-A", "--deny", "net", "--memory", "256M", "--root", filepath.Join(scratch, "root"), "--",
		program, strconv.Itoa(seed), strconv.Itoa(count))
	cmd.Env = append(os.Environ(), confineEnv+"="+scratch)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// A VMM that hangs tells where.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGABRT) }
	cmd.WaitDelay = 5 * time.Second
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && ctx.Err() == nil {
		t.Fatal(err)
	}
	status = cmd.ProcessState.String()
	if ctx.Err() != nil {
		status = "no end"
	}
	for _, m := range madeLine.FindAllStringSubmatch(out.String(), -1) {
		if n, err := strconv.Atoi(m[1]); err == nil {
			made = max(made, n)
		}
	}
	return made, status, errs.String()
}

// vmmTrouble says what looks like a failure of the VMM; the program itself may
// end in any way.
func vmmTrouble(status, stderr string) string {
	switch {
	case status == "no end":
		return "it hangs"
	case strings.Contains(stderr, "\ngoroutine ") || strings.Contains(stderr, "panic"):
		return "the VMM crashed"
	case strings.Contains(stderr, "confine:") || strings.Contains(stderr, "scratch"):
		return "it did not start"
	case strings.Contains(stderr, "vCPU ") || strings.Contains(stderr, "triple fault"):
		return "the engine failed"
	}
	return ""
}
