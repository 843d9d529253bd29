package syscalls

import (
	"cmp"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func init() {
	register(
		Call{Name: "fork", Group: GroupProcess, Do: func(t *kernel.Thread, _ Args) (uint64, linux.Errno) {
			return forked(t.Fork(kernel.ForkFlags{ExitSignal: linux.SIGCHLD}, kernel.Clone{}))
		}},
		Call{Name: "vfork", Group: GroupProcess, Do: func(t *kernel.Thread, _ Args) (uint64, linux.Errno) {
			return forked(t.Fork(kernel.ForkFlags{ShareMemory: true, Wait: true, ExitSignal: linux.SIGCHLD}, kernel.Clone{}))
		}},
		Call{Name: "execve", Group: GroupProcess, Args: args("path", "path", "argv", "ptr", "envp", "ptr"), Do: pathCall(noArg, 0, noArg, func(t *kernel.Thread, at kernel.At, a Args) (uint64, linux.Errno) {
			return execute(t, at, at.Path, 0, a.Addr(1), a.Addr(2))
		})},
		Call{Name: "execveat", Group: GroupProcess, Args: args("dirfd", "dirfd", "path", "path", "argv", "ptr", "envp", "ptr", "flags", "hex"), Do: pathCall(0, 1, 4, func(t *kernel.Thread, at kernel.At, a Args) (uint64, linux.Errno) {
			if a.Int(4)&^(unix.AT_EMPTY_PATH|unix.AT_SYMLINK_NOFOLLOW) != 0 {
				return 0, linux.EINVAL
			}
			asked := at.Path
			if at.Dir != nil {
				asked = strings.TrimSuffix(fmt.Sprintf("/dev/fd/%d/%s", a.Int(0), at.Path), "/") // as alloc_bprm in fs/exec.c
			}
			return execute(t, at, asked, lookupFlags(a.Int(4)), a.Addr(2), a.Addr(3))
		})},
		Call{Name: "wait4", Group: GroupProcess, Args: args("pid", "int", "status", "ptr", "options", "hex", "rusage", "ptr"), Do: wait4},
		Call{Name: "waitid", Group: GroupProcess, Args: args("type", "int", "id", "int", "info", "ptr", "options", "hex", "rusage", "ptr"), Do: waitid},
		Call{Name: "setpgid", Group: GroupBase, Args: args("pid", "int", "pgid", "int"), Do: setpgid},
		Call{Name: "setsid", Group: GroupBase, Do: func(t *kernel.Thread, _ Args) (uint64, linux.Errno) {
			sid, errno := t.Proc.NewSession()
			return uint64(sid), errno
		}},
		Call{Name: "getpgid", Group: GroupBase, Args: args("pid", "int"), Do: ofProcess((*kernel.Process).Group)},
		Call{Name: "getsid", Group: GroupBase, Args: args("pid", "int"), Do: ofProcess((*kernel.Process).Session)},
		Call{Name: "getpgrp", Group: GroupBase, Do: func(t *kernel.Thread, _ Args) (uint64, linux.Errno) { return uint64(t.Proc.Group()), 0 }},
	)
}

func forked(pid int, errno linux.Errno) (uint64, linux.Errno) { return uint64(pid), errno }

// cloneProcess is clone(2) without CLONE_THREAD. What such a process shares
// beside memory it gets a copy of.
func cloneProcess(t *kernel.Thread, c linux.CloneArgs, req kernel.Clone) (uint64, linux.Errno) {
	const namespaces = unix.CLONE_NEWNS | unix.CLONE_NEWUTS | unix.CLONE_NEWIPC | unix.CLONE_NEWUSER | unix.CLONE_NEWPID | unix.CLONE_NEWNET | unix.CLONE_NEWCGROUP
	switch {
	case c.Flags&namespaces != 0:
		return 0, linux.EPERM
	case c.Flags&unix.CLONE_PIDFD != 0:
		return 0, linux.EINVAL
	case c.ExitSignal > linux.NumSignals:
		return 0, linux.EINVAL
	case !t.Kernel().Permits(t, unix.SYS_FORK):
		return 0, linux.EPERM
	}
	return forked(t.Fork(kernel.ForkFlags{
		ShareMemory: c.Flags&unix.CLONE_VM != 0, Wait: c.Flags&unix.CLONE_VFORK != 0,
		ResetSignals: c.Flags&unix.CLONE_CLEAR_SIGHAND != 0, KeepParent: c.Flags&unix.CLONE_PARENT != 0,
		ExitSignal: linux.Signal(c.ExitSignal),
	}, req))
}

// maxStrings is how many bytes of arguments and environment a program gets, and
// maxString how many one of them has (MAX_ARG_STRLEN and the stack's quarter in
// fs/exec.c).
const (
	maxStrings = 2 << 20
	maxString  = 32 * engine.PageSize
)

// stringArray copies in a null-terminated array of strings.
func stringArray(t *kernel.Thread, at engine.GVA, room *int) (out []string, errno linux.Errno) {
	for ; at != 0; at += 8 {
		p, errno := mm.Read[uint64](t.Proc.AS(), at)
		if errno != 0 {
			return nil, errno
		}
		if p == 0 {
			break
		}
		s, errno := t.Proc.AS().CopyInString(engine.GVA(p), maxString)
		if errno == linux.ENAMETOOLONG {
			errno = linux.E2BIG
		}
		if errno != 0 {
			return nil, errno
		}
		if *room -= len(s) + 1 + 8; *room < 0 {
			return nil, linux.E2BIG
		}
		out = append(out, s)
	}
	return out, 0
}

func execute(t *kernel.Thread, at kernel.At, asked string, flags int, argv, envp engine.GVA) (uint64, linux.Errno) {
	fd, path, errno := t.Proc.FS.OpenProgramAt(t, at, flags)
	if errno != 0 {
		return 0, errno
	}
	room := maxStrings
	argList, errno := stringArray(t, argv, &room)
	env, errno2 := stringArray(t, envp, &room)
	if errno = cmp.Or(errno, errno2); errno != 0 {
		unix.Close(fd)
		return 0, errno
	}
	if errno := t.Exec(fd, path, asked, argList, env); errno != 0 {
		return 0, errno
	}
	return 0, linux.EJUSTRETURN
}

// waitStatus is the int of waitpid(2).
func waitStatus(s kernel.ChildStatus) int32 {
	switch s.Code {
	case linux.CLD_STOPPED:
		return int32(s.Status.Signal)<<8 | 0x7f
	case linux.CLD_CONTINUED:
		return 0xffff
	}
	return int32(s.Status.Code)<<8 | int32(s.Status.Signal)
}

func wait4(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	const known = unix.WNOHANG | unix.WUNTRACED | unix.WCONTINUED | unix.WNOTHREAD | unix.WCLONE | unix.WALL
	options := a.Uint(2)
	if options&^known != 0 {
		return 0, linux.EINVAL
	}
	w := kernel.WaitFor{Exits: true, Stops: options&unix.WUNTRACED != 0, Continues: options&unix.WCONTINUED != 0}
	switch pid := int(a.Int(0)); {
	case pid > 0:
		w.Which = kernel.PIDIs(pid)
	case pid == -1:
		w.Which = kernel.Anybody
	case pid == 0:
		w.Which = kernel.GroupIs(t.Proc.Group())
	default:
		w.Which = kernel.GroupIs(-pid)
	}
	s, found, errno := t.WaitChild(w, options&unix.WNOHANG == 0)
	if errno != 0 || !found {
		return 0, errno
	}
	if a[1] != 0 {
		if errno := mm.Write(t.Proc.AS(), a.Addr(1), waitStatus(s)); errno != 0 {
			return 0, errno
		}
	}
	return uint64(s.PID), writeUsage(t, a.Addr(3), s.Usage)
}

func writeUsage(t *kernel.Thread, at engine.GVA, u kernel.Usage) linux.Errno {
	if at == 0 {
		return 0
	}
	ru := linux.Rusage{Utime: linux.Timeval(unix.NsecToTimeval(u.User)), Stime: linux.Timeval(unix.NsecToTimeval(u.System))}
	return mm.Write(t.Proc.AS(), at, ru)
}

func waitid(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	const known = unix.WNOHANG | unix.WEXITED | unix.WSTOPPED | unix.WCONTINUED | unix.WNOWAIT | unix.WNOTHREAD | unix.WCLONE | unix.WALL
	options, id := a.Uint(3), int(a.Int(1))
	if options&^known != 0 || options&(unix.WEXITED|unix.WSTOPPED|unix.WCONTINUED) == 0 {
		return 0, linux.EINVAL
	}
	w := kernel.WaitFor{Exits: options&unix.WEXITED != 0, Stops: options&unix.WSTOPPED != 0, Continues: options&unix.WCONTINUED != 0, Keep: options&unix.WNOWAIT != 0}
	switch a.Int(0) {
	case unix.P_ALL:
		w.Which = kernel.Anybody
	case unix.P_PID:
		if id <= 0 {
			return 0, linux.EINVAL
		}
		w.Which = kernel.PIDIs(id)
	case unix.P_PGID:
		if id < 0 {
			return 0, linux.EINVAL
		}
		if id == 0 {
			id = t.Proc.Group()
		}
		w.Which = kernel.GroupIs(id)
	default:
		return 0, linux.EINVAL
	}
	s, found, errno := t.WaitChild(w, options&unix.WNOHANG == 0)
	var info linux.SigInfo // is also written if there is nothing to say
	if found {
		value := int32(s.Status.Code)
		if s.Status.Signal != 0 {
			value = int32(s.Status.Signal)
		}
		info = linux.ChildInfo(s.Code, int32(s.PID), s.UID, value, 0, 0)
	}
	if a[2] != 0 {
		if errno := mm.Write(t.Proc.AS(), a.Addr(2), info); errno != 0 {
			return 0, errno
		}
	}
	if errno != 0 || !found {
		return 0, errno
	}
	return 0, writeUsage(t, a.Addr(4), s.Usage)
}

func setpgid(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	pid, group := int(a.Int(0)), int(a.Int(1))
	if group < 0 {
		return 0, linux.EINVAL
	}
	if pid == 0 {
		pid = t.Proc.PID
	}
	if group == 0 {
		group = pid
	}
	return 0, t.Proc.SetGroup(pid, group)
}

// ofProcess makes a handler of a call about the process in the first argument.
func ofProcess(get func(*kernel.Process) int) Handler {
	return func(t *kernel.Thread, a Args) (uint64, linux.Errno) {
		p := t.Proc
		if pid := a.Int(0); pid != 0 {
			if p = t.Kernel().Process(int(pid)); p == nil {
				return 0, linux.ESRCH
			}
		}
		return uint64(get(p)), 0
	}
}
