package mm

import "torov/internal/engine"

// Guard is what a watchpoint takes away from a page.
type Guard uint8

const (
	GuardNone   Guard = iota
	GuardWrite        // writes fault
	GuardAccess       // every access faults
)

// guardSet maps page addresses to what is taken away there.
type guardSet map[engine.GVA]Guard

func (g guardSet) restrict(page engine.GVA, bits uint64) uint64 {
	switch g[page] {
	case GuardWrite:
		return bits &^ (pteWrite | pteDirty)
	case GuardAccess:
		return bits &^ ptePresent
	}
	return bits
}

// within reports whether a page of a range is guarded.
func (g guardSet) within(start, end engine.GVA) bool {
	for page := range g {
		if page >= start && page < end {
			return true
		}
	}
	return false
}

func (g guardSet) forbids(page engine.GVA, acc Access) bool {
	switch g[page] {
	case GuardWrite:
		return acc == AccessWrite
	case GuardAccess:
		return true
	}
	return false
}

// Guard returns what is taken away from the page at a.
func (as *AddressSpace) Guard(a engine.GVA) Guard {
	as.mu.RLock()
	defer as.mu.RUnlock()
	return as.guards[a.PageDown()]
}

// SetGuard takes rights away from the page at a, or gives them back. The
// VMM's own accesses are not affected.
func (as *AddressSpace) SetGuard(a engine.GVA, g Guard) {
	a = a.PageDown()
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.guards == nil {
		as.guards = make(guardSet)
	}
	if g == GuardNone {
		delete(as.guards, a)
	} else {
		as.guards[a] = g
	}
	if v := as.vmas.find(a); v != nil {
		as.applyProt(v, a, a+pageSize)
	}
}
