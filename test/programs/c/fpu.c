/* Floating point and vector state: results to the last bit, rounding modes,
 * flags, and all registers intact across system calls, signals and threads. */
#include "report.h"
#include <fenv.h>
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <sys/time.h>

static void bits(const char *what, double x)
{
	uint64_t u;
	memcpy(&u, &x, 8);
	printf("%s %.17g %#lx\n", what, x, (unsigned long)u);
}

static void results(void)
{
	section("results");
	volatile double x = 0.1, y = 3;
	bits("sum", x + 0.2);
	bits("sqrt", sqrt(y));
	bits("sin", sin(y));
	bits("exp", exp(y));
	bits("pow", pow(y, x));
	bits("fma", fma(x, y, -0.3));
	bits("denormal", 4.9e-324 * y);
	bits("infinity", y / (x - x));
	volatile long double l = 2;
	printf("long double %.20Lg %.20Lg\n", sqrtl(l), l / 3);
	long double pi, one;
	__asm__("fldpi" : "=t"(pi));
	__asm__("fld1; fld1; fpatan" : "=t"(one));
	printf("x87 pi %.20Lg atan %.20Lg\n", pi, one);
	printf("%.3f %e %g %a\n", 1234.5678, 1e-300, 1e100, 0.1);
	bits("strtod", strtod("123456789.123456789e-5", NULL));
}

static void rounding(void)
{
	section("rounding and flags");
	int modes[] = { FE_TONEAREST, FE_DOWNWARD, FE_UPWARD, FE_TOWARDZERO };
	volatile double one = 1, three = 3;
	for (size_t i = 0; i < COUNT(modes); i++) {
		fesetround(modes[i]);
		sched_yield();
		bits("third", one / three);
		printf("rint %g %d\n", rint(2.5), fegetround() == modes[i]);
	}
	fesetround(FE_TONEAREST);
	feclearexcept(FE_ALL_EXCEPT);
	volatile double r = one / (three - three);
	sched_yield();
	printf("divide by zero %d, invalid %d\n", fetestexcept(FE_DIVBYZERO) != 0, fetestexcept(FE_INVALID) != 0);
	r = sqrt(-one);
	printf("invalid %d nan %d\n", fetestexcept(FE_INVALID) != 0, r != r);
}

/* Vector registers as wide as the processor has them. */
struct state { unsigned char reg[16][64]; };

#define EACH(M) M(0) M(1) M(2) M(3) M(4) M(5) M(6) M(7) M(8) M(9) M(10) M(11) M(12) M(13) M(14) M(15)
#define LOAD_SSE(n) "movups " #n "*64(%1), %%xmm" #n "\n"
#define SAVE_SSE(n) "movups %%xmm" #n ", " #n "*64(%2)\n"
#define LOAD_AVX(n) "vmovups " #n "*64(%1), %%ymm" #n "\n"
#define SAVE_AVX(n) "vmovups %%ymm" #n ", " #n "*64(%2)\n"
#define LOAD_512(n) "vmovups " #n "*64(%1), %%zmm" #n "\n"
#define SAVE_512(n) "vmovups %%zmm" #n ", " #n "*64(%2)\n"
#define ALL "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15"

/* through loads every register, makes a system call, stores every register. */
#define THROUGH(name, load, save)                                                   \
	static long through_##name(const struct state *in, struct state *out, long nr, long a, long b, long c) \
	{                                                                           \
		long result;                                                        \
		__asm__ volatile(EACH(load) "syscall\n" EACH(save)                  \
				 : "=a"(result) : "r"(in), "r"(out), "a"(nr), "D"(a), "S"(b), "d"(c) \
				 : "rcx", "r11", "memory", ALL);                    \
		return result;                                                      \
	}
THROUGH(sse, LOAD_SSE, SAVE_SSE)
THROUGH(avx, LOAD_AVX, SAVE_AVX)
THROUGH(avx512, LOAD_512, SAVE_512)

typedef long (*through_fn)(const struct state *, struct state *, long, long, long, long);
static through_fn through;
static size_t width;

static void choose(void)
{
	if (__builtin_cpu_supports("avx512f"))
		through = through_avx512, width = 64;
	else if (__builtin_cpu_supports("avx"))
		through = through_avx, width = 32;
	else
		through = through_sse, width = 16;
	printf("width %zu\n", width);
}

