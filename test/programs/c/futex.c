/* The futex call itself: wait, wake, time-outs, bit sets, requeue, what it
 * refuses, and robust lists when a thread dies with a lock. */
#include "report.h"
#include <pthread.h>

/* From <linux/futex.h>, which musl does not bring. */
enum {
	FUTEX_WAIT, FUTEX_WAKE, FUTEX_FD, FUTEX_REQUEUE, FUTEX_CMP_REQUEUE, FUTEX_WAKE_OP,
	FUTEX_WAIT_BITSET = 9, FUTEX_WAKE_BITSET, FUTEX_PRIVATE = 128, FUTEX_CLOCK_REALTIME = 256,
	OP_ADD_1_IF_0 = 1 << 28 | 1 << 12, /* FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 0) */
};

static uint32_t word, word2;

static long futex(void *addr, int op, uint32_t val, void *timeout, void *addr2, uint32_t val3)
{
	return syscall(SYS_futex, addr, op, val, timeout, addr2, val3);
}

static void waiting(void)
{
	section("wait");
	struct timespec t = { 0, 20000000 }, bad = { 0, 2000000000 }, past = { 1, 0 };
	word = 5;
	SHOW(futex(&word, FUTEX_WAIT | FUTEX_PRIVATE, 4, NULL, NULL, 0));
	uint64_t start = now_ns(CLOCK_MONOTONIC);
	SHOW(futex(&word, FUTEX_WAIT | FUTEX_PRIVATE, 5, &t, NULL, 0));
	CHECK(now_ns(CLOCK_MONOTONIC) - start >= 20000000);
	SHOW(futex(&word, FUTEX_WAIT, 5, &t, NULL, 0));
	SHOW(futex(&word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE, 5, &past, NULL, -1));
	SHOW(futex(&word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE | FUTEX_CLOCK_REALTIME, 5, &past, NULL, -1));
	SHOW(futex(&word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE, 5, &past, NULL, 0));
	SHOW(futex(&word, FUTEX_WAIT | FUTEX_PRIVATE, 5, &bad, NULL, 0));
	SHOW(futex((char *)&word + 1, FUTEX_WAIT | FUTEX_PRIVATE, 5, NULL, NULL, 0));
	SHOW(futex((void *)64, FUTEX_WAIT | FUTEX_PRIVATE, 5, NULL, NULL, 0));
	SHOW(futex((void *)0xffff800000000000, FUTEX_WAIT | FUTEX_PRIVATE, 5, NULL, NULL, 0));
	SHOW(futex(&word, FUTEX_WAIT | FUTEX_PRIVATE, 5, (void *)64, NULL, 0));
	SHOW(futex(&word, 127, 0, NULL, NULL, 0));
	SHOW(futex(&word, FUTEX_WAKE | FUTEX_PRIVATE, 1, NULL, NULL, 0));
	SHOW(futex((char *)&word + 2, FUTEX_WAKE | FUTEX_PRIVATE, 1, NULL, NULL, 0));
}

enum { WAITERS = 6 };
static int asleep, woken;
static pthread_t threads[WAITERS];

static void *wait_bits(void *arg)
{
	uint32_t bits = 1u << (long)arg;
	__atomic_fetch_add(&asleep, 1, __ATOMIC_SEQ_CST);
	long r = futex(&word, FUTEX_WAIT_BITSET | FUTEX_PRIVATE, 0, NULL, NULL, bits);
	__atomic_fetch_add(&woken, 1, __ATOMIC_SEQ_CST);
	return (void *)r;
}

static void start_waiters(void)
{
	asleep = woken = 0;
	word = 0;
	for (long i = 0; i < WAITERS; i++)
		need(pthread_create(&threads[i], NULL, wait_bits, (void *)i));
	while (__atomic_load_n(&asleep, __ATOMIC_SEQ_CST) < WAITERS)
		sleep_ms(1);
	/* From the counter into the call: move those that wait to another
	 * word until all have been moved, then all back. */
	long moved = 0;
	for (int i = 0; i < 5000 && moved < WAITERS; i++) {
		moved += futex(&word, FUTEX_REQUEUE | FUTEX_PRIVATE, 0, (void *)100, &word2, 0);
		sleep_ms(1);
	}
	printf("waiting %ld", moved);
	printf(", moved back %ld\n", futex(&word2, FUTEX_REQUEUE | FUTEX_PRIVATE, 0, (void *)100, &word, 0));
}

