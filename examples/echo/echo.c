/* Echo server in C: answers on 127.0.0.1 with the bytes it was sent. The port
 * is the first argument or $PORT or 8080; 0 lets the kernel choose. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static int listen_on(int port)
{
	struct sockaddr_in addr = {
		.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof addr;
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0 ||
	    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
	    bind(fd, (struct sockaddr *)&addr, sizeof addr) < 0 ||
	    listen(fd, 8) < 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		return -1;
	printf("listening on 127.0.0.1:%d\n", ntohs(addr.sin_port));
	fflush(stdout);
	return fd;
}

static int send_all(int fd, const char *data, ssize_t len)
{
	while (len > 0) {
		ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
		if (n < 0)
			return -1;
		data += n;
		len -= n;
	}
	return 0;
}

static void serve(int client)
{
	char buffer[4096];
	ssize_t n;

	while ((n = recv(client, buffer, sizeof buffer, 0)) > 0)
		if (send_all(client, buffer, n) < 0)
			break;
	close(client);
}

int main(int argc, char **argv)
{
	const char *env = getenv("PORT");
	int port = atoi(argc > 1 ? argv[1] : env ? env : "8080");
	int server = listen_on(port);

	if (server < 0) {
		perror("echo: cannot listen");
		return 1;
	}
	for (;;) {
		int client = accept(server, NULL, NULL);
		if (client < 0) {
			perror("echo: accept");
			return 1;
		}
		serve(client);
	}
}
