package main

import (
	"cmp"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"torov/internal/engine/kvmcpu"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/syscalls"
	"torov/rsp"
)

// guest is a machine with a kernel, for one program.
type guest struct {
	machine *kvmcpu.Machine
	kernel  *kernel.Kernel
}

// boot makes the machine and the kernel.
func (s *setup) boot(log io.Writer) (*guest, error) {
	machine, err := kvmcpu.New(kvmcpu.Options{Memory: s.memory, HypercallPort: s.port})
	if err != nil {
		return nil, err
	}
	dispatcher := syscalls.NewDispatcher(s.permissions)
	return &guest{machine, kernel.New(kernel.Config{
		Machine: machine, Syscall: dispatcher.Syscall, Permits: dispatcher.Permits, Log: log,
		Root: s.root, Cwd: s.cwd, Mounts: s.mounts, PID: s.pid, Randomize: s.randomize, HaltEnds: s.flat != nil,
		Random: func(b []byte) { _, _ = rand.Read(b) }, // never fails, says its documentation
	})}, nil
}

// open opens the program.
func (s *setup) open() (*os.File, error) {
	var file *os.File
	var err error
	if s.dir != "" {
		file, err = os.OpenInRoot(s.dir, s.path) // the program may have made symlinks
	} else {
		file, err = os.Open(s.path)
	}
	if err != nil {
		status := exitCannotRun
		if errors.Is(err, fs.ErrNotExist) {
			status = exitNotFound
		}
		return nil, &statusError{status, err}
	}
	return file, nil
}

// start starts the program.
func (s *setup) start(g *guest, file *os.File, stdio [3]*kernel.File) error {
	_, err := g.kernel.Start(kernel.Program{
		File: file, Path: s.guestPath, Asked: s.asked, Args: s.args, Env: s.env, Flat: s.flat, Stdio: stdio, IgnoredSignals: ignoredSignals(),
	})
	if err != nil {
		var errno linux.Errno
		if errors.As(err, &errno) {
			return &statusError{exitCannotRun, fmt.Errorf("%s: %w", s.path, err)}
		}
		return fmt.Errorf("%s: %w", s.path, err)
	}
	forwardSignals(g.kernel, s.gdb.server)
	return nil
}

// run runs the program and returns how it ended; if a debugger started others
// after it, how the last one did.
func (s *setup) run() (kernel.ExitStatus, error) {
	var status kernel.ExitStatus
	if s.path == "" {
		return s.serve()
	}
	file, err := s.open()
	if err != nil {
		return status, err
	}
	defer file.Close()
	g, err := s.boot(os.Stderr)
	if err != nil {
		return status, err
	}
	stdio, debugger, err := s.connect(g)
	if err != nil {
		return status, err
	}
	if err := s.start(g, file, stdio); err != nil {
		return status, err
	}
	status, err = g.kernel.Wait()
	if debugger != nil {
		g, status, err = debugger.outlast(g, status, err)
	}
	if s.stats {
		printStats(os.Stderr, g.machine)
	}
	// The host takes machine and memory down faster than we could.
	return status, err
}

// serve waits for debuggers that start programs.
func (s *setup) serve() (status kernel.ExitStatus, err error) {
	g, err := s.boot(os.Stderr) // has no program, and tells what such machines can do
	if err != nil {
		return status, err
	}
	_, debugger, err := s.connect(g)
	if err != nil {
		return status, err
	}
	_, status, err = debugger.outlast(g, status, nil)
	return status, err
}

// connect takes the standard descriptors for the program, and opens the
// debugger's port, which may be two of them.
func (s *setup) connect(g *guest) (stdio [3]*kernel.File, d *debugger, err error) {
	listener, err := s.listen()
	if err != nil {
		return stdio, nil, err
	}
	stdio, err = takeStdio()
	return stdio, s.debugger(g, listener, stdio), err
}

// changed is the setup for what a debugger wants to run. It says which program
// by the program's own name for it.
func (s *setup) changed(l rsp.Launch) (*setup, error) {
	c := *s
	switch {
	case l.Path == "" && s.path == "":
		return nil, errors.New("no program is set; use \"set remote exec-file PATH\"")
	case l.Path == "" || l.Path == s.guestPath:
		if len(l.Args) > 0 || l.Path != "" {
			c.args = append(slices.Clip(s.args[:1]), l.Args...)
		}
	default:
		c.flat = nil
		c.dir, c.path = s.hostPath(l.Path)
		c.guestPath, c.asked, c.args = l.Path, "", append([]string{l.Path}, l.Args...)
	}
	if l.Dir != "" {
		c.cwd = l.Dir
	}
	c.randomize = l.ASLR
	c.env = changedEnv(s.env, l.Env)
	return &c, nil
}

// hostPath is where a file of the program's file system is on the host: below
// a directory that no link leads out of, if there is one.
func (s *setup) hostPath(path string) (dir, rel string) {
	if s.root == "" && len(s.mounts) == 0 {
		return "", path
	}
	path = filepath.Join("/", path)
	target := ""
	for _, m := range s.mounts {
		if below(m.Target, path) && len(m.Target) > len(target) {
			target, dir = m.Target, m.Source
		}
	}
	if dir == "" {
		dir = cmp.Or(s.root, "/")
	}
	return dir, strings.TrimPrefix(path[len(target):], "/")
}

// below reports whether a clean absolute path is dir or in it.
func below(dir, path string) bool {
	return path == dir || strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// changedEnv applies a debugger's changes to an environment.
func changedEnv(env []string, changes []rsp.EnvChange) []string {
	out := slices.Clone(env)
	for _, change := range changes {
		if change.Reset {
			out = slices.Clone(env)
			continue
		}
		out = slices.DeleteFunc(out, func(kv string) bool { return strings.HasPrefix(kv, change.Name+"=") })
		if !change.Unset {
			out = append(out, change.Name+"="+change.Value)
		}
	}
	return out
}
