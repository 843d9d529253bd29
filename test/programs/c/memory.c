/* Anonymous memory: brk, mmap with hints and at fixed places, reservations,
 * protection, holes. */
#include "report.h"

static char *brk_to(char *to)
{
	return (char *)syscall(SYS_brk, to);
}

static void heap(void)
{
	section("brk");
	char *start = brk_to(NULL);
	CHECK(start == brk_to(NULL));
	CHECK(brk_to(start + 1) == start + 1);
	char *page = (char *)(((uintptr_t)start + PAGE - 1) & -PAGE);
	CHECK(brk_to(page + 4 * PAGE) == page + 4 * PAGE);
	CHECK(page[3 * PAGE] == 0);
	memset(page, 0x5a, 4 * PAGE);
	CHECK(brk_to(page + PAGE) == page + PAGE);
	CHECK(page[0] == 0x5a);
	CHECK(readable(page + PAGE));
	CHECK(brk_to(page + 4 * PAGE) == page + 4 * PAGE);
	CHECK(page[2 * PAGE] == 0);
	/* A refused brk returns the break as it was. */
	CHECK(brk_to((char *)PAGE) == page + 4 * PAGE);
	CHECK(brk_to((char *)0x7000000000000000) == page + 4 * PAGE);
	CHECK(brk_to(start) == start);
}

static void hints(void)
{
	section("mmap hints");
	char *free_area = map_anon(64 * PAGE, PROT_READ);
	need(munmap(free_area, 64 * PAGE));
	char *at = free_area + 16 * PAGE;
	int flags = MAP_PRIVATE | MAP_ANONYMOUS, rw = PROT_READ | PROT_WRITE;

	char *first = mmap(at, 4 * PAGE, rw, flags, -1, 0);
	CHECK(first == at);
	CHECK(mmap(at + 8 * PAGE + 123, PAGE, rw, flags, -1, 0) == at + 8 * PAGE);
	char *other = mmap(at + PAGE, PAGE, rw, flags, -1, 0);
	CHECK(other != MAP_FAILED && (other < at || other >= at + 4 * PAGE));
	CHECK(mmap(at, PAGE, rw, flags | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED && errno == EEXIST);
	CHECK(mmap(at + 12 * PAGE, PAGE, rw, flags | MAP_FIXED_NOREPLACE, -1, 0) == at + 12 * PAGE);

	first[2 * PAGE] = 1;
	first[0] = 1;
	CHECK(mmap(at + 2 * PAGE, PAGE, PROT_READ, flags | MAP_FIXED, -1, 0) == at + 2 * PAGE);
	CHECK(first[0] == 1 && first[2 * PAGE] == 0);
	CHECK(writable(first + PAGE) && !writable(first + 2 * PAGE) && writable(first + 3 * PAGE));
	CHECK((uintptr_t)mmap((void *)123, PAGE, rw, flags, -1, 0) >= 0x10000);
	char *low = mmap(NULL, PAGE, rw, flags | MAP_32BIT, -1, 0);
	CHECK((uintptr_t)low < 1ul << 31);
}

static void refused(void)
{
	section("mmap refused");
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;
	char *page = map_anon(PAGE, PROT_READ);
	SHOW(mmap(NULL, 0, PROT_READ, flags, -1, 0));
	SHOW(mmap(NULL, -1ul, PROT_READ, flags, -1, 0));
	SHOW(mmap(NULL, 1ul << 47, PROT_READ, flags, -1, 0));
	SHOW(mmap(page + 1, PAGE, PROT_READ, flags | MAP_FIXED, -1, 0));
	SHOW(mmap((void *)(1ul << 56), PAGE, PROT_READ, flags | MAP_FIXED, -1, 0));
	SHOW(mmap((void *)-PAGE, PAGE, PROT_READ, flags | MAP_FIXED, -1, 0));
	SHOW(mmap(NULL, PAGE, PROT_READ, MAP_ANONYMOUS, -1, 0));
	SHOW(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, -1, 0));
	SHOW(munmap(page + 1, PAGE));
	SHOW(munmap(page, 0));
	SHOW(munmap(page, PAGE));
	SHOW(munmap(page, PAGE));
	SHOW(munmap((void *)(1ul << 56), PAGE));
	SHOW(mprotect(page, PAGE, PROT_READ));
	SHOW(mprotect(page + 1, PAGE, PROT_READ));
	SHOW(mprotect(page, 0, PROT_READ));
}

