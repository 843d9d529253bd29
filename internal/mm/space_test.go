package mm

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
)

const (
	testBase engine.GVA = 0x7000_0000_0000 // mappings without a hint go below
	testAddr engine.GVA = 0x10_0000_0000   // where the tests put things
	rw                  = ProtRead | ProtWrite
)

func newSpace(t testing.TB, limit uint64) *AddressSpace {
	t.Helper()
	m, _ := newMemory(t, limit)
	as, err := NewAddressSpace(m, testBase)
	if err != nil {
		t.Fatal(err)
	}
	return as
}

// mapAt maps a range at a fixed place, or fails the test.
func mapAt(t testing.TB, as *AddressSpace, r MapRequest) engine.GVA {
	t.Helper()
	if r.Addr == 0 {
		r.Addr = testAddr
	}
	r.Fixed = true
	a, errno := as.Map(r)
	if errno != 0 || a != r.Addr {
		t.Fatalf("map %#x+%#x: %v at %#x", r.Addr, r.Length, errno, a)
	}
	return a
}

// tempFile makes a file of n pages whose every byte says which page it is in,
// and opens it for mapping.
func tempFile(t testing.TB, pages int, flags int) (*File, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "file")
	var data []byte
	for i := range pages {
		data = append(data, bytes.Repeat([]byte{byte('A' + i)}, pageSize)...)
	}
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return openFile(t, path, flags), path
}

