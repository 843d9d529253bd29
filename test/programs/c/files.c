/* Files: open, read, write, seek, truncate, stat, times, permissions. */
#include "report.h"
#include <sys/file.h>
#include <sys/statfs.h>

static void print_stat(const char *path)
{
	struct stat st;
	if (lstat(path, &st) < 0) {
		printf("%s: %s\n", path, errname(errno));
		return;
	}
	const char *kind = S_ISREG(st.st_mode) ? "file" : S_ISDIR(st.st_mode) ? "directory" :
		S_ISLNK(st.st_mode) ? "symlink" : S_ISFIFO(st.st_mode) ? "fifo" :
		S_ISCHR(st.st_mode) ? "character device" : "other";
	printf("%s: %s %04o links %d size %ld\n", path, kind, st.st_mode & 07777,
	       S_ISDIR(st.st_mode) ? 0 : (int)st.st_nlink, S_ISDIR(st.st_mode) ? 0 : (long)st.st_size);
}

static void reading_writing(void)
{
	section("read, write, seek");
	char buf[64] = "";
	int fd = need(open("a", O_RDWR | O_CREAT | O_EXCL, 0640));
	SHOW(open("a", O_RDWR | O_CREAT | O_EXCL, 0640));
	SHOW(write(fd, "hello world", 11));
	SHOW(lseek(fd, 0, SEEK_CUR));
	SHOW(lseek(fd, -5, SEEK_END));
	SHOW(read(fd, buf, 64));
	printf("%s\n", buf);
	SHOW(read(fd, buf, 64));
	SHOW(lseek(fd, 100, SEEK_SET));
	SHOW(write(fd, "!", 1)); /* leaves a hole */
	print_stat("a");
	SHOW(pread(fd, buf, 5, 50));
	printf("hole %d%d\n", buf[0], buf[4]);
	SHOW(lseek(fd, -1, SEEK_SET));
	SHOW(lseek(fd, 0, 99));
	SHOW(ftruncate(fd, 4));
	SHOW(lseek(fd, 0, SEEK_CUR)); /* stays where it was */
	SHOW(lseek(fd, 0, SEEK_SET));
	print_file("a");
	SHOW(ftruncate(fd, 5000));
	print_stat("a");
	SHOW(truncate("a", 3));
	print_stat("a");
	SHOW(ftruncate(fd, -1));
	SHOW(close(fd));
	SHOW(close(fd));
}

static void flags(void)
{
	section("open flags");
	put_file("b", "12345");
	int fd = need(open("b", O_WRONLY | O_APPEND));
	need(lseek(fd, 0, SEEK_SET));
	SHOW(write(fd, "678", 3));
	char c;
	SHOW(read(fd, &c, 1));
	close(fd);
	print_file("b");
	fd = need(open("b", O_RDONLY));
	SHOW(write(fd, "x", 1));
	SHOW(ftruncate(fd, 0));
	close(fd);
	close(need(open("b", O_WRONLY | O_TRUNC)));
	print_stat("b");
	SHOW(open("b/c", O_RDONLY));
	SHOW(open("missing", O_RDONLY));
	SHOW(open("missing/x", O_CREAT | O_WRONLY, 0600));
	SHOW(open(".", O_WRONLY));
	SHOW(open("b", O_RDONLY | O_DIRECTORY));
	SHOW(open("", O_RDONLY));
	char name[5000];
	memset(name, 'n', sizeof name);
	name[300] = 0;
	SHOW(open(name, O_RDONLY));
	name[300] = 'n';
	name[sizeof name - 1] = 0;
	SHOW(open(name, O_RDONLY));
	fd = need(open(".", O_TMPFILE | O_RDWR, 0600));
	SHOW(write(fd, "unnamed", 7));
	close(fd);
	fd = need(open("b", O_PATH));
	SHOW(read(fd, &c, 1));
	SHOW(fstat(fd, &(struct stat){ 0 }));
	close(fd);
}

static void modes(void)
{
	section("modes");
	umask(027);
	close(need(open("m", O_CREAT | O_WRONLY, 0666)));
	print_stat("m");
	printf("umask %03o\n", umask(022));
	SHOW(chmod("m", 04711));
	print_stat("m");
	int fd = need(open("m", O_RDWR));
	SHOW(fchmod(fd, 0600));
	SHOW(fchmodat(AT_FDCWD, "m", 0644, 0));
	print_stat("m");
	SHOW(access("m", R_OK | W_OK));
	SHOW(access("m", F_OK));
	SHOW(access("missing", F_OK));
	SHOW(access("m", 077));
	SHOW(faccessat(AT_FDCWD, "m", R_OK, AT_EACCESS));
	SHOW(fchown(fd, -1, -1));
	SHOW(chown("missing", 0, 0));
	close(fd);
}