static void reservation(void)
{
	section("reservation");
	size_t size = 64ul << 30;
	char *base = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	CHECK(base != MAP_FAILED);
	CHECK(!readable(base));
	char *middle = base + size / 2;
	SHOW(mprotect(middle, 16 * PAGE, PROT_READ | PROT_WRITE));
	memset(middle, 7, 16 * PAGE);
	CHECK(middle[16 * PAGE - 1] == 7);
	CHECK(!readable(middle - 1) && !readable(middle + 16 * PAGE));
	SHOW(mprotect(middle + 4 * PAGE, PAGE, PROT_NONE));
	CHECK(readable(middle + 4 * PAGE - 1) && !readable(middle + 4 * PAGE) && readable(middle + 5 * PAGE));
	SHOW(mprotect(middle + 4 * PAGE, PAGE, PROT_READ));
	CHECK(middle[4 * PAGE] == 7);
	/* Go's way: map over its own reservation. */
	CHECK(mmap(middle, 8 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == middle);
	CHECK(middle[0] == 0 && middle[8 * PAGE] == 7);
	SHOW(munmap(base, size));
	CHECK(!readable(middle));
}

static void holes(void)
{
	section("holes");
	char *m = map_anon(16 * PAGE, PROT_READ | PROT_WRITE);
	for (int i = 0; i < 16; i++)
		m[i * PAGE] = i;
	SHOW(munmap(m + 3 * PAGE, PAGE));
	SHOW(munmap(m + 8 * PAGE, 2 * PAGE));
	SHOW(munmap(m + 2 * PAGE, 8 * PAGE)); /* over both holes */
	for (int i = 0; i < 16; i++)
		printf("%d", readable(m + i * PAGE) ? m[i * PAGE] % 10 : -1);
	printf("\n");
	SHOW(mprotect(m, 16 * PAGE, PROT_READ)); /* fails at the hole, changes what is before */
	CHECK(writable(m + PAGE));
	CHECK(writable(m + 12 * PAGE));
	SHOW(munmap(m, 16 * PAGE));
}

/* Zero pages, many small mappings, page borders within system calls. */
static void volume(void)
{
	section("volume");
	enum { MAPS = 500 };
	static char *maps[MAPS];
	long sum = 0;
	for (int i = 0; i < MAPS; i++) {
		maps[i] = map_anon((i % 7 + 1) * PAGE, PROT_READ | PROT_WRITE);
		maps[i][i % 7 * PAGE] = i;
	}
	for (int i = 0; i < MAPS; i += 2)
		need(munmap(maps[i], (i % 7 + 1) * PAGE));
	for (int i = 1; i < MAPS; i += 2)
		sum += (unsigned char)maps[i][i % 7 * PAGE] + maps[i][0] * (i % 7 == 0);
	printf("sum %ld\n", sum);

	size_t size = 48ul << 20;
	char *big = map_anon(size, PROT_READ | PROT_WRITE);
	for (size_t i = 0; i < size; i += PAGE)
		big[i] = i >> 12;
	sum = 0;
	for (size_t i = 0; i < size; i += PAGE)
		sum += (unsigned char)big[i];
	printf("big sum %ld\n", sum);

	char *border = map_anon(2 * PAGE, PROT_READ | PROT_WRITE);
	need(munmap(border + PAGE, PAGE));
	int p[2];
	need(pipe(p));
	strcpy(border + PAGE - 6, "hello");
	SHOW(write(p[1], border + PAGE - 6, 6));
	SHOW(read(p[0], border + PAGE - 3, 3));
	SHOW(open(border + PAGE - 6, O_RDONLY));
	border[PAGE - 1] = 'x'; /* a name without an end */
	SHOW(open(border + PAGE - 6, O_RDONLY));
}

int main(void)
{
	heap();
	hints();
	refused();
	reservation();
	holes();
	volume();
	return 0;
}
