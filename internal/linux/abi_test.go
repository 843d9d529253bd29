package linux

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A layout compares a Go type with a C type: total size, and the offset of
// each "GoField cfield" pair.
type layout struct {
	goType reflect.Type
	cType  string
	fields string
}

func of[T Wire](cType, fields string) layout {
	return layout{reflect.TypeFor[T](), cType, fields}
}

// The kernel's headers and the C library's define the same names, so each
// group is a program of its own.
var layoutGroups = []struct {
	name, headers string
	layouts       []layout
}{
	{
		"signals",
		"asm/signal.h asm/siginfo.h asm/sigcontext.h asm/ucontext.h linux/signalfd.h",
		[]layout{
			of[SigAction]("struct sigaction", "Handler sa_handler,Flags sa_flags,Restorer sa_restorer,Mask sa_mask"),
			of[SigInfo]("siginfo_t", "Signo si_signo,Errno si_errno,Code si_code,Fields si_pid"),
			of[Stack]("stack_t", "SP ss_sp,Flags ss_flags,Size ss_size"),
			of[SigContext]("struct sigcontext_64", "R8 r8,RDI di,RSI si,RBP bp,RBX bx,RDX dx,RAX ax,RCX cx,RSP sp,"+
				"RIP ip,RFLAGS flags,CS cs,GS gs,FS fs,SS ss,Err err,TrapNo trapno,OldMask oldmask,CR2 cr2,"+
				"FPState fpstate,Reserved reserved1"),
			of[UContext]("struct ucontext", "Flags uc_flags,Link uc_link,Stack uc_stack,MContext uc_mcontext,SigMask uc_sigmask"),
			of[FPXSwBytes]("struct _fpx_sw_bytes", "Magic1 magic1,ExtendedSize extended_size,XFeatures xfeatures,XStateSize xstate_size"),
			of[Sigevent]("struct sigevent", "Value sigev_value,Signo sigev_signo,Notify sigev_notify,TID _sigev_un._tid"),
			of[SignalfdSiginfo]("struct signalfd_siginfo", "Signo ssi_signo,Ptr ssi_ptr,Utime ssi_utime"),
		},
	},
	{
		"kernel",
		"linux/time.h linux/times.h linux/timex.h linux/utime.h linux/resource.h linux/sysinfo.h linux/utsname.h linux/sched.h " +
			"linux/sched/types.h linux/futex.h linux/rseq.h linux/uio.h asm/stat.h linux/stat.h asm/statfs.h asm/termbits.h " +
			"linux/eventpoll.h asm/poll.h linux/capability.h linux/inotify.h linux/openat2.h linux/fcntl.h",
		[]layout{
			of[Timespec]("struct timespec", "Nsec tv_nsec"),
			of[Timeval]("struct timeval", "Usec tv_usec"),
			of[Itimerspec]("struct itimerspec", "Interval it_interval,Value it_value"),
			of[Itimerval]("struct itimerval", "Interval it_interval,Value it_value"),
			of[Timezone]("struct timezone", "DSTTime tz_dsttime"),
			of[Timex]("struct timex", "Offset offset,Time time,Tai tai"),
			of[Tms]("struct tms", "Cutime tms_cutime"),
			of[Utimbuf]("struct utimbuf", "Modtime modtime"),
			of[Rusage]("struct rusage", "Utime ru_utime,Maxrss ru_maxrss,Nivcsw ru_nivcsw"),
			of[Rlimit]("struct rlimit", "Max rlim_max"),
			of[Sysinfo]("struct sysinfo", "Loads loads,Totalram totalram,Procs procs,Unit mem_unit"),
			of[Utsname]("struct new_utsname", "Nodename nodename,Machine machine,Domainname domainname"),
			of[CloneArgs]("struct clone_args", "Flags flags,Pidfd pidfd,ChildTID child_tid,ParentTID parent_tid,ExitSignal exit_signal,"+
				"Stack stack,StackSize stack_size,TLS tls,SetTID set_tid,SetTIDSize set_tid_size,Cgroup cgroup"),
			of[SchedAttr]("struct sched_attr", "Policy sched_policy,Period sched_period"),
			of[RobustListHead]("struct robust_list_head", "List list,FutexOffset futex_offset,Pending list_op_pending"),
			of[FutexWaitv]("struct futex_waitv", "Val val,UAddr uaddr,Flags flags"),
			of[Rseq]("struct rseq", "CPUIDStart cpu_id_start,CPUID cpu_id,CS rseq_cs,Flags flags"),
			of[Iovec]("struct iovec", "Base iov_base,Len iov_len"),
			of[Stat]("struct stat", "Ino st_ino,Nlink st_nlink,Mode st_mode,Rdev st_rdev,Size st_size,Blocks st_blocks,Atim st_atime,Ctim st_ctime"),
			of[Statx]("struct statx", "Mask stx_mask,Mode stx_mode,Ino stx_ino,Atime stx_atime,Mnt_id stx_mnt_id"),
			of[Statfs]("struct statfs", "Type f_type,Fsid f_fsid,Namelen f_namelen,Flags f_flags"),
			of[Termios]("struct termios", "Iflag c_iflag,Oflag c_oflag,Cflag c_cflag,Lflag c_lflag,Line c_line,Cc c_cc"),
			of[Termios2]("struct termios2", "Ispeed c_ispeed,Ospeed c_ospeed"),
			of[EpollEvent]("struct epoll_event", "Events events,data data"),
			of[PollFd]("struct pollfd", "Fd fd,Events events,Revents revents"),
			of[CapHeader]("struct __user_cap_header_struct", "Pid pid"),
			of[CapData]("struct __user_cap_data_struct", "Inheritable inheritable"),
			of[InotifyEvent]("struct inotify_event", "Len len"),
			of[OpenHow]("struct open_how", "Resolve resolve"),
			of[Flock]("struct flock", "Whence l_whence,Start l_start,Len l_len,Pid l_pid"),
			of[FOwnerEx]("struct f_owner_ex", "PID pid"),
		},
	},
	{
		"sockets",
		"sys/socket.h netinet/in.h sys/un.h linux/netlink.h sys/ioctl.h elf.h sched.h",
		[]layout{
			of[Msghdr]("struct msghdr", "Name msg_name,NameLen msg_namelen,Iov msg_iov,IovLen msg_iovlen,"+
				"Control msg_control,ControlLen msg_controllen,Flags msg_flags"),
			of[Mmsghdr]("struct mmsghdr", "Hdr msg_hdr,Len msg_len"),
			of[Cmsghdr]("struct cmsghdr", "Level cmsg_level,Type cmsg_type"),
			of[Ucred]("struct ucred", "Uid uid,Gid gid"),
			of[Linger]("struct linger", "Linger l_linger"),
			of[SockaddrIn]("struct sockaddr_in", "Port sin_port,Addr sin_addr"),
			of[SockaddrIn6]("struct sockaddr_in6", "Addr sin6_addr,Scope_id sin6_scope_id"),
			of[SockaddrUn]("struct sockaddr_un", "Path sun_path"),
			of[SockaddrNl]("struct sockaddr_nl", "Pid nl_pid,Groups nl_groups"),
			of[Winsize]("struct winsize", "Col ws_col"),
			of[AuxEntry]("Elf64_auxv_t", "Tag a_type,Value a_un"),
			of[SchedParam]("struct sched_param", "Priority sched_priority"),
		},
	},
}

