package toy

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"torov/rsp"
)

// errUnmapped is what an access to memory that is not there gives.
var errUnmapped = errors.New("no memory is mapped there")

// ReadMemory implements rsp.Memory.
func (m *Machine) ReadMemory(pid rsp.PID, addr rsp.Addr, buf []byte) (int, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.proc(pid)
	if p == nil {
		return 0, rsp.ErrNoProcess
	}
	n := 0
	for n < len(buf) {
		b := p.bytes(uint64(addr)+uint64(n), 1)
		if b == nil {
			break
		}
		buf[n] = b[0]
		n++
	}
	if n == 0 {
		return 0, errUnmapped
	}
	return n, nil
}

// WriteMemory implements rsp.Memory.
func (m *Machine) WriteMemory(pid rsp.PID, addr rsp.Addr, data []byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.proc(pid)
	if p == nil {
		return rsp.ErrNoProcess
	}
	b := p.bytes(uint64(addr), len(data))
	if b == nil {
		return errUnmapped
	}
	copy(b, data)
	return nil
}

// Region implements rsp.MemoryRegions.
func (m *Machine) Region(pid rsp.PID, addr rsp.Addr) (rsp.MemoryRegion, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.proc(pid)
	if p == nil {
		return rsp.MemoryRegion{}, rsp.ErrNoProcess
	}
	gap := rsp.MemoryRegion{Start: addr, Size: -uint64(addr)}
	if addr == 0 {
		gap.Size = math.MaxUint64 // 2^64 does not fit
	}
	for _, s := range p.mem {
		if uint64(addr) >= s.base && uint64(addr) < s.base+uint64(len(s.data)) {
			return rsp.MemoryRegion{Start: rsp.Addr(s.base), Size: uint64(len(s.data)), Mapped: true, Perm: s.perm, Name: s.name}, nil
		}
		if s.base > uint64(addr) {
			gap.Size = min(gap.Size, s.base-uint64(addr))
		}
	}
	return gap, nil
}

const allocBase = 0x10000000

// Allocate implements rsp.Allocator.
func (m *Machine) Allocate(pid rsp.PID, size uint64, perm rsp.Permissions) (rsp.Addr, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.proc(pid)
	if p == nil {
		return 0, rsp.ErrNoProcess
	}
	if size > 1<<20 {
		return 0, errors.New("out of memory")
	}
	base := uint64(allocBase)
	for _, s := range p.mem {
		base = max(base, s.base+uint64(len(s.data)))
	}
	p.mem = append(p.mem, segment{base, make([]byte, (size+0xfff)&^0xfff), perm, ""})
	return rsp.Addr(base), nil
}

// Deallocate implements rsp.Allocator.
func (m *Machine) Deallocate(pid rsp.PID, addr rsp.Addr) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.proc(pid)
	if p == nil {
		return rsp.ErrNoProcess
	}
	before := len(p.mem)
	p.mem = slices.DeleteFunc(p.mem, func(s segment) bool { return s.base == uint64(addr) && s.base >= allocBase })
	if len(p.mem) == before {
		return errors.New("that was not allocated")
	}
	return nil
}

// hardwareRegisters is how many hardware break- and watchpoints there are.
const hardwareRegisters = 4

// BreakpointCaps implements rsp.Breakpoints.
func (m *Machine) BreakpointCaps() rsp.BreakpointCaps {
	return rsp.BreakpointCaps{Conditions: true, Commands: true, Watchpoints: hardwareRegisters}
}

// InsertBreakpoint implements rsp.Breakpoints.
func (m *Machine) InsertBreakpoint(b *rsp.Breakpoint) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.proc(b.PID)
	if p == nil {
		return rsp.ErrNoProcess
	}
	if p.bytes(uint64(b.Addr), max(b.Len, 1)) == nil {
		return fmt.Errorf("cannot insert a breakpoint at %#x: %w", uint64(b.Addr), errUnmapped)
	}
	at := place{b.Kind, b.Addr, b.Len}
	if b.Kind != rsp.SoftwareBreakpoint && p.breakpoints[at] == nil {
		used := 0
		for k := range p.breakpoints {
			if k.kind != rsp.SoftwareBreakpoint {
				used++
			}
		}
		if used == hardwareRegisters {
			return fmt.Errorf("no free debug register (%d in use)", used)
		}
	}
	p.breakpoints[at] = b
	return nil
}

