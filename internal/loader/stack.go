package loader

import (
	"fmt"
	"slices"
	"strings"

	"torov/internal/linux"
)

// Info is what a new program finds on its stack.
type Info struct {
	Args     []string // none is replaced by one empty argument, as in Linux
	Env      []string // "NAME=value"
	ExecFn   string   // AT_EXECFN: the path given to execve
	Random   [16]byte // AT_RANDOM
	Platform string   // AT_PLATFORM, "x86_64"; "" for none
	// Auxv is the auxiliary vector, see Auxv. The values of AT_RANDOM,
	// AT_EXECFN and AT_PLATFORM are filled in; AT_NULL is added.
	Auxv []linux.AuxEntry
	// StackLimit is RLIMIT_STACK in bytes; 0 means 8 MiB. A quarter of it
	// is for arguments and environment.
	StackLimit uint64
}

// Stack is the initial stack: Image goes to [SP, SP+len(Image)), which ends at
// the top. The ranges are those of /proc/PID/stat, cmdline, environ, auxv.
type Stack struct {
	Image            []byte
	SP               GVA
	ArgStart, ArgEnd GVA
	EnvStart, EnvEnd GVA
	Auxv             []linux.AuxEntry // as written, with AT_NULL
	AuxvAddr         GVA
}

const (
	pointerSize = 8
	auxSize     = 16

	defaultStackLimit = 8 << 20
	// Linux's bounds for a quarter of the stack limit, bytes
	// (bprm_stack_limits in fs/exec.c).
	maxArgSpace = defaultStackLimit / 4 * 3
	minArgSpace = 128 << 10 // ARG_MAX
)

// BuildStack lays out the stack below top, a page-aligned address, as Linux
// does. From high to low: a null pointer, the file name, the environment, the
// arguments, platform name, random bytes, padding; then auxiliary vector,
// environment pointers, argument pointers and, at SP, 16-byte aligned, the
// number of arguments (System V ABI, 3.4.1).
func BuildStack(top GVA, info Info) (*Stack, error) {
	if len(info.Args) == 0 {
		info.Args = []string{""}
	}
	if err := checkStrings(info); err != nil {
		return nil, err
	}
	strs := totalLen(info.Args) + totalLen(info.Env) + len(info.ExecFn) + 1 + pointerSize
	auxv := completeAuxv(info)
	items := 1 + len(info.Args) + 1 + len(info.Env) + 1 + 2*len(auxv)
	// Enough for both parts and the padding of each.
	room := GVA(strs + len(info.Platform) + 1 + len(info.Random) + items*pointerSize + 2*16)
	if top > userTop || top%16 != 0 || top < room {
		return nil, fmt.Errorf("build stack: %#x cannot be the end of a stack of %#x bytes", top, room)
	}

	b := &stackBuilder{top: top, sp: top, image: make([]byte, room)}
	s := &Stack{Auxv: auxv}
	b.push(make([]byte, pointerSize))
	execFn := b.pushString(info.ExecFn)
	s.EnvEnd = execFn
	env := b.pushStrings(info.Env)
	s.EnvStart, s.ArgEnd = b.sp, b.sp
	args := b.pushStrings(info.Args)
	s.ArgStart = b.sp

	b.sp &^= 15
	var platform GVA
	if info.Platform != "" {
		platform = b.pushString(info.Platform)
	}
	random := b.push(info.Random[:])
	fill(auxv, map[linux.AuxTag]GVA{linux.AT_EXECFN: execFn, linux.AT_RANDOM: random, linux.AT_PLATFORM: platform})

	words := []uint64{uint64(len(args))}
	for _, list := range [][]GVA{args, env} {
		for _, p := range list {
			words = append(words, uint64(p))
		}
		words = append(words, 0)
	}
	b.sp = (b.sp-GVA(items*pointerSize))&^15 + GVA(items*pointerSize)
	s.AuxvAddr = b.push(linux.SliceBytes(auxv))
	s.SP = b.push(linux.SliceBytes(words))
	s.Image = b.image[room-(top-s.SP):]
	return s, nil
}

