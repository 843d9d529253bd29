package mm

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
)

const (
	// UserEnd is the end of the program's half: Linux's TASK_SIZE, one page
	// below the canonical border.
	UserEnd engine.GVA = 0x7ffffffff000
	// minAddr is vm.mmap_min_addr: null pointers stay invalid.
	minAddr engine.GVA = 0x10000
	// maxVMAs is vm.max_map_count.
	maxVMAs = 65530
	// eager is up to which size a new mapping gets its page-table entries at
	// once; beyond, a fault fills in the window around it.
	eager = 1 << 20
	// window is how much a fault fills in: entries are cheap, exits are not.
	// In anonymous memory it grows where memory is filled one after the other,
	// up to what can be one page of the host's.
	anonWindow = 128 << 10
	fileWindow = 32 << 20
	// A stack is mostly unused, and must not get a huge page.
	stackWindow = 256 << 10
)

// AddressSpace is what one process sees: VMAs, the page table the processors
// walk, and the debugger's breakpoints in it. Safe for concurrent use.
type AddressSpace struct {
	mem *Memory

	mu    sync.RWMutex
	table pageTable
	vmas  vmaSet
	base  engine.GVA // mappings without a hint go below

	gone bool // closed: the table is no longer its own

	brkStart, brk engine.GVA
	stackLimit    uint64

	breakpoints map[engine.GVA]*breakpoint
	guards      guardSet
	blocks      map[engine.GVA]block // by the address of their 2 MiB
}

// NewAddressSpace returns an empty address space; mappings go top-down from base.
func NewAddressSpace(mem *Memory, base engine.GVA) (*AddressSpace, error) {
	table, err := newPageTable(mem)
	if err != nil {
		return nil, fmt.Errorf("page table: %w", err)
	}
	return &AddressSpace{mem: mem, table: table, base: base, stackLimit: math.MaxUint64}, nil
}

// Root is the guest-physical address of the page table, for CR3.
func (as *AddressSpace) Root() engine.GPA { return as.table.root }

// Memory returns the guest-physical memory behind the space.
func (as *AddressSpace) Memory() *Memory { return as.mem }

// MapShim maps one page of the engine's at a, above UserEnd, read-only and
// executable for the supervisor, or for the program too.
func (as *AddressSpace) MapShim(a engine.GVA, page engine.GPA, program bool) error {
	as.mu.Lock()
	defer as.mu.Unlock()
	p, err := as.table.make(a)
	if err != nil {
		return err
	}
	e := uint64(page) | ptePresent | pteAccessed
	if program {
		e |= pteUser
	}
	storeEntry(p, e)
	return nil
}

// MapRequest is the argument of Map.
type MapRequest struct {
	Addr      engine.GVA // a hint, or the place when Fixed
	Length    uint64     // bytes
	Prot      Prot
	Shared    bool
	Fixed     bool // replace what is there
	NoReplace bool // with Fixed: refuse if something is there
	Low       bool // below 2 GiB (MAP_32BIT)
	AllowNull bool // also below vm.mmap_min_addr
	Populate  bool
	File      *File // nil: anonymous; Map takes a reference of its own
	Offset    uint64
	Name      string
}

// Map adds a mapping, as mmap(2), and returns where it is.
func (as *AddressSpace) Map(r MapRequest) (engine.GVA, linux.Errno) {
	if r.Length == 0 || r.Offset%pageSize != 0 {
		return 0, linux.EINVAL
	}
	length := (r.Length + pageSize - 1) &^ (pageSize - 1)
	if length < r.Length || length > uint64(UserEnd) {
		return 0, linux.ENOMEM
	}
	if r.File != nil && r.Offset+length < length {
		return 0, linux.EOVERFLOW
	}
	if r.File != nil && r.Shared && r.Prot&ProtWrite != 0 && !r.File.writable {
		return 0, linux.EACCES
	}
	if r.File == nil && r.Shared {
		file, err := newSharedMemory(length)
		if err != nil {
			return 0, linux.FromHost(err)
		}
		defer file.Close()
		r.File = file
	}
	as.mu.Lock()
	defer as.mu.Unlock()
	start, errno := as.place(r, length)
	if errno != 0 {
		return 0, errno
	}
	if len(as.vmas) >= maxVMAs {
		return 0, linux.ENOMEM
	}
	end := start + engine.GVA(length)
	if r.Fixed {
		as.unmapLocked(start, end)
	}
	v := &VMA{Start: start, End: end, Prot: r.Prot, Shared: r.Shared, File: r.File.hold(), Offset: r.Offset, Name: r.Name}
	as.vmas.insert(v)
	if r.Prot == 0 {
		return start, 0
	}
	if length > eager && !r.Populate {
		if r.File == nil {
			return start, 0
		}
		end = start + eager
	}
	err := as.populate(as.vmas.find(start), start, end)
	if err != nil && r.File != nil && !errors.Is(err, ErrNoMemory) {
		as.unmapLocked(start, start+engine.GVA(length))
		return 0, linux.FromHost(err)
	}
	// Any other failure is found again, and reported, at the first access.
	return start, 0
}

