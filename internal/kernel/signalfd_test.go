package kernel

import (
	"testing"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/linux"
	"torov/internal/mm"
)

// readSignals reads a signalfd into n bytes of the program's memory.
func readSignals(t *testing.T, th *Thread, f *File, n uint64) ([]linux.SignalfdSiginfo, linux.Errno) {
	t.Helper()
	const at engine.GVA = 0x10000000
	// The records lie across a page border and memory is fragmented by that.
	if _, errno := th.Proc.AS().Map(mm.MapRequest{Addr: at, Length: 1 << 16, Prot: mm.ProtRead | mm.ProtWrite, Fixed: true}); errno != 0 {
		t.Fatal(errno)
	}
	got, errno := th.Read(f, []mm.Range{{Addr: at + 4000, Len: n}})
	if errno != 0 {
		return nil, errno
	}
	size := linux.Size[linux.SignalfdSiginfo]()
	records, errno := mm.ReadSlice[linux.SignalfdSiginfo](th.Proc.AS(), at+4000, got/size)
	if errno != 0 || got%size != 0 {
		t.Fatalf("%d bytes, %v", got, errno)
	}
	return records, 0
}

func TestSignalFile(t *testing.T) {
	th := testThread(t, "/", "/")
	set := linux.MakeSigSet(linux.SIGUSR1, linux.SIGUSR2, linux.SIGRTMIN, linux.SIGKILL)
	th.SetBlocked(set)
	th.Signal(linux.TkillInfo(linux.SIGUSR2, 5, 6))
	f, errno := NewSignalFile(th, set, true)
	if errno != 0 {
		t.Fatal(errno)
	}
	if _, errno := th.Proc.Files.Install(f, 0, 10, false); errno != 0 {
		t.Fatal(errno)
	}
	if !Ready(f.Host, unix.POLLIN) {
		t.Error("not ready although a signal was pending when it was made")
	}
	if _, errno := readSignals(t, th, f, 127); errno != linux.EINVAL {
		t.Errorf("read of less than one record: %v", errno)
	}
	th.Proc.Signal(linux.QueueInfo(linux.SIGRTMIN, 7, 8, 99))
	th.Proc.Signal(linux.QueueInfo(linux.SIGRTMIN, 7, 8, 100))
	records, errno := readSignals(t, th, f, 2*128+5)
	if errno != 0 || len(records) != 2 {
		t.Fatalf("%d records, %v; want 2", len(records), errno)
	}
	if r := records[0]; r.Signo != uint32(linux.SIGUSR2) || r.Pid != 5 || r.Uid != 6 || r.Code != linux.SI_TKILL {
		t.Errorf("first: %+v", r)
	}
	if r := records[1]; r.Signo != uint32(linux.SIGRTMIN) || r.Pid != 7 || r.Int != 99 || r.Ptr != 99 {
		t.Errorf("second: %+v", r)
	}
	if !Ready(f.Host, unix.POLLIN) {
		t.Error("not ready although a third signal is pending")
	}
	if records, errno = readSignals(t, th, f, 4096); errno != 0 || len(records) != 1 || records[0].Int != 100 {
		t.Errorf("then %+v, %v", records, errno)
	}
	if Ready(f.Host, unix.POLLIN) {
		t.Error("ready without a signal")
	}
	if _, errno := readSignals(t, th, f, 4096); errno != linux.EAGAIN {
		t.Errorf("read without a signal: %v", errno)
	}
}

func TestSignalFileWakes(t *testing.T) {
	th := testThread(t, "/", "/")
	f, _ := NewSignalFile(th, linux.MakeSigSet(linux.SIGUSR1), true)
	if _, errno := th.Proc.Files.Install(f, 0, 10, false); errno != 0 {
		t.Fatal(errno)
	}
	th.Proc.raiseSignalFiles(linux.SIGUSR2)
	if Ready(f.Host, unix.POLLIN) {
		t.Error("ready for a signal that is not in the set")
	}
	th.Proc.raiseSignalFiles(linux.SIGUSR1)
	if !Ready(f.Host, unix.POLLIN) {
		t.Error("not ready for a signal of the set")
	}
	if f.SetSignals(th, 0); f.Ops.(*signalFile).signals() != 0 {
		t.Error("the set did not change")
	}
	if plain := NewFile(eventFD(t), "x", true, true); plain.SetSignals(th, 0) {
		t.Error("an eventfd took a set of signals")
	}
}

func eventFD(t *testing.T) int {
	t.Helper()
	fd, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		t.Fatal(err)
	}
	return fd
}

func TestSignalRecord(t *testing.T) {
	for _, c := range []struct {
		name string
		info linux.SigInfo
		want linux.SignalfdSiginfo
	}{
		{"kill", linux.KillInfo(linux.SIGINT, linux.SI_USER, 3, 4), linux.SignalfdSiginfo{Pid: 3, Uid: 4}},
		{"kernel", linux.KernelInfo(linux.SIGALRM), linux.SignalfdSiginfo{}},
		{"timer", linux.TimerInfo(linux.SIGALRM, 9, 2, 7), linux.SignalfdSiginfo{Tid: 9, Overrun: 2, Int: 7, Ptr: 7}},
		{"child", linux.ChildInfo(linux.CLD_EXITED, 3, 4, 5, 6, 7), linux.SignalfdSiginfo{Pid: 3, Uid: 4, Status: 5, Utime: 6, Stime: 7}},
		{"fault", linux.FaultInfo(linux.SIGSEGV, linux.SEGV_MAPERR, 0x123), linux.SignalfdSiginfo{Addr: 0x123}},
		{"poll", linux.PollInfo(linux.SIGIO, linux.POLL_IN, 1, 5), linux.SignalfdSiginfo{Band: 1, Fd: 5}},
		{"seccomp", linux.SeccompInfo(0x456, 77, 0), linux.SignalfdSiginfo{Call_addr: 0x456, Syscall: 77}},
	} {
		got := signalRecord(&c.info)
		c.want.Signo, c.want.Code = uint32(c.info.Signo), c.info.Code
		if got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
