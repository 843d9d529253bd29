package mm

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
)

// The model: what Linux promises about an address space, page by page, with
// nothing of how mm keeps it. Sequences of operations, from a random source or
// a fuzzer, run on both; after each the two must agree.

const (
	modelPages = 96 // of the arena in which the operations play
	modelHeap  = 64 // the page where the heap starts
	modelFile  = 12 // pages of each file
	modelEnd   = testAddr + modelPages*pageSize
)

// modelPage is one mapped page.
type modelPage struct {
	prot   Prot
	shared bool
	file   int // index, -1 for anonymous memory
	offset int // page of the file
	name   string
	own    []byte // contents that are the page's own; nil: zeroes, or the file's
	// detached: a debugger took the page out of a shared file.
	detached bool
}

type model struct {
	t     testing.TB
	as    *AddressSpace
	pages map[engine.GVA]*modelPage
	files [2][]byte // contents as every shared mapping sees them
	size  [2]int    // in pages, less than modelFile after a truncation
	brk   engine.GVA

	host  [2]*File
	paths [2]string
	bps   map[engine.GVA]bool
	in    []byte // what the operations are taken from
	log   []string
}

func newModel(t testing.TB, in []byte) *model {
	m := &model{t: t, as: newSpace(t, 64<<20), pages: map[engine.GVA]*modelPage{}, bps: map[engine.GVA]bool{}, in: in}
	m.as.base = modelEnd // mappings without a hint land in the arena too
	m.brk = testAddr + modelHeap*pageSize
	m.as.SetBrk(m.brk)
	for i := range m.host {
		m.host[i], m.paths[i] = tempFile(t, modelFile, unix.O_RDWR)
		data, err := os.ReadFile(m.paths[i])
		if err != nil {
			t.Fatal(err)
		}
		m.files[i], m.size[i] = data, modelFile
	}
	return m
}

func (m *model) fatalf(format string, args ...any) {
	m.t.Helper()
	last := strings.Join(m.log[max(0, len(m.log)-25):], "\n")
	m.t.Fatalf("the last operations:\n%s\n%s", last, fmt.Sprintf(format, args...))
}

// next takes a number below n from the input.
func (m *model) next(n int) int {
	if len(m.in) == 0 {
		return 0
	}
	b := m.in[0]
	m.in = m.in[1:]
	return int(b) % n
}

func (m *model) page() engine.GVA { return testAddr + engine.GVA(m.next(modelPages))*pageSize }

// byteAddr is an address anywhere, often near a page border.
func (m *model) byteAddr() engine.GVA {
	a := m.page()
	switch m.next(4) {
	case 0:
		return a
	case 1:
		return a + pageSize - 1
	}
	return a + engine.GVA(m.next(16)*256+m.next(256))
}

func (m *model) run(ops int) {
	for range ops {
		if len(m.in) == 0 {
			break
		}
		m.step()
		m.settle()
		m.compare(false)
	}
	m.compare(true)
	if errno := m.as.Unmap(minAddr, uint64(UserEnd-minAddr)); errno != 0 {
		m.fatalf("unmap everything: %v", errno)
	}
	checkSpace(m.t, m.as)
	if m.as.mem.InUse() != tablePages(m.as)*pageSize || len(m.as.vmas) != 0 {
		m.fatalf("%d bytes and %d VMAs left in the end", m.as.mem.InUse(), len(m.as.vmas))
	}
	for i, f := range m.host {
		if f.refs.Load() != 1 {
			m.fatalf("file %d has %d references left", i, f.refs.Load())
		}
	}
}

func (m *model) step() {
	ops := []func(){m.opMap, m.opMap, m.opUnmap, m.opProtect, m.opRemap, m.opRemap, m.opBrk, m.opAdvise, m.opWrite, m.opWrite,
		m.opRead, m.opGuest, m.opGuest, m.opDebugWrite, m.opBreakpoint, m.opBuffers, m.opTruncate, m.opBad}
	ops[m.next(len(ops))]()
}

func (m *model) note(format string, args ...any) { m.log = append(m.log, fmt.Sprintf(format, args...)) }

