package kernel

import (
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// Process is an address space with what its threads share.
type Process struct {
	Kernel *Kernel
	PID    int
	Files  *FileTable
	FS     *FileSystem
	loaded atomic.Pointer[Loaded]

	mu       sync.Mutex
	threads  []*Thread
	pending  sigqueue
	actions  [linux.NumSignals + 1]linux.SigAction
	exiting  atomic.Bool // changed under mu, with status
	stopped  atomic.Bool // by a signal, until SIGCONT
	status   ExitStatus
	limits   [linux.RLIM_NLIMITS]linux.Rlimit
	creds    Creds
	dumpable int

	Comm   atomic.Pointer[string]
	Start  int64 // CLOCK_BOOTTIME in nanoseconds
	traced bool  // the kernel's tracer is told of it
	family

	timers timers
}

// Creds are user and group ids.
type Creds struct {
	UID, EUID, SUID, FSUID uint32
	GID, EGID, SGID, FSGID uint32
	Groups                 []uint32
}

// Creds returns the process's credentials.
func (p *Process) Creds() Creds {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.creds
}

// SetCreds replaces the credentials; what may change is checked by the caller.
func (p *Process) SetCreds(c Creds) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.creds = c
}

// Dumpable is PR_GET_DUMPABLE.
func (p *Process) Dumpable() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dumpable
}

// SetDumpable is PR_SET_DUMPABLE.
func (p *Process) SetDumpable(v int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.dumpable = v
}

// Limit returns a resource limit of getrlimit(2).
func (p *Process) Limit(resource int) linux.Rlimit {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.limits[resource]
}

// SetLimit replaces a resource limit.
func (p *Process) SetLimit(resource int, l linux.Rlimit) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limits[resource] = l
	if resource == unix.RLIMIT_STACK {
		p.AS().SetStackLimit(l.Cur)
	}
}

// Threads returns the living threads, oldest first.
func (p *Process) Threads() []*Thread {
	p.Kernel.mu.Lock()
	defer p.Kernel.mu.Unlock()
	return append([]*Thread(nil), p.threads...)
}

// Leader returns the oldest living thread, or nil.
func (p *Process) Leader() *Thread {
	if ts := p.Threads(); len(ts) > 0 {
		return ts[0]
	}
	return nil
}

// Exit ends all threads, as exit_group(2). The first caller's status counts.
func (p *Process) Exit(status ExitStatus) {
	p.mu.Lock()
	if !p.exiting.Load() {
		p.status = status
		p.exiting.Store(true)
	}
	p.mu.Unlock()
	for _, t := range p.Threads() {
		t.poke()
	}
	if tr := p.tracer(); tr != nil {
		tr.Exiting(p)
	}
}

// Kill ends the process as by a fatal signal.
func (p *Process) Kill(sig linux.Signal) { p.Exit(ExitStatus{Signal: sig}) }

func (p *Process) isExiting() bool { return p.exiting.Load() }

// remove takes a thread out; the last one takes the process with it.
func (p *Process) remove(t *Thread) {
	k := p.Kernel
	k.mu.Lock()
	p.used = p.used.plus(threadUsage())
	delete(k.threads, t.TID)
	for i := range p.threads {
		if p.threads[i] == t {
			p.threads = append(p.threads[:i], p.threads[i+1:]...)
			break
		}
	}
	last := len(p.threads) == 0
	k.mu.Unlock()
	if !last {
		for _, other := range p.Threads() {
			other.poke() // one may wait to be alone (execve)
		}
		return
	}
	p.mu.Lock()
	if !p.exiting.Load() {
		p.status = t.status
		p.exiting.Store(true)
	}
	status := p.status
	p.mu.Unlock()
	p.giveBack()
	if tr := p.tracer(); tr != nil {
		tr.ProcessExit(p, status)
	}
	k.mu.Lock()
	if p == k.first {
		k.status = status
	}
	k.mu.Unlock()
	k.bury(p)
}
