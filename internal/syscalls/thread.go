package syscalls

import (
	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func init() {
	register(
		Call{Name: "clone", Group: GroupThread, State: Partial, Note: "no namespaces and no pidfd; only threads share descriptors and directories", Args: args("flags", "hex", "stack", "ptr", "parent_tid", "ptr", "child_tid", "ptr", "tls", "ptr"), Do: clone, Own: processClone},
		Call{Name: "clone3", Group: GroupThread, State: Partial, Note: "no namespaces and no pidfd; only threads share descriptors and directories", Args: args("args", "ptr", "size", "size"), Do: clone3, Own: processClone3},
		Call{Name: "exit", Group: GroupBase, Args: args("status", "int"), Do: exit},
		Call{Name: "exit_group", Group: GroupBase, Args: args("status", "int"), Do: exitGroup},
		Call{Name: "set_tid_address", Group: GroupBase, Args: args("tid", "ptr"), Do: setTIDAddress},
		Call{Name: "set_robust_list", Group: GroupBase, Args: args("head", "ptr", "length", "size"), Do: setRobustList},
		Call{Name: "get_robust_list", Group: GroupBase, Args: args("pid", "int", "head", "ptr", "length", "ptr"), Do: getRobustList},
		Call{Name: "arch_prctl", Group: GroupBase, State: Partial, Note: "FS and GS bases", Args: args("code", "hex", "addr", "ptr"), Do: archPrctl},
		Call{Name: "sched_yield", Group: GroupBase, Do: schedYield},
		Call{Name: "sched_getaffinity", Group: GroupBase, Args: args("pid", "int", "size", "size", "mask", "ptr"), Do: schedGetaffinity},
		Call{Name: "sched_setaffinity", Group: GroupBase, Args: args("pid", "int", "size", "size", "mask", "ptr"), Do: schedSetaffinity},
		Call{Name: "getcpu", Group: GroupBase, Args: args("cpu", "ptr", "node", "ptr", "cache", "ptr"), Do: getcpu},
		Call{Name: "futex", Group: GroupBase, State: Partial, Note: "all but priority inheritance", Args: args("addr", "ptr", "op", "hex", "val", "uint", "timeout", "ptr", "addr2", "ptr", "val3", "uint"), Do: futex},
	)
}

const threadFlags = unix.CLONE_VM | unix.CLONE_FS | unix.CLONE_FILES | unix.CLONE_SIGHAND | unix.CLONE_THREAD

func clone(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return cloneThread(t, linux.CloneArgs{Flags: a[0] &^ 0xff, ExitSignal: a[0] & 0xff, Stack: a[1], ParentTID: a[2], ChildTID: a[3], TLS: a[4]})
}

// processClone is Call.Own of clone: a process is another permission's affair.
func processClone(_ *kernel.Thread, a Args) Handler {
	if a[0]&unix.CLONE_THREAD != 0 {
		return nil
	}
	return clone
}

// cloneArgsV0 is the size of the first version of struct clone_args.
const cloneArgsV0 = 64

func clone3(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	c, errno := readCloneArgs(t, a)
	if errno != 0 {
		return 0, errno
	}
	return cloneThread(t, c)
}

func processClone3(t *kernel.Thread, a Args) Handler {
	c, errno := readCloneArgs(t, a)
	if errno == 0 && c.Flags&unix.CLONE_THREAD != 0 {
		return nil
	}
	return func(t *kernel.Thread, _ Args) (uint64, linux.Errno) {
		if errno != 0 {
			return 0, errno
		}
		return cloneThread(t, c)
	}
}

func readCloneArgs(t *kernel.Thread, a Args) (c linux.CloneArgs, errno linux.Errno) {
	if a[1] < cloneArgsV0 {
		return c, linux.EINVAL
	}
	if a[1] > engine.PageSize {
		return c, linux.E2BIG
	}
	raw := make([]byte, max(int(a[1]), linux.Size[linux.CloneArgs]()))
	if _, errno := t.Proc.AS().CopyIn(raw[:a[1]], a.Addr(0)); errno != 0 {
		return c, errno
	}
	c, _ = linux.Decode[linux.CloneArgs](raw)
	for _, b := range raw[linux.Size[linux.CloneArgs]():] {
		if b != 0 {
			return c, linux.E2BIG // fields of a newer Linux
		}
	}
	if c.Stack == 0 != (c.StackSize == 0) || c.Flags&(unix.CLONE_DETACHED|0xff) != 0 {
		return c, linux.EINVAL
	}
	c.Stack += c.StackSize
	return c, 0
}

func cloneThread(t *kernel.Thread, c linux.CloneArgs) (uint64, linux.Errno) {
	switch {
	case c.Flags&unix.CLONE_THREAD != 0 && c.Flags&unix.CLONE_SIGHAND == 0,
		c.Flags&unix.CLONE_SIGHAND != 0 && c.Flags&unix.CLONE_VM == 0:
		return 0, linux.EINVAL
	case c.Flags&unix.CLONE_THREAD != 0 && c.Flags&threadFlags != threadFlags:
		return 0, linux.ENOSYS
	}
	if c.Flags&unix.CLONE_SETTLS != 0 && c.TLS >= uint64(mm.UserEnd) {
		return 0, linux.EPERM
	}
	req := kernel.Clone{Stack: engine.GVA(c.Stack), TLS: engine.GVA(c.TLS), SetTLS: c.Flags&unix.CLONE_SETTLS != 0}
	if c.Flags&unix.CLONE_CHILD_CLEARTID != 0 {
		req.ClearTID = engine.GVA(c.ChildTID)
	}
	if c.Flags&unix.CLONE_CHILD_SETTID != 0 {
		req.ChildTID = engine.GVA(c.ChildTID)
	}
	if c.Flags&unix.CLONE_PARENT_SETTID != 0 {
		req.ParentTID = engine.GVA(c.ParentTID)
	}
	if c.Flags&unix.CLONE_THREAD == 0 {
		return cloneProcess(t, c, req)
	}
	tid, errno := t.CloneThread(req)
	return uint64(tid), errno
}

func exit(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	t.ExitThread(int(a.Int(0)))
	return 0, linux.EJUSTRETURN
}

func exitGroup(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	t.Proc.Exit(kernel.ExitStatus{Code: int(a[0] & 0xff)})
	return 0, linux.EJUSTRETURN
}

func setTIDAddress(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	t.ClearTID = a.Addr(0)
	return uint64(t.TID), 0
}

func setRobustList(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a[1] != uint64(linux.Size[linux.RobustListHead]()) {
		return 0, linux.EINVAL
	}
	t.RobustList = a.Addr(0)
	return 0, 0
}

func getRobustList(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	target := t
	if pid := a.Int(0); pid != 0 {
		if target = t.Kernel().Thread(int(pid)); target == nil {
			return 0, linux.ESRCH
		}
	}
	if errno := mm.Write(t.Proc.AS(), a.Addr(2), uint64(linux.Size[linux.RobustListHead]())); errno != 0 {
		return 0, errno
	}
	return 0, mm.Write(t.Proc.AS(), a.Addr(1), uint64(target.RobustList))
}

func archPrctl(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	segs, err := t.CPU.Segs()
	if err != nil {
		return 0, linux.EIO
	}
	switch a.Int(0) {
	case linux.ARCH_GET_FS:
		return 0, mm.Write(t.Proc.AS(), a.Addr(1), segs.FSBase)
	case linux.ARCH_GET_GS:
		return 0, mm.Write(t.Proc.AS(), a.Addr(1), segs.GSBase)
	case linux.ARCH_SET_FS:
		segs.FSBase = a[1]
	case linux.ARCH_SET_GS:
		segs.GSBase = a[1]
	default:
		return 0, linux.EINVAL
	}
	if a[1] >= uint64(mm.UserEnd) {
		return 0, linux.EPERM
	}
	if err := t.CPU.SetSegs(segs); err != nil {
		return 0, linux.EPERM
	}
	return 0, 0
}

func schedYield(*kernel.Thread, Args) (uint64, linux.Errno) {
	_, _, _ = unix.Syscall(unix.SYS_SCHED_YIELD, 0, 0, 0)
	return 0, 0
}

func schedGetaffinity(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a[1]%8 != 0 || a[1] == 0 {
		return 0, linux.EINVAL
	}
	if errno := threadExists(t, a.Int(0)); errno != 0 {
		return 0, errno
	}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return 0, linux.FromHost(err)
	}
	words := make([]uint64, 0, len(set))
	last := 0
	for i, w := range set {
		words = append(words, uint64(w))
		if w != 0 {
			last = i
		}
	}
	if int(a[1])/8 <= last {
		return 0, linux.EINVAL
	}
	n := min(len(words), int(min(a[1]/8, uint64(last+1))))
	if errno := mm.WriteSlice(t.Proc.AS(), a.Addr(2), words[:n]); errno != 0 {
		return 0, errno
	}
	return uint64(n * 8), 0
}

