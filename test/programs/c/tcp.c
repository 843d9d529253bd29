/* TCP on loopback: a whole conversation in one thread, options, errors,
 * shutdown, half-closed, non-blocking connect, IPv6, large transfers with a
 * thread at the other end. */
#include "report.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

static struct sockaddr_in address;
static socklen_t len;

static int listener(void)
{
	int fd = need(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
	address = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	len = sizeof address;
	SHOW(bind(fd, (struct sockaddr *)&address, sizeof address));
	SHOW(listen(fd, 5));
	SHOW(getsockname(fd, (struct sockaddr *)&address, &len));
	CHECK(len == sizeof address && address.sin_port != 0);
	return fd;
}

static void conversation(int server)
{
	section("conversation");
	int client = need(socket(AF_INET, SOCK_STREAM, 0));
	SHOW(connect(client, (struct sockaddr *)&address, sizeof address));
	SHOW(connect(client, (struct sockaddr *)&address, sizeof address));
	struct sockaddr_in peer, own;
	len = sizeof peer;
	int conn = need(accept4(server, (struct sockaddr *)&peer, &len, SOCK_CLOEXEC));
	printf("family %d length %d address %s\n", peer.sin_family, (int)len, inet_ntoa(peer.sin_addr));
	len = sizeof own;
	SHOW(getsockname(client, (struct sockaddr *)&own, &len));
	CHECK(own.sin_port == peer.sin_port);
	SHOW(getpeername(client, (struct sockaddr *)&own, &len));
	CHECK(own.sin_port == address.sin_port);

	char buf[64] = "";
	SHOW(send(client, "request", 7, 0));
	SHOW(recv(conn, buf, 3, MSG_PEEK));
	SHOW(recv(conn, buf, 4, MSG_WAITALL));
	printf("%s\n", buf);
	int waiting = 0;
	SHOW(ioctl(conn, FIONREAD, &waiting));
	printf("waiting %d\n", waiting);
	SHOW(read(conn, buf, sizeof buf));
	SHOW(recv(conn, buf, sizeof buf, MSG_DONTWAIT));
	SHOW(write(conn, "answer", 6));
	SHOW(recvfrom(client, buf, sizeof buf, 0, NULL, NULL));
	printf("%.6s\n", buf);
	SHOW(sendto(client, "!", 1, 0, NULL, 0));
	SHOW(shutdown(client, SHUT_WR));
	SHOW(recv(conn, buf, sizeof buf, 0));
	SHOW(recv(conn, buf, sizeof buf, 0));
	SHOW(send(conn, "still", 5, 0));
	SHOW(recv(client, buf, sizeof buf, 0));
	SHOW(send(client, "x", 1, MSG_NOSIGNAL));
	close(client);
	close(conn);
}

static void options(int server)
{
	section("options");
	int value = 1, fd = need(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, IPPROTO_TCP));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof value));
	SHOW(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, sizeof value));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &value, sizeof value));
	SHOW(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &(int){ 15 }, sizeof value));
	struct { const char *name; int level, option; } all[] = {
		{ "SO_REUSEADDR", SOL_SOCKET, SO_REUSEADDR }, { "TCP_NODELAY", IPPROTO_TCP, TCP_NODELAY },
		{ "SO_TYPE", SOL_SOCKET, SO_TYPE }, { "SO_DOMAIN", SOL_SOCKET, SO_DOMAIN },
		{ "SO_PROTOCOL", SOL_SOCKET, SO_PROTOCOL }, { "SO_ERROR", SOL_SOCKET, SO_ERROR },
		{ "SO_ACCEPTCONN", SOL_SOCKET, SO_ACCEPTCONN }, { "TCP_KEEPIDLE", IPPROTO_TCP, TCP_KEEPIDLE },
		{ "unknown option", SOL_SOCKET, 9999 }, { "unknown level", 7777, 1 },
	};
	for (size_t i = 0; i < COUNT(all); i++) {
		value = -1;
		len = sizeof value;
		int r = getsockopt(fd, all[i].level, all[i].option, &value, &len);
		printf("%s: %s %d\n", all[i].name, r < 0 ? errname(errno) : "ok", value);
	}
	len = sizeof value;
	SHOW(getsockopt(server, SOL_SOCKET, SO_ACCEPTCONN, &value, &len));
	printf("accepting %d\n", value);
	SHOW(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 0, 30000 }, sizeof(struct timeval)));
	SHOW(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, 1));
	SHOW(setsockopt(0, SOL_SOCKET, SO_RCVBUF, &value, 4));
	SHOW(accept(fd, NULL, NULL));
	struct linger linger = { 1, 0 };
	SHOW(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof linger));
	close(fd);
}

