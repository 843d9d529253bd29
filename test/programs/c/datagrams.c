/* Datagrams: UDP, Unix sockets, socketpair, sendmsg with descriptors and
 * credentials, sendmmsg and recvmmsg. */
#include "report.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

static struct sockaddr_in address;
static socklen_t len;

static int udp_bound(void)
{
	int fd = need(socket(AF_INET, SOCK_DGRAM, 0));
	address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	need(bind(fd, (struct sockaddr *)&address, sizeof address));
	len = sizeof address;
	need(getsockname(fd, (struct sockaddr *)&address, &len));
	return fd;
}

static void udp(void)
{
	section("UDP");
	int server = udp_bound(), client = need(socket(AF_INET, SOCK_DGRAM, 0));
	char buf[64] = "";
	SHOW(send(client, "x", 1, 0));
	SHOW(sendto(client, "datagram", 8, 0, (struct sockaddr *)&address, sizeof address));
	SHOW(sendto(client, "", 0, 0, (struct sockaddr *)&address, sizeof address));
	struct sockaddr_in from;
	len = sizeof from;
	SHOW(recvfrom(server, buf, 4, 0, (struct sockaddr *)&from, &len)); /* cut */
	printf("%s from %s length %d\n", buf, inet_ntoa(from.sin_addr), (int)len);
	SHOW(recvfrom(server, buf, 64, 0, NULL, NULL));
	SHOW(recv(server, buf, 64, MSG_DONTWAIT));
	SHOW(connect(client, (struct sockaddr *)&address, sizeof address));
	SHOW(write(client, "connected", 9));
	struct iovec iov[2] = { { buf, 4 }, { buf + 10, 20 } };
	struct msghdr msg = { .msg_name = &from, .msg_namelen = sizeof from, .msg_iov = iov, .msg_iovlen = 2 };
	SHOW(recvmsg(server, &msg, 0));
	printf("%.4s %.5s namelen %d flags %#x\n", buf, buf + 10, (int)msg.msg_namelen, msg.msg_flags);
	SHOW(sendto(server, "a", 1, 0, (struct sockaddr *)&from, sizeof from));
	need(sendto(server, "long one", 8, 0, (struct sockaddr *)&from, sizeof from));
	SHOW(recv(client, buf, 64, 0));
	SHOW(recv(client, buf, 3, MSG_TRUNC));
	static char big[70000];
	SHOW(sendto(client, big, sizeof big, 0, NULL, 0));
	SHOW(sendto(client, "x", 1, 0, (struct sockaddr *)&address, 3));
	need(setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 0, 20000 }, sizeof(struct timeval)));
	SHOW(recv(server, buf, 1, 0));
	SHOW(listen(server, 1));
	close(server);
	close(client);
}

static void named(const char *title, const struct sockaddr_un *name, socklen_t namelen)
{
	section(title);
	int server = need(socket(AF_UNIX, SOCK_STREAM, 0)), client = need(socket(AF_UNIX, SOCK_STREAM, 0));
	struct sockaddr_un got;
	char buf[16] = "";
	SHOW(connect(client, (struct sockaddr *)name, namelen));
	SHOW(bind(server, (struct sockaddr *)name, namelen));
	SHOW(connect(client, (struct sockaddr *)name, namelen));
	SHOW(listen(server, 2));
	SHOW(connect(client, (struct sockaddr *)name, namelen));
	len = sizeof got;
	int conn = need(accept(server, (struct sockaddr *)&got, &len));
	printf("peer's length %d\n", (int)len);
	len = sizeof got;
	SHOW(getpeername(client, (struct sockaddr *)&got, &len));
	CHECK(memcmp(got.sun_path, name->sun_path, 3) == 0);
	SHOW(write(client, "over unix", 9));
	SHOW(read(conn, buf, sizeof buf));
	printf("%s\n", buf);
	struct ucred cred = { 0, 77, 77 };
	len = sizeof cred;
	SHOW(getsockopt(conn, SOL_SOCKET, SO_PEERCRED, &cred, &len));
	CHECK(cred.uid == getuid() && cred.gid == getgid() && cred.pid > 0);
	close(client);
	SHOW(read(conn, buf, 1));
	SHOW(send(conn, "x", 1, MSG_NOSIGNAL));
	close(conn);
	close(server);
	int again = need(socket(AF_UNIX, SOCK_STREAM, 0));
	SHOW(bind(again, (struct sockaddr *)name, namelen));
	close(again);
}

