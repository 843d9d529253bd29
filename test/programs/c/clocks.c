/* Time: clocks, sleeping, interval timers that nobody waits for. */
#include "report.h"
#include <sched.h>
#include <sys/time.h>
#include <sys/times.h>

static void clocks(void)
{
	section("clocks");
	static const struct { const char *name; clockid_t id; } all[] = {
		{ "REALTIME", CLOCK_REALTIME }, { "MONOTONIC", CLOCK_MONOTONIC },
		{ "PROCESS_CPUTIME_ID", CLOCK_PROCESS_CPUTIME_ID }, { "THREAD_CPUTIME_ID", CLOCK_THREAD_CPUTIME_ID },
		{ "MONOTONIC_RAW", CLOCK_MONOTONIC_RAW }, { "REALTIME_COARSE", CLOCK_REALTIME_COARSE },
		{ "MONOTONIC_COARSE", CLOCK_MONOTONIC_COARSE }, { "BOOTTIME", CLOCK_BOOTTIME },
	};
	for (size_t i = 0; i < COUNT(all); i++) {
		struct timespec resolution = { -1, -1 };
		uint64_t a = now_ns(all[i].id), b = now_ns(all[i].id);
		int r = clock_getres(all[i].id, &resolution);
		printf("%s: runs forward %d, getres %d, resolution below 0.1 s %d\n", all[i].name, b >= a, r,
		       resolution.tv_sec == 0 && resolution.tv_nsec > 0 && resolution.tv_nsec < 100000000);
	}
	struct timespec t;
	SHOW(clock_gettime(77, &t));
	SHOW(clock_getres(77, &t));
	SHOW(clock_getres(CLOCK_REALTIME, NULL));

	struct timeval tv;
	time_t now;
	SHOW(gettimeofday(&tv, NULL));
	CHECK(tv.tv_sec > 1700000000 && tv.tv_sec < 4102444800);
	now = time(NULL);
	CHECK(now >= tv.tv_sec - 1 && now <= tv.tv_sec + 5); /* time may lag: its clock is coarse */
	CHECK(syscall(SYS_time, NULL) >= now);
	CHECK(now_ns(CLOCK_REALTIME) / 1000000000 - now <= 5);

	/* The system call itself, beside the vDSO that libc may have used. */
	struct timespec direct;
	SHOW(syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &direct));
	uint64_t ns = direct.tv_sec * 1000000000ull + direct.tv_nsec, after = now_ns(CLOCK_MONOTONIC);
	CHECK(after >= ns && after - ns < 5000000000);
	CHECK(syscall(SYS_gettimeofday, &tv, NULL) == 0 && tv.tv_sec >= now);
}

/* slept prints whether something took at least ms; how much longer is the
 * machine's business. */
static void slept(const char *what, uint64_t start, uint64_t ms)
{
	uint64_t took = now_ns(CLOCK_MONOTONIC) - start;
	printf("%s: at least %lu ms %s\n", what, (unsigned long)ms, took >= ms * 1000000 && took < 30000000000 ? "yes" : "no");
}

static void sleeping(void)
{
	section("sleeping");
	uint64_t start = now_ns(CLOCK_MONOTONIC);
	struct timespec t = { 0, 20000000 };
	SHOW(nanosleep(&t, NULL));
	slept("nanosleep", start, 20);
	start = now_ns(CLOCK_MONOTONIC);
	SHOW(clock_nanosleep(CLOCK_MONOTONIC, 0, &t, NULL));
	slept("clock_nanosleep", start, 20);
	start = now_ns(CLOCK_MONOTONIC);
	uint64_t until = start + 30000000;
	t = (struct timespec){ until / 1000000000, until % 1000000000 };
	SHOW(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL));
	slept("until", start, 30);
	t = (struct timespec){ 1, 0 };
	SHOW(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL)); /* long ago */
	start = now_ns(CLOCK_MONOTONIC);
	SHOW(usleep(10000));
	slept("usleep", start, 10);
	t = (struct timespec){ 0, 1000000000 };
	SHOW(nanosleep(&t, NULL));
	t = (struct timespec){ -1, 0 };
	SHOW(nanosleep(&t, NULL));
	SHOW(clock_nanosleep(77, 0, &t, NULL));
	t = (struct timespec){ 0, 0 };
	SHOW(nanosleep(&t, NULL));
	SHOW(sched_yield());
}

static void cpu_time(void)
{
	section("processor time");
	uint64_t start = now_ns(CLOCK_PROCESS_CPUTIME_ID), wall = now_ns(CLOCK_MONOTONIC);
	volatile unsigned x = 0;
	while (now_ns(CLOCK_MONOTONIC) - wall < 30000000)
		x++;
	CHECK(now_ns(CLOCK_PROCESS_CPUTIME_ID) > start);
	struct tms tms;
	CHECK(times(&tms) != -1);
	CHECK(tms.tms_cutime == 0 && tms.tms_cstime == 0);
	CHECK(clock() >= 0);
}

static void interval_timers(void)
{
	section("interval timers");
	struct itimerval set = { { 0, 0 }, { 100, 0 } }, got;
	SHOW(setitimer(ITIMER_REAL, &set, NULL));
	SHOW(getitimer(ITIMER_REAL, &got));
	CHECK(got.it_value.tv_sec >= 90 && got.it_value.tv_sec <= 100 && got.it_interval.tv_sec == 0);
	CHECK(alarm(50) >= 90);
	CHECK(alarm(0) >= 40);
	SHOW(getitimer(ITIMER_REAL, &got));
	printf("left %ld\n", (long)got.it_value.tv_sec);
	set.it_value.tv_usec = 1000000;
	SHOW(setitimer(ITIMER_REAL, &set, NULL));
	SHOW(setitimer(9, &set, NULL));
	SHOW(getitimer(9, &got));
}

static void calendar(void)
{
	section("calendar");
	time_t t = 1700000000;
	struct tm tm;
	char text[64];
	gmtime_r(&t, &tm);
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %j %u", &tm);
	printf("%s\n", text);
	localtime_r(&t, &tm); /* reads /etc/localtime, or TZ */
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %Z", &tm);
	printf("%s\n", text);
	printf("%ld\n", (long)mktime(&tm));
}

int main(void)
{
	clocks();
	sleeping();
	cpu_time();
	interval_timers();
	calendar();
	return 0;
}
