package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"torov/internal/config"
	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/syscalls"
)

type runCmd struct {
	Allow    []string `help:"Grant system calls or groups." placeholder:"NAME" sep:","`
	Deny     []string `help:"Refuse system calls or groups; stronger than --allow and -A." placeholder:"NAME" sep:","`
	AllowAll bool     `short:"A" help:"Grant every system call."`
	Gdb      string   `help:"Hold the program until a debugger connects: :PORT (loopback), HOST:PORT, unix:PATH, - (stdin and stdout)." placeholder:"ADDR" xor:"gdb"`
	Attach   string   `name:"gdb-attach" help:"Run the program, and let debuggers connect at any time." placeholder:"ADDR" xor:"gdb"`
	Multi    bool     `name:"gdb-multi" help:"With --gdb: stay until \"monitor exit\", for debuggers that start programs; PROGRAM is optional."`
	Root     string   `help:"Host directory that is the program's root." placeholder:"DIR"`
	Mount    []string `help:"Make a host path appear in the program's file system." placeholder:"SOURCE:TARGET[:ro]" sep:"none"`
	Cwd      string   `help:"The program's working directory, in its own file system." placeholder:"DIR"`
	Env      []string `help:"Set an environment variable." placeholder:"NAME=VALUE" sep:"none"`
	ClearEnv bool     `help:"Start with an empty environment (and what --env sets)."`
	Memory   string   `help:"Most memory the program may use: bytes, or with K, M, G." default:"${memory}" placeholder:"SIZE"`
	NewPid   bool     `help:"The program is process 1 of its own numbering."`
	NoASLR   bool     `name:"no-aslr" help:"Load at fixed addresses."`
	// What gdbserver does when it is asked for a debugger; set by personality.
	Gdbserver bool `hidden:"" help:"Say \"Listening on port N\"; the program is the debugger's."`
	Once      bool `hidden:"" help:"With --gdbserver: the program ends with the first connection."`
	Stats     bool `help:"Print exits of the virtual machine when the program has ended."`

	Program string   `arg:"" optional:"" help:"A program, or a configuration file ending in .json."`
	Args    []string `arg:"" optional:"" passthrough:"" help:"Arguments of the program."`
}

// setup is everything that a run needs, whether it came from flags or a file.
type setup struct {
	path        string // host path of the program
	dir         string // if set, path is in this directory, whatever links there are
	guestPath   string // the program's own name for it
	asked       string // what the user called it, if otherwise
	args, env   []string
	flat        *kernel.Flat
	permissions syscalls.Permissions
	gdb         gdbOptions
	root, cwd   string
	mounts      []kernel.Mount
	memory      uint64
	port        uint16 // hypercall port, 0 for none
	pid         int
	randomize   bool
	stats       bool
}

// Run implements the verb. It does not return if the program ran.
func (c *runCmd) Run() error {
	s, err := c.setup()
	if err != nil {
		return err
	}
	status, err := s.run()
	if err != nil {
		return err
	}
	leave(status)
	return nil
}

func (c *runCmd) setup() (*setup, error) {
	s := &setup{env: os.Environ(), pid: os.Getpid(), randomize: !c.NoASLR && c.Gdb == ""}
	if c.Multi && c.Gdb == "" {
		return nil, errors.New("--gdb-multi: needs --gdb ADDR")
	}
	if c.ClearEnv {
		s.env = nil
	}
	var err error
	switch {
	case strings.HasSuffix(c.Program, ".json"):
		err = s.fromConfig(c.Program)
	case c.Program != "":
		err = s.find(c.Program)
	case !c.Multi:
		err = errors.New("run: want a program or a configuration file; see torov run --help")
	}
	if err != nil {
		return nil, err
	}
	s.args = append(s.args, c.Args...)
	return s, s.applyFlags(c)
}

// applyFlags lets the command line have the last word.
func (s *setup) applyFlags(c *runCmd) error {
	s.env = append(s.env, c.Env...)
	for _, kv := range c.Env {
		if !strings.Contains(kv, "=") {
			return fmt.Errorf("--env %s: want NAME=VALUE", kv)
		}
	}
	for _, name := range slices.Concat(c.Allow, c.Deny) {
		if err := syscalls.CheckName(name); err != nil {
			return err
		}
	}
	s.permissions.Allow = append(s.permissions.Allow, c.Allow...)
	s.permissions.Deny = append(s.permissions.Deny, c.Deny...)
	s.permissions.All = s.permissions.All || c.AllowAll
	switch {
	case c.Gdb != "":
		s.gdb, s.randomize = gdbOptions{address: c.Gdb, hold: c.Program != "", multi: c.Multi}, false
	case c.Attach != "":
		s.gdb = gdbOptions{address: c.Attach}
	}
	if c.Root != "" {
		s.root = c.Root
	}
	if c.Cwd != "" {
		s.cwd = c.Cwd
	}
	if c.NewPid {
		s.pid = 1
	}
	s.stats, s.gdb.server, s.gdb.once = c.Stats, c.Gdbserver, c.Once
	for _, text := range c.Mount {
		m, err := parseMount(text)
		if err != nil {
			return err
		}
		s.mounts = append(s.mounts, m)
	}
	if s.memory == 0 || c.Memory != defaultMemory() {
		n, err := parseSize(c.Memory)
		if err != nil {
			return fmt.Errorf("--memory %s: %w", c.Memory, err)
		}
		s.memory = n
	}
	return nil
}

