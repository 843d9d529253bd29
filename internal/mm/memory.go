// Package mm is the program's memory: guest-physical memory, page tables,
// address spaces made of VMAs, and the one copy layer between the VMM and
// the guest. Protection lives in the guest's page tables, so that a bad
// access is a page fault of the guest and never a fault of the VMM.
//
// It may import engine and linux, and must not import the kernel, system
// calls or any engine implementation.
//
// Lock order: AddressSpace.mu, then Memory.mu.
package mm

import (
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
)

// ErrNoMemory says that guest memory is used up.
var ErrNoMemory = errors.New("guest memory is used up")

const (
	pageSize  = engine.PageSize
	pageShift = engine.PageShift
	hugeSize  = 2 << 20

	firstSlot = 16 << 20
	maxSlot   = 1 << 30

	// The range below 4 GiB that firmware and interrupt controllers use on
	// PCs, and where KVM keeps its TSS pages on older Intel processors.
	holeStart = 0xfe000000
	holeEnd   = 1 << 32
)

// TSSAddr is a guest-physical address that never holds memory, for
// KVM_SET_TSS_ADDR.
const TSSAddr engine.GPA = 0xfffbd000

// SlotFunc tells the engine of a new range of guest-physical memory.
type SlotFunc func(slot int, gpa engine.GPA, mem []byte) error

// Memory is guest-physical memory. It is reserved at once and given to the
// engine piece by piece as it is used, since a memslot costs the kernel
// bookkeeping in proportion to its size. A GPA is an offset into one host
// mapping, so the translation to a host address is an addition.
type Memory struct {
	mu      sync.Mutex
	mapping []byte // the host mapping that host is in
	host    []byte // reservation of the whole guest-physical space
	limit   uint64 // bytes of memory the guest may use at most
	end     uint64 // guest-physical end of the slots
	next    uint64 // never given out from here to end
	inUse   uint64
	slots   int
	onAdd   SlotFunc
	// onForget makes the engine forget what it made of page tables; nil: it
	// makes nothing of them.
	onForget func() error
	free     extents // neighbours joined

	files extents // under each a file is mapped
	huge  extents // for each the host was asked for huge pages

	refs    refs
	retired []engine.GPA // page-table pages that the engine may still know
}

// Linux lets a process have vm.max_map_count mappings, 65530 by default. Each
// of files and huge is one of the VMM's and splits the one around it. If the
// program could use them all up, Go's heap could not grow and the VMM would
// die: some stay reserved.
const maxHostMaps = 65530 - 8192

// maySplit reports whether the host has room for another mapping in the middle
// of one; the caller holds mu.
func (m *Memory) maySplit() bool { return 2*(len(m.files)+len(m.huge)+m.slots+1) <= maxHostMaps }

// NewMemory reserves guest-physical memory of at most limit bytes. add is
// called for each slot, the first of them before NewMemory returns.
func NewMemory(limit uint64, add SlotFunc) (*Memory, error) {
	limit = (limit + pageSize - 1) &^ (pageSize - 1)
	if limit < firstSlot {
		limit = firstSlot
	}
	// Twice the limit leaves room for alignment and the hole below 4 GiB.
	mapping, err := reserve(2*limit + (holeEnd - holeStart) + maxSlot + hugeSize)
	if err != nil {
		return nil, fmt.Errorf("reserve %d MiB of address space for guest memory: %w", limit>>20, err)
	}
	// For huge pages guest-physical and host addresses must be aligned alike.
	host := mapping[-addr(mapping)%hugeSize:]
	m := &Memory{mapping: mapping, host: host, limit: limit, onAdd: add}
	if err := m.addSlot(firstSlot); err != nil {
		release(mapping)
		return nil, err
	}
	return m, nil
}

// Close unmaps guest memory. Nothing may use it afterwards.
func (m *Memory) Close() error { return release(m.mapping) }

// OnForget sets what makes the engine forget what it has made of page tables.
func (m *Memory) OnForget(f func() error) { m.onForget = f }

func (m *Memory) forget() {
	if m.onForget == nil {
		return
	}
	if err := m.onForget(); err != nil {
		// Without it the program could reach memory that is not its own.
		panic("mm: " + err.Error())
	}
}

// InUse returns the bytes of guest-physical memory given out.
func (m *Memory) InUse() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.inUse
}

// Limit returns the most bytes of memory the guest may use.
func (m *Memory) Limit() uint64 { return m.limit }

// Bytes returns the host's view of guest-physical memory. The caller got the
// range from Alloc.
func (m *Memory) Bytes(gpa engine.GPA, n uint64) []byte {
	return m.host[gpa : uint64(gpa)+n : uint64(gpa)+n]
}

// Peek returns the byte at a in the address space whose page table is at root.
func (m *Memory) Peek(root engine.GPA, a engine.GVA) (b byte, ok bool) {
	if a >= UserEnd {
		return 0, false
	}
	e := pageTable{m, root}.lookup(a)
	if e&ptePresent == 0 {
		return 0, false
	}
	mem := m.Bytes(pteGPA(e)+engine.GPA(uint64(a)%pageSize), 1)
	ok = guarded(func() { b = mem[0] })
	return b, ok
}

