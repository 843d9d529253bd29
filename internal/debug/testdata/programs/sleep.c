/* Waits, or loops, until somebody changes go. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

volatile int go;
volatile unsigned long turns;

int twice(int n)
{
	return 2 * n;
}

void spin(void)
{
	while (!go) turns++; /* in one line, so that every place in it looks the same */
}

/* One long sleep: a debugger must not cut it short. */
void doze(void)
{
	struct timespec begin, end, nap = { 0, 700000000 }, left = { 0, 0 };
	clock_gettime(CLOCK_MONOTONIC, &begin);
	int result = nanosleep(&nap, &left);
	clock_gettime(CLOCK_MONOTONIC, &end);
	long ms = (end.tv_sec - begin.tv_sec) * 1000 + (end.tv_nsec - begin.tv_nsec) / 1000000;
	printf("slept %s, result %d\n", ms >= 699 ? "long enough" : "too short", result);
}

void listen_to_it(void)
{
	char buf[16];
	ssize_t n = read(0, buf, sizeof buf);
	printf("read %zd\n", n);
}

int main(int argc, char **argv)
{
	puts("ready");
	fflush(stdout);
	if (argc > 1 && !strcmp(argv[1], "doze"))
		doze();
	else if (argc > 1 && !strcmp(argv[1], "read"))
		listen_to_it();
	else
		spin();
	puts("done");
	return go;
}
