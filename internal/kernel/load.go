package kernel

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
	"torov/internal/loader"
	"torov/internal/mm"
)

// layoutRandom are the random numbers of one process's layout; zeros without
// randomisation.
type layoutRandom struct{ stack, mmap, exec, brk, interp uint64 }

func (k *Kernel) layout() (r layoutRandom) {
	if !k.cfg.Randomize {
		return r
	}
	var b [40]byte
	k.Random(b[:])
	for i, p := range []*uint64{&r.stack, &r.mmap, &r.exec, &r.brk, &r.interp} {
		*p = binary.LittleEndian.Uint64(b[8*i:])
	}
	return r
}

// stackSize is how much address space the stack gets: RLIMIT_STACK in bytes,
// within bounds. It costs nothing until it is used.
func stackSize(limit uint64) uint64 {
	const least, most = 1 << 20, 4 << 30
	return min(max(limit, least), most) &^ (engine.PageSize - 1)
}

// mmapGap is the least distance of the mappings from the top of the stack
// (MIN_GAP in arch/x86/mm/mmap.c), and mmapRandomBits their randomness in pages.
const (
	mmapGap        = 128 << 20
	mmapRandomBits = 28
)

func (r layoutRandom) base(top engine.GVA, stack uint64) engine.GVA {
	gap := max(mmapGap, stack+stack/8)
	return (top - engine.GVA(gap) - engine.GVA(r.mmap&(1<<mmapRandomBits-1)<<engine.PageShift)).PageDown()
}

func (l *Loaded) loadFlat(prog Program, size int64, regs *engine.Regs) error {
	plan, err := loader.PlanFlat(size, prog.Flat.Start, prog.Flat.Memory)
	if err != nil {
		return err
	}
	m := plan.Memory
	_, errno := l.AS.Map(mm.MapRequest{Addr: m.Start, Length: uint64(m.End - m.Start), Prot: mm.Prot(m.Prot), Fixed: true, AllowNull: true})
	if errno != 0 {
		return fmt.Errorf("map %d bytes of memory: %w", m.End-m.Start, errno)
	}
	image := make([]byte, plan.Size)
	if _, err := io.ReadFull(io.NewSectionReader(prog.File, 0, size), image); err != nil {
		return fmt.Errorf("read the image: %w", err)
	}
	if _, errno := l.AS.CopyOut(plan.Entry, image); errno != 0 {
		return fmt.Errorf("load the image: %w", errno)
	}
	regs.RIP, regs.RSP = uint64(plan.Entry), uint64(plan.SP)
	return nil
}

func (l *Loaded) loadELF(k *Kernel, p *Process, prog Program, size int64, rnd layoutRandom, top engine.GVA, stack uint64, regs *engine.Regs) error {
	image, err := loader.Parse(prog.File, size)
	if err != nil {
		return err
	}
	bias, err := image.Place(rnd.exec)
	if err != nil {
		return err
	}
	if err := l.mapImage(image, bias, int(prog.File.Fd()), prog.Path); err != nil {
		return err
	}
	l.Image, l.Bias = image, bias
	l.AS.SetBrk(image.BrkStart(bias, rnd.brk))
	entry, err := image.EntryAt(bias)
	if err != nil {
		return err
	}
	var interpBase engine.GVA
	if !image.Static() {
		if interpBase, entry, err = l.loadInterpreter(p.FS, image.Interp); err != nil {
			return err
		}
	}
	prot := mm.ProtRead | mm.ProtWrite
	if image.ExecStack {
		prot |= mm.ProtExec
	}
	_, errno := l.AS.Map(mm.MapRequest{Addr: top - engine.GVA(stack), Length: stack, Prot: prot, Fixed: true, Name: mm.StackName})
	if errno != 0 {
		return fmt.Errorf("map the stack: %w", errno)
	}
	if l.Stack, err = l.buildStack(k, p.Creds(), prog, image, bias, interpBase, top); err != nil {
		return err
	}
	if _, errno := l.AS.CopyOut(l.Stack.SP, l.Stack.Image); errno != 0 {
		return fmt.Errorf("write the stack: %w", errno)
	}
	l.Stack.Image = nil
	regs.RIP, regs.RSP = uint64(entry), uint64(l.Stack.SP)
	return nil
}

func (l *Loaded) buildStack(k *Kernel, creds Creds, prog Program, image *loader.Image, bias, interpBase, top engine.GVA) (*loader.Stack, error) {
	hwcap, hwcap2 := k.machine.HWCaps()
	info := loader.Info{
		Args: prog.Args, Env: prog.Env, ExecFn: prog.name(), Platform: "x86_64",
		Auxv: loader.Auxv(loader.AuxInfo{
			Image: image, Bias: bias, InterpBase: interpBase,
			UID: creds.UID, EUID: creds.EUID, GID: creds.GID, EGID: creds.EGID,
			HWCap: hwcap, HWCap2: hwcap2, MinSigStkSz: minSigStack(k.machine.XSaveSize()),
		}),
	}
	k.Random(info.Random[:])
	return loader.BuildStack(top, info)
}

