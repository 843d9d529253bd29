package mm

import (
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
)

const (
	mayMove   = unix.MREMAP_MAYMOVE
	fixed     = unix.MREMAP_MAYMOVE | unix.MREMAP_FIXED
	dontUnmap = unix.MREMAP_MAYMOVE | unix.MREMAP_DONTUNMAP
)

func TestRemapErrors(t *testing.T) {
	f, _ := tempFile(t, 4, unix.O_RDWR)
	const p = pageSize
	for _, c := range []struct {
		name           string
		old            engine.GVA
		oldLen, newLen uint64
		flags          int
		at             engine.GVA
		want           linux.Errno
	}{
		{"unaligned", testAddr + 1, p, p, 0, 0, linux.EINVAL},
		{"no new length", testAddr, p, 0, 0, 0, linux.EINVAL},
		{"unknown flag", testAddr, p, p, 8, 0, linux.EINVAL},
		{"fixed without may-move", testAddr, p, p, unix.MREMAP_FIXED, 0, linux.EINVAL},
		{"keep with another size", testAddr, p, 2 * p, dontUnmap, 0, linux.EINVAL},
		{"nothing mapped", testAddr - p, p, 2 * p, mayMove, 0, linux.EFAULT},
		{"across a border", testAddr, 8 * p, 16 * p, mayMove, 0, linux.EFAULT},
		{"no room", testAddr, 4 * p, 8 * p, 0, 0, linux.ENOMEM},
		{"huge", testAddr, p, ^uint64(0), mayMove, 0, linux.EINVAL},
		{"larger than the space", testAddr, p, uint64(UserEnd) + p, mayMove, 0, linux.EINVAL},
		{"old length huge", testAddr, 1 << 63, p, mayMove, 0, linux.EINVAL},
		{"old range beyond the end", UserEnd - p, 2 * p, 3 * p, mayMove, 0, linux.EINVAL},
		{"onto itself", testAddr, 2 * p, 2 * p, fixed, testAddr + p, linux.EINVAL},
		{"onto itself, larger", testAddr + 2*p, p, 4 * p, fixed, testAddr, linux.EINVAL},
		{"to a place in a page", testAddr, p, p, fixed, testAddr + 0x100001, linux.EINVAL},
		{"beyond the end", testAddr, p, 2 * p, fixed, UserEnd - p, linux.EINVAL},
		{"to null", testAddr, p, p, fixed, 0, linux.EPERM},
		{"second mapping of private memory", testAddr, 0, p, mayMove, 0, linux.EINVAL},
		// Linux unmaps the new place first, and with it what was to be moved.
		{"second mapping over the first", testAddr + 4*p, 0, 2 * p, fixed, testAddr + 4*p, linux.EFAULT},
	} {
		as := newSpace(t, 64<<20)
		mapAt(t, as, MapRequest{Length: 4 * p, Prot: rw})
		mapAt(t, as, MapRequest{Addr: testAddr + 4*p, Length: 4 * p, Prot: rw, Shared: true, File: f})
		if at, errno := as.Remap(c.old, c.oldLen, c.newLen, c.flags, c.at); errno != c.want {
			t.Errorf("%s: %#x, %v; want %v", c.name, at, errno, c.want)
		}
		checkSpace(t, as)
	}
}

