/* calls SEED COUNT: makes COUNT random system calls on two threads.
 *
 * Arguments are numbers, flags, descriptors, and pointers: into an arena with
 * paths, iovecs and noise, to its edges, and to where nothing is. Left out is
 * what would only end the program: exit, its own memory, stack and signal
 * handlers. A third thread takes the two out of calls that wait. Now and then a
 * child makes some too, and is killed if it waits for long. It prints "made N"
 * from time to time, and "done" in the end.
 *
 * It does to files what chance wants: it starts only where the root directory
 * is a scratch one, which has a file "torov-fuzz-root" and no "/etc". */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ARENA = 4 << 20, OUT = 900 };
static char *const arena = (char *)0x100000000000;
static volatile long made;

static const short skipped[] = {
    SYS_exit, SYS_exit_group, SYS_fork, SYS_vfork, SYS_clone, SYS_clone3, SYS_execve, SYS_execveat, SYS_rt_sigreturn, SYS_rt_sigsuspend,
    SYS_rt_sigaction, SYS_rt_sigprocmask, SYS_brk, SYS_arch_prctl, SYS_set_robust_list, SYS_sync, SYS_syncfs, SYS_sigaltstack, SYS_rseq,
    SYS_set_tid_address, SYS_close_range, SYS_setrlimit, SYS_prlimit64, SYS_timer_create,
};

static uint64_t rnd(uint64_t *s) {
  *s ^= *s << 13, *s ^= *s >> 7, *s ^= *s << 17;
  return *s;
}

static long argument(uint64_t *s) {
  static const uint64_t wild[] = {
      0, 1, -1, -4096, 0x7ffffffff000, 0x800000000000, 0xffff800000000000, 0xffffffff80000000, 1ULL << 62, 1ULL << 63, INT64_MAX, INT32_MAX, 1ULL << 32,
  };
  uint64_t r = rnd(s);
  switch (r >> 8 & 15) {
  case 0: case 1: case 2: return r >> 16 & 31;
  case 3: return 4096 << (r >> 16 & 7);
  case 4: return 1UL << (r >> 16 & 63);
  case 5: return (r >> 16 & 0xffff) + 3;
  case 6: return wild[(r >> 16) % (sizeof wild / sizeof *wild)];
  case 7: return AT_FDCWD;
  case 8: return (long)arena + ARENA - (r >> 16 & 31); /* runs into nothing */
  case 9: return (long)arena + (r >> 16 & 0xff) * 4096;
  default: return (long)arena + (r >> 16 & 0xfff) * 8;
  }
}

static void fill(uint64_t *s) {
  static const char *paths[] = {"f", "/d", "..", "../../etc/passwd", "/proc/self/maps", "/proc/self/fd/3", "/dev/null", "d/new", ""};
  for (char *p = arena; p < arena + 65536;) {
    uint64_t r = rnd(s);
    switch (r & 3) {
    case 0: strcpy(p, paths[(r >> 8) % 9]), p += 24; break;
    case 1: ((uint64_t *)p)[0] = (uint64_t)arena + (r >> 8 & 0xffff), ((uint64_t *)p)[1] = r >> 24 & 0x1fff, p += 16; break;
    case 2: memset(p, 0, 64), p += 64; break;
    default: memcpy(p, &r, 8), p += 8;
    }
  }
}

static void nothing(int sig) { (void)sig; }

/* What random calls may have changed and the program needs. */
static void repair(void) {
  struct sigaction sa = {.sa_handler = nothing};
  sigset_t none;
  for (int sig = 1; sig < 65; sig++)
    if (sig != SIGSEGV && sig != SIGBUS) sigaction(sig, &sa, 0);
  sigemptyset(&none);
  pthread_sigmask(SIG_SETMASK, &none, 0);
  if (mmap(arena, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) != arena) _exit(3);
}

