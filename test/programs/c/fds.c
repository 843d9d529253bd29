/* Descriptors: numbering, dup, fcntl, vectored and positioned I/O, sendfile,
 * copy_file_range, splice. */
#include "report.h"
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/uio.h>

static void numbering(void)
{
	section("numbering and dup");
	int a = SHOW(open("a", O_RDWR | O_CREAT, 0644));
	int b = SHOW(dup(a));
	SHOW(close(a));
	SHOW(write(b, "kept open", 9));
	SHOW(open("a", O_RDONLY)); /* takes the lowest free number */
	SHOW(dup2(b, 40));
	SHOW(dup2(b, b));
	SHOW(dup2(99, 41));
	SHOW(dup2(b, -1));
	SHOW(dup2(b, 1 << 30));
	SHOW(dup3(b, 42, O_CLOEXEC));
	SHOW(dup3(b, b, 0));
	SHOW(dup3(b, 43, 077));
	SHOW(fcntl(b, F_DUPFD, 40));
	SHOW(fcntl(b, F_DUPFD_CLOEXEC, 50));
	SHOW(fcntl(b, F_DUPFD, 1 << 30));
	SHOW(lseek(40, 0, SEEK_CUR)); /* duplicates share the offset */
	SHOW(lseek(40, 4, SEEK_SET));
	SHOW(lseek(b, 0, SEEK_CUR));
	SHOW(syscall(SYS_close_range, 40, 60, 0));
	SHOW(lseek(40, 0, SEEK_CUR));
	SHOW(fcntl(41, F_GETFD));
	SHOW(dup(-1));

	struct rlimit limit = { 64, 64 };
	need(setrlimit(RLIMIT_NOFILE, &limit));
	int last = -1, fd;
	while ((fd = dup(b)) >= 0)
		last = fd;
	printf("descriptors end at %d: %s\n", last, errname(errno));
	for (fd = 5; fd < 64; fd++)
		close(fd);
}

static void control(void)
{
	section("fcntl");
	int fd = need(open("a", O_RDWR | O_APPEND | O_CLOEXEC));
	SHOW(fcntl(fd, F_GETFD));
	SHOW(fcntl(fd, F_SETFD, 0));
	SHOW(fcntl(fd, F_GETFD));
	CHECK(fcntl(fd, F_GETFL) == (O_RDWR | O_APPEND | 0100000));
	SHOW(fcntl(fd, F_SETFL, O_NONBLOCK));
	CHECK((fcntl(fd, F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK)) == (O_RDWR | O_NONBLOCK));
	SHOW(fcntl(fd, 9999));
	SHOW(fcntl(99, F_GETFL));
	int p[2], left = -1;
	need(pipe2(p, O_NONBLOCK));
	CHECK((fcntl(p[0], F_GETFL) & O_NONBLOCK) != 0);
	SHOW(read(p[0], &left, 1));
	need(write(p[1], "12345", 5));
	SHOW(ioctl(p[0], FIONREAD, &left));
	printf("left %d\n", left);
	int off = 0;
	SHOW(ioctl(p[0], FIONBIO, &off));
	CHECK((fcntl(p[0], F_GETFL) & O_NONBLOCK) == 0);
	SHOW(ioctl(fd, TCGETS, &left));
	SHOW(ioctl(99, TCGETS, &left));
	close(p[0]);
	close(p[1]);
	close(fd);
}

static void vectors(void)
{
	section("vectors");
	char one[4] = "", two[8] = "", three[16] = "";
	int fd = need(open("v", O_RDWR | O_CREAT | O_TRUNC, 0644));
	struct iovec out[] = { { "abc", 3 }, { NULL, 0 }, { "defgh", 5 }, { "ij", 2 } };
	SHOW(writev(fd, out, 4));
	struct iovec in[] = { { one, 3 }, { two, 4 }, { three, 15 } };
	SHOW(preadv(fd, in, 3, 1));
	printf("%s %s %s\n", one, two, three);
	SHOW(pwritev(fd, out, 2, 20));
	SHOW(pwrite(fd, "at", 2, 4));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(lseek(fd, 0, SEEK_SET));
	memset(one, 0, sizeof one);
	SHOW(readv(fd, in, 2));
	printf("%s %s\n", one, two);
	SHOW(pread(fd, one, 3, -1));
	SHOW(readv(fd, in, 0));
	SHOW(readv(fd, in, -1));
	SHOW(readv(fd, in, 2000));
	struct iovec huge[] = { { one, -1ul }, { two, 4 } };
	SHOW(readv(fd, huge, 2));
	static struct iovec many[1024];
	static char bytes[1024];
	for (int i = 0; i < 1024; i++)
		many[i] = (struct iovec){ bytes + i, 1 };
	SHOW(preadv(fd, many, 1024, 0));
	printf("%.8s\n", bytes);
	close(fd);
}

static void copying(void)
{
	section("copying");
	put_file("source", "0123456789abcdefghij");
	int in = need(open("source", O_RDONLY)), out = need(open("copy", O_RDWR | O_CREAT | O_TRUNC, 0644));
	off_t offset = 5;
	SHOW(sendfile(out, in, &offset, 7));
	printf("offset %ld\n", (long)offset);
	SHOW(lseek(in, 0, SEEK_CUR));
	SHOW(sendfile(out, in, NULL, 3));
	SHOW(lseek(in, 0, SEEK_CUR));
	print_file("copy");
	SHOW(sendfile(out, in, NULL, 1000));
	SHOW(sendfile(out, in, NULL, 1000));
	SHOW(sendfile(99, in, NULL, 1));
	loff_t from = 10, to = 2;
	SHOW(copy_file_range(in, &from, out, &to, 4, 0));
	printf("from %ld to %ld\n", (long)from, (long)to);
	print_file("copy");
	SHOW(copy_file_range(in, NULL, out, NULL, 4, 1));
	SHOW(copy_file_range(out, NULL, in, NULL, 4, 0));

	int p[2];
	char buf[32] = "";
	need(pipe(p));
	from = 3;
	SHOW(splice(in, &from, p[1], NULL, 6, 0));
	SHOW(read(p[0], buf, sizeof buf));
	printf("%s\n", buf);
	SHOW(splice(in, NULL, out, NULL, 6, 0));
	close(p[0]);
	close(p[1]);
	close(in);
	close(out);
}

/* A large transfer, checked byte by byte. */
static void large(void)
{
	section("large");
	size_t size = 9000001;
	char *data = map_anon(size, PROT_READ | PROT_WRITE), *back = map_anon(size, PROT_READ | PROT_WRITE);
	uint32_t x = 1;
	for (size_t i = 0; i < size; i++)
		data[i] = (x = x * 1664525 + 1013904223) >> 24;
	int fd = need(open("large", O_RDWR | O_CREAT | O_TRUNC, 0644));
	SHOW(write(fd, data, size));
	SHOW(pread(fd, back, size, 0));
	CHECK(memcmp(data, back, size) == 0);
	memset(back, 0, size);
	need(lseek(fd, 0, SEEK_SET));
	for (size_t at = 0, n; at < size; at += n)
		n = need(read(fd, back + at, 777777));
	CHECK(memcmp(data, back, size) == 0);
	close(fd);
	need(unlink("large"));
}

int main(void)
{
	numbering();
	control();
	vectors();
	copying();
	large();
	return 0;
}