static void passing(void)
{
	section("descriptors in messages");
	int pair[2], p[2];
	need(socketpair(AF_UNIX, SOCK_DGRAM, 0, pair));
	need(pipe(p));
	need(write(p[1], "through the pipe", 16));
	char data[8] = "take it", control[CMSG_SPACE(3 * sizeof(int))] = "", buf[32] = "";
	struct iovec iov = { data, 7 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = CMSG_SPACE(2 * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	memcpy(CMSG_DATA(c), (int[]){ p[0], 1 }, 2 * sizeof(int));
	SHOW(sendmsg(pair[0], &msg, 0));
	memcpy(CMSG_DATA(c), (int[]){ 99, 1 }, 2 * sizeof(int));
	SHOW(sendmsg(pair[0], &msg, 0));
	close(p[0]);

	memset(control, 0, sizeof control);
	iov = (struct iovec){ buf, sizeof buf };
	msg.msg_controllen = sizeof control;
	SHOW(recvmsg(pair[1], &msg, MSG_CMSG_CLOEXEC));
	c = CMSG_FIRSTHDR(&msg);
	int got[2] = { -1, -1 };
	printf("level %d type %d length %d flags %#x\n", c->cmsg_level, c->cmsg_type, (int)c->cmsg_len, msg.msg_flags);
	memcpy(got, CMSG_DATA(c), sizeof got);
	CHECK(got[0] > 2 && got[1] > got[0] && (fcntl(got[0], F_GETFD) & FD_CLOEXEC));
	memset(buf, 0, sizeof buf);
	SHOW(read(got[0], buf, sizeof buf));
	printf("%s\n", buf);
	fflush(stdout);
	SHOW(write(got[1], "by the copy of stdout\n", 22));

	/* No room for the descriptor: it is dropped and MSG_CTRUNC set. */
	msg.msg_controllen = CMSG_SPACE(2 * sizeof(int));
	c->cmsg_len = CMSG_LEN(2 * sizeof(int));
	need(sendmsg(pair[0], &msg, 0));
	msg.msg_controllen = 0;
	SHOW(recvmsg(pair[1], &msg, 0) > 0);
	printf("flags %#x\n", msg.msg_flags & ~0x40000000);
	close(pair[0]);
	close(pair[1]);
}

static void pairs(void)
{
	section("socketpair");
	static const struct { const char *name; int type; } types[] = {
		{ "stream", SOCK_STREAM }, { "dgram", SOCK_DGRAM }, { "seqpacket", SOCK_SEQPACKET } };
	for (size_t i = 0; i < COUNT(types); i++) {
		int pair[2];
		char buf[16] = "";
		need(socketpair(AF_UNIX, types[i].type | SOCK_NONBLOCK, 0, pair));
		need(write(pair[0], "one", 3));
		need(write(pair[0], "two", 3));
		printf("%s: first read %d", types[i].name, (int)read(pair[1], buf, sizeof buf));
		close(pair[0]);
		printf(", second %d", (int)read(pair[1], buf, sizeof buf));
		int n = read(pair[1], buf, sizeof buf);
		printf(", then %d %s\n", n, n < 0 ? errname(errno) : "");
		close(pair[1]);
	}
	int pair[2];
	SHOW(socketpair(AF_INET, SOCK_STREAM, 0, pair));
	SHOW(socketpair(AF_UNIX, SOCK_STREAM, 0, (int *)8));
}

static void several(void)
{
	section("sendmmsg and recvmmsg");
	int server = udp_bound(), client = need(socket(AF_INET, SOCK_DGRAM, 0));
	need(connect(client, (struct sockaddr *)&address, sizeof address));
	char text[5][16], buf[8][16];
	struct iovec out[5], in[8];
	struct mmsghdr send[5], receive[8];
	memset(send, 0, sizeof send);
	memset(receive, 0, sizeof receive);
	memset(buf, 0, sizeof buf);
	for (int i = 0; i < 5; i++) {
		out[i] = (struct iovec){ text[i], sprintf(text[i], "message %d", i * 111) };
		send[i].msg_hdr = (struct msghdr){ .msg_iov = &out[i], .msg_iovlen = 1 };
	}
	for (int i = 0; i < 8; i++) {
		in[i] = (struct iovec){ buf[i], 15 };
		receive[i].msg_hdr = (struct msghdr){ .msg_iov = &in[i], .msg_iovlen = 1 };
	}
	SHOW(sendmmsg(client, send, 5, 0));
	printf("sent %u %u\n", send[0].msg_len, send[4].msg_len);
	SHOW(recvmmsg(server, receive, 8, MSG_DONTWAIT, NULL));
	for (int i = 0; i < 5; i++)
		printf("%u %s\n", receive[i].msg_len, buf[i]);
	SHOW(recvmmsg(server, receive, 8, MSG_DONTWAIT, NULL));
	send[2].msg_hdr.msg_iov = (void *)8; /* the first two still go */
	SHOW(sendmmsg(client, send, 5, 0));
	SHOW(recvmmsg(server, receive, 1, MSG_WAITFORONE, NULL));
	SHOW(recvmmsg(server, receive, 8, MSG_WAITFORONE, NULL));
	close(server);
	close(client);
}

int main(void)
{
	struct sockaddr_un path = { AF_UNIX, "socket" }, abstract = { AF_UNIX, "" };
	snprintf(abstract.sun_path + 1, 64, "torov-test-%d", getpid());
	udp();
	named("path", &path, sizeof path);
	named("abstract", &abstract, offsetof(struct sockaddr_un, sun_path) + 1 + strlen(abstract.sun_path + 1));
	passing();
	pairs();
	several();
	return 0;
}
