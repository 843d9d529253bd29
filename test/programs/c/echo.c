/* Copies standard input to standard output in pieces of odd sizes and says on
 * standard error how much it was and its checksum. */
#include "report.h"

int main(int argc, char **argv)
{
	static char buf[100000];
	size_t piece = argc > 1 ? strtoul(argv[1], NULL, 10) : 4096;
	unsigned long total = 0, sum = 0;
	ssize_t n;

	while ((n = need(read(0, buf, piece < sizeof buf ? piece : sizeof buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			sum = sum * 31 + (unsigned char)buf[i];
		total += n;
		for (ssize_t at = 0; at < n;)
			at += need(write(1, buf + at, n - at));
	}
	fprintf(stderr, "%lu bytes, checksum %lx\n", total, sum);
	return 0;
}
