/* Signals: caught ones and fatal ones. The argument says which. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

volatile sig_atomic_t count;

void handler(int sig)
{
	count += sig;
}

void with_info(int sig, siginfo_t *info, void *context)
{
	(void)context;
	printf("signal %d code %d value %d\n", sig, info->si_code, info->si_value.sival_int);
	fflush(stdout);
}

void caught(void)
{
	signal(SIGUSR1, handler);
	raise(SIGUSR1);
	raise(SIGUSR1);
	printf("count %d\n", (int)count);
}

void queued(void)
{
	struct sigaction action = { .sa_sigaction = with_info, .sa_flags = SA_SIGINFO };
	union sigval value = { .sival_int = 99 };
	sigaction(SIGUSR2, &action, NULL);
	sigqueue(getpid(), SIGUSR2, value);
}

int segv(int *where)
{
	return *where;
}

int divide(int a, int b)
{
	return a / b;
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "caught";
	if (!strcmp(what, "caught"))
		caught();
	else if (!strcmp(what, "queued"))
		queued();
	else if (!strcmp(what, "segv"))
		return segv((int *)0x1234);
	else if (!strcmp(what, "fpe"))
		return divide(argc, argc - 2);
	else if (!strcmp(what, "abort"))
		abort();
	else if (!strcmp(what, "kill"))
		kill(getpid(), SIGKILL);
	return 0;
}
