package mm

import (
	"bytes"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
)

// memoryAt is what the processor would see at a.
func memoryAt(t *testing.T, as *AddressSpace, a engine.GVA) byte {
	t.Helper()
	p, f := guest(t, as, a, AccessRead)
	if f != FaultNone {
		t.Fatalf("fault %d at %#x", f, a)
	}
	return *p
}

func setBreakpoint(t *testing.T, as *AddressSpace, a engine.GVA) {
	t.Helper()
	if errno := as.InsertBreakpoint(a, false); errno != 0 {
		t.Fatalf("breakpoint at %#x: %v", a, errno)
	}
	if memoryAt(t, as, a) != int3 {
		t.Fatalf("no INT3 at %#x", a)
	}
}

// codePage maps a page that counts: 0, 1, 2, …
func codePage(t *testing.T, as *AddressSpace, prot Prot) (engine.GVA, []byte) {
	t.Helper()
	a := mapAt(t, as, MapRequest{Length: pageSize, Prot: prot})
	data := make([]byte, pageSize)
	for i := range data {
		data[i] = byte(i)
	}
	if _, errno := as.DebugWrite(a, data); errno != 0 {
		t.Fatal(errno)
	}
	return a, data
}

func TestBreakpointIsHidden(t *testing.T) {
	as := newSpace(t, 64<<20)
	a, data := codePage(t, as, ProtRead|ProtExec)
	for _, off := range []engine.GVA{0, 100, 101, pageSize - 1} {
		setBreakpoint(t, as, a+off)
		if in, genuine := as.HasBreakpoint(a + off); !in || genuine {
			t.Errorf("breakpoint %d: inserted %v, genuine %v", off, in, genuine)
		}
	}
	if got := copyIn(t, as, a, pageSize); !bytes.Equal(got, data) {
		t.Error("the program sees breakpoints")
	}
	got := make([]byte, 3)
	if _, errno := as.DebugRead(got, a+99); errno != 0 || !bytes.Equal(got, data[99:102]) {
		t.Errorf("the debugger sees % x, %v", got, errno)
	}
	b, errno := as.Buffers([]Range{{a, pageSize}}, AccessRead, pageSize)
	if errno != 0 || !bytes.Equal(bytes.Join(b.Bufs, nil), data) {
		t.Errorf("writev sees breakpoints, %v", errno)
	}
	for _, off := range []engine.GVA{0, 100, 101, pageSize - 1} {
		as.RemoveBreakpoint(a + off)
		as.RemoveBreakpoint(a + off) // again: nothing
		if got := memoryAt(t, as, a+off); got != data[off] {
			t.Errorf("byte %d is %#x after removal", off, got)
		}
	}
	if in, _ := as.HasBreakpoint(a); in {
		t.Error("the breakpoint is still there")
	}
}

func TestBreakpointOverwritten(t *testing.T) {
	as := newSpace(t, 64<<20)
	a, _ := codePage(t, as, protAll)
	setBreakpoint(t, as, a+10)
	setBreakpoint(t, as, a+20)
	setBreakpoint(t, as, a+30)
	// By a system call: the breakpoint stays, the new byte shows.
	copyOut(t, as, a+9, []byte{91, 92, 93})
	if memoryAt(t, as, a+10) != int3 || copyIn(t, as, a+10, 1)[0] != 92 {
		t.Error("a system call removed the breakpoint, or its byte is lost")
	}
	// The same by the debugger.
	if _, errno := as.DebugWrite(a+30, []byte{77}); errno != 0 || memoryAt(t, as, a+30) != int3 || copyIn(t, as, a+30, 1)[0] != 77 {
		t.Errorf("the debugger's write: %v", errno)
	}
	// By read(2), in one piece with what is around.
	b, errno := as.Buffers([]Range{{a + 8, 8}}, AccessWrite, 8)
	if errno != 0 {
		t.Fatal(errno)
	}
	copy(b.Bufs[0], "12345678")
	b.Filled(5)
	if memoryAt(t, as, a+10) != int3 || string(copyIn(t, as, a+8, 5)) != "12345" || copyIn(t, as, a+14, 1)[0] != 14 {
		t.Errorf("after read: %q", copyIn(t, as, a+8, 8))
	}
	// By the program itself: its byte counts, and stays when the breakpoint goes.
	p, _ := guest(t, as, a+20, AccessWrite)
	*p = 55
	if copyIn(t, as, a+20, 1)[0] != 55 {
		t.Error("the program's own write does not show")
	}
	as.RemoveBreakpoint(a + 20)
	as.RemoveBreakpoint(a + 10)
	if memoryAt(t, as, a+20) != 55 || memoryAt(t, as, a+10) != '3' {
		t.Errorf("after removal %d %d", memoryAt(t, as, a+20), memoryAt(t, as, a+10))
	}
}

