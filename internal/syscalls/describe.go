package syscalls

import (
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
)

// shown is how many bytes of strings and buffers a description has.
const shown = 48

// Describe writes a call that has returned as C would, for traces.
func Describe(t *kernel.Thread, nr uint64, args [6]uint64, result uint64) string {
	a := Args(args)
	c := Lookup(nr)
	if c == nil {
		name, ok := linux.SyscallName(nr)
		if !ok {
			name = "syscall_" + strconv.FormatUint(nr, 10)
		}
		return fmt.Sprintf("%s(%#x, %#x, %#x, %#x, %#x, %#x)", name, a[0], a[1], a[2], a[3], a[4], a[5])
	}
	words := make([]string, len(c.Args))
	for i, arg := range c.Args {
		words[i] = describeArg(t, arg.Kind, a, i, result)
	}
	return c.Name + "(" + strings.Join(words, ", ") + ")"
}

func describeArg(t *kernel.Thread, k Kind, a Args, i int, result uint64) string {
	switch k {
	case DirFD:
		if a.Int(i) == unix.AT_FDCWD {
			return "AT_FDCWD"
		}
		return strconv.Itoa(int(a.Int(i)))
	case Int, FD:
		return strconv.Itoa(int(a.Int(i)))
	case Uint:
		return strconv.FormatUint(uint64(a.Uint(i)), 10)
	case Size:
		return strconv.FormatUint(a[i], 10)
	case Mode:
		return fmt.Sprintf("%#o", a.Uint(i))
	case Sig:
		return linux.Signal(a.Int(i)).String()
	case Path, Str:
		if text, errno := t.Proc.AS().CopyInString(a.Addr(i), unix.PathMax); errno == 0 {
			return quoted(text, len(text))
		}
	case Buf:
		// No more than was transferred is worth showing.
		if n := min(a[min(i+1, len(a)-1)], result); n <= linux.MAX_RW_COUNT {
			return describeBuffer(t, a.Addr(i), int(n))
		}
	case Hex:
		return fmt.Sprintf("%#x", a[i])
	}
	if a[i] == 0 {
		return "NULL"
	}
	return fmt.Sprintf("%#x", a[i])
}

func describeBuffer(t *kernel.Thread, at engine.GVA, n int) string {
	data := make([]byte, min(n, shown))
	if _, errno := t.Proc.AS().CopyIn(data, at); errno != 0 {
		return fmt.Sprintf("%#x", uint64(at))
	}
	return quoted(string(data), n)
}

// quoted shows the beginning of a text of n bytes.
func quoted(text string, n int) string {
	if n > shown {
		return strconv.Quote(text[:shown]) + "..."
	}
	return strconv.Quote(text)
}