func (as *AddressSpace) place(r MapRequest, length uint64) (engine.GVA, linux.Errno) {
	if r.Fixed {
		end := r.Addr + engine.GVA(length)
		switch {
		case r.Addr%pageSize != 0:
			return 0, linux.EINVAL
		case end > UserEnd || end < r.Addr:
			return 0, linux.ENOMEM
		case r.Addr < minAddr && !r.AllowNull:
			return 0, linux.EPERM
		case r.NoReplace && !as.isFree(r.Addr, end):
			return 0, linux.EEXIST
		}
		return r.Addr, 0
	}
	if hint := r.Addr.PageDown(); hint >= minAddr {
		if end := hint + engine.GVA(length); end > hint && end <= UserEnd && as.isFree(hint, end) {
			return hint, 0
		}
	}
	top := as.base
	if r.Low {
		top = 1 << 31
	}
	if a, ok := as.gapBelow(top, length); ok {
		return a, 0
	}
	if a, ok := as.gapBelow(UserEnd, length); ok && !r.Low {
		return a, 0
	}
	return 0, linux.ENOMEM
}

func (as *AddressSpace) isFree(start, end engine.GVA) bool {
	i := as.vmas.from(start)
	return i == len(as.vmas) || as.vmas[i].Start >= end
}

// gapBelow returns the highest free range of length bytes that ends at or below top.
func (as *AddressSpace) gapBelow(top engine.GVA, length uint64) (engine.GVA, bool) {
	n := engine.GVA(length)
	for i := as.vmas.from(top - 1); ; i-- {
		if i < len(as.vmas) {
			top = min(top, as.vmas[i].Start)
		}
		floor := minAddr
		if i > 0 {
			floor = max(floor, as.vmas[i-1].End)
		}
		if top >= floor && top-floor >= n {
			return top - n, true
		}
		if i <= 0 {
			return 0, false
		}
	}
}

// Unmap removes [a, a+length), as munmap(2).
func (as *AddressSpace) Unmap(a engine.GVA, length uint64) linux.Errno {
	start, end, errno := pageRange(a, length)
	if errno != 0 {
		return linux.EINVAL
	}
	as.mu.Lock()
	defer as.mu.Unlock()
	if len(as.vmas)+1 >= maxVMAs {
		return linux.ENOMEM
	}
	as.unmapLocked(start, end)
	return 0
}

// pageRange checks a page-aligned address and a length and rounds the latter up.
func pageRange(a engine.GVA, length uint64) (start, end engine.GVA, errno linux.Errno) {
	if a%pageSize != 0 {
		return 0, 0, linux.EINVAL
	}
	end, ok := (a + engine.GVA(length)).PageUp()
	if length == 0 || end < a || !ok || end > UserEnd || length > uint64(UserEnd) {
		return 0, 0, linux.ENOMEM
	}
	return a, end, 0
}

func (as *AddressSpace) unmapLocked(start, end engine.GVA) {
	pieces := as.vmas.cut(start, end)
	if len(pieces) == 0 {
		return
	}
	as.dropPages(start, end)
	for _, v := range pieces {
		v.File.Close()
	}
}

// dropPages takes the pages of [start, end) out of the table and frees them.
// The entries go first; freeing drops the contents, which makes every CPU
// forget its translations.
func (as *AddressSpace) dropPages(start, end engine.GVA) {
	as.forgetBreakpoints(start, end)
	var runs []run
	as.each(start, end, func(a engine.GVA, p *uint64, size uint64) {
		e := loadEntry(p)
		storeEntry(p, 0)
		runs = addRun(runs, a, e, size)
	})
	as.free(runs...)
}

// free gives memory back.
func (as *AddressSpace) free(runs ...run) {
	if err := as.giveBack(runs); err != nil {
		// The host refuses only what was never mapped, which Alloc excludes.
		panic("mm: " + err.Error())
	}
}

// run is a contiguous range of guest-physical memory.
type run struct {
	gpa   engine.GPA
	size  uint64
	file  bool
	block bool // of 2 MiB pages
}

