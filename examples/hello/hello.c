/* HelloWorld in C, with something in it for a debugger to find. */
#include <stdio.h>

struct greeting {
	const char *text;
	int times;
};

struct greeting greeting = { "Hello", 3 };
int total;

int square(int n)
{
	return n * n;
}

void greet(const char *name, int count)
{
	for (int i = 1; i <= count; i++) {
		total += square(i);
		printf("%s, %s! (%d)\n", greeting.text, name, i);
	}
}

int main(int argc, char **argv)
{
	greet(argc > 1 ? argv[1] : "World", greeting.times);
	printf("total %d\n", total);
	return 0;
}