// expect compares an errno with the model's.
func (m *model) expect(got, want linux.Errno) {
	m.t.Helper()
	if got != want {
		m.fatalf("%s: %v, want %v", m.log[len(m.log)-1], got, want)
	}
}

// bytesOf is the page's contents; nil behind the end of its file.
func (m *model) bytesOf(p *modelPage) []byte {
	switch {
	case p.file >= 0 && p.offset >= m.size[p.file] && !p.detached:
		return nil // its own contents too: the page is gone with the file
	case p.own != nil:
		return p.own
	case p.file < 0:
		p.own = make([]byte, pageSize)
		return p.own
	}
	return m.files[p.file][p.offset*pageSize:][:pageSize]
}

// writable is the page's contents for a write, which makes private ones its own.
func (m *model) writable(p *modelPage) []byte {
	b := m.bytesOf(p)
	if b != nil && p.own == nil && !p.shared {
		p.own = bytes.Clone(b)
		return p.own
	}
	return b
}

// holes reports how far [a, end) is mapped without a hole.
func (m *model) covered(a, end engine.GVA) engine.GVA {
	for a < end && m.pages[a] != nil {
		a += pageSize
	}
	return a
}

func (m *model) drop(a, end engine.GVA) {
	for ; a < end; a += pageSize {
		delete(m.pages, a)
	}
}

func (m *model) opMap() {
	a, n := m.page(), 1+m.next(12)
	r := MapRequest{Addr: a, Length: uint64(n)*pageSize - uint64(m.next(2)), Prot: Prot(m.next(8)), Shared: m.next(2) == 0, Fixed: m.next(4) > 0, NoReplace: m.next(8) == 0}
	file, offset := m.next(4)-2, m.next(modelFile)
	if file >= 0 {
		r.File, r.Offset = m.host[file], uint64(offset)*pageSize
	} else {
		// Shared memory without a file is a file of its own; the fork tests have it.
		file, offset, r.Shared = -1, 0, false
	}
	m.note("map page %d, %d pages, file %d offset %d, %s shared %v fixed %v noreplace %v", (a-testAddr)/pageSize, n, file, offset, r.Prot, r.Shared, r.Fixed, r.NoReplace)
	end := a + engine.GVA(n)*pageSize
	free := true
	for b := a; b < end; b += pageSize {
		free = free && m.pages[b] == nil
	}
	got, errno := m.as.Map(r)
	if r.Fixed && r.NoReplace && !free {
		m.expect(errno, linux.EEXIST)
		return
	}
	m.expect(errno, 0)
	if (r.Fixed || free) && got != a {
		m.fatalf("%s: mapped at %#x", m.log[len(m.log)-1], got)
	}
	end = got + engine.GVA(n)*pageSize
	for b := got; b < end; b += pageSize {
		if !r.Fixed && m.pages[b] != nil {
			m.fatalf("%s: mapped over something at %#x", m.log[len(m.log)-1], b)
		}
		p := &modelPage{prot: r.Prot, shared: r.Shared, file: file}
		if file >= 0 {
			p.offset = offset + int((b-got)/pageSize)
		}
		m.pages[b] = p
	}
}

func (m *model) opUnmap() {
	a, n := m.page(), 1+m.next(16)
	m.note("unmap page %d, %d pages", (a-testAddr)/pageSize, n)
	m.expect(m.as.Unmap(a, uint64(n)*pageSize), 0)
	m.drop(a, a+engine.GVA(n)*pageSize)
}

func (m *model) opProtect() {
	a, n, prot := m.page(), 1+m.next(16), Prot(m.next(8))
	m.note("protect page %d, %d pages, %s", (a-testAddr)/pageSize, n, prot)
	end := a + engine.GVA(n)*pageSize
	stop := m.covered(a, end)
	want := linux.Errno(0)
	if stop < end {
		want = linux.ENOMEM
	}
	m.expect(m.as.Protect(a, uint64(n)*pageSize, prot), want)
	for ; a < stop; a += pageSize {
		m.pages[a].prot = prot
	}
}

