package debug

import (
	"debug/elf"
	"errors"
	"fmt"
	"path/filepath"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
	"torov/rsp"
)

var (
	errFlat        = errors.New("a flat image has none")
	errNoDebugSlot = errors.New("the program has no DT_DEBUG entry: nothing has loaded it dynamically")
)

// Auxv implements rsp.Auxv.
func (d *Debugger) Auxv(p rsp.PID) ([]byte, error) {
	proc, err := d.process(p)
	if err != nil {
		return nil, err
	}
	if proc.Loaded().Stack == nil {
		return nil, fmt.Errorf("auxiliary vector: %w", errFlat)
	}
	return append([]byte(nil), linux.SliceBytes(proc.Loaded().Stack.Auxv)...), nil
}

// ExecFile implements rsp.ExecFile.
func (d *Debugger) ExecFile(p rsp.PID) (string, error) {
	proc, err := d.process(p)
	if err != nil {
		return "", err
	}
	return proc.Loaded().Exe, nil
}

// HostInfo implements rsp.Host.
func (d *Debugger) HostInfo() rsp.HostInfo {
	var u unix.Utsname
	_ = unix.Uname(&u) // cannot fail with a valid buffer
	return rsp.HostInfo{
		Triple: "x86_64-pc-linux-gnu", Hostname: unix.ByteSliceToString(u.Nodename[:]),
		OSVersion: unix.ByteSliceToString(u.Release[:]), PageSize: engine.PageSize,
	}
}

// ProcessInfo implements rsp.Host.
func (d *Debugger) ProcessInfo(p rsp.PID) (rsp.ProcessInfo, error) {
	proc, err := d.process(p)
	if err != nil {
		return rsp.ProcessInfo{}, err
	}
	c := proc.Creds()
	return rsp.ProcessInfo{
		PID: rsp.PID(idBase + proc.PID), Parent: idBase, Name: filepath.Base(proc.Loaded().Exe),
		UID: int(c.UID), EUID: int(c.EUID), GID: int(c.GID), EGID: int(c.EGID),
	}, nil
}

// programHeader finds a program header of the running program in its memory.
func programHeader(p *kernel.Process, kind elf.ProgType) (elf.Prog64, bool) {
	if p.Loaded().Image == nil {
		return elf.Prog64{}, false
	}
	const size = 56
	at := p.Loaded().Image.PhdrAddr + p.Loaded().Bias
	for i := range p.Loaded().Image.Phnum {
		var b [size]byte
		if _, errno := p.AS().DebugRead(b[:], at+engine.GVA(i*size)); errno != 0 {
			break
		}
		h := elf.Prog64{
			Type: uint32(getUint(b[0:4])), Flags: uint32(getUint(b[4:8])), Off: getUint(b[8:16]), Vaddr: getUint(b[16:24]),
			Filesz: getUint(b[32:40]), Memsz: getUint(b[40:48]), Align: getUint(b[48:56]),
		}
		if elf.ProgType(h.Type) == kind {
			return h, true
		}
	}
	return elf.Prog64{}, false
}

// maxLibraries bounds the walk of a list that the program can damage.
const maxLibraries = 4096

// debugSlot returns the address of the value of the DT_DEBUG entry.
func debugSlot(p *kernel.Process) (engine.GVA, bool) {
	h, ok := programHeader(p, elf.PT_DYNAMIC)
	if !ok {
		return 0, false
	}
	at := engine.GVA(h.Vaddr) + p.Loaded().Bias
	for range maxLibraries {
		tag, errno := p.AS().Read64(at)
		if errno != 0 || elf.DynTag(tag) == elf.DT_NULL {
			break
		}
		if elf.DynTag(tag) == elf.DT_DEBUG {
			return at + 8, true
		}
		at += 16
	}
	return 0, false
}

// DebugSlot implements rsp.Libraries.
func (d *Debugger) DebugSlot(p rsp.PID) (rsp.Addr, error) {
	proc, err := d.process(p)
	if err != nil {
		return 0, err
	}
	slot, ok := debugSlot(proc)
	if !ok {
		return 0, errNoDebugSlot
	}
	return rsp.Addr(slot), nil
}

// namespace adds the libraries of the namespace whose r_debug is at an address.
// It returns how many entries it has seen, at most most.
func namespace(as *mm.AddressSpace, rdebug uint64, list *rsp.LibraryList, most int) (n int) {
	link, _ := as.Read64(engine.GVA(rdebug) + 8)
	for ; link != 0 && n < most; n++ {
		at := engine.GVA(link)
		base, _ := as.Read64(at)
		namePtr, _ := as.Read64(at + 8)
		dynamic, _ := as.Read64(at + 16)
		next, errno := as.Read64(at + 24)
		if errno != 0 {
			break
		}
		if list.Main == 0 {
			list.Main = rsp.Addr(link)
		} else if name, errno := as.CopyInString(engine.GVA(namePtr), unix.PathMax); errno == 0 && name != "" {
			list.Libraries = append(list.Libraries, rsp.Library{Name: name, LinkMap: rsp.Addr(link), Base: rsp.Addr(base), Dynamic: rsp.Addr(dynamic), Namespace: rsp.Addr(rdebug)})
		}
		link = next
	}
	return n
}