func threadExists(t *kernel.Thread, tid int32) linux.Errno {
	if tid < 0 {
		return linux.EINVAL
	}
	if tid != 0 && t.Kernel().Thread(int(tid)) == nil {
		return linux.ESRCH
	}
	return 0
}

// schedSetaffinity binds the calling thread's host thread; the masks of other
// threads cannot be changed from here and are only checked.
func schedSetaffinity(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if errno := threadExists(t, a.Int(0)); errno != 0 {
		return 0, errno
	}
	var set unix.CPUSet
	words := make([]uint64, min(a[1]/8, uint64(len(set))))
	if _, errno := t.Proc.AS().CopyIn(linux.SliceBytes(words), a.Addr(2)); errno != 0 {
		return 0, errno
	}
	for i, w := range words {
		for b := range 64 {
			if w>>b&1 != 0 {
				set.Set(i*64 + b)
			}
		}
	}
	if tid := int(a.Int(0)); tid != 0 && tid != t.TID {
		return 0, 0
	}
	return 0, linux.FromHost(unix.SchedSetaffinity(0, &set))
}

func getcpu(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	cpu, node, err := hostCPU()
	if err != nil {
		return 0, linux.FromHost(err)
	}
	if a[0] != 0 {
		if errno := mm.Write(t.Proc.AS(), a.Addr(0), cpu); errno != 0 {
			return 0, errno
		}
	}
	if a[1] != 0 {
		return 0, mm.Write(t.Proc.AS(), a.Addr(1), node)
	}
	return 0, 0
}

