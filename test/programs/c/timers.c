/* Timers of all kinds: setitimer, alarm, timer_create with its notifications
 * and overruns, signalfd with epoll and a blocking read. */
#include "report.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/time.h>
#include <sys/timerfd.h>

#ifndef SIGEV_THREAD_ID
#define SIGEV_THREAD_ID 4
#endif

static volatile int caught, code, value, overrun;
static volatile pid_t by;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	(void)context;
	code = info->si_code;
	value = info->si_value.sival_int;
	overrun = info->si_overrun;
	by = syscall(SYS_gettid);
	caught = sig;
}

static void catch_signal(int sig)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	need(sigaction(sig, &sa, NULL));
}

static void mask(int how, int sig)
{
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, sig);
	need(sigprocmask(how, &set, NULL));
}

static void intervals(void)
{
	section("interval timers");
	catch_signal(SIGALRM);
	struct itimerval set = { { 0, 0 }, { 0, 20000 } }, old;
	SHOW(setitimer(ITIMER_REAL, &set, NULL));
	pause();
	printf("signal %d code %#x\n", caught, code);
	SHOW(getitimer(ITIMER_REAL, &old));
	printf("left %ld.%06ld\n", (long)old.it_value.tv_sec, (long)old.it_value.tv_usec);
	set = (struct itimerval){ { 7, 5 }, { 100, 0 } };
	SHOW(setitimer(ITIMER_REAL, &set, &old));
	SHOW(setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, &old));
	printf("period %ld.%06ld\n", (long)old.it_interval.tv_sec, (long)old.it_interval.tv_usec);
	SHOW(getitimer(ITIMER_REAL, &old));
	printf("period %ld.%06ld\n", (long)old.it_interval.tv_sec, (long)old.it_interval.tv_usec);
	SHOW(syscall(SYS_setitimer, ITIMER_REAL, (void *)8, NULL));
	SHOW(syscall(SYS_getitimer, ITIMER_REAL, (void *)8));
	set.it_value.tv_usec = -1;
	SHOW(setitimer(ITIMER_REAL, &set, NULL));
	static const struct { const char *name; int which, sig; } cpu[] = { { "VIRTUAL", ITIMER_VIRTUAL, SIGVTALRM }, { "PROF", ITIMER_PROF, SIGPROF } };
	for (size_t i = 0; i < COUNT(cpu); i++) {
		catch_signal(cpu[i].sig);
		set = (struct itimerval){ { 0, 20000 }, { 0, 20000 } };
		caught = 0;
		int count = 0;
		uint64_t start = now_ns(CLOCK_MONOTONIC);
		need(setitimer(cpu[i].which, &set, NULL));
		while (count < 3 && now_ns(CLOCK_MONOTONIC) - start < 10000000000)
			if (caught) {
				caught = 0;
				count++;
			}
		need(setitimer(cpu[i].which, &(struct itimerval){ 0 }, NULL));
		printf("%s: %d, code %#x, at least 40 ms %d\n", cpu[i].name, count, code, now_ns(CLOCK_MONOTONIC) - start >= 40000000);
	}
	/* Time that is slept away does not count. */
	caught = 0;
	set = (struct itimerval){ { 0, 0 }, { 0, 500000 } };
	need(setitimer(ITIMER_VIRTUAL, &set, NULL));
	sleep_ms(600);
	printf("asleep %d\n", caught);
	need(setitimer(ITIMER_VIRTUAL, &(struct itimerval){ 0 }, NULL));
}

static int make(clockid_t clock, int notify, int sig, int v, int tid)
{
	struct sigevent ev = { .sigev_notify = notify, .sigev_signo = sig, .sigev_value.sival_int = v };
	int id = -1;
	memcpy((char *)&ev + 16, &tid, sizeof tid); /* musl has no name for it */
	if (syscall(SYS_timer_create, clock, &ev, &id) < 0)
		return -errno;
	return id;
}

static long set_timer(int id, int flags, long ms, long period)
{
	struct itimerspec t = { { period / 1000, period % 1000 * 1000000 }, { ms / 1000, ms % 1000 * 1000000 } };
	return syscall(SYS_timer_settime, id, flags, &t, NULL);
}

static void *other(void *arg)
{
	*(volatile pid_t *)arg = syscall(SYS_gettid);
	sleep_ms(300);
	return NULL;
}