// sameVMA reports whether [a, end) lies in one VMA.
func (m *model) sameVMA(a, end engine.GVA) bool {
	first := m.pages[a]
	if first == nil {
		return false
	}
	for b := a; b < end; b += pageSize {
		p := m.pages[b]
		if p == nil || p.prot != first.prot || p.shared != first.shared || p.file != first.file || p.name != first.name ||
			p.file >= 0 && p.offset != first.offset+int((b-a)/pageSize) {
			return false
		}
	}
	return true
}

func (m *model) opRemap() {
	old, oldN, newN := m.page(), m.next(8), 1+m.next(12)
	flags := []int{0, mayMove, fixed, dontUnmap}[m.next(4)]
	to := m.page()
	if flags == dontUnmap && m.next(4) > 0 {
		newN = max(oldN, 1)
	}
	m.note("remap page %d, %d pages to %d pages, flags %d, to page %d", (old-testAddr)/pageSize, oldN, newN, flags, (to-testAddr)/pageSize)
	oldEnd, n := old+engine.GVA(oldN)*pageSize, engine.GVA(newN)*pageSize
	got, errno := m.as.Remap(old, uint64(oldN)*pageSize, uint64(newN)*pageSize, flags, to)
	first := m.pages[old]
	keep := flags&unix.MREMAP_DONTUNMAP != 0
	switch {
	case keep && oldN != newN:
		m.expect(errno, linux.EINVAL)
		return
	case first == nil || oldN > 0 && !m.sameVMA(old, oldEnd):
		m.expect(errno, linux.EFAULT)
		return
	case oldN == 0 && (!first.shared || first.file < 0):
		m.expect(errno, linux.EINVAL)
		return
	case flags&unix.MREMAP_FIXED != 0 && to < oldEnd && old < to+n:
		m.expect(errno, linux.EINVAL)
		return
	case flags&unix.MREMAP_FIXED != 0:
		m.drop(to, to+n)
		if m.pages[old] == nil {
			m.expect(errno, linux.EFAULT)
			return
		}
		m.expect(errno, 0)
		if got != to {
			m.fatalf("remapped to %#x", got)
		}
	case newN <= oldN && !keep:
		m.expect(errno, 0)
		m.drop(old+n, oldEnd)
		return
	case errno == linux.ENOMEM:
		// It neither may move nor can grow.
		if flags != 0 || oldN > 0 && m.free(oldEnd, old+n) {
			m.fatalf("%s: no memory", m.log[len(m.log)-1])
		}
		return
	default:
		m.expect(errno, 0)
	}
	m.moved(old, oldEnd, got, n, keep)
}

func (m *model) free(a, end engine.GVA) bool {
	for ; a < end; a += pageSize {
		if m.pages[a] != nil {
			return false
		}
	}
	return true
}

// moved is what a successful mremap does.
func (m *model) moved(old, oldEnd, to, n engine.GVA, keep bool) {
	first := *m.pages[old]
	taken := map[engine.GVA]*modelPage{}
	for a := old; a < oldEnd; a += pageSize {
		taken[a-old] = m.pages[a]
		if keep {
			left := *m.pages[a]
			left.own, left.detached = nil, false
			m.pages[a] = &left
		} else if a < to || a >= to+n || to != old {
			delete(m.pages, a)
		}
	}
	for d := engine.GVA(0); d < n; d += pageSize {
		if to != old && m.pages[to+d] != nil {
			m.fatalf("%s: moved over something at %#x", m.log[len(m.log)-1], to+d)
		}
		p := taken[d]
		if p == nil {
			fresh := first
			fresh.own, fresh.detached = nil, false
			fresh.offset += int(d / pageSize)
			if fresh.file < 0 {
				fresh.offset = 0
			}
			p = &fresh
		}
		if to != old {
			p.name = ""
		}
		m.pages[to+d] = p
	}
}

