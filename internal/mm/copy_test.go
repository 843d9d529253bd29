package mm

import (
	"bytes"
	"math/rand/v2"
	"os"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
)

// holes maps four pages with a hole after the second and the fourth
// forbidden; the pages hold a, b and d.
func holes(t *testing.T) (*AddressSpace, engine.GVA) {
	t.Helper()
	as := newSpace(t, 64<<20)
	a := mapAt(t, as, MapRequest{Length: 4 * pageSize, Prot: rw})
	for i, ch := range []string{"a", "b", "c", "d"} {
		copyOut(t, as, a+engine.GVA(i)*pageSize, []byte(strings.Repeat(ch, pageSize)))
	}
	as.Unmap(a+2*pageSize, pageSize)
	as.Protect(a+3*pageSize, pageSize, 0)
	return as, a
}

func TestCopyStopsAtHoles(t *testing.T) {
	as, a := holes(t)
	buf := make([]byte, 3*pageSize)
	for _, c := range []struct {
		name string
		at   engine.GVA
		n    int
		want int
		err  linux.Errno
	}{
		{"nothing", 0, 0, 0, 0},
		{"null", 0, 1, 0, linux.EFAULT},
		{"up to the hole", a + 10, 2*pageSize - 10, 2*pageSize - 10, 0},
		{"across the hole", a + pageSize, 2 * pageSize, pageSize, linux.EFAULT},
		{"in the hole", a + 2*pageSize, 1, 0, linux.EFAULT},
		{"from the hole on", a + 3*pageSize - 1, 2, 0, linux.EFAULT},
		{"forbidden", a + 3*pageSize, 1, 0, linux.EFAULT},
		{"end of the space", UserEnd - 1, 2, 0, linux.EFAULT},
		{"beyond it", UserEnd, 1, 0, linux.EFAULT},
		{"not canonical", 1 << 47, 1, 0, linux.EFAULT},
		{"around the top", ^engine.GVA(0), 2, 0, linux.EFAULT},
	} {
		if n, errno := as.CopyIn(buf[:c.n], c.at); n != c.want || errno != c.err {
			t.Errorf("copy in, %s: %d, %v; want %d, %v", c.name, n, errno, c.want, c.err)
		}
		if n, errno := as.CopyOut(c.at, buf[:c.n]); n != c.want || errno != c.err {
			t.Errorf("copy out, %s: %d, %v; want %d, %v", c.name, n, errno, c.want, c.err)
		}
	}
	// The debugger only cares whether something is mapped.
	if _, errno := as.DebugRead(buf[:1], a+3*pageSize); errno != 0 || buf[0] != 'd' {
		t.Errorf("debug read %q, %v", buf[0], errno)
	}
	if _, errno := as.DebugRead(buf[:1], a+2*pageSize); errno != linux.EFAULT {
		t.Errorf("debug read in the hole: %v", errno)
	}
	as.Protect(a, pageSize, ProtRead)
	if n, errno := as.CopyOut(a+pageSize-1, buf[:2]); n != 0 || errno != linux.EFAULT {
		t.Errorf("copy out to read-only memory: %d, %v", n, errno)
	}
	checkSpace(t, as)
}

func TestCopyInString(t *testing.T) {
	as := newSpace(t, 64<<20)
	a := mapAt(t, as, MapRequest{Length: 2 * pageSize, Prot: rw})
	end := a + 2*pageSize
	long := strings.Repeat("x", pageSize+10)
	for _, c := range []struct {
		name  string
		put   string
		at    engine.GVA
		limit int
		want  string
		err   linux.Errno
	}{
		{"empty", "\x00", a, 10, "", 0},
		{"short", "hello\x00", a, 10, "hello", 0},
		{"just fits", "hello\x00", a, 6, "hello", 0},
		{"too long", "hello\x00", a, 5, "", linux.ENAMETOOLONG},
		{"no room at all", "hello\x00", a, 0, "", linux.ENAMETOOLONG},
		{"across a page border", "hello\x00", a + pageSize - 3, 100, "hello", 0},
		{"NUL is the first byte of a page", "hello\x00", a + pageSize - 5, 100, "hello", 0},
		{"more than a page", long + "\x00", a + 5, 2 * pageSize, long, 0},
		{"ends with the last byte", "hello\x00", end - 6, 100, "hello", 0},
		{"runs into the hole", "hello", end - 5, 100, "", linux.EFAULT},
		{"limit before the hole", "hello", end - 5, 5, "", linux.ENAMETOOLONG},
		{"in the hole", "", end, 100, "", linux.EFAULT},
		{"null", "", 0, 100, "", linux.EFAULT},
		{"not canonical", "", 1 << 63, 100, "", linux.EFAULT},
		{"at the top", "", ^engine.GVA(0), 100, "", linux.EFAULT},
	} {
		if c.put != "" {
			copyOut(t, as, a, make([]byte, 2*pageSize))
			copyOut(t, as, c.at, []byte(c.put))
		}
		if got, errno := as.CopyInString(c.at, c.limit); got != c.want || errno != c.err {
			t.Errorf("%s: %.20q, %v; want %.20q, %v", c.name, got, errno, c.want, c.err)
		}
	}
}