static void print_times(const char *path)
{
	struct stat st;
	need(lstat(path, &st));
	printf("%s: atime %ld.%09ld mtime %ld.%09ld\n", path, (long)st.st_atim.tv_sec, st.st_atim.tv_nsec,
	       (long)st.st_mtim.tv_sec, st.st_mtim.tv_nsec);
}

static void times(void)
{
	section("times");
	put_file("t", "x");
	struct timespec set[2] = { { 1000000000, 123456789 }, { 1234567890, 987654321 } };
	SHOW(utimensat(AT_FDCWD, "t", set, 0));
	print_times("t");
	int fd = need(open("t", O_RDWR));
	struct timespec omit[2] = { { 0, UTIME_OMIT }, { 5, 5 } };
	SHOW(futimens(fd, omit));
	print_times("t");
	struct timespec bad[2] = { { 0, 2000000000 }, { 0, 0 } };
	SHOW(futimens(fd, bad));
	SHOW(utimensat(AT_FDCWD, "missing", set, 0));
	need(symlink("t", "tl"));
	SHOW(utimensat(AT_FDCWD, "tl", set, AT_SYMLINK_NOFOLLOW));
	print_times("tl");
	time_t before = time(NULL);
	SHOW(futimens(fd, NULL));
	struct stat st;
	need(fstat(fd, &st));
	CHECK(st.st_mtime >= before - 1 && st.st_mtime <= before + 10);
	close(fd);
}

static void metadata(void)
{
	section("statx, statfs, locks, allocation");
	put_file("s", "0123456789");
	struct { uint32_t mask, blksize; uint64_t attributes; uint32_t nlink, uid, gid; uint16_t mode, pad; uint64_t ino, size; char rest[256]; } sx;
	memset(&sx, 0, sizeof sx);
	SHOW(syscall(SYS_statx, AT_FDCWD, "s", 0, 0x7ff, &sx));
	printf("mode %o size %ld links %d mask %#x\n", sx.mode, (long)sx.size, sx.nlink, sx.mask & 0x7ff);
	SHOW(syscall(SYS_statx, AT_FDCWD, "missing", 0, 0x7ff, &sx));
	int fd = need(open("s", O_RDWR));
	SHOW(syscall(SYS_statx, fd, "", AT_EMPTY_PATH, 0x7ff, &sx));
	struct statfs fs;
	SHOW(statfs(".", &fs));
	CHECK(fs.f_bsize >= 512 && fs.f_namelen == 255);
	SHOW(fstatfs(fd, &fs));
	SHOW(fallocate(fd, 0, 0, 8192));
	print_stat("s");
	SHOW(fallocate(fd, 1, 8192, 4096)); /* keeps the size */
	print_stat("s");
	SHOW(fallocate(fd, 0, 0, 0));
	SHOW(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL));
	SHOW(fsync(fd));
	SHOW(fdatasync(fd));
	SHOW(flock(fd, LOCK_EX | LOCK_NB));
	int other = need(open("s", O_RDWR));
	SHOW(flock(other, LOCK_SH | LOCK_NB));
	SHOW(flock(fd, LOCK_UN));
	SHOW(flock(other, LOCK_SH | LOCK_NB));
	struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_len = 5 };
	SHOW(fcntl(fd, F_SETLK, &lock));
	lock.l_start = 2;
	SHOW(fcntl(fd, F_GETLK, &lock));
	printf("own lock seen as %s\n", lock.l_type == F_UNLCK ? "free" : "taken");
	close(fd);
	close(other);
}

static void devices(void)
{
	section("devices");
	char buf[64];
	memset(buf, 1, sizeof buf);
	int zero = need(open("/dev/zero", O_RDWR)), null = need(open("/dev/null", O_RDWR));
	int full = need(open("/dev/full", O_RDWR)), urandom = need(open("/dev/urandom", O_RDONLY));
	SHOW(read(zero, buf, 64));
	printf("zero %d %d\n", buf[0], buf[63]);
	SHOW(write(zero, buf, 64));
	SHOW(read(null, buf, 64));
	SHOW(write(null, buf, 64));
	SHOW(write(full, buf, 64));
	SHOW(read(urandom, buf, 64));
	CHECK(memcmp(buf, buf + 32, 32) != 0);
	print_stat("/dev/null");
	SHOW(isatty(null));
}

int main(void)
{
	reading_writing();
	flags();
	modes();
	times();
	metadata();
	devices();
	return 0;
}
