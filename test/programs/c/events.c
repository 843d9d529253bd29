/* Descriptors that carry events: eventfd, timerfd, signalfd; and pipes. */
#include "report.h"
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>

static void counters(void)
{
	section("eventfd");
	int fd = need(eventfd(5, EFD_NONBLOCK));
	uint64_t v = 0;
	SHOW(read(fd, &v, 8));
	printf("value %lu\n", (unsigned long)v);
	SHOW(read(fd, &v, 8));
	v = 7;
	SHOW(write(fd, &v, 8));
	SHOW(write(fd, &v, 8));
	SHOW(read(fd, &v, 7));
	SHOW(read(fd, &v, 8));
	printf("value %lu\n", (unsigned long)v);
	v = -1;
	SHOW(write(fd, &v, 8));
	v = -2;
	SHOW(write(fd, &v, 8));
	v = 1;
	SHOW(write(fd, &v, 8)); /* would overflow */
	SHOW(write(fd, &v, 4));
	SHOW(lseek(fd, 0, SEEK_SET));
	close(fd);
	fd = need(eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK));
	SHOW(read(fd, &v, 8));
	SHOW(read(fd, &v, 8));
	SHOW(read(fd, &v, 8));
	SHOW(read(fd, &v, 8));
	SHOW(eventfd(0, 12345));
	close(fd);
}

static void timers(void)
{
	section("timerfd");
	int fd = need(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	uint64_t ticks = 0;
	struct itimerspec set = { { 0, 0 }, { 0, 20000000 } }, got;
	SHOW(read(fd, &ticks, 8));
	SHOW(timerfd_settime(fd, 0, &set, NULL));
	struct pollfd p = { fd, POLLIN, 0 };
	SHOW(poll(&p, 1, 10000));
	SHOW(read(fd, &ticks, 8));
	printf("ticks %lu\n", (unsigned long)ticks);
	set = (struct itimerspec){ { 0, 5000000 }, { 0, 5000000 } };
	SHOW(timerfd_settime(fd, 0, &set, NULL));
	sleep_ms(40);
	SHOW(read(fd, &ticks, 8));
	CHECK(ticks >= 7);
	SHOW(timerfd_gettime(fd, &got));
	CHECK(got.it_interval.tv_nsec == 5000000 && got.it_value.tv_nsec <= 5000000);
	set = (struct itimerspec){ { 0, 0 }, { 1, 0 } };
	SHOW(timerfd_settime(fd, TFD_TIMER_ABSTIME, &set, &got));
	CHECK(got.it_interval.tv_nsec == 5000000);
	SHOW(poll(&p, 1, 10000));
	set = (struct itimerspec){ { 0, 0 }, { 0, 0 } };
	SHOW(timerfd_settime(fd, 0, &set, NULL));
	SHOW(read(fd, &ticks, 8));
	set.it_value.tv_nsec = -1;
	SHOW(timerfd_settime(fd, 0, &set, NULL));
	SHOW(timerfd_settime(0, 0, &set, NULL));
	SHOW(timerfd_create(77, 0));
	close(fd);
}

static void signals(void)
{
	section("signalfd");
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN + 3);
	need(sigprocmask(SIG_BLOCK, &set, NULL));
	int fd = need(signalfd(-1, &set, SFD_NONBLOCK));
	struct signalfd_siginfo info[4];
	SHOW(read(fd, info, sizeof info));
	need(raise(SIGUSR2));
	need(raise(SIGUSR2)); /* a second one of the same kind is lost */
	need(kill(getpid(), SIGUSR1));
	union sigval value = { .sival_int = 77 };
	need(sigqueue(getpid(), SIGRTMIN + 3, value));
	struct pollfd p = { fd, POLLIN, 0 };
	SHOW(poll(&p, 1, -1));
	ssize_t n = read(fd, info, sizeof info);
	for (ssize_t i = 0; i < n / (ssize_t)sizeof info[0]; i++)
		printf("signal %u code %d value %d own pid %d\n", info[i].ssi_signo, info[i].ssi_code, info[i].ssi_int, info[i].ssi_pid == (uint32_t)getpid());
	SHOW(read(fd, info, 10));
	sigdelset(&set, SIGUSR1);
	SHOW(signalfd(fd, &set, 0) == fd);
	need(raise(SIGUSR1));
	SHOW(read(fd, info, sizeof info));
	close(fd);
}

static void pipes(void)
{
	section("pipe");
	int p[2];
	static char block[70000];
	need(pipe2(p, O_NONBLOCK));
	SHOW(write(p[1], block, sizeof block)); /* the pipe holds 64 KiB */
	SHOW(write(p[1], block, 1));
	SHOW(fcntl(p[1], F_GETPIPE_SZ));
	SHOW(read(p[0], block, 4096));
	SHOW(write(p[1], block, 5000)); /* more than one page need not be whole */
	SHOW(lseek(p[0], 0, SEEK_CUR));
	SHOW(pread(p[0], block, 1, 0));
	SHOW(write(p[0], block, 1));
	SHOW(read(p[1], block, 1));
	long total = 0, n;
	while ((n = read(p[0], block, sizeof block)) > 0)
		total += n;
	printf("drained %ld, then %s\n", total, errname(errno));
	close(p[1]);
	SHOW(read(p[0], block, 1));
	close(p[0]);
	need(pipe(p));
	signal(SIGPIPE, SIG_IGN);
	close(p[0]);
	SHOW(write(p[1], block, 1));
	close(p[1]);
	SHOW(pipe2(p, 12345));
	SHOW(pipe((int *)8));
}

int main(void)
{
	counters();
	timers();
	signals();
	pipes();
	return 0;
}