func TestWireStructures(t *testing.T) {
	as := newSpace(t, 64<<20)
	a := mapAt(t, as, MapRequest{Length: 2 * pageSize, Prot: rw}) + pageSize - 6
	ts := linux.Timespec{Sec: 1 << 40, Nsec: 5}
	if errno := Write(as, a, ts); errno != 0 {
		t.Fatal(errno)
	}
	if got, errno := Read[linux.Timespec](as, a); errno != 0 || got != ts {
		t.Errorf("%+v, %v", got, errno)
	}
	if errno := WriteSlice(as, a, []uint64{1, 2, 3}); errno != 0 {
		t.Fatal(errno)
	}
	if got, errno := ReadSlice[uint64](as, a, 3); errno != 0 || got[0] != 1 || got[2] != 3 {
		t.Errorf("%v, %v", got, errno)
	}
	if got, errno := as.Read64(a + 8); errno != 0 || got != 2 {
		t.Errorf("%d, %v", got, errno)
	}
	end := testAddr + 2*pageSize
	if _, errno := Read[linux.Timespec](as, end-8); errno != linux.EFAULT {
		t.Error(errno)
	}
	if _, errno := ReadSlice[uint64](as, 0, 0); errno != 0 {
		t.Errorf("no elements at null: %v", errno)
	}
}

func TestAtomics(t *testing.T) {
	as := newSpace(t, 64<<20)
	a := mapAt(t, as, MapRequest{Length: pageSize, Prot: rw})
	for _, at := range []engine.GVA{a + 1, a + 2, a + 3} {
		if _, errno := as.Load32(at); errno != linux.EINVAL {
			t.Errorf("load at %#x: %v", at, errno)
		}
	}
	if seen, errno := as.CompareAndSwap32(a, 0, 7); seen != 0 || errno != 0 {
		t.Errorf("%d, %v", seen, errno)
	}
	if seen, errno := as.CompareAndSwap32(a, 0, 8); seen != 7 || errno != 0 {
		t.Errorf("%d, %v", seen, errno)
	}
	v, errno := as.Load32(a)
	if v != 7 || errno != 0 {
		t.Errorf("%d, %v", v, errno)
	}
	if _, errno := as.Remap(a, pageSize, pageSize, fixed, a+16*pageSize); errno != 0 {
		t.Fatal(errno)
	}
	as.Protect(a+16*pageSize, pageSize, ProtRead)
	if _, errno := as.CompareAndSwap32(a+16*pageSize, 7, 8); errno != linux.EFAULT {
		t.Errorf("compare and swap in read-only memory: %v", errno)
	}
	if _, errno := as.Load32(UserEnd); errno != linux.EFAULT {
		t.Error(errno)
	}
	var wg sync.WaitGroup
	b := mapAt(t, as, MapRequest{Length: pageSize, Prot: rw})
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				for {
					v, _ := as.Load32(b)
					if seen, _ := as.CompareAndSwap32(b, v, v+1); seen == v {
						break
					}
				}
			}
		})
	}
	wg.Wait()
	if v, _ := as.Load32(b); v != 4000 {
		t.Errorf("counted to %d", v)
	}
}