static void fill(struct state *s, int seed)
{
	for (int r = 0; r < 16; r++)
		for (int i = 0; i < 64; i++)
			s->reg[r][i] = seed * 31 + r * 7 + i;
}

static int same(const struct state *a, const struct state *b)
{
	for (int r = 0; r < 16; r++)
		if (memcmp(a->reg[r], b->reg[r], width))
			return 0;
	return 1;
}

static volatile int handled;
static void clobber(int sig)
{
	(void)sig;
	struct state junk, out;
	fill(&junk, 99);
	through(&junk, &out, SYS_getppid, 0, 0, 0);
	volatile long double l = 1;
	__asm__ volatile("fninit; fldz; fldz; fldz");
	l = l / 3;
	__asm__ volatile("fninit");
	unsigned mxcsr = 0x7f80;
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	handled++;
}

static void preserved(void)
{
	section("preserved");
	struct state in, out;
	fill(&in, 1);
	through(&in, &out, SYS_getppid, 0, 0, 0);
	printf("across a system call %d\n", same(&in, &out));
	struct sigaction sa = { .sa_handler = clobber };
	need(sigaction(SIGUSR1, &sa, NULL));
	unsigned mxcsr = 0x1fa0, after = 0; /* a status flag set, as a mark */
	__asm__ volatile("ldmxcsr %0" : : "m"(mxcsr));
	through(&in, &out, SYS_tgkill, getpid(), syscall(SYS_gettid), SIGUSR1);
	__asm__ volatile("stmxcsr %0" : "=m"(after));
	printf("across a handler that clobbers %d %d mxcsr %#x\n", handled, same(&in, &out), after);
}

static long double compute(void)
{
	volatile double sum = 0;
	long double product = 1;
	for (int i = 1; i < 2000; i++) {
		sum += 1.0 / i;
		product = product * 1.0000001L + 1e-9L * i;
	}
	return sum + product;
}

/* A timer interrupts computation anywhere. */
static void interrupted(void)
{
	section("interrupted computation");
	struct sigaction sa = { .sa_handler = clobber };
	need(sigaction(SIGALRM, &sa, NULL));
	handled = 0;
	long double expected = compute();
	struct itimerval t = { { 0, 2000 }, { 0, 2000 } };
	need(setitimer(ITIMER_REAL, &t, NULL));
	int wrong = 0;
	while (handled < 20)
		wrong += compute() != expected;
	memset(&t, 0, sizeof t);
	need(setitimer(ITIMER_REAL, &t, NULL));
	printf("twenty signals, wrong results %d\n", wrong);
}

static void *keep(void *arg)
{
	struct state in, out;
	long wrong = 0;
	fesetround((long)arg % 2 ? FE_UPWARD : FE_DOWNWARD);
	for (int i = 0; i < 300; i++) {
		fill(&in, (long)arg * 1000 + i);
		through(&in, &out, SYS_sched_yield, 0, 0, 0);
		wrong += !same(&in, &out) || fegetround() != ((long)arg % 2 ? FE_UPWARD : FE_DOWNWARD);
	}
	return (void *)wrong;
}

static void threads(void)
{
	section("threads");
	pthread_t t[6];
	long wrong = 0;
	for (long i = 0; i < 6; i++)
		need(pthread_create(&t[i], NULL, keep, (void *)i));
	for (int i = 0; i < 6; i++) {
		void *r;
		pthread_join(t[i], &r);
		wrong += (long)r;
	}
	printf("wrong %ld\n", wrong);
}

static void integer(void)
{
	section("integer");
	uint64_t h = 1469598103934665603ull;
	for (int i = 0; i < 1000000; i++)
		h = (h ^ (i & 255)) * 1099511628211ull;
	printf("hash %#lx\n", (unsigned long)h);
	__int128 wide = (__int128)h * h / 12345;
	printf("wide %#lx\n", (unsigned long)(wide >> 32));
	static char a[100000], b[100000];
	for (size_t i = 0; i < sizeof a; i++)
		a[i] = i * i;
	void *d = b, *s = a;
	size_t n = sizeof a;
	__asm__ volatile("rep movsb" : "+D"(d), "+S"(s), "+c"(n) : : "memory");
	printf("copied %d popcount %d\n", memcmp(a, b, sizeof a) == 0, __builtin_popcountl(h));
}

int main(void)
{
	choose();
	results();
	rounding();
	preserved();
	interrupted();
	threads();
	integer();
	return 0;
}