static void posix(void)
{
	section("POSIX timers");
	catch_signal(SIGUSR1);
	int id = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR1, 42, 0);
	caught = 0;
	SHOW(set_timer(id, 0, 20, 0));
	while (!caught)
		pause();
	CHECK(caught == SIGUSR1 && code == SI_TIMER && value == 42 && overrun == 0);
	struct itimerspec got;
	SHOW(syscall(SYS_timer_gettime, id, &got));
	CHECK(got.it_value.tv_sec == 0 && got.it_value.tv_nsec == 0);

	mask(SIG_BLOCK, SIGUSR1);
	caught = 0;
	SHOW(set_timer(id, 0, 10, 10));
	sleep_ms(105);
	mask(SIG_UNBLOCK, SIGUSR1);
	CHECK(caught == SIGUSR1 && overrun >= 8);
	SHOW(set_timer(id, 0, 0, 0));
	SHOW(syscall(SYS_timer_delete, id));
	SHOW(syscall(SYS_timer_gettime, id, &got));
	SHOW(syscall(SYS_timer_getoverrun, id));
	SHOW(set_timer(id, 0, 1, 0));

	id = make(CLOCK_REALTIME, SIGEV_SIGNAL, SIGUSR1, 43, 0);
	struct itimerspec at = { .it_value = { 1, 0 } }; /* long ago */
	caught = 0;
	SHOW(syscall(SYS_timer_settime, id, TIMER_ABSTIME, &at, &got));
	sleep_ms(30);
	printf("signal %d value %d\n", caught, value);
	uint64_t soon = now_ns(CLOCK_REALTIME) + 30000000;
	at.it_value = (struct timespec){ soon / 1000000000, soon % 1000000000 };
	caught = 0;
	SHOW(syscall(SYS_timer_settime, id, TIMER_ABSTIME, &at, NULL));
	while (!caught)
		pause();
	CHECK(now_ns(CLOCK_REALTIME) >= soon);
	SHOW(syscall(SYS_timer_settime, id, 0, NULL, NULL));
	SHOW(syscall(SYS_timer_settime, id, 0, (void *)8, NULL));
	at.it_value.tv_nsec = 1000000000;
	SHOW(syscall(SYS_timer_settime, id, 0, &at, NULL));
	need(syscall(SYS_timer_delete, id));

	pthread_t thread;
	pid_t tid = 0;
	need(pthread_create(&thread, NULL, other, (void *)&tid));
	while (!*(volatile pid_t *)&tid)
		sleep_ms(1);
	id = make(CLOCK_MONOTONIC, SIGEV_THREAD_ID, SIGUSR1, 44, tid);
	caught = 0;
	SHOW(set_timer(id, 0, 10, 0));
	pthread_join(thread, NULL);
	CHECK(caught == SIGUSR1 && by == tid && value == 44);
	need(syscall(SYS_timer_delete, id));

	id = make(CLOCK_MONOTONIC, SIGEV_NONE, 0, 0, 0);
	SHOW(set_timer(id, 0, 10000, 0));
	SHOW(syscall(SYS_timer_gettime, id, &got));
	CHECK(got.it_value.tv_sec == 9);
	SHOW(set_timer(id, 0, 1, 0));
	sleep_ms(5);
	SHOW(syscall(SYS_timer_gettime, id, &got));
	CHECK(got.it_value.tv_sec == 0 && got.it_value.tv_nsec == 0);
	need(syscall(SYS_timer_delete, id));

	static const clockid_t cpu[] = { CLOCK_PROCESS_CPUTIME_ID, CLOCK_THREAD_CPUTIME_ID };
	for (size_t i = 0; i < COUNT(cpu); i++) {
		id = make(cpu[i], SIGEV_SIGNAL, SIGUSR1, 50 + i, 0);
		caught = 0;
		need(set_timer(id, 0, 20, 0));
		uint64_t start = now_ns(cpu[i]), wall = now_ns(CLOCK_MONOTONIC);
		while (!caught && now_ns(CLOCK_MONOTONIC) - wall < 10000000000)
			;
		printf("value %d, 20 ms passed %d\n", value, now_ns(cpu[i]) - start >= 19000000);
		need(syscall(SYS_timer_delete, id));
	}
	printf("%d %d %d %d %d %d\n", make(77, SIGEV_NONE, 0, 0, 0), make(CLOCK_MONOTONIC_RAW, SIGEV_NONE, 0, 0, 0),
	       make(CLOCK_MONOTONIC, SIGEV_SIGNAL, 65, 0, 0), make(CLOCK_MONOTONIC, 99, 1, 0, 0),
	       make(CLOCK_MONOTONIC, SIGEV_THREAD_ID, 1, 0, 1), make(CLOCK_MONOTONIC, SIGEV_SIGNAL, 0, 0, 0));
	SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, (void *)8, &id));
	SHOW(syscall(SYS_timer_create, CLOCK_MONOTONIC, NULL, (void *)8));
}