// minSigStack is the least alternate stack that takes a signal frame: frame,
// FP state, alignment and red zone.
func minSigStack(xsave int) uint64 {
	return uint64(linux.Size[linux.RTSigFrame]() + xsave + linux.FP_XSTATE_MAGIC2_SIZE + 64 + 16 + linux.RedZone)
}

// mapImage maps the segments of an ELF file; pages come from the page cache
// as they are touched.
func (l *Loaded) mapImage(image *loader.Image, bias engine.GVA, fd int, path string) error {
	file, err := mm.NewFile(fd, path)
	if err != nil {
		return fmt.Errorf("map %s: %w", path, err)
	}
	defer file.Close()
	for _, m := range image.Mappings(bias) {
		r := mm.MapRequest{Addr: m.Start, Length: uint64(m.End - m.Start), Prot: mm.Prot(m.Prot), Fixed: true, NoReplace: true}
		if m.File {
			r.File, r.Offset = file, m.Offset
		}
		if _, errno := l.AS.Map(r); errno != 0 {
			return fmt.Errorf("map %#x-%#x of %s: %w", m.Start, m.End, path, errno)
		}
		if m.Zero > 0 {
			if _, errno := l.AS.CopyOut(m.End-engine.GVA(m.Zero), make([]byte, m.Zero)); errno != 0 {
				return fmt.Errorf("clear the end of %#x-%#x of %s: %w", m.Start, m.End, path, errno)
			}
		}
	}
	return nil
}

// loadInterpreter maps the dynamic linker and returns its bias and entry.
func (l *Loaded) loadInterpreter(fs *FileSystem, path string) (base, entry engine.GVA, err error) {
	fail := func(err error) (engine.GVA, engine.GVA, error) {
		return 0, 0, fmt.Errorf("dynamic linker %s: %w; use a statically linked program, or a root directory (--root) that has it", path, err)
	}
	fd, errno := fs.OpenProgram(path)
	if errno != 0 {
		return fail(errno)
	}
	f := os.NewFile(uintptr(fd), path)
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fail(err)
	}
	image, err := loader.ParseInterpreter(f, info.Size())
	if err != nil {
		return fail(err)
	}
	if image.PIE() {
		// Like any mapping without a hint: find the room, then use it.
		length := uint64(image.Hi - image.Lo)
		at, errno := l.AS.Map(mm.MapRequest{Length: length})
		if errno != 0 {
			return fail(errno)
		}
		l.AS.Unmap(at, length)
		base = at - image.Lo
	}
	if err := l.mapImage(image, base, fd, path); err != nil {
		return fail(err)
	}
	entry, err = image.EntryAt(base)
	return base, entry, err
}

func truncate(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}

func hostCreds() Creds {
	ruid, euid, suid := unix.Getresuid()
	rgid, egid, sgid := unix.Getresgid()
	c := Creds{UID: uint32(ruid), EUID: uint32(euid), SUID: uint32(suid), FSUID: uint32(euid),
		GID: uint32(rgid), EGID: uint32(egid), SGID: uint32(sgid), FSGID: uint32(egid)}
	groups, _ := unix.Getgroups() // fails only for more groups than exist
	for _, g := range groups {
		c.Groups = append(c.Groups, uint32(g))
	}
	return c
}

func hostLimits() (l [linux.RLIM_NLIMITS]linux.Rlimit) {
	for i := range l {
		// Every Linux knows all of them.
		_ = unix.Prlimit(0, i, nil, &l[i])
	}
	// Containers may have no limit at all, and a descriptor table is as long
	// as its highest number.
	files := &l[unix.RLIMIT_NOFILE]
	files.Cur = startedWith(*files)
	files.Cur, files.Max = min(files.Cur, maxFiles), min(files.Max, maxFiles)
	return l
}

// startedWith is the soft limit of descriptors that torov was most likely
// started with: Go's runtime has raised its own to the hard one, and does not
// say from where. Limits are inherited, so that the parent has it.
func startedWith(own linux.Rlimit) uint64 {
	var parent linux.Rlimit
	if err := unix.Prlimit(unix.Getppid(), unix.RLIMIT_NOFILE, nil, &parent); err != nil || parent.Max != own.Max {
		return own.Cur
	}
	return min(parent.Cur, own.Cur)
}

// maxFiles is Linux's default of fs.nr_open.
const maxFiles = 1 << 20
