package linux

// Only what golang.org/x/sys/unix lacks; look there first.

// UserTop is the first address a program cannot use: TASK_SIZE_MAX with
// four-level page tables.
const UserTop = 0x7fff_ffff_f000

// Limits (linux/limits.h, linux/binfmts.h, linux/uio.h, linux/fs.h).
const (
	PIPE_BUF    = 4096
	NGROUPS_MAX = 65536

	// MAX_ARG_STRLEN is the longest argument or environment string of
	// execve(2), with its NUL.
	MAX_ARG_STRLEN = 32 * 4096
	// MAX_RW_COUNT is the most bytes one read or write moves.
	MAX_RW_COUNT = 0x7fff_f000
	// UIO_MAXIOV is the most buffers of one readv or writev.
	UIO_MAXIOV = 1024
	// RLIM_NLIMITS is the number of resource limits.
	RLIM_NLIMITS = 16
	// TASK_COMM_LEN is the size of a thread's name, with its NUL.
	TASK_COMM_LEN = 16
	// CLK_TCK is the number of clock ticks per second programs see.
	CLK_TCK = 100
)

// Futex operations (futex(2)).
const (
	FUTEX_WAIT            = 0
	FUTEX_WAKE            = 1
	FUTEX_FD              = 2
	FUTEX_REQUEUE         = 3
	FUTEX_CMP_REQUEUE     = 4
	FUTEX_WAKE_OP         = 5
	FUTEX_LOCK_PI         = 6
	FUTEX_UNLOCK_PI       = 7
	FUTEX_TRYLOCK_PI      = 8
	FUTEX_WAIT_BITSET     = 9
	FUTEX_WAKE_BITSET     = 10
	FUTEX_WAIT_REQUEUE_PI = 11
	FUTEX_CMP_REQUEUE_PI  = 12
	FUTEX_LOCK_PI2        = 13

	FUTEX_PRIVATE_FLAG   = 128
	FUTEX_CLOCK_REALTIME = 256
	FUTEX_CMD_MASK       = 0xffff_ffff &^ (FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)

	FUTEX_BITSET_MATCH_ANY = 0xffff_ffff

	// The word of a robust or priority-inheriting lock.
	FUTEX_WAITERS    = 0x8000_0000
	FUTEX_OWNER_DIED = 0x4000_0000
	FUTEX_TID_MASK   = 0x3fff_ffff

	// ROBUST_LIST_LIMIT bounds the walk of a robust list, against cycles.
	ROBUST_LIST_LIMIT = 2048

	// FUTEX_WAKE_OP: operation and comparison.
	FUTEX_OP_SET       = 0
	FUTEX_OP_ADD       = 1
	FUTEX_OP_OR        = 2
	FUTEX_OP_ANDN      = 3
	FUTEX_OP_XOR       = 4
	FUTEX_OP_ARG_SHIFT = 8
	FUTEX_OP_CMP_EQ    = 0
	FUTEX_OP_CMP_NE    = 1
	FUTEX_OP_CMP_LT    = 2
	FUTEX_OP_CMP_LE    = 3
	FUTEX_OP_CMP_GT    = 4
	FUTEX_OP_CMP_GE    = 5

	// Flags of futex_waitv(2) and the futex2 calls.
	FUTEX2_SIZE_U8   = 0
	FUTEX2_SIZE_U16  = 1
	FUTEX2_SIZE_U32  = 2
	FUTEX2_SIZE_U64  = 3
	FUTEX2_SIZE_MASK = 3
	FUTEX2_NUMA      = 4
	FUTEX2_PRIVATE   = 128
	FUTEX_WAITV_MAX  = 128
)

// arch_prctl(2).
const (
	ARCH_SET_GS         = 0x1001
	ARCH_SET_FS         = 0x1002
	ARCH_GET_FS         = 0x1003
	ARCH_GET_GS         = 0x1004
	ARCH_GET_CPUID      = 0x1011
	ARCH_SET_CPUID      = 0x1012
	ARCH_GET_XCOMP_SUPP = 0x1021
	ARCH_GET_XCOMP_PERM = 0x1022
	ARCH_REQ_XCOMP_PERM = 0x1023
	ARCH_SHSTK_ENABLE   = 0x5001
	ARCH_SHSTK_DISABLE  = 0x5002
	ARCH_SHSTK_LOCK     = 0x5003
	ARCH_SHSTK_UNLOCK   = 0x5004
	ARCH_SHSTK_STATUS   = 0x5005
)

// mmap(2) and mprotect(2).
const (
	PROT_SEM          = 0x8
	MAP_UNINITIALIZED = 0x4000000
)

// shmget(2), shmat(2), semop(2).
const (
	SHM_HUGETLB = 0o4000
	SEM_UNDO    = 0x1000
)

// ioctl(2) numbers of all files and of sockets (asm-generic/ioctls.h).
const (
	FIONREAD = 0x541b // also TIOCINQ and SIOCINQ
	FIONBIO  = 0x5421
	FIONCLEX = 0x5450
	FIOCLEX  = 0x5451
	FIOASYNC = 0x5452
	FIOQSIZE = 0x5460
	FIGETBSZ = 2
)

// AT_HANDLE_FID of name_to_handle_at(2); AT_STATX_SYNC_TYPE masks the
// AT_STATX_* choice of statx(2).
const (
	AT_HANDLE_FID      = 0x200
	AT_STATX_SYNC_TYPE = 0x6000
)

// membarrier(2).
const (
	MEMBARRIER_CMD_QUERY                                = 0
	MEMBARRIER_CMD_GLOBAL                               = 1 << 0
	MEMBARRIER_CMD_GLOBAL_EXPEDITED                     = 1 << 1
	MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED            = 1 << 2
	MEMBARRIER_CMD_PRIVATE_EXPEDITED                    = 1 << 3
	MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED           = 1 << 4
	MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE          = 1 << 5
	MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE = 1 << 6
	MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ               = 1 << 7
	MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ      = 1 << 8
	MEMBARRIER_CMD_GET_REGISTRATIONS                    = 1 << 9
)

// rseq(2).
const (
	ORIG_RSEQ_SIZE                  = 32
	RSEQ_FLAG_UNREGISTER            = 1
	RSEQ_CPU_ID_UNINITIALIZED       = 0xffff_ffff // -1
	RSEQ_CPU_ID_REGISTRATION_FAILED = 0xffff_fffe // -2
)

// How a timer tells of its expiry (timer_create(2)).
const (
	SIGEV_SIGNAL    = 0
	SIGEV_NONE      = 1
	SIGEV_THREAD    = 2
	SIGEV_THREAD_ID = 4
)

// kcmp(2).
const (
	KCMP_FILE      = 0
	KCMP_VM        = 1
	KCMP_FILES     = 2
	KCMP_FS        = 3
	KCMP_SIGHAND   = 4
	KCMP_IO        = 5
	KCMP_SYSVSEM   = 6
	KCMP_EPOLL_TFD = 7
)
