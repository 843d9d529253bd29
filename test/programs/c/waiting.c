/* Sockets that wait: time-outs, MSG_WAITALL, full queues, interrupted connect,
 * SIGPIPE; and epoll with several threads. */
#include "report.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

static struct sockaddr_in address;
static int pair[2];
static char big[1 << 20];

static void new_pair(int type)
{
	if (pair[1] > 0) {
		close(pair[0]);
		close(pair[1]);
	}
	need(socketpair(AF_UNIX, type, 0, pair));
}

/* listener makes a TCP socket that listens on address. */
static int listener(int backlog)
{
	socklen_t len = sizeof address;
	int fd = need(socket(AF_INET, SOCK_STREAM, 0));
	address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	need(bind(fd, (struct sockaddr *)&address, sizeof address));
	need(listen(fd, backlog));
	need(getsockname(fd, (struct sockaddr *)&address, &len));
	return fd;
}

/* tcp_pair connects the pair over loopback. */
static void tcp_pair(void)
{
	int server = listener(1);
	close(pair[0]);
	close(pair[1]);
	pair[0] = need(socket(AF_INET, SOCK_STREAM, 0));
	need(connect(pair[0], (struct sockaddr *)&address, sizeof address));
	pair[1] = need(accept(server, NULL, NULL));
	close(server);
}

static void time_out(int fd, int option, long us)
{
	need(setsockopt(fd, SOL_SOCKET, option, &(struct timeval){ us / 1000000, us % 1000000 }, sizeof(struct timeval)));
}

static void time_outs(void)
{
	section("time-outs");
	char c;
	new_pair(SOCK_STREAM);
	time_out(pair[0], SO_RCVTIMEO, 30000);
	uint64_t start = now_ns(CLOCK_MONOTONIC);
	SHOW(recv(pair[0], &c, 1, 0));
	CHECK(now_ns(CLOCK_MONOTONIC) - start >= 30000000);
	SHOW(recv(pair[0], &c, 1, MSG_DONTWAIT));
	time_out(pair[1], SO_SNDTIMEO, 30000);
	start = now_ns(CLOCK_MONOTONIC);
	CHECK(send(pair[1], big, sizeof big, 0) > 1000); /* what went counts */
	CHECK(now_ns(CLOCK_MONOTONIC) - start >= 30000000);
	SHOW(send(pair[1], big, sizeof big, 0));
	SHOW(send(pair[1], big, sizeof big, MSG_DONTWAIT));
	struct timeval tv;
	socklen_t len = sizeof tv;
	SHOW(getsockopt(pair[1], SOL_SOCKET, SO_SNDTIMEO, &tv, &len));
	CHECK(tv.tv_sec == 0 && tv.tv_usec >= 30000 && tv.tv_usec < 50000);
	int server = need(socket(AF_INET, SOCK_STREAM, 0));
	need(listen(server, 1));
	time_out(server, SO_RCVTIMEO, 20000);
	SHOW(accept(server, NULL, NULL));
	close(server);
}

static void *write_later(void *arg)
{
	for (int i = 0; i < 4; i++) {
		sleep_ms(10);
		need(write(pair[1], "1234567", 7));
	}
	return arg;
}

