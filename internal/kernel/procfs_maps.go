package kernel

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/mm"
)

// nameColumn is where show_map_vma in fs/proc/task_mmu.c puts the name.
const nameColumn = 73

var mapsEscape = strings.NewReplacer("\n", `\012`)

// appendVMA appends the line of /proc/PID/maps for a mapping.
func appendVMA(b []byte, v *mm.VMA) []byte {
	var dev, ino, offset uint64
	name, share := v.Name, byte('p')
	if v.File != nil {
		dev, ino, offset, name = v.File.Dev, v.File.Ino, v.Offset, v.File.Path
	}
	if v.Shared {
		share = 's'
	}
	start := len(b)
	b = fmt.Appendf(b, "%08x-%08x %s%c %08x %02x:%02x %d ", uint64(v.Start), uint64(v.End), v.Prot, share, offset, unix.Major(dev), unix.Minor(dev), ino)
	if name != "" {
		for len(b)-start < nameColumn {
			b = append(b, ' ')
		}
		b = append(b, mapsEscape.Replace(name)...)
	}
	return append(b, '\n')
}

func procMaps(v *procView) (b []byte) {
	for _, m := range v.p.AS().VMAs() {
		b = appendVMA(b, &m)
	}
	return b
}

// smapsZero are the lines of /proc/PID/smaps for what is not measured: which
// pages are resident is known to the host alone.
var smapsZero = []string{"Rss", "Pss", "Pss_Dirty", "Shared_Clean", "Shared_Dirty", "Private_Clean", "Private_Dirty", "Referenced", "Anonymous",
	"KSM", "LazyFree", "AnonHugePages", "ShmemPmdMapped", "FilePmdMapped", "Shared_Hugetlb", "Private_Hugetlb", "Swap", "SwapPss", "Locked"}

func procSmaps(v *procView) (b []byte) {
	line := func(name string, kb uint64) { b = fmt.Appendf(b, "%-16s%8d kB\n", name+":", kb) }
	for _, m := range v.p.AS().VMAs() {
		b = appendVMA(b, &m)
		line("Size", m.Len()>>10)
		line("KernelPageSize", engine.PageSize>>10)
		line("MMUPageSize", engine.PageSize>>10)
		for _, name := range smapsZero {
			line(name, 0)
		}
		b = append(b, "THPeligible:           0\nVmFlags:"...)
		for _, f := range []struct {
			on   bool
			flag string
		}{{m.Prot&mm.ProtRead != 0, " rd"}, {m.Prot&mm.ProtWrite != 0, " wr"}, {m.Prot&mm.ProtExec != 0, " ex"}, {m.Shared, " sh"}, {true, " mr mw me"}} {
			if f.on {
				b = append(b, f.flag...)
			}
		}
		b = append(b, " \n"...)
	}
	return b
}

// memoryUse are the sizes of an address space as status and statm count them,
// in bytes.
type memoryUse struct{ total, resident, data, stack, exe, lib uint64 }

func (p *Process) memoryUse() (u memoryUse) {
	for _, m := range p.AS().VMAs() {
		n := m.Len()
		u.total += n
		switch {
		case m.Name == mm.StackName:
			u.stack += n
		case m.Prot&mm.ProtWrite != 0 && !m.Shared:
			u.data += n
		case m.Prot&mm.ProtExec != 0 && m.File != nil && m.File.Path == p.Loaded().Exe:
			u.exe += n
		case m.Prot&mm.ProtExec != 0:
			u.lib += n
		}
	}
	// What was given out to the program, resident or not.
	u.resident = min(p.AS().Memory().InUse(), u.total)
	return u
}

func procStatm(v *procView) []byte {
	u := v.p.memoryUse()
	const page = engine.PageSize
	return fmt.Appendf(nil, "%d %d %d %d 0 %d 0\n", u.total/page, u.resident/page, 0, u.exe/page, (u.data+u.stack)/page)
}
