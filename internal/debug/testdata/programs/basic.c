/* Functions, a structure, recursion, a loop, floating point. */
#include <stdio.h>

enum colour { RED, GREEN = 5, BLUE };

struct point {
	int x, y;
	double weight;
	const char *name;
	enum colour colour;
	struct point *next;
};

int counter;
char text[16] = "initial";
struct point origin = { 0, 0, 1.5, "origin", RED, NULL };
static int hidden = 77;

int add(int a, int b)
{
	int sum = a + b;
	return sum;
}

int f(int n)
{
	return n * 2 + hidden;
}

int factorial(int n)
{
	if (n <= 1)
		return 1;
	return n * factorial(n - 1);
}

void count_to(int limit)
{
	for (int i = 1; i <= limit; i++)
		counter += i;
}

double scale(struct point *p, double by)
{
	p->weight *= by;
	p->x = (int)(p->weight * 10);
	return p->weight;
}

int main(int argc, char **argv)
{
	struct point local = { 3, 4, 2.0, "local", BLUE, &origin };
	int result = add(2, 3);
	printf("add %d\n", result);
	printf("factorial %d\n", factorial(6));
	count_to(10);
	printf("counter %d\n", counter);
	double scaled = scale(&local, 1.25);
	printf("scale %.2f x %d next %s\n", scaled, local.x, local.next->name);
	printf("text %s, %d arguments, the last is %s\n", text, argc - 1, argc > 1 ? argv[argc - 1] : "none");
	return result + hidden;
}
