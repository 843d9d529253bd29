package mm

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
)

// fork makes a child of a space, as the kernel does.
func fork(t testing.TB, as *AddressSpace) *AddressSpace {
	t.Helper()
	child, err := NewAddressSpace(as.mem, as.base)
	if err != nil {
		t.Fatal(err)
	}
	if err := as.ForkInto(child); err != nil {
		t.Fatal(err)
	}
	return child
}

// store writes as the program would: through its page table.
func store(t testing.TB, as *AddressSpace, a engine.GVA, b byte) {
	t.Helper()
	p, f := guest(t, as, a, AccessWrite)
	if f != FaultNone {
		t.Fatalf("a write at %#x: fault %d", a, f)
	}
	*p = b
}

func loads(t testing.TB, as *AddressSpace, a engine.GVA) byte {
	t.Helper()
	p, f := guest(t, as, a, AccessRead)
	if f != FaultNone {
		t.Fatalf("a read at %#x: fault %d", a, f)
	}
	return *p
}

func TestForkCopiesOnWrite(t *testing.T) {
	parent := newSpace(t, 64<<20)
	a := mapAt(t, parent, MapRequest{Length: 256 * pageSize, Prot: rw})
	store(t, parent, a, 1)
	store(t, parent, a+100*pageSize, 2)
	before := parent.mem.InUse()
	child := fork(t, parent)
	if loads(t, child, a) != 1 || loads(t, child, a+100*pageSize) != 2 {
		t.Error("the child does not have what the parent had")
	}
	store(t, child, a, 3)
	store(t, parent, a+100*pageSize, 4)
	if _, errno := child.CopyOut(a+200*pageSize, []byte{5}); errno != 0 {
		t.Fatal(errno)
	}
	for _, c := range []struct {
		as   *AddressSpace
		page engine.GVA
		want byte
	}{{parent, 0, 1}, {child, 0, 3}, {parent, 100, 4}, {child, 100, 2}, {parent, 200, 0}, {child, 200, 5}} {
		if got := loads(t, c.as, a+c.page*pageSize); got != c.want {
			t.Errorf("page %d is %d, want %d", c.page, got, c.want)
		}
	}
	checkSpace(t, parent, child)
	if err := child.Close(); err != nil {
		t.Fatal(err)
	}
	store(t, parent, a, 6) // alone again: nothing to copy
	if loads(t, parent, a+100*pageSize) != 4 {
		t.Error("the child's end took the parent's page")
	}
	checkSpace(t, parent)
	if got, tables := parent.mem.InUse(), uint64(len(parent.mem.retired))*pageSize; got-tables != before {
		t.Errorf("%d bytes in use and %d of retired tables, before %d", got, tables, before)
	}
}

