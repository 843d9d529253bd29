package mm

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync/atomic"

	"torov/internal/engine"
	"torov/internal/linux"
)

// who is on whose behalf guest memory is touched.
type who uint8

const (
	asProgram  who = iota // the program's rights count
	asDebugger            // mapped is enough
)

// span returns host memory for the longest prefix of [a, a+n) that is
// contiguous in guest-physical memory, at least one byte, or EFAULT.
func (as *AddressSpace) span(a engine.GVA, n uint64, acc Access, w who) ([]byte, linux.Errno) {
	if a >= UserEnd || n == 0 {
		return nil, linux.EFAULT
	}
	as.mu.RLock()
	mem := as.spanLocked(a, n, acc, w)
	as.mu.RUnlock()
	if mem != nil {
		return mem, 0
	}
	as.mu.Lock()
	defer as.mu.Unlock()
	v := as.vmas.find(a)
	if v == nil || w == asProgram && !v.allowed(acc) {
		return nil, linux.EFAULT
	}
	if as.fillAround(v, a) != FaultNone {
		return nil, linux.EFAULT
	}
	if acc == AccessWrite && as.own(v, a) != nil {
		return nil, linux.EFAULT
	}
	if w == asDebugger && acc == AccessWrite && v.File != nil && v.Shared && !v.File.memory {
		if as.unshare(a.PageDown()) != nil {
			return nil, linux.EFAULT
		}
	}
	off := uint64(a) % pageSize
	return as.mem.Bytes(pteGPA(as.table.lookup(a))+engine.GPA(off), min(n, pageSize-off)), 0
}

// spanLocked answers from the page table alone; nil if that does not allow
// the access as it stands.
func (as *AddressSpace) spanLocked(a engine.GVA, n uint64, acc Access, w who) []byte {
	need := uint64(pteOwned | ptePresent)
	if acc == AccessWrite {
		need |= pteWrite
	}
	if w == asDebugger {
		if acc == AccessWrite {
			return nil
		}
		need = pteOwned
	}
	if as.gone {
		return nil
	}
	e := as.table.lookup(a)
	if e&need != need {
		return nil
	}
	start := pteGPA(e) + engine.GPA(uint64(a)%pageSize)
	size := pageSize - uint64(a)%pageSize
	for next := a.PageDown() + pageSize; size < n && next < UserEnd; next += pageSize {
		if f := as.table.lookup(next); f&need != need || pteGPA(f) != start+engine.GPA(size) || (e^f)&pteFile != 0 {
			break
		}
		size += pageSize
	}
	return as.mem.Bytes(start, min(size, n))
}

var errTruncated = errors.New("the file behind the page was cut")

// unshare replaces a page of a shared file mapping with a private copy: what
// a debugger writes must reach neither the file nor anybody else.
func (as *AddressSpace) unshare(a engine.GVA) error {
	p := as.table.find(a)
	if p == nil || loadEntry(p)&pteFile == 0 {
		return nil
	}
	old := loadEntry(p)
	gpa, err := as.copyPage(pteGPA(old))
	if err != nil {
		return err
	}
	storeEntry(p, uint64(gpa)|old&^(pteAddr|pteFile))
	return as.mem.Free(pteGPA(old), pageSize, true)
}

// CopyIn reads guest memory at a with the program's rights. It returns how
// many bytes it got; fewer than len(dst) comes with EFAULT. Breakpoints do
// not show.
func (as *AddressSpace) CopyIn(dst []byte, a engine.GVA) (int, linux.Errno) {
	return as.read(dst, a, asProgram)
}

// CopyOut writes guest memory at a with the program's rights, as CopyIn reads it.
func (as *AddressSpace) CopyOut(a engine.GVA, src []byte) (int, linux.Errno) {
	return as.write(a, src, asProgram)
}

// DebugRead reads what is mapped at a, whatever the protection.
func (as *AddressSpace) DebugRead(dst []byte, a engine.GVA) (int, linux.Errno) {
	return as.read(dst, a, asDebugger)
}

// DebugWrite writes what is mapped at a, whatever the protection, without
// reaching files or other programs.
func (as *AddressSpace) DebugWrite(a engine.GVA, src []byte) (int, linux.Errno) {
	return as.write(a, src, asDebugger)
}

func (as *AddressSpace) read(dst []byte, a engine.GVA, w who) (int, linux.Errno) {
	return as.pieces(a, len(dst), AccessRead, w, func(mem []byte, at engine.GVA, done int) bool {
		if !guarded(func() { copy(dst[done:], mem) }) {
			return false
		}
		as.hideBreakpoints(dst[done:done+len(mem)], at)
		return true
	})
}

func (as *AddressSpace) write(a engine.GVA, src []byte, w who) (int, linux.Errno) {
	return as.pieces(a, len(src), AccessWrite, w, func(mem []byte, at engine.GVA, done int) bool {
		if !guarded(func() { copy(mem, src[done:]) }) {
			return false
		}
		as.overwriteBreakpoints(at, src[done:done+len(mem)])
		return true
	})
}