static void refused(int server)
{
	section("refused");
	int fd = need(socket(AF_INET, SOCK_STREAM, 0));
	struct sockaddr_in free_port = address;
	char buf[8];
	SHOW(bind(fd, (struct sockaddr *)&address, sizeof address));
	SHOW(listen(fd, 1) == 0);
	SHOW(bind(fd, (struct sockaddr *)&address, 3));
	SHOW(recv(fd, buf, 8, MSG_DONTWAIT));
	close(fd);
	/* A port that was bound a moment ago and is free again. */
	int probe = need(socket(AF_INET, SOCK_STREAM, 0));
	free_port.sin_port = 0;
	need(bind(probe, (struct sockaddr *)&free_port, sizeof free_port));
	len = sizeof free_port;
	need(getsockname(probe, (struct sockaddr *)&free_port, &len));
	close(probe);
	fd = need(socket(AF_INET, SOCK_STREAM, 0));
	SHOW(connect(fd, (struct sockaddr *)&free_port, sizeof free_port));
	close(fd);
	fd = need(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	int r = connect(fd, (struct sockaddr *)&free_port, sizeof free_port);
	printf("non-blocking: %s\n", r < 0 && (errno == EINPROGRESS || errno == ECONNREFUSED) ? "in progress or refused" : "wrong");
	struct pollfd p = { fd, POLLOUT, 0 };
	need(poll(&p, 1, 10000));
	int error = -1;
	len = sizeof error;
	need(getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len));
	printf("error now %s\n", r < 0 && (error == ECONNREFUSED || errno == ECONNREFUSED) ? "ECONNREFUSED" : errname(error));
	close(fd);
	fd = need(open("/dev/null", O_RDWR));
	SHOW(connect(fd, (struct sockaddr *)&address, sizeof address));
	SHOW(listen(fd, 1));
	SHOW(accept(fd, NULL, NULL));
	SHOW(accept(99, NULL, NULL));
	SHOW(send(fd, "x", 1, 0));
	SHOW(shutdown(fd, SHUT_RD));
	SHOW(shutdown(server, 77));
	SHOW(socket(9999, SOCK_STREAM, 0));
	SHOW(socket(AF_INET, 77, 0));
	SHOW(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
	close(fd);
	signal(SIGPIPE, SIG_IGN);
	fd = need(socket(AF_INET, SOCK_STREAM, 0));
	SHOW(send(fd, "x", 1, 0));
	SHOW(getpeername(fd, (struct sockaddr *)&free_port, &len));
	close(fd);
}

static uint32_t received;

static void *drain(void *arg)
{
	static unsigned char buf[50000];
	int conn = accept(*(int *)arg, NULL, NULL);
	ssize_t n;
	while ((n = read(conn, buf, sizeof buf)) > 0)
		for (ssize_t i = 0; i < n; i++)
			received = received * 31 + buf[i];
	need(write(conn, "done", 4));
	close(conn);
	return NULL;
}

static void transfer(int server)
{
	section("transfer");
	size_t size = 3000000;
	unsigned char *data = map_anon(size, PROT_READ | PROT_WRITE);
	uint32_t sum = 0;
	for (size_t i = 0; i < size; i++)
		sum = sum * 31 + (data[i] = i * 7 + (i >> 8));
	pthread_t thread;
	need(pthread_create(&thread, NULL, drain, &server));
	int fd = need(socket(AF_INET, SOCK_STREAM, 0));
	need(connect(fd, (struct sockaddr *)&address, sizeof address));
	SHOW(write(fd, data, size));
	need(shutdown(fd, SHUT_WR));
	char buf[8] = "";
	SHOW(read(fd, buf, 8));
	pthread_join(thread, NULL);
	printf("%s, sums equal %d\n", buf, sum == received);
	close(fd);
}

static void version6(void)
{
	section("IPv6");
	int fd = socket(AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	if (fd < 0 || bind(fd, (struct sockaddr *)&a, sizeof a) < 0) {
		printf("none here: %s\n", errname(errno));
		return;
	}
	len = sizeof a;
	SHOW(listen(fd, 1));
	SHOW(getsockname(fd, (struct sockaddr *)&a, &len));
	printf("length %d\n", (int)len);
	int client = need(socket(AF_INET6, SOCK_STREAM, 0));
	SHOW(connect(client, (struct sockaddr *)&a, sizeof a));
	len = 6; /* too short: the address is cut, its true length reported */
	int conn = need(accept(fd, (struct sockaddr *)&a, &len));
	printf("length %d\n", (int)len);
	close(conn);
	close(client);
	close(fd);
}

int main(void)
{
	section("listen");
	int server = listener();
	conversation(server);
	options(server);
	refused(server);
	transfer(server);
	version6();
	return 0;
}