func openFile(t testing.TB, path string, flags int) *File {
	t.Helper()
	fd, err := unix.Open(path, flags, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	f, err := NewFile(fd, path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	return f
}

// guest does what the program's instruction would: it walks the page table,
// asks for help on a fault, and touches host memory. The result is FaultNone
// with the byte's memory, or why there was none.
func guest(t testing.TB, as *AddressSpace, a engine.GVA, acc Access) (*byte, Fault) {
	t.Helper()
	for range 2 {
		if e := as.table.lookup(a); e != 0 {
			ok := e&ptePresent != 0 && (acc != AccessWrite || e&pteWrite != 0) && (acc != AccessExec || e&pteNX == 0)
			if ok && e&pteUser == 0 {
				t.Fatalf("entry of %#x is the supervisor's: %#x", a, e)
			}
			if ok {
				return &as.mem.Bytes(pteGPA(e), pageSize)[uint64(a)%pageSize], FaultNone
			}
		}
		if f := as.Fault(a, acc); f != FaultNone {
			return nil, f
		}
	}
	t.Fatalf("access %d at %#x is said to be fine and is not", acc, a)
	return nil, FaultNone
}

func wantFault(t *testing.T, as *AddressSpace, a engine.GVA, acc Access, want Fault) {
	t.Helper()
	if _, got := guest(t, as, a, acc); got != want {
		t.Errorf("access %d at %#x: fault %d, want %d", acc, a, got, want)
	}
}

// tablePages counts the pages of the table itself.
func tablePages(as *AddressSpace) uint64 {
	var count func(table engine.GPA, level int) uint64
	count = func(table engine.GPA, level int) (n uint64) {
		n = 1
		for i := range uint64(512) {
			if e := loadEntry(as.mem.entry(table, i)); level > 0 && e&ptePresent != 0 && e&pteLarge == 0 {
				n += count(pteGPA(e), level-1)
			}
		}
		return n
	}
	return count(as.table.root, 3) + uint64(len(as.blocks))
}

// checkSpace checks what must hold at any time for all the spaces of a memory:
// VMAs sorted and apart, entries only inside them and with their rights, no page
// in two places of a space, each with as many holders as it has entries, and no
// page of guest memory that nobody has.
func checkSpace(t testing.TB, spaces ...*AddressSpace) {
	t.Helper()
	mem, tables := spaces[0].mem, uint64(len(spaces[0].mem.retired))
	holders := map[engine.GPA]uint32{}
	for _, as := range spaces {
		checkVMAs(t, as)
		tables += tablePages(as)
		owner := map[engine.GPA]engine.GVA{}
		as.table.each(0, UserEnd, func(a engine.GVA, p *uint64, size uint64) {
			e := loadEntry(p)
			if b, ok := as.blocks[a]; e&pteLarge != 0 && (!ok || b.gpa != pteGPA(e) || size != hugeSize || a != slotOf(a) || as.vmas.find(a).End < a+hugeSize) {
				t.Fatalf("large entry %#x at %#x, block %#x", e, a, b)
			}
			v := as.vmas.find(a)
			if v == nil {
				t.Fatalf("entry %#x at %#x, where nothing is mapped", e, a)
			}
			if want := as.rights(a, v, e); e&pteAccessBits != want {
				t.Fatalf("entry of %#x has bits %#x, want %#x for %s", a, e&pteAccessBits, want, v.Prot)
			}
			if e&pteFile != 0 && v.File == nil {
				t.Fatalf("page of a file at %#x in anonymous memory", a)
			}
			if other, ok := owner[pteGPA(e)]; ok {
				t.Fatalf("%#x and %#x have the same page", other, a)
			}
			owner[pteGPA(e)] = a
			for page := uint64(0); page < size; page += pageSize {
				holders[pteGPA(e)+engine.GPA(page)]++
			}
			if e&pteWrite != 0 && !v.Shared && !mem.alone(pteGPA(e)) {
				t.Fatalf("a page that others hold can be written at %#x", a)
			}
		})
	}
	for gpa, n := range holders {
		if counted := mem.refs.of(gpa, false); counted == nil && n != 1 || counted != nil && *counted+1 != n {
			t.Fatalf("page %#x has %d entries, counted %v", gpa, n, counted)
		}
	}
	if want := (uint64(len(holders)) + tables) * pageSize; mem.InUse() != want {
		t.Fatalf("%d pages in use, %d known: pages leaked", mem.InUse()/pageSize, want/pageSize)
	}
	checkFree(t, mem)
}

func checkVMAs(t testing.TB, as *AddressSpace) {
	t.Helper()
	end := engine.GVA(0)
	for _, v := range as.vmas {
		if v.Start < end || v.Start >= v.End || v.Start%pageSize != 0 || v.End%pageSize != 0 || v.End > UserEnd {
			t.Fatalf("VMA %#x-%#x after %#x", v.Start, v.End, end)
		}
		end = v.End
	}
}

func TestMapErrors(t *testing.T) {
	as := newSpace(t, 64<<20)
	readOnly, _ := tempFile(t, 1, unix.O_RDONLY)
	mapAt(t, as, MapRequest{Length: pageSize, Prot: rw})
	for _, c := range []struct {
		name string
		r    MapRequest
		want linux.Errno
	}{
		{"no length", MapRequest{Prot: rw}, linux.EINVAL},
		{"offset in a page", MapRequest{Length: 1, File: readOnly, Offset: 1}, linux.EINVAL},
		{"length overflows", MapRequest{Length: ^uint64(0)}, linux.ENOMEM},
		{"longer than the space", MapRequest{Length: uint64(UserEnd) + 1}, linux.ENOMEM},
		{"offset overflows", MapRequest{Length: 2 * pageSize, File: readOnly, Offset: ^uint64(pageSize - 1)}, linux.EOVERFLOW},
		{"shared write to a read-only file", MapRequest{Length: 1, Prot: rw, Shared: true, File: readOnly}, linux.EACCES},
		{"fixed in a page", MapRequest{Addr: testAddr + 1, Length: 1, Fixed: true}, linux.EINVAL},
		{"fixed beyond the end", MapRequest{Addr: UserEnd, Length: 1, Fixed: true}, linux.ENOMEM},
		{"fixed across the end", MapRequest{Addr: UserEnd - pageSize, Length: 2 * pageSize, Fixed: true}, linux.ENOMEM},
		{"fixed at the top of 64 bits", MapRequest{Addr: ^engine.GVA(pageSize - 1), Length: pageSize, Fixed: true}, linux.ENOMEM},
		{"fixed at null", MapRequest{Addr: 0, Length: pageSize, Fixed: true}, linux.EPERM},
		{"fixed, not replacing", MapRequest{Addr: testAddr - pageSize, Length: 2 * pageSize, Fixed: true, NoReplace: true}, linux.EEXIST},
	} {
		if _, errno := as.Map(c.r); errno != c.want {
			t.Errorf("%s: %v, want %v", c.name, errno, c.want)
		}
	}
	if len(as.VMAs()) != 1 {
		t.Errorf("VMAs %+v", as.VMAs())
	}
	checkSpace(t, as)
}

func TestMapPlaces(t *testing.T) {
	as := newSpace(t, 64<<20)
	want := func(r MapRequest, at engine.GVA) {
		t.Helper()
		if got, errno := as.Map(r); errno != 0 || got != at {
			t.Errorf("map %+v: %#x, %v; want %#x", r, got, errno, at)
		}
	}
	want(MapRequest{Length: 1}, testBase-pageSize)
	want(MapRequest{Length: 2 * pageSize}, testBase-3*pageSize)
	want(MapRequest{Addr: testAddr + 5, Length: 1}, testAddr)
	want(MapRequest{Addr: testAddr, Length: 1}, testBase-4*pageSize) // the hint is taken
	want(MapRequest{Addr: 1, Length: 1}, testBase-5*pageSize)        // too low a hint
	want(MapRequest{Addr: UserEnd - pageSize, Length: 2 * pageSize}, testBase-7*pageSize)
	want(MapRequest{Length: pageSize, Low: true}, 1<<31-pageSize)
	// A hole of the right size is used, a smaller one is not.
	if errno := as.Unmap(testBase-3*pageSize, 2*pageSize); errno != 0 {
		t.Fatal(errno)
	}
	want(MapRequest{Length: 3 * pageSize}, testBase-10*pageSize)
	want(MapRequest{Length: 2 * pageSize}, testBase-3*pageSize)
	// Nothing left below the base: what is above it serves.
	want(MapRequest{Length: uint64(testBase - 10*pageSize - testAddr - pageSize)}, testAddr+pageSize)
	want(MapRequest{Length: uint64(UserEnd-testBase) - pageSize}, testBase+pageSize)
	if _, errno := as.Map(MapRequest{Length: uint64(UserEnd)}); errno != linux.ENOMEM {
		t.Errorf("a mapping as large as the space: %v", errno)
	}
	checkSpace(t, as)
}

// A low mapping that AllowNull made does not bring others below the minimum.
func TestMapStaysAboveMinimum(t *testing.T) {
	as := newSpace(t, 64<<20)
	mapAt(t, as, MapRequest{Addr: pageSize, Length: pageSize, Prot: rw, AllowNull: true})
	mapAt(t, as, MapRequest{Addr: minAddr, Length: 1<<31 - uint64(minAddr)})
	if a, errno := as.Map(MapRequest{Length: pageSize, Low: true}); errno != linux.ENOMEM {
		t.Errorf("mapped at %#x, %v: below vm.mmap_min_addr", a, errno)
	}
}

func TestVMAsMergeAndSplit(t *testing.T) {
	as := newSpace(t, 64<<20)
	f, _ := tempFile(t, 8, unix.O_RDWR)
	count := func(n int, what string) {
		t.Helper()
		if got := as.VMAs(); len(got) != n {
			t.Errorf("%s: %d VMAs, want %d: %+v", what, len(got), n, got)
		}
		checkSpace(t, as)
	}
	mapAt(t, as, MapRequest{Length: pageSize, Prot: rw})
	mapAt(t, as, MapRequest{Addr: testAddr + 2*pageSize, Length: pageSize, Prot: rw})
	count(2, "two apart")
	mapAt(t, as, MapRequest{Addr: testAddr + pageSize, Length: pageSize, Prot: rw})
	count(1, "the middle joins them")
	as.Protect(testAddr+pageSize, pageSize, ProtRead)
	count(3, "protected in the middle")
	as.Protect(testAddr+pageSize, pageSize, rw)
	count(1, "and back")
	as.Unmap(testAddr+pageSize, pageSize)
	count(2, "a hole")
	as.Unmap(testAddr, 3*pageSize)
	count(0, "nothing")

	mapAt(t, as, MapRequest{Length: 8 * pageSize, Prot: rw, File: f})
	as.Unmap(testAddr+3*pageSize, pageSize)
	count(2, "a hole in a file")
	mapAt(t, as, MapRequest{Addr: testAddr + 3*pageSize, Length: pageSize, Prot: rw, File: f, Offset: 3 * pageSize})
	count(1, "the right page of the file")
	mapAt(t, as, MapRequest{Addr: testAddr + 3*pageSize, Length: pageSize, Prot: rw, File: f, Offset: 4 * pageSize})
	count(3, "another page of the file")
	if refs := f.refs.Load(); refs != 4 {
		t.Errorf("%d references of the file, want 3 VMAs' and the test's", refs)
	}
	as.Unmap(testAddr, 8*pageSize)
	if refs := f.refs.Load(); refs != 1 {
		t.Errorf("%d references of a file that is not mapped", refs)
	}
}

func TestProtect(t *testing.T) {
	as := newSpace(t, 64<<20)
	readOnly, _ := tempFile(t, 2, unix.O_RDONLY)
	mapAt(t, as, MapRequest{Length: 4 * pageSize, Prot: rw})
	mapAt(t, as, MapRequest{Addr: testAddr + 6*pageSize, Length: 2 * pageSize, Prot: ProtRead, Shared: true, File: readOnly})
	for _, c := range []struct {
		name string
		a    engine.GVA
		n    uint64
		prot Prot
		want linux.Errno
	}{
		{"unaligned", testAddr + 1, 1, rw, linux.EINVAL},
		{"nothing", testAddr, 0, rw, 0},
		{"nothing where nothing is", 0x5000, 0, rw, 0},
		{"not mapped", 0x50000, 1, rw, linux.ENOMEM},
		{"overflow", testAddr, ^uint64(0), rw, linux.ENOMEM},
		{"beyond the end", UserEnd, pageSize, rw, linux.ENOMEM},
		{"write to a read-only file", testAddr + 6*pageSize, 1, rw, linux.EACCES},
		{"into a hole", testAddr + 2*pageSize, 3 * pageSize, ProtRead, linux.ENOMEM},
	} {
		if errno := as.Protect(c.a, c.n, c.prot); errno != c.want {
			t.Errorf("%s: %v, want %v", c.name, errno, c.want)
		}
	}
	// What came before the hole has changed, as on Linux.
	wantFault(t, as, testAddr+pageSize, AccessWrite, FaultNone)
	wantFault(t, as, testAddr+2*pageSize, AccessWrite, FaultAccErr)
	wantFault(t, as, testAddr+3*pageSize, AccessRead, FaultNone)
	wantFault(t, as, testAddr+3*pageSize, AccessExec, FaultAccErr)
	wantFault(t, as, testAddr+4*pageSize, AccessRead, FaultMapErr)
	as.Protect(testAddr, pageSize, 0)
	wantFault(t, as, testAddr, AccessRead, FaultAccErr)
	as.Protect(testAddr, pageSize, ProtExec)
	wantFault(t, as, testAddr, AccessRead, FaultNone)
	wantFault(t, as, testAddr, AccessExec, FaultNone)
	checkSpace(t, as)
}

func TestFaultBorders(t *testing.T) {
	as := newSpace(t, 64<<20)
	for _, a := range []engine.GVA{0, minAddr, testAddr, UserEnd - 1, UserEnd, 1 << 47, 0xffff800000000000, ^engine.GVA(0)} {
		wantFault(t, as, a, AccessRead, FaultMapErr)
	}
	// A large mapping is filled in a window at a time; only its own pages.
	const size = 8 << 20
	a := mapAt(t, as, MapRequest{Addr: testAddr + 0x3000, Length: size, Prot: rw})
	if used := as.mem.InUse(); used != pageSize*tablePages(as) {
		t.Errorf("a reservation uses %d bytes", used)
	}
	wantFault(t, as, a, AccessWrite, FaultNone)
	wantFault(t, as, a+size-1, AccessWrite, FaultNone)
	wantFault(t, as, a-1, AccessRead, FaultMapErr)
	wantFault(t, as, a+size, AccessRead, FaultMapErr)
	if used := as.mem.InUse(); used > 2*anonWindow+64<<10 {
		t.Errorf("two touched pages use %d bytes", used)
	}
	checkSpace(t, as)
}

// touch faults on every page of a range that is not there, and returns how many
// faults that took.
func touch(t *testing.T, as *AddressSpace, start engine.GVA, size, stride uint64) (faults int) {
	t.Helper()
	for a := start; a < start+engine.GVA(size); a += engine.GVA(stride) {
		if !as.table.owned(a) {
			wantFault(t, as, a, AccessWrite, FaultNone)
			faults++
		}
	}
	return faults
}

// Memory that is filled in order takes few faults, memory that is used sparsely
// few pages.
func TestWindows(t *testing.T) {
	const size = 32 << 20
	for _, c := range []struct {
		name   string
		stride uint64
		faults int
		bytes  uint64
	}{
		{"every page", pageSize, 5 + 15, size},
		{"a page in 2 MiB", hugeSize, 16, 16 * anonWindow},
		{"a page in 1 MiB", hugeSize / 2, 32, 32 * anonWindow},
	} {
		as := newSpace(t, 64<<20)
		a := mapAt(t, as, MapRequest{Addr: testAddr &^ (hugeSize - 1), Length: size, Prot: rw})
		if n := touch(t, as, a, size, c.stride); n != c.faults {
			t.Errorf("%s: %d faults, want %d", c.name, n, c.faults)
		}
		if used := as.mem.InUse() - pageSize*tablePages(as); used != c.bytes {
			t.Errorf("%s: %d bytes, want %d", c.name, used, c.bytes)
		}
		checkSpace(t, as)
	}
	// From the end to the beginning, in a mapping that begins anywhere.
	as := newSpace(t, 64<<20)
	a := mapAt(t, as, MapRequest{Addr: testAddr + 5*pageSize, Length: size, Prot: rw})
	faults := 0
	for at := a + size; at > a; {
		at -= pageSize
		faults += touch(t, as, at, pageSize, pageSize)
	}
	if faults > 30 {
		t.Errorf("downwards: %d faults", faults)
	}
	checkSpace(t, as)
}

// Guest memory that is used up is a fault of its own, and comes back.
func TestFaultNoMemory(t *testing.T) {
	as := newSpace(t, firstSlot)
	a := mapAt(t, as, MapRequest{Length: 64 << 20, Prot: rw})
	got := FaultNone
	n := engine.GVA(0)
	for ; n < 64<<20 && got == FaultNone; n += pageSize {
		_, got = guest(t, as, a+n, AccessWrite)
	}
	if got != FaultNoMemory || n < firstSlot/2 {
		t.Fatalf("fault %d after %d bytes", got, n)
	}
	if _, errno := as.CopyOut(a+n, []byte{1}); errno != linux.EFAULT {
		t.Errorf("copy out: %v", errno)
	}
	checkSpace(t, as)
	as.Unmap(a, 64<<20)
	if as.mem.InUse() != tablePages(as)*pageSize {
		t.Errorf("in use %d", as.mem.InUse())
	}
	mapAt(t, as, MapRequest{Length: 8 << 20, Prot: rw})
	wantFault(t, as, testAddr, AccessWrite, FaultNone)
	checkSpace(t, as)
}

func TestTooManyVMAs(t *testing.T) {
	as := newSpace(t, 16<<20)
	for i := range engine.GVA(maxVMAs) {
		if _, errno := as.Map(MapRequest{Addr: testAddr + 2*i*pageSize, Length: pageSize, Fixed: true}); errno != 0 {
			t.Fatalf("mapping %d: %v", i, errno)
		}
	}
	if _, errno := as.Map(MapRequest{Length: pageSize}); errno != linux.ENOMEM {
		t.Errorf("one more: %v", errno)
	}
	if errno := as.Protect(testAddr, pageSize, rw); errno != linux.ENOMEM {
		t.Errorf("protect: %v", errno)
	}
	if errno := as.Unmap(testAddr, uint64(UserEnd-testAddr)); errno != 0 && errno != linux.ENOMEM {
		t.Errorf("unmap: %v", errno)
	}
}

func TestBrk(t *testing.T) {
	as := newSpace(t, 64<<20)
	const noLimit = ^uint64(0)
	if got := as.Brk(2*pageSize, noLimit); got != 0 || len(as.VMAs()) != 0 {
		t.Errorf("a heap that nobody set up moved to %#x", got)
	}
	as.SetBrk(testAddr + 0x123)
	for _, c := range []struct {
		name     string
		to, want engine.GVA
		limit    uint64
	}{
		{"ask", 0, testAddr + 0x123, noLimit},
		{"grow in the page", testAddr + 0x800, testAddr + 0x800, noLimit},
		{"grow", testAddr + 0x5001, testAddr + 0x5001, noLimit},
		{"below the start", testAddr, testAddr + 0x5001, noLimit},
		{"beyond RLIMIT_DATA", testAddr + 0x8000, testAddr + 0x5001, 0x6000},
		{"more than there is", testAddr + 1<<30, testAddr + 0x5001, noLimit},
		{"beyond the end", ^engine.GVA(0), testAddr + 0x5001, noLimit},
		{"shrink", testAddr + 0x2000, testAddr + 0x2000, noLimit},
	} {
		if got := as.Brk(c.to, c.limit); got != c.want {
			t.Errorf("%s: %#x, want %#x", c.name, got, c.want)
		}
		checkSpace(t, as)
	}
	if vs := as.VMAs(); len(vs) != 1 || vs[0].Name != HeapName || vs[0].Start != testAddr+0x1000 || vs[0].End != testAddr+0x2000 {
		t.Errorf("VMAs %+v", vs)
	}
	if start, end := as.HeapRange(); start != testAddr+0x123 || end != testAddr+0x2000 {
		t.Errorf("heap %#x-%#x", start, end)
	}
	mapAt(t, as, MapRequest{Addr: testAddr + 0x3000, Length: pageSize, Prot: rw})
	if got := as.Brk(testAddr+0x4000, noLimit); got != testAddr+0x2000 {
		t.Errorf("grew into a mapping: %#x", got)
	}
}

func TestMapped(t *testing.T) {
	as := newSpace(t, 64<<20)
	mapAt(t, as, MapRequest{Length: 2 * pageSize, Prot: rw})
	mapAt(t, as, MapRequest{Addr: testAddr + 2*pageSize, Length: pageSize})
	for _, c := range []struct {
		a    engine.GVA
		n    uint64
		want linux.Errno
	}{
		{testAddr, 0, 0}, {testAddr, 1, 0}, {testAddr, 3 * pageSize, 0}, {testAddr, 3*pageSize + 1, linux.ENOMEM},
		{testAddr - pageSize, 1, linux.ENOMEM}, {testAddr, ^uint64(0), linux.ENOMEM}, {testAddr + 1, 1, linux.EINVAL},
	} {
		if got := as.Mapped(c.a, c.n); got != c.want {
			t.Errorf("%#x+%#x: %v, want %v", c.a, c.n, got, c.want)
		}
	}
}

func TestShimPages(t *testing.T) {
	as := newSpace(t, 64<<20)
	const base engine.GVA = 0xffffffff80000000
	table, err := NewShimTable(as.mem, base)
	if err != nil {
		t.Fatal(err)
	}
	page, err := as.mem.Alloc(pageSize)
	if err != nil {
		t.Fatal(err)
	}
	table.Share(as)
	// A page mapped after the table was shared shows in every space.
	if err := table.Map(base+5*pageSize, page, true); err != nil {
		t.Fatal(err)
	}
	if e := loadEntry(as.table.find(base + 5*pageSize)); pteGPA(e) != page || e&pteUser != 0 || e&pteWrite == 0 {
		t.Errorf("entry %#x", e)
	}
	for _, program := range []bool{false, true} {
		if err := as.MapShim(UserEnd, page, program); err != nil {
			t.Fatal(err)
		}
		if e := loadEntry(as.table.find(UserEnd)); pteGPA(e) != page || e&pteUser != 0 != program || e&pteWrite != 0 {
			t.Errorf("entry %#x", e)
		}
	}
	// Nothing of it is the program's.
	for _, a := range []engine.GVA{UserEnd, base, base + 5*pageSize} {
		if _, errno := as.CopyIn(make([]byte, 1), a); errno != linux.EFAULT {
			t.Errorf("copy in from %#x: %v", a, errno)
		}
		if _, errno := as.DebugRead(make([]byte, 1), a); errno != linux.EFAULT {
			t.Errorf("debug read at %#x: %v", a, errno)
		}
		if f := as.Fault(a, AccessRead); f != FaultMapErr {
			t.Errorf("fault %d at %#x", f, a)
		}
		if errno := as.Unmap(a, pageSize); errno != linux.EINVAL {
			t.Errorf("unmap %#x: %v", a, errno)
		}
	}
	if _, ok := as.mem.Peek(as.Root(), UserEnd); ok {
		t.Error("peek into the shim")
	}
}

func TestProtString(t *testing.T) {
	for p, want := range map[Prot]string{0: "---", ProtRead: "r--", rw: "rw-", protAll: "rwx", ProtExec: "--x"} {
		if p.String() != want {
			t.Errorf("%d: %s", p, p)
		}
	}
}

// MADV_REMOVE makes zeroes of what is shared, for everybody.
func TestRemove(t *testing.T) {
	as := newSpace(t, 64<<20)
	f, path := tempFile(t, 2, unix.O_RDWR)
	a := mapAt(t, as, MapRequest{Length: 2 * pageSize, Prot: rw, Shared: true, File: f})
	b := mapAt(t, as, MapRequest{Addr: testAddr + 8*pageSize, Length: pageSize, Prot: rw, Shared: true})
	c := mapAt(t, as, MapRequest{Addr: testAddr + 16*pageSize, Length: pageSize, Prot: rw})
	copyOut(t, as, b, []byte("x"))
	for _, at := range []engine.GVA{a + pageSize, b} {
		if errno := as.Advise(at, pageSize, unix.MADV_REMOVE); errno != 0 {
			t.Fatal(errno)
		}
		if got := copyIn(t, as, at, 1)[0]; got != 0 {
			t.Errorf("byte %#x is left at %#x", got, at)
		}
	}
	if data := readFile(t, path); len(data) != 2*pageSize || data[0] != 'A' || data[pageSize] != 0 {
		t.Errorf("the file has %d bytes, %q %q", len(data), data[0], data[pageSize])
	}
	if errno := as.Advise(c, pageSize, unix.MADV_REMOVE); errno != linux.EINVAL {
		t.Errorf("private memory: %v", errno)
	}
}
