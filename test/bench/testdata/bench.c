/* The guest of the benchmarks: each mode prints the nanoseconds that one
 * round took, by its own clock. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e9 + t.tv_nsec;
}

static volatile uint64_t sink;
static char memory[16 << 20];

int main(int argc, char **argv)
{
	if (argc < 3) {
		puts("Hello, World!");
		return 0;
	}
	long rounds = atol(argv[2]);
	if (!strcmp(argv[1], "spin")) { /* for debuggers: no system call in the loop */
		memset(memory, 7, sizeof memory);
		for (;;)
			sink++;
	}
	double begin = now();
	if (!strcmp(argv[1], "getppid"))
		for (long i = 0; i < rounds; i++)
			syscall(SYS_getppid);
	else if (!strcmp(argv[1], "compute")) {
		uint64_t x = 88172645463325252ull;
		for (long i = 0; i < rounds; i++)
			for (int k = 0; k < 1000; k++)
				x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		sink = x;
	} else
		return 2;
	printf("%.2f\n", (now() - begin) / rounds);
	return 0;
}