// addRun adds what the entry e maps at a.
func addRun(runs []run, a engine.GVA, e, size uint64) []run {
	r := run{pteGPA(e), size, e&pteFile != 0, e&pteLarge != 0}
	if r.block {
		r.gpa += engine.GPA(a - slotOf(a))
	}
	if n := len(runs); n > 0 {
		last := &runs[n-1]
		if last.gpa+engine.GPA(last.size) == r.gpa && last.file == r.file && last.block == r.block {
			last.size += size
			return runs
		}
	}
	return append(runs, r)
}

// Protect changes the protection of [a, a+length), as mprotect(2).
func (as *AddressSpace) Protect(a engine.GVA, length uint64, prot Prot) linux.Errno {
	if length == 0 && a%pageSize == 0 {
		return 0
	}
	start, end, errno := pageRange(a, length)
	if errno != 0 {
		return errno
	}
	as.mu.Lock()
	defer as.mu.Unlock()
	// Linux changes what comes before the first hole, then reports it.
	if stop := as.vmas.covered(start, end); stop < end {
		end, errno = stop, linux.ENOMEM
	}
	if end == start {
		return errno
	}
	if len(as.vmas)+2 >= maxVMAs {
		return linux.ENOMEM
	}
	as.vmas.split(start)
	as.vmas.split(end)
	i := as.vmas.from(start)
	j := i
	for ; j < len(as.vmas) && as.vmas[j].Start < end; j++ {
		v := as.vmas[j]
		if v.Shared && v.File != nil && prot&ProtWrite != 0 && !v.File.writable {
			errno = linux.EACCES
			break
		}
		v.Prot = prot
		as.applyProt(v, v.Start, v.End)
		if prot != 0 && v.Len() <= eager {
			_ = as.populate(v, v.Start, v.End)
		}
	}
	as.vmas.merge(i, j)
	return errno
}

// applyProt brings the entries of a range in line with its VMA and makes the
// CPUs forget what they may no longer do.
func (as *AddressSpace) applyProt(v *VMA, start, end engine.GVA) {
	var reduced []run
	as.each(start, end, func(a engine.GVA, p *uint64, size uint64) {
		old := loadEntry(p)
		e := old&^pteAccessBits | as.rights(a, v, old)
		if e == old {
			return
		}
		storeEntry(p, e)
		if lessAccess(old, e) {
			reduced = addRun(reduced, a, e, size)
		}
	})
	as.shootdown(reduced, v)
}

func (as *AddressSpace) shootdown(runs []run, v *VMA) {
	writable := v.File == nil || !v.Shared || v.File.writable
	for _, r := range runs {
		if err := shootdown(as.mem.Bytes(r.gpa, r.size), writable || !r.file); err != nil {
			// Without it the program would keep access it gave up.
			panic("mm: shootdown: " + err.Error())
		}
	}
}

func lessAccess(old, e uint64) bool {
	return old&ptePresent != 0 && (e&ptePresent == 0 || old&pteWrite > e&pteWrite || old&pteNX < e&pteNX)
}

// populate gives pages to those addresses of [start, end), a part of v, that
// have none.
func (as *AddressSpace) populate(v *VMA, start, end engine.GVA) error {
	if v.File != nil {
		size := v.File.size()
		if v.Offset >= size {
			return nil
		}
		end = min(end, v.Start+engine.GVA(size-v.Offset))
	}
	for a := start; a < end; {
		if as.table.owned(a) {
			a += pageSize
			continue
		}
		last := end
		if v.File == nil {
			last = min(end, slotOf(a)+hugeSize)
		}
		stop := a + pageSize
		for stop < last && !as.table.owned(stop) {
			stop += pageSize
		}
		if err := as.fill(v, a, stop); err != nil {
			return err
		}
		a = stop
	}
	return nil
}

// fill gives [start, end), where nothing is, one run of pages.
func (as *AddressSpace) fill(v *VMA, start, end engine.GVA) error {
	size := uint64(end - start)
	if size == hugeSize && start == slotOf(start) && as.fillHuge(v, start) {
		return nil
	}
	as.ordinary(start, end, true)
	if err := as.table.makeRange(start, end); err != nil {
		return err
	}
	gpa, err := as.alloc(size)
	if err != nil {
		if size == pageSize || !errors.Is(err, ErrNoMemory) {
			return err
		}
		half := engine.GVA(size/2) &^ (pageSize - 1)
		if err := as.fill(v, start, start+half); err != nil {
			return err
		}
		return as.fill(v, start+half, end)
	}
	bits := uint64(pteOwned)
	if v.File != nil {
		if err := as.mem.mapFile(gpa, size, v.File, v.offsetOf(start), v.Shared); err != nil {
			// A failed mmap may have taken away what was there before.
			return errors.Join(err, as.mem.Free(gpa, size, true))
		}
		bits |= pteFile
	}
	for a := start; a < end; a += pageSize {
		storeEntry(as.table.find(a), uint64(gpa)+uint64(a-start)|bits|as.rights(a, v, bits))
	}
	as.restoreBreakpoints(start, end)
	return nil
}

