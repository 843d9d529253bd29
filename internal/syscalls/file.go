package syscalls

import (
	"strings"

	"golang.org/x/sys/unix"

	"torov/internal/engine"
	"torov/internal/kernel"
	"torov/internal/linux"
	"torov/internal/mm"
)

func init() {
	register(
		Call{Name: "open", Group: GroupFile, Note: waitNote, Args: args("path", "path", "flags", "hex", "mode", "mode"), Do: open},
		Call{Name: "openat", Group: GroupFile, Note: waitNote, Args: args("dirfd", "dirfd", "path", "path", "flags", "hex", "mode", "mode"), Do: openat},
		Call{Name: "openat2", Group: GroupFile, Note: waitNote, Args: args("dirfd", "dirfd", "path", "path", "how", "ptr", "size", "size"), Do: openat2},
		Call{Name: "creat", Group: GroupFile, Args: args("path", "path", "mode", "mode"), Do: creat},
		Call{Name: "truncate", Group: GroupFile, Args: args("path", "path", "length", "int"), Do: nodeCall(noArg, 0, noArg, 0, 0, truncate)},
		Call{Name: "ftruncate", Group: GroupBase, Args: args("fd", "fd", "length", "int"), Do: fileCall(ftruncate)},
		Call{Name: "fallocate", Group: GroupBase, Args: args("fd", "fd", "mode", "hex", "offset", "int", "length", "int"), Do: fileCall(fallocate)},
		Call{Name: "fadvise64", Group: GroupBase, Args: args("fd", "fd", "offset", "int", "length", "int", "advice", "int"), Do: fileCall(fadvise)},
		Call{Name: "readahead", Group: GroupBase, Args: args("fd", "fd", "offset", "int", "count", "size"), Do: fileCall(readahead)},
		Call{Name: "fsync", Group: GroupBase, Args: args("fd", "fd"), Do: fileCall(fsync)},
		Call{Name: "fdatasync", Group: GroupBase, Args: args("fd", "fd"), Do: fileCall(fdatasync)},
		Call{Name: "sync_file_range", Group: GroupBase, Args: args("fd", "fd", "offset", "int", "length", "int", "flags", "hex"), Do: fileCall(syncFileRange)},
		Call{Name: "syncfs", Group: GroupBase, Args: args("fd", "fd"), Do: fileCall(syncfs)},
		Call{Name: "sync", Group: GroupFile, Do: func(*kernel.Thread, Args) (uint64, linux.Errno) { unix.Sync(); return 0, 0 }},
		Call{Name: "umask", Group: GroupBase, Args: args("mask", "mode"), Do: umask},
		Call{Name: "memfd_create", Group: GroupBase, Args: args("name", "str", "flags", "hex"), Do: memfdCreate},
		Call{Name: "name_to_handle_at", Group: GroupFile, State: Partial, Note: "no file system has handles: EOPNOTSUPP",
			Args: args("dirfd", "dirfd", "path", "path", "handle", "ptr", "mount_id", "ptr", "flags", "hex"), Do: func(*kernel.Thread, Args) (uint64, linux.Errno) { return 0, linux.EOPNOTSUPP }},
	)
}

// waitNote is what open(2) cannot do as Linux does.
const waitNote = "the other end of a FIFO, and the end of a lease, is looked for every 1 to 20 ms; files of network file systems may block torov"

// Flags of open(2), as fs/open.c groups them.
const (
	validOpenFlags = unix.O_ACCMODE | unix.O_CREAT | unix.O_EXCL | unix.O_NOCTTY | unix.O_TRUNC | unix.O_APPEND | unix.O_NONBLOCK |
		unix.O_SYNC | unix.O_DSYNC | unix.O_ASYNC | unix.O_DIRECT | largeFile | unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_NOATIME |
		unix.O_CLOEXEC | unix.O_PATH | unix.O_TMPFILE
	pathOpenFlags = unix.O_DIRECTORY | unix.O_NOFOLLOW | unix.O_PATH | unix.O_CLOEXEC
	tmpFile       = unix.O_TMPFILE &^ unix.O_DIRECTORY
	createFlags   = unix.O_CREAT | tmpFile
	largeFile     = 0o100000 // what O_LARGEFILE is to the kernel; to C it is 0
	validResolve  = unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_MAGICLINKS | unix.RESOLVE_NO_SYMLINKS | unix.RESOLVE_BENEATH | unix.RESOLVE_IN_ROOT | resolveCached
	resolveCached = 0x20
	modeBits      = 0o7777
)

