/* What the test programs share: reports that read the same wherever the
 * program runs. Print no address, pid, inode, time or other number that two
 * runs on one machine do not have in common. */
#ifndef REPORT_H
#define REPORT_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include "errname.h"

#define PAGE 4096L
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* SHOW prints a call and its result, or the name of its error. */
#define SHOW(call) (errno = 0, show(#call, (long)(call)))

/* CHECK prints whether something holds. */
#define CHECK(cond) printf("%s: %s\n", #cond, (cond) ? "yes" : "no")

static inline long show(const char *what, long result)
{
	if (result == -1 && errno)
		printf("%s: %s\n", what, errname(errno));
	else
		printf("%s: %ld\n", what, result);
	return result;
}

/* section starts a part of the output. */
static inline void section(const char *title)
{
	printf("-- %s\n", title);
}

/* need ends the program when the ground a test stands on is missing. */
#define need(call) need_(#call, (long)(call))
static inline long need_(const char *what, long result)
{
	if (result == -1) {
		printf("cannot go on: %s: %s\n", what, errname(errno));
		exit(99);
	}
	return result;
}

static inline void *map_anon(size_t len, int prot)
{
	return (void *)need((long)mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
}

/* readable and writable ask the kernel, not the processor: a pipe carries the
 * byte at addr out, or one in. */
static inline int pipe_byte(void *addr, int out)
{
	int p[2], ok;
	char byte = 0;

	need(pipe(p));
	if (out) {
		ok = write(p[1], addr, 1) == 1;
	} else {
		need(write(p[1], &byte, 1));
		ok = read(p[0], addr, 1) == 1;
	}
	close(p[0]);
	close(p[1]);
	return ok;
}
static inline int readable(const void *addr) { return pipe_byte((void *)addr, 1); }
static inline int writable(void *addr) { return pipe_byte(addr, 0); }

static inline uint64_t now_ns(clockid_t clock)
{
	struct timespec t;
	need(clock_gettime(clock, &t));
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static inline void sleep_ms(long ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
	while (nanosleep(&t, &t) < 0 && errno == EINTR)
		;
}

/* put_file makes a file with the given contents. */
static inline void put_file(const char *path, const char *contents)
{
	int fd = need(open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644));
	need(write(fd, contents, strlen(contents)));
	close(fd);
}

/* print_file prints what a file holds. */
static inline void print_file(const char *path)
{
	char buf[4096];
	int fd = open(path, O_RDONLY);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof buf);

	if (n < 0)
		printf("%s: %s\n", path, errname(errno));
	else
		printf("%s: \"%.*s\"\n", path, (int)n, buf);
	if (fd >= 0)
		close(fd);
}

__attribute__((constructor)) static void report_lines(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
}

#endif
