package mm

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"torov/internal/engine"
)

// slots records what Memory tells the engine.
type slots struct {
	list []extent
	fail error // of the next one
}

func (s *slots) add(slot int, gpa engine.GPA, mem []byte) error {
	if s.fail != nil {
		return s.fail
	}
	if slot != len(s.list) {
		return fmt.Errorf("slot %d after %d", slot, len(s.list))
	}
	s.list = append(s.list, extent{uint64(gpa), uint64(len(mem))})
	return nil
}

// check looks for slots that overlap, lie in the hole or are not aligned.
func (s *slots) check(t *testing.T) {
	t.Helper()
	end := uint64(0)
	for _, e := range s.list {
		if e.start < end || e.start%pageSize != 0 || e.size == 0 || e.size%pageSize != 0 {
			t.Errorf("slot %#x+%#x after %#x", e.start, e.size, end)
		}
		if end = e.start + e.size; e.start < holeEnd && end > holeStart {
			t.Errorf("slot %#x+%#x lies in the hole", e.start, e.size)
		}
	}
}

func (s *slots) contains(start, size uint64) bool {
	for start < start+size {
		i := slices.IndexFunc(s.list, func(e extent) bool { return start >= e.start && start < e.start+e.size })
		if i < 0 {
			return false
		}
		n := min(size, s.list[i].start+s.list[i].size-start)
		start, size = start+n, size-n
	}
	return true
}

func newMemory(t testing.TB, limit uint64) (*Memory, *slots) {
	t.Helper()
	s := &slots{}
	m, err := NewMemory(limit, s.add)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, s
}

// checkFree looks at the free list: sorted, apart, below next.
func checkFree(t testing.TB, m *Memory) {
	t.Helper()
	end := uint64(0)
	for i, e := range m.free {
		if e.size == 0 || i > 0 && e.start <= end || e.start+e.size > m.end {
			t.Fatalf("free list %x, end of memory %#x", m.free, m.end)
		}
		end = e.start + e.size
	}
	if len(m.free) > 0 && end > m.next {
		t.Fatalf("free up to %#x, but only up to %#x was ever given out", end, m.next)
	}
	if m.next > m.end {
		t.Fatalf("next %#x beyond end %#x", m.next, m.end)
	}
}

func TestAllocAlignsAndZeroes(t *testing.T) {
	m, s := newMemory(t, 64<<20)
	small, err := m.Alloc(pageSize)
	if err != nil {
		t.Fatal(err)
	}
	huge, err := m.Alloc(2 * hugeSize)
	if err != nil || huge%hugeSize != 0 {
		t.Fatalf("2 huge pages at %#x, %v", huge, err)
	}
	// What alignment skipped is not lost.
	next, err := m.Alloc(3 * pageSize)
	if err != nil || next != small+pageSize {
		t.Fatalf("3 pages at %#x, want behind %#x, %v", next, small, err)
	}
	for i := range m.Bytes(next, 3*pageSize) {
		m.Bytes(next, 3*pageSize)[i] = 0xff
	}
	if err := m.Free(next, 3*pageSize, false); err != nil {
		t.Fatal(err)
	}
	again, err := m.Alloc(3 * pageSize)
	if err != nil || again != next {
		t.Fatalf("3 pages at %#x, want %#x again, %v", again, next, err)
	}
	for i, b := range m.Bytes(again, 3*pageSize) {
		if b != 0 {
			t.Fatalf("byte %d of fresh memory is %#x", i, b)
		}
	}
	if m.InUse() != 2*hugeSize+4*pageSize {
		t.Fatalf("in use %d", m.InUse())
	}
	s.check(t)
	checkFree(t, m)
}

func TestAllocLimit(t *testing.T) {
	m, _ := newMemory(t, firstSlot)
	if m.Limit() != firstSlot {
		t.Fatalf("limit %d", m.Limit())
	}
	for _, size := range []uint64{0, firstSlot + pageSize, 1 << 63, ^uint64(pageSize - 1)} {
		if _, err := m.Alloc(size); !errors.Is(err, ErrNoMemory) {
			t.Errorf("%#x bytes: %v", size, err)
		}
	}
	var got []engine.GPA
	for {
		a, err := m.Alloc(64 << 10)
		if err != nil {
			if !errors.Is(err, ErrNoMemory) {
				t.Fatal(err)
			}
			break
		}
		got = append(got, a)
	}
	if len(got) != firstSlot/(64<<10) || m.InUse() != firstSlot {
		t.Fatalf("%d pieces, %d bytes in use", len(got), m.InUse())
	}
	for _, a := range got {
		if err := m.Free(a, 64<<10, false); err != nil {
			t.Fatal(err)
		}
	}
	if m.InUse() != 0 || len(m.free) != 1 {
		t.Fatalf("in use %d, free %x", m.InUse(), m.free)
	}
	// All of it in one piece, although it was given out in many.
	if _, err := m.Alloc(firstSlot); err != nil {
		t.Fatal(err)
	}
}

