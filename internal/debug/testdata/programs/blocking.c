/* Waits in one system call, named by the argument: alone, with a signal whose
 * handler lets the call go on, and with one whose handler does not. Says what
 * came of it each time. Another thread sends the signal, then what the call
 * waits for. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/futex.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SHORT 60000000 /* nanoseconds: long enough to be in the call by then */

static int ends[2], word, listener, epoll;
static struct sockaddr_in address;
static socklen_t address_length = sizeof address;
static volatile sig_atomic_t handled;
static pthread_t waiting;
static volatile int with_signal, about;

static void handler(int sig)
{
	(void)sig;
	handled++;
}

static void pause_for(long ns)
{
	struct timespec t = { 0, ns };
	while (clock_nanosleep(CLOCK_MONOTONIC, 0, &t, &t) == EINTR)
		;
}

static void *helper(void *arg)
{
	char c = 'x';
	while (!about)
		pause_for(1000000);
	pause_for(SHORT);
	if (with_signal)
		pthread_kill(waiting, SIGUSR1);
	pause_for(SHORT);
	if (write(ends[1], &c, 1) != 1)
		perror("write");
	__atomic_store_n(&word, 1, __ATOMIC_SEQ_CST);
	syscall(SYS_futex, &word, FUTEX_WAKE, 1, NULL, NULL, 0);
	int s = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(s, (struct sockaddr *)&address, sizeof address))
		perror("connect");
	close(s);
	return arg;
}

static long call(const char *name)
{
	struct timespec nap = { 0, 2 * SHORT };
	struct pollfd pollfd = { ends[0], POLLIN, 0 };
	struct epoll_event event;
	char c;
	if (!strcmp(name, "read"))
		return read(ends[0], &c, 1);
	if (!strcmp(name, "nanosleep"))
		return syscall(SYS_nanosleep, &nap, NULL);
	if (!strcmp(name, "futex"))
		return syscall(SYS_futex, &word, FUTEX_WAIT, 0, NULL, NULL, 0);
	if (!strcmp(name, "poll"))
		return poll(&pollfd, 1, 10000);
	if (!strcmp(name, "epoll"))
		return epoll_wait(epoll, &event, 1, 10000);
	return accept(listener, NULL, NULL) > 0;
}

static void try(const char *name, const char *how, int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags < 0 ? 0 : flags };
	struct timespec begin, end;
	pthread_t t;
	sigaction(SIGUSR1, &action, NULL);
	if (pipe(ends))
		perror("pipe");
	handled = word = about = 0;
	with_signal = flags >= 0;
	epoll = epoll_create1(0);
	struct epoll_event event = { EPOLLIN, { .fd = ends[0] } };
	epoll_ctl(epoll, EPOLL_CTL_ADD, ends[0], &event);
	listener = socket(AF_INET, SOCK_STREAM, 0);
	address.sin_family = AF_INET;
	address.sin_port = 0;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&address, &address_length))
		perror("listen");
	pthread_create(&t, NULL, helper, NULL);
	clock_gettime(CLOCK_MONOTONIC, &begin);
	errno = 0;
	about = 1;
	long result = call(name);
	int error = errno;
	clock_gettime(CLOCK_MONOTONIC, &end);
	pthread_join(t, NULL);
	long ns = (end.tv_sec - begin.tv_sec) * 1000000000 + end.tv_nsec - begin.tv_nsec;
	printf("%s, %s: %ld, %s, %d signals\n", name, how, result, strerrorname_np(error), (int)handled);
	if (!strcmp(name, "nanosleep") && !result && ns < 2 * SHORT)
		printf("%ld ns are too short\n", ns);
	close(listener);
	close(epoll);
	close(ends[0]);
	close(ends[1]);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 1;
	waiting = pthread_self();
	try(argv[1], "no signal", -1);
	try(argv[1], "SA_RESTART", SA_RESTART);
	try(argv[1], "no flags", 0);
	return 0;
}
