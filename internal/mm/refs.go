package mm

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
)

// refs counts, beyond the first, the page-table entries that hold a page. It
// costs nothing before the first fork.
type refs struct {
	chunks map[uint64]*[refsChunk]uint32
}

const refsChunk = 1024 // pages

func (r *refs) of(gpa engine.GPA, make bool) *uint32 {
	page := uint64(gpa) >> pageShift
	c := r.chunks[page/refsChunk]
	if c == nil {
		if !make {
			return nil
		}
		if r.chunks == nil {
			r.chunks = map[uint64]*[refsChunk]uint32{}
		}
		c = new([refsChunk]uint32)
		r.chunks[page/refsChunk] = c
	}
	return &c[page%refsChunk]
}

// hold adds an entry to those that hold a page.
func (m *Memory) hold(gpa engine.GPA) {
	m.mu.Lock()
	defer m.mu.Unlock()
	*m.refs.of(gpa, true)++
}

// alone reports whether only one entry holds a page.
func (m *Memory) alone(gpa engine.GPA) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.refs.of(gpa, false)
	return n == nil || *n == 0
}

// unhold takes one entry away from each page of a run. It returns the pieces
// that nobody holds now, and those that others hold.
func (m *Memory) unhold(gpa engine.GPA, size uint64, wasFile bool) (gone, held []run) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.refs.chunks == nil {
		return []run{{gpa: gpa, size: size, file: wasFile}}, nil
	}
	for end := gpa + engine.GPA(size); gpa < end; gpa += pageSize {
		to := &gone
		if n := m.refs.of(gpa, false); n != nil && *n > 0 {
			*n--
			to = &held
		}
		if k := len(*to); k > 0 && (*to)[k-1].gpa+engine.GPA((*to)[k-1].size) == gpa {
			(*to)[k-1].size += pageSize
		} else {
			*to = append(*to, run{gpa: gpa, size: pageSize, file: wasFile})
		}
	}
	return gone, held
}

// Free takes a range back from one holder, and its contents if that was the
// last one. It makes the engine forget every translation to it on all CPUs:
// KVM follows what happens to the host mapping (mmu notifiers).
func (m *Memory) Free(gpa engine.GPA, size uint64, wasFile bool) error {
	gone, held := m.unhold(gpa, size, wasFile)
	for _, r := range held {
		err := shootdown(m.Bytes(r.gpa, r.size), true)
		if err == unix.EACCES { // a file that may only be read
			err = shootdown(m.Bytes(r.gpa, r.size), false)
		}
		if err != nil {
			return fmt.Errorf("shootdown: %w", err)
		}
	}
	return m.freeAll(gone)
}

// drop is Free for a holder whose translations nobody uses.
func (m *Memory) drop(gpa engine.GPA, size uint64, wasFile bool) error {
	gone, _ := m.unhold(gpa, size, wasFile)
	return m.freeAll(gone)
}

func (m *Memory) freeAll(runs []run) error {
	for _, r := range runs {
		if err := m.free1(r); err != nil {
			return err
		}
	}
	return nil
}

// retireBatch is how many page-table pages wait until the engine is made to
// forget them, which costs all CPUs some time.
const retireBatch = 1024

// retire takes back page-table pages. With shadow paging KVM keeps what it knows
// of them, so they are used again only after it has been made to forget.
func (m *Memory) retire(pages []engine.GPA) error {
	m.mu.Lock()
	m.retired = append(m.retired, pages...)
	if len(m.retired) < retireBatch {
		m.mu.Unlock()
		return nil
	}
	pages, m.retired = m.retired, nil
	m.mu.Unlock()
	m.forget()
	var errs []error
	for _, p := range pages {
		errs = append(errs, m.free1(run{gpa: p, size: pageSize}))
	}
	return errors.Join(errs...)
}
