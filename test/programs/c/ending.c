/* Ways to end: ending HOW [STATUS]. Every one must give the same exit status,
 * or the same death by signal, and the same output before it. */
#include "report.h"
#include <pthread.h>
#include <sys/resource.h>

static int status;

static void say_bye(void) { printf("atexit ran\n"); }

static void *exit_from_thread(void *arg) { (void)arg; exit(status); }
static void *exit_group_from_thread(void *arg) { (void)arg; syscall(SYS_exit_group, status); return NULL; }
static void *outlive_main(void *arg) { sleep_ms(30); printf("main is gone\n"); exit(status); return arg; }
static void *run_forever(void *arg) { for (volatile long i = 0;; i++) ; return arg; }
static void *sleep_forever(void *arg) { for (;;) pause(); return arg; }
static void *crash(void *arg) { sleep_ms(10); *(volatile int *)8 = 1; return arg; }

static void start(void *(*body)(void *))
{
	pthread_t t;
	need(pthread_create(&t, NULL, body, NULL));
}

#pragma GCC diagnostic ignored "-Winfinite-recursion"
static int recurse(volatile int n)
{
	volatile char frame[4096];
	frame[0] = n;
	return recurse(n + 1) + frame[0];
}

static void truncated_mapping(void)
{
	int fd = need(open("mapped", O_RDWR | O_CREAT, 0600));
	need(ftruncate(fd, PAGE));
	volatile char *m = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	m[0] = 1;
	need(ftruncate(fd, 0));
	m[0] = 2;
}

static void blocked_segv(void)
{
	sigset_t all;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	signal(SIGSEGV, SIG_IGN); /* a fault kills all the same */
	*(volatile int *)8 = 1;
}

static int end(const char *how)
{
	volatile int zero = 0;
#define WAY(name, ...) if (strcmp(how, name) == 0) { __VA_ARGS__; return 1; }
	WAY("exit", exit(status))
	WAY("_exit", _exit(status))
	WAY("bare-exit", syscall(SYS_exit, status))
	WAY("thread-exit", start(exit_from_thread); pause())
	WAY("thread-exit-group", start(exit_group_from_thread); pause())
	WAY("main-first", start(outlive_main); pthread_exit(NULL))
	WAY("spinning-threads", start(run_forever); start(run_forever); sleep_ms(20); exit(status))
	WAY("sleeping-threads", start(sleep_forever); start(sleep_forever); sleep_ms(20); exit(status))
	WAY("thread-crash", start(crash); start(run_forever); for (;;) pause())
	WAY("abort", abort())
	WAY("segv", *(volatile int *)8 = 1)
	WAY("null-call", ((void (*)(void))(long)zero)())
	WAY("fpe", __asm__ volatile("idivl %0" : : "r"(zero), "a"(1), "d"(0)))
	WAY("ill", __asm__ volatile("ud2"))
	WAY("int3", __asm__ volatile("int3"))
	WAY("hlt", __asm__ volatile("hlt"))
	WAY("bus", truncated_mapping())
	WAY("overflow", recurse(0))
	WAY("blocked-segv", blocked_segv())
	WAY("bad-stack", __asm__ volatile("mov $8, %rsp; push %rax"))
	WAY("bad-signal-stack", signal(SIGUSR1, (void (*)(int))say_bye); long pid = getpid();
	    __asm__ volatile("mov $8, %%rsp; syscall" : : "a"(SYS_kill), "D"(pid), "S"(SIGUSR1)))
	WAY("pipe", int p[2]; need(pipe(p)); close(p[0]); need(write(p[1], "x", 1)))
	WAY("signal", raise(status))
	WAY("kill", kill(getpid(), status); for (;;) pause())
	WAY("alarm", alarm(1); for (;;) pause())
#undef WAY
	return 0;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "return";
	status = argc > 2 ? atoi(argv[2]) : 0;
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	atexit(say_bye);
	printf("ending by %s\n", how);
	fprintf(stderr, "stderr too\n");
	if (strcmp(how, "return") == 0)
		return status;
	if (!end(how))
		printf("no such way to end\n");
	printf("still here\n");
	return 98;
}
