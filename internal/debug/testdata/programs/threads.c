/* Eight threads that meet. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define THREADS 8

static pthread_barrier_t ready, go;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
int shared;
int turns[THREADS + 1];

void wait_here(int id)
{
	pthread_barrier_wait(&ready);
	turns[id]++;
	pthread_barrier_wait(&go);
}

void work(int id)
{
	pthread_mutex_lock(&lock);
	shared += id;
	pthread_mutex_unlock(&lock);
}

void *worker(void *arg)
{
	int id = *(int *)arg;
	wait_here(id);
	for (int i = 0; i < 10; i++)
		work(id);
	return arg;
}

void all_are_here(void)
{
	turns[0]++;
}

int main(void)
{
	pthread_t threads[THREADS];
	int ids[THREADS];
	pthread_barrier_init(&ready, NULL, THREADS + 1);
	pthread_barrier_init(&go, NULL, THREADS + 1);
	for (int i = 0; i < THREADS; i++) {
		ids[i] = i + 1;
		if (pthread_create(&threads[i], NULL, worker, &ids[i]) != 0)
			exit(1);
	}
	pthread_barrier_wait(&ready);
	for (int i = 0; i < THREADS; i++)
		while (!*(volatile int *)&turns[i + 1])
			usleep(1000);
	usleep(200000); /* they are all in the second barrier now */
	all_are_here();
	pthread_barrier_wait(&go);
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	printf("shared %d\n", shared);
	return 0;
}
