package mm

import (
	"errors"

	"torov/internal/engine"
)

// Private anonymous memory has page-table entries of 2 MiB where it is given
// out so much at a time: with shadow paging a fault of KVM's own fills in 2 MiB
// instead of 4 KiB, and everywhere translations cost less. What concerns a part
// of such a page, a change of protection or a hole, makes a table of it again.
//
// With shadow paging KVM links what it made of an entry without looking at the
// entry again (see pageTable). So a block of guest-physical memory that one
// entry mapped stays with its addresses when it is unmapped, and where the same
// addresses are to be mapped otherwise KVM must forget all that it made first.
// That is done once at most for 2 MiB of addresses: a table stays a table.

// block is what a 2 MiB page is made of.
type block struct {
	gpa   engine.GPA
	table engine.GPA // for the day when it is split
}

func slotOf(a engine.GVA) engine.GVA { return a &^ (hugeSize - 1) }

// fillHuge gives the 2 MiB at start, where nothing is, one entry if that is
// possible.
func (as *AddressSpace) fillHuge(v *VMA, start engine.GVA) bool {
	if v.File != nil || v.Shared || as.guards.within(start, start+hugeSize) {
		return false
	}
	p, err := as.table.directory(start)
	if err != nil || loadEntry(p) != 0 {
		return false
	}
	b, parked := as.blocks[start]
	if parked {
		if !as.mem.unpark(hugeSize) {
			return false
		}
	} else if b, err = as.newBlock(start); err != nil {
		return false
	}
	storeEntry(p, uint64(b.gpa)|pteOwned|pteLarge|hardware(v.Prot))
	as.restoreBreakpoints(start, start+hugeSize)
	return true
}

func (as *AddressSpace) newBlock(start engine.GVA) (b block, err error) {
	if b.table, err = as.mem.Alloc(pageSize); err != nil {
		return b, err
	}
	if b.gpa, err = as.alloc(hugeSize); err != nil {
		as.free(run{gpa: b.table, size: pageSize})
		return b, err
	}
	if as.blocks == nil {
		as.blocks = make(map[engine.GVA]block)
	}
	as.blocks[start] = b
	return b, nil
}

// each calls f for every entry of [start, end) that owns memory; 2 MiB that lie
// in the range only in part are split first.
func (as *AddressSpace) each(start, end engine.GVA, f func(a engine.GVA, p *uint64, size uint64)) {
	for _, a := range []engine.GVA{start, end} {
		if slot := slotOf(a); a != slot {
			as.ordinary(slot, slot+hugeSize, false)
		}
	}
	as.table.each(start, end, f)
}

// ordinary makes tables of the 2 MiB entries in [start, end), and of addresses
// that a block waits for too if they will be mapped otherwise.
func (as *AddressSpace) ordinary(start, end engine.GVA, parked bool) {
	if as.split(start, end, parked) {
		as.mem.forget()
	}
}

// split is ordinary where the engine need not forget, or is made to by others.
// It reports whether anything has changed.
func (as *AddressSpace) split(start, end engine.GVA, parked bool) (changed bool) {
	if engine.GVA(len(as.blocks)) < (end-start)/hugeSize {
		for slot := range as.blocks {
			if slot+hugeSize > start && slot < end {
				changed = as.splitSlot(slot, parked) || changed
			}
		}
		return changed
	}
	for slot := slotOf(start); slot < end; slot += hugeSize {
		changed = as.splitSlot(slot, parked) || changed
	}
	return changed
}

func (as *AddressSpace) splitSlot(slot engine.GVA, parked bool) bool {
	b, ok := as.blocks[slot]
	if !ok {
		return false
	}
	p, _ := as.table.directory(slot) // it is there
	switch e := loadEntry(p); {
	case e != 0:
		for i := range uint64(512) {
			storeEntry(as.mem.entry(b.table, i), e&^pteLarge+i*pageSize)
		}
		storeEntry(p, uint64(b.table)|pteTable)
		delete(as.blocks, slot)
	case parked:
		as.release(slot, b)
	default:
		return false
	}
	return true
}

// release gives a parked block back.
func (as *AddressSpace) release(slot engine.GVA, b block) {
	delete(as.blocks, slot)
	as.mem.freeParked(b.gpa, hugeSize)
	as.free(run{gpa: b.table, size: pageSize})
}

// alloc is Memory.Alloc; blocks that only wait for their addresses do not count.
func (as *AddressSpace) alloc(size uint64) (engine.GPA, error) {
	gpa, err := as.mem.Alloc(size)
	if errors.Is(err, ErrNoMemory) && as.releaseParked() {
		gpa, err = as.mem.Alloc(size)
	}
	return gpa, err
}

// releaseParked gives all parked blocks back; false if there are none.
func (as *AddressSpace) releaseParked() (any bool) {
	for slot, b := range as.blocks {
		if p, _ := as.table.directory(slot); loadEntry(p) == 0 {
			as.release(slot, b)
			any = true
		}
	}
	if any {
		as.mem.forget()
	}
	return any
}
