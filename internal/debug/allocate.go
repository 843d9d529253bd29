package debug

import (
	"errors"
	"fmt"

	"torov/internal/engine"
	"torov/internal/mm"
	"torov/rsp"
)

// allocation names the memory that a client has put into the program.
const allocation = "[debugger]"

// Allocate implements rsp.Allocator. A client that cannot have it calls mmap
// in the program instead, which does not work in a thread that waits in the
// kernel, nor where mmap is refused.
func (d *Debugger) Allocate(p rsp.PID, size uint64, perm rsp.Permissions) (rsp.Addr, error) {
	proc, err := d.process(p)
	if err != nil {
		return 0, err
	}
	at, errno := proc.AS().Map(mm.MapRequest{Length: size, Prot: mm.Prot(perm), Name: allocation})
	if errno != 0 {
		return 0, fmt.Errorf("allocate %d bytes: %w", size, hostErrno(errno))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.allocated[at] = size
	return rsp.Addr(at), nil
}

// Deallocate implements rsp.Allocator.
func (d *Debugger) Deallocate(p rsp.PID, addr rsp.Addr) error {
	proc, err := d.process(p)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	at := engine.GVA(addr)
	if _, ok := d.allocated[at]; !ok {
		return errors.New("the debugger has not allocated this")
	}
	d.free(proc.AS(), at)
	return nil
}

// freeAll gives back what a client has left in the program.
func (d *Debugger) freeAll() {
	for at := range d.allocated {
		d.free(d.current.AS(), at)
	}
}

// free unmaps an allocation, unless the program has put something else there.
func (d *Debugger) free(as *mm.AddressSpace, at engine.GVA) {
	size := d.allocated[at]
	delete(d.allocated, at)
	for _, v := range as.VMAs() {
		if v.Name == allocation && v.Start <= at && at < v.End {
			_ = as.Unmap(at, size) // fails if there are too many mappings, and then it stays
		}
	}
}
