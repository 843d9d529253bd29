/* The guest of the benchmarks: each mode prints the nanoseconds that one
 * round took, by its own clock. */
#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
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
static volatile uint64_t memory[(64 << 20) / 8];

static uint64_t next(uint64_t x)
{
	x ^= x << 13, x ^= x >> 7, x ^= x << 17;
	return x;
}

#define ALONE __attribute__((noinline, noclone))

/* Debuggers stop here: the memory is filled. */
ALONE static void ready(void) { sink++; }

/* A breakpoint with a condition goes here. */
ALONE static void hit(long i) { sink = i; }

/* A debugger watches a local that changes after many instructions. */
ALONE static void local(long rounds)
{
	volatile uint64_t watched = 1, other = 0;
	ready();
	for (long i = 0; i < rounds; i++)
		other += i;
	watched = other;
	ready();
}

/* A loop of a dozen instructions, for a step over the function. */
ALONE void count(unsigned long rounds)
{
	volatile uint64_t sum = 0;
	for (volatile uint64_t i = 0; i < rounds; i++)
		sum += i;
}

int main(int argc, char **argv)
{
	if (argc < 3) {
		puts("Hello, World!");
		return 0;
	}
	long rounds = atol(argv[2]);
	if (!strcmp(argv[1], "spin")) { /* for debuggers: no system call in the loop */
		uint64_t x = 88172645463325252ull;
		for (size_t i = 0; i < sizeof memory / 8; i++)
			memory[i] = x = next(x);
		ready();
		for (;;)
			sink++;
	}
	if (!strcmp(argv[1], "hits")) {
		ready();
		for (long i = 0; i < rounds; i++)
			hit(i);
		ready();
		return 0;
	}
	if (!strcmp(argv[1], "local")) {
		local(rounds);
		return 0;
	}
	if (!strcmp(argv[1], "count")) {
		for (;;)
			count(rounds);
	}
	double begin = now();
	if (!strcmp(argv[1], "getppid"))
		for (long i = 0; i < rounds; i++)
			syscall(SYS_getppid);
	else if (!strcmp(argv[1], "compute")) {
		uint64_t x = 88172645463325252ull;
		for (long i = 0; i < rounds; i++)
			for (int k = 0; k < 1000; k++)
				x = next(x);
		sink = x;
	} else if (!strcmp(argv[1], "touch") || !strcmp(argv[1], "again")) { /* a round is a page of new memory */
		char *p = mmap(0, rounds << 12, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return 3;
		for (long i = 0; i < rounds; i++)
			p[i << 12] = 1;
		if (!strcmp(argv[1], "again")) { /* or of memory that there are no translations for */
			mprotect(p, rounds << 12, PROT_READ);
			mprotect(p, rounds << 12, PROT_READ | PROT_WRITE);
			begin = now();
			for (long i = 0; i < rounds; i++)
				p[i << 12] = 1;
		}
	} else
		return 2;
	printf("%.2f\n", (now() - begin) / rounds);
	return 0;
}