func (m *model) opBrk() {
	start := testAddr + modelHeap*pageSize
	to := start + engine.GVA(m.next(20))*pageSize - engine.GVA(m.next(2))
	m.note("brk to page %d", (to-testAddr)/pageSize)
	oldEnd, _ := m.brk.PageUp()
	newEnd, _ := to.PageUp()
	want := to
	if to < start || newEnd > oldEnd && !m.free(oldEnd, newEnd) {
		want = m.brk
	}
	if got := m.as.Brk(to, ^uint64(0)); got != want {
		m.fatalf("%s: %#x, want %#x", m.log[len(m.log)-1], got, want)
	}
	if want != to {
		return
	}
	m.brk = to
	m.drop(newEnd, oldEnd)
	for a := oldEnd; a < newEnd; a += pageSize {
		m.pages[a] = &modelPage{prot: rw, file: -1, name: HeapName}
	}
}

func (m *model) opAdvise() {
	a, n := m.page(), 1+m.next(16)
	advice := []int{unix.MADV_DONTNEED, unix.MADV_WILLNEED, 999}[min(m.next(8), 2)*m.next(2)]
	m.note("advise %d page %d, %d pages", advice, (a-testAddr)/pageSize, n)
	end := a + engine.GVA(n)*pageSize
	want := linux.Errno(0)
	switch {
	case advice == 999:
		want = linux.EINVAL
	case m.covered(a, end) < end:
		want = linux.ENOMEM
	}
	m.expect(m.as.Advise(a, uint64(n)*pageSize, advice), want)
	for ; a < end && advice == unix.MADV_DONTNEED; a += pageSize {
		if p := m.pages[a]; p != nil && !p.shared {
			p.own = nil
		}
	}
}

// reach says how many bytes from a on can be touched, and gives each piece.
func (m *model) reach(a engine.GVA, n int, acc Access, debugger bool, do func(p *modelPage, off, at, n int)) int {
	done := 0
	for done < n {
		at := a + engine.GVA(done)
		p := m.pages[at.PageDown()]
		if p == nil || !debugger && !(&VMA{Prot: p.prot}).allowed(acc) || m.bytesOf(p) == nil {
			break
		}
		off := int(uint64(at) % pageSize)
		k := min(n-done, pageSize-off)
		do(p, off, done, k)
		done += k
	}
	return done
}

// lengths of copies: mostly short, sometimes over pages.
func (m *model) length() int {
	if m.next(3) == 0 {
		return m.next(256) * 48
	}
	return 1 + m.next(16)
}

func (m *model) data(n int) []byte {
	b := bytes.Repeat([]byte{byte(m.next(255))}, n) // never 0xcc by chance alone: see opBreakpoint
	for i := range b {
		b[i] += byte(i)
	}
	return b
}

// wantCopy checks the result of a copy of n bytes at a, want of which can be
// touched. It may say less only where the host faulted.
func (m *model) wantCopy(got int, errno linux.Errno, a engine.GVA, n, want int) {
	m.t.Helper()
	wantErrno := linux.Errno(0)
	if want < n {
		wantErrno = linux.EFAULT
	}
	cut := m.pages[(a + engine.GVA(want)).PageDown()]
	less := want < n && cut != nil && m.bytesOf(cut) == nil && got < want
	if errno != wantErrno || got != want && !less {
		m.fatalf("%s: %d, %v; want %d, %v", m.log[len(m.log)-1], got, errno, want, wantErrno)
	}
}

func (m *model) opWrite() {
	a, n := m.byteAddr(), m.length()
	data := m.data(n)
	m.note("copy out %d bytes at %#x", n, a)
	got, errno := m.as.CopyOut(a, data)
	want := m.reach(a, n, AccessWrite, false, func(*modelPage, int, int, int) {})
	m.wantCopy(got, errno, a, n, want)
	m.reach(a, got, AccessWrite, false, func(p *modelPage, off, at, k int) { copy(m.writable(p)[off:], data[at:at+k]) })
	m.adopt(a, n, want)
}

