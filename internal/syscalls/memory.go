package syscalls

import (
	"bytes"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func init() {
	register(
		Call{Name: "mmap", Group: GroupBase, Args: args("addr", "ptr", "length", "size", "prot", "hex", "flags", "hex", "fd", "fd", "offset", "int"), Do: mmap},
		Call{Name: "munmap", Group: GroupBase, Args: args("addr", "ptr", "length", "size"), Do: munmap},
		Call{Name: "mprotect", Group: GroupBase, Args: args("addr", "ptr", "length", "size", "prot", "hex"), Do: mprotect},
		Call{Name: "mremap", Group: GroupBase, Args: args("old", "ptr", "old_size", "size", "new_size", "size", "flags", "hex", "new", "ptr"), Do: mremap},
		Call{Name: "madvise", Group: GroupBase, Args: args("addr", "ptr", "length", "size", "advice", "int"), Do: madvise},
		Call{Name: "brk", Group: GroupBase, Args: args("addr", "ptr"), Do: brk},
		Call{Name: "msync", Group: GroupBase, State: Partial, Note: "checks the range; shared mappings are the host's pages, which the host writes back", Args: args("addr", "ptr", "length", "size", "flags", "hex"), Do: msync},
		Call{Name: "mincore", Group: GroupBase, State: Partial, Note: "mapped pages count as resident", Args: args("addr", "ptr", "length", "size", "vec", "ptr"), Do: mincore},
		Call{Name: "mlock", Group: GroupBase, State: Stub, Note: "guest memory is pageable", Args: args("addr", "ptr", "length", "size"), Do: mlock},
		Call{Name: "mlock2", Group: GroupBase, State: Stub, Note: "guest memory is pageable", Args: args("addr", "ptr", "length", "size", "flags", "hex"), Do: mlock},
		Call{Name: "munlock", Group: GroupBase, State: Stub, Args: args("addr", "ptr", "length", "size"), Do: mlock},
		Call{Name: "mlockall", Group: GroupBase, State: Stub, Note: "guest memory is pageable", Args: args("flags", "hex"), Do: succeed},
		Call{Name: "munlockall", Group: GroupBase, State: Stub, Do: succeed},
		Call{Name: "membarrier", Group: GroupBase, State: Partial, Note: "global and private expedited commands", Args: args("cmd", "hex", "flags", "hex", "cpu", "int"), Do: membarrier},
	)
}

// succeed is the handler of calls that are accepted without effect.
func succeed(*kernel.Thread, Args) (uint64, linux.Errno) { return 0, 0 }

// knownMapFlags are the flags of mmap(2) that MAP_SHARED_VALIDATE accepts.
const knownMapFlags = unix.MAP_SHARED | unix.MAP_PRIVATE | unix.MAP_FIXED | unix.MAP_ANONYMOUS | unix.MAP_32BIT | unix.MAP_GROWSDOWN |
	unix.MAP_DENYWRITE | unix.MAP_EXECUTABLE | unix.MAP_LOCKED | unix.MAP_NORESERVE | unix.MAP_POPULATE | unix.MAP_NONBLOCK |
	unix.MAP_STACK | unix.MAP_HUGETLB | unix.MAP_FIXED_NOREPLACE

func mmap(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	flags := a.Uint(3)
	r := mm.MapRequest{
		Addr: a.Addr(0), Length: a[1], Prot: mm.Prot(a[2] & (unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC)), Offset: a[5],
		Fixed: flags&(unix.MAP_FIXED|unix.MAP_FIXED_NOREPLACE) != 0, NoReplace: flags&unix.MAP_FIXED_NOREPLACE != 0,
		Low: flags&unix.MAP_32BIT != 0, Populate: flags&(unix.MAP_POPULATE|unix.MAP_LOCKED) != 0,
	}
	switch flags & unix.MAP_TYPE {
	case unix.MAP_SHARED:
		r.Shared = true
	case unix.MAP_SHARED_VALIDATE:
		if flags&^knownMapFlags != 0 {
			return 0, linux.EOPNOTSUPP
		}
		r.Shared = true
	case unix.MAP_PRIVATE:
	default:
		return 0, linux.EINVAL
	}
	if flags&unix.MAP_ANONYMOUS == 0 {
		file, errno := mappedFile(t, a.Int(4), r)
		if errno != 0 {
			return 0, errno
		}
		defer file.Close()
		if r.File = file; file == nil {
			r.Offset = 0
		}
	} else {
		r.Offset = 0
		if flags&unix.MAP_HUGETLB != 0 {
			return 0, linux.ENOMEM // no huge page pool
		}
	}
	if limit := t.Proc.Limit(unix.RLIMIT_AS).Cur; a[1] > limit {
		return 0, linux.ENOMEM
	}
	at, errno := t.Proc.AS().Map(r)
	return uint64(at), errno
}

// mappedFile checks that a descriptor can be mapped as asked for. The result is
// nil for /dev/zero, which is anonymous memory by another name.
func mappedFile(t *kernel.Thread, fd int32, r mm.MapRequest) (*mm.File, linux.Errno) {
	f, errno := t.Proc.Files.Get(fd)
	if errno != 0 {
		return nil, errno
	}
	defer f.Release()
	var st unix.Stat_t
	mode, err := unix.FcntlInt(uintptr(f.Host), unix.F_GETFL, 0)
	if err == nil {
		err = unix.Fstat(f.Host, &st)
	}
	switch kind := st.Mode & unix.S_IFMT; {
	case err != nil:
		return nil, linux.FromHost(err)
	case mode&unix.O_PATH != 0:
		return nil, linux.EBADF
	case mode&unix.O_ACCMODE == unix.O_WRONLY:
		return nil, linux.EACCES
	case r.Shared && r.Prot&mm.ProtWrite != 0 && mode&unix.O_ACCMODE != unix.O_RDWR:
		return nil, linux.EACCES
	case kind == unix.S_IFCHR && st.Rdev == devZero:
		return nil, 0
	case f.Ops != nil, kind != unix.S_IFREG && kind != unix.S_IFCHR && kind != unix.S_IFBLK:
		return nil, linux.ENODEV
	}
	if r.Prot&mm.ProtExec != 0 {
		var fs unix.Statfs_t
		if unix.Fstatfs(f.Host, &fs) == nil && fs.Flags&unix.ST_NOEXEC != 0 {
			return nil, linux.EPERM
		}
	}
	file, err := mm.NewFile(f.Host, f.Path)
	if err != nil {
		return nil, linux.FromHost(err)
	}
	return file, 0
}

// devZero is the device number of /dev/zero.
const devZero = 1<<8 | 5

func munmap(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return 0, t.Proc.AS().Unmap(a.Addr(0), a[1])
}

func mprotect(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	const known = unix.PROT_READ | unix.PROT_WRITE | unix.PROT_EXEC | linux.PROT_SEM
	if a[2]&^(known|unix.PROT_GROWSDOWN|unix.PROT_GROWSUP) != 0 {
		return 0, linux.EINVAL
	}
	if a[2]&unix.PROT_GROWSDOWN != 0 && a[2]&unix.PROT_GROWSUP != 0 {
		return 0, linux.EINVAL
	}
	return 0, t.Proc.AS().Protect(a.Addr(0), a[1], mm.Prot(a[2]&7))
}

func mremap(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	at, errno := t.Proc.AS().Remap(a.Addr(0), a[1], a[2], int(a.Int(3)), a.Addr(4))
	return uint64(at), errno
}

func madvise(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return 0, t.Proc.AS().Advise(a.Addr(0), a[1], int(a.Int(2)))
}

func brk(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return uint64(t.Proc.AS().Brk(a.Addr(0), t.Proc.Limit(unix.RLIMIT_DATA).Cur)), 0
}

func msync(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	const known = unix.MS_ASYNC | unix.MS_SYNC | unix.MS_INVALIDATE
	flags := a.Int(2)
	if flags&^known != 0 || flags&unix.MS_ASYNC != 0 && flags&unix.MS_SYNC != 0 || a[0]%engine.PageSize != 0 {
		return 0, linux.EINVAL
	}
	return 0, t.Proc.AS().Mapped(a.Addr(0), a[1])
}

func mincore(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a[0]%engine.PageSize != 0 {
		return 0, linux.EINVAL
	}
	if errno := t.Proc.AS().Mapped(a.Addr(0), a[1]); errno != 0 {
		return 0, errno
	}
	ones := bytes.Repeat([]byte{1}, 64<<10)
	for left, at := (a[1]+engine.PageSize-1)/engine.PageSize, a.Addr(2); left > 0 && !t.Dying(); {
		n := min(left, uint64(len(ones)))
		if _, errno := t.Proc.AS().CopyOut(at, ones[:n]); errno != 0 {
			return 0, errno
		}
		left, at = left-n, at+engine.GVA(n)
	}
	return 0, 0
}

func mlock(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	start := a[0] &^ (engine.PageSize - 1)
	return 0, t.Proc.AS().Mapped(engine.GVA(start), a[1]+a[0]-start)
}

func membarrier(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	const offered = linux.MEMBARRIER_CMD_GLOBAL | linux.MEMBARRIER_CMD_PRIVATE_EXPEDITED | linux.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED
	switch a.Int(0) {
	case linux.MEMBARRIER_CMD_QUERY:
		return offered, 0
	case linux.MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
		return 0, 0
	case linux.MEMBARRIER_CMD_GLOBAL, linux.MEMBARRIER_CMD_PRIVATE_EXPEDITED:
		// The host's threads are the guest's CPUs: a barrier on all of the
		// machine is one on them.
		_, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, linux.MEMBARRIER_CMD_GLOBAL, 0, 0)
		return 0, linux.Errno(errno)
	}
	return 0, linux.EINVAL
}
