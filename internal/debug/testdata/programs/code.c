/* A program that looks at, changes, protects and replaces code. */
#define _GNU_SOURCE
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int target(int n)
{
	return n + 1;
}

/* What system calls see of target's code. */
int sum_of_code(void)
{
	unsigned char code[64];
	int ends[2], sum = 0;
	if (pipe(ends) || write(ends[1], (void *)target, 12) != 12 || read(ends[0], code, sizeof code) != 12)
		return -1;
	for (int i = 0; i < 12; i++)
		sum += code[i];
	return sum;
}

/* mov $N,%eax; ret */
unsigned char stub[] = { 0xb8, 0, 0, 0, 0, 0xc3 };
int (*generated)(void);

void make(void *page, int n)
{
	stub[1] = n;
	memcpy(page, stub, sizeof stub);
}

void made(void) {}

int main(void)
{
	int sum = sum_of_code();
	printf("target %d\n", target(1));
	printf("code %s\n", sum == sum_of_code() ? "as before" : "changed");
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	generated = page;
	make(page, 1);
	mprotect(page, 4096, PROT_READ | PROT_EXEC);
	made();
	printf("generated %d\n", generated());
	mprotect(page, 4096, PROT_READ | PROT_WRITE | PROT_EXEC);
	mprotect(page, 4096, PROT_READ | PROT_EXEC);
	printf("generated %d\n", generated());
	mmap(page, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
	make(page, 2);
	mprotect(page, 4096, PROT_READ | PROT_EXEC);
	made();
	printf("generated %d\n", generated());
	return 0;
}
