/* Memory that is read and written in known ways. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct record {
	char tag;
	short small;
	int plain;
	long wide;
} record;

int scalar;
int one, two, three, four, five, six;
char range[5000];
volatile int sink;
volatile int only_read = 42;

int local_changes(void)
{
	int local = 1;
	local += 2;
	local *= 5;
	return local;
}

void touch_record(void)
{
	record.tag = 'x';
	record.small = 2;
	record.plain = 3;
	record.wide = 4;
}

void touch_six(void)
{
	one = 1;
	two = 2;
	three = 3;
	four = 4;
	five = 5;
	six = 6;
}

void read_it(void)
{
	sink = only_read;
	only_read = 43;
	sink = only_read;
	only_read = 44;
	sink = only_read;
}

void let_the_kernel_write(void)
{
	int ends[2], value = 77;
	if (pipe(ends) || write(ends[1], &value, sizeof value) < 0 || read(ends[0], &one, sizeof one) < 0)
		puts("no pipe");
}

int main(void)
{
	scalar = 5;
	scalar = 5;
	scalar++;
	touch_record();
	touch_six();
	range[0] = 1;
	range[3000] = 2;
	memset(range + 4500, 3, 100);
	read_it();
	let_the_kernel_write();
	int sum = local_changes();
	printf("sum %d sink %d range %d %d %d\n", sum, sink, range[0], range[3000], range[4550]);
	return 0;
}
