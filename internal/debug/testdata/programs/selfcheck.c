/* Counts, and says at the end whether its code is that of its file: whoever
 * debugs it must leave nothing there. */
#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

volatile int counter;
volatile int go;

int add(int a, int b)
{
	int sum = a + b;
	return sum;
}

void count(int limit)
{
	for (int i = 1; i <= limit; i++)
		counter = add(counter, i);
}

/* Compares executable segments, by the file's own program headers. */
static int check(const char *path)
{
	struct stat st;
	int fd = open(path, O_RDONLY), differ = 0;
	if (fd < 0 || fstat(fd, &st))
		return -1;
	const char *file = mmap(NULL, st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	const Elf64_Ehdr *h = (const Elf64_Ehdr *)file;
	const Elf64_Phdr *p = (const Elf64_Phdr *)(file + h->e_phoff);
	for (int i = 0; i < h->e_phnum; i++)
		if (p[i].p_type == PT_LOAD && p[i].p_flags & PF_X)
			for (size_t at = 0; at < p[i].p_filesz; at++)
				differ += file[p[i].p_offset + at] != ((const char *)p[i].p_vaddr)[at];
	close(fd);
	return differ;
}

int main(int argc, char **argv)
{
	(void)argc;
	count(10);
	while (!go)
		usleep(1000);
	count(10);
	printf("counter %d, %d bytes of code differ\n", counter, check(argv[0]));
	return go;
}
