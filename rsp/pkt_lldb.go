package rsp

import (
	"errors"
	"fmt"
	"strings"
)

// lldbPackets are questions of LLDB (and Delve) about the host, the process,
// memory and registers.
var lldbPackets = packetTable{
	"qHostInfo":                     (*session).hostInfo,
	"qProcessInfo":                  (*session).processInfo,
	"qGDBServerVersion":             (*session).serverVersion,
	"qMemoryRegionInfo":             (*session).memoryRegion,
	"qWatchpointSupportInfo":        (*session).watchpointInfo,
	"qRegisterInfo":                 (*session).registerInfo,
	"qSupportsDetachAndStayStopped": (*session).staysStopped,
	"_M":                            (*session).allocate,
	"_m":                            (*session).deallocate,
}

// hostInfo: qHostInfo.
func (s *session) hostInfo(*args) ([]byte, error) {
	if s.t.Host == nil {
		return nil, errEmpty
	}
	h := s.t.Host.HostInfo()
	p := fmt.Appendf(nil, "triple:%s;ptrsize:8;endian:little;ostype:linux;watchpoint_exceptions_received:after;",
		hexString(h.Triple))
	if h.PageSize > 0 {
		p = fmt.Appendf(p, "vm-page-size:%d;", h.PageSize)
	}
	if h.OSVersion != "" {
		p = fmt.Appendf(p, "os_version:%s;", text(h.OSVersion))
	}
	if h.Hostname != "" {
		p = fmt.Appendf(p, "hostname:%s;", hexString(h.Hostname))
	}
	return p, nil
}

// processInfo: qProcessInfo, numbers in hexadecimal.
func (s *session) processInfo(*args) ([]byte, error) {
	if s.t.Host == nil {
		return nil, errEmpty
	}
	pid, err := s.pid()
	if err != nil {
		return nil, err
	}
	i, err := s.t.Host.ProcessInfo(pid)
	if err != nil {
		return nil, err
	}
	p := fmt.Appendf(nil, "pid:%x;parent-pid:%x;real-uid:%x;real-gid:%x;effective-uid:%x;effective-gid:%x;",
		int(i.PID), int(i.Parent), i.UID, i.GID, i.EUID, i.EGID)
	p = fmt.Appendf(p, "triple:%s;ostype:linux;endian:little;ptrsize:8;", hexString(s.t.Host.HostInfo().Triple))
	if i.Name != "" {
		p = fmt.Appendf(p, "name:%s;", hexString(i.Name))
	}
	return p, nil
}

// serverVersion: qGDBServerVersion.
func (s *session) serverVersion(*args) ([]byte, error) {
	if s.srv.Name == "" {
		return nil, errEmpty
	}
	return fmt.Appendf(nil, "name:%s;version:%s;", text(s.srv.Name), text(s.srv.Version)), nil
}

// memoryRegion: qMemoryRegionInfo:addr. A gap has a size but no permissions.
func (s *session) memoryRegion(a *args) ([]byte, error) {
	if s.t.MemoryRegions == nil {
		return nil, errEmpty
	}
	if a.empty() {
		return replyOK, nil // asked whether the packet exists
	}
	a.expect(':')
	addr := a.addr()
	if err := a.done(); err != nil {
		return nil, err
	}
	pid, err := s.pid()
	if err != nil {
		return nil, err
	}
	r, err := s.t.MemoryRegions.Region(pid, addr)
	if err != nil {
		return nil, err
	}
	p := fmt.Appendf(nil, "start:%x;size:%x;", uint64(r.Start), r.Size)
	if !r.Mapped {
		return p, nil
	}
	p = fmt.Appendf(p, "permissions:%s;", r.Perm)
	if r.Name != "" {
		p = fmt.Appendf(p, "name:%s;", hexString(r.Name))
	}
	switch r.Name {
	case "[stack]":
		p = append(p, "type:stack;"...)
	case "[heap]":
		p = append(p, "type:heap;"...)
	}
	return p, nil
}

