/* Directories and names: mkdir, getdents, rename, links, the *at calls, the
 * working directory. */
#include "report.h"
#include <dirent.h>
#include <limits.h>
#include <stdio.h>

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static void list(const char *dir)
{
	struct dirent **names;
	int n = scandir(dir, &names, NULL, by_name);
	printf("%s:", dir);
	for (int i = 0; i < n; i++)
		printf(" %s(%d)", names[i]->d_name, names[i]->d_type);
	printf(n < 0 ? " %s\n" : "\n", errname(errno));
}

static void making(void)
{
	section("mkdir, rmdir");
	SHOW(mkdir("d", 0755));
	SHOW(mkdir("d", 0755));
	SHOW(mkdir("d/e", 0700));
	SHOW(mkdir("missing/e", 0700));
	SHOW(mkdir("d/e/.", 0700));
	put_file("d/f", "text");
	SHOW(mkdir("d/f/g", 0700));
	SHOW(symlink("f", "d/l"));
	SHOW(mkfifo("d/p", 0600));
	list("d");
	SHOW(rmdir("d"));
	SHOW(rmdir("d/f"));
	SHOW(rmdir("d/e"));
	SHOW(rmdir("d/e"));
	SHOW(rmdir("d/."));
	SHOW(unlink("d"));
	SHOW(unlink("missing"));
	SHOW(unlink("d/p"));
	list("d");
	list("d/f");
	list("missing");
}

static void links(void)
{
	section("links");
	struct stat st;
	char buf[64];
	memset(buf, '.', sizeof buf);
	SHOW(link("d/f", "hard"));
	need(stat("hard", &st));
	printf("links %d\n", (int)st.st_nlink);
	SHOW(link("d/f", "hard"));
	SHOW(link("missing", "other"));
	SHOW(link("d", "other"));
	SHOW(symlink("nowhere", "dangling"));
	SHOW(symlink("x", "dangling"));
	SHOW(stat("dangling", &st));
	SHOW(lstat("dangling", &st));
	SHOW(readlink("dangling", buf, sizeof buf));
	printf("%.8s\n", buf);
	SHOW(readlink("dangling", buf, 3));
	SHOW(readlink("dangling", buf, 0));
	SHOW(readlink("hard", buf, sizeof buf));
	SHOW(open("dangling", O_RDONLY));
	SHOW(open("dangling", O_RDONLY | O_NOFOLLOW));
	close(need(open("dangling", O_WRONLY | O_CREAT, 0600))); /* makes the target */
	SHOW(access("nowhere", F_OK));
	need(symlink("loop2", "loop1"));
	need(symlink("loop1", "loop2"));
	SHOW(open("loop1", O_RDONLY));
	need(symlink("d", "dirlink"));
	SHOW(access("dirlink/f", F_OK));
	SHOW(access("dirlink/../hard", F_OK));
	SHOW(unlink("d/f"));
	print_file("hard");
}

static void renaming(void)
{
	section("rename");
	put_file("one", "1");
	put_file("two", "2");
	SHOW(rename("one", "two"));
	print_file("two");
	print_file("one");
	SHOW(rename("missing", "x"));
	need(mkdir("dir1", 0755));
	need(mkdir("dir2", 0755));
	put_file("dir2/full", "");
	SHOW(rename("two", "dir1"));
	SHOW(rename("dir1", "two"));
	SHOW(rename("dir1", "dir2"));
	SHOW(rename("dir1", "dir1/sub"));
	SHOW(rename("dir2", "dir1"));
	SHOW(access("dir1/full", F_OK));
	put_file("one", "1");
	SHOW(syscall(SYS_renameat2, AT_FDCWD, "one", AT_FDCWD, "two", 1)); /* RENAME_NOREPLACE */
	SHOW(syscall(SYS_renameat2, AT_FDCWD, "one", AT_FDCWD, "two", 2)); /* RENAME_EXCHANGE */
	print_file("one");
	print_file("two");
}

