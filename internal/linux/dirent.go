package linux

import "encoding/binary"

const (
	dirent64Header = 19 // d_ino, d_off, d_reclen, d_type
	direntHeader   = 18 // d_ino, d_off, d_reclen; the type is the last byte
)

func align8(n int) int { return (n + 7) &^ 7 }

// Dirent64Size returns the size of a struct linux_dirent64, in bytes.
func Dirent64Size(name string) int { return align8(dirent64Header + len(name) + 1) }

// AppendDirent64 appends an entry of getdents64(2): typ is DT_*, off the
// position after it.
func AppendDirent64(b []byte, ino uint64, off int64, typ uint8, name string) []byte {
	size := Dirent64Size(name)
	b = binary.LittleEndian.AppendUint64(b, ino)
	b = binary.LittleEndian.AppendUint64(b, uint64(off))
	b = binary.LittleEndian.AppendUint16(b, uint16(size))
	b = append(b, typ)
	b = append(b, name...)
	return append(b, make([]byte, size-dirent64Header-len(name))...)
}

// DirentSize returns the size of a struct linux_dirent, in bytes.
func DirentSize(name string) int { return align8(direntHeader + len(name) + 2) }

// AppendDirent appends an entry of the old getdents(2).
func AppendDirent(b []byte, ino uint64, off int64, typ uint8, name string) []byte {
	size := DirentSize(name)
	b = binary.LittleEndian.AppendUint64(b, ino)
	b = binary.LittleEndian.AppendUint64(b, uint64(off))
	b = binary.LittleEndian.AppendUint16(b, uint16(size))
	b = append(b, name...)
	b = append(b, make([]byte, size-direntHeader-len(name)-1)...)
	return append(b, typ)
}