func TestRemap(t *testing.T) {
	as := newSpace(t, 64<<20)
	const p = pageSize
	remap := func(old engine.GVA, oldLen, newLen uint64, flags int, at, want engine.GVA) {
		t.Helper()
		if got, errno := as.Remap(old, oldLen, newLen, flags, at); errno != 0 || got != want {
			t.Fatalf("remap %#x+%#x to %#x: %#x, %v; want %#x", old, oldLen, newLen, got, errno, want)
		}
		checkSpace(t, as)
	}
	a := mapAt(t, as, MapRequest{Length: 4 * p, Prot: rw})
	copyOut(t, as, a+p, []byte("second page"))
	remap(a, 4*p, 2*p, 0, 0, a) // shrinks
	wantFault(t, as, a+2*p, AccessRead, FaultMapErr)
	remap(a, 2*p, 6*p, 0, 0, a) // grows where it is
	if len(as.VMAs()) != 1 {
		t.Errorf("VMAs %+v", as.VMAs())
	}
	mapAt(t, as, MapRequest{Addr: a + 6*p, Length: p, Prot: ProtRead})
	top := testBase - 8*p
	remap(a, 6*p, 8*p, mayMove, 0, top) // has to move
	wantFault(t, as, a, AccessRead, FaultMapErr)
	if got := copyIn(t, as, top+p, 11); string(got) != "second page" {
		t.Errorf("moved %q", got)
	}
	if got := copyIn(t, as, top+7*p, 2); string(got) != "\x00\x00" {
		t.Errorf("grown %q", got)
	}
	remap(top+p, p, p, fixed, a+6*p, a+6*p) // out of the middle, over another mapping
	if got := copyIn(t, as, a+6*p, 11); string(got) != "second page" {
		t.Errorf("moved %q", got)
	}
	wantFault(t, as, a+6*p, AccessWrite, FaultNone)
	remap(a+6*p, p, p, dontUnmap, 0, top+p) // back to the hole, leaving zeroes
	if got := copyIn(t, as, top+p, 11); string(got) != "second page" {
		t.Errorf("moved %q", got)
	}
	if got := copyIn(t, as, a+6*p, 2); string(got) != "\x00\x00" {
		t.Errorf("left behind %q", got)
	}
}

// mremap with an old size of 0 maps a shared range a second time.
func TestRemapSecondMapping(t *testing.T) {
	as := newSpace(t, 64<<20)
	f, _ := tempFile(t, 4, unix.O_RDWR)
	a := mapAt(t, as, MapRequest{Length: 4 * pageSize, Prot: rw, Shared: true, File: f})
	b, errno := as.Remap(a+pageSize, 0, 2*pageSize, mayMove, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	copyOut(t, as, b+pageSize, []byte("seen"))
	if got := copyIn(t, as, a+2*pageSize, 4); string(got) != "seen" {
		t.Errorf("read %q", got)
	}
	if n := len(as.VMAs()); n != 2 || f.refs.Load() != 3 {
		t.Errorf("%d VMAs, %d references", n, f.refs.Load())
	}
	checkSpace(t, as)
	// Shared memory too can be in two places, private memory cannot.
	mapAt(t, as, MapRequest{Addr: testAddr + 64*pageSize, Length: pageSize, Prot: rw, Shared: true})
	twice, errno := as.Remap(testAddr+64*pageSize, 0, pageSize, mayMove, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	copyOut(t, as, testAddr+64*pageSize, []byte("both"))
	if got := copyIn(t, as, twice, 4); string(got) != "both" {
		t.Errorf("read %q", got)
	}
	mapAt(t, as, MapRequest{Addr: testAddr + 80*pageSize, Length: pageSize, Prot: rw})
	if _, errno := as.Remap(testAddr+80*pageSize, 0, pageSize, mayMove, 0); errno != linux.EINVAL {
		t.Errorf("private: %v", errno)
	}
}

// A move for which there are no page tables left fails and loses nothing.
func TestRemapWithoutMemory(t *testing.T) {
	as := newSpace(t, firstSlot)
	a := mapAt(t, as, MapRequest{Length: 2 * pageSize, Prot: rw})
	copyOut(t, as, a, []byte("kept"))
	for {
		if _, err := as.mem.Alloc(pageSize); err != nil {
			break
		}
	}
	if at, errno := as.Remap(a, 2*pageSize, 2*pageSize, fixed, 0x5000_0000_0000); errno != linux.ENOMEM {
		t.Errorf("moved to %#x, %v", at, errno)
	}
	if got := copyIn(t, as, a, 4); string(got) != "kept" {
		t.Errorf("read %q", got)
	}
}

func TestRemapTooManyVMAs(t *testing.T) {
	as := newSpace(t, 16<<20)
	n := engine.GVA(0)
	for ; len(as.vmas) < maxVMAs-1; n++ {
		mapAt(t, as, MapRequest{Addr: testAddr + 4*n*pageSize, Length: 3 * pageSize})
	}
	// Moving the middle of one makes two more.
	for i := range engine.GVA(4) {
		_, _ = as.Remap(testAddr+4*i*pageSize+pageSize, pageSize, pageSize, mayMove, 0)
	}
	if len(as.vmas) > maxVMAs {
		t.Errorf("%d VMAs", len(as.vmas))
	}
}
