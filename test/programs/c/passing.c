/* What goes through Unix sockets beside data: descriptors with their flags, up
 * to the limit of descriptors, and credentials; netlink; bad arguments. */
#include "report.h"
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>

static int pair[2];

static void new_pair(int type)
{
	if (pair[1] > 0) {
		close(pair[0]);
		close(pair[1]);
	}
	need(socketpair(AF_UNIX, type, 0, pair));
}

/* give sends a descriptor through the pair, take receives one. */
static long give(int fd)
{
	char control[CMSG_SPACE(sizeof fd)] = "";
	struct iovec iov = { "", 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof fd), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS };
	memcpy(CMSG_DATA(c), &fd, sizeof fd);
	return sendmsg(pair[0], &msg, 0);
}

static int take(void)
{
	char control[CMSG_SPACE(sizeof(int))] = "", data;
	struct iovec iov = { &data, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control };
	int fd = -1;
	need(recvmsg(pair[1], &msg, 0));
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	printf("flags %#x control %d\n", msg.msg_flags, (int)msg.msg_controllen);
	if (c)
		memcpy(&fd, CMSG_DATA(c), sizeof fd);
	return fd;
}

static void *pipe_later(void *arg)
{
	sleep_ms(20);
	need(write(*(int *)arg, "late", 4));
	return arg;
}

static void passed(void)
{
	section("passed descriptors");
	int p[2];
	char buf[16] = "";
	pthread_t thread;
	new_pair(SOCK_STREAM);
	need(pipe(p));
	SHOW(give(p[0]));
	int got = take();
	CHECK((fcntl(got, F_GETFL) & O_NONBLOCK) == 0 && fcntl(got, F_GETFD) == 0);
	need(pthread_create(&thread, NULL, pipe_later, &p[1]));
	SHOW(read(got, buf, sizeof buf)); /* it still blocks */
	pthread_join(thread, NULL);
	need(pthread_create(&thread, NULL, pipe_later, &p[1]));
	SHOW(read(p[0], buf, sizeof buf)); /* and so does the first */
	pthread_join(thread, NULL);
	close(p[0]);
	close(got);
	SHOW(write(p[1], "x", 1) == -1);

	need(pipe2(p, O_NONBLOCK));
	SHOW(give(p[0]));
	got = take();
	CHECK((fcntl(got, F_GETFL) & O_NONBLOCK) != 0);
	SHOW(read(got, buf, sizeof buf));
	close(got);
	close(p[0]);
	close(p[1]);

	int server = need(socket(AF_INET, SOCK_STREAM, 0));
	struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof address;
	need(bind(server, (struct sockaddr *)&address, sizeof address));
	need(listen(server, 5));
	need(getsockname(server, (struct sockaddr *)&address, &len));
	SHOW(give(server));
	got = take();
	close(server);
	int client = need(socket(AF_INET, SOCK_STREAM, 0));
	SHOW(give(client));
	int other = take();
	SHOW(connect(other, (struct sockaddr *)&address, sizeof address));
	SHOW(send(client, "by the other", 12, 0));
	int conn = need(accept(got, NULL, NULL));
	SHOW(recv(conn, buf, sizeof buf, 0));
	printf("%.12s\n", buf);
	close(conn);
	close(client);
	close(other);
	close(got);
	SHOW(give(77));

	struct rlimit limit, less;
	need(getrlimit(RLIMIT_NOFILE, &limit));
	less = limit;
	less.rlim_cur = need(dup(0)) + 1;
	SHOW(give(1));
	need(setrlimit(RLIMIT_NOFILE, &less));
	CHECK(take() == -1);
	SHOW(socket(AF_UNIX, SOCK_STREAM, 0));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, p));
	SHOW(pipe(p));
	SHOW(epoll_create1(0));
	need(setrlimit(RLIMIT_NOFILE, &limit));
	close(less.rlim_cur - 1);
}

