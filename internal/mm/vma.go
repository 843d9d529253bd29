package mm

import (
	"sort"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
)

// Prot is a protection, in the encoding of mmap(2).
type Prot uint8

const (
	ProtRead  Prot = unix.PROT_READ
	ProtWrite Prot = unix.PROT_WRITE
	ProtExec  Prot = unix.PROT_EXEC
	protAll        = ProtRead | ProtWrite | ProtExec
)

// String is the protection as /proc/PID/maps shows it, without the last letter.
func (p Prot) String() string {
	b := []byte("---")
	for i, c := range []struct {
		bit Prot
		ch  byte
	}{{ProtRead, 'r'}, {ProtWrite, 'w'}, {ProtExec, 'x'}} {
		if p&c.bit != 0 {
			b[i] = c.ch
		}
	}
	return string(b)
}

// File is a mapped file: a host descriptor of the VMM's own, kept open while
// any VMA needs it.
type File struct {
	fd       int
	refs     atomic.Int32
	writable bool
	memory   bool   // no file, but shared memory (newSharedMemory)
	Path     string // the program's name of the file, for maps and debuggers
	Dev, Ino uint64
}

// NewFile duplicates fd for mapping. The caller drops its reference with Close.
func NewFile(fd int, path string) (*File, error) {
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return nil, err
	}
	mode, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil {
		return nil, err
	}
	dup, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	f := &File{fd: dup, writable: mode&unix.O_ACCMODE == unix.O_RDWR, Path: path, Dev: st.Dev, Ino: st.Ino}
	f.refs.Store(1)
	return f, nil
}

// newSharedMemory is what lies behind a shared mapping without a file: a file
// without a name, so that it stays shared across fork(2), also where nobody has
// touched it yet.
func newSharedMemory(size uint64) (*File, error) {
	fd, err := unix.MemfdCreate("shared", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		return nil, err
	}
	f, err := NewFile(fd, "/dev/zero (deleted)")
	if f != nil {
		f.memory = true
	}
	return f, err
}

// Close drops a reference.
func (f *File) Close() {
	if f != nil && f.refs.Add(-1) == 0 {
		unix.Close(f.fd)
	}
}

func (f *File) hold() *File {
	if f != nil {
		f.refs.Add(1)
	}
	return f
}

// size returns the file's length rounded up to pages; what lies behind it is SIGBUS.
func (f *File) size() uint64 {
	var st unix.Stat_t
	if unix.Fstat(f.fd, &st) != nil || st.Size < 0 {
		return 0
	}
	if st.Mode&unix.S_IFMT != unix.S_IFREG {
		return 1 << 62 // devices: the host decides
	}
	return (uint64(st.Size) + pageSize - 1) &^ (pageSize - 1)
}

// Names of VMAs that have no file, as in /proc/PID/maps.
const (
	HeapName  = "[heap]"
	StackName = "[stack]"
)

// VMA is a range of an address space that the program mapped: what it asked
// for. What is there is in the page table.
type VMA struct {
	Start, End engine.GVA
	Prot       Prot
	Shared     bool
	File       *File  // nil: anonymous
	Offset     uint64 // file offset of Start
	Name       string // HeapName, StackName or empty
}

// Len is the size in bytes.
func (v *VMA) Len() uint64 { return uint64(v.End - v.Start) }

func (v *VMA) offsetOf(a engine.GVA) uint64 { return v.Offset + uint64(a-v.Start) }

// continues reports whether next can be merged behind v.
func (v *VMA) continues(next *VMA) bool {
	return v.End == next.Start && v.Prot == next.Prot && v.Shared == next.Shared && v.Name == next.Name &&
		v.File == next.File && (v.File == nil || v.Offset+v.Len() == next.Offset)
}

// vmaSet is sorted by address and free of overlaps.
type vmaSet []*VMA

// from returns the index of the first VMA that ends after a.
func (s vmaSet) from(a engine.GVA) int {
	return sort.Search(len(s), func(i int) bool { return s[i].End > a })
}

// find returns the VMA that contains a, or nil.
func (s vmaSet) find(a engine.GVA) *VMA {
	if i := s.from(a); i < len(s) && s[i].Start <= a {
		return s[i]
	}
	return nil
}

// split makes a a border between VMAs.
func (s *vmaSet) split(a engine.GVA) {
	i := s.from(a)
	if i == len(*s) || (*s)[i].Start >= a {
		return
	}
	left, right := (*s)[i], new(VMA)
	*right = *left
	right.File.hold()
	right.Start, left.End = a, a
	if right.File != nil {
		right.Offset += uint64(a - left.Start)
	}
	s.insertAt(i+1, right)
}

func (s *vmaSet) insertAt(i int, v *VMA) {
	*s = append(*s, nil)
	copy((*s)[i+1:], (*s)[i:])
	(*s)[i] = v
}

// insert adds v, whose range is free, and merges it with its neighbours.
func (s *vmaSet) insert(v *VMA) {
	i := s.from(v.Start)
	s.insertAt(i, v)
	s.merge(i, i+1)
}

// merge joins neighbours whose indexes are in [i-1, j+1] where they continue
// each other.
func (s *vmaSet) merge(i, j int) {
	for k := min(j, len(*s)-1); k >= max(i, 1); k-- {
		a, b := (*s)[k-1], (*s)[k]
		if a.continues(b) {
			a.End = b.End
			b.File.Close()
			*s = append((*s)[:k], (*s)[k+1:]...)
		}
	}
}

// cut removes [start, end) and returns the pieces, whose file references pass
// to the caller.
func (s *vmaSet) cut(start, end engine.GVA) []*VMA {
	s.split(start)
	s.split(end)
	i := s.from(start)
	j := i
	for j < len(*s) && (*s)[j].Start < end {
		j++
	}
	out := append([]*VMA(nil), (*s)[i:j]...)
	*s = append((*s)[:i], (*s)[j:]...)
	return out
}

// covered returns how far from start on there is no hole, at most end.
func (s vmaSet) covered(start, end engine.GVA) engine.GVA {
	for i := s.from(start); i < len(s) && start < end && s[i].Start <= start; i++ {
		start = s[i].End
	}
	return min(start, end)
}