static void wait_all(void)
{
	section("wait for all");
	pthread_t thread;
	char buf[64] = "";
	new_pair(SOCK_STREAM);
	need(pthread_create(&thread, NULL, write_later, NULL));
	SHOW(recv(pair[0], buf, 20, MSG_PEEK | MSG_WAITALL));
	SHOW(recv(pair[0], buf, 20, MSG_WAITALL));
	pthread_join(thread, NULL);
	printf("%s\n", buf);
	memset(buf, 0, sizeof buf);
	SHOW(recv(pair[0], buf, 3, MSG_PEEK));
	SHOW(recv(pair[0], buf, 20, MSG_WAITALL | MSG_DONTWAIT));
	printf("%s\n", buf);
	need(write(pair[1], "end", 3));
	time_out(pair[0], SO_RCVTIMEO, 30000);
	SHOW(recv(pair[0], buf, 20, MSG_PEEK | MSG_WAITALL));
	time_out(pair[0], SO_RCVTIMEO, 0);
	need(shutdown(pair[1], SHUT_WR));
	SHOW(recv(pair[0], buf, 20, MSG_PEEK | MSG_WAITALL));
	SHOW(recv(pair[0], buf, 20, MSG_WAITALL));
	SHOW(recv(pair[0], buf, 20, MSG_WAITALL));
	tcp_pair();
	need(pthread_create(&thread, NULL, write_later, NULL));
	SHOW(recv(pair[0], buf, 20, MSG_PEEK | MSG_WAITALL));
	SHOW(recv(pair[0], buf, 25, MSG_WAITALL));
	pthread_join(thread, NULL);
	time_out(pair[0], SO_RCVTIMEO, 30000);
	SHOW(recv(pair[0], buf, 20, MSG_PEEK | MSG_WAITALL));
	need(shutdown(pair[1], SHUT_WR));
	SHOW(recv(pair[0], buf, 20, MSG_PEEK | MSG_WAITALL));
	SHOW(recv(pair[0], buf, 20, MSG_WAITALL));
	new_pair(SOCK_SEQPACKET);
	need(write(pair[1], "packet", 6));
	SHOW(recv(pair[0], buf, 20, MSG_WAITALL));
	struct iovec iov = { buf, 3 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	need(write(pair[1], "packet", 6));
	SHOW(recvmsg(pair[0], &msg, 0));
	printf("flags %#x\n", msg.msg_flags);
}

static void *drain(void *arg)
{
	static char buf[70000];
	long total = 0, n;
	sleep_ms(20);
	while (total < (long)sizeof big && (n = read(pair[0], buf, sizeof buf)) > 0)
		total += n;
	*(long *)arg = total;
	return NULL;
}

static void full(void)
{
	section("full queues");
	pthread_t thread;
	long total = 0;
	new_pair(SOCK_STREAM);
	need(pthread_create(&thread, NULL, drain, &total));
	SHOW(send(pair[1], big, sizeof big, 0)); /* all of it, in pieces */
	pthread_join(thread, NULL);
	printf("drained %ld\n", total);

	struct sockaddr_un name = { AF_UNIX, "" };
	snprintf(name.sun_path + 1, 64, "torov-full-%d", getpid());
	int server = need(socket(AF_UNIX, SOCK_DGRAM, 0)), client = need(socket(AF_UNIX, SOCK_DGRAM, 0)), sent = 0;
	need(bind(server, (struct sockaddr *)&name, sizeof name));
	while (sendto(client, "x", 1, MSG_DONTWAIT, (struct sockaddr *)&name, sizeof name) == 1)
		sent++;
	printf("datagrams then %s %d\n", errname(errno), sent > 5);
	time_out(client, SO_SNDTIMEO, 30000);
	SHOW(sendto(client, "x", 1, 0, (struct sockaddr *)&name, sizeof name));
	SHOW(connect(client, (struct sockaddr *)&name, sizeof name));
	SHOW(send(client, "x", 1, 0));
	close(server);
	SHOW(send(client, "x", 1, MSG_NOSIGNAL));
	close(client);

	name.sun_path[1]++;
	server = need(socket(AF_UNIX, SOCK_STREAM, 0));
	need(bind(server, (struct sockaddr *)&name, sizeof name));
	need(listen(server, 0));
	int first = need(socket(AF_UNIX, SOCK_STREAM, 0)), second = need(socket(AF_UNIX, SOCK_STREAM, 0));
	SHOW(connect(first, (struct sockaddr *)&name, sizeof name));
	time_out(second, SO_SNDTIMEO, 30000);
	SHOW(connect(second, (struct sockaddr *)&name, sizeof name));
	SHOW(accept(server, NULL, NULL) > 0);
	SHOW(connect(second, (struct sockaddr *)&name, sizeof name));
	SHOW(connect(second, (struct sockaddr *)&name, sizeof name));
	close(first);
	close(second);
	close(server);
}

static int pipes_caught;
static void on_pipe(int sig) { pipes_caught += sig == SIGPIPE; }

static void broken(void)
{
	section("broken");
	struct sigaction sa = { .sa_handler = on_pipe };
	need(sigaction(SIGPIPE, &sa, NULL));
	static const int types[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_SEQPACKET };
	for (size_t i = 0; i < COUNT(types); i++) {
		new_pair(types[i]);
		pipes_caught = 0;
		need(shutdown(pair[0], SHUT_WR));
		SHOW(send(pair[0], "x", 1, MSG_NOSIGNAL));
		SHOW(send(pair[0], "x", 1, 0));
		printf("signals %d\n", pipes_caught);
		SHOW(recv(pair[1], big, 1, MSG_DONTWAIT));
		close(pair[0]);
		SHOW(recv(pair[1], big, 1, MSG_DONTWAIT));
		SHOW(send(pair[1], "x", 1, MSG_NOSIGNAL));
		pair[0] = need(dup(0));
	}
	signal(SIGPIPE, SIG_IGN);
}

static void on_alarm(int sig) { (void)sig; }

static void tick(long ms, int flags)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = flags };
	struct itimerval t = { { 0, ms * 1000 }, { 0, ms * 1000 } };
	need(sigaction(SIGALRM, &sa, NULL));
	need(setitimer(ITIMER_REAL, &t, NULL));
}