static void at(void)
{
	section("*at");
	need(mkdir("base", 0755));
	int dir = need(open("base", O_RDONLY | O_DIRECTORY)), file = need(open("hard", O_RDONLY));
	struct stat st;
	int fd = need(openat(dir, "inner", O_CREAT | O_RDWR, 0600));
	SHOW(write(fd, "in", 2));
	close(fd);
	print_file("base/inner");
	SHOW(openat(file, "inner", O_RDONLY));
	SHOW(openat(99, "inner", O_RDONLY));
	SHOW(mkdirat(dir, "sub", 0755));
	SHOW(symlinkat("inner", dir, "sym"));
	SHOW(linkat(dir, "inner", dir, "hard", 0));
	SHOW(renameat(dir, "hard", AT_FDCWD, "moved"));
	SHOW(fstatat(dir, "sym", &st, 0));
	SHOW(fstatat(dir, "sym", &st, AT_SYMLINK_NOFOLLOW));
	SHOW(fstatat(dir, "", &st, AT_EMPTY_PATH));
	SHOW(fstatat(dir, "", &st, 0));
	SHOW(faccessat(dir, "sub", X_OK, 0));
	SHOW(unlinkat(dir, "sub", 0));
	SHOW(unlinkat(dir, "sub", AT_REMOVEDIR));
	list("base");
	close(dir);
	close(file);
}

static void working_directory(void)
{
	section("working directory");
	char before[PATH_MAX], after[PATH_MAX];
	need(getcwd(before, sizeof before) ? 0 : -1);
	SHOW(chdir("base"));
	need(getcwd(after, sizeof after) ? 0 : -1);
	printf("now in ...%s\n", after + strlen(before));
	print_file("inner");
	print_file("../base/./inner");
	int up = need(open("..", O_RDONLY));
	SHOW(fchdir(up));
	need(getcwd(after, sizeof after) ? 0 : -1);
	CHECK(strcmp(before, after) == 0);
	SHOW(chdir("missing"));
	SHOW(chdir("hard"));
	SHOW(getcwd(after, 1) == NULL);
	printf("%s\n", errname(errno));
	close(up);
}

static void many(void)
{
	section("many entries");
	need(mkdir("many", 0755));
	char name[64];
	for (int i = 0; i < 300; i++) {
		snprintf(name, sizeof name, "many/entry-with-a-long-name-%d", i);
		put_file(name, "");
	}
	int fd = need(open("many", O_RDONLY | O_DIRECTORY)), count = 0, calls = 0;
	char buf[1024];
	long n, sum = 0;
	while ((n = syscall(SYS_getdents64, fd, buf, sizeof buf)) > 0) {
		calls++;
		for (long i = 0; i < n; count++) {
			unsigned short reclen;
			memcpy(&reclen, buf + i + 16, 2);
			sum += strlen(buf + i + 19);
			i += reclen;
		}
	}
	printf("entries %d name bytes %ld last %ld several calls %d\n", count, sum, n, calls > 10);
	SHOW(lseek(fd, 0, SEEK_SET));
	CHECK(syscall(SYS_getdents64, fd, buf, sizeof buf) > 0);
	need(lseek(fd, 0, SEEK_SET));
	SHOW(syscall(SYS_getdents64, fd, buf, 8));
	SHOW(syscall(SYS_getdents64, 0, buf, 1024));
	close(fd);
	for (int i = 0; i < 300; i += 3) {
		snprintf(name, sizeof name, "many/entry-with-a-long-name-%d", i);
		need(unlink(name));
	}
	DIR *d = opendir("many");
	for (count = 0; readdir(d); count++)
		;
	rewinddir(d);
	CHECK(readdir(d) != NULL);
	closedir(d);
	printf("entries %d\n", count);
}

int main(void)
{
	making();
	links();
	renaming();
	at();
	working_directory();
	many();
	return 0;
}
