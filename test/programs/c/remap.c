/* mremap and madvise. */
#include "report.h"

static char *filled(long pages)
{
	char *m = map_anon(pages * PAGE, PROT_READ | PROT_WRITE);
	for (long i = 0; i < pages; i++)
		memset(m + i * PAGE, 'a' + i, PAGE);
	return m;
}

static void print_pages(const char *what, const char *m, long pages)
{
	printf("%s: ", what);
	for (long i = 0; i < pages; i++) {
		char c = readable(m + i * PAGE) ? m[i * PAGE] : '#';
		putchar(c ? c : '0');
	}
	putchar('\n');
}

static void resize(void)
{
	section("mremap");
	char *area = filled(16);
	need(munmap(area + 4 * PAGE, 12 * PAGE));
	CHECK(mremap(area, 4 * PAGE, 8 * PAGE, 0) == area);
	print_pages("grown in place", area, 8);
	CHECK(mremap(area, 8 * PAGE, 2 * PAGE, 0) == area);
	print_pages("shrunk", area, 4);

	char *wall = mmap(area + 2 * PAGE, PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	need(mprotect(wall, PAGE, PROT_NONE));
	SHOW(mremap(area, 2 * PAGE, 6 * PAGE, 0));
	char *moved = mremap(area, 2 * PAGE, 6 * PAGE, MREMAP_MAYMOVE);
	CHECK(moved != MAP_FAILED && moved != area);
	print_pages("moved", moved, 6);
	print_pages("left behind", area, 2);

	char *target = map_anon(8 * PAGE, PROT_NONE);
	CHECK(mremap(moved, 6 * PAGE, 3 * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED, target + PAGE) == target + PAGE);
	print_pages("fixed", target, 8);
	print_pages("left behind", moved, 6);

	char *big = filled(20);
	big = mremap(big, 20 * PAGE, 2000 * PAGE, MREMAP_MAYMOVE);
	print_pages("grown much", big, 24);
	big[1999 * PAGE] = 'z';
	CHECK(writable(big + 1999 * PAGE));
}

static void resize_refused(void)
{
	section("mremap refused");
	char *m = filled(4);
	char *ro = map_anon(8 * PAGE, PROT_READ);
	SHOW(mremap(m + 1, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	SHOW(mremap(m, PAGE, 0, MREMAP_MAYMOVE));
	SHOW(mremap(m, PAGE, PAGE, 64));
	SHOW(mremap(m, 2 * PAGE, PAGE, MREMAP_FIXED, ro));
	SHOW(mremap(m, 2 * PAGE, 2 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, m + PAGE)); /* overlap */
	SHOW(mremap(m, 2 * PAGE, 2 * PAGE, MREMAP_FIXED | MREMAP_MAYMOVE, ro + 1));
	need(munmap(m, PAGE));
	SHOW(mremap(m, PAGE, 2 * PAGE, MREMAP_MAYMOVE));
	print_pages("untouched", m, 4);
}

static void of_file(void)
{
	section("mremap of a file");
	int fd = need(open("file", O_RDWR | O_CREAT | O_TRUNC, 0644));
	for (int i = 0; i < 6; i++) {
		char page[PAGE];
		memset(page, 'p' + i, PAGE);
		need(write(fd, page, PAGE));
	}
	char *m = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, PAGE);
	m[0] = 'X';
	m = mremap(m, 2 * PAGE, 4 * PAGE, MREMAP_MAYMOVE);
	print_pages("private, grown", m, 4);
	char *s = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	s = mremap(s, PAGE, 6 * PAGE, MREMAP_MAYMOVE);
	s[5 * PAGE] = 'Y';
	print_pages("shared, grown", s, 6);
	print_pages("private after it", m, 4);
	close(fd);
}

static void advise(void)
{
	section("madvise");
	char *m = filled(6);
	SHOW(madvise(m + PAGE, 2 * PAGE, MADV_DONTNEED));
	print_pages("dropped", m, 6);
	m[PAGE] = 'n';
	print_pages("written again", m, 6);
	SHOW(madvise(m, PAGE, MADV_FREE));
	m[0] = 'f';
	CHECK(m[0] == 'f');
	SHOW(madvise(m, 6 * PAGE, MADV_WILLNEED));
	SHOW(madvise(m, 6 * PAGE, MADV_RANDOM));
	SHOW(madvise(m, 6 * PAGE, MADV_NORMAL));
	SHOW(madvise(m + 1, PAGE, MADV_DONTNEED));
	SHOW(madvise(m, 0, MADV_DONTNEED));
	SHOW(madvise(m, PAGE, 9999));
	need(munmap(m + 2 * PAGE, PAGE));
	SHOW(madvise(m, 6 * PAGE, MADV_DONTNEED)); /* does the rest all the same */
	print_pages("dropped around a hole", m, 6);

	int fd = need(open("file", O_RDWR));
	char *p = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	char *s = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	p[0] = 'X';
	s[PAGE] = 'S';
	SHOW(madvise(p, 2 * PAGE, MADV_DONTNEED));
	SHOW(madvise(s, 2 * PAGE, MADV_DONTNEED));
	SHOW(madvise(s, 2 * PAGE, MADV_FREE));
	print_pages("private file", p, 2);
	print_pages("shared file", s, 2);
	close(fd);
}

int main(void)
{
	resize();
	resize_refused();
	of_file();
	advise();
	return 0;
}
