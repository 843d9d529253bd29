package loader

import (
	"fmt"

	"torov/internal/engine"
	"torov/internal/linux"
)

const (
	// FlatStart is where a flat image is loaded when nothing else is said.
	FlatStart GVA = 0x400200
	// FlatMemory is the memory of a flat image, bytes.
	FlatMemory = 8 << 20
	// flatStack is what an image must leave free at the end of memory.
	flatStack = 64 << 10
)

// Flat is the plan for a raw binary without headers: one piece of memory,
// readable, writable and executable, with the image at Entry and the stack
// growing down from its end.
type Flat struct {
	Memory Mapping // zeros
	Entry  GVA     // the image's first byte: copy it there, start there
	Size   uint64  // of the image, bytes
	SP     GVA
}

// PlanFlat plans a flat image of size bytes that is loaded at start. memory is
// the amount of memory in bytes; 0 means FlatMemory. The first page stays
// unmapped, so that null pointers fault, unless the image starts in it.
func PlanFlat(size int64, start GVA, memory uint64) (*Flat, error) {
	if memory == 0 {
		memory = FlatMemory
	}
	fail := func(errno linux.Errno, why, do string) (*Flat, error) {
		return nil, &Error{What: "a flat image that cannot be loaded", Why: why, Do: do, errno: errno}
	}
	switch {
	case memory%engine.PageSize != 0 || memory <= flatStack || memory > uint64(userTop):
		return fail(linux.EINVAL, fmt.Sprintf("%#x bytes of memory", memory), "give a multiple of 4096 above 64 KiB")
	case size <= 0:
		return fail(linux.ENOEXEC, "it is empty", rebuild)
	case uint64(start) >= memory-flatStack:
		return fail(linux.EINVAL, fmt.Sprintf("its start address %#x is outside its memory of %#x bytes, less %#x for the stack", start, memory, flatStack),
			"choose a lower start address")
	}
	if room := memory - flatStack - uint64(start); uint64(size) > room {
		return fail(linux.ENOMEM, fmt.Sprintf("its %#x bytes at %#x exceed its memory of %#x bytes, less %#x for the stack", size, start, memory, flatStack),
			"make it smaller or choose a lower start address")
	}
	first := minAddr
	if start < minAddr {
		first = 0
	}
	return &Flat{
		Memory: Mapping{Start: first, End: GVA(memory), Prot: Read | Write | Exec},
		Entry:  start,
		Size:   uint64(size),
		SP:     GVA(memory),
	}, nil
}
