package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

var dir string // where the guest is built

func TestMain(m *testing.M) {
	var err error
	if dir, err = os.MkdirTemp("", "torov-bench-"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// guest builds the guest program once.
func guest(b *testing.B) string {
	b.Helper()
	path := filepath.Join(dir, "bench")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	out, err := exec.Command("gcc", "-O2", "-g", "-static", "-o", path, "testdata/bench.c").CombinedOutput()
	if err != nil {
		b.Fatalf("build the guest: %v\n%s", err, out)
	}
	return path
}

func torov(b *testing.B) string {
	b.Helper()
	if path := os.Getenv("TOROV_BIN"); path != "" {
		return path
	}
	path := filepath.Join(dir, "torov")
	if _, err := os.Stat(path); err == nil {
		return path
	}
	cmd := exec.Command("go", "build", "-o", path, "torov/cmd/torov")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		b.Fatalf("build torov: %v\n%s", err, out)
	}
	return path
}

func need(b *testing.B, tool string) string {
	b.Helper()
	path, err := exec.LookPath(tool)
	if err != nil {
		b.Skipf("%s is not installed: nothing to compare with", tool)
	}
	return path
}

// output runs a command and returns what it printed.
func output(b *testing.B, args ...string) string {
	b.Helper()
	out, err := exec.Command(args[0], args[1:]...).Output()
	if err != nil {
		b.Fatalf("%v: %v", args, err)
	}
	return strings.TrimSpace(string(out))
}

// peak is the most memory of torov and a hello, in kB, by its own account.
func peak(b *testing.B) float64 {
	b.Helper()
	cmd := exec.Command(torov(b), "run", "--stats", guest(b))
	var log strings.Builder
	cmd.Stderr = &log
	if err := cmd.Run(); err != nil {
		b.Fatal(err)
	}
	_, text, _ := strings.Cut(log.String(), "peak memory: ")
	kB, _, _ := strings.Cut(text, " ")
	n, err := strconv.ParseFloat(kB, 64)
	if err != nil {
		b.Fatalf("no peak memory in %q", log.String())
	}
	return n
}

// BenchmarkStart is from the start to the end of a static hello.
func BenchmarkStart(b *testing.B) {
	run := func(args ...string) func(b *testing.B) {
		return func(b *testing.B) {
			for b.Loop() {
				output(b, args...)
			}
		}
	}
	b.Run("native", run(guest(b)))
	b.Run("torov", func(b *testing.B) {
		run(torov(b), "run", guest(b))(b)
		b.ReportMetric(peak(b), "peak-kB")
	})
	b.Run("qemu", func(b *testing.B) { run(need(b, "qemu-x86_64"), guest(b))(b) })
}

// BenchmarkSyscall is one getppid: the floor is a bare KVM_RUN loop that leaves
// the guest the same way and does nothing else.
func BenchmarkSyscall(b *testing.B) {
	compare(b, floor(b), timed("torov", "getppid", syscallCount, torov(b), "run"), timed("native", "getppid", 10*syscallCount))
}

// syscallCount is how many calls make a sample.
const syscallCount = 20000

// BenchmarkCompute is a thousand steps of a generator of random numbers: no
// memory, no system calls.
func BenchmarkCompute(b *testing.B) {
	compare(b, timed("native", "compute", 50000), timed("torov", "compute", 50000, torov(b), "run"))
}

// BenchmarkTouch is a first touch of a page, of 256 MiB.
func BenchmarkTouch(b *testing.B) {
	compare(b, timed("native", "touch", 65536), timed("torov", "touch", 65536, torov(b), "run"))
}

// BenchmarkTouchAgain is the same when the memory is there and only its
// translations are not.
func BenchmarkTouchAgain(b *testing.B) {
	compare(b, timed("native", "again", 65536), timed("torov", "again", 65536, torov(b), "run"))
}
