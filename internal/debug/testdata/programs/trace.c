/* Work for tracepoints: many calls of one function, in rounds. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct item {
	int key;
	double weight;
	char name[8];
};

int table[4] = { 1, 2, 3, 4 };
int total;
int *nowhere;
const char *message = "traced";
volatile int go;

int visit(int n)
{
	struct item it = { n, n / 2.0, "item" };
	int twice = 2 * it.key;
	table[n % 4] += twice;
	total += twice;
	return twice;
}

void pause_here(void)
{
}

void *worker(void *arg)
{
	for (int i = 0; i < 100; i++)
		visit(i);
	return arg;
}

int main(int argc, char **argv)
{
	for (int i = 0; i < 10; i++)
		visit(i);
	pause_here();
	for (int i = 10; i < 20; i++)
		visit(i);
	pause_here();
	if (argc > 1 && !strcmp(argv[1], "wait")) {
		puts("ready");
		fflush(stdout);
		while (!go)
			usleep(1000);
	}
	if (argc > 1 && !strcmp(argv[1], "threads")) {
		pthread_t t[4];
		for (int i = 0; i < 4; i++)
			pthread_create(&t[i], NULL, worker, NULL);
		for (int i = 0; i < 4; i++)
			pthread_join(t[i], NULL);
		pause_here();
	}
	printf("total %d\n", total);
	return go;
}
