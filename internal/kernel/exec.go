package kernel

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
	"torov/internal/loader"
	"torov/internal/mm"
)

// Program says what to run as the first process.
type Program struct {
	File  *os.File // the program, open for reading; the kernel does not close it
	Path  string   // the program's own name for it, absolute
	Args  []string // with argv[0]
	Env   []string
	Flat  *Flat    // nil: an ELF file
	Stdio [3]*File // nil: closed
	// IgnoredSignals are ignored from the start, as whoever started torov
	// wanted (nohup).
	IgnoredSignals []linux.Signal

	Asked string // what was asked for: a script, a relative path; "": Path
}

// name is what was asked for.
func (prog *Program) name() string {
	if prog.Asked != "" {
		return prog.Asked
	}
	return prog.Path
}

// Flat says how a program without headers is loaded.
type Flat struct {
	Start  engine.GVA
	Memory uint64 // bytes
}

// Start makes the first process and runs it.
func (k *Kernel) Start(prog Program) (*Process, error) {
	limits := hostLimits()
	fs, err := NewFileSystem(k.cfg.Root, k.cfg.Cwd, k.cfg.Mounts)
	if err != nil {
		return nil, err
	}
	p := &Process{Kernel: k, PID: k.cfg.PID, Files: NewFileTable(), FS: fs, dumpable: 1, creds: hostCreds(), limits: limits, traced: true}
	p.hostFamily()
	p.Start = k.clock.bootTime()
	for fd, f := range prog.Stdio {
		if f != nil {
			p.Files.Replace(int32(fd), f, false)
		}
	}
	for _, s := range prog.IgnoredSignals {
		p.actions[s].Handler = linux.SIG_IGN
	}
	loaded, regs, err := k.load(prog, p, 0)
	if err != nil {
		return nil, err
	}
	p.Become(loaded)
	k.mu.Lock()
	k.nextID = p.PID + 1
	k.first = p
	k.procs[p.PID] = p
	k.mu.Unlock()
	return p, p.start(&Thread{Proc: p, TID: p.PID}, func(cpu engine.CPU) error {
		*cpu.Regs() = regs
		return nil
	})
}

// Loaded is the program that a process runs: what execve(2) replaces as a whole.
type Loaded struct {
	AS *mm.AddressSpace
	// What the program was started as, for /proc and debuggers.
	Name  string // what was asked for: a script, or Exe
	Exe   string
	Args  []string
	Env   []string
	Image *loader.Image // nil for a flat image
	Bias  engine.GVA
	Stack *loader.Stack // nil for a flat image
}

// Loaded returns the program that the process runs.
func (p *Process) Loaded() *Loaded { return p.loaded.Load() }

// AS returns the address space, which processes may share (vfork(2)).
func (p *Process) AS() *mm.AddressSpace { return p.loaded.Load().AS }

// Become makes the process one that runs a program.
func (p *Process) Become(l *Loaded) {
	p.Kernel.useSpace(l.AS, 1)
	name := truncate(filepath.Base(l.Name), linux.TASK_COMM_LEN-1)
	p.Comm.Store(&name)
	p.loaded.Store(l)
}

// maxScripts is how many interpreters may be scripts themselves
// (BINPRM_MAX_RECURSION in fs/exec.c).
const maxScripts = 5

// load makes an address space with a program in it, and the registers to start
// it with, for a process that need not be running anything yet.
func (k *Kernel) load(prog Program, p *Process, scripts int) (*Loaded, engine.Regs, error) {
	regs := engine.Regs{RFLAGS: engine.FlagOne | engine.FlagIF}
	if prog.Flat == nil {
		if line, ok := scriptLine(prog.File); ok {
			return k.loadScript(line, prog, p, scripts)
		}
	}
	info, err := prog.File.Stat()
	if err != nil {
		return nil, regs, err
	}
	rnd, limit := k.layout(), p.Limit(unix.RLIMIT_STACK).Cur
	top, stack := loader.StackTop(rnd.stack), stackSize(limit)
	as, err := k.machine.NewSpace(rnd.base(top, stack))
	if err != nil {
		return nil, regs, err
	}
	l := &Loaded{AS: as, Name: prog.name(), Exe: prog.Path, Args: prog.Args, Env: prog.Env}
	if prog.Flat != nil {
		err = l.loadFlat(prog, info.Size(), &regs)
	} else {
		err = l.loadELF(k, p, prog, info.Size(), rnd, top, stack, &regs)
	}
	if err != nil {
		return nil, regs, errors.Join(err, k.machine.FreeSpace(as))
	}
	as.SetStackLimit(limit)
	return l, regs, nil
}

// scriptBuffer is how much of a script is looked at (BINPRM_BUF_SIZE).
const scriptBuffer = 256

// scriptLine returns the first line of a script after "#!".
func scriptLine(f *os.File) (string, bool) {
	b := make([]byte, scriptBuffer)
	n, _ := f.ReadAt(b, 0)
	text, ok := strings.CutPrefix(string(b[:n]), "#!")
	if !ok {
		return "", false
	}
	text, _, _ = strings.Cut(text, "\n")
	return strings.Trim(text, " \t\x00"), true
}

// loadScript runs the interpreter that a script names in its place
// (fs/binfmt_script.c).
func (k *Kernel) loadScript(line string, prog Program, p *Process, scripts int) (*Loaded, engine.Regs, error) {
	fail := func(errno linux.Errno) (*Loaded, engine.Regs, error) {
		return nil, engine.Regs{}, fmt.Errorf("interpreter %q: %w", line, errno)
	}
	if line == "" {
		return fail(linux.ENOEXEC)
	}
	if scripts >= maxScripts {
		return fail(linux.ELOOP)
	}
	name, arg, _ := strings.Cut(line, " ")
	if i := strings.IndexByte(name, '\t'); i >= 0 {
		name, arg = line[:i], line[i+1:]
	}
	args := []string{name}
	if arg = strings.Trim(arg, " \t"); arg != "" {
		args = append(args, arg)
	}
	args = append(args, prog.name())
	if len(prog.Args) > 0 {
		args = append(args, prog.Args[1:]...)
	}
	fd, errno := p.FS.OpenProgram(name)
	if errno != 0 {
		return fail(errno)
	}
	prog.Asked = prog.name()
	prog.File, prog.Path, prog.Args = os.NewFile(uintptr(fd), name), name, args
	defer prog.File.Close()
	return k.load(prog, p, scripts+1)
}