// adopt takes over what a copy wrote or not when the host faulted at a page
// whose file was cut: it does not copy byte by byte.
func (m *model) adopt(a engine.GVA, n, want int) {
	stop := m.pages[(a + engine.GVA(want)).PageDown()]
	if want == n || stop == nil || m.bytesOf(stop) != nil {
		return
	}
	for at := a.PageDown(); at < a+engine.GVA(n); at += pageSize {
		p := m.pages[at]
		if p == nil || m.bytesOf(p) == nil {
			continue
		}
		if p.own == nil && !p.shared && m.as.table.lookup(at)&pteWrite == 0 {
			continue // nothing can have written it
		}
		now := make([]byte, pageSize)
		if _, errno := m.as.DebugRead(now, at); errno != 0 {
			m.fatalf("%s: adopt %#x: %v", m.log[len(m.log)-1], at, errno)
		}
		if !bytes.Equal(now, m.bytesOf(p)) {
			copy(m.writable(p), now)
		}
	}
}

func (m *model) opRead() {
	a, n := m.byteAddr(), m.length()
	m.note("copy in %d bytes at %#x", n, a)
	buf := make([]byte, n)
	got, errno := m.as.CopyIn(buf, a)
	m.wantCopy(got, errno, a, n, m.reach(a, n, AccessRead, false, func(*modelPage, int, int, int) {}))
	m.reach(a, got, AccessRead, false, func(p *modelPage, off, at, k int) {
		if !bytes.Equal(buf[at:at+k], m.bytesOf(p)[off:off+k]) {
			m.fatalf("%s: wrong bytes in page %d", m.log[len(m.log)-1], (a+engine.GVA(at)-testAddr)/pageSize)
		}
	})
}

// opBuffers reads into the program's memory as readv does.
func (m *model) opBuffers() {
	a, n := m.byteAddr(), m.length()
	data := m.data(n)
	m.note("buffers %d bytes at %#x", n, a)
	want := m.reach(a, n, AccessWrite, false, func(*modelPage, int, int, int) {})
	b, errno := m.as.Buffers([]Range{{a, uint64(n)}}, AccessWrite, MaxTransfer)
	got := 0
	if errno == 0 {
		if b.Size < want {
			m.fatalf("%s: %d, want %d", m.log[len(m.log)-1], b.Size, want)
		}
		if got, errno = b.CopyOut(data); errno == 0 {
			b.Filled(got)
		}
	}
	if n > 0 && want == 0 {
		m.expect(errno, linux.EFAULT)
	} else if got < want {
		got = 0 // what was copied before the host faulted is not said
	}
	m.reach(a, got, AccessWrite, false, func(p *modelPage, off, at, k int) { copy(m.writable(p)[off:], data[at:at+k]) })
	m.adopt(a, n, want)
}

// opDebugWrite: a debugger may write anything mapped, and takes pages of shared
// files out of the sharing.
func (m *model) opDebugWrite() {
	a, n := m.byteAddr(), m.length()
	data := m.data(n)
	m.note("debug write %d bytes at %#x", n, a)
	got, errno := m.as.DebugWrite(a, data)
	want := m.reach(a, n, AccessWrite, true, func(*modelPage, int, int, int) {})
	m.wantCopy(got, errno, a, n, want)
	m.reach(a, want, AccessWrite, true, func(p *modelPage, _, _, _ int) { m.detach(p) })
	m.reach(a, got, AccessWrite, true, func(p *modelPage, off, at, k int) { copy(m.writable(p)[off:], data[at:at+k]) })
	m.adopt(a, n, want)
}

func (m *model) detach(p *modelPage) {
	if p.shared && p.file >= 0 && !p.detached {
		p.own, p.detached = bytes.Clone(m.bytesOf(p)), true
	}
}

