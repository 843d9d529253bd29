/* File mappings: private and shared, offsets, the end of the file, what
 * writes through the mapping and through the descriptor see of each other. */
#include "report.h"

static char block[3 * PAGE];

static int make_file(const char *name)
{
	int fd = need(open(name, O_RDWR | O_CREAT | O_TRUNC, 0644));
	for (size_t i = 0; i < sizeof block; i++)
		block[i] = 'a' + i / PAGE;
	need(write(fd, block, sizeof block));
	return fd;
}

static char peek(int fd, off_t at)
{
	char c = '?';
	need(pread(fd, &c, 1, at));
	return c;
}

static void private(void)
{
	section("private");
	int fd = make_file("private");
	char *m = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	char *second = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE);
	printf("%c%c%c %c\n", m[0], m[PAGE], m[2 * PAGE], second[0]);
	m[PAGE] = 'X';
	printf("after a write: mapping %c, file %c, second mapping %c\n", m[PAGE], peek(fd, PAGE), second[0]);
	need(pwrite(fd, "YZ", 2, 2 * PAGE));
	printf("untouched page after pwrite: %c%c\n", m[2 * PAGE], m[2 * PAGE + 1]);
	close(fd);
	need(unlink("private"));
	printf("after close and unlink: %c\n", m[0]);
	SHOW(munmap(m, 3 * PAGE));
	SHOW(munmap(second, PAGE));
}

static void shared(void)
{
	section("shared");
	int fd = make_file("shared");
	char *m = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *alias = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, PAGE);
	m[PAGE + 5] = 'S';
	printf("write by mapping: file %c, alias %c\n", peek(fd, PAGE + 5), alias[5]);
	alias[6] = 'A';
	printf("write by alias: mapping %c\n", m[PAGE + 6]);
	need(pwrite(fd, "P", 1, 7));
	printf("write by descriptor: mapping %c\n", m[7]);
	need(pread(fd, m + 2 * PAGE, 16, 0)); /* the kernel writes into a mapping of the same file */
	printf("read into the mapping: file %c\n", peek(fd, 2 * PAGE + 7));
	SHOW(msync(m, 3 * PAGE, MS_SYNC));
	SHOW(msync(m + 1, PAGE, MS_SYNC));
	SHOW(munmap(m, 3 * PAGE));
	SHOW(msync(m, 3 * PAGE, MS_SYNC));
	alias[8] = 'L';
	printf("alias after munmap of the other: file %c\n", peek(fd, PAGE + 8));
	close(fd);
}

static void end_of_file(void)
{
	section("end of file");
	int fd = make_file("end");
	need(ftruncate(fd, PAGE + 100));
	char *m = mmap(NULL, 3 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	printf("last bytes %c %d\n", m[PAGE + 99], m[PAGE + 100]);
	m[PAGE + 200] = 'x'; /* lost: beyond the end of the file */
	struct stat st;
	need(fstat(fd, &st));
	printf("size %ld\n", (long)st.st_size);
	CHECK(!readable(m + 2 * PAGE)); /* a read here would be a SIGBUS */
	need(ftruncate(fd, 3 * PAGE));
	CHECK(readable(m + 2 * PAGE));
	m[2 * PAGE] = 'n';
	printf("after growing: %d, file %c\n", m[2 * PAGE + 1], peek(fd, 2 * PAGE));
	close(fd);
}

static void refused(void)
{
	section("refused");
	int fd = make_file("refused");
	int rd = need(open("refused", O_RDONLY)), wr = need(open("refused", O_WRONLY));
	int dir = need(open(".", O_RDONLY));
	int rw = PROT_READ | PROT_WRITE;
	SHOW(mmap(NULL, PAGE, rw, MAP_SHARED, rd, 0));
	SHOW(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, wr, 0));
	SHOW(mmap(NULL, PAGE, rw, MAP_PRIVATE, rd, 0) == MAP_FAILED);
	SHOW(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 100));
	SHOW(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, dir, 0));
	SHOW(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 99, 0));
	SHOW(mmap(NULL, PAGE, PROT_READ, 0, fd, 0));
	char *ro = mmap(NULL, PAGE, PROT_READ, MAP_SHARED, rd, 0);
	SHOW(mprotect(ro, PAGE, rw));
	SHOW(mprotect(ro, PAGE, PROT_NONE));
	close(fd);
	close(rd);
	close(wr);
	close(dir);
}

static void memfd(void)
{
	section("memfd and shared anonymous");
	int fd = need(memfd_create("pages", MFD_CLOEXEC));
	need(ftruncate(fd, 2 * PAGE));
	char *one = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	char *two = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	strcpy(one + PAGE, "seen twice");
	printf("%s, %c\n", two + PAGE, peek(fd, PAGE + 5));
	/* The mirrored ring buffer: the same page twice in a row. */
	char *ring = map_anon(2 * PAGE, PROT_NONE);
	CHECK(mmap(ring, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == ring);
	CHECK(mmap(ring + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, fd, 0) == ring + PAGE);
	memcpy(ring + PAGE - 3, "around", 6);
	printf("%.3s%.3s\n", ring + PAGE - 3, ring);
	char *anon = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	anon[1] = 3;
	printf("shared anonymous %d %d\n", anon[0], anon[1]);
	close(fd);
}

int main(void)
{
	private();
	shared();
	end_of_file();
	refused();
	memfd();
	return 0;
}
