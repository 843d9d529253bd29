package rsp

// Memory is the debuggee's memory as the program sees it: breakpoint
// instructions the target has planted are never visible in what is read and
// never destroyed by what is written.
type Memory interface {
	// ReadMemory fills buf from addr on and returns how many bytes it could
	// read, which may be fewer than len(buf). An error is reported only if
	// not even the first byte is readable.
	ReadMemory(p PID, addr Addr, buf []byte) (int, error)
	// WriteMemory stores data at addr, whatever the pages' protection says
	// (a debugger may write code). Either all of it is written or an error
	// is returned.
	WriteMemory(p PID, addr Addr, data []byte) error
}

// Permissions of a mapped area.
type Permissions uint8

// Permission bits.
const (
	PermRead Permissions = 1 << iota
	PermWrite
	PermExec
)

// String returns the permissions in the form "rwx", without absent letters.
func (p Permissions) String() string {
	s := ""
	for i, c := range []string{"r", "w", "x"} {
		if p&(1<<i) != 0 {
			s += c
		}
	}
	return s
}

// MemoryRegion is one mapped area, or one gap between areas.
type MemoryRegion struct {
	Start  Addr
	Size   uint64 // bytes; a gap reaches to the next mapping
	Mapped bool
	Perm   Permissions
	Name   string // the file's path, or "[stack]", "[heap]", "[vdso]"; may be empty
}

// MemoryRegions answers what is mapped at an address (LLDB's "memory region").
type MemoryRegions interface {
	// Region returns the area or gap that holds addr.
	Region(p PID, addr Addr) (MemoryRegion, error)
}

// Allocator gives memory of the debuggee to a client that wants to place
// code or data there (LLDB's expression evaluation).
type Allocator interface {
	// Allocate maps at least size bytes.
	Allocate(p PID, size uint64, perm Permissions) (Addr, error)
	// Deallocate gives back what Allocate returned.
	Deallocate(p PID, addr Addr) error
}