// openHow makes of the arguments of open(2) those of openat2(2)
// (build_open_how): what the former does not know it ignores.
func openHow(flags, mode uint32) linux.OpenHow {
	how := linux.OpenHow{Flags: uint64(flags) & validOpenFlags}
	if how.Flags&unix.O_PATH != 0 {
		how.Flags &= pathOpenFlags
	}
	if how.Flags&createFlags != 0 {
		how.Mode = uint64(mode) & modeBits
	}
	return how
}

// checkHow refuses what openat2(2) refuses (build_open_flags).
func checkHow(how linux.OpenHow) linux.Errno {
	const scoped = unix.RESOLVE_BENEATH | unix.RESOLVE_IN_ROOT
	switch f := how.Flags; {
	case f&^validOpenFlags != 0, how.Resolve&^validResolve != 0, how.Resolve&scoped == scoped,
		f&createFlags == 0 && how.Mode != 0, how.Mode&^modeBits != 0,
		f&(unix.O_DIRECTORY|unix.O_CREAT) == unix.O_DIRECTORY|unix.O_CREAT,
		f&tmpFile != 0 && (f&unix.O_DIRECTORY == 0 || f&unix.O_ACCMODE == unix.O_RDONLY),
		f&unix.O_PATH != 0 && f&^pathOpenFlags != 0:
		return linux.EINVAL
	}
	return 0
}

func open(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return openFile(t, unix.AT_FDCWD, a.Addr(0), openHow(a.Uint(1), a.Uint(2)))
}

func openat(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return openFile(t, a.Int(0), a.Addr(1), openHow(a.Uint(2), a.Uint(3)))
}

func creat(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return openFile(t, unix.AT_FDCWD, a.Addr(0), openHow(unix.O_CREAT|unix.O_WRONLY|unix.O_TRUNC, a.Uint(1)))
}

func openat2(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	if a[3] < unix.SizeofOpenHow {
		return 0, linux.EINVAL
	}
	if a[3] > engine.PageSize {
		return 0, linux.E2BIG
	}
	how, errno := mm.Read[linux.OpenHow](t.Proc.AS(), a.Addr(2))
	if errno != 0 {
		return 0, errno
	}
	// What a newer kernel would know must not be asked for.
	more := make([]byte, a[3]-unix.SizeofOpenHow)
	if _, errno := t.Proc.AS().CopyIn(more, a.Addr(2)+unix.SizeofOpenHow); errno != 0 {
		return 0, errno
	}
	if strings.Trim(string(more), "\x00") != "" {
		return 0, linux.E2BIG
	}
	return openFile(t, a.Int(0), a.Addr(1), how)
}

func openFile(t *kernel.Thread, dirfd int32, path engine.GVA, how linux.OpenHow) (uint64, linux.Errno) {
	if errno := checkHow(how); errno != 0 {
		return 0, errno
	}
	at, errno := readAt(t, dirfd, path, 0)
	if errno != 0 {
		return 0, errno
	}
	defer doneAt(at)
	if !t.Proc.Files.Room(openLimit(t)) {
		return 0, linux.EMFILE // before a file is made
	}
	f, errno := t.Proc.FS.Open(t, at, how)
	if errno != 0 {
		return 0, errno
	}
	return giveDescriptor(t, f, how.Flags&unix.O_CLOEXEC != 0)
}

