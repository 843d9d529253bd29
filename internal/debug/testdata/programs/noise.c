/* Counts while another thread keeps sending it signals. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

volatile int counter, done;
pthread_t counting;

void handler(int sig)
{
	(void)sig;
}

void *noise(void *arg)
{
	while (!done)
		pthread_kill(counting, SIGUSR1);
	return arg;
}

int main(void)
{
	pthread_t t;
	struct sigaction action = { .sa_handler = handler };
	sigaction(SIGUSR1, &action, NULL);
	counting = pthread_self();
	pthread_create(&t, NULL, noise, NULL);
	for (int i = 0; i < 200; i++)
		counter++;
	done = 1;
	pthread_join(t, NULL);
	printf("counter %d\n", counter);
	return 0;
}
