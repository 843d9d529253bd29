// Package config reads torov's configuration file: ToroV's JSON format and
// what torov adds to it. Load is the entry; it returns one typed Config or one
// Error that names the file, the line, the column and the field.
//
// A file is checked strictly, so that a typing error in a permission can never
// pass for "not configured": unknown and repeated fields, wrong types and
// values out of range are all refused. The fields are tables (see fields.go)
// from which the reader and the Markdown reference both derive.
//
// The package uses the standard library only and must not import any other
// package of torov: names of hypercalls and permissions are checked by
// functions that the caller passes in.
package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// MaxSize is the size of the largest configuration file that is read, in bytes.
const MaxSize = 1 << 20

// Defaults of fields that are not given.
const (
	DefaultStartAddr     = 0x400200 // guest virtual address, as in ToroV
	DefaultDebugPort     = 1234     // TCP
	DefaultHypercallPort = 0x10     // I/O port, as in ToroV
	DefaultMemory        = 4 << 30  // bytes
)

// RawMemory is the size of the memory of a raw image, in bytes. It begins at
// guest virtual address 0.
const RawMemory = 8 << 20

// Limits of Memory, in bytes.
const (
	MinMemory = RawMemory
	MaxMemory = 1 << 40
)

// Format says how Binary is to be loaded.
type Format string

// The formats of a program.
const (
	FormatAuto Format = "auto" // ELF if the file begins as one, else raw
	FormatELF  Format = "elf"
	FormatRaw  Format = "raw" // a flat image for StartAddr
)

// Config is a checked configuration. Paths of the host are absolute.
type Config struct {
	Binary        string // host path of the program
	Format        Format
	StartAddr     uint64   // guest virtual address of a raw image
	Args          []string // arguments after the program's name
	Env           []string // NAME=VALUE, in the file's order
	InheritEnv    bool     // Env is added to torov's own environment
	Cwd           string   // guest path; "" if not given
	MountPoint    string   // host path of the guest's root directory; "" if not given
	Mounts        []Mount
	Memory        uint64 // guest memory in bytes
	Newpid        bool   // the program gets a PID namespace of its own
	Debug         Debug
	HypercallPort uint16 // I/O port of ToroV's own calls
	Hypercalls    []Hypercall
	Permissions   Permissions
}

// Mount makes Source, a host path, appear as Target in the guest.
type Mount struct {
	Source   string
	Target   string // absolute, clean guest path
	ReadOnly bool
}

// Debug configures the GDB stub. Address is always set: ":PORT" (loopback),
// "HOST:PORT" or "unix:PATH" with an absolute path.
type Debug struct {
	Allowed bool // hold the program until a debugger connects to Address
	Address string
}

// Hypercall grants or refuses one call. Name is in lower case.
type Hypercall struct {
	Name    string
	Allowed bool
}

// Permissions grant and refuse calls and groups of calls. Deny is stronger
// than Allow and AllowAll.
type Permissions struct {
	Allow    []string
	Deny     []string
	AllowAll bool
}

// Names checks the names that a file mentions; a nil function accepts every
// name. The error's text follows the name of the field, so it should name the
// value and a better one (see Nearest).
type Names struct {
	Hypercall  func(name string) error
	Permission func(name string) error
}

// Load reads and checks the configuration in file, and that the files and
// directories of the host that it mentions exist. Every fault of the contents
// is an *Error.
func Load(file string, names Names) (*Config, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return parse(file, data, names, os.Stat)
}

// Parse checks data as the contents of file, whose directory is the one that
// relative paths start from. Unlike Load it touches no file.
func Parse(file string, data []byte, names Names) (*Config, error) {
	return parse(file, data, names, nil)
}

func parse(file string, data []byte, names Names, stat func(string) (fs.FileInfo, error)) (*Config, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return nil, fmt.Errorf("read the configuration %s: %w", file, err)
	}
	r := &reader{
		file: file, dir: filepath.Dir(abs), data: data, names: names, stat: stat,
		calls: map[string]int{}, targets: map[string]int{},
	}
	if len(data) > MaxSize {
		return nil, r.at(MaxSize, "", "the file is larger than %d bytes, the most that a configuration may have", MaxSize)
	}
	top, err := r.tree()
	if err != nil {
		return nil, err
	}
	c := &Config{
		Format:        FormatAuto,
		StartAddr:     DefaultStartAddr,
		Memory:        DefaultMemory,
		HypercallPort: DefaultHypercallPort,
		Debug:         Debug{Address: portAddress(DefaultDebugPort)},
	}
	if err := object(r, top, configFields, c); err != nil {
		return nil, err
	}
	return c, nil
}

// Error is a fault in a configuration file.
type Error struct {
	File   string
	Line   int    // from 1
	Column int    // from 1, in bytes
	Field  string // path of the field, as in "Debug.Port"; "" outside of any
	Msg    string // what is wrong and what to do
	Err    error  // the cause, if the fault was found by an operation
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s:%d:%d", e.File, e.Line, e.Column)
	if e.Field != "" {
		s += ": " + e.Field
	}
	return s + ": " + e.Msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// reason is the part of a file system error that does not repeat the path.
func reason(err error) string {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err.Error()
	}
	return err.Error()
}