func TestBreakpointOnINT3(t *testing.T) {
	as := newSpace(t, 64<<20)
	a, _ := codePage(t, as, protAll)
	copyOut(t, as, a, []byte{int3})
	setBreakpoint(t, as, a)
	if in, genuine := as.HasBreakpoint(a); !in || !genuine {
		t.Error("the program's own INT3 is not noticed")
	}
	as.RemoveBreakpoint(a)
	if memoryAt(t, as, a) != int3 {
		t.Error("the program's own INT3 is gone")
	}
}

func TestBreakpointNowhere(t *testing.T) {
	as := newSpace(t, 64<<20)
	for _, a := range []engine.GVA{0, testAddr, UserEnd, ^engine.GVA(0)} {
		if errno := as.InsertBreakpoint(a, false); errno != linux.EFAULT {
			t.Errorf("breakpoint at %#x: %v", a, errno)
		}
		as.RemoveBreakpoint(a)
	}
	// Memory that the program may not touch at all can have one.
	mapAt(t, as, MapRequest{Length: pageSize})
	if errno := as.InsertBreakpoint(testAddr, false); errno != 0 {
		t.Error(errno)
	}
	checkSpace(t, as)
}

// One that waits is there as soon as memory is.
func TestBreakpointBeforeMemory(t *testing.T) {
	as := newSpace(t, 64<<20)
	if errno := as.InsertBreakpoint(testAddr+5, true); errno != 0 {
		t.Fatal(errno)
	}
	mapAt(t, as, MapRequest{Length: pageSize, Prot: protAll})
	if got := memoryAt(t, as, testAddr+5); got != int3 {
		t.Errorf("%#x is in the new memory, not INT3", got)
	}
	if got := copyIn(t, as, testAddr+5, 1)[0]; got != 0 {
		t.Errorf("the program reads %#x", got)
	}
	as.RemoveBreakpoint(testAddr + 5)
	if got := memoryAt(t, as, testAddr+5); got != 0 {
		t.Errorf("%#x is left", got)
	}
	checkSpace(t, as)
}

// A breakpoint survives what happens to the mapping under it.
func TestBreakpointSurvives(t *testing.T) {
	f, path := tempFile(t, 2, unix.O_RDWR)
	before := readFile(t, path)
	for _, c := range []struct {
		name string
		r    MapRequest
	}{
		{"anonymous", MapRequest{Prot: protAll}},
		{"private file", MapRequest{Prot: ProtRead | ProtExec, File: f}},
		{"shared file", MapRequest{Prot: ProtRead | ProtExec, Shared: true, File: f}},
		{"writable shared file", MapRequest{Prot: protAll, Shared: true, File: f}},
	} {
		t.Run(c.name, func(t *testing.T) {
			as := newSpace(t, 64<<20)
			c.r.Length = pageSize
			a := mapAt(t, as, c.r)
			original := copyIn(t, as, a, 1)[0]
			setBreakpoint(t, as, a+7)
			there := func(what string) {
				t.Helper()
				if memoryAt(t, as, a+7) != int3 {
					t.Errorf("%s: the breakpoint is gone", what)
				}
				if got := copyIn(t, as, a+7, 1)[0]; got != original {
					t.Errorf("%s: byte %#x shows, want %#x", what, got, original)
				}
				if !bytes.Equal(readFile(t, path), before) {
					t.Fatalf("%s: the breakpoint is in the file", what)
				}
				checkSpace(t, as)
			}
			as.Advise(a, pageSize, unix.MADV_DONTNEED)
			there("MADV_DONTNEED")
			as.Protect(a, pageSize, 0)
			as.Protect(a, pageSize, c.r.Prot)
			there("mprotect")
			mapAt(t, as, c.r)
			there("mmap over it")
			as.Unmap(a, pageSize)
			if in, _ := as.HasBreakpoint(a + 7); in {
				t.Error("a breakpoint in nothing")
			}
			mapAt(t, as, c.r)
			there("munmap and mmap")
			as.RemoveBreakpoint(a + 7)
			if memoryAt(t, as, a+7) != original {
				t.Error("removal did not bring the byte back")
			}
		})
	}
}

