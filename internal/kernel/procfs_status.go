package kernel

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// hostStatus are the lines of /proc/PID/status that are the host's.
var hostStatus = []string{"Cpus_allowed", "Cpus_allowed_list", "Mems_allowed", "Mems_allowed_list", "voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"}

// statusText is a /proc/PID/status in the making.
type statusText []byte

func (s *statusText) line(name string, value any) { *s = fmt.Appendf(*s, "%s:\t%v\n", name, value) }

func (s *statusText) kb(name string, bytes uint64) {
	s.line(name, fmt.Sprintf("%8d kB", bytes>>10))
}

func (s *statusText) set(name string, set linux.SigSet) {
	s.line(name, fmt.Sprintf("%016x", uint64(set)))
}

// procStatus is /proc/PID/status (proc_pid_status(5)).
func procStatus(v *procView) []byte {
	t := v.thread()
	if t == nil {
		return nil
	}
	var s statusText
	s.identity(v, t)
	s.memory(v.p.memoryUse())
	s.line("Threads", len(v.p.Threads()))
	s.signals(v.p, t)
	for _, name := range []string{"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"} {
		s.set(name, 0) // as capget(2) says
	}
	s.line("NoNewPrivs", 0)
	s.line("Seccomp", 0)
	own := strings.Split(string(hostProc("status")), "\n")
	for _, name := range hostStatus {
		for _, l := range own {
			if value, ok := strings.CutPrefix(l, name+":\t"); ok {
				s.line(name, value)
			}
		}
	}
	return s
}

func (s *statusText) identity(v *procView, t *Thread) {
	letter, word := t.state()
	c := v.p.Creds()
	ids := func(a, b, c, d uint32) string { return fmt.Sprintf("%d\t%d\t%d\t%d", a, b, c, d) }
	groups := " "
	for i, g := range c.Groups {
		if i == 0 {
			groups = ""
		}
		groups += fmt.Sprintf("%d ", g)
	}
	s.line("Name", t.Comm())
	s.line("Umask", fmt.Sprintf("%04o", v.p.FS.Umask()))
	s.line("State", fmt.Sprintf("%c (%s)", letter, word))
	s.line("Tgid", v.p.PID)
	s.line("Ngid", 0)
	s.line("Pid", v.id())
	s.line("PPid", v.p.ParentPID())
	s.line("TracerPid", 0)
	s.line("Uid", ids(c.UID, c.EUID, c.SUID, c.FSUID))
	s.line("Gid", ids(c.GID, c.EGID, c.SGID, c.FSGID))
	s.line("FDSize", max(64, v.p.Files.Span()))
	s.line("Groups", groups)
}

func (s *statusText) memory(u memoryUse) {
	for _, l := range []struct {
		name  string
		bytes uint64
	}{
		{"VmPeak", u.total}, {"VmSize", u.total}, {"VmLck", 0}, {"VmPin", 0}, {"VmHWM", u.resident}, {"VmRSS", u.resident},
		{"VmData", u.data}, {"VmStk", u.stack}, {"VmExe", u.exe}, {"VmLib", u.lib}, {"VmSwap", 0},
	} {
		s.kb(l.name, l.bytes)
	}
}

func (s *statusText) signals(p *Process, t *Thread) {
	ignored, caught := p.handled()
	s.line("SigQ", fmt.Sprintf("0/%d", p.Limit(unix.RLIMIT_SIGPENDING).Cur))
	s.set("SigPnd", t.pending.members())
	s.set("ShdPnd", p.pending.members())
	s.set("SigBlk", t.Blocked())
	s.set("SigIgn", ignored)
	s.set("SigCgt", caught)
}
