package kernel

import "torov/internal/linux"

// The host's terminal knows one process group of the program's, torov's own.
// Which of the program's groups is in the foreground is known here: signals that
// the terminal sends to torov go there.

// Foreground returns the group that is in the foreground, 0 for the one that
// torov itself is in.
func (k *Kernel) Foreground() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.foreground
}

// SetForeground is tcsetpgrp(3) by p.
func (p *Process) SetForeground(group int) linux.Errno {
	k := p.Kernel
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, other := range k.procs {
		if other.group != group {
			continue
		}
		if other.session != p.session {
			return linux.EPERM
		}
		k.foreground = group
		return 0
	}
	return linux.ESRCH
}

// terminalSignals are sent by terminals, to the foreground.
const terminalSignals = linux.SigSet(1<<(linux.SIGINT-1) | 1<<(linux.SIGQUIT-1) | 1<<(linux.SIGTSTP-1) |
	1<<(linux.SIGWINCH-1) | 1<<(linux.SIGCONT-1))

// Forward gives a signal that torov got to those it is meant for: the processes
// in the foreground if a terminal may have sent it, and else the first one.
func (k *Kernel) Forward(s linux.Signal) {
	k.mu.Lock()
	first, group := k.first, k.foreground
	k.mu.Unlock()
	if first == nil {
		return
	}
	if group == 0 {
		group = first.Group()
	}
	to := []*Process{first}
	if terminalSignals.Has(s) {
		to = k.GroupMembers(group)
	}
	for _, p := range to {
		p.Signal(linux.KillInfo(s, linux.SI_USER, 0, 0))
	}
}