static void *accept_later(void *arg)
{
	sleep_ms(300);
	close(need(accept(*(int *)arg, NULL, NULL)));
	sleep_ms(2500);
	return arg;
}

/* A connection that a signal interrupts goes on by itself. */
static void interrupted(void)
{
	section("interrupted connect");
	pthread_t thread;
	int server = listener(0), fill = need(socket(AF_INET, SOCK_STREAM, 0)), fd = need(socket(AF_INET, SOCK_STREAM, 0));
	need(connect(fill, (struct sockaddr *)&address, sizeof address)); /* now the queue is full */
	tick(20, 0);
	SHOW(connect(fd, (struct sockaddr *)&address, sizeof address));
	tick(0, 0);
	struct pollfd p = { fd, POLLOUT, 0 };
	SHOW(poll(&p, 1, 50));
	time_out(fd, SO_SNDTIMEO, 30000);
	SHOW(connect(fd, (struct sockaddr *)&address, sizeof address));
	time_out(fd, SO_SNDTIMEO, 0);
	need(fcntl(fd, F_SETFL, O_NONBLOCK));
	SHOW(connect(fd, (struct sockaddr *)&address, sizeof address));
	need(fcntl(fd, F_SETFL, 0));
	need(pthread_create(&thread, NULL, accept_later, &server));
	tick(100, SA_RESTART);
	SHOW(connect(fd, (struct sockaddr *)&address, sizeof address));
	tick(0, 0);
	SHOW(connect(fd, (struct sockaddr *)&address, sizeof address));
	pthread_join(thread, NULL);
	close(fd);
	close(fill);
	close(server);
}

enum { EVENTS = 8, THREADS = 4, STOP = 1000 };
static int ep;
static long counted;

static void *count_events(void *arg)
{
	struct epoll_event e[4];
	uint64_t v;
	for (;;)
		for (int i = 0, n = need(epoll_wait(ep, e, 4, -1)); i < n; i++)
			if (e[i].data.u32 == STOP)
				return arg;
			else if (read(e[i].data.u32, &v, 8) == 8)
				__sync_fetch_and_add(&counted, v);
}

static int watched(uint32_t events, uint32_t key)
{
	int fd = need(eventfd(0, EFD_NONBLOCK));
	struct epoll_event e = { .events = events, .data.u32 = key ? key : (uint32_t)fd };
	need(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	return fd;
}

static void together(void)
{
	section("threads at one epoll");
	pthread_t threads[THREADS];
	int fds[EVENTS];
	uint64_t one = 1;
	ep = need(epoll_create1(0));
	for (int i = 0; i < EVENTS; i++)
		fds[i] = watched(EPOLLIN | EPOLLET, 0);
	for (int i = 0; i < THREADS; i++)
		need(pthread_create(&threads[i], NULL, count_events, NULL));
	for (int i = 0; i < 5000; i++)
		need(write(fds[i % EVENTS], &one, 8));
	while (__sync_fetch_and_add(&counted, 0) < 5000)
		sleep_ms(1);
	need(write(watched(EPOLLIN, STOP), &one, 8));
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("events %ld\n", counted);
}

int main(void)
{
	time_outs();
	wait_all();
	full();
	broken();
	interrupted();
	together();
	return 0;
}