// opGuest is an instruction of the program.
func (m *model) opGuest() {
	a, acc := m.byteAddr(), Access(m.next(3))
	m.note("access %d at %#x", acc, a)
	p := m.pages[a.PageDown()]
	want := FaultNone
	switch {
	case p == nil:
		want = FaultMapErr
	case !(&VMA{Prot: p.prot}).allowed(acc):
		want = FaultAccErr
	case m.bytesOf(p) == nil:
		want = FaultBus
	}
	b, got := guest(m.t, m.as, a, acc)
	if want == FaultBus && got == FaultNone {
		return // the page was there when the file was cut: the host faults
	}
	if got != want {
		m.fatalf("%s: fault %d, want %d", m.log[len(m.log)-1], got, want)
	}
	if got != FaultNone || m.bps[a] {
		return
	}
	off := uint64(a) % pageSize
	if !guarded(func() {
		if *b != m.bytesOf(p)[off] {
			m.fatalf("%s: byte %#x, want %#x", m.log[len(m.log)-1], *b, m.bytesOf(p)[off])
		}
		if acc == AccessWrite {
			*b = byte(m.next(255)) % 0xcc
			m.writable(p)[off] = *b
		}
	}) {
		m.fatalf("%s: the host faulted", m.log[len(m.log)-1])
	}
}

func (m *model) opBreakpoint() {
	if m.next(3) == 0 {
		for a := range m.bps { // at most a few, removed in one go
			m.note("remove breakpoint %#x", a)
			m.as.RemoveBreakpoint(a)
		}
		clear(m.bps)
		return
	}
	a := m.byteAddr()
	m.note("breakpoint at %#x", a)
	p := m.pages[a.PageDown()]
	want := linux.Errno(0)
	if p == nil || m.bytesOf(p) == nil {
		want = linux.EFAULT
	}
	m.expect(m.as.InsertBreakpoint(a, false), want)
	if want == 0 {
		m.bps[a] = true
		m.detach(p)
		m.writable(p)
	}
}

// opTruncate changes a file's length by whole pages.
func (m *model) opTruncate() {
	i, n := m.next(2), m.next(modelFile+1)
	m.note("truncate file %d to %d pages", i, n)
	for a := range m.bps {
		// An INT3 in a page that is cut goes with it, unknown to anybody.
		if p := m.pages[a.PageDown()]; p != nil && p.file == i && p.offset >= min(n, m.size[i]) {
			m.as.RemoveBreakpoint(a)
			delete(m.bps, a)
		}
	}
	if err := os.Truncate(m.paths[i], int64(n)*pageSize); err != nil {
		m.t.Fatal(err)
	}
	for _, p := range m.pages {
		// Pages of a private mapping behind the new end are gone, also
		// those that were the program's own (truncate_pagecache).
		if p.file == i && p.offset >= n && !p.shared {
			p.own = nil
		}
	}
	if n < m.size[i] {
		clear(m.files[i][n*pageSize:])
	}
	m.size[i] = n
}

// opBad makes requests that must be refused and change nothing.
func (m *model) opBad() {
	a := m.page()
	bad := []func() linux.Errno{
		func() linux.Errno { return m.as.Unmap(a+1, pageSize) },
		func() linux.Errno { return m.as.Unmap(a, 0) },
		func() linux.Errno { return m.as.Unmap(a, ^uint64(0)) },
		func() linux.Errno { return m.as.Unmap(UserEnd-pageSize, 2*pageSize) },
		func() linux.Errno { return m.as.Protect(a+7, pageSize, rw) },
		func() linux.Errno { return m.as.Protect(UserEnd, pageSize, rw) },
		func() linux.Errno { return m.as.Advise(a+1, pageSize, unix.MADV_DONTNEED) },
		func() linux.Errno { return m.as.Advise(a, 1<<63, unix.MADV_DONTNEED) },
		func() linux.Errno { _, e := m.as.Map(MapRequest{Addr: a + 1, Length: 1, Fixed: true}); return e },
		func() linux.Errno { _, e := m.as.Map(MapRequest{Length: 1 << 62}); return e },
		func() linux.Errno { _, e := m.as.Remap(a, pageSize, 1<<62, mayMove, 0); return e },
		func() linux.Errno { _, e := m.as.Remap(a, pageSize, pageSize, fixed, UserEnd); return e },
		func() linux.Errno { _, e := m.as.CopyOut(^engine.GVA(0)-4, make([]byte, 8)); return e },
	}
	i := m.next(len(bad))
	m.note("bad request %d", i)
	if errno := bad[i](); errno == 0 {
		m.fatalf("%s succeeded", m.log[len(m.log)-1])
	}
}

