/* Random bytes: getrandom, /dev/urandom. */
#include "report.h"
#include <sys/random.h>

static int plausible(const unsigned char *b, size_t n)
{
	size_t ones = 0;
	for (size_t i = 0; i < n; i++)
		ones += __builtin_popcount(b[i]);
	return ones > n * 3 && ones < n * 5;
}

int main(void)
{
	static unsigned char a[100000], b[100000];
	SHOW(getrandom(a, 256, 0));
	CHECK(plausible(a, 256));
	SHOW(getrandom(b, 256, GRND_NONBLOCK));
	CHECK(memcmp(a, b, 256) != 0);
	SHOW(getrandom(a, sizeof a, 0));
	CHECK(plausible(a, sizeof a) && plausible(a + sizeof a - 1000, 1000));
	SHOW(getrandom(a, 0, 0));
	SHOW(getrandom(a, 16, 0x1000));
	SHOW(getrandom((void *)8, 16, 0));
	int fd = need(open("/dev/urandom", O_RDONLY));
	SHOW(read(fd, b, sizeof b));
	CHECK(plausible(b, sizeof b));
	return 0;
}
