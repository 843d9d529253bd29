package rsp

import (
	"io"
	"io/fs"
	"time"
)

// Monitor runs the commands a person types after "monitor".
type Monitor interface {
	// Command runs one command line. What it writes to out appears at the
	// client while the command runs; the error is shown as such, except
	// ErrEnd. t is the thread that is selected in the client.
	Command(t ThreadID, line string, out io.Writer) error
}

// Files serves the debuggee's view of the file system (vFile), never the
// host's. Errors should be or wrap a [syscall.Errno] or an fs.ErrXxx; the
// server translates them to the protocol's own numbers.
//
// Synthetic files under /proc/PID (maps, cmdline, status, …) make "info proc"
// and core dumps work.
type Files interface {
	// Open opens a file as process p (0: the one being debugged) sees it.
	// flags are those of package os, mode counts when a file is created.
	Open(p PID, path string, flags int, mode fs.FileMode) (File, error)
	// Unlink removes a file.
	Unlink(p PID, path string) error
	// Readlink returns what a symbolic link points to.
	Readlink(p PID, path string) (string, error)
	// Stat describes a file; follow says whether to follow a symbolic link
	// in the last component.
	Stat(p PID, path string, follow bool) (FileStat, error)
}

// File is an open file. ReadAt returning 0 and io.EOF is the end of file.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Stat() (FileStat, error)
}

// FileStat describes a file, in the fields of stat(2).
type FileStat struct {
	Dev, Inode uint64
	Mode       uint32 // st_mode as on Linux
	Links      uint64
	UID, GID   uint32
	RDev       uint64
	Size       int64 // bytes
	BlockSize  int64
	Blocks     int64 // of 512 bytes
	ATime      time.Time
	MTime      time.Time
	CTime      time.Time
}
