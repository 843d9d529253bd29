package kernel

import (
	"bytes"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
	"torov/internal/loader"
)

// hostProc reads a file of torov's own /proc/self, nil if the host has none.
func hostProc(name string) []byte {
	b, err := os.ReadFile("/proc/self/" + name)
	if err != nil {
		return nil
	}
	return b
}

func procAuxv(v *procView) []byte {
	if v.p.Loaded().Stack == nil {
		return nil
	}
	return append([]byte(nil), linux.SliceBytes(v.p.Loaded().Stack.Auxv)...)
}

// procCmdline reads the arguments from where the program may have changed
// them (setproctitle(3)).
func procCmdline(v *procView) []byte {
	if s := v.p.Loaded().Stack; s != nil {
		return v.p.stackText(s.ArgStart, s.ArgEnd)
	}
	return joinNUL(v.p.Loaded().Args)
}

func procEnviron(v *procView) []byte {
	if s := v.p.Loaded().Stack; s != nil {
		return v.p.stackText(s.EnvStart, s.EnvEnd)
	}
	return joinNUL(v.p.Loaded().Env)
}

// stackText returns what is in memory now; the loader has bounded the range.
func (p *Process) stackText(start, end engine.GVA) []byte {
	b := make([]byte, end-start)
	n, _ := p.AS().DebugRead(b, start) // the program may have unmapped its stack
	return b[:n]
}

func joinNUL(list []string) (b []byte) {
	for _, s := range list {
		b = append(append(b, s...), 0)
	}
	return b
}

// limitNames are the lines of /proc/PID/limits, by number of the limit.
var limitNames = [linux.RLIM_NLIMITS]struct{ name, unit string }{
	{"Max cpu time", "seconds"}, {"Max file size", "bytes"}, {"Max data size", "bytes"}, {"Max stack size", "bytes"},
	{"Max core file size", "bytes"}, {"Max resident set", "bytes"}, {"Max processes", "processes"}, {"Max open files", "files"},
	{"Max locked memory", "bytes"}, {"Max address space", "bytes"}, {"Max file locks", "locks"}, {"Max pending signals", "signals"},
	{"Max msgqueue size", "bytes"}, {"Max nice priority", ""}, {"Max realtime priority", ""}, {"Max realtime timeout", "us"},
}

func procLimits(v *procView) []byte {
	b := fmt.Appendf(nil, "%-25s %-20s %-20s %-10s\n", "Limit", "Soft Limit", "Hard Limit", "Units")
	show := func(n uint64) string {
		if n == unix.RLIM_INFINITY {
			return "unlimited"
		}
		return fmt.Sprint(n)
	}
	for i, l := range limitNames {
		limit := v.p.Limit(i)
		b = fmt.Appendf(b, "%-25s %-20s %-20s ", l.name, show(limit.Cur), show(limit.Max))
		if l.unit != "" {
			b = fmt.Appendf(b, "%-10s", l.unit)
		}
		b = append(b, '\n')
	}
	return b
}

// state is the letter and the word of a thread's state.
func (t *Thread) state() (byte, string) {
	if t.Waiting() != "" {
		return 'S', "sleeping"
	}
	return 'R', "running"
}

// handled returns the signals that a process ignores and those it has
// handlers for.
func (p *Process) handled() (ignored, caught linux.SigSet) {
	for s := linux.Signal(1); s <= linux.NumSignals; s++ {
		switch p.Action(s).Handler {
		case linux.SIG_IGN:
			ignored.Add(s)
		case linux.SIG_DFL:
		default:
			caught.Add(s)
		}
	}
	return ignored, caught
}

// segment returns the range of an ELF program's segments with a protection.
func (p *Process) segment(prot loader.Prot) (start, end engine.GVA) {
	l := p.Loaded()
	if l.Image == nil {
		return 0, 0
	}
	for _, s := range l.Image.Segments {
		if s.Prot&prot == 0 {
			continue
		}
		if start == 0 {
			start = s.Addr + l.Bias
		}
		end = s.Addr + engine.GVA(s.FileSize) + l.Bias
	}
	return start, end
}

// procStat is /proc/PID/stat: the numbers of proc_pid_stat(5). CPU time is
// torov's, which runs the program.
func procStat(v *procView) []byte {
	t := v.thread()
	if t == nil {
		return nil
	}
	state, _ := t.state()
	group := hostGroup()
	var ru unix.Rusage
	_ = unix.Getrusage(unix.RUSAGE_SELF, &ru) // cannot fail
	ticks := func(ns int64) int64 { return ns / (1e9 / linux.CLK_TCK) }
	u := v.p.memoryUse()
	code, codeEnd := v.p.segment(loader.Exec)
	data, dataEnd := v.p.segment(loader.Write)
	heap, _ := v.p.AS().HeapRange()
	ignored, caught := v.p.handled()
	var stack loader.Stack
	if v.p.Loaded().Stack != nil {
		stack = *v.p.Loaded().Stack
	}
	b := fmt.Appendf(nil, "%d (%s) %c %d %s 4194304 %d 0 %d 0 %d %d 0 0 20 0 %d 0 %d %d %d %d",
		v.id(), t.Comm(), state, v.p.ParentPID(), group, ru.Minflt, ru.Majflt, ticks(ru.Utime.Nano()), ticks(ru.Stime.Nano()),
		len(v.p.Threads()), ticks(v.p.Start), u.total, u.resident/engine.PageSize, v.p.Limit(unix.RLIMIT_RSS).Cur)
	b = fmt.Appendf(b, " %d %d %d 0 0 %d %d %d %d 0 0 0 17 0 0 0 0 0 0", code, codeEnd, stack.SP,
		uint64(t.Pending()), uint64(t.Blocked()), uint64(ignored), uint64(caught))
	return fmt.Appendf(b, " %d %d %d %d %d %d %d 0\n", data, dataEnd, heap, stack.ArgStart, stack.ArgEnd, stack.EnvStart, stack.EnvEnd)
}

// hostGroup returns torov's process group, session, terminal and the
// terminal's group as /proc/PID/stat shows them.
func hostGroup() string {
	_, rest, _ := bytes.Cut(hostProc("stat"), []byte(") "))
	if fields := bytes.Fields(rest); len(fields) > 6 {
		return string(bytes.Join(fields[2:6], []byte(" ")))
	}
	return "0 0 0 -1"
}
