/* A program to debug: functions, globals, a structure, a loop, recursion, an
 * array on the stack, floating point, threads. Build without optimisation. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum colour { RED, GREEN = 5, BLUE };

struct point {
	int x, y;
	double weight;
	const char *name;
	enum colour colour;
	struct point *next;
};

int counter;
long watched = 100;
double ratio = 0.5;
char text[16] = "initial";
struct point origin = { 0, 0, 1.5, "origin", RED, NULL };
static int hidden = 77;

int add(int a, int b)
{
	int sum = a + b;
	return sum;
}

int factorial(int n)
{
	if (n <= 1)
		return 1;
	return n * factorial(n - 1);
}

void count_to(int limit)
{
	for (int i = 1; i <= limit; i++) {
		counter += i;
		if (i % 2 == 0)
			watched += i;
	}
}

double scale(struct point *p, double by)
{
	p->weight *= by;
	p->x = (int)(p->weight * 10);
	return p->weight;
}

int sum_array(void)
{
	int values[8], sum = 0;
	for (int i = 0; i < 8; i++)
		values[i] = i * i;
	for (int i = 0; i < 8; i++)
		sum += values[i];
	return sum;
}

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int shared;

void *worker(void *arg)
{
	int id = *(int *)arg;
	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&lock);
		shared += id;
		pthread_mutex_unlock(&lock);
	}
	return arg;
}

void run_threads(int n)
{
	pthread_t threads[8];
	int ids[8];
	for (int i = 0; i < n; i++) {
		ids[i] = i + 1;
		pthread_create(&threads[i], NULL, worker, &ids[i]);
	}
	for (int i = 0; i < n; i++)
		pthread_join(threads[i], NULL);
}

int main(int argc, char **argv)
{
	struct point local = { 3, 4, 2.0, "local", BLUE, &origin };
	int result = add(2, 3);
	printf("add %d\n", result);
	printf("factorial %d\n", factorial(6));
	count_to(10);
	printf("counter %d watched %ld\n", counter, watched);
	double scaled = scale(&local, 1.25);
	printf("scale %.2f x %d next %s\n", scaled, local.x, local.next->name);
	printf("array %d hidden %d ratio %.1f text %s\n", sum_array(), hidden, ratio, text);
	run_threads(argc > 1 ? atoi(argv[1]) % 8 : 4);
	printf("shared %d\n", shared);
	return result;
}