func TestLayoutsMatchC(t *testing.T) {
	for _, group := range layoutGroups {
		t.Run(group.name, func(t *testing.T) {
			var exprs []string
			var want []uint64
			for _, l := range group.layouts {
				exprs = append(exprs, "sizeof("+l.cType+")")
				want = append(want, uint64(l.goType.Size()))
				for _, pair := range strings.Split(l.fields, ",") {
					goName, cName, _ := strings.Cut(pair, " ")
					field, ok := l.goType.FieldByName(goName)
					if !ok {
						t.Fatalf("%v has no field %s", l.goType, goName)
					}
					exprs = append(exprs, "offsetof("+l.cType+", "+cName+")")
					want = append(want, uint64(field.Offset))
				}
			}
			compareWithC(t, group.headers, exprs, want)
		})
	}
}

// compareWithC has gcc evaluate the expressions and compares the values.
func compareWithC(t *testing.T, headers string, exprs []string, want []uint64) {
	t.Helper()
	for i, got := range evalC(t, headers, exprs) {
		if got != want[i] {
			t.Errorf("C says %s = %#x, Go %#x", exprs[i], got, want[i])
		}
	}
}

// evalC returns the values of C expressions.
func evalC(t *testing.T, headers string, exprs []string) []uint64 {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skipf("no C compiler to compare with: %v", err)
	}
	var src bytes.Buffer
	src.WriteString("#define _GNU_SOURCE\n#include <stddef.h>\n")
	for _, h := range strings.Fields(headers) {
		fmt.Fprintf(&src, "#include <%s>\n", h)
	}
	// stdio.h would pull in the C library's own structures.
	src.WriteString("int printf(const char *, ...);\nint main(void) {\n")
	for _, e := range exprs {
		fmt.Fprintf(&src, "printf(\"%%lu\\n\", (unsigned long)(%s));\n", e)
	}
	src.WriteString("}\n")

	bin := filepath.Join(t.TempDir(), "layout")
	cmd := exec.Command(gcc, "-w", "-x", "c", "-o", bin, "-")
	cmd.Stdin = &src
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("gcc: %v\n%s", err, out)
	}
	out, err := exec.Command(bin).Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(string(out))
	if len(lines) != len(exprs) {
		t.Fatalf("%d values for %d expressions", len(lines), len(exprs))
	}
	values := make([]uint64, len(lines))
	for i, line := range lines {
		if values[i], err = strconv.ParseUint(line, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	return values
}

func TestRTSigFrameLayout(t *testing.T) {
	frame := reflect.TypeFor[RTSigFrame]()
	for name, want := range map[string]uintptr{"Restorer": 0, "UContext": RTSigFrameUContext, "Info": RTSigFrameInfo} {
		if f, ok := frame.FieldByName(name); !ok || f.Offset != want {
			t.Errorf("%s at %d, want %d", name, f.Offset, want)
		}
	}
	if Size[RTSigFrame]() != 440 {
		t.Errorf("rt_sigframe is %d bytes, want 440", Size[RTSigFrame]())
	}
}

// Each constructor must put its values where C's accessor macros look.
func TestSigInfoFieldsMatchC(t *testing.T) {
	kill := QueueInfo(SIGUSR1, 0x11111111, 0x22222222, 0x3333333344444444)
	child := ChildInfo(CLD_EXITED, 0x11111111, 0x22222222, 0x55555555, 0x6666666677777777, 0x1888888899999999)
	timer := TimerInfo(SIGALRM, 0x11111111, 0x22222222, 0x3333333344444444)
	fault := FaultInfo(SIGSEGV, SEGV_ACCERR, 0x7fff12345678)
	poll := PollInfo(SIGIO, POLL_IN, 0x1234, 0x56)
	seccomp := SeccompInfo(0x401000, 0x77, EPERM)
	cases := []struct {
		si    *SigInfo
		field string
		size  int
		want  uint64
	}{
		{&kill, "si_pid", 4, 0x11111111}, {&kill, "si_uid", 4, 0x22222222}, {&kill, "si_value", 8, 0x3333333344444444},
		{&child, "si_pid", 4, 0x11111111}, {&child, "si_uid", 4, 0x22222222}, {&child, "si_status", 4, 0x55555555},
		{&child, "si_utime", 8, 0x6666666677777777}, {&child, "si_stime", 8, 0x1888888899999999},
		{&timer, "si_tid", 4, 0x11111111}, {&timer, "si_overrun", 4, 0x22222222}, {&timer, "si_value", 8, 0x3333333344444444},
		{&fault, "si_addr", 8, 0x7fff12345678},
		{&poll, "si_band", 8, 0x1234}, {&poll, "si_fd", 4, 0x56},
		{&seccomp, "si_call_addr", 8, 0x401000}, {&seccomp, "si_syscall", 4, 0x77}, {&seccomp, "si_arch", 4, auditArchX8664},
	}
	var exprs []string
	for _, c := range cases {
		exprs = append(exprs, "offsetof(siginfo_t, "+c.field+")")
	}
	for i, off := range evalC(t, "asm/siginfo.h", exprs) {
		c := cases[i]
		var v [8]byte
		copy(v[:c.size], Bytes(c.si)[off:])
		if got := binary.LittleEndian.Uint64(v[:]); got != c.want {
			t.Errorf("%s of signal %d is %#x, want %#x", c.field, c.si.Signo, got, c.want)
		}
	}
}

func TestDirent(t *testing.T) {
	for _, c := range []struct {
		name         string
		size64, size int
	}{{"a", 24, 24}, {"abcd", 24, 24}, {"abcde", 32, 32}, {"abcdefghijkl", 32, 32}} {
		b := AppendDirent64(nil, 7, 9, 8, c.name)
		if len(b) != c.size64 || len(b) != Dirent64Size(c.name) || int(binary.LittleEndian.Uint16(b[16:])) != len(b) {
			t.Errorf("linux_dirent64 of %q is %d bytes", c.name, len(b))
		}
		if b[18] != 8 || string(b[19:19+len(c.name)+1]) != c.name+"\x00" {
			t.Errorf("linux_dirent64 of %q: % x", c.name, b)
		}
		b = AppendDirent(nil, 7, 9, 8, c.name)
		if len(b) != c.size || len(b) != DirentSize(c.name) || int(binary.LittleEndian.Uint16(b[16:])) != len(b) {
			t.Errorf("linux_dirent of %q is %d bytes", c.name, len(b))
		}
		if b[len(b)-1] != 8 || string(b[18:18+len(c.name)+1]) != c.name+"\x00" {
			t.Errorf("linux_dirent of %q: % x", c.name, b)
		}
	}
}

func TestBytesAndDecode(t *testing.T) {
	in := []Iovec{{1, 2}, {3, 1 << 40}}
	raw := SliceBytes(in)
	if len(raw) != 32 || raw[0] != 1 || raw[29] != 1 {
		t.Fatalf("iovecs on the wire: % x", raw)
	}
	if got, ok := Decode[Iovec](raw[16:]); !ok || got != in[1] {
		t.Errorf("Decode = %+v, %v", got, ok)
	}
	if _, ok := Decode[Iovec](raw[17:]); ok {
		t.Error("Decode accepts 15 bytes for an iovec")
	}
	if len(SliceBytes[Iovec](nil)) != 0 {
		t.Error("no iovecs have bytes")
	}
	var e EpollEvent
	e.SetData(0x1122334455667788)
	if e.Data() != 0x1122334455667788 || binary.LittleEndian.Uint64(Bytes(&e)[4:]) != e.Data() {
		t.Errorf("epoll data % x", Bytes(&e))
	}
}

func TestDurations(t *testing.T) {
	const longest = time.Duration(1<<63 - 1)
	for _, c := range []struct {
		ts Timespec
		d  time.Duration
		ok bool
	}{
		{Timespec{}, 0, true},
		{Timespec{Sec: 1, Nsec: 5}, time.Second + 5, true},
		{Timespec{Sec: 1 << 62}, longest, true},
		{Timespec{Sec: int64(longest / time.Second), Nsec: 999_999_999}, longest, true},
		{Timespec{Sec: -1}, 0, false},
		{Timespec{Nsec: 1_000_000_000}, 0, false},
		{Timespec{Nsec: -1}, 0, false},
	} {
		if d, ok := ToDuration(c.ts); d != c.d || ok != c.ok {
			t.Errorf("ToDuration(%+v) = %v, %v", c.ts, d, ok)
		}
		if c.ok && c.d != longest && FromDuration(c.d) != c.ts {
			t.Errorf("FromDuration(%v) = %+v", c.d, FromDuration(c.d))
		}
	}
}
