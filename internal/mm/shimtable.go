package mm

import "torov/internal/engine"

// ShimTable maps the engine's own pages, which the program must not touch,
// into the upper half of every address space: the spaces share its tables.
type ShimTable struct {
	table pageTable
	base  engine.GVA
}

// NewShimTable returns an empty table for the 512 GiB around base.
func NewShimTable(mem *Memory, base engine.GVA) (*ShimTable, error) {
	table, err := newPageTable(mem)
	if err != nil {
		return nil, err
	}
	// The entry that spaces share must be there before the first of them.
	_, err = table.make(base)
	return &ShimTable{table, base}, err
}

// Map maps one page for the supervisor only.
func (t *ShimTable) Map(a engine.GVA, page engine.GPA, writable bool) error {
	p, err := t.table.make(a)
	if err != nil {
		return err
	}
	e := uint64(page) | ptePresent | pteAccessed
	if writable {
		e |= pteWrite | pteDirty | pteNX
	}
	storeEntry(p, e)
	return nil
}

// Share puts the table into an address space.
func (t *ShimTable) Share(as *AddressSpace) {
	top := loadEntry(t.table.mem.entry(t.table.root, index(t.base, 3)))
	storeEntry(as.mem.entry(as.table.root, index(t.base, 3)), top)
}