// RemoveBreakpoint implements rsp.Breakpoints.
func (m *Machine) RemoveBreakpoint(b *rsp.Breakpoint) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if p := m.proc(b.PID); p != nil {
		delete(p.breakpoints, place{b.Kind, b.Addr, b.Len})
	}
	return nil
}

// Breakpoints counts what is inserted, for tests.
func (m *Machine) Breakpoints() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := 0
	for _, p := range m.procs {
		n += len(p.breakpoints)
	}
	return n
}

// Threads implements rsp.Threads.
func (m *Machine) Threads() []rsp.ThreadInfo {
	m.mu.Lock()
	defer m.mu.Unlock()
	var list []rsp.ThreadInfo
	for i, t := range m.threads {
		info := rsp.ThreadInfo{ID: t.id, Name: t.name, Core: i, Running: t.running}
		if t.blocked {
			info.Extra = "blocked in pause"
		}
		list = append(list, info)
	}
	return list
}

// Alive implements rsp.Threads.
func (m *Machine) Alive(id rsp.ThreadID) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.find(id) != nil
}

// SupportedEvents implements rsp.Events.
func (m *Machine) SupportedEvents() rsp.EventSet {
	return rsp.EventFork | rsp.EventThread | rsp.EventExec | rsp.EventNoResumed
}

// EnableEvents implements rsp.Events.
func (m *Machine) EnableEvents(e rsp.EventSet) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.events = e
	return nil
}

// CatchSyscalls implements rsp.Syscalls.
func (m *Machine) CatchSyscalls(pid rsp.PID, on bool, numbers []int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.proc(pid)
	if p == nil {
		return rsp.ErrNoProcess
	}
	p.catch, p.catchOnly = on, map[int]bool{}
	for _, n := range numbers {
		p.catchOnly[n] = true
	}
	return nil
}

func signalSet(list []rsp.Signal) map[rsp.Signal]bool {
	set := map[rsp.Signal]bool{}
	for _, sig := range list {
		set[sig] = true
	}
	return set
}

// PassSignals implements rsp.Signals.
func (m *Machine) PassSignals(list []rsp.Signal) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pass = signalSet(list)
	return nil
}

// ProgramSignals implements rsp.Signals.
func (m *Machine) ProgramSignals(list []rsp.Signal) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.program = signalSet(list)
	return nil
}

// ReadSigInfo implements rsp.SigInfo.
func (m *Machine) ReadSigInfo(id rsp.ThreadID) (info [rsp.SigInfoSize]byte, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.find(id)
	if t == nil {
		return info, rsp.ErrNoProcess
	}
	return t.siginfo, nil
}

// WriteSigInfo implements rsp.SigInfo.
func (m *Machine) WriteSigInfo(id rsp.ThreadID, info [rsp.SigInfoSize]byte) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := m.find(id)
	if t == nil {
		return rsp.ErrNoProcess
	}
	t.siginfo = info
	return nil
}

// Command implements rsp.Monitor: "echo WORDS" and "flood BYTES".
func (m *Machine) Command(_ rsp.ThreadID, line string, out io.Writer) error {
	verb, rest, _ := strings.Cut(line, " ")
	switch verb {
	case "echo":
		_, err := fmt.Fprintln(out, rest)
		return err
	case "flood":
		n, err := strconv.Atoi(rest)
		if err != nil || n < 0 || n > 1<<20 {
			return fmt.Errorf("monitor flood: %q is not a number of bytes up to a million", rest)
		}
		_, err = io.WriteString(out, strings.Repeat("x", n))
		return err
	}
	return fmt.Errorf("monitor %s: no such command; there are echo and flood", verb)
}
