package mm

import (
	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
)

// Remap is mremap(2).
func (as *AddressSpace) Remap(old engine.GVA, oldLen, newLen uint64, flags int, fixedAt engine.GVA) (engine.GVA, linux.Errno) {
	mayMove, fixed, keep := flags&unix.MREMAP_MAYMOVE != 0, flags&unix.MREMAP_FIXED != 0, flags&unix.MREMAP_DONTUNMAP != 0
	const known = unix.MREMAP_MAYMOVE | unix.MREMAP_FIXED | unix.MREMAP_DONTUNMAP
	if flags&^known != 0 || fixed && !mayMove || keep && (!mayMove || oldLen != newLen) || old%pageSize != 0 || newLen == 0 {
		return 0, linux.EINVAL
	}
	oldLen = (oldLen + pageSize - 1) &^ (pageSize - 1)
	newLen = (newLen + pageSize - 1) &^ (pageSize - 1)
	oldEnd := old + engine.GVA(oldLen)
	if newLen == 0 || newLen > uint64(UserEnd) || oldLen > uint64(UserEnd) || oldEnd > UserEnd {
		return 0, linux.EINVAL
	}
	as.mu.Lock()
	defer as.mu.Unlock()
	v := as.vmas.find(old)
	switch {
	case v == nil || oldEnd > v.End:
		return 0, linux.EFAULT
	case oldLen == 0 && (!v.Shared || v.File == nil):
		// A second mapping of anonymous memory would have its pages twice.
		return 0, linux.EINVAL
	case fixed:
		return as.moveTo(old, oldLen, fixedAt, newLen, keep)
	case newLen <= oldLen && !keep:
		if newLen < oldLen {
			as.unmapLocked(old+engine.GVA(newLen), oldEnd)
		}
		return old, 0
	case !keep && oldLen > 0 && as.extend(v, oldEnd, old+engine.GVA(newLen)):
		return old, 0
	case !mayMove:
		return 0, linux.ENOMEM
	}
	to, ok := as.gapBelow(as.base, newLen)
	if !ok {
		return 0, linux.ENOMEM
	}
	return as.move(old, oldLen, to, newLen, keep)
}

// extend makes the VMA that ends at end end at newEnd, if there is room.
func (as *AddressSpace) extend(v *VMA, end, newEnd engine.GVA) bool {
	if end != v.End || newEnd > UserEnd || !as.isFree(end, newEnd) {
		return false
	}
	grown := *v
	grown.File.hold()
	grown.Start, grown.End = end, newEnd
	if v.File != nil {
		grown.Offset = v.offsetOf(end)
	}
	as.vmas.insert(&grown)
	return true
}

// moveTo is MREMAP_FIXED.
func (as *AddressSpace) moveTo(old engine.GVA, oldLen uint64, to engine.GVA, newLen uint64, keep bool) (engine.GVA, linux.Errno) {
	newEnd := to + engine.GVA(newLen)
	switch {
	case to%pageSize != 0 || newEnd > UserEnd || newEnd < to || to < old+engine.GVA(oldLen) && old < newEnd:
		return 0, linux.EINVAL
	case to < minAddr:
		return 0, linux.EPERM
	}
	as.unmapLocked(to, newEnd)
	return as.move(old, oldLen, to, newLen, keep)
}

// move takes the pages of [old, old+oldLen) to a free place: no byte is
// copied, the page-table entries change places. Nothing has changed when it
// fails.
func (as *AddressSpace) move(old engine.GVA, oldLen uint64, to engine.GVA, newLen uint64, keep bool) (engine.GVA, linux.Errno) {
	oldEnd, take := old+engine.GVA(oldLen), engine.GVA(min(oldLen, newLen))
	v := as.vmas.find(old)
	if v == nil { // oldLen is 0, and MREMAP_FIXED unmapped it
		return 0, linux.EFAULT
	}
	as.ordinary(old, oldEnd, true)
	as.ordinary(to, to+engine.GVA(newLen), true)
	if len(as.vmas)+3 >= maxVMAs || as.table.makeRange(to, to+take) != nil {
		return 0, linux.ENOMEM
	}
	moved := &VMA{Start: to, End: to + engine.GVA(newLen), Prot: v.Prot, Shared: v.Shared, File: v.File.hold()}
	if v.File != nil {
		moved.Offset = v.offsetOf(old)
	}
	if oldLen == 0 {
		as.vmas.insert(moved)
		return to, 0
	}
	as.liftBreakpoints(old, oldEnd)
	pieces := as.vmas.cut(old, oldEnd)
	as.vmas.insert(moved)
	var runs []run
	as.table.each(old, old+take, func(a engine.GVA, p *uint64, _ uint64) {
		e, at := loadEntry(p), a-old+to
		storeEntry(p, 0)
		storeEntry(as.table.find(at), e&^pteAccessBits|as.rights(at, moved, e))
		runs = addRun(runs, a, e, pageSize)
	})
	as.shootdown(runs, moved)
	as.dropPages(old, oldEnd)
	for _, p := range pieces {
		if keep {
			as.vmas.insert(p)
		} else {
			p.File.Close()
		}
	}
	as.restoreBreakpoints(to, to+take)
	return to, 0
}
