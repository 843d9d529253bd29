/* Waiting with poll, ppoll, select and pselect on pipes and sockets. */
#include "report.h"
#include <poll.h>
#include <sys/select.h>
#include <sys/socket.h>

static int pipe_fd[2], pair[2];

static void print_events(const char *what, int n, const struct pollfd *fds, int count)
{
	printf("%s: %d", what, n);
	for (int i = 0; i < count; i++)
		printf(" %#x", fds[i].revents);
	printf("\n");
}

#define POLL(fds, timeout) print_events("poll " #fds " " #timeout, poll(fds, COUNT(fds), timeout), fds, COUNT(fds))

static void polling(void)
{
	section("poll");
	struct pollfd p[] = { { pipe_fd[0], POLLIN, 0 }, { pipe_fd[1], POLLOUT, 0 }, { -1, POLLIN, 0 }, { 99, POLLIN, 0 } };
	POLL(p, 0);
	need(write(pipe_fd[1], "x", 1));
	POLL(p, -1);
	struct pollfd idle[] = { { pair[0], POLLIN | POLLRDHUP, 0 } };
	uint64_t start = now_ns(CLOCK_MONOTONIC);
	POLL(idle, 30);
	CHECK(now_ns(CLOCK_MONOTONIC) - start >= 30000000);
	need(send(pair[1], "y", 1, 0));
	POLL(idle, 10000);
	need(shutdown(pair[1], SHUT_WR));
	POLL(idle, 10000);
	char buf[8];
	need(read(pair[0], buf, 8));
	struct pollfd writing[] = { { pair[1], POLLOUT, 0 }, { pair[0], POLLOUT | POLLIN, 0 } };
	POLL(writing, 0);
	SHOW(poll(NULL, 0, 1));
	struct timespec t = { 0, 1000000 }, bad = { 0, -1 };
	idle[0].fd = pipe_fd[1];
	SHOW(ppoll(idle, 1, &t, NULL));
	SHOW(ppoll(idle, 1, &bad, NULL));
	SHOW(poll((void *)8, 1, 0));
	SHOW(poll(idle, 1u << 31, 0));
	int nothing = need(open("file", O_RDWR | O_CREAT, 0600));
	struct pollfd file[] = { { nothing, POLLIN | POLLOUT, 0 } };
	POLL(file, -1);
	close(nothing);
}

static void selecting(void)
{
	section("select");
	fd_set in, out;
	int most = pipe_fd[1] > pair[1] ? pipe_fd[1] + 1 : pair[1] + 1;
	FD_ZERO(&in);
	FD_ZERO(&out);
	FD_SET(pipe_fd[0], &in);
	FD_SET(pipe_fd[1], &out);
	SHOW(select(most, &in, &out, NULL, NULL));
	CHECK(FD_ISSET(pipe_fd[0], &in) && FD_ISSET(pipe_fd[1], &out));
	char c;
	need(read(pipe_fd[0], &c, 1));
	struct timeval tv = { 0, 20000 };
	SHOW(select(most, &in, NULL, NULL, &tv));
	CHECK(!FD_ISSET(pipe_fd[0], &in));
	printf("time left %ld\n", (long)tv.tv_usec);
	FD_SET(30, &in); /* not open, but within every table of descriptors */
	SHOW(select(31, &in, NULL, NULL, &tv));
	SHOW(select(-1, NULL, NULL, NULL, &tv));
	tv.tv_sec = -1;
	SHOW(select(0, NULL, NULL, NULL, &tv));
	FD_ZERO(&in);
	FD_SET(pipe_fd[0], &in);
	need(write(pipe_fd[1], "z", 1));
	struct timespec t = { 5, 0 };
	SHOW(pselect(most, &in, NULL, NULL, &t, NULL));
	CHECK(FD_ISSET(pipe_fd[0], &in));
}

static void hang_up(void)
{
	section("hang-up");
	int p[2];
	need(pipe(p));
	struct pollfd reader[] = { { p[0], POLLIN, 0 } };
	need(write(p[1], "last", 4));
	close(p[1]);
	POLL(reader, -1);
	char buf[8];
	SHOW(read(p[0], buf, 8));
	POLL(reader, -1);
	SHOW(read(p[0], buf, 8));
	close(p[0]);
	need(pipe(p));
	close(p[0]);
	struct pollfd writer[] = { { p[1], POLLOUT, 0 } };
	POLL(writer, -1);
	close(p[1]);
}

static int handled;
static void handler(int sig) { handled = sig; }

static void interrupted(void)
{
	section("interrupted");
	struct sigaction sa = { .sa_handler = handler };
	need(sigaction(SIGALRM, &sa, NULL));
	sigset_t block, none;
	sigemptyset(&none);
	sigemptyset(&block);
	sigaddset(&block, SIGALRM);
	need(sigprocmask(SIG_BLOCK, &block, NULL));
	need(raise(SIGALRM));
	struct pollfd idle[] = { { pair[0], 0, 0 } };
	printf("handled %d\n", handled);
	SHOW(ppoll(idle, 1, NULL, &none)); /* the mask opens for the time of the call */
	printf("handled %d\n", handled);
	handled = 0;
	need(raise(SIGALRM));
	SHOW(pselect(0, NULL, NULL, NULL, NULL, &none));
	printf("handled %d\n", handled);
}

int main(void)
{
	need(pipe(pipe_fd));
	need(socketpair(AF_UNIX, SOCK_STREAM, 0, pair));
	polling();
	selecting();
	hang_up();
	interrupted();
	return 0;
}
