package mm

import (
	"torov/internal/engine"
	"torov/internal/linux"
)

// int3 is the one-byte breakpoint instruction.
const int3 = 0xcc

// breakpoint is an INT3 that the debugger wants at an address. The byte it
// replaces is kept here and shown to everybody who reads the memory, the
// program's own system calls included.
type breakpoint struct {
	original byte
	inserted bool // false while nothing is mapped there
}

// InsertBreakpoint puts an INT3 at a; it survives mmap, mprotect and MADV_DONTNEED.
// EFAULT if nothing is mapped there, unless it is to wait for that, as a debug
// register does.
func (as *AddressSpace) InsertBreakpoint(a engine.GVA, wait bool) linux.Errno {
	// One span first: it fills the page in.
	if _, errno := as.span(a, 1, AccessWrite, asDebugger); errno != 0 && !wait {
		return errno
	}
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.breakpoints == nil {
		as.breakpoints = make(map[engine.GVA]*breakpoint)
	}
	if as.breakpoints[a] == nil {
		as.breakpoints[a] = &breakpoint{}
	}
	if !as.insert(a, as.breakpoints[a]) && !wait {
		delete(as.breakpoints, a)
		return linux.EFAULT
	}
	return 0
}

func (as *AddressSpace) insert(a engine.GVA, b *breakpoint) bool {
	if b.inserted {
		return true
	}
	// What a debugger writes reaches neither files nor other programs.
	v := as.vmas.find(a)
	if v == nil || v.Shared && as.unshare(a.PageDown()) != nil {
		return false
	}
	mem := as.byteAt(a)
	if mem == nil || as.own(v, a) != nil {
		return false
	}
	mem = as.byteAt(a)
	b.inserted = guarded(func() { b.original, mem[0] = mem[0], int3 })
	return b.inserted
}

// byteAt returns the byte at a if a page is there.
func (as *AddressSpace) byteAt(a engine.GVA) []byte {
	e := as.table.lookup(a)
	if e&pteOwned == 0 {
		return nil
	}
	return as.mem.Bytes(pteGPA(e)+engine.GPA(uint64(a)%pageSize), 1)
}

// RemoveBreakpoint takes the INT3 at a out again. If the program has written
// over it meanwhile, what it wrote stays. EFAULT if nothing is mapped there now.
func (as *AddressSpace) RemoveBreakpoint(a engine.GVA) linux.Errno {
	as.mu.Lock()
	defer as.mu.Unlock()
	b := as.breakpoints[a]
	delete(as.breakpoints, a)
	if b != nil && b.inserted {
		as.takeOut(a, b)
	}
	if as.vmas.find(a) == nil {
		return linux.EFAULT
	}
	return 0
}

// LiftBreakpoint takes the INT3 at a out for one instruction; it is cheaper than
// removing and inserting it.
func (as *AddressSpace) LiftBreakpoint(a engine.GVA) {
	as.mu.Lock()
	defer as.mu.Unlock()
	b := as.breakpoints[a]
	if b == nil || !b.inserted {
		return
	}
	b.inserted = false
	as.takeOut(a, b)
}

// RestoreBreakpoint undoes LiftBreakpoint. If the memory has gone meanwhile the
// breakpoint waits for new memory.
func (as *AddressSpace) RestoreBreakpoint(a engine.GVA) {
	as.mu.Lock()
	defer as.mu.Unlock()
	if b := as.breakpoints[a]; b != nil {
		as.insert(a, b)
	}
}

// HasBreakpoint reports whether the debugger's INT3 is at a, and whether the
// program has one of its own there too.
func (as *AddressSpace) HasBreakpoint(a engine.GVA) (inserted, genuine bool) {
	as.mu.RLock()
	defer as.mu.RUnlock()
	b := as.breakpoints[a]
	return b != nil && b.inserted, b != nil && b.original == int3
}

// forgetBreakpoints notes that the pages of a range go away.
func (as *AddressSpace) forgetBreakpoints(start, end engine.GVA) {
	for a, b := range as.breakpoints {
		if a >= start && a < end {
			b.inserted = false
		}
	}
}

// liftBreakpoints takes the INT3s out of the pages of a range that will move.
func (as *AddressSpace) liftBreakpoints(start, end engine.GVA) {
	for a, b := range as.breakpoints {
		if a >= start && a < end && b.inserted {
			as.takeOut(a, b)
			b.inserted = false
		}
	}
}

// takeOut puts the original byte back, unless the program has written another.
func (as *AddressSpace) takeOut(a engine.GVA, b *breakpoint) {
	if mem := as.byteAt(a); mem != nil {
		guarded(func() {
			if mem[0] == int3 {
				mem[0] = b.original
			}
		})
	}
}

// restoreBreakpoints puts breakpoints back into pages that are new.
func (as *AddressSpace) restoreBreakpoints(start, end engine.GVA) {
	for a, b := range as.breakpoints {
		if a >= start && a < end {
			b.inserted = false
			as.insert(a, b)
		}
	}
}

// hideBreakpoints replaces INT3s in what was read from a by the original bytes.
func (as *AddressSpace) hideBreakpoints(data []byte, a engine.GVA) {
	as.mu.RLock()
	defer as.mu.RUnlock()
	for at, b := range as.breakpoints {
		if i := uint64(at - a); at >= a && i < uint64(len(data)) && b.inserted && data[i] == int3 {
			data[i] = b.original
		}
	}
}

// overwriteBreakpoints puts INT3s back after data was written over them.
func (as *AddressSpace) overwriteBreakpoints(a engine.GVA, data []byte) {
	as.mu.RLock()
	empty := len(as.breakpoints) == 0
	as.mu.RUnlock()
	if empty {
		return
	}
	as.mu.Lock()
	defer as.mu.Unlock()
	for at, b := range as.breakpoints {
		if i := uint64(at - a); at >= a && i < uint64(len(data)) && b.inserted {
			b.original, b.inserted = data[i], false
			as.insert(at, b)
		}
	}
}

func (as *AddressSpace) holdsBreakpoint(a engine.GVA, n uint64) bool {
	as.mu.RLock()
	defer as.mu.RUnlock()
	for at := range as.breakpoints {
		if at >= a && uint64(at-a) < n {
			return true
		}
	}
	return false
}