func (m *Memory) addSlot(atLeast uint64) error {
	size := max(min(m.end, maxSlot), firstSlot)
	for size < atLeast {
		size *= 2
	}
	start, skip := m.end, false
	if start < holeEnd && start+size > holeStart {
		if left := uint64(holeStart) - min(start, holeStart); left >= atLeast && left > 0 {
			size = left
		} else {
			start, skip = holeEnd, true
		}
	}
	if start+atLeast > uint64(len(m.host)) {
		return ErrNoMemory
	}
	size = min(size, uint64(len(m.host))-start)
	mem := m.host[start : start+size : start+size]
	if err := commit(mem); err != nil {
		return fmt.Errorf("map %d MiB of guest memory: %w", size>>20, err)
	}
	if err := m.onAdd(m.slots, engine.GPA(start), mem); err != nil {
		return err
	}
	if skip {
		m.free.join(m.next, m.end-m.next)
		m.next = start
	}
	m.slots++
	m.end = start + size
	return nil
}

// Alloc gives out size bytes (a multiple of the page size) of contiguous,
// zeroed guest-physical memory. Sizes of 2 MiB and more are aligned to that,
// so that the host may use huge pages.
func (m *Memory) Alloc(size uint64) (engine.GPA, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if size == 0 || m.inUse+size > m.limit || m.inUse+size < size {
		return 0, ErrNoMemory
	}
	align := uint64(pageSize)
	if size >= hugeSize {
		align = hugeSize
	}
	start, ok := m.takeFree(size, align)
	if !ok {
		start = (m.next + align - 1) &^ (align - 1)
		if start+size > m.end {
			if err := m.addSlot(size + align); err != nil {
				return 0, err
			}
			start = (m.next + align - 1) &^ (align - 1)
		}
		m.free.join(m.next, start-m.next)
		m.next = start + size
	}
	m.inUse += size
	if size >= hugeSize && m.maySplit() {
		adviseHuge(m.host[start : start+size])
		m.huge.remove(start, size)
		m.huge.join(start, size)
	}
	return engine.GPA(start), nil
}

func (m *Memory) takeFree(size, align uint64) (uint64, bool) {
	for _, e := range m.free {
		if start := (e.start + align - 1) &^ (align - 1); start+size <= e.end() {
			m.free.remove(start, size)
			return start, true
		}
	}
	return 0, false
}

// free1 drops the contents of a range that nobody holds and takes it back.
func (m *Memory) free1(r run) error {
	mem := m.host[r.gpa : uint64(r.gpa)+r.size]
	if r.file {
		lost, err := m.removeFile(r.gpa, mem)
		if lost || err != nil {
			return err
		}
	} else if err := discard(mem); err != nil {
		return fmt.Errorf("drop guest memory: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inUse -= r.size
	m.free.join(uint64(r.gpa), r.size)
	return nil
}

// park drops the contents of a range that stays with who has it, and does not
// count until unpark.
func (m *Memory) park(gpa engine.GPA, size uint64) error {
	if err := discard(m.Bytes(gpa, size)); err != nil {
		return fmt.Errorf("drop guest memory: %w", err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.inUse -= size
	return nil
}

// unpark takes a parked range into use again, if the limit allows it.
func (m *Memory) unpark(size uint64) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.inUse+size > m.limit {
		return false
	}
	m.inUse += size
	return true
}

// freeParked takes a parked range back.
func (m *Memory) freeParked(gpa engine.GPA, size uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.free.join(uint64(gpa), size)
}

// mapFile puts a file under a range that Alloc gave out.
func (m *Memory) mapFile(gpa engine.GPA, size uint64, f *File, offset uint64, shared bool) error {
	m.mu.Lock()
	room := m.maySplit()
	if room {
		m.files.insert(uint64(gpa), size)
	}
	m.mu.Unlock()
	if !room {
		return fmt.Errorf("map %s: too many mapped files: %w", f.Path, unix.ENOMEM)
	}
	if err := mapFile(m.Bytes(gpa, size), f.fd, offset, shared, f.writable); err != nil {
		return fmt.Errorf("map %s: %w", f.Path, err)
	}
	return nil
}

// removeFile puts fresh memory in the place of a file. If the host has no room
// for that, only the translations go, and the range is lost: the file stays
// where it is, and nobody gets it again.
func (m *Memory) removeFile(gpa engine.GPA, mem []byte) (lost bool, err error) {
	start, size := uint64(gpa), uint64(len(mem))
	m.mu.Lock()
	lost = m.files.splits(start, size) && !m.maySplit()
	if !lost {
		m.files.remove(start, size)
	}
	m.mu.Unlock()
	if lost {
		err = discard(mem)
	} else {
		err = commit(mem)
	}
	if err != nil {
		return lost, fmt.Errorf("drop guest memory: %w", err)
	}
	return lost, nil
}
