/* Signals: handlers, masks, order, nesting, alternate stack, siginfo, queued
 * values, waiting for signals, signals to threads. */
#include "report.h"
#include <pthread.h>
#include <ucontext.h>

static volatile int log_sig[64], logged;
static volatile siginfo_t last;
static volatile long stack_at;

static void note(int sig, siginfo_t *info, void *context)
{
	char here;
	(void)context;
	memcpy((void *)&last, info, sizeof last);
	stack_at = (long)&here;
	if (logged < 64)
		log_sig[logged++] = sig;
}

static void handle_with(int sig, void (*handler)(int, siginfo_t *, void *), int flags, int also_blocked)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = flags | SA_SIGINFO };
	sigemptyset(&sa.sa_mask);
	if (also_blocked)
		sigaddset(&sa.sa_mask, also_blocked);
	need(sigaction(sig, &sa, NULL));
}

static void print_log(const char *what)
{
	printf("%s:", what);
	for (int i = 0; i < logged; i++) {
		int sig = log_sig[i];
		if (sig < 0)
			printf(" end of %d", -sig);
		else if (sig >= SIGRTMIN)
			printf(" RT+%d", sig - SIGRTMIN);
		else
			printf(" %d", sig);
	}
	printf("\n");
	logged = 0;
}

static sigset_t set_of(int a, int b)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, a);
	if (b)
		sigaddset(&set, b);
	return set;
}

static void delivery(void)
{
	section("delivery");
	handle_with(SIGUSR1, note, 0, 0);
	need(raise(SIGUSR1));
	print_log("raise");
	printf("code %d own pid %d own uid %d\n", last.si_code, last.si_pid == getpid(), last.si_uid == getuid());
	need(kill(getpid(), SIGUSR1));
	print_log("kill");
	printf("code %d\n", last.si_code);
	need(kill(getpid(), 0));
	union sigval value = { .sival_int = -4711 };
	need(sigqueue(getpid(), SIGUSR1, value));
	print_log("sigqueue");
	printf("code %d value %d\n", last.si_code, last.si_value.sival_int);
	need(syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1));
	print_log("tgkill");
	SHOW(kill(getpid(), 65));
	SHOW(kill(1 << 22, 0));
	SHOW(syscall(SYS_tgkill, getpid(), -1, 0));
	SHOW(syscall(SYS_tgkill, getpid(), 1 << 22, 0));
	handle_with(SIGUSR1, note, SA_RESETHAND, 0);
	need(raise(SIGUSR1));
	struct sigaction sa;
	need(sigaction(SIGUSR1, NULL, &sa));
	printf("reset %d\n", sa.sa_handler == SIG_DFL);
	signal(SIGUSR1, SIG_IGN);
	need(raise(SIGUSR1));
	need(raise(SIGCHLD)); /* ignored by default */
	need(raise(SIGWINCH));
	need(raise(SIGURG));
	print_log("once, then ignored");
	SHOW(sigaction(SIGKILL, &sa, NULL));
	SHOW(sigaction(SIGSTOP, &sa, NULL));
	SHOW(sigaction(65, &sa, NULL));
}

static void masks(void)
{
	section("masks");
	int rt = SIGRTMIN;
	handle_with(SIGUSR1, note, 0, 0);
	handle_with(SIGUSR2, note, 0, 0);
	handle_with(rt + 1, note, 0, 0);
	handle_with(rt + 2, note, 0, 0);
	sigset_t all, old, pending;
	sigfillset(&all);
	need(sigprocmask(SIG_BLOCK, &all, &old));
	union sigval v = { 0 };
	for (int i = 0; i < 3; i++) {
		need(raise(SIGUSR2));
		need(raise(SIGUSR1));
		v.sival_int = i;
		need(sigqueue(getpid(), rt + 2, v));
		need(sigqueue(getpid(), rt + 1, v));
	}
	need(sigpending(&pending));
	printf("pending %d %d %d %d %d\n", sigismember(&pending, SIGUSR1), sigismember(&pending, SIGUSR2),
	       sigismember(&pending, rt + 1), sigismember(&pending, rt + 2), sigismember(&pending, SIGTERM));
	need(sigprocmask(SIG_SETMASK, &old, NULL));
	print_log("unblocked");
	printf("last value %d\n", last.si_value.sival_int);
	need(sigpending(&pending));
	printf("pending %d\n", sigismember(&pending, SIGUSR1));
	SHOW(syscall(SYS_rt_sigprocmask, 77, &all, NULL, 8));
	SHOW(syscall(SYS_rt_sigprocmask, SIG_BLOCK, &all, NULL, 16));
	need(sigprocmask(SIG_SETMASK, &all, NULL));
	need(sigprocmask(SIG_SETMASK, &old, &all));
	printf("SIGKILL in the mask %d\n", sigismember(&all, SIGKILL));
}

static void nest(int sig, siginfo_t *info, void *context)
{
	note(sig, info, context);
	if (logged < 4)
		raise(sig == SIGUSR1 ? SIGUSR2 : SIGUSR1);
	if (logged < 64)
		log_sig[logged++] = -sig;
}

static void nesting(void)
{
	section("nesting");
	handle_with(SIGUSR1, nest, 0, 0);
	handle_with(SIGUSR2, nest, 0, 0);
	raise(SIGUSR1);
	print_log("each in the other");
	handle_with(SIGUSR1, nest, 0, SIGUSR2);
	raise(SIGUSR1);
	print_log("with the other blocked");
	handle_with(SIGUSR1, nest, SA_NODEFER, 0);
	handle_with(SIGUSR2, note, 0, 0);
	raise(SIGUSR1);
	print_log("not deferred");
}

