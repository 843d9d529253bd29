package debug

import (
	"errors"
	"fmt"
	"io"
	"sort"
	"strings"
	"text/tabwriter"

	"torov/internal/kernel"
	"torov/rsp"
)

// monitorCommand is one command of "monitor".
type monitorCommand struct {
	name, args, help string
	thread           bool // it is about a thread, or its process
	run              func(d *Debugger, th *thread, args []string, out io.Writer) error
}

var monitorCommands []monitorCommand

func init() {
	monitorCommands = []monitorCommand{
		{"help", "", "this list", false, monitorHelp},
		{"maps", "", "the program's memory map", true, monitorMaps},
		{"files", "", "the program's open files", true, monitorFiles},
		{"threads", "", "threads and what they wait for", false, monitorThreads},
		{"strace", "[on|off|NAME...]", "show system calls", false, monitorStrace},
		{"fail", "[NAME [off|ERRNO [after N] [times N]]]", "make a system call fail", false, monitorFail},
		{"cpu", "", "control registers of the selected thread's vCPU", true, monitorCPU},
		{"walk", "ADDRESS", "the page-table entries that translate an address", true, monitorWalk},
		{"exits", "", "how often the virtual machine left the guest, by reason", false, monitorExits},
		{"exit", "", "kill the program; torov ends", false, monitorExit},
		{"capabilities", "", "what debugging this KVM does by itself", false, monitorCaps},
	}
}

// Command implements rsp.Monitor.
func (d *Debugger) Command(id rsp.ThreadID, line string, out io.Writer) error {
	words := strings.Fields(line)
	if len(words) == 0 {
		words = []string{"help"}
	}
	th, err := d.find(id)
	if err != nil {
		th, err = d.find(rsp.AllThreads)
	}
	for _, c := range monitorCommands {
		switch {
		case c.name != words[0]:
		case c.thread && err != nil:
			return err
		default:
			return c.run(d, th, words[1:], out)
		}
	}
	return fmt.Errorf("no command %q; see 'monitor help'", words[0])
}

func monitorHelp(_ *Debugger, _ *thread, _ []string, out io.Writer) error {
	w := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	for _, c := range monitorCommands {
		fmt.Fprintf(w, "%s\t%s\n", strings.TrimSpace("monitor "+c.name+" "+c.args), c.help)
	}
	return w.Flush()
}

// monitorExit does what gdbserver does on this command; scripts rely on it.
func monitorExit(d *Debugger, _ *thread, _ []string, _ io.Writer) error {
	d.exit()
	return rsp.ErrEnd
}

func monitorMaps(_ *Debugger, th *thread, _ []string, out io.Writer) error {
	for _, v := range th.t.Proc.AS().VMAs() {
		kind, name := "p", v.Name
		if v.Shared {
			kind = "s"
		}
		if v.File != nil {
			name = v.File.Path
		}
		fmt.Fprintf(out, "%012x-%012x %s%s %08x %s\n", uint64(v.Start), uint64(v.End), v.Prot, kind, v.Offset, name)
	}
	return nil
}

func monitorFiles(_ *Debugger, th *thread, _ []string, out io.Writer) error {
	files := th.t.Proc.Files.Snapshot()
	fds := make([]int32, 0, len(files))
	for fd := range files {
		fds = append(fds, fd)
	}
	sort.Slice(fds, func(i, j int) bool { return fds[i] < fds[j] })
	for _, fd := range fds {
		fmt.Fprintf(out, "%4d  %s\n", fd, files[fd])
	}
	return nil
}

func monitorThreads(d *Debugger, _ *thread, _ []string, out io.Writer) error {
	for _, t := range d.kernel.Threads() {
		what := "runs"
		if w := t.Waiting(); w != "" {
			what = "blocked in " + w
		}
		fmt.Fprintf(out, "Thread %d.%d  %-15s  %s\n", idBase+t.Proc.PID, idBase+t.TID, t.Comm(), what)
	}
	return nil
}

func monitorCPU(_ *Debugger, th *thread, _ []string, out io.Writer) error {
	c, err := th.t.CPU.Control()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "cr0  %#x\ncr2  %#x\ncr3  %#x\ncr4  %#x\nefer %#x\nxcr0 %#x\n", c.CR0, c.CR2, c.CR3, c.CR4, c.EFER, c.XCR0)
	return nil
}

func monitorExits(d *Debugger, _ *thread, _ []string, out io.Writer) error {
	stats := d.machine.Stats()
	names := make([]string, 0, len(stats))
	for n := range stats {
		names = append(names, n)
	}
	sort.Strings(names)
	for _, n := range names {
		fmt.Fprintf(out, "%-22s %d\n", n, stats[n])
	}
	return nil
}

func monitorCaps(d *Debugger, _ *thread, _ []string, out io.Writer) error {
	c := d.caps()
	say := func(what string, by bool, kvm, other string) {
		text := other
		if by {
			text = kvm
		}
		fmt.Fprintf(out, "%-22s %s\n", what, text)
	}
	say("software breakpoints", c.Breakpoints, "KVM_EXIT_DEBUG", "the shim's #BP gate")
	say("single steps", c.Step, "KVM_EXIT_DEBUG", "the shim's #DB gate")
	say("hardware breakpoints", c.ExecRegisters, "debug registers", "software breakpoints in their place")
	say("watchpoints", c.WatchRegisters, "debug registers, then page guards", "page guards")
	return nil
}

// Tables implements rsp.OSData.
func (d *Debugger) Tables() []rsp.Table {
	return []rsp.Table{
		{Name: "processes", Title: "Processes", Description: "Listing of all processes"},
		{Name: "threads", Title: "Threads", Description: "Listing of all threads"},
		{Name: "files", Title: "File descriptors", Description: "Listing of all file descriptors"},
	}
}

// Table implements rsp.OSData.
func (d *Debugger) Table(name string) (rsp.Table, error) {
	for _, t := range d.Tables() {
		if t.Name != name {
			continue
		}
		d.fill(&t)
		return t, nil
	}
	return rsp.Table{}, errors.New("no such table")
}

func (d *Debugger) fill(t *rsp.Table) {
	var procs []*kernel.Process = d.kernel.Processes()
	switch t.Name {
	case "processes":
		t.Columns = []string{"pid", "user", "command", "cores"}
		for _, p := range procs {
			t.Rows = append(t.Rows, []string{fmt.Sprint(idBase + p.PID), fmt.Sprint(p.Creds().UID), strings.Join(p.Loaded().Args, " "), "0"})
		}
	case "threads":
		t.Columns = []string{"pid", "command", "tid", "core", "state"}
		for i, th := range d.kernel.Threads() {
			t.Rows = append(t.Rows, []string{fmt.Sprint(idBase + th.Proc.PID), th.Comm(), fmt.Sprint(idBase + th.TID), fmt.Sprint(i), th.Waiting()})
		}
	case "files":
		t.Columns = []string{"pid", "command", "file descriptor", "name"}
		for _, p := range procs {
			files := p.Files.Snapshot()
			for fd := range int32(65536) {
				if name, ok := files[fd]; ok {
					t.Rows = append(t.Rows, []string{fmt.Sprint(idBase + p.PID), *p.Comm.Load(), fmt.Sprint(fd), name})
				}
			}
		}
	}
}
