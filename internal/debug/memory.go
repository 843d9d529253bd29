package debug

import (
	"fmt"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
	"torov/internal/mm"
	"torov/rsp"
)

// ReadMemory implements rsp.Memory.
func (d *Debugger) ReadMemory(p rsp.PID, addr rsp.Addr, buf []byte) (int, error) {
	proc, err := d.process(p)
	if err != nil {
		return 0, err
	}
	n, errno := proc.AS().DebugRead(buf, engine.GVA(addr))
	if n == 0 && errno != 0 {
		return 0, fmt.Errorf("no memory at %#x: %w", uint64(addr), hostErrno(errno))
	}
	return n, nil
}

// WriteMemory implements rsp.Memory.
func (d *Debugger) WriteMemory(p rsp.PID, addr rsp.Addr, data []byte) error {
	proc, err := d.process(p)
	if err != nil {
		return err
	}
	// All or nothing: look before writing.
	probe := make([]byte, len(data))
	if _, errno := proc.AS().DebugRead(probe, engine.GVA(addr)); errno != 0 {
		return fmt.Errorf("no memory at %#x: %w", uint64(addr), hostErrno(errno))
	}
	if _, errno := proc.AS().DebugWrite(engine.GVA(addr), data); errno != 0 {
		return fmt.Errorf("write memory at %#x: %w", uint64(addr), hostErrno(errno))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.accountFor()
	return nil
}

// Region implements rsp.MemoryRegions.
func (d *Debugger) Region(p rsp.PID, addr rsp.Addr) (rsp.MemoryRegion, error) {
	proc, err := d.process(p)
	if err != nil {
		return rsp.MemoryRegion{}, err
	}
	gap := rsp.MemoryRegion{Start: 0, Size: uint64(mm.UserEnd)}
	for _, v := range proc.AS().VMAs() {
		start, end := rsp.Addr(v.Start), rsp.Addr(v.End)
		switch {
		case end <= addr:
			gap.Start = end
			gap.Size = uint64(mm.UserEnd) - uint64(end)
			continue
		case start > addr:
			gap.Size = uint64(start - gap.Start)
			return gap, nil
		}
		r := rsp.MemoryRegion{Start: start, Size: uint64(end - start), Mapped: true, Perm: rsp.Permissions(v.Prot), Name: v.Name}
		if v.File != nil {
			r.Name = v.File.Path
		}
		return r, nil
	}
	if uint64(addr) >= uint64(mm.UserEnd) {
		gap = rsp.MemoryRegion{Start: rsp.Addr(mm.UserEnd), Size: ^uint64(mm.UserEnd) + 1}
	}
	return gap, nil
}

// hostErrno is a guest errno as the rsp package knows errors.
func hostErrno(e linux.Errno) error { return unix.Errno(e) }
