package test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// programCase is one run of a guest program.
type programCase struct {
	args  []string
	env   []string
	stdin string
	// normalise takes out of the output what two runs on one machine do not
	// have in common; nil: nothing.
	normalise func(string) string
	later     string // why this run has to wait; it is skipped
}

var (
	once = []programCase{{}}
	// Programs that only other tests run.
	elsewhere = []programCase{}
)

// cPrograms are the programs of programs/c; each is built in four ways.
var cPrograms = map[string][]programCase{
	"bigpages":  once,
	"clocks":    once,
	"processes": once,
	"datagrams": once,
	"passing":   once,
	"timers":    once,
	"waiting":   once,
	"debug":     {{}, {args: []string{"7"}}},
	"denied":    {{stdin: "a line\n"}},
	"dirs":      once,
	"echo": {
		{},
		{stdin: "one line\n"},
		{stdin: strings.Repeat("0123456789abcdef", 50000)},
		{args: []string{"1"}, stdin: strings.Repeat("byte by byte", 30)},
		{args: []string{"99999"}, stdin: strings.Repeat("\x00\xff\n", 100001)},
	},
	"ending": endings(nil,
		"return 0", "return 3", "exit 4", "exit 300", "_exit 5", "bare-exit 6", "thread-exit 7", "thread-exit-group 8",
		"main-first 9", "spinning-threads 10", "sleeping-threads 11", "thread-crash", "abort", "segv", "null-call", "fpe",
		"ill", "int3", "hlt", "bus", "overflow", "blocked-segv", "bad-stack", "bad-signal-stack", "pipe", "alarm",
		"signal 1", "signal 2", "signal 3", "signal 6", "signal 9", "signal 10", "signal 13", "signal 15", "signal 24",
		"signal 31", "signal 34", "signal 64", "signal 17", "signal 28", "kill 9", "kill 11", "kill 15"),
	"env": {
		{},
		{args: []string{"one", "", "with blanks", "-A", "--", "größer\n", strings.Repeat("long", 5000)}},
		{env: []string{"EMPTY=", "no equals sign", "UTF=größer", "LONG=" + strings.Repeat("x", 100000)}},
		{args: slices.Repeat([]string{"argument"}, 2000)},
	},
	"epoll": once,
	"errno": {
		{args: []string{"paths"}},
		{args: []string{"descriptors"}},
		{args: []string{"pointers"}},
		{args: []string{"values"}},
		{args: []string{"process"}},
		{args: []string{"tracing"}, later: "torov has neither ptrace nor process_vm_readv yet"},
	},
	"events":   once,
	"fault":    once,
	"fds":      once,
	"files":    once,
	"fpu":      once,
	"futex":    once,
	"identity": once,
	"mapfile":  once,
	"memory":   once,
	"poll":     once,
	"random":   once,
	"remap":    once,
	"restart":  once,
	"signals":  once,
	"tcp":      once,
	"threads":  once,
}

// goPrograms are the programs of programs/go.
var goPrograms = map[string][]programCase{
	"data": once,
	"ending": endings(lastWords,
		"return", "exit 3", "exit 255", "panic", "error", "goroutine", "nil", "bounds", "divide", "overflow", "deadlock",
		"unlock", "mapwrite", "goexit", "recovered", "bad-memory", "kill 2", "kill 6", "kill 9", "kill 11", "kill 15"),
	"gc":         once,
	"goroutines": once,
	"http":       once,
	"network":    once,
	"process":    {{}, {args: []string{"-A", "x y"}, stdin: strings.Repeat("a line of input\n", 10000)}},
	"serve":      elsewhere,
	"signals":    once,
	"walk":       once,
}

func endings(normalise func(string) string, lines ...string) []programCase {
	var cases []programCase
	for _, line := range lines {
		cases = append(cases, programCase{args: strings.Fields(line), normalise: normalise})
	}
	return cases
}

var address = regexp.MustCompile(`\b0x[0-9a-f]{7,16}\b`)

// lastWords keeps of a Go program's death what does not depend on where its
// threads happened to be: the first paragraph, without addresses and without
// the line that says where the signal struck.
func lastWords(s string) string {
	s, _, _ = strings.Cut(s, "\n\n")
	var kept []string
	for line := range strings.Lines(s) {
		if !strings.HasPrefix(line, "PC=") {
			kept = append(kept, address.ReplaceAllString(line, "ADDRESS"))
		}
	}
	return strings.Join(kept, "")
}

func TestPrograms(t *testing.T) {
	needKVM(t)
	variants := []string{"glibc-pie", "musl", "glibc", "musl-pie"}
	if testing.Short() {
		variants = variants[:2]
	}
	for _, variant := range variants {
		t.Run(variant, func(t *testing.T) { runPrograms(t, variant, cPrograms) })
	}
	t.Run("go", func(t *testing.T) { runPrograms(t, "go", goPrograms) })
}

func runPrograms(t *testing.T, variant string, table map[string][]programCase) {
	dir := filepath.Join(programs(t), variant)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := e.Name()
		cases, ok := table[name]
		switch {
		case strings.HasPrefix(name, "."): // the compiler's list of headers
		case !ok:
			t.Errorf("%s/%s has no row in the table of programs", variant, name)
		}
		for i, c := range cases {
			if !inSample(i) {
				continue
			}
			label := name
			if len(cases) > 1 {
				label += "/" + caseLabel(i, c)
			}
			t.Run(label, func(t *testing.T) {
				t.Parallel()
				if c.later != "" {
					t.Skip(c.later)
				}
				same(t, command{path: filepath.Join(dir, name), args: c.args, env: c.env, stdin: c.stdin}, nil, c.normalise)
			})
		}
	}
	for name := range table {
		if !slices.ContainsFunc(entries, func(e os.DirEntry) bool { return e.Name() == name }) {
			t.Errorf("%s/%s is in the table of programs but was not built", variant, name)
		}
	}
}

func caseLabel(i int, c programCase) string {
	label := strings.Join(c.args, "-")
	if len(label) == 0 || len(label) > 40 {
		return strconv.Itoa(i)
	}
	return label
}

func TestLastWords(t *testing.T) {
	in := "panic: on purpose 12345678\n[signal SIGSEGV: code=0x1 addr=0x0 pc=0xc000012345]\nPC=0x4a3702 m=0\n\ngoroutine 19"
	want := "panic: on purpose 12345678\n[signal SIGSEGV: code=0x1 addr=0x0 pc=ADDRESS]\n"
	if got := lastWords(in); got != want {
		t.Errorf("lastWords:\n%s", diff(want, got))
	}
}