// checkStrings applies the limits of execve(2).
func checkStrings(info Info) error {
	limit := info.StackLimit
	if limit == 0 {
		limit = defaultStackLimit
	}
	limit = max(min(limit/4, maxArgSpace), minArgSpace)

	used := uint64(len(info.Args)+len(info.Env)) * pointerSize
	for _, list := range [][]string{{info.ExecFn}, info.Args, info.Env} {
		for _, s := range list {
			if strings.IndexByte(s, 0) >= 0 {
				return &Error{What: fmt.Sprintf("the argument or variable %.40q", s), Why: "a NUL byte would end it", Do: "remove the NUL byte", errno: linux.EINVAL}
			}
			if len(s) >= linux.MAX_ARG_STRLEN {
				return &Error{What: fmt.Sprintf("the argument or variable starting %.40q", s),
					Why: fmt.Sprintf("its %d bytes exceed the limit of %d", len(s), linux.MAX_ARG_STRLEN-1),
					Do:  "pass it in a file", errno: linux.E2BIG}
			}
			used += uint64(len(s)) + 1
		}
	}
	if used > limit {
		return &Error{What: "arguments and environment", Why: fmt.Sprintf("their %d bytes exceed %d, a quarter of the stack limit", used, limit),
			Do: "pass fewer, or raise the stack limit (ulimit -s)", errno: linux.E2BIG}
	}
	return nil
}

// totalLen is the size of all strings with their NULs, bytes.
func totalLen(list []string) (n int) {
	for _, s := range list {
		n += len(s) + 1
	}
	return n
}

// completeAuxv returns a copy of the auxiliary vector that has entries for
// what lies on the stack, and an end.
func completeAuxv(info Info) []linux.AuxEntry {
	auxv := slices.Clone(info.Auxv)
	has := func(tag linux.AuxTag) func(linux.AuxEntry) bool {
		return func(e linux.AuxEntry) bool { return e.Tag == tag }
	}
	if end := slices.IndexFunc(auxv, has(linux.AT_NULL)); end >= 0 {
		auxv = auxv[:end]
	}
	for _, tag := range []linux.AuxTag{linux.AT_RANDOM, linux.AT_EXECFN, linux.AT_PLATFORM} {
		if !slices.ContainsFunc(auxv, has(tag)) {
			auxv = append(auxv, linux.AuxEntry{Tag: tag})
		}
	}
	if info.Platform == "" {
		auxv = slices.DeleteFunc(auxv, has(linux.AT_PLATFORM))
	}
	return append(auxv, linux.AuxEntry{Tag: linux.AT_NULL})
}

func fill(auxv []linux.AuxEntry, values map[linux.AuxTag]GVA) {
	for i, e := range auxv {
		if v, ok := values[e.Tag]; ok {
			auxv[i].Value = uint64(v)
		}
	}
}

// stackBuilder writes downwards from top; the end of image is at top.
type stackBuilder struct {
	top, sp GVA
	image   []byte
}

func (b *stackBuilder) push(data []byte) GVA {
	b.sp -= GVA(len(data))
	copy(b.image[len(b.image)-int(b.top-b.sp):], data)
	return b.sp
}

func (b *stackBuilder) pushString(s string) GVA {
	b.sp -= GVA(len(s) + 1) // the image is zero already
	copy(b.image[len(b.image)-int(b.top-b.sp):], s)
	return b.sp
}

// pushStrings puts the strings next to each other, the first one lowest.
func (b *stackBuilder) pushStrings(list []string) []GVA {
	addrs := make([]GVA, len(list))
	for i := len(list) - 1; i >= 0; i-- {
		addrs[i] = b.pushString(list[i])
	}
	return addrs
}
