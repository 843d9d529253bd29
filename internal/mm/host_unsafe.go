package mm

import (
	"runtime/debug"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
)

// reserve takes host address space without memory behind it.
func reserve(size uint64) ([]byte, error) {
	return unix.Mmap(-1, 0, int(size), unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
}

func release(mem []byte) error { return unix.Munmap(mem) }

// addr returns the host address of mem as a number, for system calls.
func addr(mem []byte) uintptr {
	// SAFETY: mem is mmap'd memory, so its address is stable.
	return uintptr(unsafe.Pointer(unsafe.SliceData(mem)))
}

func mmapFixed(mem []byte, prot, flags uintptr, fd int, offset uint64) error {
	_, _, errno := unix.Syscall6(unix.SYS_MMAP, addr(mem), uintptr(len(mem)), prot, flags|unix.MAP_FIXED, uintptr(fd), uintptr(offset))
	if errno != 0 {
		return errno
	}
	return nil
}

// commit puts fresh zeroed memory under a part of the reservation.
func commit(mem []byte) error {
	return mmapFixed(mem, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE, -1, 0)
}

// mapFile puts a file under a part of guest memory.
func mapFile(mem []byte, fd int, offset uint64, shared, writable bool) error {
	prot, flags := uintptr(unix.PROT_READ|unix.PROT_WRITE), uintptr(unix.MAP_PRIVATE)
	if shared {
		flags = unix.MAP_SHARED
		if !writable {
			prot = unix.PROT_READ
		}
	}
	return mmapFixed(mem, prot, flags|unix.MAP_NORESERVE, fd, offset)
}

// discard drops the contents: zeroes for anonymous memory, the file again for files.
func discard(mem []byte) error { return unix.Madvise(mem, unix.MADV_DONTNEED) }

func adviseHuge(mem []byte) {
	// Only a hint: a host without huge pages refuses it.
	_ = unix.Madvise(mem, unix.MADV_HUGEPAGE)
}

// shootdown makes every CPU forget its translations to mem, contents
// untouched. A change of host protection invalidates KVM's secondary page
// tables and flushes the processors' TLBs before the system call returns, on
// nested and on shadow paging alike; adding and removing PROT_EXEC is a change
// that nobody who uses the memory can notice.
func shootdown(mem []byte, writable bool) error {
	prot := unix.PROT_READ
	if writable {
		prot |= unix.PROT_WRITE
	}
	if err := unix.Mprotect(mem, prot|unix.PROT_EXEC); err != nil {
		return err
	}
	return unix.Mprotect(mem, prot)
}

// entry returns a page-table entry of guest memory.
func (m *Memory) entry(table engine.GPA, index uint64) *uint64 {
	// SAFETY: table is a page given out by Alloc and index is below 512, so
	// the word lies in the host mapping, which outlives the pointer's use.
	return (*uint64)(unsafe.Pointer(&m.host[uint64(table)+index*8]))
}

func loadEntry(p *uint64) uint64     { return atomic.LoadUint64(p) }
func storeEntry(p *uint64, v uint64) { atomic.StoreUint64(p, v) }

// word32 returns a word of guest memory for atomic access; gpa is a multiple of 4.
func (m *Memory) word32(gpa engine.GPA) *uint32 {
	// SAFETY: as for entry.
	return (*uint32)(unsafe.Pointer(&m.host[gpa]))
}

// guarded runs f, which touches guest memory. Memory under a mapped file can
// vanish when somebody truncates the file; the fault is caught here and
// reported as false.
func guarded(f func()) (ok bool) {
	old := debug.SetPanicOnFault(true)
	defer debug.SetPanicOnFault(old)
	defer func() {
		if r := recover(); r != nil {
			if _, fault := r.(interface{ Addr() uintptr }); !fault {
				panic(r)
			}
			ok = false
		}
	}()
	f()
	return true
}