// watchpointInfo: qWatchpointSupportInfo.
func (s *session) watchpointInfo(*args) ([]byte, error) {
	if s.t.Breakpoints == nil {
		return nil, errEmpty
	}
	n := s.t.Breakpoints.BreakpointCaps().Watchpoints
	if n == 0 {
		return nil, errEmpty
	}
	return fmt.Appendf(nil, "num:%d;", n), nil
}

// staysStopped: qSupportsDetachAndStayStopped asks for D1, which only a target
// that knows of detaching can honour.
func (s *session) staysStopped(*args) ([]byte, error) {
	if s.t.Process == nil {
		return nil, errEmpty
	}
	return replyOK, nil
}

// registerInfo: qRegisterInfoN describes register N. It is what Delve and old
// LLDBs ask for before target.xml, and it can only be answered if registers are
// numbered from 0 without gaps: the list ends at the first error.
func (s *session) registerInfo(a *args) ([]byte, error) {
	if len(s.regs) == 0 || s.regs[len(s.regs)-1].Num != len(s.regs)-1 {
		return nil, errEmpty
	}
	n := a.size(1 << 20)
	if err := a.done(); err != nil {
		return nil, err
	}
	if n >= len(s.regs) {
		return nil, errNoRegister
	}
	offset := 0
	for _, r := range s.regs[:n] {
		offset += r.Size()
	}
	r := s.regs[n]
	encoding, format := lldbFormat(r)
	p := fmt.Appendf(nil, "name:%s;bitsize:%d;offset:%d;encoding:%s;format:%s;set:%s;",
		text(r.Name), r.Bits, offset, encoding, format, text(s.registerSet(r)))
	if r.AltName != "" {
		p = fmt.Appendf(p, "alt-name:%s;", text(r.AltName))
	}
	if r.Generic != "" {
		p = fmt.Appendf(p, "generic:%s;", text(r.Generic))
	}
	return p, nil
}

// lldbFormat translates a register's type to LLDB's words.
func lldbFormat(r *Register) (encoding, format string) {
	switch {
	case r.Type == "i387_ext":
		return "vector", "vector-uint8"
	case strings.HasPrefix(r.Type, "ieee_"):
		return "ieee754", "float"
	case r.Bits > 64:
		return "vector", "vector-uint8"
	}
	return "uint", "hex"
}

// registerSet names the set a register is shown in: the feature's name.
func (s *session) registerSet(r *Register) string {
	for _, f := range s.desc.Features {
		for i := range f.Registers {
			if f.Registers[i].Num == r.Num {
				return f.Name[strings.LastIndexByte(f.Name, '.')+1:]
			}
		}
	}
	return "other"
}

// allocate: _Msize,permissions.
func (s *session) allocate(a *args) ([]byte, error) {
	if s.t.Allocator == nil {
		return nil, errEmpty
	}
	size := a.hex()
	a.expect(',')
	var perm Permissions
	for _, c := range a.all() {
		i := strings.IndexByte("rwx", c)
		if i < 0 {
			a.bad = true
			break
		}
		perm |= 1 << i
	}
	if err := a.err(); err != nil {
		return nil, err
	}
	if size == 0 {
		return nil, errors.New("nothing to allocate")
	}
	pid, err := s.pid()
	if err != nil {
		return nil, err
	}
	addr, err := s.t.Allocator.Allocate(pid, size, perm)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%x", uint64(addr)), nil
}

// deallocate: _maddr.
func (s *session) deallocate(a *args) ([]byte, error) {
	if s.t.Allocator == nil {
		return nil, errEmpty
	}
	addr := a.addr()
	if err := a.done(); err != nil {
		return nil, err
	}
	pid, err := s.pid()
	if err != nil {
		return nil, err
	}
	return done(s.t.Allocator.Deallocate(pid, addr))
}