static void credentials(void)
{
	section("credentials");
	union {
		char bytes[CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr header;
	} control = { "" };
	char data;
	struct iovec iov = { &data, 1 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	new_pair(SOCK_STREAM);
	need(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &(int){ 1 }, sizeof(int)));
	need(send(pair[0], "x", 1, 0));
	SHOW(recvmsg(pair[1], &msg, 0));
	struct ucred cred;
	memcpy(&cred, CMSG_DATA(&control.header), sizeof cred);
	CHECK(control.header.cmsg_type == SCM_CREDENTIALS && cred.pid == getpid() && cred.uid == getuid());
	cred.gid = getgid();
	memcpy(CMSG_DATA(&control.header), &cred, sizeof cred);
	SHOW(sendmsg(pair[0], &msg, 0));
	SHOW(recvmsg(pair[1], &msg, 0));
	control.header.cmsg_len = 5;
	SHOW(sendmsg(pair[0], &msg, 0));
	control.header.cmsg_len = 500;
	SHOW(sendmsg(pair[0], &msg, 0));
	msg.msg_controllen = 1u << 31;
	SHOW(sendmsg(pair[0], &msg, 0));
}

static void bad(void)
{
	section("bad arguments");
	struct sockaddr_un name = { AF_UNIX, "no-such-socket" };
	char c[16];
	socklen_t len = sizeof name;
	new_pair(SOCK_STREAM);
	int fd = need(socket(AF_UNIX, SOCK_STREAM, 0)), udp = need(socket(AF_INET, SOCK_DGRAM, 0));
	SHOW(connect(fd, (struct sockaddr *)&name, sizeof name));
	strcpy(name.sun_path, "/dev/null");
	SHOW(connect(fd, (struct sockaddr *)&name, sizeof name));
	SHOW(bind(fd, (struct sockaddr *)&name, sizeof name));
	strcpy(name.sun_path, "/no/such/directory/socket");
	SHOW(bind(fd, (struct sockaddr *)&name, sizeof name));
	strcpy(name.sun_path, "/dev/null/socket");
	SHOW(bind(fd, (struct sockaddr *)&name, sizeof name));
	strcpy(name.sun_path, "/");
	SHOW(bind(fd, (struct sockaddr *)&name, sizeof name));
	strcpy(name.sun_path, "new/");
	SHOW(bind(fd, (struct sockaddr *)&name, sizeof name));
	memset(name.sun_path, 'x', sizeof name.sun_path); /* no NUL: 108 bytes are the most */
	SHOW(bind(fd, (struct sockaddr *)&name, sizeof name));
	SHOW(bind(fd, (struct sockaddr *)&name, sizeof name));
	SHOW(bind(fd, (struct sockaddr *)&name, sizeof name + 1));
	SHOW(unlink("xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"));
	SHOW(bind(udp, (struct sockaddr *)&name, sizeof name));
	SHOW(connect(udp, (struct sockaddr *)&name, sizeof name));
	SHOW(connect(fd, (struct sockaddr *)8, 16));
	SHOW(connect(fd, (struct sockaddr *)&name, -1));
	SHOW(connect(fd, (struct sockaddr *)&name, 1000));
	SHOW(connect(fd, (struct sockaddr *)&name, 1));
	SHOW(connect(fd, (struct sockaddr *)&name, 0));
	SHOW(getsockname(fd, (struct sockaddr *)8, &len));
	SHOW(getsockname(fd, (struct sockaddr *)&name, (socklen_t *)8));
	len = -1;
	SHOW(getsockname(fd, (struct sockaddr *)&name, &len));
	len = 0;
	SHOW(getsockname(fd, NULL, &len));
	printf("length %d\n", (int)len);
	SHOW(getpeername(fd, (struct sockaddr *)&name, &len));
	SHOW(send(pair[0], (void *)8, 1, 0));
	SHOW(send(pair[0], c, -1, 0));
	SHOW(recv(pair[0], c, 1, 0x7fff0000 | MSG_DONTWAIT));
	SHOW(recv(0, c, 1, 0));
	SHOW(recv(99, c, 1, 0));
	struct iovec iov[3] = { { c, 1 }, { c, 2 }, { (void *)8, 1 } };
	struct msghdr msg = { .msg_iov = iov, .msg_iovlen = 3 };
	SHOW(sendmsg(pair[0], &msg, 0));
	msg.msg_iovlen = 1025;
	SHOW(sendmsg(pair[0], &msg, 0));
	SHOW(recvmsg(pair[0], &msg, MSG_DONTWAIT));
	msg.msg_iovlen = 1;
	iov[0].iov_len = -1;
	SHOW(sendmsg(pair[0], &msg, 0));
	SHOW(recvmsg(pair[0], &msg, MSG_DONTWAIT));
	iov[0].iov_len = 1;
	msg.msg_name = c;
	msg.msg_namelen = -1;
	SHOW(sendmsg(pair[0], &msg, 0));
	SHOW(syscall(SYS_sendmsg, pair[0], 8, 0)); /* musl looks into it itself */
	SHOW(syscall(SYS_recvmsg, pair[0], 8, 0));
	SHOW(accept4(fd, NULL, NULL, 12345));
	SHOW(accept(pair[0], NULL, NULL));
	SHOW(listen(pair[0], 1));
	SHOW(socket(AF_UNIX, SOCK_STREAM, 7));
	SHOW(socket(AF_UNIX, SOCK_STREAM | 0x100000, 0));
	SHOW(socket(AF_UNIX, 0, 0));
	SHOW(socketpair(AF_UNIX, 77, 0, pair));
	SHOW(shutdown(fd, SHUT_RD));
	int value;
	len = 2;
	SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len));
	printf("length %d\n", (int)len);
	len = -1;
	SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, &len));
	SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, (socklen_t *)8));
	len = 4;
	SHOW(getsockopt(fd, SOL_SOCKET, SO_TYPE, (void *)8, &len));
	SHOW(getsockopt(fd, IPPROTO_TCP, 1, &value, &len));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, (void *)8, 4));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, -1));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int[99]){ 9999 }, 99 * 4));
	close(fd);
	close(udp);
}

/* The list of addresses comes from the kernel's routing tables. */
static void routes(void)
{
	section("netlink");
	struct ifaddrs *all = NULL;
	int loopback = 0;
	SHOW(getifaddrs(&all));
	for (struct ifaddrs *a = all; a; a = a->ifa_next)
		loopback += a->ifa_addr && a->ifa_addr->sa_family == AF_INET &&
			    ((struct sockaddr_in *)(void *)a->ifa_addr)->sin_addr.s_addr == htonl(INADDR_LOOPBACK);
	freeifaddrs(all);
	printf("loopback %d\n", loopback);
	SHOW(socket(AF_NETLINK, SOCK_RAW, 9999));
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	passed();
	credentials();
	bad();
	routes();
	return 0;
}
