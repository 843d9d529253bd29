/* Processes: fork, vfork, execve, wait, groups, sessions, stops. Everything is
 * printed so that it does not depend on process numbers. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char *self;
static int global = 1;

static void say(const char *what, long a, long b) {
  printf("%s: %ld %ld\n", what, a, b);
  fflush(stdout);
}

/* The status of the one child there is, in words. */
static void collect(const char *what, pid_t pid) {
  int status = 0;
  struct rusage ru;
  pid_t got = wait4(pid, &status, 0, &ru);
  if (got < 0)
    printf("%s: %s\n", what, strerror(errno));
  else if (WIFEXITED(status))
    printf("%s: exit %d, own %d\n", what, WEXITSTATUS(status), pid == -1 || got == pid);
  else
    printf("%s: signal %d, own %d\n", what, WTERMSIG(status), pid == -1 || got == pid);
  fflush(stdout);
}

static void memory(void) {
  char *heap = malloc(1 << 20), *stack = alloca(4096);
  int *shared = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  char *forbidden = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  memset(heap, 'h', 1 << 20), strcpy(stack, "stack"), strcpy(forbidden, "forbidden");
  mprotect(forbidden, 4096, PROT_NONE);
  pid_t pid = fork();
  if (!pid) {
    global = 2, heap[5] = 'H', stack[0] = 'S', shared[1025] = 7;
    mprotect(forbidden, 4096, PROT_READ | PROT_WRITE);
    forbidden[0] = 'F';
    printf("child: %d %c %s %s parent %d\n", global, heap[5], stack, forbidden, getppid() != getpid());
    exit(3);
  }
  collect("memory", pid);
  mprotect(forbidden, 4096, PROT_READ);
  printf("parent: %d %c %s %s shared %d\n", global, heap[5], stack, forbidden, shared[1025]);
  fflush(stdout);
}

static void descriptors(void) {
  int fds[2];
  char buf[32] = "";
  if (pipe(fds)) exit(1);
  int file = open("shared-offset", O_RDWR | O_CREAT | O_TRUNC, 0600), cloexec = open("/dev/null", O_RDONLY | O_CLOEXEC);
  pid_t pid = fork();
  if (!pid) {
    close(fds[0]);
    if (write(fds[1], "through the pipe", 16) != 16 || write(file, "child ", 6) != 6) exit(1);
    close(cloexec);
    exit(0);
  }
  close(fds[1]);
  collect("descriptors", pid);
  ssize_t n = read(fds[0], buf, sizeof buf - 1), end = read(fds[0], buf + n, 1);
  say(buf, n, end);
  if (write(file, "parent", 6) != 6) exit(1);
  say("offset, cloexec flag", lseek(file, 0, SEEK_CUR), fcntl(cloexec, F_GETFD));
  close(fds[0]), close(file), close(cloexec);
}

static volatile sig_atomic_t children, last_status, last_code;
static void on_child(int sig, siginfo_t *info, void *context) {
  (void)sig, (void)context;
  children++, last_status = info->si_status, last_code = info->si_code;
}

static void nothing(int sig) { (void)sig; }

static void signals(void) {
  struct sigaction sa = {.sa_sigaction = on_child, .sa_flags = SA_SIGINFO | SA_RESTART}, old;
  sigaction(SIGCHLD, &sa, &old);
  pid_t pid = fork();
  if (!pid) _exit(5);
  collect("with SIGCHLD", pid);
  say("SIGCHLD", children, last_status * 10 + last_code);
  pid = fork();
  if (!pid) for (;;) pause();
  kill(pid, SIGSTOP);
  int status;
  pid_t got = waitpid(pid, &status, WUNTRACED);
  say("stopped", got == pid && WIFSTOPPED(status), WSTOPSIG(status));
  say("still there", waitpid(pid, &status, WNOHANG), 0);
  kill(pid, SIGCONT);
  got = waitpid(pid, &status, WCONTINUED);
  say("continued", got == pid && WIFCONTINUED(status), 0);
  kill(pid, SIGKILL);
  collect("killed", pid);
  signal(SIGCHLD, SIG_IGN);
  pid = fork();
  if (!pid) _exit(0);
  collect("ignored children", -1);
  signal(SIGUSR1, SIG_IGN), signal(SIGUSR2, nothing);
  sigaction(SIGCHLD, &old, 0);
}

static void waits(void) {
  siginfo_t info;
  collect("no children", -1);
  pid_t pid = fork();
  if (!pid) _exit(9);
  memset(&info, 0, sizeof info);
  int r = waitid(P_PID, pid, &info, WEXITED | WNOWAIT);
  say("waitid, left there", r, info.si_status * 100 + info.si_code * 10 + (info.si_pid == pid));
  r = waitid(P_ALL, 0, &info, WEXITED);
  say("waitid", r, info.si_status);
  r = waitid(P_ALL, 0, &info, WEXITED);
  say("waitid again", r, errno);
  say("bad options", waitpid(-1, 0, 0x1000), errno);
  for (int i = 0; i < 3; i++)
    if (!fork()) {
      usleep(200000 * (3 - i));
      _exit(i);
    }
  int status, order = 0;
  while (wait(&status) > 0) order = order * 10 + WEXITSTATUS(status);
  say("in the order of their ends", order, errno);
  struct rusage ru;
  say("usage of children", getrusage(RUSAGE_CHILDREN, &ru), 0);
}

