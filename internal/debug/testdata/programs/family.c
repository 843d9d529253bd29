/* Makes children, which nobody debugs, and becomes another program. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

int calls;

int work(int n)
{
	calls++;
	return n + 1;
}

static int collect(pid_t pid)
{
	int status = 0;
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

int main(int argc, char **argv)
{
	if (argc > 1) {
		printf("second life, %d\n", work(1));
		return 7;
	}
	pid_t pid = fork();
	if (!pid)
		_exit(work(10));
	printf("fork: %d, calls %d\n", collect(pid), calls);
	pid = vfork();
	if (!pid)
		_exit(work(20));
	printf("vfork: %d, calls %d\n", collect(pid), calls);
	printf("work: %d\n", work(30));
	fflush(stdout);
	execl(argv[0], argv[0], "again", (char *)0);
	return 1;
}
