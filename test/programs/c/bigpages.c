/* Memory in amounts that can have pages of 2 MiB, mapped, cut, protected, moved
 * and given back at random, with another thread that looks at it all the time.
 * The program knows what every page must hold and whether it can be touched. */
#define _GNU_SOURCE
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { PAGE = 4096, BIG = 512, PAGES = 20 * BIG };
enum { NOTHING, NONE, READ, WRITE };

static struct { uint8_t state; uint32_t value; } page[PAGES];
static char *volatile arena;

static __thread sigjmp_buf back;
static __thread volatile int expected;

static void fault(int sig)
{
	(void)sig;
	if (!expected)
		abort();
	siglongjmp(back, 1);
}

static uint32_t random32(void)
{
	static uint64_t x = 88172645463325252ull;
	x ^= x << 13, x ^= x >> 7, x ^= x << 17;
	return x >> 16;
}

static uint32_t *word(int p, int last) { return (uint32_t *)(arena + (long)p * PAGE + (last ? PAGE - 4 : 0)); }

/* get reads a page's two ends by the processor; -1 is a fault. */
static int64_t get(int p)
{
	int64_t v = -1;
	expected = 1;
	if (!sigsetjmp(back, 0)) {
		uint32_t a = *(volatile uint32_t *)word(p, 0), b = *(volatile uint32_t *)word(p, 1);
		v = a == b ? (int64_t)a : -2;
	}
	expected = 0;
	return v;
}

static int put(int p, uint32_t v)
{
	volatile int ok = 0;
	expected = 1;
	if (!sigsetjmp(back, 0)) {
		*(volatile uint32_t *)word(p, 0) = v;
		*(volatile uint32_t *)word(p, 1) = v;
		ok = 1;
	}
	expected = 0;
	return ok;
}

static void check(int p, const char *after)
{
	int64_t want = page[p].state >= READ ? (int64_t)page[p].value : -1, got = get(p);
	if (got != want) {
		printf("after %s page %d holds %lld, not %lld\n", after, p, (long long)got, (long long)want);
		exit(1);
	}
}

/* A range: often whole pages of 2 MiB, often a part of one. */
static void range(int *start, int *n)
{
	int kind = random32() % 4;
	*start = random32() % PAGES;
	if (kind < 2)
		*start -= *start % BIG;
	*n = kind == 0 ? BIG * (1 + random32() % 6) : kind == 1 ? 1 + random32() % (2 * BIG) : 1 + random32() % 40;
	if (*n > PAGES - *start)
		*n = PAGES - *start;
}

static void become(int start, int n, int state)
{
	for (int i = start; i < start + n; i++)
		page[i].state = state, page[i].value = 0;
}

static const int rights[] = { 0, PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };

static void map(int start, int n)
{
	int state = random32() % 8 ? WRITE : READ, extra = random32() % 4 ? 0 : MAP_POPULATE;
	if (mmap(arena + (long)start * PAGE, (long)n * PAGE, rights[state], MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | extra, -1, 0) == MAP_FAILED)
		abort();
	become(start, n, state);
}

static void unmap(int start, int n)
{
	if (munmap(arena + (long)start * PAGE, (long)n * PAGE))
		abort();
	become(start, n, NOTHING);
}

static void protect(int start, int n)
{
	int state = NONE + random32() % 3;
	for (int i = start; i < start + n; i++)
		if (page[i].state == NOTHING)
			return;
	if (mprotect(arena + (long)start * PAGE, (long)n * PAGE, rights[state]))
		abort();
	for (int i = start; i < start + n; i++)
		page[i].state = state;
}

static void drop(int start, int n)
{
	for (int i = start; i < start + n; i++)
		if (page[i].state == NOTHING)
			return;
	if (madvise(arena + (long)start * PAGE, (long)n * PAGE, MADV_DONTNEED))
		abort();
	for (int i = start; i < start + n; i++)
		page[i].value = 0;
}

static void move(int start, int n)
{
	int to = random32() % PAGES;
	if (random32() % 2)
		to -= to % BIG;
	if (to + n > PAGES || (to < start + n && start < to + n))
		return;
	for (int i = start; i < start + n; i++)
		if (page[i].state == NOTHING || page[i].state != page[start].state)
			return;
	char *from = arena + (long)start * PAGE;
	if (mremap(from, (long)n * PAGE, (long)n * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, arena + (long)to * PAGE) == MAP_FAILED)
		return; /* pieces of several mappings */
	for (int i = 0; i < n; i++) {
		page[to + i] = page[start + i];
		page[start + i].state = NOTHING;
	}
}

static void fill(int start, int n)
{
	for (int i = start; i < start + n; i++) {
		uint32_t v = random32();
		if (page[i].state != WRITE && v % 32)
			continue; /* a signal takes its time */
		int ok = put(i, v);
		if (ok != (page[i].state == WRITE)) {
			printf("page %d: a store %s, state %d\n", i, ok ? "worked" : "failed", page[i].state);
			exit(1);
		}
		if (ok)
			page[i].value = v;
	}
}

static volatile int over;

static void *look(void *unused)
{
	uint64_t x = 1;
	while (!over) {
		x = x * 6364136223846793005 + 1442695040888963407;
		int p = (x >> 33) % PAGES;
		if (page[p].state >= READ || x >> 60 == 0)
			get(p);
	}
	return unused;
}

/* play has the arena at an address that was never used, so that pages can be
 * big again. */
static void play(int rounds, char *at)
{
	arena = at;
	map(0, PAGES);
	fill(0, PAGES);
	for (int i = 0; i < rounds; i++) {
		static const struct { const char *name; void (*f)(int, int); } ops[] = {
			{ "mmap", map }, { "mmap", map }, { "mprotect", protect }, { "madvise", drop }, { "mremap", move },
			{ "stores", fill }, { "stores", fill }, { "munmap", unmap },
		};
		int k = random32() % (sizeof ops / sizeof *ops), start, n;
		range(&start, &n);
		ops[k].f(start, n);
		for (int j = 0; j < 24; j++)
			check(j < 8 ? start + (int)(random32() % n) : (int)(random32() % PAGES), ops[k].name);
		check(start, ops[k].name);
		check(start + n - 1, ops[k].name);
	}
	for (int i = 0; i < PAGES; i++)
		if (page[i].state >= READ)
			check(i, "everything");
	unmap(0, PAGES);
}

int main(int argc, char **argv)
{
	int passes = argc > 1 ? atoi(argv[1]) : 12;
	struct sigaction act = { .sa_handler = fault, .sa_flags = SA_NODEFER };
	sigaction(SIGSEGV, &act, NULL);
	char *at = (char *)0x200000000000;
	arena = at;
	pthread_t thread;
	pthread_create(&thread, NULL, look, NULL);
	for (int i = 0; i < passes; i++)
		play(25, at + ((uint64_t)i << 30));
	over = 1;
	pthread_join(thread, NULL);
	puts("every page is as it should be");
	return 0;
}