// VMAs returns a copy of the list, for /proc/PID/maps and debuggers.
func (as *AddressSpace) VMAs() []VMA {
	as.mu.RLock()
	defer as.mu.RUnlock()
	out := make([]VMA, len(as.vmas))
	for i, v := range as.vmas {
		out[i] = *v
	}
	return out
}

// Advise is madvise(2). What is only a hint succeeds without effect.
func (as *AddressSpace) Advise(a engine.GVA, length uint64, advice int) linux.Errno {
	if length == 0 && a%pageSize == 0 {
		return 0
	}
	if a%pageSize != 0 || a+engine.GVA(length) < a {
		return linux.EINVAL
	}
	start, end, errno := pageRange(a, length)
	switch advice {
	case unix.MADV_DONTNEED, unix.MADV_FREE, unix.MADV_REMOVE:
	case unix.MADV_NORMAL, unix.MADV_RANDOM, unix.MADV_SEQUENTIAL, unix.MADV_WILLNEED, unix.MADV_HUGEPAGE,
		unix.MADV_NOHUGEPAGE, unix.MADV_DONTDUMP, unix.MADV_DODUMP, unix.MADV_MERGEABLE, unix.MADV_UNMERGEABLE,
		unix.MADV_COLD, unix.MADV_PAGEOUT, unix.MADV_POPULATE_READ, unix.MADV_POPULATE_WRITE, unix.MADV_COLLAPSE,
		unix.MADV_DONTFORK, unix.MADV_DOFORK, unix.MADV_WIPEONFORK, unix.MADV_KEEPONFORK:
	default:
		return linux.EINVAL
	}
	if errno != 0 {
		return errno
	}
	as.mu.Lock()
	defer as.mu.Unlock()
	if as.vmas.covered(start, end) < end {
		errno = linux.ENOMEM
	}
	if advice == unix.MADV_FREE {
		for i := as.vmas.from(start); i < len(as.vmas) && as.vmas[i].Start < end; i++ {
			if as.vmas[i].Shared || as.vmas[i].File != nil {
				return linux.EINVAL
			}
		}
	}
	if advice != unix.MADV_DONTNEED && advice != unix.MADV_REMOVE {
		return errno // MADV_FREE may keep the contents as long as it likes
	}
	for i := as.vmas.from(start); i < len(as.vmas) && as.vmas[i].Start < end; i++ {
		v := as.vmas[i]
		drop := as.discardPages
		if advice == unix.MADV_REMOVE {
			drop = as.removePages
		}
		if err := drop(v, max(start, v.Start), min(end, v.End)); err != nil {
			return linux.FromHost(err)
		}
	}
	return errno
}

// removePages is MADV_REMOVE: contents that are shared become zeroes for all.
func (as *AddressSpace) removePages(v *VMA, start, end engine.GVA) error {
	switch {
	case !v.Shared || v.Prot&ProtWrite == 0:
		return linux.EINVAL
	case v.File == nil:
		return as.discardRange(start, end)
	}
	return unix.Fallocate(v.File.fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, int64(v.offsetOf(start)), int64(end-start))
}

// discardPages drops contents but keeps pages: zeroes come back, or the file.
// Only mappings of devices refuse.
func (as *AddressSpace) discardPages(v *VMA, start, end engine.GVA) error {
	if v.Shared {
		return nil // the contents are the file's or shared with others
	}
	return as.discardRange(start, end)
}

func (as *AddressSpace) discardRange(start, end engine.GVA) error {
	var own, shared []run
	as.table.each(start, end, func(a engine.GVA, p *uint64, size uint64) {
		if e := loadEntry(p); e&pteCopy == 0 || as.mem.alone(pteGPA(e)) {
			own = addRun(own, a, e, size)
		} else {
			storeEntry(p, 0)
			shared = addRun(shared, a, e, size)
		}
	})
	for _, r := range own {
		if err := discard(as.mem.Bytes(r.gpa, r.size)); err != nil {
			return err
		}
	}
	if err := as.giveBack(shared); err != nil {
		return err
	}
	as.restoreBreakpoints(start, end)
	return nil
}

// Mapped returns ENOMEM if the range has a hole, as msync and mlock do.
func (as *AddressSpace) Mapped(a engine.GVA, length uint64) linux.Errno {
	if length == 0 {
		return 0
	}
	start, end, errno := pageRange(a, length)
	if errno != 0 {
		return errno
	}
	as.mu.RLock()
	defer as.mu.RUnlock()
	if as.vmas.covered(start, end) < end {
		return linux.ENOMEM
	}
	return 0
}
