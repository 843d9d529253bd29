package mm

import "torov/internal/engine"

// SetBrk says where the heap starts.
func (as *AddressSpace) SetBrk(start engine.GVA) {
	as.mu.Lock()
	defer as.mu.Unlock()
	as.brkStart, as.brk = start, start
}

// HeapRange returns the heap's start and its end as brk(2) left it.
func (as *AddressSpace) HeapRange() (start, end engine.GVA) {
	as.mu.RLock()
	defer as.mu.RUnlock()
	return as.brkStart, as.brk
}

// Brk moves the end of the heap and returns where it is then, as the system
// call: a request that cannot be met changes nothing. dataLimit is RLIMIT_DATA.
func (as *AddressSpace) Brk(to engine.GVA, dataLimit uint64) engine.GVA {
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.brkStart == 0 || to < as.brkStart || to > UserEnd || uint64(to-as.brkStart) > dataLimit {
		return as.brk
	}
	oldEnd, _ := as.brk.PageUp()
	newEnd, _ := to.PageUp()
	switch {
	case newEnd < oldEnd:
		as.unmapLocked(newEnd, oldEnd)
	case newEnd > oldEnd:
		if !as.isFree(oldEnd, newEnd) || len(as.vmas) >= maxVMAs || uint64(newEnd-oldEnd) > as.mem.Limit() {
			return as.brk
		}
		as.vmas.insert(&VMA{Start: oldEnd, End: newEnd, Prot: ProtRead | ProtWrite, Name: HeapName})
		if newEnd-oldEnd <= eager {
			_ = as.populate(as.vmas.find(oldEnd), oldEnd, newEnd)
		}
	}
	as.brk = to
	return to
}
