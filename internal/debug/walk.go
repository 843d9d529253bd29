package debug

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"torov/internal/engine"
)

// Bits of page-table entries (Intel SDM volume 3, 4.5).
const (
	pteAddress = 0x000ffffffffff000
	ptePresent = 1 << 0
	pteLarge   = 1 << 7
)

var pteFlags = []struct {
	bit  int
	name string
}{{0, "present"}, {1, "write"}, {2, "user"}, {3, "write-through"}, {4, "no-cache"}, {5, "accessed"}, {6, "dirty"}, {7, "large"}, {8, "global"}, {63, "no-execute"}}

func describePTE(e uint64) string {
	var words []string
	for _, f := range pteFlags {
		if e>>f.bit&1 != 0 {
			words = append(words, f.name)
		}
	}
	if len(words) == 0 {
		return "nothing"
	}
	return strings.Join(words, " ")
}

// monitorWalk: walk ADDRESS shows the page-table entries that translate an
// address, as the processor would read them.
func monitorWalk(d *Debugger, th *thread, args []string, out io.Writer) error {
	if len(args) != 1 {
		return errors.New("want: walk ADDRESS")
	}
	addr, err := strconv.ParseUint(strings.TrimPrefix(args[0], "0x"), 16, 64)
	if err != nil {
		return fmt.Errorf("%s: want an address in hexadecimal", args[0])
	}
	c, err := th.t.CPU.Control()
	if err != nil {
		return err
	}
	mem := d.kernel.Machine().Memory()
	table := engine.GPA(c.CR3 & pteAddress)
	for level, name := range []string{"PML4E", "PDPTE", "PDE", "PTE"} {
		shift := 39 - 9*level
		index := addr >> shift & 511
		e := binary.LittleEndian.Uint64(mem.Bytes(table+engine.GPA(8*index), 8))
		fmt.Fprintf(out, "%-5s %3d of the table at %#010x: %#016x  %s\n", name, index, uint64(table), e, describePTE(e))
		if e&ptePresent == 0 {
			fmt.Fprintf(out, "%#x is not mapped for the processor\n", addr)
			return nil
		}
		if table = engine.GPA(e & pteAddress); e&pteLarge != 0 && level > 0 && level < 3 {
			fmt.Fprintf(out, "%#x is at guest-physical %#x\n", addr, uint64(table)+addr&(1<<shift-1))
			return nil
		}
	}
	fmt.Fprintf(out, "%#x is at guest-physical %#x\n", addr, uint64(table)+addr%engine.PageSize)
	return nil
}