// settle adopts what is free to happen at any time: a page of a file that came
// back under a breakpoint has a copy of its own from then on.
func (m *model) settle() {
	for a := range m.bps {
		page := a.PageDown()
		p, e := m.pages[page], m.as.table.lookup(page)
		if p == nil || p.own != nil || p.file < 0 || e&pteOwned == 0 || p.shared && e&pteFile != 0 {
			continue
		}
		p.own, p.detached = make([]byte, pageSize), p.shared
		if _, errno := m.as.DebugRead(p.own, page); errno != 0 {
			p.own = nil // the file has been cut
		}
	}
}

// compare checks everything the two must agree on; contents only when asked.
func (m *model) compare(contents bool) {
	checkSpace(m.t, m.as)
	n := 0
	for _, v := range m.as.VMAs() {
		for a := v.Start; a < v.End; a += pageSize {
			p := m.pages[a]
			if p == nil {
				m.fatalf("page %d is mapped, but should not be", (a-testAddr)/pageSize)
			}
			file, offset := -1, 0
			if v.File != nil {
				file, offset = slices.Index(m.host[:], v.File), int(v.offsetOf(a)/pageSize)
			}
			if p.prot != v.Prot || p.shared != v.Shared || p.file != file || p.offset != offset || p.name != v.Name {
				m.fatalf("page %d is %s shared %v file %d offset %d %q, want %+v", (a-testAddr)/pageSize, v.Prot, v.Shared, file, offset, v.Name, *p)
			}
			n++
		}
	}
	if n != len(m.pages) {
		m.fatalf("%d pages mapped, want %d", n, len(m.pages))
	}
	if contents || len(m.log)%4 == 0 {
		m.compareContents()
	}
}

func (m *model) compareContents() {
	buf := make([]byte, pageSize)
	for a, p := range m.pages {
		e := m.as.table.lookup(a)
		if e&pteOwned == 0 || m.bytesOf(p) == nil {
			continue
		}
		// What the processor sees: the model's bytes and the breakpoints.
		want := bytes.Clone(m.bytesOf(p))
		for b := range m.bps {
			if b.PageDown() == a {
				if in, _ := m.as.HasBreakpoint(b); !in {
					m.fatalf("the breakpoint at %#x is not inserted, page %+v", b, modelPage{p.prot, p.shared, p.file, p.offset, p.name, nil, p.detached})
				}
				want[uint64(b)%pageSize] = int3
			}
		}
		if !guarded(func() { copy(buf, m.as.mem.Bytes(pteGPA(e), pageSize)) }) {
			m.fatalf("page %#x cannot be read", a)
		}
		if i := firstDifference(buf, want); i >= 0 {
			m.fatalf("page %d (%s shared %v file %d offset %d detached %v), byte %#x is %#x, want %#x", (a-testAddr)/pageSize,
				p.prot, p.shared, p.file, p.offset, p.detached, i, buf[i], want[i])
		}
	}
	for i, path := range m.paths {
		data, err := os.ReadFile(path)
		if err != nil {
			m.t.Fatal(err)
		}
		if d := firstDifference(data, m.files[i][:m.size[i]*pageSize]); d >= 0 {
			m.fatalf("file %d differs at %#x", i, d)
		}
	}
}

func firstDifference(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return i
		}
	}
	return min(len(a), len(b))
}

func TestAgainstModel(t *testing.T) {
	seeds := uint64(40)
	if testing.Short() {
		seeds = 8
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			in := make([]byte, 6000)
			r := rand.New(rand.NewPCG(seed, 3))
			for i := range in {
				in[i] = byte(r.Uint32())
			}
			newModel(t, in).run(600)
		})
	}
}

func FuzzAddressSpace(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 4))
	for n := range 8 {
		in := make([]byte, 20<<n)
		for i := range in {
			in[i] = byte(r.Uint32())
		}
		f.Add(in)
	}
	f.Fuzz(func(t *testing.T, in []byte) { newModel(t, in).run(400) })
}
