package rsp

import (
	"encoding/binary"
	"os"
	"syscall"
)

// The protocol has file flags, error numbers and a struct stat of its own (GDB
// manual, "Protocol-specific Representation of Datatypes").

// fileIOFlags maps the protocol's open flags to those of package os.
var fileIOFlags = []struct {
	wire uint64
	flag int
}{
	{0x8, os.O_APPEND}, {0x200, os.O_CREATE}, {0x400, os.O_TRUNC}, {0x800, os.O_EXCL},
}

// openFlags translates the flags of vFile:open.
func openFlags(wire uint64) int {
	flags := [...]int{os.O_RDONLY, os.O_WRONLY, os.O_RDWR, os.O_RDWR}[wire&3]
	for _, f := range fileIOFlags {
		if wire&f.wire != 0 {
			flags |= f.flag
		}
	}
	return flags
}

// fileIOUnknown is the protocol's number for all other errors.
const fileIOUnknown = 9999

// fileIOErrors are the errors the protocol can name.
var fileIOErrors = map[syscall.Errno]int{
	syscall.EPERM: 1, syscall.ENOENT: 2, syscall.EINTR: 4, syscall.EIO: 5, syscall.EBADF: 9,
	syscall.EACCES: 13, syscall.EFAULT: 14, syscall.EBUSY: 16, syscall.EEXIST: 17, syscall.ENODEV: 19,
	syscall.ENOTDIR: 20, syscall.EISDIR: 21, syscall.EINVAL: 22, syscall.ENFILE: 23, syscall.EMFILE: 24,
	syscall.EFBIG: 27, syscall.ENOSPC: 28, syscall.ESPIPE: 29, syscall.EROFS: 30, syscall.ENOSYS: 88,
	syscall.ENAMETOOLONG: 91,
}

func fileIOError(err error) int {
	if n, ok := fileIOErrors[errnoOf(err)]; ok {
		return n
	}
	return fileIOUnknown
}

// wire packs a FileStat: big-endian, 64 bytes, without padding.
func (st FileStat) wire() []byte {
	be := binary.BigEndian
	b := make([]byte, 0, 64)
	for _, v := range []uint32{
		uint32(st.Dev), uint32(st.Inode), st.Mode, uint32(st.Links), st.UID, st.GID, uint32(st.RDev),
	} {
		b = be.AppendUint32(b, v)
	}
	for _, v := range []int64{st.Size, st.BlockSize, st.Blocks} {
		b = be.AppendUint64(b, uint64(v))
	}
	for _, t := range []int64{st.ATime.Unix(), st.MTime.Unix(), st.CTime.Unix()} {
		b = be.AppendUint32(b, uint32(t))
	}
	return b
}