func TestBuffers(t *testing.T) {
	as, a := holes(t)
	for _, c := range []struct {
		name   string
		ranges []Range
		limit  int
		want   string
		err    linux.Errno
	}{
		{"nothing", nil, 10, "", 0},
		{"an empty range anywhere", []Range{{0, 0}, {a, 1}}, 10, "a", 0},
		{"two ranges", []Range{{a + pageSize, 2}, {a, 3}}, 10, "bbaaa", 0},
		{"limit", []Range{{a, 100}, {a + pageSize, 100}}, 101, strings.Repeat("a", 100) + "b", 0},
		{"no limit at all", []Range{{a, 100}}, 0, "", 0},
		{"across a border", []Range{{a + pageSize - 2, 4}}, 10, "aabb", 0},
		{"into the hole", []Range{{a + 2*pageSize - 2, 4}}, 10, "bb", 0},
		{"second range bad", []Range{{a, 2}, {0, 2}, {a, 2}}, 10, "aa", 0},
		{"first range bad", []Range{{a + 2*pageSize, 2}, {a, 2}}, 10, "", linux.EFAULT},
		{"forbidden", []Range{{a + 3*pageSize, 2}}, 10, "", linux.EFAULT},
		{"huge", []Range{{a + pageSize, ^uint64(0)}}, MaxTransfer, strings.Repeat("b", pageSize), 0},
		{"not canonical", []Range{{1 << 63, 1}}, 10, "", linux.EFAULT},
	} {
		b, errno := as.Buffers(c.ranges, AccessRead, c.limit)
		if errno != c.err {
			t.Errorf("%s: %v, want %v", c.name, errno, c.err)
			continue
		}
		if errno != 0 {
			continue
		}
		if got := bytes.Join(b.Bufs, nil); string(got) != c.want || b.Size != len(c.want) {
			t.Errorf("%s: %.20q of size %d, want %.20q", c.name, got, b.Size, c.want)
		}
	}
	many := make([]Range, 3000)
	for i := range many {
		many[i] = Range{a + engine.GVA(i), 1}
	}
	if b, errno := as.Buffers(many, AccessRead, MaxTransfer); errno != 0 || len(b.Bufs) != maxBuffers {
		t.Errorf("%d buffers, %v", len(b.Bufs), errno)
	}
	as.Protect(a, pageSize, ProtRead)
	if _, errno := as.Buffers([]Range{{a, 1}}, AccessWrite, 1); errno != linux.EFAULT {
		t.Errorf("buffers to read into in read-only memory: %v", errno)
	}
}

// Host calls work on the buffers, and partial ones go on where they ended.
func TestBuffersWithHost(t *testing.T) {
	as := newSpace(t, 64<<20)
	a := mapAt(t, as, MapRequest{Length: 4 * pageSize, Prot: rw})
	f, path := tempFile(t, 3, unix.O_RDONLY)
	want := readFile(t, path)[100 : 100+2*pageSize]
	ranges := []Range{{a + 10, 100}, {a + pageSize, 2*pageSize - 100}}
	for _, breakpoint := range []bool{false, true} {
		if breakpoint {
			setBreakpoint(t, as, a+50)
			setBreakpoint(t, as, a+2*pageSize)
		}
		b, errno := as.Buffers(ranges, AccessWrite, MaxTransfer)
		if errno != 0 {
			t.Fatal(errno)
		}
		for done := 0; done < len(want); {
			// As a pipe would: what fits into 777 bytes.
			head := [][]byte{b.Bufs[0][:min(777, len(b.Bufs[0]))]}
			n, err := unix.Preadv(f.fd, head, int64(100+done))
			if err != nil || n <= 0 {
				t.Fatalf("readv: %d, %v", n, err)
			}
			b.Filled(n)
			b.Advance(n)
			done += n
		}
		if b.Size != 0 || len(b.Bufs) != 0 {
			t.Errorf("%d bytes left in %d buffers", b.Size, len(b.Bufs))
		}
		got := append(copyIn(t, as, a+10, 100), copyIn(t, as, a+pageSize, 2*pageSize-100)...)
		if !bytes.Equal(got, want) {
			t.Errorf("breakpoint %v: the bytes differ", breakpoint)
		}
		if breakpoint && (memoryAt(t, as, a+50) != int3 || memoryAt(t, as, a+2*pageSize) != int3) {
			t.Error("the breakpoints are gone")
		}
		copyOut(t, as, a, make([]byte, 4*pageSize))
	}
	checkSpace(t, as)
}

func TestBuffersCopy(t *testing.T) {
	as := newSpace(t, 64<<20)
	a := mapAt(t, as, MapRequest{Length: 2 * pageSize, Prot: rw})
	setBreakpoint(t, as, a+1)
	b, errno := as.Buffers([]Range{{a, 2}, {a + pageSize, 4}}, AccessWrite, MaxTransfer)
	if errno != 0 {
		t.Fatal(errno)
	}
	n, errno := b.CopyOut([]byte("123456789"))
	if n != 6 || errno != 0 {
		t.Errorf("copied %d, %v", n, errno)
	}
	b.Filled(n)
	if string(copyIn(t, as, a, 2)) != "12" || string(copyIn(t, as, a+pageSize, 4)) != "3456" || memoryAt(t, as, a+1) != int3 {
		t.Errorf("memory %q %q", copyIn(t, as, a, 2), copyIn(t, as, a+pageSize, 4))
	}
	b, errno = as.Buffers([]Range{{a, 2}, {a + pageSize, 4}}, AccessRead, MaxTransfer)
	dst := make([]byte, 5)
	if n, e := b.CopyIn(dst); n != 5 || e != 0 || errno != 0 || string(dst) != "12345" {
		t.Errorf("copied %d %q, %v", n, dst, e)
	}
}

