package debug

import (
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// callTrace is what "monitor strace" asks for.
type callTrace struct{ catchSet }

// tracedCall is a system call that a thread is in.
type tracedCall struct {
	nr   uint64
	args [6]uint64
}

// fault is one failure that "monitor fail" has ordered.
type fault struct {
	errno linux.Errno
	after int // calls that go through before
	times int // failures left, -1 for no end
	seen  int
}

// wantsCall reports whether a call is traced or to fail.
func (d *Debugger) wantsCall(nr uint64) bool { return d.strace.has(nr) || d.faults[nr] != nil }

// traceEntry notes a call that "monitor strace" shows. Calls that never return
// are shown at once.
func (d *Debugger) traceEntry(th *thread) {
	nr := uint64(th.t.OrigRAX)
	if !d.strace.has(nr) {
		return
	}
	r := th.t.Regs()
	th.call = &tracedCall{nr, [6]uint64{r.RDI, r.RSI, r.RDX, r.R10, r.R8, r.R9}}
	if nr == unix.SYS_EXIT || nr == unix.SYS_EXIT_GROUP {
		d.traceResult(th, 0, "?")
	}
}

// traceReturn shows a call with its result.
func (d *Debugger) traceReturn(th *thread) {
	rax := th.t.Regs().RAX
	result := strconv.FormatInt(int64(rax), 10)
	switch errno := linux.Errno(-rax); {
	case -rax-1 < linux.MaxErrno:
		result = "-1 " + errno.Name()
	case rax > 1<<32:
		result = fmt.Sprintf("%#x", rax)
	}
	d.traceResult(th, rax, result)
}

func (d *Debugger) traceResult(th *thread, rax uint64, result string) {
	c := th.call
	if th.call = nil; c == nil {
		return
	}
	text := ""
	if d.describe != nil {
		text = d.describe(th.t, c.nr, c.args, rax)
	} else {
		text = plainCall(c)
	}
	d.kernel.Logf("[%d] %s = %s", th.id.TID, text, result)
}

// plainCall writes a call as name and registers, without the ones at the end
// that are zero.
func plainCall(c *tracedCall) string {
	n := len(c.args)
	for n > 0 && c.args[n-1] == 0 {
		n--
	}
	words := make([]string, n)
	for i, a := range c.args[:n] {
		words[i] = fmt.Sprintf("%#x", a)
	}
	return callName(c.nr) + "(" + strings.Join(words, ", ") + ")"
}

func callName(nr uint64) string {
	if name, ok := linux.SyscallName(nr); ok {
		return name
	}
	return fmt.Sprintf("syscall_%d", nr)
}

// inject makes the call that a thread is about to make fail, if that was
// ordered.
func (d *Debugger) inject(th *thread) bool {
	f := d.faults[uint64(th.t.OrigRAX)]
	if f == nil {
		return false
	}
	if f.seen++; f.seen <= f.after || f.times == 0 {
		return false
	}
	if f.times > 0 {
		f.times--
	}
	th.t.OrigRAX = -1 // the kernel does not make it
	th.t.Regs().RAX = f.errno.Result()
	return true
}

// monitorStrace: strace [on | off | NAME...]
func monitorStrace(d *Debugger, _ *thread, args []string, out io.Writer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.updateCurious()
	switch {
	case len(args) == 1 && args[0] == "off":
		d.strace = callTrace{}
	case len(args) == 0 || len(args) == 1 && args[0] == "on":
		d.strace = callTrace{catchSet{all: true}}
	default:
		set := catchSet{numbers: map[uint64]bool{}}
		for _, name := range args {
			nr, ok := linux.SyscallNumber(name)
			if !ok {
				return fmt.Errorf("no system call %q", name)
			}
			set.numbers[nr] = true
		}
		d.strace = callTrace{set}
	}
	if d.strace.any() {
		fmt.Fprintln(out, "System calls are written to torov's standard error.")
	}
	return nil
}

var errFailUsage = errors.New("want: fail NAME ERRNO [after N] [times N], fail NAME off, or fail alone for a list")

// monitorFail: fail [NAME (off | ERRNO [after N] [times N])]
func monitorFail(d *Debugger, _ *thread, args []string, out io.Writer) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.updateCurious()
	if len(args) == 0 {
		d.listFaults(out)
		return nil
	}
	nr, ok := linux.SyscallNumber(args[0])
	if !ok {
		return fmt.Errorf("no system call %q", args[0])
	}
	if len(args) == 2 && args[1] == "off" {
		delete(d.faults, nr)
		return nil
	}
	f, err := parseFault(args[1:])
	if err != nil {
		return err
	}
	d.faults[nr] = f
	return nil
}

func parseFault(args []string) (*fault, error) {
	if len(args) == 0 || len(args)%2 == 0 {
		return nil, errFailUsage
	}
	f := &fault{times: -1}
	for e := linux.Errno(1); e < 200; e++ {
		if e.Name() == args[0] {
			f.errno = e
		}
	}
	if f.errno == 0 {
		return nil, fmt.Errorf("no error %q; want a name such as ENOENT", args[0])
	}
	for i := 1; i < len(args); i += 2 {
		n, err := strconv.Atoi(args[i+1])
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%s %s: want a number", args[i], args[i+1])
		}
		switch args[i] {
		case "after":
			f.after = n
		case "times":
			f.times = n
		default:
			return nil, errFailUsage
		}
	}
	return f, nil
}

func (d *Debugger) listFaults(out io.Writer) {
	numbers := make([]uint64, 0, len(d.faults))
	for nr := range d.faults {
		numbers = append(numbers, nr)
	}
	sort.Slice(numbers, func(i, j int) bool { return numbers[i] < numbers[j] })
	for _, nr := range numbers {
		f := d.faults[nr]
		fmt.Fprintf(out, "%s %s after %d, seen %d", callName(nr), f.errno.Name(), f.after, f.seen)
		if f.times >= 0 {
			fmt.Fprintf(out, ", %d times more", f.times)
		}
		fmt.Fprintln(out)
	}
}
