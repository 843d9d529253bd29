/* Faults that the program handles: signal, si_code, si_addr, the trap number,
 * error code and address in the context, for every way to fault; a handler
 * that mends the fault; a handler on an alternate stack below a full one. */
#include "report.h"
#include <setjmp.h>
#include <sys/resource.h>
#include <ucontext.h>

static sigjmp_buf again;
static volatile siginfo_t seen;
static volatile long trapno, error_code, cr2, rip;
static volatile int on_altstack;
static char *altstack;

static void handler(int sig, siginfo_t *info, void *context)
{
	greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
	char here;

	(void)sig;
	memcpy((void *)&seen, info, sizeof seen);
	trapno = r[REG_TRAPNO];
	error_code = r[REG_ERR];
	cr2 = r[REG_CR2];
	rip = r[REG_RIP];
	on_altstack = &here >= altstack && &here < altstack + 64 * 1024;
	siglongjmp(again, 1);
}

static void handle(void)
{
	struct sigaction sa = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	int signals[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
	for (size_t i = 0; i < COUNT(signals); i++)
		need(sigaction(signals[i], &sa, NULL));
	altstack = map_anon(64 * 1024, PROT_READ | PROT_WRITE);
	stack_t ss = { .ss_sp = altstack, .ss_size = 64 * 1024 };
	need(sigaltstack(&ss, NULL));
}

static void place(const char *name, long addr, const char *base, long code)
{
	long off = addr - (long)base;
	if (off > -16 * PAGE && off < 16 * PAGE)
		printf(" %s=base%+ld", name, off);
	else if (addr - code >= 0 && addr - code < 256)
		printf(" %s=code", name);
	else
		printf(" %s=%#lx", name, addr);
}

/* FAULT runs a statement that faults; memory is named relative to base. */
#define FAULT(title, base, statement)                                         \
	do {                                                                  \
		if (sigsetjmp(again, 1) == 0) {                               \
			statement;                                            \
			printf("%s: no fault\n", title);                      \
		} else {                                                      \
			report(title, base);                                  \
		}                                                             \
	} while (0)

static void report(const char *title, const char *base)
{
	printf("%s: signal %d code %d", title, seen.si_signo, seen.si_code);
	if (seen.si_addr == (void *)rip)
		printf(" addr=rip");
	else
		place("addr", (long)seen.si_addr, base, rip);
	printf(" trap %ld", trapno);
	if (trapno == 13 || trapno == 14)
		printf(" error %#lx", error_code);
	if (trapno == 14)
		place("cr2", cr2, base, rip);
	printf("%s\n", on_altstack ? " altstack" : "");
}

static void poke(volatile char *p) { *p = 1; }
static char peek(volatile char *p) { return *p; }
static void divide(int a, int b) { __asm__ volatile("cltd; idivl %1" : "+a"(a) : "r"(b) : "rdx"); }
static void jump(void *p) { ((void (*)(void))p)(); }

static void memory(void)
{
	section("memory");
	char *m = map_anon(8 * PAGE, PROT_READ | PROT_WRITE);
	memset(m, 0xc3, 8 * PAGE); /* ret */
	need(munmap(m + 2 * PAGE, PAGE));
	need(mprotect(m + 4 * PAGE, PAGE, PROT_READ));
	need(mprotect(m + 6 * PAGE, PAGE, PROT_NONE));
	FAULT("read unmapped", m, peek(m + 2 * PAGE + 17));
	FAULT("write unmapped", m, poke(m + 2 * PAGE + 18));
	FAULT("write read-only", m, poke(m + 4 * PAGE + 19));
	FAULT("read PROT_NONE", m, peek(m + 6 * PAGE + 20));
	FAULT("write PROT_NONE", m, poke(m + 6 * PAGE + 21));
	FAULT("execute data", m, jump(m + 3 * PAGE + 22));
	FAULT("execute unmapped", m, jump(m + 2 * PAGE + 23));
	FAULT("read across a border", m, *(volatile long *)(m + 2 * PAGE - 4));
	FAULT("null read", NULL, peek((char *)8));
	FAULT("null call", NULL, jump(NULL));
	FAULT("kernel half read", NULL, peek((char *)0xffff800000000010));
	FAULT("kernel half write", NULL, poke((char *)0xffffffff81000000));
	FAULT("kernel half jump", NULL, jump((void *)0xffffffff81000000));
	FAULT("not canonical read", NULL, peek((char *)0x1234567890abcdef));
	need(mprotect(m + 4 * PAGE, PAGE, PROT_READ | PROT_EXEC));
	FAULT("execute allowed", m, jump(m + 4 * PAGE));
}

static void file(void)
{
	section("file");
	int fd = need(open("short", O_RDWR | O_CREAT | O_TRUNC, 0644));
	need(ftruncate(fd, 100));
	char *m = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	FAULT("within the page", m, peek(m + PAGE - 1));
	if (sigsetjmp(again, 1) == 0)
		peek(m + PAGE + 5);
	/* Trap and error code depend on how the kernel faults pages in. */
	printf("beyond the file: signal %d code %d addr=base%+ld\n", seen.si_signo, seen.si_code, (long)((char *)seen.si_addr - m));
	close(fd);
}

static void instructions(void)
{
	section("instructions");
	FAULT("divide by zero", NULL, divide(7, 0));
	FAULT("divide overflow", NULL, divide(-0x7fffffff - 1, -1));
	FAULT("ud2", NULL, __asm__ volatile("ud2"));
	FAULT("int3", NULL, __asm__ volatile("int3"));
	FAULT("hlt", NULL, __asm__ volatile("hlt"));
	FAULT("cli", NULL, __asm__ volatile("cli"));
	FAULT("mov cr0", NULL, __asm__ volatile("mov %%cr0, %%rax" ::: "rax"));
	FAULT("wrmsr", NULL, __asm__ volatile("wrmsr"));
	FAULT("in", NULL, __asm__ volatile("in $0x60, %%al" ::: "rax"));
	FAULT("int 0x20", NULL, __asm__ volatile("int $0x20"));
	FAULT("load a bad selector", NULL, __asm__ volatile("mov %0, %%ds" : : "r"(0x1230)));
	FAULT("trap flag", NULL, __asm__ volatile("pushf; orq $0x100, (%%rsp); popf; nop" ::: "memory", "cc"));
	FAULT("overlong instruction", NULL, __asm__ volatile(".fill 16, 1, 0x66; nop"));
}

static void floating(void)
{
	section("floating point");
	volatile double zero = 0, one = 1;
	unsigned mxcsr = 0x1f80 & ~0x200; /* unmask divide by zero */
	unsigned short cw = 0x37f & ~4;
	FAULT("sse divide by zero", NULL, __asm__ volatile("ldmxcsr %0" : : "m"(mxcsr)); one = one / zero);
	mxcsr = 0x1f80;
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	FAULT("x87 divide by zero", NULL, __asm__ volatile("fninit; fldcw %0; fld1; fldz; fdivrp; fwait" : : "m"(cw)));
	__asm__ volatile("fninit");
}

/* A handler that mends: the page appears, the instruction runs again. */
static char *lazy;
static volatile int mended;

static void mend(int sig, siginfo_t *info, void *context)
{
	(void)sig, (void)context;
	mended++;
	char *page = (char *)((long)info->si_addr & -PAGE);
	mprotect(page, PAGE, PROT_READ | PROT_WRITE);
}

static void mending(void)
{
	section("mending");
	struct sigaction sa = { .sa_sigaction = mend, .sa_flags = SA_SIGINFO }, old;
	lazy = map_anon(32 * PAGE, PROT_NONE);
	need(sigaction(SIGSEGV, &sa, &old));
	for (int i = 0; i < 32 * PAGE; i += 64)
		lazy[i] = 1;
	printf("faults mended: %d\n", mended);
	need(sigaction(SIGSEGV, &old, NULL));
}

static volatile int depth;

#pragma GCC diagnostic ignored "-Winfinite-recursion"
static int recurse(int n)
{
	volatile char frame[1024];
	frame[0] = n;
	depth = n;
	return recurse(n + 1) + frame[0];
}

static void overflow(void)
{
	section("stack overflow");
	struct rlimit limit = { 1 << 20, RLIM_INFINITY };
	need(setrlimit(RLIMIT_STACK, &limit));
	if (sigsetjmp(again, 1) == 0)
		recurse(0);
	printf("signal %d code %d altstack %d deep %s\n", seen.si_signo, seen.si_code, on_altstack, depth > 500 && depth < 1100 ? "as the limit says" : "wrong");
}

int main(void)
{
	handle();
	memory();
	file();
	instructions();
	floating();
	mending();
	overflow();
	return 0;
}
