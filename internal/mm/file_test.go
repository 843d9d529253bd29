package mm

import (
	"bytes"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
)

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func copyIn(t testing.TB, as *AddressSpace, a engine.GVA, n int) []byte {
	t.Helper()
	b := make([]byte, n)
	if got, errno := as.CopyIn(b, a); errno != 0 || got != n {
		t.Fatalf("copy in %d bytes at %#x: %d, %v", n, a, got, errno)
	}
	return b
}

func copyOut(t testing.TB, as *AddressSpace, a engine.GVA, b []byte) {
	t.Helper()
	if got, errno := as.CopyOut(a, b); errno != 0 || got != len(b) {
		t.Fatalf("copy out %d bytes at %#x: %d, %v", len(b), a, got, errno)
	}
}

func TestPrivateFile(t *testing.T) {
	as := newSpace(t, 64<<20)
	f, path := tempFile(t, 3, unix.O_RDONLY)
	before := readFile(t, path)
	a := mapAt(t, as, MapRequest{Length: 2 * pageSize, Prot: rw, File: f, Offset: pageSize})
	if got := copyIn(t, as, a+pageSize-1, 2); string(got) != "BC" {
		t.Errorf("read %q", got)
	}
	// The program writes, the VMM writes: nothing reaches the file.
	p, _ := guest(t, as, a, AccessWrite)
	*p = 'x'
	copyOut(t, as, a+1, []byte("yz"))
	if got := copyIn(t, as, a, 4); string(got) != "xyzB" {
		t.Errorf("read %q", got)
	}
	if !bytes.Equal(readFile(t, path), before) {
		t.Error("the file changed")
	}
	if errno := as.Advise(a, pageSize, unix.MADV_DONTNEED); errno != 0 {
		t.Fatal(errno)
	}
	if got := copyIn(t, as, a, 4); string(got) != "BBBB" {
		t.Errorf("after MADV_DONTNEED %q", got)
	}
	checkSpace(t, as)
}

func TestSharedFile(t *testing.T) {
	as := newSpace(t, 64<<20)
	f, path := tempFile(t, 2, unix.O_RDWR)
	a := mapAt(t, as, MapRequest{Length: 2 * pageSize, Prot: rw, Shared: true, File: f})
	b := mapAt(t, as, MapRequest{Addr: testAddr + 16*pageSize, Length: pageSize, Prot: ProtRead, Shared: true, File: f})
	p, _ := guest(t, as, a, AccessWrite)
	*p = 'x'
	copyOut(t, as, a+1, []byte("yz"))
	if got := copyIn(t, as, b, 4); string(got) != "xyzA" {
		t.Errorf("the other mapping has %q", got)
	}
	if got := readFile(t, path)[:4]; string(got) != "xyzA" {
		t.Errorf("the file has %q", got)
	}
	if _, errno := as.CopyOut(b, []byte("n")); errno != linux.EFAULT {
		t.Errorf("write to a read-only mapping: %v", errno)
	}
	as.Advise(a, pageSize, unix.MADV_DONTNEED)
	if got := copyIn(t, as, a, 4); string(got) != "xyzA" {
		t.Errorf("after MADV_DONTNEED %q", got)
	}
	// A debugger's write stays with the debugger.
	if _, errno := as.DebugWrite(a, []byte("debug")); errno != 0 {
		t.Fatal(errno)
	}
	if got := copyIn(t, as, a, 6); string(got) != "debugA" {
		t.Errorf("read %q", got)
	}
	if got := readFile(t, path)[:4]; string(got) != "xyzA" {
		t.Errorf("the debugger wrote the file: %q", got)
	}
	checkSpace(t, as)
	as.Unmap(a, 32*pageSize)
	checkSpace(t, as)
	if refs := f.refs.Load(); refs != 1 {
		t.Errorf("%d references", refs)
	}
}

// What lies behind the end of the file is SIGBUS for the program, EFAULT for
// its system calls, and comes to life when the file grows.
func TestEndOfFile(t *testing.T) {
	for _, shared := range []bool{false, true} {
		as := newSpace(t, 64<<20)
		f, path := tempFile(t, 1, unix.O_RDWR)
		if err := os.Truncate(path, 100); err != nil {
			t.Fatal(err)
		}
		a := mapAt(t, as, MapRequest{Length: 3 * pageSize, Prot: rw, Shared: shared, File: f})
		wantFault(t, as, a+pageSize-1, AccessRead, FaultNone)
		wantFault(t, as, a+pageSize, AccessRead, FaultBus)
		wantFault(t, as, a+pageSize, AccessWrite, FaultBus)
		buf := make([]byte, 2*pageSize)
		if n, errno := as.CopyIn(buf, a); n != pageSize || errno != linux.EFAULT {
			t.Errorf("copy in: %d, %v", n, errno)
		}
		if n, errno := as.CopyOut(a+pageSize-2, []byte("four")); n != 2 || errno != linux.EFAULT {
			t.Errorf("copy out: %d, %v", n, errno)
		}
		if _, errno := as.DebugRead(buf[:1], a+pageSize); errno != linux.EFAULT {
			t.Errorf("debug read: %v", errno)
		}
		if errno := as.InsertBreakpoint(a+pageSize, false); errno != linux.EFAULT {
			t.Errorf("breakpoint: %v", errno)
		}
		if err := os.Truncate(path, 2*pageSize); err != nil {
			t.Fatal(err)
		}
		wantFault(t, as, a+pageSize, AccessRead, FaultNone)
		wantFault(t, as, a+2*pageSize, AccessRead, FaultBus)
		checkSpace(t, as)
	}
}