// Bytes that a file no longer has do not spoil those before them.
func TestBuffersOverTruncatedFile(t *testing.T) {
	as := newSpace(t, 64<<20)
	f, path := tempFile(t, 2, unix.O_RDWR)
	a := mapAt(t, as, MapRequest{Length: pageSize, Prot: rw})
	b := mapAt(t, as, MapRequest{Addr: a + pageSize, Length: 2 * pageSize, Prot: rw, File: f, Shared: true})
	setBreakpoint(t, as, b+pageSize-1)
	as.RemoveBreakpoint(b + pageSize - 1)
	copyOut(t, as, b+pageSize, []byte("x"))
	if err := os.Truncate(path, pageSize); err != nil {
		t.Fatal(err)
	}
	bufs, errno := as.Buffers([]Range{{a, pageSize}, {b, 2 * pageSize}}, AccessRead, MaxTransfer)
	if errno != 0 {
		t.Fatal(errno)
	}
	dst := make([]byte, 3*pageSize)
	if n, errno := bufs.CopyIn(dst); n != 2*pageSize || errno != 0 {
		t.Errorf("copied %d, %v", n, errno)
	}
	// The same with a breakpoint in the part that is gone: it has to be copied.
	as.mu.Lock()
	as.breakpoints[b+pageSize+7] = &breakpoint{}
	as.mu.Unlock()
	bufs, errno = as.Buffers([]Range{{a, pageSize}, {b + pageSize, pageSize}}, AccessRead, MaxTransfer)
	if errno != 0 || bufs.Size != pageSize {
		t.Errorf("buffers: %+v, %v", bufs, errno)
	}
}

// Copies, faults and changes of the mappings at the same time.
func TestConcurrent(t *testing.T) {
	as := newSpace(t, 256<<20)
	f, path := tempFile(t, 16, unix.O_RDWR)
	const pages = 64
	var workers, changers sync.WaitGroup
	stop := make(chan struct{})
	for i := range uint64(2) {
		workers.Go(func() {
			r := rand.New(rand.NewPCG(i, 2))
			buf := make([]byte, 3*pageSize)
			for range 3000 {
				a := testAddr + engine.GVA(r.IntN(pages*pageSize))
				switch r.IntN(8) {
				case 0:
					_, _ = as.CopyIn(buf[:r.IntN(len(buf))], a)
				case 1:
					_, _ = as.CopyOut(a, buf[:r.IntN(len(buf))])
				case 2:
					as.Fault(a, Access(r.IntN(3)))
				case 3:
					_, _ = as.Load32(a &^ 3)
				case 4:
					_, _ = as.CompareAndSwap32(a&^3, 0, 0)
				case 5:
					if b, errno := as.Buffers([]Range{{a, 5000}}, AccessWrite, MaxTransfer); errno == 0 {
						n, _ := b.CopyOut(buf)
						b.Filled(n)
					}
				case 6:
					_, _ = as.DebugRead(buf[:100], a)
				case 7:
					_, _ = as.mem.Peek(as.Root(), a)
				}
			}
		})
	}
	changers.Go(func() {
		r := rand.New(rand.NewPCG(7, 7))
		for n := 0; ; n++ {
			select {
			case <-stop:
				return
			default:
			}
			a, length := testAddr+engine.GVA(r.IntN(pages))*pageSize, uint64(1+r.IntN(8))*pageSize
			switch r.IntN(7) {
			case 0:
				_, _ = as.Map(MapRequest{Addr: a, Length: length, Prot: rw, Fixed: true})
			case 1:
				_, _ = as.Map(MapRequest{Addr: a, Length: length, Prot: rw, Fixed: true, File: f, Shared: r.IntN(2) == 0})
			case 2:
				as.Unmap(a, length)
			case 3:
				as.Protect(a, length, Prot(r.IntN(8)))
			case 4:
				_, _ = as.Remap(a, pageSize, length, mayMove, 0)
			case 5:
				as.Advise(a, length, unix.MADV_DONTNEED)
			case 6:
				if !raced {
					_ = os.Truncate(path, int64(r.IntN(16*pageSize)))
				}
			}
		}
	})
	workers.Wait()
	close(stop)
	changers.Wait()
	checkSpace(t, as)
	as.Unmap(minAddr, uint64(UserEnd-minAddr))
	checkSpace(t, as)
	if as.mem.InUse() != tablePages(as)*pageSize {
		t.Errorf("in use %d after everything is unmapped", as.mem.InUse())
	}
}
