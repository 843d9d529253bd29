/* System calls that a signal interrupts: restarted with SA_RESTART, EINTR
 * without, always EINTR for some; timers that send signals. */
#include "report.h"
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/time.h>

static volatile int alarms, write_when;
static int p[2];

static void on_alarm(int sig)
{
	(void)sig;
	if (++alarms == write_when)
		(void)!write(p[1], "x", 1);
}

static void set_handler(int flags)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = flags };
	need(sigaction(SIGALRM, &sa, NULL));
	alarms = 0;
}

/* tick starts a periodic alarm: one that comes before the call that it is to
 * interrupt is followed by another. 0 stops it. */
static void tick(long ms)
{
	struct itimerval t = { { 0, ms * 1000 }, { 0, ms * 1000 } };
	need(setitimer(ITIMER_REAL, &t, NULL));
}

/* INTERRUPT shows a call during which alarms arrive. */
#define INTERRUPT(call)     \
	do {                \
		tick(20);   \
		SHOW(call); \
		tick(0);    \
	} while (0)

static void reading(void)
{
	char c;
	section("read");
	set_handler(0);
	write_when = 0;
	INTERRUPT(read(p[0], &c, 1));
	set_handler(SA_RESTART);
	write_when = 3; /* restarted twice, then there is a byte */
	INTERRUPT(read(p[0], &c, 1));
	printf("at least three alarms %d\n", alarms >= 3);
}

static void sockets(void)
{
	section("sockets");
	int pair[2];
	char c;
	need(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	write_when = 0;
	set_handler(0);
	INTERRUPT(recv(pair[0], &c, 1, 0));
	/* With a time-out set, Linux does not restart (signal(7)). */
	need(setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 5, 0 }, sizeof(struct timeval)));
	set_handler(SA_RESTART);
	INTERRUPT(recv(pair[0], &c, 1, 0));
	static char block[1 << 20];
	set_handler(0);
	tick(20);
	long n = write(pair[0], block, sizeof block); /* full: what was written counts */
	tick(0);
	printf("partial write %d\n", n > 0 && n < (long)sizeof block);
	INTERRUPT(write(pair[0], block, 1));
	close(pair[0]);
	close(pair[1]);
}

static void never_restarted(void)
{
	section("never restarted");
	set_handler(SA_RESTART);
	struct pollfd fd = { p[0], POLLIN, 0 };
	INTERRUPT(poll(&fd, 1, 10000));
	INTERRUPT(pause());
	int ep = need(epoll_create1(0));
	struct epoll_event e;
	INTERRUPT(epoll_wait(ep, &e, 1, 10000));
	fd_set in;
	FD_ZERO(&in);
	FD_SET(p[0], &in);
	INTERRUPT(select(p[0] + 1, &in, NULL, NULL, NULL));
	struct timespec t = { 10, 0 }, left = { 0, 0 };
	INTERRUPT(nanosleep(&t, &left));
	printf("left %ld s and more\n", (long)left.tv_sec);
	INTERRUPT(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &left));
	printf("left %ld s and more\n", (long)left.tv_sec);
	sigset_t none;
	sigemptyset(&none);
	INTERRUPT(sigsuspend(&none));
	close(ep);
}

static void ignored(void)
{
	section("ignored signals do not interrupt");
	signal(SIGALRM, SIG_IGN);
	uint64_t start = now_ns(CLOCK_MONOTONIC);
	struct timespec t = { 0, 50000000 };
	tick(10);
	SHOW(nanosleep(&t, NULL));
	tick(0);
	CHECK(now_ns(CLOCK_MONOTONIC) - start >= 50000000);
}

static volatile int fired;
static void on_timer(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	fired += info->si_code == SI_TIMER && info->si_value.sival_int == 99;
}

static void posix_timers(void)
{
	section("timers");
	struct sigaction sa = { .sa_sigaction = on_timer, .sa_flags = SA_SIGINFO };
	need(sigaction(SIGUSR2, &sa, NULL));
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2, .sigev_value.sival_int = 99 };
	timer_t timer;
	SHOW(timer_create(CLOCK_MONOTONIC, &ev, &timer));
	struct itimerspec t = { { 0, 5000000 }, { 0, 5000000 } };
	SHOW(timer_settime(timer, 0, &t, NULL));
	while (fired < 3)
		pause();
	SHOW(timer_gettime(timer, &t));
	CHECK(t.it_interval.tv_nsec == 5000000);
	CHECK(timer_getoverrun(timer) >= 0);
	SHOW(timer_delete(timer));
	SHOW(timer_delete(timer));
	set_handler(0);
	/* Processor-time timers run while the program does. */
	sa.sa_handler = on_alarm;
	sa.sa_flags = 0;
	need(sigaction(SIGVTALRM, &sa, NULL));
	struct itimerval virt = { { 0, 0 }, { 0, 10000 } };
	SHOW(setitimer(ITIMER_VIRTUAL, &virt, NULL));
	volatile long x = 0;
	uint64_t start = now_ns(CLOCK_MONOTONIC);
	while (!alarms && now_ns(CLOCK_MONOTONIC) - start < 10000000000)
		x++;
	printf("virtual alarms %d\n", alarms);
}

/* A signal that comes while the program only computes. */
static void computing(void)
{
	section("computing");
	set_handler(0);
	write_when = 0;
	tick(10);
	volatile unsigned long x = 0;
	while (alarms < 5)
		x++;
	tick(0);
	printf("five alarms\n");
}

int main(void)
{
	need(pipe(p));
	reading();
	sockets();
	never_restarted();
	ignored();
	posix_timers();
	computing();
	return 0;
}
