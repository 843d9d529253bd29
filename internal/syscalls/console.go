package syscalls

import (
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func init() {
	register(Call{Nr: 499, Name: "console_write", Group: GroupBase, Note: "ToroV's own: writes to the program's standard output",
		Args: args("buf", "buf", "length", "size"), Do: consoleWrite})
}

func consoleWrite(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	f, errno := t.Proc.Files.Get(1)
	if errno != 0 {
		return 0, errno
	}
	defer f.Release()
	n, errno := t.Write(f, []mm.Range{{Addr: a.Addr(0), Len: a[1]}})
	return uint64(n), errno
}