func TestForkChains(t *testing.T) {
	first := newSpace(t, 64<<20)
	a := mapAt(t, first, MapRequest{Length: pageSize, Prot: rw})
	store(t, first, a, 1)
	spaces := []*AddressSpace{first}
	for i := range 5 {
		spaces = append(spaces, fork(t, spaces[i]))
		store(t, spaces[i+1], a, byte(i+2))
	}
	for i, as := range spaces {
		if got := loads(t, as, a); got != byte(i+1) {
			t.Errorf("space %d has %d", i, got)
		}
	}
	for _, as := range spaces[1:] {
		if err := as.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if loads(t, first, a) != 1 {
		t.Error("the first space lost its page")
	}
}

// What shares memory shares it whoever touches it first, and protection and
// discarding are everybody's own affair.
func TestForkKinds(t *testing.T) {
	f, path := tempFile(t, 2, os.O_RDWR)
	defer f.Close()
	parent := newSpace(t, 64<<20)
	shared := mapAt(t, parent, MapRequest{Length: 4 * pageSize, Prot: rw, Shared: true})
	file := mapAt(t, parent, MapRequest{Addr: testAddr + 16*pageSize, Length: 2 * pageSize, Prot: rw, Shared: true, File: f})
	private := mapAt(t, parent, MapRequest{Addr: testAddr + 32*pageSize, Length: 2 * pageSize, Prot: rw, File: f})
	none := mapAt(t, parent, MapRequest{Addr: testAddr + 48*pageSize, Length: pageSize, Prot: rw})
	store(t, parent, private, 'p')
	store(t, parent, none, 'n')
	if errno := parent.Protect(none, pageSize, 0); errno != 0 {
		t.Fatal(errno)
	}
	child := fork(t, parent)
	store(t, child, shared+3*pageSize, 's')
	store(t, child, file, 'f')
	store(t, child, private, 'q')
	if got := loads(t, parent, shared+3*pageSize); got != 's' {
		t.Errorf("shared memory has %q", got)
	}
	if got := loads(t, parent, file); got != 'f' {
		t.Errorf("the shared file has %q", got)
	}
	if data, _ := os.ReadFile(path); data[0] != 'f' {
		t.Errorf("the file itself has %q", data[0])
	}
	if got := loads(t, parent, private); got != 'p' {
		t.Errorf("the private mapping has %q", got)
	}
	wantFault(t, child, none, AccessRead, FaultAccErr)
	if errno := child.Protect(none, pageSize, rw); errno != 0 {
		t.Fatal(errno)
	}
	store(t, child, none, 'c')
	if errno := parent.Protect(none, pageSize, rw); errno != 0 {
		t.Fatal(errno)
	}
	if got := loads(t, parent, none); got != 'n' {
		t.Errorf("what was forbidden at the fork has %q", got)
	}
	third := fork(t, parent)
	if errno := third.Advise(none, pageSize, unix.MADV_DONTNEED); errno != 0 {
		t.Fatal(errno)
	}
	if loads(t, third, none) != 0 || loads(t, parent, none) != 'n' {
		t.Error("discarding was not the child's own affair")
	}
	if to, errno := third.Remap(private, pageSize, pageSize, unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED, none+64*pageSize); errno != 0 {
		t.Fatal(errno)
	} else if store(t, third, to, 'm'); loads(t, parent, private) != 'p' {
		t.Error("a moved page is still the parent's")
	}
	checkSpace(t, parent, child, third)
}

func TestForkLeavesBreakpoints(t *testing.T) {
	parent := newSpace(t, 64<<20)
	a, data := codePage(t, parent, ProtRead|ProtExec)
	setBreakpoint(t, parent, a+7)
	child := fork(t, parent)
	if got := memoryAt(t, child, a+7); got != data[7] {
		t.Errorf("the child has %#x at the breakpoint", got)
	}
	if got := memoryAt(t, parent, a+7); got != int3 {
		t.Errorf("the parent has %#x at the breakpoint", got)
	}
	setBreakpoint(t, child, a+9)
	if got := memoryAt(t, parent, a+9); got != data[9] {
		t.Errorf("the child's breakpoint shows in the parent: %#x", got)
	}
	setBreakpoint(t, parent, a+11)
	if got := memoryAt(t, child, a+11); got != data[11] {
		t.Errorf("the parent's new breakpoint shows in the child: %#x", got)
	}
}

// Tables are used again only after the engine has forgotten them.
func TestTablesRetire(t *testing.T) {
	parent := newSpace(t, 64<<20)
	mapAt(t, parent, MapRequest{Length: pageSize, Prot: rw})
	forgot := 0
	parent.mem.OnForget(func() error { forgot++; return nil })
	before := parent.mem.InUse()
	for range 2 * retireBatch / 4 {
		if err := fork(t, parent).Close(); err != nil {
			t.Fatal(err)
		}
	}
	if forgot == 0 || parent.mem.InUse() > before+retireBatch*pageSize {
		t.Errorf("forgotten %d times; %d bytes in use, before %d", forgot, parent.mem.InUse(), before)
	}
}

// Pages of 2 MiB are shared page by page.
func TestForkLargePages(t *testing.T) {
	parent := newSpace(t, 64<<20)
	const size = 12 << 20
	a := mapAt(t, parent, MapRequest{Length: size, Prot: rw})
	for at := a; at < a+size; at += pageSize {
		store(t, parent, at, 1)
	}
	if len(parent.blocks) == 0 {
		t.Fatal("no large pages")
	}
	child := fork(t, parent)
	for at := a; at < a+size; at += 64 * pageSize {
		store(t, child, at, 2)
	}
	for at := a; at < a+size; at += pageSize {
		want := byte(1)
		if (at-a)%(64*pageSize) == 0 {
			want = 2
		}
		if p, c := loads(t, parent, at), loads(t, child, at); p != 1 || c != want {
			t.Fatalf("%#x: parent %d, child %d", at, p, c)
		}
	}
	checkSpace(t, parent, child)
	b := mapAt(t, child, MapRequest{Addr: a + 4*size, Length: size, Prot: rw})
	for at := b; at < b+size; at += pageSize {
		store(t, child, at, 3)
	}
	if len(child.blocks) == 0 {
		t.Error("the child gets no large pages of its own")
	}
	if err := child.Close(); err != nil {
		t.Fatal(err)
	}
	checkSpace(t, parent)
}