static void change_context(int sig, siginfo_t *info, void *context)
{
	ucontext_t *c = context;
	note(sig, info, context);
	sigaddset(&c->uc_sigmask, SIGUSR2); /* takes effect on return */
	c->uc_mcontext.gregs[REG_RBX] = 0x1234567890;
}

static void contexts(void)
{
	section("context");
	handle_with(SIGUSR1, change_context, 0, 0);
	long rbx = 1, pid = getpid(), tid = syscall(SYS_gettid);
	__asm__ volatile("mov $1, %%rbx; syscall; mov %%rbx, %0"
			 : "=r"(rbx) : "a"((long)SYS_tgkill), "D"(pid), "S"(tid), "d"((long)SIGUSR1) : "rbx", "rcx", "r11", "memory");
	printf("rbx %#lx\n", rbx);
	sigset_t now;
	need(sigprocmask(SIG_SETMASK, NULL, &now));
	printf("SIGUSR2 blocked %d SIGUSR1 blocked %d\n", sigismember(&now, SIGUSR2), sigismember(&now, SIGUSR1));
	sigset_t usr2 = set_of(SIGUSR2, 0);
	need(sigprocmask(SIG_UNBLOCK, &usr2, NULL));
	logged = 0;
}

static void alternate(void)
{
	section("alternate stack");
	size_t size = 64 * 1024;
	char *mem = map_anon(size, PROT_READ | PROT_WRITE);
	stack_t ss = { .ss_sp = mem, .ss_size = size }, old;
	SHOW(sigaltstack(&ss, NULL));
	handle_with(SIGUSR1, note, SA_ONSTACK, 0);
	handle_with(SIGUSR2, note, 0, 0);
	raise(SIGUSR1);
	printf("on it %d\n", stack_at >= (long)mem && stack_at < (long)mem + (long)size);
	raise(SIGUSR2);
	printf("on it %d\n", stack_at >= (long)mem && stack_at < (long)mem + (long)size);
	SHOW(sigaltstack(NULL, &old));
	printf("same %d flags %d\n", old.ss_sp == mem, old.ss_flags);
	ss.ss_size = 100;
	SHOW(sigaltstack(&ss, NULL));
	ss.ss_flags = 77;
	SHOW(sigaltstack(&ss, NULL));
	ss.ss_flags = SS_DISABLE;
	SHOW(sigaltstack(&ss, NULL));
	raise(SIGUSR1);
	printf("on it %d\n", stack_at >= (long)mem && stack_at < (long)mem + (long)size);
	logged = 0;
}

static void waiting(void)
{
	section("waiting");
	sigset_t set = set_of(SIGUSR1, SIGUSR2), old, none;
	sigemptyset(&none);
	handle_with(SIGUSR1, note, 0, 0);
	handle_with(SIGUSR2, note, 0, 0);
	need(sigprocmask(SIG_BLOCK, &set, &old));
	raise(SIGUSR2);
	siginfo_t info;
	struct timespec t = { 0, 10000000 };
	SHOW(sigtimedwait(&set, &info, &t));
	printf("code %d\n", info.si_code);
	SHOW(sigtimedwait(&set, &info, &t));
	SHOW(sigtimedwait(&set, &info, &(struct timespec){ 0, -1 }));
	raise(SIGUSR1);
	SHOW(sigwaitinfo(&set, NULL));
	raise(SIGUSR1);
	SHOW(sigsuspend(&none));
	print_log("sigsuspend");
	need(sigprocmask(SIG_SETMASK, &old, NULL));
}

static volatile pthread_t ran_on;
static void where(int sig, siginfo_t *info, void *context)
{
	ran_on = pthread_self();
	note(sig, info, context); /* last: main waits for it */
}

static volatile int go;
static void *thread(void *arg)
{
	sigset_t usr1 = set_of(SIGUSR1, 0);
	pthread_sigmask(SIG_UNBLOCK, &usr1, NULL);
	go = 1;
	while (go < 2)
		sleep_ms(1);
	return arg;
}

static void threads(void)
{
	section("threads");
	handle_with(SIGUSR1, where, 0, 0);
	sigset_t usr1 = set_of(SIGUSR1, 0);
	need(sigprocmask(SIG_BLOCK, &usr1, NULL));
	pthread_t t;
	need(pthread_create(&t, NULL, thread, NULL));
	while (!go)
		sleep_ms(1);
	need(kill(getpid(), SIGUSR1)); /* only the thread has it open */
	for (int i = 0; i < 5000 && !logged; i++)
		sleep_ms(1);
	printf("process signal on the thread %d\n", ran_on == t);
	need(pthread_kill(t, SIGUSR1));
	for (int i = 0; i < 5000 && logged < 2; i++)
		sleep_ms(1);
	printf("thread signal on the thread %d\n", ran_on == t);
	need(pthread_kill(pthread_self(), SIGUSR1));
	printf("own signal waits %d\n", logged == 2);
	need(sigprocmask(SIG_UNBLOCK, &usr1, NULL));
	printf("own signal on main %d\n", logged == 3 && ran_on == pthread_self());
	go = 2;
	pthread_join(t, NULL);
}

int main(void)
{
	delivery();
	masks();
	nesting();
	contexts();
	alternate();
	waiting();
	threads();
	return 0;
}