// A file that is cut short while it is mapped must not bring the VMM down.
func TestTruncatedFile(t *testing.T) {
	for _, shared := range []bool{false, true} {
		as := newSpace(t, 64<<20)
		f, path := tempFile(t, 2, unix.O_RDWR)
		a := mapAt(t, as, MapRequest{Length: 2 * pageSize, Prot: rw, Shared: shared, File: f})
		if err := os.Truncate(path, 0); err != nil {
			t.Fatal(err)
		}
		buf := make([]byte, 16)
		if n, errno := as.CopyIn(buf, a); n != 0 || errno != linux.EFAULT {
			t.Errorf("copy in: %d, %v", n, errno)
		}
		if n, errno := as.CopyOut(a, buf); n != 0 || errno != linux.EFAULT {
			t.Errorf("copy out: %d, %v", n, errno)
		}
		if n, errno := as.DebugWrite(a, buf); n != 0 || errno != linux.EFAULT {
			t.Errorf("debug write: %d, %v", n, errno)
		}
		if _, errno := as.Load32(a); errno != linux.EFAULT {
			t.Errorf("load: %v", errno)
		}
		if _, errno := as.CompareAndSwap32(a, 0, 1); errno != linux.EFAULT {
			t.Errorf("compare and swap: %v", errno)
		}
		if _, errno := as.CopyInString(a, 100); errno != linux.EFAULT {
			t.Errorf("string: %v", errno)
		}
		if errno := as.InsertBreakpoint(a, false); errno != linux.EFAULT {
			t.Errorf("breakpoint: %v", errno)
		}
		if _, ok := as.mem.Peek(as.Root(), a); ok {
			t.Error("peek sees something")
		}
		b, errno := as.Buffers([]Range{{a, 16}}, AccessWrite, 16)
		if errno == 0 {
			if _, errno = b.CopyOut([]byte("x")); errno != linux.EFAULT {
				t.Errorf("buffers copy out: %v", errno)
			}
			if _, errno = b.CopyIn(buf); errno != linux.EFAULT {
				t.Errorf("buffers copy in: %v", errno)
			}
		}
		checkSpace(t, as)
		as.Unmap(a, 2*pageSize)
		checkSpace(t, as)
	}
}

// A file that cannot be mapped is an error of mmap, not of the first access.
func TestFileThatCannotBeMapped(t *testing.T) {
	as := newSpace(t, 64<<20)
	var p [2]int
	if err := unix.Pipe2(p[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer unix.Close(p[0])
	defer unix.Close(p[1])
	f, err := NewFile(p[0], "pipe")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for range 3 {
		for _, length := range []uint64{pageSize, 8 << 20} {
			if _, errno := as.Map(MapRequest{Length: length, Prot: ProtRead, File: f}); errno != linux.ENODEV {
				t.Errorf("map %d bytes of a pipe: %v", length, errno)
			}
		}
	}
	if len(as.VMAs()) != 0 || f.refs.Load() != 1 {
		t.Errorf("VMAs %+v, %d references", as.VMAs(), f.refs.Load())
	}
	checkSpace(t, as)
}

// A file that stops being mappable later: the access fails, no page is lost.
func TestFillFailureLeaksNothing(t *testing.T) {
	as := newSpace(t, 64<<20)
	f, _ := tempFile(t, 4, unix.O_RDWR)
	a := mapAt(t, as, MapRequest{Length: 4 * pageSize, File: f, Shared: true})
	unix.Close(f.fd)
	null, err := unix.Open("/dev/null", unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if f.fd = null; as.Protect(a, 4*pageSize, rw) != 0 {
		t.Fatal("protect")
	}
	as.dropPages(a, a+4*pageSize)
	before := as.mem.InUse()
	for range 10 {
		wantFault(t, as, a, AccessRead, FaultBus)
	}
	if as.mem.InUse() != before {
		t.Errorf("%d bytes leaked", as.mem.InUse()-before)
	}
	checkSpace(t, as)
}

func TestNewFileErrors(t *testing.T) {
	if _, err := NewFile(-1, "nothing"); err == nil {
		t.Error("a file of no descriptor")
	}
	var none *File
	none.Close()
	if none.hold() != nil {
		t.Error("a reference of nothing")
	}
}

// Programs map more files than the host lets one process have mappings.
func TestManyFileMappings(t *testing.T) {
	as := newSpace(t, 512<<20)
	f, _ := tempFile(t, 2, unix.O_RDWR)
	n := engine.GVA(0)
	var errno linux.Errno
	for ; n < 2*maxVMAs && errno == 0; n++ {
		// Never neighbours: every one is a mapping of the host's, and so is
		// the memory between.
		_, errno = as.Map(MapRequest{Addr: testAddr + n*2*pageSize, Length: pageSize, Prot: rw, Shared: n%2 == 0, File: f, Fixed: true})
		if errno == 0 && n%2 == 0 {
			_, errno = as.Map(MapRequest{Addr: testAddr + n*2*pageSize + pageSize, Length: pageSize, Prot: rw, Fixed: true})
		}
	}
	if errno != linux.ENOMEM || n < 1000 {
		t.Fatalf("%v after %d mappings", errno, n)
	}
	t.Logf("%d mappings", n)
	all := uint64(n) * 2 * pageSize
	if errno := as.Protect(testAddr, pageSize, ProtRead); errno != 0 && errno != linux.ENOMEM {
		t.Errorf("protect: %v", errno)
	}
	wantFault(t, as, testAddr, AccessRead, FaultNone)
	if errno := as.Unmap(testAddr+pageSize, all); errno != 0 && errno != linux.ENOMEM {
		t.Errorf("unmap: %v", errno)
	}
	if errno := as.Unmap(testAddr, pageSize); errno != 0 {
		t.Errorf("unmap: %v", errno)
	}
	checkSpace(t, as)
}