func futex(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	op, val := a.Uint(1), a.Uint(2)
	realtime, private := op&linux.FUTEX_CLOCK_REALTIME != 0, op&linux.FUTEX_PRIVATE_FLAG != 0
	mask := uint32(linux.FUTEX_BITSET_MATCH_ANY)
	switch cmd := op & linux.FUTEX_CMD_MASK; cmd {
	case linux.FUTEX_WAIT, linux.FUTEX_WAIT_BITSET:
		if cmd == linux.FUTEX_WAIT_BITSET {
			mask = a.Uint(5)
		} else if realtime {
			return 0, linux.ENOSYS
		}
		deadline, errno := futexDeadline(t, a.Addr(3), cmd == linux.FUTEX_WAIT, realtime)
		if errno != 0 {
			return 0, errno
		}
		return futexWait(t, a.Addr(0), val, mask, deadline, private)
	case linux.FUTEX_WAKE, linux.FUTEX_WAKE_BITSET:
		if cmd == linux.FUTEX_WAKE_BITSET {
			mask = a.Uint(5)
		}
		n, errno := t.FutexWake(a.Addr(0), int(int32(val)), mask, private)
		return uint64(n), errno
	case linux.FUTEX_REQUEUE, linux.FUTEX_CMP_REQUEUE:
		var cmp *uint32
		if cmd == linux.FUTEX_CMP_REQUEUE {
			v := a.Uint(5)
			cmp = &v
		}
		n, errno := t.FutexRequeue(a.Addr(0), a.Addr(4), int(int32(val)), int(a.Int(3)), cmp, private)
		return uint64(n), errno
	case linux.FUTEX_WAKE_OP:
		n, errno := t.FutexWakeOp(a.Addr(0), a.Addr(4), int(int32(val)), int(a.Int(3)), a.Uint(5), private)
		return uint64(n), errno
	}
	return 0, linux.ENOSYS
}

// futexWait restarts with its deadline: a relative timeout does not start
// over when a signal without a handler interrupts it.
func futexWait(t *kernel.Thread, at engine.GVA, val, mask uint32, deadline int64, private bool) (uint64, linux.Errno) {
	errno := t.FutexWait(at, val, mask, deadline, private)
	if errno == linux.ERESTARTSYS && deadline != kernel.Never {
		t.SetRestart(func(t *kernel.Thread) (uint64, linux.Errno) { return futexWait(t, at, val, mask, deadline, private) })
		return 0, linux.ERESTART_RESTARTBLOCK
	}
	return 0, errno
}

func futexDeadline(t *kernel.Thread, at engine.GVA, relative, realtime bool) (int64, linux.Errno) {
	if at == 0 {
		return kernel.Never, 0
	}
	ns, errno := readTimeout(t, at)
	switch {
	case errno != 0:
		return 0, errno
	case relative:
		return t.Kernel().Clock().After(ns), 0
	case realtime:
		return fromClock(t, unix.CLOCK_REALTIME, ns)
	}
	return ns, 0
}
