/* POSIX threads: mutexes, conditions, barriers, semaphores, reader-writer
 * locks, once, thread-local storage, stacks, cancellation, eight at a time. */
#include "report.h"
#include <pthread.h>
#include <semaphore.h>
#include <sched.h>

enum { THREADS = 8, ROUNDS = 2000 };

static pthread_t threads[THREADS];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static long counter;
static __thread long own = 42;
static __thread char zeroed[10000];

static void run(void *(*body)(void *))
{
	long sum = 0;
	for (long i = 0; i < THREADS; i++)
		need(pthread_create(&threads[i], NULL, body, (void *)i));
	for (int i = 0; i < THREADS; i++) {
		void *result;
		need(pthread_join(threads[i], &result));
		sum += (long)result;
	}
	printf("results sum to %ld\n", sum);
}

static void *lock_and_count(void *arg)
{
	for (int i = 0; i < ROUNDS; i++) {
		pthread_mutex_lock(&mutex);
		counter++;
		pthread_mutex_unlock(&mutex);
		if (i % 100 == 0)
			sched_yield();
	}
	return arg;
}

static void *meet(void *arg)
{
	static long arrived;
	long serial = 0;
	for (int round = 1; round <= 50; round++) {
		__atomic_fetch_add(&arrived, 1, __ATOMIC_SEQ_CST);
		serial += pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD;
		if (__atomic_load_n(&arrived, __ATOMIC_SEQ_CST) < round * THREADS)
			serial += 1000000;
		pthread_barrier_wait(&barrier);
	}
	(void)arg;
	return (void *)serial;
}

static void *tls(void *arg)
{
	long mine = (long)arg, bad = 0;
	bad += own != 42;
	for (size_t i = 0; i < sizeof zeroed; i++)
		bad += zeroed[i] != 0;
	own = mine;
	memset(zeroed, mine, sizeof zeroed);
	for (int i = 0; i < 20; i++) {
		sched_yield();
		bad += own != mine || zeroed[5000] != mine;
	}
	errno = mine;
	sched_yield();
	bad += errno != mine;
	return (void *)bad;
}

/* A bounded queue between four producers and four consumers. */
static int queue[4], head, count;
static pthread_cond_t not_full = PTHREAD_COND_INITIALIZER, not_empty = PTHREAD_COND_INITIALIZER;

static void *produce_or_consume(void *arg)
{
	long me = (long)arg, sum = 0;
	for (int i = 1; i <= 500; i++) {
		pthread_mutex_lock(&mutex);
		if (me % 2) {
			while (count == 4)
				pthread_cond_wait(&not_full, &mutex);
			queue[(head + count++) % 4] = i;
			pthread_cond_signal(&not_empty);
		} else {
			while (count == 0)
				pthread_cond_wait(&not_empty, &mutex);
			sum += queue[head];
			head = (head + 1) % 4;
			count--;
			pthread_cond_signal(&not_full);
		}
		pthread_mutex_unlock(&mutex);
	}
	return (void *)sum;
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static sem_t sem;
static int initialised, inside, most;

static void initialise(void) { initialised++; }

static void *mixed(void *arg)
{
	long reads = 0;
	pthread_once(&once, initialise);
	for (int i = 0; i < 200; i++) {
		if ((i + (long)arg) % 10 == 0) {
			pthread_rwlock_wrlock(&rwlock);
			counter++;
			pthread_rwlock_unlock(&rwlock);
		} else {
			pthread_rwlock_rdlock(&rwlock);
			reads++;
			pthread_rwlock_unlock(&rwlock);
		}
		sem_wait(&sem);
		int now = __atomic_add_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		if (now > 3)
			__atomic_store_n(&most, now, __ATOMIC_SEQ_CST);
		__atomic_sub_fetch(&inside, 1, __ATOMIC_SEQ_CST);
		sem_post(&sem);
	}
	return (void *)reads;
}

static void timed(void)
{
	section("time-outs");
	struct timespec t;
	clock_gettime(CLOCK_REALTIME, &t);
	t.tv_nsec += 20000000;
	if (t.tv_nsec >= 1000000000)
		t.tv_sec++, t.tv_nsec -= 1000000000;
	pthread_mutex_lock(&mutex);
	int r;
	do
		r = pthread_cond_timedwait(&cond, &mutex, &t);
	while (r == 0);
	printf("timedwait %s\n", errname(r));
	pthread_mutex_unlock(&mutex);
	sem_t empty;
	sem_init(&empty, 0, 0);
	SHOW(sem_timedwait(&empty, &t));
	SHOW(sem_trywait(&empty));
	printf("trylock %s\n", errname(pthread_mutex_trylock(&mutex)));
	printf("trylock %s\n", errname(pthread_mutex_trylock(&mutex)));
	printf("timedlock %s\n", errname(pthread_mutex_timedlock(&mutex, &t)));
	pthread_mutex_unlock(&mutex);
}

static pthread_key_t key;
static long destroyed;
static void destroy(void *value) { __atomic_fetch_add(&destroyed, (long)value, __ATOMIC_SEQ_CST); }

static void *with_key(void *arg)
{
	pthread_setspecific(key, (void *)((long)arg + 1));
	if ((long)arg % 2)
		pthread_exit(arg);
	return arg;
}

static void *sleep_forever(void *arg)
{
	pthread_cleanup_push(destroy, (void *)1000);
	for (;;)
		pause();
	pthread_cleanup_pop(0);
	return arg;
}

static void *deep(void *arg)
{
	volatile char frame[200000]; /* a small stack of its own, with room for this */
	memset((void *)frame, 1, sizeof frame);
	return (void *)(long)(frame[100] + (arg != NULL));
}

static void *detached(void *arg)
{
	sem_post(arg);
	return NULL;
}

static void lives(void)
{
	section("life and death");
	need(pthread_key_create(&key, destroy));
	run(with_key);
	printf("destructors %ld\n", destroyed);
	pthread_t t;
	void *result;
	need(pthread_create(&t, NULL, sleep_forever, NULL));
	sleep_ms(20);
	printf("cancel %d\n", pthread_cancel(t));
	pthread_join(t, &result);
	printf("cancelled %d, cleanup ran %d\n", result == PTHREAD_CANCELED, destroyed > 1000);
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	need(pthread_attr_setstacksize(&attr, 512 * 1024));
	need(pthread_create(&t, &attr, deep, NULL));
	pthread_join(t, &result);
	printf("deep %ld\n", (long)result);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sem_t done;
	sem_init(&done, 0, 0);
	for (int i = 0; i < 50; i++)
		need(pthread_create(&t, &attr, detached, &done));
	for (int i = 0; i < 50; i++)
		sem_wait(&done);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_JOINABLE);
	for (int i = 0; i < 200; i++) { /* stacks are used again */
		need(pthread_create(&t, &attr, deep, NULL));
		pthread_join(t, NULL);
	}
	printf("two hundred more\n");
}

int main(void)
{
	section("mutex");
	run(lock_and_count);
	printf("counted %ld\n", counter);
	section("barrier");
	pthread_barrier_init(&barrier, NULL, THREADS);
	run(meet);
	section("thread-local storage");
	run(tls);
	printf("main's own %ld\n", own);
	section("condition");
	run(produce_or_consume);
	section("reader-writer lock, semaphore, once");
	counter = 0;
	sem_init(&sem, 0, 3);
	run(mixed);
	printf("writes %ld, initialised %d, more than three inside %d\n", counter, initialised, most);
	timed();
	lives();
	return 0;
}
