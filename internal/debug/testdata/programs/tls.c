/* Thread-local variables. */
#include <pthread.h>
#include <stdio.h>

__thread int mine = 5;
__thread long other = 7;

void look(void)
{
	other++;
}

void *worker(void *arg)
{
	mine = *(int *)arg;
	look();
	return NULL;
}

int main(void)
{
	pthread_t t;
	int n = 50;
	look();
	pthread_create(&t, NULL, worker, &n);
	pthread_join(t, NULL);
	look();
	printf("mine %d other %ld\n", mine, other);
	return 0;
}