// pieces hands out the memory of [a, a+n) and returns how far do came. When it
// fails because a file was cut, what lies before that page still counts.
func (as *AddressSpace) pieces(a engine.GVA, n int, acc Access, w who, do func(mem []byte, at engine.GVA, done int) bool) (int, linux.Errno) {
	cut := false
	for done := 0; done < n; {
		at := a + engine.GVA(done)
		want, page := uint64(n-done), pageSize-uint64(at)%pageSize
		if cut {
			want = min(want, page)
		}
		mem, errno := as.span(at, want, acc, w)
		switch {
		case errno != 0:
			return done, errno
		case do(mem, at, done):
			done += len(mem)
		case uint64(len(mem)) > page:
			cut = true
		default:
			return done, linux.EFAULT
		}
	}
	return n, 0
}

// CopyInString reads a NUL-terminated string of less than limit bytes;
// ENAMETOOLONG if there is no NUL among the first limit.
func (as *AddressSpace) CopyInString(a engine.GVA, limit int) (string, linux.Errno) {
	var buf []byte
	for len(buf) < limit {
		at := a + engine.GVA(len(buf))
		// Never beyond the page: the string may end just before a hole.
		piece := make([]byte, min(limit-len(buf), int(pageSize-uint64(at)%pageSize)))
		if _, errno := as.CopyIn(piece, at); errno != 0 {
			return "", errno
		}
		if i := bytes.IndexByte(piece, 0); i >= 0 {
			return string(append(buf, piece[:i]...)), 0
		}
		buf = append(buf, piece...)
	}
	return "", linux.ENAMETOOLONG
}

// Read copies in one structure of the ABI.
func Read[T linux.Wire](as *AddressSpace, a engine.GVA) (v T, errno linux.Errno) {
	_, errno = as.CopyIn(linux.Bytes(&v), a)
	return v, errno
}

// ReadSlice copies in n structures of the ABI; the caller has bounded n.
func ReadSlice[T linux.Wire](as *AddressSpace, a engine.GVA, n int) ([]T, linux.Errno) {
	s := make([]T, n)
	_, errno := as.CopyIn(linux.SliceBytes(s), a)
	return s, errno
}

// Write copies out one structure of the ABI.
func Write[T linux.Wire](as *AddressSpace, a engine.GVA, v T) linux.Errno {
	_, errno := as.CopyOut(a, linux.Bytes(&v))
	return errno
}

// WriteSlice copies out structures of the ABI.
func WriteSlice[T linux.Wire](as *AddressSpace, a engine.GVA, s []T) linux.Errno {
	_, errno := as.CopyOut(a, linux.SliceBytes(s))
	return errno
}

// word finds a 32-bit word for atomic access.
func (as *AddressSpace) word(a engine.GVA, acc Access) (*uint32, linux.Errno) {
	if a%4 != 0 {
		return nil, linux.EINVAL
	}
	if _, errno := as.span(a, 4, acc, asProgram); errno != 0 {
		return nil, errno
	}
	as.mu.RLock()
	defer as.mu.RUnlock()
	e := as.table.lookup(a)
	if e&pteOwned == 0 {
		return nil, linux.EFAULT // unmapped in between
	}
	return as.mem.word32(pteGPA(e) + engine.GPA(uint64(a)%pageSize)), 0
}

// Word says which word of memory an address means: one of a shared file, or
// one of an address space.
type Word struct {
	Space    *AddressSpace // nil: a file's
	Dev, Ino uint64
	At       uint64 // address, or offset in the file
	Private  bool   // looked for among the words of the process only
}

// WordAt returns which word the one at a is to everybody who maps it (a futex's
// key). EFAULT for a read-only anonymous page, which is nobody's else.
func (as *AddressSpace) WordAt(a engine.GVA) (Word, linux.Errno) {
	as.mu.RLock()
	defer as.mu.RUnlock()
	v := as.vmas.find(a)
	switch {
	case v == nil || v.Prot&ProtWrite == 0 && v.File == nil:
		return Word{}, linux.EFAULT
	case v.Shared:
		return Word{Dev: v.File.Dev, Ino: v.File.Ino, At: v.offsetOf(a)}, 0
	}
	return Word{Space: as, At: uint64(a)}, 0
}

// Load32 reads a word atomically.
func (as *AddressSpace) Load32(a engine.GVA) (uint32, linux.Errno) {
	p, errno := as.word(a, AccessRead)
	if errno != 0 {
		return 0, errno
	}
	var v uint32
	if !guarded(func() { v = atomic.LoadUint32(p) }) {
		return 0, linux.EFAULT
	}
	return v, 0
}

// CompareAndSwap32 changes a word atomically if it holds old, and returns
// what it held.
func (as *AddressSpace) CompareAndSwap32(a engine.GVA, old, to uint32) (uint32, linux.Errno) {
	p, errno := as.word(a, AccessWrite)
	if errno != 0 {
		return 0, errno
	}
	seen := old
	ok := guarded(func() {
		for !atomic.CompareAndSwapUint32(p, old, to) {
			if seen = atomic.LoadUint32(p); seen != old {
				return
			}
		}
	})
	if !ok {
		return 0, linux.EFAULT
	}
	return seen, 0
}

// Read64 reads a little-endian word, for the debugger.
func (as *AddressSpace) Read64(a engine.GVA) (uint64, linux.Errno) {
	var b [8]byte
	_, errno := as.DebugRead(b[:], a)
	return binary.LittleEndian.Uint64(b[:]), errno
}
