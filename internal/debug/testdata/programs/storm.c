/* Sixteen threads go through one function again and again, while another
 * makes threads that end at once. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define THREADS 16

atomic_int total, made, left = THREADS;
int rounds = 50;

void hit(int id)
{
	atomic_fetch_add(&total, id);
}

void *worker(void *arg)
{
	for (int i = 0; i < rounds; i++)
		hit(*(int *)arg);
	atomic_fetch_sub(&left, 1);
	return NULL;
}

void *nothing(void *arg)
{
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t threads[THREADS], child;
	int ids[THREADS];
	if (argc > 1)
		rounds = atoi(argv[1]);
	for (int i = 0; i < THREADS; i++) {
		ids[i] = 1;
		pthread_create(&threads[i], NULL, worker, &ids[i]);
	}
	do {
		if (pthread_create(&child, NULL, nothing, NULL) == 0) {
			pthread_join(child, NULL);
			atomic_fetch_add(&made, 1);
		}
	} while (atomic_load(&left) > 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("total %s\n", total == THREADS * rounds ? "right" : "wrong");
	return 0;
}
