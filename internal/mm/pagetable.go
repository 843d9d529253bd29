package mm

import "torov/internal/engine"

// Bits of page-table entries (Intel SDM volume 3, 4.5). Bits 9 to 11 are the
// software's.
const (
	ptePresent  = 1 << 0
	pteWrite    = 1 << 1
	pteUser     = 1 << 2
	pteAccessed = 1 << 5
	pteDirty    = 1 << 6
	pteLarge    = 1 << 7  // an entry of the second level that maps 2 MiB
	pteOwned    = 1 << 9  // the entry holds a page, present or not
	pteFile     = 1 << 10 // the page's host memory is a file mapping
	pteCopy     = 1 << 11 // others may hold the page: a write needs a copy of its own
	pteNX       = 1 << 63
	pteAddr     = 0x000ffffffffff000

	// Intermediate entries allow everything; the last level decides.
	pteTable = ptePresent | pteWrite | pteUser | pteAccessed
)

func pteGPA(e uint64) engine.GPA { return engine.GPA(e & pteAddr) }

// pageTable is a four-level table in guest memory, the only record of which
// page holds what: an entry that owns a page keeps its address while access
// is forbidden.
//
// Table pages are never freed nor used for another range while the VM lives:
// with shadow paging KVM does not see what the VMM writes into tables, and a
// table that moved would leave stale links behind.
type pageTable struct {
	mem  *Memory
	root engine.GPA
}

func newPageTable(mem *Memory) (pageTable, error) {
	root, err := mem.Alloc(pageSize)
	return pageTable{mem, root}, err
}

func index(a engine.GVA, level int) uint64 { return uint64(a) >> (pageShift + 9*level) & 511 }

// leaf returns the entry that maps a or could map it, and its value: it is of
// the last level, or of the one before where that maps 2 MiB. It is nil when
// there is none.
func (t pageTable) leaf(a engine.GVA) (p *uint64, e uint64) {
	table := t.root
	for level := 3; ; level-- {
		p = t.mem.entry(table, index(a, level))
		e = loadEntry(p)
		switch {
		case level == 0 || e&pteLarge != 0:
			return p, e
		case e&ptePresent == 0:
			return nil, 0
		}
		table = pteGPA(e)
	}
}

// find returns the last-level entry of a, or nil when its table does not exist.
func (t pageTable) find(a engine.GVA) *uint64 {
	p, e := t.leaf(a)
	if e&pteLarge != 0 {
		return nil
	}
	return p
}

// lookup returns what the last-level entry of a is, or would be if a table stood
// in the place of a large page; 0 if there is none.
func (t pageTable) lookup(a engine.GVA) uint64 {
	_, e := t.leaf(a)
	if e&pteLarge != 0 {
		e = e&^pteLarge + uint64(a.PageDown()-slotOf(a))
	}
	return e
}

func (t pageTable) owned(a engine.GVA) bool { return t.lookup(a)&pteOwned != 0 }

// directory returns the entry of the second level for a, adding tables above it
// as needed.
func (t pageTable) directory(a engine.GVA) (*uint64, error) { return t.makeLevel(a, 1) }

// make returns the last-level entry of a, adding tables as needed.
func (t pageTable) make(a engine.GVA) (*uint64, error) { return t.makeLevel(a, 0) }

func (t pageTable) makeLevel(a engine.GVA, last int) (*uint64, error) {
	table := t.root
	for level := 3; level > last; level-- {
		p := t.mem.entry(table, index(a, level))
		e := loadEntry(p)
		if e&ptePresent == 0 {
			page, err := t.mem.Alloc(pageSize)
			if err != nil {
				return nil, err
			}
			e = uint64(page) | pteTable
			storeEntry(p, e)
		}
		table = pteGPA(e)
	}
	return t.mem.entry(table, index(a, last)), nil
}

// makeRange makes the tables of [start, end).
func (t pageTable) makeRange(start, end engine.GVA) error {
	const span = pageSize * 512 // of one table
	for a := start; a < end; a = a&^(span-1) + span {
		if _, err := t.make(a); err != nil {
			return err
		}
	}
	return nil
}

// each calls f for every entry of [start, end) that owns memory, in order, with
// how much of that lies in the range.
func (t pageTable) each(start, end engine.GVA, f func(a engine.GVA, p *uint64, size uint64)) {
	for a := start; a < end; {
		p, e := t.leaf(a)
		if e&pteLarge != 0 {
			next := min(slotOf(a)+hugeSize, end)
			f(a, p, uint64(next-a))
			a = next
			continue
		}
		if p == nil {
			a = nextTable(t, a)
			if a == 0 {
				return
			}
			continue
		}
		// The entries of one table lie side by side.
		table := t.tableOf(a)
		for i := index(a, 0); i < 512 && a < end; i++ {
			q := t.mem.entry(table, i)
			if loadEntry(q)&pteOwned != 0 {
				f(a, q, pageSize)
			}
			a += pageSize
		}
	}
}

// nextTable returns the first address after a whose upper-level entry may
// exist, skipping holes a level at a time; 0 at the end of the space.
func nextTable(t pageTable, a engine.GVA) engine.GVA {
	table := t.root
	for level := 3; level > 0; level-- {
		e := loadEntry(t.mem.entry(table, index(a, level)))
		if e&ptePresent == 0 {
			size := engine.GVA(1) << (pageShift + 9*level)
			return (a &^ (size - 1)) + size
		}
		table = pteGPA(e)
	}
	return a + pageSize
}

// pages returns the tables of the program's half, and the root.
func (t pageTable) pages() []engine.GPA {
	return append(t.below(t.root, 3, 256), t.root)
}

func (t pageTable) below(table engine.GPA, level int, entries uint64) (out []engine.GPA) {
	for i := range entries {
		if e := loadEntry(t.mem.entry(table, i)); e&ptePresent != 0 {
			out = append(out, pteGPA(e))
			if level > 1 {
				out = append(out, t.below(pteGPA(e), level-1, 512)...)
			}
		}
	}
	return out
}

func (t pageTable) tableOf(a engine.GVA) engine.GPA {
	table := t.root
	for level := 3; level > 0; level-- {
		table = pteGPA(loadEntry(t.mem.entry(table, index(a, level))))
	}
	return table
}

// hardware returns the access bits of an entry for a protection.
func hardware(prot Prot) uint64 {
	if prot&(ProtRead|ProtWrite|ProtExec) == 0 {
		return 0
	}
	bits := uint64(ptePresent | pteUser | pteAccessed)
	if prot&ProtWrite != 0 {
		bits |= pteWrite | pteDirty
	}
	if prot&ProtExec == 0 {
		bits |= pteNX
	}
	return bits
}

const pteAccessBits = ptePresent | pteWrite | pteUser | pteAccessed | pteDirty | pteNX
