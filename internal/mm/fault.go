package mm

import (
	"errors"

	"torov/internal/engine"
)

// Fault is what an access that the page table forbade turned out to be.
type Fault uint8

const (
	FaultNone     Fault = iota // the access is allowed now: run on
	FaultMapErr                // nothing is mapped: SIGSEGV, SEGV_MAPERR
	FaultAccErr                // the mapping forbids it: SIGSEGV, SEGV_ACCERR
	FaultBus                   // behind the end of a mapped file: SIGBUS, BUS_ADRERR
	FaultNoMemory              // guest memory is used up
	FaultGuard                 // the program may, a watchpoint wants to know
)

// Access is a way of touching memory.
type Access uint8

const (
	AccessRead Access = iota
	AccessWrite
	AccessExec
)

// AccessOf decodes a page fault's error code.
func AccessOf(code uint64) Access {
	switch {
	case code&engine.FaultWrite != 0:
		return AccessWrite
	case code&engine.FaultFetch != 0:
		return AccessExec
	}
	return AccessRead
}

// allowed: on x86 without protection keys every mapping that allows anything
// allows reading.
func (v *VMA) allowed(acc Access) bool {
	switch acc {
	case AccessWrite:
		return v.Prot&ProtWrite != 0
	case AccessExec:
		return v.Prot&ProtExec != 0
	}
	return v.Prot != 0
}

// Fault resolves a page fault at a: it fills in the window around the address
// or says what is wrong with the access. A fault that a racing CPU resolved,
// or that a stale translation caused, is FaultNone.
func (as *AddressSpace) Fault(a engine.GVA, acc Access) Fault {
	as.mu.Lock()
	defer as.mu.Unlock()
	v := as.vmas.find(a)
	if v == nil || a >= UserEnd {
		return FaultMapErr
	}
	if !v.allowed(acc) {
		return FaultAccErr
	}
	if as.guards.forbids(a.PageDown(), acc) {
		return FaultGuard
	}
	if v.Name == StackName && uint64(v.End-a) > as.stackLimit {
		if !as.table.owned(a) {
			return FaultMapErr // the stack may not grow that far
		}
	}
	if f := as.fillAround(v, a); f != FaultNone || acc != AccessWrite {
		return f
	}
	return faultOf(as.own(v, a))
}

// SetStackLimit is RLIMIT_STACK: how far the stack may grow, in bytes.
func (as *AddressSpace) SetStackLimit(limit uint64) {
	as.mu.Lock()
	defer as.mu.Unlock()
	as.stackLimit = limit
}

// fillAround makes sure that the page of a is there, and with it what lies
// around it, since entries are cheap and exits are not.
func (as *AddressSpace) fillAround(v *VMA, a engine.GVA) Fault {
	if as.table.owned(a) {
		return FaultNone
	}
	size := as.window(v, a)
	start := max(a&^(size-1), v.Start)
	if v.Name == StackName && as.stackLimit < v.Len() {
		start = max(start, min(a.PageDown(), v.End-engine.GVA(as.stackLimit)))
	}
	end := min(a&^(size-1)+size, v.End)
	err := as.populate(v, start, end)
	if as.table.owned(a) {
		return FaultNone
	}
	if err == nil {
		return FaultBus
	}
	return faultOf(err)
}

func faultOf(err error) Fault {
	switch {
	case err == nil:
		return FaultNone
	case errors.Is(err, ErrNoMemory):
		return FaultNoMemory
	}
	return FaultBus
}

// window is how much around a is filled in. Memory that is used sparsely must
// not cost what it would if it were full: a window of anonymous memory is the
// block of which one half is full already, and as long as a huge page beside one
// that is full.
func (as *AddressSpace) window(v *VMA, a engine.GVA) engine.GVA {
	switch {
	case v.File != nil:
		return fileWindow
	case v.Name == StackName:
		return stackWindow
	}
	slot := a &^ (hugeSize - 1)
	if as.full(v, slot-hugeSize, hugeSize) || as.full(v, slot+hugeSize, hugeSize) {
		return hugeSize
	}
	for half := engine.GVA(hugeSize / 2); half >= anonWindow; half /= 2 {
		if as.full(v, a&^(half-1)^half, half) {
			return 2 * half
		}
	}
	return anonWindow
}

// full reports whether a range is part of v and has all its pages.
func (as *AddressSpace) full(v *VMA, start, size engine.GVA) bool {
	if start < v.Start || start >= v.End || v.End-start < size {
		return false
	}
	if _, e := as.table.leaf(start); e&pteLarge != 0 {
		return true
	}
	for at := start; at < start+size; at += pageSize {
		if !as.table.owned(at) {
			return false
		}
	}
	return true
}
