package mm

import (
	"torov/internal/engine"
	"torov/internal/linux"
)

// Range is a piece of the program's memory, as an iovec names it.
type Range struct {
	Addr engine.GVA
	Len  uint64
}

// MaxTransfer is the most bytes one read or write moves (Linux's MAX_RW_COUNT).
const MaxTransfer = 0x7ffff000

// maxBuffers is UIO_MAXIOV: what one host call takes.
const maxBuffers = 1024

// Buffers is guest memory as host buffers, for I/O by the host kernel without
// a copy. Memory that holds breakpoints is copied, so that the program's I/O
// neither sees nor overwrites them.
type Buffers struct {
	Bufs  [][]byte
	Size  int // bytes in Bufs
	as    *AddressSpace
	parts []part
}

type part struct {
	at     engine.GVA
	bounce bool
}

// Buffers prepares at most limit bytes of the ranges; acc says what the host
// will do with them. Like Linux it stops at the first address that is not
// accessible: EFAULT only if that is the very first byte.
func (as *AddressSpace) Buffers(ranges []Range, acc Access, limit int) (*Buffers, linux.Errno) {
	b := &Buffers{as: as}
	for _, r := range ranges {
		for done := uint64(0); done < r.Len && b.Size < limit && len(b.Bufs) < maxBuffers; {
			at := r.Addr + engine.GVA(done)
			mem, bounce, errno := as.buffer(at, min(r.Len-done, uint64(limit-b.Size)), acc)
			if errno != 0 {
				if b.Size == 0 {
					return nil, errno
				}
				return b, 0
			}
			b.Bufs = append(b.Bufs, mem)
			b.parts = append(b.parts, part{at, bounce})
			b.Size += len(mem)
			done += uint64(len(mem))
		}
	}
	return b, 0
}

// buffer returns at most n bytes of memory at a, or a copy if a breakpoint is
// there.
func (as *AddressSpace) buffer(a engine.GVA, n uint64, acc Access) (mem []byte, bounce bool, errno linux.Errno) {
	mem, errno = as.span(a, n, acc, asProgram)
	if errno != 0 || !as.holdsBreakpoint(a, uint64(len(mem))) {
		return mem, false, errno
	}
	mem = make([]byte, len(mem))
	if acc == AccessRead {
		_, errno = as.CopyIn(mem, a)
	}
	return mem, true, errno
}

// Filled says that the host wrote the first n bytes, after a read.
func (b *Buffers) Filled(n int) {
	for i, buf := range b.Bufs {
		if n <= 0 {
			return
		}
		k := min(n, len(buf))
		if b.parts[i].bounce {
			// The range was writable a moment ago; if the program unmapped it
			// meanwhile the bytes are lost, as they would be on Linux.
			_, _ = b.as.CopyOut(b.parts[i].at, buf[:k])
		}
		n -= k
	}
}

// Advance drops the first n bytes, after a partial transfer.
func (b *Buffers) Advance(n int) {
	b.Size -= n
	for n > 0 && len(b.Bufs) > 0 {
		k := min(n, len(b.Bufs[0]))
		n -= k
		if k == len(b.Bufs[0]) {
			b.Bufs, b.parts = b.Bufs[1:], b.parts[1:]
			continue
		}
		b.Bufs[0] = b.Bufs[0][k:]
		b.parts[0].at += engine.GVA(k)
	}
}