static void call(uint64_t *s) {
  long nr = rnd(s) % 470, a[6];
  for (unsigned i = 0; i < sizeof skipped / sizeof *skipped; i++)
    if (nr == skipped[i]) return;
  for (int i = 0; i < 6; i++) a[i] = argument(s);
  switch (nr) {
  case SYS_dup2: case SYS_dup3: a[1] = 3 + (a[1] & 31); break;
  case SYS_close: a[0] = 3 + (a[0] & 31); break;
  case SYS_kill: case SYS_tkill: case SYS_rt_sigqueueinfo: a[1] = SIGUSR1; break;
  case SYS_tgkill: case SYS_rt_tgsigqueueinfo: a[2] = SIGUSR1; break;
  case SYS_ppoll: a[3] = 0; break; /* a mask could keep the signals out */
  case SYS_pselect6: a[5] = 0; break;
  case SYS_epoll_pwait: case SYS_epoll_pwait2: a[4] = 0; break;
  case SYS_mmap: a[1] &= (64 << 20) - 1, a[0] = a[0] >= (long)arena && a[0] < (long)arena + ARENA ? a[0] : 0; break;
  case SYS_munmap: case SYS_mprotect: case SYS_madvise:
    a[0] = (long)arena + (a[0] & (ARENA - 1)), a[1] &= (64 << 20) - 1;
    break;
  case SYS_mremap: a[0] = (long)arena + (a[0] & (ARENA - 1)), a[1] &= (64 << 20) - 1, a[4] = (long)arena + ARENA + (a[4] & (ARENA - 1)); break;
  }
  syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
}

struct job { uint64_t seed; long count; volatile int tid; };
static struct job job[2];

/* Signals to each: one to the process would always find the first. */
static void *watch(void *arg) {
  (void)arg;
  for (;;) {
    usleep(2000);
    for (int i = 0; i < 2; i++)
      if (job[i].tid) syscall(SYS_tgkill, getpid(), job[i].tid, SIGUSR2);
  }
}

/* A child makes some calls of its own. */
static void child(struct job *j) {
  pid_t pid = fork();
  if (!pid) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < 300; i++) call(&j->seed);
    _exit(0);
  }
  for (int i = 0; pid > 0 && i < 100; i++) {
    if (waitpid(pid, 0, WNOHANG) != 0) return;
    usleep(2000);
  }
  if (pid > 0) kill(pid, SIGKILL), waitpid(pid, 0, 0);
}

static void *work(void *arg) {
  struct job *j = arg;
  j->tid = gettid();
  for (long i = 0; i < j->count; i++) {
    if (i % 64 == 0) {
      repair();
      fill(&j->seed);
    }
    if (i % 1000 == 999) child(j);
    call(&j->seed);
    long n = __sync_add_and_fetch(&made, 1);
    if (n % 5000 == 0) dprintf(OUT, "made %ld\n", n);
  }
  j->tid = 0;
  return 0;
}

int main(int argc, char **argv) {
  if (argc != 3) return 2;
  if (access("/torov-fuzz-root", F_OK) || !access("/etc", F_OK)) {
    fprintf(stderr, "calls: this is no scratch root directory\n");
    return 2;
  }
  for (int i = 0; i < 2; i++) job[i] = (struct job){strtoull(argv[1], 0, 10) * 0x9e3779b97f4a7c15 + i + 1, atol(argv[2]) / 2, 0};
  struct rlimit size = {1 << 20, 1 << 20}, files = {1024, 1024};
  setrlimit(RLIMIT_FSIZE, &size);
  setrlimit(RLIMIT_NOFILE, &files);
  int own = open("/f", O_RDWR | O_CREAT, 0600); /* standard descriptors that are nobody else's */
  if (dup2(1, OUT) != OUT || dup2(own, 0) || dup2(own, 1) != 1 || dup2(own, 2) != 2) return 2;
  repair();
  pthread_t t, w;
  if (pthread_create(&w, 0, watch, 0) || pthread_create(&t, 0, work, &job[1])) return 2;
  work(&job[0]);
  pthread_join(t, 0);
  dprintf(OUT, "done\n");
  _exit(0);
}