static void *raise_later(void *arg)
{
	sleep_ms(30);
	need(kill(getpid(), SIGUSR2));
	return arg;
}

static void signal_file(void)
{
	section("signalfd");
	mask(SIG_BLOCK, SIGUSR2);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	int fd = need(signalfd(-1, &set, 0)), ep = need(epoll_create1(0));
	struct epoll_event e = { .events = EPOLLIN };
	struct signalfd_siginfo info;
	need(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	printf("ready %d\n", epoll_wait(ep, &e, 1, 0));
	pthread_t thread;
	need(pthread_create(&thread, NULL, raise_later, NULL));
	printf("ready %d\n", epoll_wait(ep, &e, 1, 10000));
	SHOW(read(fd, &info, sizeof info));
	printf("signal %u\n", info.ssi_signo);
	printf("ready %d\n", epoll_wait(ep, &e, 1, 0));
	pthread_join(thread, NULL);
	need(pthread_create(&thread, NULL, raise_later, NULL));
	SHOW(read(fd, &info, sizeof info)); /* waits */
	pthread_join(thread, NULL);
	int id = make(CLOCK_MONOTONIC, SIGEV_SIGNAL, SIGUSR2, 7, 0);
	need(set_timer(id, 0, 10, 0));
	SHOW(read(fd, &info, sizeof info));
	printf("code %d value %d\n", info.ssi_code, info.ssi_int);
	need(raise(SIGUSR2));
	int late = need(signalfd(-1, &set, SFD_NONBLOCK)); /* ready from the start */
	SHOW(read(late, &info, sizeof info));
	SHOW(read(late, &info, sizeof info));
	SHOW(write(late, &info, sizeof info));
	SHOW(signalfd(-1, &set, 12345));
	SHOW(signalfd(0, &set, 0));
	SHOW(signalfd(99, &set, 0));
	SHOW(syscall(SYS_signalfd4, -1, &set, 4, 0));
	SHOW(syscall(SYS_signalfd4, -1, (void *)8, 8, 0));
	close(late);
	close(fd);
	close(ep);
}

static void again(void)
{
	section("timerfd and poll");
	int fd = need(timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC)), ep = need(epoll_create(1));
	struct epoll_event e = { .events = EPOLLIN | EPOLLET, .data.u64 = 0x123456789abcdef0 };
	need(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	struct itimerspec t = { { 0, 10000000 }, { 0, 10000000 } };
	need(timerfd_settime(fd, 0, &t, NULL));
	for (int i = 0; i < 3; i++) {
		memset(&e, 0, sizeof e);
		int n = epoll_wait(ep, &e, 1, 10000);
		printf("%d %#x %#lx\n", n, e.events, (unsigned long)e.data.u64);
		uint64_t ticks;
		need(read(fd, &ticks, 8));
	}
	sigset_t none;
	sigemptyset(&none);
	SHOW(syscall(SYS_epoll_pwait2, ep, &e, 1, &(struct timespec){ 0, -1 }, NULL, 8));
	SHOW(epoll_wait(ep, (void *)8, 1, 10000));
	SHOW(timerfd_gettime(ep, &t));
	SHOW(timerfd_settime(fd, 12345, &t, NULL));
	SHOW(timerfd_settime(fd, 0, (void *)8, NULL));
	SHOW(timerfd_create(CLOCK_PROCESS_CPUTIME_ID, 0));
	SHOW(timerfd_create(CLOCK_MONOTONIC, 12345));
	close(fd);
	close(ep);
}

int main(void)
{
	intervals();
	posix();
	signal_file();
	again();
	return 0;
}
