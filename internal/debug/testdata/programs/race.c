/* Many calls of one function, for conditions and watchpoints that do not hold. */
#include <stdio.h>

int calls;
long quiet;

int count(int n)
{
	return calls += n & 1;
}

int main(void)
{
	for (int i = 0; i < 2000; i++)
		count(i);
	printf("calls %d\n", calls);
	return 0;
}
