package mm

import (
	"errors"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
)

// hugeAddr is where the tests have 2 MiB pages.
const hugeAddr = testAddr &^ (hugeSize - 1)

// hugeSpace has n pages of 2 MiB, each byte of a 4 KiB page its number, and
// counts how often the engine has to forget.
func hugeSpace(t *testing.T, n engine.GVA) (as *AddressSpace, forgotten *int) {
	t.Helper()
	as, forgotten = newSpace(t, 64<<20), new(int)
	as.mem.OnForget(func() error { *forgotten++; return nil })
	mapAt(t, as, MapRequest{Addr: hugeAddr, Length: uint64(n * hugeSize), Prot: rw, Populate: true})
	wantLarge(t, as, true, hugeAddr, n)
	for i := range n * 512 {
		copyOut(t, as, hugeAddr+i*pageSize, []byte{byte(i), byte(i >> 8)})
	}
	return as, forgotten
}

// wantLarge checks whether the n times 2 MiB at a have large entries.
func wantLarge(t *testing.T, as *AddressSpace, want bool, a, n engine.GVA) {
	t.Helper()
	for end := a + n*hugeSize; a < end; a += hugeSize {
		if _, e := as.table.leaf(a); e&pteLarge != 0 != want {
			t.Errorf("entry of %#x is %#x; large should be %v", a, e, want)
		}
	}
	checkSpace(t, as)
}

// wantPages checks the contents of [start, end), which were at from once.
func wantPages(t *testing.T, as *AddressSpace, start, end, from engine.GVA) {
	t.Helper()
	for a := start; a < end; a += pageSize {
		i := (a - start + from - hugeAddr) / pageSize
		if got := copyIn(t, as, a, 2); got[0] != byte(i) || got[1] != byte(i>>8) {
			t.Fatalf("page %#x holds %x, want %x", a, got, i)
		}
	}
}

func ok(t *testing.T, errno linux.Errno) {
	t.Helper()
	if errno != 0 {
		t.Fatal(errno)
	}
}

// What concerns a part of a large page splits it, and nothing is lost.
func TestHugeSplits(t *testing.T) {
	const middle = hugeAddr + hugeSize + 7*pageSize
	for _, c := range []struct {
		name string
		do   func(as *AddressSpace) linux.Errno
		gone bool // the page in the middle
	}{
		{"mprotect", func(as *AddressSpace) linux.Errno { return as.Protect(middle, pageSize, ProtRead) }, false},
		{"mprotect from the start", func(as *AddressSpace) linux.Errno { return as.Protect(hugeAddr+hugeSize, pageSize, ProtRead) }, false},
		{"mprotect to the end", func(as *AddressSpace) linux.Errno { return as.Protect(middle, hugeSize-7*pageSize, ProtRead) }, false},
		{"munmap", func(as *AddressSpace) linux.Errno { return as.Unmap(middle, pageSize) }, true},
		{"guard", func(as *AddressSpace) linux.Errno { as.SetGuard(middle+5, GuardAccess); return 0 }, false},
		{"mremap", func(as *AddressSpace) linux.Errno {
			_, errno := as.Remap(middle, pageSize, pageSize, unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED, hugeAddr+4*hugeSize)
			return errno
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			as, forgotten := hugeSpace(t, 3)
			ok(t, c.do(as))
			wantLarge(t, as, true, hugeAddr, 1)
			wantLarge(t, as, false, hugeAddr+hugeSize, 1)
			wantLarge(t, as, true, hugeAddr+2*hugeSize, 1)
			wantPages(t, as, hugeAddr, middle, hugeAddr)
			wantPages(t, as, middle+pageSize, hugeAddr+3*hugeSize, middle+pageSize)
			if c.gone {
				wantFault(t, as, middle, AccessRead, FaultMapErr)
			}
			if *forgotten != 1 {
				t.Errorf("the engine had to forget %d times", *forgotten)
			}
		})
	}
}

// What concerns whole large pages, or only their contents, leaves them large.
func TestHugeStays(t *testing.T) {
	as, forgotten := hugeSpace(t, 3)
	ok(t, as.Protect(hugeAddr+hugeSize, hugeSize, ProtRead))
	wantLarge(t, as, true, hugeAddr, 3)
	wantFault(t, as, hugeAddr+hugeSize+5, AccessWrite, FaultAccErr)
	ok(t, as.Protect(hugeAddr, 3*hugeSize, 0))
	wantLarge(t, as, true, hugeAddr, 3)
	wantFault(t, as, hugeAddr+2*hugeSize, AccessRead, FaultAccErr)
	ok(t, as.Protect(hugeAddr, 3*hugeSize, rw))
	wantPages(t, as, hugeAddr, hugeAddr+3*hugeSize, hugeAddr)

	const cut = hugeAddr + 9*pageSize
	ok(t, as.Advise(cut, hugeSize, unix.MADV_DONTNEED))
	wantLarge(t, as, true, hugeAddr, 3)
	wantPages(t, as, hugeAddr, cut, hugeAddr)
	wantPages(t, as, cut+hugeSize, hugeAddr+3*hugeSize, cut+hugeSize)
	if got := copyIn(t, as, cut, hugeSize); firstDifference(got, make([]byte, hugeSize)) >= 0 {
		t.Error("MADV_DONTNEED left something")
	}
	setBreakpoint(t, as, cut+1)
	ok(t, as.Advise(cut, pageSize, unix.MADV_DONTNEED))
	if b := memoryAt(t, as, cut+1); b != int3 {
		t.Errorf("the breakpoint is %#x", b)
	}
	as.RemoveBreakpoint(cut + 1)
	wantLarge(t, as, true, hugeAddr, 3)
	if *forgotten != 0 {
		t.Errorf("the engine had to forget %d times", *forgotten)
	}
}