func truncate(t *kernel.Thread, n *kernel.Node, a Args) (uint64, linux.Errno) {
	length := int64(a[1])
	if length < 0 {
		return 0, linux.EINVAL
	}
	st, errno := n.Stat()
	switch kind := st.Mode & unix.S_IFMT; {
	case errno != 0:
		return 0, errno
	case kind == unix.S_IFDIR:
		return 0, linux.EISDIR
	case kind != unix.S_IFREG:
		return 0, linux.EINVAL
	}
	_, host, errno := n.Change()
	if errno != 0 {
		return 0, errno
	}
	if errno := sizeAllowed(t, length); errno != 0 {
		return 0, errno
	}
	return done(unix.Truncate(host, length))
}

// sizeAllowed applies RLIMIT_FSIZE to a new size of a file.
func sizeAllowed(t *kernel.Thread, size int64) linux.Errno {
	if uint64(size) > t.Proc.Limit(unix.RLIMIT_FSIZE).Cur {
		t.Signal(linux.KernelInfo(linux.SIGXFSZ))
		return linux.EFBIG
	}
	return 0
}

func ftruncate(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	length := int64(a[1])
	if length < 0 {
		return 0, linux.EINVAL
	}
	if f.Ops != nil {
		return 0, linux.EINVAL
	}
	if errno := sizeAllowed(t, length); errno != 0 {
		return 0, errno
	}
	return done(unix.Ftruncate(f.Host, length))
}

func fallocate(t *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	offset, length := int64(a[2]), int64(a[3])
	if offset >= 0 && length > 0 && offset+length > 0 {
		if errno := sizeAllowed(t, offset+length); errno != 0 {
			return 0, errno
		}
	}
	return done(unix.Fallocate(f.Host, a.Uint(1), offset, length))
}

func fadvise(_ *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	return done(unix.Fadvise(f.Host, int64(a[1]), int64(a[2]), int(a.Int(3))))
}

func readahead(_ *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	_, _, errno := unix.Syscall(unix.SYS_READAHEAD, uintptr(f.Host), uintptr(a[1]), uintptr(a[2]))
	return 0, linux.Errno(errno)
}

func fsync(_ *kernel.Thread, f *kernel.File, _ Args) (uint64, linux.Errno) {
	return done(unix.Fsync(f.Host))
}

func fdatasync(_ *kernel.Thread, f *kernel.File, _ Args) (uint64, linux.Errno) {
	return done(unix.Fdatasync(f.Host))
}

func syncFileRange(_ *kernel.Thread, f *kernel.File, a Args) (uint64, linux.Errno) {
	return done(unix.SyncFileRange(f.Host, int64(a[1]), int64(a[2]), int(a.Int(3))))
}

func syncfs(_ *kernel.Thread, f *kernel.File, _ Args) (uint64, linux.Errno) {
	return done(unix.Syncfs(f.Host))
}

func umask(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	return uint64(t.Proc.FS.SetUmask(a.Uint(0))), 0
}

// maxMemfdName is the longest name of a memory file (memfd_create(2)).
const maxMemfdName = 249

func memfdCreate(t *kernel.Thread, a Args) (uint64, linux.Errno) {
	const known, executable = unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING | unix.MFD_HUGETLB | unix.MFD_NOEXEC_SEAL | unix.MFD_EXEC, unix.MFD_NOEXEC_SEAL | unix.MFD_EXEC
	flags := a.Uint(1)
	allowed := uint32(known)
	if flags&unix.MFD_HUGETLB != 0 {
		allowed |= unix.MFD_HUGE_MASK << unix.MFD_HUGE_SHIFT
	}
	if flags&^allowed != 0 || flags&executable == executable {
		return 0, linux.EINVAL
	}
	name, errno := t.Proc.AS().CopyInString(a.Addr(0), maxMemfdName+1)
	if errno == linux.ENAMETOOLONG {
		errno = linux.EINVAL
	}
	if errno != 0 {
		return 0, errno
	}
	fd, err := unix.MemfdCreate(name, int(flags|unix.MFD_CLOEXEC))
	if err != nil {
		return 0, linux.FromHost(err)
	}
	return giveDescriptor(t, kernel.NewFile(fd, "/memfd:"+name+" (deleted)", true, false), flags&unix.MFD_CLOEXEC != 0)
}
