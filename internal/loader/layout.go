package loader

import (
	"fmt"

	"torov/internal/engine"
	"torov/internal/linux"
)

// Randomness comes in as plain numbers: 0 means no randomisation, which gives
// the addresses Linux uses under setarch -R, and a recorded number gives the
// same layout again.

const (
	// pieBase is ELF_ET_DYN_BASE: two thirds of user space, far enough
	// below the stack and the mmap area for brk to grow.
	pieBase = userTop / 3 * 2
	// Bits of entropy, in pages, as in Linux on x86-64.
	execRandomBits  = 28
	stackRandomBits = 22
	brkRandomPages  = 1 << 30 / engine.PageSize
)

// Place chooses where the image goes and returns the bias to add to all its
// addresses; it is 0 for images that are not position-independent. rnd is 64
// random bits. Images without an interpreter are placed in the same area as
// those with one, so that brk has room after either.
func (im *Image) Place(rnd uint64) (bias GVA, err error) {
	if !im.PIE() {
		return 0, nil
	}
	base := pieBase + GVA(randomPages(rnd, execRandomBits))
	base &^= GVA(im.Align) - 1
	bias = (base - im.Segments[0].Addr).PageDown()
	if lo, size := im.Lo+bias, uint64(im.Hi-im.Lo); lo < minAddr || !inUserSpace(lo, size) {
		return 0, &Error{What: "a program that does not fit", Why: fmt.Sprintf("its segments span %#x bytes with alignment %#x", size, im.Align),
			Do: "build it with smaller segments", errno: linux.ENOMEM}
	}
	_, err = im.EntryAt(bias)
	return bias, err
}

// EntryAt returns the address at which the image starts when it is loaded
// with the given bias.
func (im *Image) EntryAt(bias GVA) (GVA, error) {
	entry := im.Entry + bias
	if entry >= userTop {
		return 0, damaged(linux.EINVAL, fmt.Sprintf("its entry point %#x is not in user space", entry))
	}
	return entry, nil
}

// BrkStart returns the address at which brk(2) starts: the first page after
// the image, moved up to 1 GiB further by the random bits.
func (im *Image) BrkStart(bias GVA, rnd uint64) GVA {
	start := im.Hi + bias
	moved := start + GVA(rnd%brkRandomPages*engine.PageSize)
	if moved >= userTop {
		return start
	}
	return moved
}

// StackTop returns the end of the stack, page-aligned: the end of user space,
// lowered up to 16 GiB by the random bits.
func StackTop(rnd uint64) GVA {
	return userTop - GVA(randomPages(rnd, stackRandomBits))
}

// randomPages returns bits bits of rnd as a multiple of the page size.
func randomPages(rnd uint64, bits uint) uint64 {
	return rnd & (1<<bits - 1) << engine.PageShift
}