// Libraries implements rsp.Libraries: it walks the dynamic linker's list
// (struct r_debug and link_map in <link.h>).
func (d *Debugger) Libraries(p rsp.PID) (list rsp.LibraryList, err error) {
	proc, err := d.process(p)
	if err != nil {
		return list, err
	}
	slot, ok := debugSlot(proc)
	if _, dynamic := programHeader(proc, elf.PT_DYNAMIC); !ok && dynamic {
		// The dynamic linker itself, run as a program. GDB knows where to look.
		return list, errNoDebugSlot
	}
	if !ok {
		return list, nil
	}
	as := proc.AS()
	rdebug, errno := as.Read64(slot)
	if errno != 0 || rdebug == 0 {
		return list, nil // the dynamic linker has not got there yet
	}
	// Each namespace of dlmopen has an r_debug of its own, in a chain from
	// version 2 of the structure on.
	for left := maxLibraries; rdebug != 0 && left > 0; left-- {
		left -= namespace(as, rdebug, &list, left)
		version, errno := as.Read64(engine.GVA(rdebug))
		if errno != 0 || int32(version) < 2 {
			break
		}
		rdebug, _ = as.Read64(engine.GVA(rdebug) + 40)
	}
	return list, nil
}

// TLSAddress implements rsp.TLS. The program's own block ends at the thread
// pointer (variant II of the ELF TLS specification); those of libraries are
// found through the thread's vector of blocks, DTV, whose entries have 16
// bytes in glibc.
func (d *Debugger) TLSAddress(id rsp.ThreadID, offset uint64, linkMap rsp.Addr) (rsp.Addr, error) {
	th, err := d.quiet(id)
	if err != nil {
		return 0, err
	}
	segs, err := th.t.CPU.Segs()
	if err != nil {
		return 0, err
	}
	p := th.t.Proc
	if segs.FSBase == 0 {
		return 0, errors.New("the thread has not set up its thread pointer yet")
	}
	list, err := d.Libraries(th.id.PID)
	if err != nil {
		return 0, err
	}
	if linkMap == 0 || linkMap == list.Main {
		h, ok := programHeader(p, elf.PT_TLS)
		if !ok {
			return 0, errors.New("the program has no thread-local variables")
		}
		align := max(h.Align, 1)
		size := (h.Memsz + align - 1) &^ (align - 1)
		return rsp.Addr(segs.FSBase - size + offset), nil
	}
	return d.dynamicTLS(p, segs.FSBase, offset, linkMap)
}

const (
	maxModules   = 1024
	dtvEntrySize = 16
)

// dynamicTLS finds a library's block: the DTV entry whose block was made from
// the library's PT_TLS. Modules are numbered in the order of the list of
// libraries, leaving out those without thread-local variables.
func (d *Debugger) dynamicTLS(p *kernel.Process, fsBase, offset uint64, linkMap rsp.Addr) (rsp.Addr, error) {
	list, err := d.Libraries(0)
	if err != nil {
		return 0, err
	}
	module := uint64(0)
	if _, ok := programHeader(p, elf.PT_TLS); ok {
		module++
	}
	for _, lib := range list.Libraries {
		if hasTLS(p, engine.GVA(lib.Base)) {
			module++
		}
		if lib.LinkMap == linkMap {
			break
		}
	}
	dtv, errno := p.AS().Read64(engine.GVA(fsBase) + 8)
	if errno != 0 || module == 0 || module > maxModules {
		return 0, errors.New("the library has no thread-local variables")
	}
	block, errno := p.AS().Read64(engine.GVA(dtv + module*dtvEntrySize))
	if errno != 0 || block == ^uint64(0) || block == 0 {
		return 0, errors.New("the thread has not allocated the library's variables yet")
	}
	return rsp.Addr(block + offset), nil
}

// hasTLS reads the ELF header of a library at its base.
func hasTLS(p *kernel.Process, base engine.GVA) bool {
	var h [64]byte
	if _, errno := p.AS().DebugRead(h[:], base); errno != 0 {
		return false
	}
	at, n := base+engine.GVA(getUint(h[32:40])), int(getUint(h[56:58]))
	for i := range min(n, 64) {
		kind, errno := p.AS().Read64(at + engine.GVA(i*56))
		if errno != 0 {
			return false
		}
		if elf.ProgType(uint32(kind)) == elf.PT_TLS {
			return true
		}
	}
	return false
}
