/* WriteFile in C: writes a file, reads it back, and says what it read.
 * The name comes from the first argument; without one it is /hello.txt. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const char line[] = "Written by a C program.\n";

static int fail(const char *doing, const char *path)
{
	fprintf(stderr, "cannot %s %s: %s\n", doing, path, strerror(errno));
	return 1;
}

int main(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : "/hello.txt";
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0644);
	if (fd < 0)
		return fail("create", path);
	if (write(fd, line, sizeof line - 1) != sizeof line - 1)
		return fail("write", path);

	char back[sizeof line] = "";
	if (pread(fd, back, sizeof back - 1, 0) < 0)
		return fail("read", path);
	if (close(fd) < 0)
		return fail("close", path);
	printf("wrote %s: %s", path, back);
	return 0;
}
