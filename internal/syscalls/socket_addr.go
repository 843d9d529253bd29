package syscalls

import (
	"bytes"
	"encoding/binary"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

const (
	// maxSockaddr is the size of struct sockaddr_storage: no address is longer.
	maxSockaddr = 128
	// unixPathAt is where the path of a sockaddr_un starts.
	unixPathAt = 2
	// unixPathMax is the longest path of a sockaddr_un, without a NUL.
	unixPathMax = 108
)

// readSockaddr copies in an address (move_addr_to_kernel).
func readSockaddr(t *kernel.Thread, at engine.GVA, size int32) ([]byte, linux.Errno) {
	if size < 0 || size > maxSockaddr {
		return nil, linux.EINVAL
	}
	addr := make([]byte, size)
	_, errno := t.Proc.AS().CopyIn(addr, at)
	return addr, errno
}

// writeSockaddr copies out an address as far as there is room, and its length
// in any case (move_addr_to_user).
func writeSockaddr(t *kernel.Thread, at, sizeAt engine.GVA, addr []byte) linux.Errno {
	room, errno := mm.Read[int32](t.Proc.AS(), sizeAt)
	if errno != 0 {
		return errno
	}
	if room < 0 {
		return linux.EINVAL
	}
	if _, errno := t.Proc.AS().CopyOut(at, addr[:min(len(addr), int(room))]); errno != 0 {
		return errno
	}
	return mm.Write(t.Proc.AS(), sizeAt, int32(len(addr)))
}

// unixPath returns the path in an address of AF_UNIX; ok is false for abstract
// and unnamed addresses, other families and what the host will refuse.
func unixPath(addr []byte) (path string, ok bool) {
	if len(addr) <= unixPathAt || len(addr) > unixPathAt+unixPathMax {
		return "", false
	}
	if binary.NativeEndian.Uint16(addr) != unix.AF_UNIX || addr[unixPathAt] == 0 {
		return "", false
	}
	name, _, _ := bytes.Cut(addr[unixPathAt:], []byte{0})
	return string(name), true
}

// unixSockaddr is the inverse of unixPath, for paths that fit.
func unixSockaddr(path string) []byte {
	addr := binary.NativeEndian.AppendUint16(nil, unix.AF_UNIX)
	addr = append(addr, path...)
	if len(path) < unixPathMax {
		addr = append(addr, 0)
	}
	return addr
}

// programPath returns the path in an address for f, if f is a Unix socket: only
// these are names in the program's file system. Other addresses, and those that
// do not fit the socket, are for the host as they are.
func programPath(f *kernel.File, addr []byte) (string, bool) {
	path, ok := unixPath(addr)
	return path, ok && isUnix(f)
}

func isUnix(f *kernel.File) bool {
	domain, err := unix.GetsockoptInt(f.Host, unix.SOL_SOCKET, unix.SO_DOMAIN)
	return err == nil && domain == unix.AF_UNIX
}

// withHostAddr calls do with the host's form of the address of somebody else.
func withHostAddr(t *kernel.Thread, f *kernel.File, addr []byte, do func(addr []byte) linux.Errno) linux.Errno {
	path, ok := programPath(f, addr)
	if !ok {
		return do(addr)
	}
	host, done, errno := t.Proc.FS.SocketAt(t, path)
	if errno != 0 {
		return errno
	}
	defer done()
	return do(unixSockaddr(host))
}