static void groups(void) {
  pid_t pid = fork();
  if (!pid) {
    say("own group", setpgid(0, 0), getpgrp() == getpid());
    say("new session of a leader", setsid(), errno);
    pid_t grandchild = fork();
    if (!grandchild) {
      say("session", setsid() == getpid(), getsid(0) == getpid() && getpgrp() == getpid());
      say("leader's group", setpgid(0, getppid()), errno);
      _exit(0);
    }
    collect("grandchild", grandchild);
    _exit(0);
  }
  collect("group", pid);
  pid_t one = fork();
  if (!one) for (;;) pause();
  setpgid(one, one);
  pid_t two = fork();
  if (!two) for (;;) pause();
  say("join", setpgid(two, one), getpgid(two) == one);
  kill(-one, SIGTERM);
  int status;
  say("first", waitpid(-one, &status, 0) > 0, WTERMSIG(status));
  say("second", waitpid(-one, &status, 0) > 0, WTERMSIG(status));
  say("no such group", kill(-one, 0), errno);
}

static void orphans(void) {
  int fds[2];
  char c;
  if (pipe(fds)) exit(1);
  pid_t pid = fork();
  if (!pid) {
    pid_t middle = getpid();
    if (!fork()) {
      close(fds[0]);
      while (getppid() == middle) usleep(1000);
      c = 'o';
      if (write(fds[1], &c, 1) != 1) _exit(1);
      _exit(0);
    }
    _exit(0);
  }
  collect("middle", pid);
  close(fds[1]);
  ssize_t n = read(fds[0], &c, 1);
  say("orphan", n, c);
  close(fds[0]);
}

/* A child that its parent's end kills: the pipe ends only then. */
static void doomed(void) {
  int fds[2], ready[2];
  char c = 'd';
  if (pipe(fds) || pipe(ready)) exit(1);
  pid_t pid = fork();
  if (!pid) {
    if (!fork()) {
      int signal = 0;
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      prctl(PR_GET_PDEATHSIG, &signal);
      if (signal != SIGKILL || write(ready[1], &c, 1) != 1) _exit(1);
      for (;;) pause();
    }
    _exit(read(ready[0], &c, 1) != 1);
  }
  collect("parent of the doomed", pid);
  close(fds[1]), close(ready[1]);
  say("doomed", read(fds[0], &c, 1), 0);
  close(fds[0]), close(ready[0]);
}

static void *exec_thread(void *arg) {
  execl(self, self, "show", "from", "a thread", (char *)0);
  return arg;
}

static void programs(void) {
  pid_t pid = fork();
  if (!pid) {
    char *argv[] = {"other name", "show", "", "two words", 0}, *envp[] = {"A=1", "B=", 0};
    execve(self, argv, envp);
    _exit(1);
  }
  collect("execve", pid);
  pid = vfork();
  if (!pid) {
    global = 77;
    execl(self, self, "show", "vfork", (char *)0);
    _exit(1);
  }
  collect("vfork", pid);
  say("vfork shares", global, 0);
  char *argv[] = {self, "show", "spawned", 0};
  int r = posix_spawn(&pid, self, 0, 0, argv, environ);
  collect("spawned", pid);
  say("posix_spawn", r, 0);
  say("spawn of nothing", posix_spawn(&pid, "/nowhere", 0, 0, argv, environ), 0);
  pid = fork();
  if (!pid) {
    pthread_t t;
    pthread_create(&t, 0, exec_thread, 0);
    for (;;) pause();
  }
  collect("exec in a thread", pid);
  say("exec of a directory", execl("/", "/", (char *)0), errno);
  say("of nothing", execl("/nowhere", "x", (char *)0), errno);
  int fd = open("script", O_WRONLY | O_CREAT | O_TRUNC, 0700);
  dprintf(fd, "#!%s show\nnothing of this is read\n", self);
  close(fd);
  pid = fork();
  if (!pid) {
    execl("./script", "ignored", "argument", (char *)0);
    _exit(1);
  }
  collect("script", pid);
  fd = open("noscript", O_WRONLY | O_CREAT | O_TRUNC, 0700);
  dprintf(fd, "not a program");
  close(fd);
  say("no format", execl("./noscript", "x", (char *)0), errno);
  chmod("noscript", 0600);
  say("not executable", getuid() && execl("./noscript", "x", (char *)0), getuid() ? errno : 0);
  say("system", system("exit 6"), 0);
}

static void many(void) {
  int *count = mmap(0, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0), bad = 0, status;
  for (int i = 0; i < 40; i++)
    if (!fork()) {
      char *p = malloc(300000);
      memset(p, i, 300000);
      __sync_fetch_and_add(count, 1);
      usleep(1000);
      for (int j = 0; j < 300000; j++)
        if (p[j] != i) _exit(1);
      _exit(0);
    }
  while (wait(&status) > 0) bad += status != 0;
  say("many", *count, bad);
}

static int show(int argc, char **argv) {
  sigset_t pending;
  struct sigaction sa;
  for (int i = 2; i < argc; i++) printf("[%s]", argv[i]);
  printf(" A=%s", getenv("A") ? getenv("A") : "none");
  sigpending(&pending);
  sigaction(SIGUSR1, 0, &sa);
  int ignored = sa.sa_handler == SIG_IGN;
  sigaction(SIGUSR2, 0, &sa);
  printf(" ignored %d, default %d, leader %d\n", ignored, sa.sa_handler == SIG_DFL, (int)syscall(SYS_gettid) == getpid());
  return 4;
}

int main(int argc, char **argv) {
  self = realpath("/proc/self/exe", 0);
  if (argc > 1 && !strcmp(argv[1], "show")) return show(argc, argv);
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  memory(), descriptors(), signals(), waits(), groups(), orphans(), doomed(), programs(), many();
  return 0;
}
