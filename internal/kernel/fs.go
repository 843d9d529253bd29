package kernel

import (
	"golang.org/x/sys/unix"

	"torov/internal/linux"
)

// FileSystem is what a process sees of files: its root, its working directory
// and its umask.
type FileSystem struct {
}

// NewFileSystem returns the file system of a first process.
func NewFileSystem(root, cwd string, mounts []Mount) (*FileSystem, error) {
	return &FileSystem{}, nil
}

// OpenProgram opens a file to execute it and returns a host descriptor.
func (fs *FileSystem) OpenProgram(path string) (int, linux.Errno) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	return fd, linux.FromHost(err)
}
