/* System calls with bad arguments, by the table: errno GROUP prints one line
 * a call. Groups: paths, descriptors, pointers, values, process, tracing. Every
 * call is harmless to the machine, whoever runs it. */
#include "report.h"
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>

/* Memory at known addresses. */
#define GOOD 0x100000000000l          /* 64 KiB, zero, read and write */
#define END (GOOD + 65536 - 4)        /* the last four bytes before nothing */
#define READY (GOOD + 3072)           /* a struct pollfd that is always ready */
#define READY_SET (GOOD + 3200)       /* an fd_set of the same */
#define RONLY 0x100001000000l         /* a page of zeros to read */
#define LONG_NAME 0x100002000000l     /* 8191 letters and a NUL */
#define NO_END 0x100003000000l        /* a page of letters without a NUL, then nothing */
#define EMPTY RONLY                   /* "" */
#define NOWHERE 8l
#define KERNEL (-0x7ffffffff000l)
#define NOT_CANONICAL 0x1234567890123456l

/* Descriptors at known numbers. */
enum { FILE_RW = 10, FILE_RD, DIRECTORY, PIPE_RD, PIPE_WR, TCP, UDP, LISTENING, UNIX, UNIX_PEER,
       EPOLL, EVENT, TIMER, NULL_DEVICE, PATH_ONLY, LAST_FD, NO_FD = 99 };

struct row {
	const char *name;
	long nr;
	int varied;         /* which argument the sweep replaces */
	const char *except; /* values left out: there Linux differs from version to version */
	long args[6];
};

#define ROW(call, varied, ...) { #call, SYS_##call, varied, "", { __VA_ARGS__ } }
#define ROW_EXCEPT(except, call, varied, ...) { #call, SYS_##call, varied, except, { __VA_ARGS__ } }

struct value {
	const char *name;
	long value;
};

#define VALUE(v) { #v, (long)(v) }

#include "errno_table.h"

static void print_result(long result)
{
	if (result < 0 && result > -4096)
		printf("%s\n", errname(-result));
	else if (result > 4096)
		printf("large\n"); /* an address, or a time */
	else
		printf("%ld\n", result);
	if (result >= LAST_FD && result < NO_FD) /* a new descriptor, or a count that does not mind */
		close(result);
}

/* call makes one call, with GOOD as it was for the first. */
static long call(long nr, const long *a)
{
	memset((void *)GOOD, 0, 8192);
	*(struct pollfd *)READY = (struct pollfd){ PIPE_WR, POLLOUT, 0 };
	*(long *)READY_SET = 1 << PIPE_WR;
	long result = syscall(nr, a[0], a[1], a[2], a[3], a[4], a[5]);
	return result == -1 ? -errno : result;
}

static void sweep(const struct row *rows, size_t nrows, const struct value *values, size_t nvalues)
{
	for (size_t r = 0; r < nrows; r++)
		for (size_t v = 0; v < nvalues; v++) {
			if (strstr(rows[r].except, values[v].name))
				continue;
			long args[6];
			memcpy(args, rows[r].args, sizeof args);
			args[rows[r].varied] = values[v].value;
			printf("%s(argument %d = %s): ", rows[r].name, rows[r].varied, values[v].name);
			print_result(call(rows[r].nr, args));
		}
}

static void memory(void)
{
	struct { long at, len; int prot; } maps[] = {
		{ GOOD, 65536, PROT_READ | PROT_WRITE }, { RONLY, PAGE, PROT_READ },
		{ LONG_NAME, 2 * PAGE, PROT_READ | PROT_WRITE }, { NO_END, PAGE, PROT_READ | PROT_WRITE } };
	for (size_t i = 0; i < COUNT(maps); i++)
		need((long)mmap((void *)maps[i].at, maps[i].len, maps[i].prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0));
	memset((void *)LONG_NAME, 'n', 2 * PAGE - 1);
	memset((void *)NO_END, 'e', PAGE);
}

static void at(int number, int fd)
{
	need(fd);
	if (fd != number) {
		need(dup2(fd, number));
		close(fd);
	}
}

static void descriptors(void)
{
	int p[2];
	struct sockaddr_in loopback = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	put_file("file", "a hundred bytes, more or less, are what this file holds for the calls that read from it, if any");
	(void)!symlink("file", "link");
	at(FILE_RW, open("file", O_RDWR));
	at(FILE_RD, open("file", O_RDONLY));
	at(DIRECTORY, open(".", O_RDONLY | O_DIRECTORY));
	need(pipe2(p, O_NONBLOCK));
	at(PIPE_RD, p[0]);
	at(PIPE_WR, p[1]);
	at(TCP, socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	at(UDP, socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	at(LISTENING, socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	need(bind(LISTENING, (struct sockaddr *)&loopback, sizeof loopback));
	need(listen(LISTENING, 1));
	need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p));
	at(UNIX, p[0]);
	at(UNIX_PEER, p[1]);
	at(EPOLL, epoll_create1(0));
	at(EVENT, eventfd(0, EFD_NONBLOCK));
	at(TIMER, timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	at(NULL_DEVICE, open("/dev/null", O_RDWR));
	at(PATH_ONLY, open("file", O_PATH));
}

int main(int argc, char **argv)
{
	const char *group = argc > 1 ? argv[1] : "";
	memory();
	descriptors();
	signal(SIGPIPE, SIG_IGN);
	need(sigaltstack(&(stack_t){ .ss_sp = (void *)(GOOD + 32768), .ss_size = 16384 }, NULL));
#define GROUP(name, values) \
	if (strcmp(group, #name) == 0) \
		sweep(name##_rows, COUNT(name##_rows), values, COUNT(values));
	GROUP(paths, bad_paths)
	GROUP(descriptors, bad_descriptors)
	GROUP(pointers, bad_pointers)
	GROUP(process, bad_pointers)
	GROUP(tracing, bad_pointers)
#undef GROUP
	if (strcmp(group, "values") == 0)
		for (size_t i = 0; i < COUNT(value_rows); i++) {
			printf("%s: ", value_rows[i].text);
			print_result(call(value_rows[i].nr, value_rows[i].args));
		}
	return 0;
}