static void await(int n)
{
	for (int i = 0; i < 10000 && __atomic_load_n(&woken, __ATOMIC_SEQ_CST) < n; i++)
		sleep_ms(1);
	printf("awake %d\n", __atomic_load_n(&woken, __ATOMIC_SEQ_CST));
}

static void waking(void)
{
	section("wake");
	start_waiters();
	SHOW(futex(&word, FUTEX_WAKE_BITSET | FUTEX_PRIVATE, 100, NULL, NULL, 1 << 2));
	await(1);
	SHOW(futex(&word, FUTEX_WAKE | FUTEX_PRIVATE, 2, NULL, NULL, 0));
	await(3);
	SHOW(futex(&word, FUTEX_WAKE, 100, NULL, NULL, 0)); /* shared finds private waiters not */
	SHOW(futex(&word, FUTEX_WAKE | FUTEX_PRIVATE, 100, NULL, NULL, 0));
	await(6);
	for (int i = 0; i < WAITERS; i++)
		pthread_join(threads[i], NULL);

	section("requeue");
	start_waiters();
	SHOW(futex(&word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, 1, (void *)100, &word2, 7));
	SHOW(futex(&word, FUTEX_CMP_REQUEUE | FUTEX_PRIVATE, 1, (void *)100, &word2, 0));
	await(1);
	SHOW(futex(&word, FUTEX_WAKE | FUTEX_PRIVATE, 100, NULL, NULL, 0));
	SHOW(futex(&word2, FUTEX_WAKE | FUTEX_PRIVATE, 3, NULL, NULL, 0));
	await(4);
	/* WAKE_OP: add 1 to word, wake one on word2 and, as word was 0, on word. */
	SHOW(futex(&word2, FUTEX_WAKE_OP | FUTEX_PRIVATE, 1, (void *)1, &word, OP_ADD_1_IF_0));
	printf("word %u\n", word);
	await(5);
	SHOW(futex(&word2, FUTEX_WAKE | FUTEX_PRIVATE, 100, NULL, NULL, 0));
	await(6);
	for (int i = 0; i < WAITERS; i++)
		pthread_join(threads[i], NULL);
}

static void handler(int sig) { (void)sig; }

static void *interrupt(void *arg)
{
	sleep_ms(30);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	return NULL;
}

static void interrupted(void)
{
	section("interrupted");
	struct sigaction sa = { .sa_handler = handler };
	need(sigaction(SIGUSR1, &sa, NULL));
	pthread_t self = pthread_self(), other;
	need(pthread_create(&other, NULL, interrupt, &self));
	word = 0;
	SHOW(futex(&word, FUTEX_WAIT | FUTEX_PRIVATE, 0, NULL, NULL, 0));
	pthread_join(other, NULL);
}

static pthread_mutex_t robust;

static void *die_holding(void *arg)
{
	pthread_mutex_lock(&robust);
	return arg;
}

static void robust_list(void)
{
	section("robust mutex");
	pthread_mutexattr_t attr;
	pthread_t thread;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutex_init(&robust, &attr);
	need(pthread_create(&thread, NULL, die_holding, NULL));
	pthread_join(thread, NULL);
	printf("lock: %s\n", errname(pthread_mutex_lock(&robust)));
	printf("consistent: %s\n", errname(pthread_mutex_consistent(&robust)));
	printf("unlock: %s\n", errname(pthread_mutex_unlock(&robust)));
	printf("lock: %s\n", errname(pthread_mutex_lock(&robust)));
	void *head;
	size_t len;
	SHOW(syscall(SYS_get_robust_list, 0, &head, &len));
	printf("head %d length %zu\n", head != NULL, len);
	SHOW(syscall(SYS_set_robust_list, head, 7));
}

int main(void)
{
	waiting();
	waking();
	interrupted();
	robust_list();
	return 0;
}
