/* Signals that come while a line is being stepped. Or, with the argument leave, a
 * first thread that ends before the program does; or, with watch, a thread that
 * sleeps while another one counts. */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

volatile int done, handled;

void handler(int sig)
{
	handled += sig == SIGALRM;
	done = 1;
}

void wait_for_it(void)
{
	done = 0;
	ualarm(200000, 0);
	while (!done) ;
	done = 2;
}

void *survivor(void *first)
{
	pthread_join(*(pthread_t *)first, NULL);
	puts("alone");
	fflush(stdout);
	while (!done)
		usleep(1000);
	return NULL;
}

void *sleeper(void *arg)
{
	while (!done)
		usleep(3000);
	return arg;
}

int main(int argc, char **argv)
{
	static pthread_t first, child;
	if (argc > 1 && !strcmp(argv[1], "watch")) {
		pthread_create(&child, NULL, sleeper, NULL);
		for (int i = 0; i < 5; i++) {
			usleep(10000);
			handled++;
		}
		done = 1;
		return pthread_join(child, NULL);
	}
	if (argc > 1) {
		first = pthread_self();
		pthread_create(&child, NULL, survivor, &first);
		pthread_exit(NULL);
	}
	signal(SIGALRM, handler);
	for (int i = 0; i < 3; i++)
		wait_for_it();
	return handled;
}