func parseMount(text string) (kernel.Mount, error) {
	parts := strings.Split(text, ":")
	if len(parts) < 2 || len(parts) > 3 || len(parts) == 3 && parts[2] != "ro" && parts[2] != "rw" || !filepath.IsAbs(parts[1]) {
		return kernel.Mount{}, fmt.Errorf("--mount %s: want SOURCE:TARGET or SOURCE:TARGET:ro, TARGET an absolute path", text)
	}
	source, err := filepath.Abs(parts[0])
	return kernel.Mount{Source: source, Target: filepath.Clean(parts[1]), ReadOnly: len(parts) == 3 && parts[2] == "ro"}, err
}

// parseSize reads a number of bytes with an optional K, M, G or T.
func parseSize(text string) (uint64, error) {
	unit := uint64(1)
	if i := strings.IndexAny(text, "KMGTkmgt"); i >= 0 && i == len(text)-1 {
		unit = 1 << (10 * (1 + strings.Index("KMGT", strings.ToUpper(text[i:]))))
		text = text[:i]
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil || n == 0 || n > config.MaxMemory/unit {
		return 0, fmt.Errorf("want a size such as 512M or 4G, at most %d bytes", uint64(config.MaxMemory))
	}
	return n * unit, nil
}

// defaultMemory is the host's memory: a program may use what is there.
func defaultMemory() string {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return "4G"
	}
	return strconv.FormatUint(min(info.Totalram*uint64(info.Unit), config.MaxMemory)>>20, 10) + "M"
}

// find looks a program up as a shell would.
func (s *setup) find(name string) error {
	path, err := exec.LookPath(name)
	if errors.Is(err, exec.ErrDot) {
		err = nil
	}
	if strings.Contains(name, "/") {
		path = name
	}
	info, statErr := os.Stat(path)
	switch {
	case path == "" || statErr != nil:
		return &statusError{exitNotFound, fmt.Errorf("%s: no such program; give its path, or a name that is in PATH", name)}
	case !info.Mode().IsRegular():
		// Checked before it is opened: a FIFO would make us wait.
		return &statusError{exitCannotRun, fmt.Errorf("%s: %s, not a program", name, kindOf(info.Mode()))}
	case err != nil:
		return &statusError{exitCannotRun, fmt.Errorf("%s: not an executable file; chmod +x it if it is a program", name)}
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	real, err := filepath.EvalSymlinks(abs)
	if err != nil {
		return err
	}
	s.path, s.guestPath, s.asked, s.args = abs, real, path, []string{name}
	return nil
}

// kindOf names what is not a regular file.
func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a fifo"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "a device"
}

func (s *setup) fromConfig(file string) error {
	c, err := config.Load(file, config.Names{Hypercall: syscalls.CheckName, Permission: syscalls.CheckName})
	if err != nil {
		return err
	}
	s.path, s.guestPath, s.cwd, s.root, s.memory = c.Binary, c.Binary, c.Cwd, c.MountPoint, c.Memory
	if rel, err := filepath.Rel(c.MountPoint, c.Binary); c.MountPoint != "" && err == nil && !strings.HasPrefix(rel, "..") {
		s.guestPath = "/" + rel
	}
	s.args = append([]string{c.Binary}, c.Args...)
	if !c.InheritEnv {
		s.env = nil
	}
	s.env = append(s.env, c.Env...)
	for _, m := range c.Mounts {
		s.mounts = append(s.mounts, kernel.Mount(m))
	}
	if c.Newpid {
		s.pid = 1
	}
	if c.Debug.Allowed {
		s.gdb, s.randomize = gdbOptions{address: c.Debug.Address, hold: true}, false
	}
	s.permissions = syscalls.Permissions{All: c.Permissions.AllowAll, Allow: c.Permissions.Allow, Deny: c.Permissions.Deny}
	for _, h := range c.Hypercalls {
		if h.Allowed {
			s.permissions.Allow = append(s.permissions.Allow, h.Name)
		} else {
			s.permissions.Deny = append(s.permissions.Deny, h.Name)
		}
	}
	raw, err := isRaw(c)
	if err != nil {
		return err
	}
	if raw {
		s.port = c.HypercallPort
		s.flat = &kernel.Flat{Start: engine.GVA(c.StartAddr)}
	}
	return nil
}

// isRaw decides between an ELF file and a flat image.
func isRaw(c *config.Config) (bool, error) {
	if c.Format != config.FormatAuto {
		return c.Format == config.FormatRaw, nil
	}
	f, err := os.Open(c.Binary)
	if err != nil {
		return false, err
	}
	defer f.Close()
	var magic [4]byte
	n, _ := f.Read(magic[:])
	return string(magic[:n]) != "\x7fELF", nil
}
