/* What the program is given at its start: arguments, environment, auxiliary
 * vector, the stack's shape, registers' first state. */
#include "report.h"
#include <elf.h>
#include <sys/auxv.h>

extern char **environ;
extern char _start[], __ehdr_start[];

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash ? slash + 1 : path;
}

static void strings(int argc, char **argv)
{
	section("arguments");
	printf("%d: %s", argc, base_name(argv[0]));
	for (int i = 1; i < argc; i++)
		printf(" [%s]", argv[i]);
	printf("\n");
	CHECK(argv[argc] == NULL);
	section("environment");
	for (char **e = environ; *e; e++)
		printf("%s\n", *e);
	CHECK(environ == argv + argc + 1);
}

static void auxiliary(void)
{
	section("auxiliary vector");
	Elf64_Ehdr *header = (Elf64_Ehdr *)__ehdr_start;
	CHECK(getauxval(AT_PAGESZ) == 4096);
	CHECK(getauxval(AT_CLKTCK) == 100);
	CHECK(getauxval(AT_PHENT) == sizeof(Elf64_Phdr));
	CHECK(getauxval(AT_PHNUM) == header->e_phnum);
	CHECK(getauxval(AT_PHDR) == (unsigned long)__ehdr_start + header->e_phoff);
	CHECK(getauxval(AT_ENTRY) == (unsigned long)_start);
	CHECK(getauxval(AT_BASE) == 0);
	CHECK(getauxval(AT_FLAGS) == 0);
	CHECK(getauxval(AT_UID) == getuid() && getauxval(AT_EUID) == geteuid());
	CHECK(getauxval(AT_GID) == getgid() && getauxval(AT_EGID) == getegid());
	CHECK(getauxval(AT_SECURE) == 0);
	CHECK(getauxval(AT_RANDOM) != 0 && memcmp((char *)getauxval(AT_RANDOM), (char *)getauxval(AT_RANDOM) + 8, 8) != 0);
	CHECK(getauxval(AT_HWCAP) != 0);
	CHECK(getauxval(99) == 0);
	printf("platform %s\n", (char *)getauxval(AT_PLATFORM));
	printf("program %s\n", base_name((char *)getauxval(AT_EXECFN)));
}

static void stack(char **argv)
{
	section("stack");
	/* Strings above vectors, in order (the kernel's binfmt_elf). */
	char *end = argv[0];
	for (char **a = argv; *a; a++) {
		CHECK(*a == end);
		end = *a + strlen(*a) + 1;
	}
	for (char **e = environ; *e; e++)
		if (*e != end)
			printf("not in order: %s\n", *e);
		else
			end = *e + strlen(*e) + 1;
	CHECK((char *)getauxval(AT_EXECFN) == end);
	CHECK(((unsigned long)(argv - 1) & 15) == 0); /* argc, where the stack pointer was */
	CHECK(writable(argv[0]));
	volatile char deep[1 << 20]; /* the stack grows as it is used */
	for (size_t i = 0; i < sizeof deep; i += 512)
		deep[i] = 1;
	CHECK(deep[512] == 1);
}

static void processor(void)
{
	section("processor state");
	unsigned short cw, cs, ss, ds, es, fs, gs;
	unsigned mxcsr;
	unsigned long flags;
	__asm__ volatile("fnstcw %0" : "=m"(cw));
	__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
	__asm__ volatile("pushf; pop %0" : "=r"(flags));
	__asm__ volatile("mov %%cs, %0; mov %%ss, %1; mov %%ds, %2" : "=r"(cs), "=r"(ss), "=r"(ds));
	__asm__ volatile("mov %%es, %0; mov %%fs, %1; mov %%gs, %2" : "=r"(es), "=r"(fs), "=r"(gs));
	printf("fcw %#x mxcsr %#x\n", cw, mxcsr & ~0x3f);
	printf("flags: IF %lu DF %lu TF %lu AC %lu IOPL %lu\n", flags >> 9 & 1, flags >> 10 & 1, flags >> 8 & 1, flags >> 18 & 1, flags >> 12 & 3);
	printf("cs %#x ss %#x ds %#x es %#x fs %#x gs %#x\n", cs, ss, ds, es, fs, gs);
}

int main(int argc, char **argv)
{
	strings(argc, argv);
	auxiliary();
	stack(argv);
	processor();
	return 0;
}
