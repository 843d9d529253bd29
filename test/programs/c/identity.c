/* Who and where the program is: ids, uname, limits, usage, scheduling, prctl. */
#include "report.h"
#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

static void ids(void)
{
	section("ids");
	uid_t r = -1, e = -1, s = -1;
	printf("uid %d %d gid %d %d\n", getuid(), geteuid(), getgid(), getegid());
	SHOW(getresuid(&r, &e, &s));
	CHECK(r == getuid() && e == geteuid() && s == geteuid());
	CHECK(getpid() > 0 && syscall(SYS_gettid) == getpid());
	CHECK(getppid() >= 0);
	CHECK(getpgrp() == getpgid(0));
	CHECK(getsid(0) >= 0);
	gid_t groups[256];
	int n = getgroups(256, groups);
	printf("groups %d\n", n);
	CHECK(getgroups(0, NULL) == n);
	SHOW(setuid(getuid()));
	SHOW(setgid(getgid()));
	SHOW(setresuid(-1, -1, -1));
	SHOW(getpgid(1 << 22));
	SHOW(getsid(1 << 22));
}

static void system_names(void)
{
	section("system");
	struct utsname u;
	SHOW(uname(&u));
	printf("%s %s\n", u.sysname, u.machine);
	CHECK(u.release[0] >= '3' && u.release[0] <= '9');
	CHECK(u.nodename[0] != 0);
	char host[256];
	CHECK(gethostname(host, sizeof host) == 0 && strcmp(host, u.nodename) == 0);
	struct sysinfo info;
	SHOW(sysinfo(&info));
	CHECK(info.totalram > 1000 && info.freeram <= info.totalram && info.mem_unit >= 1 && info.uptime > 0);
	CHECK(sysconf(_SC_NPROCESSORS_ONLN) >= 1);
	printf("page size %ld, clock ticks %ld\n", sysconf(_SC_PAGESIZE), sysconf(_SC_CLK_TCK));
}

static void limits(void)
{
	section("limits and usage");
	struct rlimit limit;
	int which[] = { RLIMIT_STACK, RLIMIT_NOFILE, RLIMIT_AS, RLIMIT_DATA, RLIMIT_CORE, RLIMIT_FSIZE };
	for (size_t i = 0; i < COUNT(which); i++)
		CHECK(getrlimit(which[i], &limit) == 0 && limit.rlim_cur <= limit.rlim_max);
	SHOW(getrlimit(99, &limit));
	limit = (struct rlimit){ 100, 90 };
	SHOW(setrlimit(RLIMIT_NOFILE, &limit));
	limit = (struct rlimit){ 100, 200 };
	SHOW(setrlimit(RLIMIT_NOFILE, &limit));
	SHOW(getrlimit(RLIMIT_NOFILE, &limit));
	printf("%ld %ld\n", (long)limit.rlim_cur, (long)limit.rlim_max);
	SHOW(prlimit(0, RLIMIT_NOFILE, &(struct rlimit){ 90, 200 }, &limit));
	printf("%ld %ld\n", (long)limit.rlim_cur, (long)limit.rlim_max);
	SHOW(prlimit(getpid(), RLIMIT_NOFILE, NULL, &limit));
	printf("%ld %ld\n", (long)limit.rlim_cur, (long)limit.rlim_max);
	struct rusage usage;
	SHOW(getrusage(RUSAGE_SELF, &usage));
	CHECK(usage.ru_maxrss > 0);
	SHOW(getrusage(RUSAGE_CHILDREN, &usage));
	printf("children's %ld\n", (long)usage.ru_utime.tv_sec);
	SHOW(getrusage(99, &usage));
}

static void scheduling(void)
{
	section("scheduling");
	cpu_set_t set;
	CPU_ZERO(&set);
	SHOW(sched_getaffinity(0, sizeof set, &set));
	CHECK(CPU_COUNT(&set) >= 1);
	SHOW(sched_getaffinity(0, 1, &set));
	SHOW(sched_setaffinity(0, sizeof set, &set));
	SHOW(sched_yield());
	SHOW(syscall(SYS_sched_getscheduler, 0));
	SHOW(sched_get_priority_max(SCHED_FIFO));
	SHOW(sched_get_priority_min(SCHED_OTHER));
	SHOW(getpriority(PRIO_PROCESS, 0));
	unsigned cpu = -1, node = -1;
	SHOW(syscall(SYS_getcpu, &cpu, &node, NULL));
	CHECK(cpu < 4096);
}

static void process_control(void)
{
	section("prctl and arch_prctl");
	char name[16] = "";
	SHOW(prctl(PR_GET_NAME, name));
	printf("name %s\n", name);
	SHOW(prctl(PR_SET_NAME, "a name that is far too long"));
	SHOW(prctl(PR_GET_NAME, name));
	printf("name %s\n", name);
	SHOW(prctl(PR_GET_DUMPABLE));
	SHOW(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	SHOW(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	SHOW(prctl(12345));
	unsigned long fs = 0, gs = 1;
	SHOW(syscall(SYS_arch_prctl, 0x1003, &fs)); /* ARCH_GET_FS */
	CHECK(fs != 0);
	SHOW(syscall(SYS_arch_prctl, 0x1004, &gs)); /* ARCH_GET_GS */
	printf("gs %lu\n", gs);
	long cell = 4711;
	SHOW(syscall(SYS_arch_prctl, 0x1001, &cell)); /* ARCH_SET_GS */
	long through_gs;
	__asm__ volatile("mov %%gs:0, %0" : "=r"(through_gs));
	printf("through gs %ld\n", through_gs);
	SHOW(syscall(SYS_arch_prctl, 0x1002, 1ul << 63)); /* ARCH_SET_FS outside user space */
	SHOW(syscall(SYS_arch_prctl, 0x9999, 0));
	SHOW(syscall(SYS_set_tid_address, &cell) == getpid());
	SHOW(syscall(SYS_personality, 0xffffffff));
	SHOW(syscall(1000));
	SHOW(syscall(-1L));
	SHOW(syscall(0x40000000 + SYS_getpid)); /* x32 */
}

int main(void)
{
	ids();
	system_names();
	limits();
	scheduling();
	process_control();
	return 0;
}