// Memory grows around the hole below 4 GiB, with few slots.
func TestAllocAroundHole(t *testing.T) {
	const limit = 8 << 30
	for _, piece := range []uint64{hugeSize, 48 << 20, 1 << 30, 3 << 30} {
		m, s := newMemory(t, limit)
		total := uint64(0)
		for m.InUse()+piece <= limit {
			a, err := m.Alloc(piece)
			if err != nil {
				t.Fatalf("pieces of %d MiB: %v after %d MiB", piece>>20, err, total>>20)
			}
			if !s.contains(uint64(a), piece) {
				t.Fatalf("pieces of %d MiB: %#x has no slot in %x", piece>>20, a, s.list)
			}
			total += piece
		}
		s.check(t)
		checkFree(t, m)
		if len(s.list) > 20 {
			t.Errorf("pieces of %d MiB: %d slots", piece>>20, len(s.list))
		}
	}
}

// An allocation that cannot be met leaves the allocator as it was.
func TestAllocFailureChangesNothing(t *testing.T) {
	const limit = 3 << 30
	m, s := newMemory(t, limit)
	// Use the space up to just below the hole, then free it in fragments.
	var pieces []engine.GPA
	for m.end < 3<<30 {
		a, err := m.Alloc(32 << 20)
		if err != nil {
			t.Fatal(err)
		}
		pieces = append(pieces, a)
	}
	for i, a := range pieces {
		if i%8 != 0 {
			if err := m.Free(a, 32<<20, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	for range 3 {
		before := m.InUse()
		if a, err := m.Alloc(limit - m.InUse()); err == nil {
			if !s.contains(uint64(a), limit-before) {
				t.Fatalf("%#x has no slot", a)
			}
			if err := m.Free(a, limit-before, false); err != nil {
				t.Fatal(err)
			}
		} else if m.InUse() != before {
			t.Fatalf("in use %d after a failure, %d before", m.InUse(), before)
		}
		checkFree(t, m)
	}
	s.check(t)
	for range 64 {
		a, err := m.Alloc(hugeSize)
		if err != nil || !s.contains(uint64(a), hugeSize) {
			t.Fatalf("2 MiB at %#x, %v", a, err)
		}
	}
	checkFree(t, m)
}

// The engine may refuse a slot (KVM_CAP_NR_MEMSLOTS): that is an error, and
// what there is can be used further.
func TestAllocSlotRefused(t *testing.T) {
	m, s := newMemory(t, 256<<20)
	s.fail = errors.New("no more slots")
	for range 3 {
		if _, err := m.Alloc(64 << 20); !errors.Is(err, s.fail) {
			t.Fatalf("error %v", err)
		}
		checkFree(t, m)
	}
	if _, err := m.Alloc(4 << 20); err != nil {
		t.Fatal(err)
	}
	s.fail = nil
	a, err := m.Alloc(64 << 20)
	if err != nil || !s.contains(uint64(a), 64<<20) {
		t.Fatalf("64 MiB at %#x, %v", a, err)
	}
	s.check(t)
}

// Random allocations and frees against a list of what is out.
func TestAllocRandom(t *testing.T) {
	for seed := range uint64(4) {
		r := rand.New(rand.NewPCG(seed, 1))
		m, s := newMemory(t, 128<<20)
		var out []extent
		inUse := uint64(0)
		for range 600 {
			if r.IntN(5) < 3 {
				size := uint64(1+r.IntN(64)) * pageSize
				if r.IntN(10) == 0 {
					size = uint64(1+r.IntN(3)) * hugeSize
				}
				a, err := m.Alloc(size)
				if err != nil {
					if inUse+size <= m.limit/2 {
						t.Fatalf("seed %d: %v with %d of %d in use", seed, err, inUse, m.limit)
					}
					continue
				}
				if size >= hugeSize && a%hugeSize != 0 || !s.contains(uint64(a), size) {
					t.Fatalf("seed %d: %#x+%#x", seed, a, size)
				}
				for _, e := range out {
					if uint64(a) < e.start+e.size && e.start < uint64(a)+size {
						t.Fatalf("seed %d: %#x+%#x overlaps %#x+%#x", seed, a, size, e.start, e.size)
					}
				}
				mem := m.Bytes(a, size)
				if mem[0]|mem[size-1] != 0 {
					t.Fatalf("seed %d: old contents at %#x", seed, a)
				}
				mem[0], mem[size-1] = 1, 1
				out, inUse = append(out, extent{uint64(a), size}), inUse+size
			} else if len(out) > 0 {
				i := r.IntN(len(out))
				e := out[i]
				if err := m.Free(engine.GPA(e.start), e.size, r.IntN(2) == 0); err != nil {
					t.Fatal(err)
				}
				out, inUse = slices.Delete(out, i, i+1), inUse-e.size
			}
			if m.InUse() != inUse {
				t.Fatalf("seed %d: in use %d, want %d", seed, m.InUse(), inUse)
			}
			checkFree(t, m)
		}
		s.check(t)
	}
}