// Memory that moves away leaves the breakpoint behind and takes the program's
// own byte along.
func TestBreakpointAndRemap(t *testing.T) {
	for _, keep := range []int{0, unix.MREMAP_DONTUNMAP} {
		as := newSpace(t, 64<<20)
		a, data := codePage(t, as, protAll)
		to := a + 64*pageSize
		setBreakpoint(t, as, a+5)
		if _, errno := as.Remap(a, pageSize, pageSize, unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED|keep, to); errno != 0 {
			t.Fatal(errno)
		}
		for i := range data {
			if got := memoryAt(t, as, to+engine.GVA(i)); got != data[i] {
				t.Fatalf("byte %d is %#x after the move, want %#x", i, got, data[i])
			}
		}
		if keep != 0 && (memoryAt(t, as, a+5) != int3 || copyIn(t, as, a+5, 1)[0] != 0) {
			t.Error("the breakpoint is not in the memory that is there now")
		}
		// And back: the memory comes to the breakpoint.
		if _, errno := as.Remap(to, pageSize, pageSize, unix.MREMAP_MAYMOVE|unix.MREMAP_FIXED, a); errno != 0 {
			t.Fatal(errno)
		}
		if memoryAt(t, as, a+5) != int3 || copyIn(t, as, a+5, 1)[0] != 5 {
			t.Error("the breakpoint is not in the memory that came")
		}
		as.RemoveBreakpoint(a + 5)
		if !bytes.Equal(copyIn(t, as, a, pageSize), data) {
			t.Error("the memory changed")
		}
		checkSpace(t, as)
	}
}

func TestGuards(t *testing.T) {
	as := newSpace(t, 64<<20)
	a := mapAt(t, as, MapRequest{Length: 4 * pageSize, Prot: rw})
	copyOut(t, as, a, []byte("guarded"))
	as.SetGuard(a+10, GuardWrite)
	wantFault(t, as, a, AccessRead, FaultNone)
	wantFault(t, as, a+pageSize-1, AccessWrite, FaultGuard)
	wantFault(t, as, a+pageSize, AccessWrite, FaultNone)
	as.SetGuard(a, GuardAccess)
	wantFault(t, as, a, AccessRead, FaultGuard)
	wantFault(t, as, a, AccessWrite, FaultGuard)
	wantFault(t, as, a, AccessExec, FaultAccErr) // what is forbidden anyway is no event
	// The VMM's own accesses go through.
	copyOut(t, as, a+1, []byte("U"))
	if got := copyIn(t, as, a, 7); string(got) != "gUarded" {
		t.Errorf("read %q", got)
	}
	if b, errno := as.Buffers([]Range{{a, 2 * pageSize}}, AccessWrite, 2*pageSize); errno != 0 || b.Size != 2*pageSize {
		t.Errorf("buffers: %v", errno)
	}
	checkSpace(t, as)
	// A guard stays through everything, also in pages to come.
	as.Protect(a, pageSize, ProtRead)
	as.Protect(a, pageSize, rw)
	wantFault(t, as, a, AccessRead, FaultGuard)
	mapAt(t, as, MapRequest{Length: pageSize, Prot: rw})
	wantFault(t, as, a, AccessRead, FaultGuard)
	as.SetGuard(a, GuardNone)
	wantFault(t, as, a, AccessWrite, FaultNone)
	as.SetGuard(a+100*pageSize, GuardWrite)
	as.SetGuard(a+100*pageSize, GuardNone)
	checkSpace(t, as)
}
