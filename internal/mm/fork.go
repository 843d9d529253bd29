package mm

import (
	"errors"

	"torov/internal/engine"
)

// copyWindow is how much of a copy-on-write range one write takes over: copies
// are cheap, exits are not.
const copyWindow = 64 << 10

// ForkInto gives child, which is empty but for the engine's pages, everything
// that the space holds: shared pages stay shared, private ones are copied by
// whoever writes first. Breakpoints and guards are the parent's alone.
func (as *AddressSpace) ForkInto(child *AddressSpace) error {
	as.mu.Lock()
	defer as.mu.Unlock()
	child.mu.Lock()
	defer child.mu.Unlock()
	as.ordinary(0, UserEnd, true) // pages are shared one by one
	child.base, child.brkStart, child.brk, child.stackLimit = as.base, as.brkStart, as.brk, as.stackLimit
	for _, v := range as.vmas {
		own := *v
		own.File.hold()
		child.vmas = append(child.vmas, &own)
		if err := as.shareRange(child, &own); err != nil {
			return err
		}
	}
	for a, b := range as.breakpoints {
		if b.inserted {
			if err := child.withoutBreakpoint(a, b.original); err != nil {
				return err
			}
		}
	}
	return nil
}

// shareRange enters the pages of a VMA into the child's table.
func (as *AddressSpace) shareRange(child *AddressSpace, v *VMA) error {
	var reduced []run
	var err error
	as.table.each(v.Start, v.End, func(a engine.GVA, p *uint64, _ uint64) {
		if err != nil {
			return
		}
		q, failed := child.table.make(a)
		if err = failed; err != nil {
			return
		}
		old := loadEntry(p)
		e := old
		if !v.Shared {
			e |= pteCopy
		}
		as.mem.hold(pteGPA(e))
		storeEntry(p, e&^pteAccessBits|as.rights(a, v, e))
		storeEntry(q, e&^pteAccessBits|child.rights(a, v, e))
		if !v.Shared && lessAccess(old, loadEntry(p)) {
			reduced = addRun(reduced, a, old, pageSize)
		}
	})
	as.shootdown(reduced, v)
	return err
}

// withoutBreakpoint gives the space a page of its own in which the byte at a is
// what the program has there.
func (as *AddressSpace) withoutBreakpoint(a engine.GVA, original byte) error {
	v := as.vmas.find(a)
	if v == nil {
		return nil
	}
	p := as.table.find(a)
	if p == nil || loadEntry(p)&pteOwned == 0 {
		return nil
	}
	// Even a page that nobody writes.
	storeEntry(p, loadEntry(p)|pteCopy)
	if err := as.ownPages(v, a, a.PageDown(), a.PageDown()+pageSize); err != nil {
		return err
	}
	if mem := as.byteAt(a); !guarded(func() { mem[0] = original }) {
		return errTruncated
	}
	return nil
}

// rights are the access bits of an entry e at a, which belongs to v.
func (as *AddressSpace) rights(a engine.GVA, v *VMA, e uint64) uint64 {
	bits := as.guards.restrict(a, hardware(v.Prot))
	if e&pteCopy != 0 {
		bits &^= pteWrite | pteDirty
	}
	return bits
}

// own makes the page of a, and what lies around it, the space's alone before
// it is written. The page is there.
func (as *AddressSpace) own(v *VMA, a engine.GVA) error {
	if as.table.lookup(a)&pteCopy == 0 {
		return nil
	}
	start := max(a&^(copyWindow-1), v.Start)
	err := as.ownPages(v, a, start, min(a&^(copyWindow-1)+copyWindow, v.End))
	if err != nil {
		// The neighbours may have been too much.
		err = as.ownPages(v, a, a.PageDown(), a.PageDown()+pageSize)
	}
	return err
}

// ownPages takes over those pages of [start, end) that may be shared. Only the
// one of a must succeed.
func (as *AddressSpace) ownPages(v *VMA, a, start, end engine.GVA) error {
	var copied []run
	var err error
	as.table.each(start, end, func(at engine.GVA, p *uint64, _ uint64) {
		e := loadEntry(p)
		if e&pteCopy == 0 {
			return
		}
		old := pteGPA(e)
		e &^= pteCopy
		if as.mem.alone(old) {
			storeEntry(p, e&^pteAccessBits|as.rights(at, v, e))
			return
		}
		page, failed := as.copyPage(old)
		if failed != nil {
			if at == a.PageDown() {
				err = failed
			}
			return
		}
		copied = addRun(copied, at, e, pageSize)
		e = uint64(page) | e&^(pteAddr|pteFile)
		storeEntry(p, e&^pteAccessBits|as.rights(at, v, e))
	})
	return errors.Join(err, as.giveBack(copied))
}

func (as *AddressSpace) copyPage(old engine.GPA) (engine.GPA, error) {
	page, err := as.alloc(pageSize)
	if err != nil {
		return 0, err
	}
	to, from := as.mem.Bytes(page, pageSize), as.mem.Bytes(old, pageSize)
	if !guarded(func() { copy(to, from) }) {
		return 0, errors.Join(errTruncated, as.mem.Free(page, pageSize, false))
	}
	return page, nil
}

// giveBack frees pages that have no entry in the space any more. The CPUs forget
// their translations.
func (as *AddressSpace) giveBack(runs []run) error {
	for _, r := range runs {
		var err error
		if r.block {
			err = as.mem.park(r.gpa, r.size)
		} else {
			err = as.mem.Free(r.gpa, r.size, r.file)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Close gives back everything, once no CPU uses the space.
func (as *AddressSpace) Close() error {
	as.mu.Lock()
	defer as.mu.Unlock()
	as.breakpoints, as.guards, as.gone = nil, nil, true
	as.split(0, UserEnd, true)
	var runs []run
	as.table.each(0, UserEnd, func(a engine.GVA, p *uint64, size uint64) {
		runs = addRun(runs, a, loadEntry(p), size)
		storeEntry(p, 0)
	})
	var errs []error
	for _, r := range runs {
		errs = append(errs, as.mem.drop(r.gpa, r.size, r.file))
	}
	for _, v := range as.vmas {
		v.File.Close()
	}
	as.vmas = nil
	return errors.Join(append(errs, as.mem.retire(as.table.pages()))...)
}
