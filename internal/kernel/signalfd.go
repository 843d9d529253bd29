package kernel

import (
	"encoding/binary"
	"sync/atomic"

	"golang.org/x/sys/unix"

	"torov/internal/linux"
	"torov/internal/mm"
)

// signalFile is a description of signalfd(2). It reads the signals that wait
// for the reader, so all it has of its own is the set.
//
// Its eventfd is set when a signal of the set may be pending: a signal that is
// taken in another way leaves it set, and the next read finds nothing and
// clears it. Unlike Linux's it does not depend on who asks: a signal sent to
// one thread shows to all.
type signalFile struct {
	set  atomic.Uint64 // linux.SigSet
	host int
}

// NewSignalFile makes a signalfd.
func NewSignalFile(t *Thread, set linux.SigSet, nonblock bool) (*File, linux.Errno) {
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, linux.FromHost(err)
	}
	f := NewFile(fd, "anon_inode:[signalfd]", true, nonblock)
	f.Ops = &signalFile{host: fd}
	f.SetSignals(t, set)
	return f, 0
}

// SetSignals changes the set of a signalfd; false if f is none.
func (f *File) SetSignals(t *Thread, set linux.SigSet) bool {
	sf, ok := f.Ops.(*signalFile)
	if !ok {
		return false
	}
	sf.set.Store(uint64(set &^ linux.SigUnblockable))
	if t.Pending()&sf.signals() != 0 {
		sf.raise()
	}
	return true
}

func (sf *signalFile) signals() linux.SigSet { return linux.SigSet(sf.set.Load()) }

func (sf *signalFile) raise() {
	one := [8]byte{1}
	// EAGAIN means that it is raised already.
	_, _ = unix.Write(sf.host, one[:])
}

// Read takes as many signals as there is room for (signalfd_read).
func (sf *signalFile) Read(t *Thread, b *mm.Buffers) (int, linux.Errno) {
	size := linux.Size[linux.SignalfdSiginfo]()
	if b.Size < size {
		return 0, linux.EINVAL
	}
	var out []byte
	// Lowered before looking: a signal that comes after the look raises it.
	var count [8]byte
	_, _ = unix.Read(sf.host, count[:])
	for len(out)+size <= b.Size {
		info, ok := t.TakeSignal(sf.signals())
		if !ok {
			break
		}
		record := signalRecord(&info)
		out = append(out, linux.Bytes(&record)...)
	}
	if t.Pending()&sf.signals() != 0 {
		sf.raise()
	}
	if len(out) == 0 {
		return 0, linux.EAGAIN
	}
	return b.CopyOut(out)
}

func (sf *signalFile) Write(*Thread, *mm.Buffers) (int, linux.Errno) { return 0, linux.EINVAL }

func (sf *signalFile) Close() {}

// raiseSignalFiles makes the process's signalfds of a signal ready. It is
// called when the signal is pending and blocked; one that is not blocked goes
// to its handler.
func (p *Process) raiseSignalFiles(s linux.Signal) {
	p.Files.mu.RLock()
	defer p.Files.mu.RUnlock()
	for _, slot := range p.Files.slots {
		if slot.file == nil {
			continue
		}
		if sf, ok := slot.file.Ops.(*signalFile); ok && sf.signals().Has(s) {
			sf.raise()
		}
	}
}

// signalRecord is signalfd_copyinfo: which fields of a siginfo mean something
// depends on who sent it (siginfo_layout in kernel/signal.c).
func signalRecord(info *linux.SigInfo) linux.SignalfdSiginfo {
	r := linux.SignalfdSiginfo{Signo: uint32(info.Signo), Errno: info.Errno, Code: info.Code}
	s := info.Signal()
	switch {
	case info.Code == linux.SI_TIMER:
		r.Tid, r.Overrun = uint32(info.PID()), info.UID()
		r.Ptr, r.Int = info.Value(), int32(info.Value())
	case info.Code == linux.SI_SIGIO || s == linux.SIGIO && info.Code > 0 && info.Code < linux.SI_KERNEL:
		r.Band, r.Fd = uint32(info.Addr()), info.Status()
	case info.Code < 0 && info.Code != linux.SI_TKILL:
		r.Pid, r.Uid = uint32(info.PID()), info.UID()
		r.Ptr, r.Int = info.Value(), int32(info.Value())
	case info.Code <= 0 || info.Code == linux.SI_KERNEL:
		r.Pid, r.Uid = uint32(info.PID()), info.UID()
	case s == linux.SIGCHLD:
		r.Pid, r.Uid, r.Status = uint32(info.PID()), info.UID(), info.Status()
		r.Utime, r.Stime = binary.LittleEndian.Uint64(info.Fields[16:]), binary.LittleEndian.Uint64(info.Fields[24:])
	case s == linux.SIGSYS:
		r.Call_addr, r.Syscall = info.Addr(), info.Status()
	case linux.SigSynchronous.Has(s):
		r.Addr = info.Addr()
	}
	return r
}
