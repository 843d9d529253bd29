package mm

import (
	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
)

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

// Remap is mremap(2).
func (as *AddressSpace) Remap(old engine.GVA, oldLen, newLen uint64, flags int, fixedAt engine.GVA) (engine.GVA, linux.Errno) {
	mayMove, fixed, keep := flags&unix.MREMAP_MAYMOVE != 0, flags&unix.MREMAP_FIXED != 0, flags&unix.MREMAP_DONTUNMAP != 0
	const known = unix.MREMAP_MAYMOVE | unix.MREMAP_FIXED | unix.MREMAP_DONTUNMAP
	if flags&^known != 0 || fixed && !mayMove || keep && (!mayMove || oldLen != newLen) || old%pageSize != 0 || newLen == 0 {
		return 0, linux.EINVAL
	}
	oldLen = (oldLen + pageSize - 1) &^ (pageSize - 1)
	newLen = (newLen + pageSize - 1) &^ (pageSize - 1)
	if newLen == 0 || newLen > uint64(UserEnd) || oldLen > uint64(UserEnd) || old+engine.GVA(oldLen) > UserEnd {
		return 0, linux.EINVAL
	}
	as.mu.Lock()
	defer as.mu.Unlock()
	v := as.vmas.find(old)
	if v == nil {
		return 0, linux.EFAULT
	}
	oldEnd := old + engine.GVA(oldLen)
	if oldLen == 0 && !v.Shared {
		return 0, linux.EINVAL
	}
	if oldEnd > v.End {
		return 0, linux.EFAULT
	}
	if fixed {
		newEnd := fixedAt + engine.GVA(newLen)
		if fixedAt%pageSize != 0 || newEnd > UserEnd || newEnd < fixedAt || fixedAt < oldEnd && old < newEnd || fixedAt < minAddr {
			return 0, linux.EINVAL
		}
		as.unmapLocked(fixedAt, newEnd)
		return as.move(old, oldLen, fixedAt, newLen, keep)
	}
	if newLen <= oldLen && !keep {
		if newLen < oldLen {
			as.unmapLocked(old+engine.GVA(newLen), oldEnd)
		}
		return old, 0
	}
	if newEnd := old + engine.GVA(newLen); !keep && oldEnd == v.End && newEnd <= UserEnd && as.isFree(oldEnd, newEnd) {
		grown := *v
		grown.File.hold()
		grown.Start, grown.End, grown.Offset = oldEnd, newEnd, v.offsetOf(oldEnd)
		if v.File == nil {
			grown.Offset = 0
		}
		as.vmas.insert(&grown)
		return old, 0
	}
	if !mayMove {
		return 0, linux.ENOMEM
	}
	to, ok := as.gapBelow(as.base, newLen)
	if !ok {
		return 0, linux.ENOMEM
	}
	return as.move(old, oldLen, to, newLen, keep)
}

// move takes the pages of [old, old+oldLen) to a free place: no byte is
// copied, the page-table entries change places.
func (as *AddressSpace) move(old engine.GVA, oldLen uint64, to engine.GVA, newLen uint64, keep bool) (engine.GVA, linux.Errno) {
	take := min(oldLen, newLen)
	as.forgetBreakpoints(old, old+engine.GVA(oldLen))
	v := *as.vmas.find(old)
	pieces := as.vmas.cut(old, old+engine.GVA(oldLen))
	if len(pieces) == 0 { // oldLen 0: a second mapping of a shared range
		pieces = []*VMA{{File: v.File.hold()}}
		v.Offset = v.offsetOf(old)
	} else {
		v = *pieces[0]
	}
	moved := VMA{Start: to, End: to + engine.GVA(newLen), Prot: v.Prot, Shared: v.Shared, File: v.File.hold(), Offset: v.Offset}
	as.vmas.insert(&moved)
	var runs []run
	var failed error
	as.table.each(old, old+engine.GVA(take), func(a engine.GVA, p *uint64) {
		q, err := as.table.make(a - old + to)
		if err != nil {
			failed = err
			return
		}
		e := loadEntry(p)
		storeEntry(p, 0)
		storeEntry(q, e)
		runs = addRun(runs, e)
	})
	as.shootdown(runs, &v)
	as.dropPages(old, old+engine.GVA(oldLen))
	for _, p := range pieces {
		if keep && p.End > p.Start {
			as.vmas.insert(&VMA{Start: p.Start, End: p.End, Prot: p.Prot, Shared: p.Shared, File: p.File, Offset: p.Offset})
			continue
		}
		p.File.Close()
	}
	if failed != nil {
		return 0, linux.ENOMEM
	}
	as.restoreBreakpoints(to, to+engine.GVA(take))
	return to, 0
}
