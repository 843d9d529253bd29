package rsp

// Auxv reads a process's auxiliary vector in the format of /proc/PID/auxv: 16
// bytes per entry, ended by AT_NULL. GDB and LLDB find the load address of a
// position-independent program through it.
type Auxv interface {
	Auxv(p PID) ([]byte, error)
}

// ExecFile returns the absolute path of a process's program, in the file
// system that Files serves.
type ExecFile interface {
	ExecFile(p PID) (string, error)
}

// Offsets returns by how much the program was moved from its link addresses.
// Needed only by programs without an auxiliary vector.
type Offsets interface {
	TextOffset(p PID) (Addr, error)
}

// Library is one entry of the dynamic linker's list (struct link_map).
type Library struct {
	Name      string // path
	LinkMap   Addr   // address of the link_map
	Base      Addr   // l_addr: load address minus link address
	Dynamic   Addr   // l_ld: the dynamic section
	Namespace Addr   // address of the r_debug of its namespace; 0 for the first
}

// LibraryList is a process's shared libraries.
type LibraryList struct {
	// Main is the link_map of the program itself, 0 while the dynamic
	// linker has not made one. The program is not in Libraries.
	Main      Addr
	Libraries []Library
}

// Libraries lists shared libraries, which saves the client reading the
// dynamic linker's structures word by word.
type Libraries interface {
	Libraries(p PID) (LibraryList, error)
	// DebugSlot returns the address of the word that points to the dynamic
	// linker's r_debug: the value of the DT_DEBUG entry (LLDB asks).
	DebugSlot(p PID) (Addr, error)
}

// HostInfo describes the machine the debuggee runs on.
type HostInfo struct {
	Triple    string // e.g. "x86_64-pc-linux-gnu"
	Hostname  string
	OSVersion string // e.g. "6.1.0"
	PageSize  int    // bytes
}

// ProcessInfo describes a process.
type ProcessInfo struct {
	PID, Parent PID
	Name        string
	UID, GID    int // real
	EUID, EGID  int // effective
}

// Host is what LLDB and Delve like to know.
type Host interface {
	HostInfo() HostInfo
	ProcessInfo(p PID) (ProcessInfo, error)
}

// Table is one table of "info os": rows of as many cells as there are columns.
type Table struct {
	Name        string // the argument of "info os"
	Title       string // a few words for the list of tables
	Description string
	Columns     []string
	Rows        [][]string
}

// OSData publishes tables about the system the program runs on.
type OSData interface {
	// Tables lists what there is; Columns and Rows may be left out.
	Tables() []Table
	// Table returns one of them, filled in.
	Table(name string) (Table, error)
}

// TLS computes addresses of thread-local variables.
type TLS interface {
	// TLSAddress returns the address of the variable at the given offset in
	// the module whose link_map is at linkMap (0: the program, statically
	// linked), in thread t. An error says that the thread has not allocated
	// the module's block yet.
	TLSAddress(t ThreadID, offset uint64, linkMap Addr) (Addr, error)
}
