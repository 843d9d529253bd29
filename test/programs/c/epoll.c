/* epoll: level and edge triggered, one-shot, nested, closed descriptors, and
 * a thread that changes the set while another waits. */
#include "report.h"
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

static int ep;

static void wait_for(const char *what, int timeout)
{
	struct epoll_event events[8];
	int n = epoll_wait(ep, events, 8, timeout);
	printf("%s: %d", what, n);
	/* The kernel's order is that of becoming ready; print by the data. */
	for (uint32_t key = 0; key < 100; key++)
		for (int i = 0; i < n; i++)
			if (events[i].data.u32 == key)
				printf(" %u:%#x", key, events[i].events);
	printf("\n");
}

static int control(int op, int fd, uint32_t events, uint32_t key)
{
	struct epoll_event e = { .events = events, .data.u32 = key };
	return epoll_ctl(ep, op, fd, &e);
}

static void triggers(void)
{
	section("triggers");
	int p[2], event = need(eventfd(0, EFD_NONBLOCK));
	char buf[16];
	uint64_t count;
	need(pipe(p));
	SHOW(control(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	SHOW(control(EPOLL_CTL_ADD, p[0], EPOLLIN, 1));
	SHOW(control(EPOLL_CTL_ADD, p[1], EPOLLOUT, 2));
	wait_for("writable", -1);
	SHOW(control(EPOLL_CTL_MOD, p[1], 0, 2));
	wait_for("nothing", 10);
	need(write(p[1], "abc", 3));
	wait_for("level", -1);
	wait_for("level again", -1);
	SHOW(control(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLET, 1));
	wait_for("edge", 0);
	wait_for("no edge", 0);
	need(write(p[1], "d", 1));
	wait_for("new edge", -1);
	SHOW(control(EPOLL_CTL_MOD, p[0], EPOLLIN | EPOLLONESHOT, 3));
	wait_for("one shot", -1);
	wait_for("shot", 0);
	SHOW(control(EPOLL_CTL_MOD, p[0], EPOLLIN, 4));
	wait_for("rearmed", -1);
	need(read(p[0], buf, sizeof buf));
	SHOW(control(EPOLL_CTL_ADD, event, EPOLLIN, 5));
	wait_for("empty", 0);
	count = 3;
	need(write(event, &count, 8));
	need(write(p[1], "e", 1));
	wait_for("both", -1);
	need(read(event, &count, 8));
	close(p[1]);
	wait_for("hang-up", -1);
	SHOW(control(EPOLL_CTL_DEL, p[0], 0, 0));
	SHOW(control(EPOLL_CTL_DEL, p[0], 0, 0));
	SHOW(control(EPOLL_CTL_MOD, p[0], EPOLLIN, 0));
	wait_for("removed", 0);
	close(event);
	SHOW(control(EPOLL_CTL_MOD, event, EPOLLIN, 0));
	close(p[0]);
}

static void refused(void)
{
	section("refused");
	struct epoll_event e[2];
	int file = need(open("file", O_RDWR | O_CREAT, 0600));
	SHOW(control(EPOLL_CTL_ADD, file, EPOLLIN, 1));
	SHOW(control(EPOLL_CTL_ADD, 99, EPOLLIN, 1));
	SHOW(control(EPOLL_CTL_ADD, ep, EPOLLIN, 1));
	SHOW(control(42, 0, EPOLLIN, 1));
	SHOW(epoll_wait(ep, e, 0, 0));
	SHOW(epoll_wait(ep, e, -1, 0));
	SHOW(epoll_wait(99, e, 1, 0));
	SHOW(epoll_wait(file, e, 1, 0));
	SHOW(epoll_create(0));
	SHOW(epoll_create1(12345));
	SHOW(epoll_pwait(ep, e, 1, 0, NULL));
	close(file);
}

static void nested(void)
{
	section("nested");
	int inner = need(epoll_create1(0)), event = need(eventfd(0, 0));
	struct epoll_event e = { .events = EPOLLIN, .data.u32 = 9 };
	need(epoll_ctl(inner, EPOLL_CTL_ADD, event, &e));
	SHOW(control(EPOLL_CTL_ADD, inner, EPOLLIN, 7));
	wait_for("quiet", 0);
	uint64_t one = 1;
	need(write(event, &one, 8));
	wait_for("inner is ready", -1);
	/* A duplicate keeps the registration of a closed number alive. */
	int copy = need(dup(event));
	close(event);
	printf("inner %d\n", epoll_wait(inner, &e, 1, 0));
	close(copy);
	printf("inner %d\n", epoll_wait(inner, &e, 1, 0));
	close(inner);
	wait_for("closed", 0);
}

static int late;

static void *later(void *arg)
{
	sleep_ms(20);
	control(EPOLL_CTL_ADD, late, EPOLLIN, 6);
	sleep_ms(20);
	uint64_t one = 1;
	need(write(late, &one, 8));
	return arg;
}

static void from_thread(void)
{
	section("changed while waiting");
	late = need(eventfd(0, 0));
	pthread_t thread;
	need(pthread_create(&thread, NULL, later, NULL));
	wait_for("added by a thread", 10000);
	pthread_join(thread, NULL);
	close(late);
}

int main(void)
{
	ep = need(epoll_create1(EPOLL_CLOEXEC));
	triggers();
	refused();
	nested();
	from_thread();
	return 0;
}