// A block stays with its addresses; whoever maps them otherwise makes the engine
// forget first.
func TestHugeComesBack(t *testing.T) {
	as, forgotten := hugeSpace(t, 3)
	before, _ := as.table.leaf(hugeAddr)
	gpa := pteGPA(loadEntry(before))
	for range 3 {
		ok(t, as.Unmap(hugeAddr, 3*hugeSize))
		checkSpace(t, as)
		if used := as.mem.InUse(); used != tablePages(as)*pageSize {
			t.Fatalf("%d bytes in use with nothing mapped", used)
		}
		mapAt(t, as, MapRequest{Addr: hugeAddr, Length: 3 * hugeSize, Prot: ProtRead, Populate: true, Fixed: true})
		wantLarge(t, as, true, hugeAddr, 3)
		if b := copyIn(t, as, hugeAddr+hugeSize+pageSize, 1)[0]; b != 0 {
			t.Fatalf("new memory holds %#x", b)
		}
	}
	if got := pteGPA(as.table.lookup(hugeAddr)); got != gpa || *forgotten != 0 {
		t.Errorf("block %#x came back as %#x, the engine forgot %d times", gpa, got, *forgotten)
	}
	ok(t, as.Unmap(hugeAddr, 3*hugeSize))
	file, _ := tempFile(t, 4, unix.O_RDWR)
	mapAt(t, as, MapRequest{Addr: hugeAddr, Length: pageSize, Prot: rw, Fixed: true})
	mapAt(t, as, MapRequest{Addr: hugeAddr + hugeSize, Length: 4 * pageSize, Prot: rw, Fixed: true, Shared: true, File: file})
	if len(as.blocks) != 1 || *forgotten != 2 {
		t.Errorf("%d blocks left, the engine forgot %d times", len(as.blocks), *forgotten)
	}
	checkSpace(t, as)
}

// Blocks that only wait for their addresses are given back before memory is
// said to be used up.
func TestHugeBlocksAreReleased(t *testing.T) {
	as, forgotten := hugeSpace(t, 4)
	for n := range engine.GVA(400) {
		ok(t, as.Unmap(minAddr, uint64(UserEnd-minAddr)))
		mapAt(t, as, MapRequest{Addr: hugeAddr + n*8*hugeSize, Length: 8 * hugeSize, Prot: rw, Populate: true})
		wantLarge(t, as, true, hugeAddr+n*8*hugeSize, 8)
	}
	if *forgotten == 0 {
		t.Error("guest-physical memory without end")
	}
}

// Memory that is nearly used up is given out in smaller pieces.
func TestHugeWithoutMemory(t *testing.T) {
	as, _ := hugeSpace(t, 31)
	mapAt(t, as, MapRequest{Addr: hugeAddr + 40*hugeSize, Length: hugeSize, Prot: rw, Populate: true})
	checkSpace(t, as)
	wantFault(t, as, hugeAddr+40*hugeSize, AccessWrite, FaultNone)
	if _, err := as.mem.Alloc(hugeSize); !errors.Is(err, ErrNoMemory) {
		t.Errorf("there was memory left: %v", err)
	}
}

// Shared memory, files and guarded ranges have small pages.
func TestHugeNotFor(t *testing.T) {
	as := newSpace(t, 64<<20)
	mapAt(t, as, MapRequest{Addr: hugeAddr, Length: hugeSize, Prot: rw, Populate: true, Shared: true})
	file, _ := tempFile(t, 512, unix.O_RDWR)
	mapAt(t, as, MapRequest{Addr: hugeAddr + hugeSize, Length: hugeSize, Prot: rw, Populate: true, File: file})
	as.SetGuard(hugeAddr+2*hugeSize+5*pageSize, GuardWrite)
	mapAt(t, as, MapRequest{Addr: hugeAddr + 2*hugeSize, Length: hugeSize, Prot: rw, Populate: true})
	wantLarge(t, as, false, hugeAddr, 3)
}
