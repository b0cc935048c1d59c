/* The parallel loop: a pool of threads, and the caller with them. Tasks are few and large, and may
 * differ in size. The process has a pool, whose threads stay until it ends; others are joined when
 * their owner frees them.
 *
 * Each thread begins with a run of neighbouring tasks of its own, so that from loop to loop it
 * works on about the same part of the data, which lies in its core's cache. A thread that runs out
 * of tasks steals the last task of another thread. The caller never waits for a thread that has not
 * begun a task: where other programs keep one from running, its tasks are done by those that run. A
 * thread without work looks out for some microseconds, as the next loop is mostly near, and then
 * sleeps. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "util/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "util/allocate.h"

#define LOOKS ((unsigned)4000) /* for work, before a thread sleeps: about 0.1 ms */

/* What is left of a thread's run of tasks, in one word: the epoch in the upper 16 bits, then the
 * first task, then the end. */
#define TASK_BITS 24
#define MAX_TASKS (((size_t)1 << TASK_BITS) - 1)

struct run {
    _Alignas(64) atomic_uint_least64_t left;
};

struct worker {
    struct cnn_pool *pool;
    size_t thread; /* its number in loops; the caller is 0 */
    pthread_t id;
};

struct cnn_pool {
    pthread_mutex_t lock; /* for sleeping and waking */
    pthread_cond_t wake;
    atomic_uint sleepers;
    atomic_bool ended; /* its threads are to return */
    size_t limit;     /* threads that it may have, the caller among them; 0: as the process wants */
    struct run *runs; /* by thread */
    struct worker *members;
    /* by the caller of a loop, who alone changes what stands until `loops` */
    _Alignas(64) atomic_flag taken;
    size_t workers; /* threads that were started */
    /* counts the changes of `threads`: no word of one number of threads is taken for one of
     * another */
    uint_least64_t epoch;
    atomic_size_t threads;
    _Atomic(cnn_task *) task;
    _Atomic(void *) context;
    _Alignas(64) atomic_uint_least64_t loops; /* begun so far: what workers wait for */
    _Alignas(64) atomic_size_t done;          /* tasks, by workers */
};

static struct run process_runs[CNN_MAX_THREADS];
static struct worker process_members[CNN_MAX_THREADS];
static struct cnn_pool process_pool = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                       .wake = PTHREAD_COND_INITIALIZER,
                                       .taken = ATOMIC_FLAG_INIT,
                                       .runs = process_runs,
                                       .members = process_members};

/* Its loops run in the calling thread, so it has no state. */
static struct cnn_pool no_pool = {.limit = 1};

static atomic_int wanted_threads; /* 0: the cores present */

void cnn_parallel_set_threads(int threads)
{
    if (threads < 0)
        threads = 0;
    wanted_threads = threads < CNN_MAX_THREADS ? threads : CNN_MAX_THREADS;
}

static _Thread_local struct cnn_pool *thread_pool; /* NULL: the process's */

struct cnn_pool *cnn_parallel_use(struct cnn_pool *pool)
{
    struct cnn_pool *before = thread_pool;
    thread_pool = pool;
    return before;
}

struct cnn_pool *cnn_pool_none(void)
{
    return &no_pool;
}

int cnn_parallel_cores(void)
{
    static atomic_int cores;
    int count = atomic_load_explicit(&cores, memory_order_relaxed);
    if (count == 0) {
        cpu_set_t set;
        count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
        count = count < 1 ? 1 : count < CNN_MAX_THREADS ? count : CNN_MAX_THREADS;
        atomic_store_explicit(&cores, count, memory_order_relaxed);
    }
    return count;
}

int cnn_parallel_threads(void)
{
    if (thread_pool)
        return (int)thread_pool->limit;
    return wanted_threads > 0 ? wanted_threads : cnn_parallel_cores();
}

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Takes the first task of a run, or the last; false where none is left. What is read of the loop
 * after that belongs to the task's own loop, which does not end before it is done. */
static bool take_task(struct cnn_pool *pool, struct run *run, bool last, size_t thread,
                      size_t *task)
{
    uint_least64_t left = atomic_load(&run->left);
    for (;;) {
        size_t first = (size_t)(left >> TASK_BITS) & MAX_TASKS, end = (size_t)left & MAX_TASKS;
        if (first >= end || thread >= atomic_load(&pool->threads))
            return false;
        if (atomic_compare_exchange_weak(
                &run->left, &left, last ? left - 1 : left + ((uint_least64_t)1 << TASK_BITS))) {
            *task = last ? end - 1 : first;
            return true;
        }
    }
}

/* Does tasks until none is left, the thread's own first. Returns how many. */
static size_t do_tasks(struct cnn_pool *pool, size_t thread)
{
    size_t count = 0, threads = atomic_load(&pool->threads), task;
    for (size_t k = 0; k < threads; k++)
        while (take_task(pool, &pool->runs[(thread + k) % threads], k > 0, thread, &task)) {
            atomic_load (&pool->task)(atomic_load(&pool->context), task, thread);
            count++;
        }
    return count;
}

static void wake_workers(struct cnn_pool *pool)
{
    atomic_fetch_add(&pool->loops, 1);
    if (atomic_load(&pool->sleepers) > 0) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
    }
}

/* Sleeps until more loops than these have begun. */
static void sleep_until_next(struct cnn_pool *pool, uint_least64_t loops)
{
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(&pool->loops) == loops)
        pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void *run_worker(void *argument)
{
    const struct worker *worker = argument;
    struct cnn_pool *pool = worker->pool;
    for (uint_least64_t loops = 0;;) {
        for (unsigned looks = 0; atomic_load(&pool->loops) == loops && looks < LOOKS; looks++)
            pause_briefly();
        if (atomic_load(&pool->loops) == loops)
            sleep_until_next(pool, loops);
        loops = atomic_load(&pool->loops);
        if (atomic_load(&pool->ended))
            return NULL;
        atomic_fetch_add(&pool->done, do_tasks(pool, worker->thread));
    }
}

/* Where a thread cannot be had, fewer do the work. */
static void start_workers(struct cnn_pool *pool, size_t wanted)
{
    pthread_attr_t attributes;
    if (pool->workers >= wanted || pthread_attr_init(&attributes) != 0)
        return;
    pthread_attr_setdetachstate(&attributes, pool == &process_pool ? PTHREAD_CREATE_DETACHED
                                                                   : PTHREAD_CREATE_JOINABLE);
    while (pool->workers < wanted) {
        struct worker *worker = &pool->members[pool->workers];
        worker->pool = pool;
        worker->thread = pool->workers + 1;
        if (pthread_create(&worker->id, &attributes, run_worker, worker) != 0)
            break;
        pool->workers++;
    }
    pthread_attr_destroy(&attributes);
}

struct cnn_pool *cnn_pool_new(size_t threads)
{
    threads = threads < 1 ? 1 : threads < CNN_MAX_THREADS ? threads : CNN_MAX_THREADS;
    struct cnn_pool *pool = cnn_aligned_new(64, sizeof *pool);
    struct run *runs = cnn_aligned_new(64, threads * sizeof *runs);
    struct worker *members = cnn_calloc(threads, sizeof *members);
    if (!pool || !runs || !members) {
        cnn_aligned_free(pool);
        cnn_aligned_free(runs);
        cnn_free(members);
        return NULL;
    }
    *pool = (struct cnn_pool){
        .taken = ATOMIC_FLAG_INIT, .limit = threads, .runs = runs, .members = members};
    for (size_t i = 0; i < threads; i++)
        atomic_init(&runs[i].left, 0);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    start_workers(pool, threads - 1);
    return pool;
}

void cnn_pool_free(struct cnn_pool *pool)
{
    if (!pool)
        return;
    atomic_store(&pool->ended, true);
    wake_workers(pool);
    for (size_t i = 0; i < pool->workers; i++)
        pthread_join(pool->members[i].id, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->lock);
    cnn_free(pool->members);
    cnn_aligned_free(pool->runs);
    cnn_aligned_free(pool);
}

static void begin_loop(struct cnn_pool *pool, size_t tasks, size_t threads, cnn_task *task,
                       void *context)
{
    pool->epoch += threads != atomic_load(&pool->threads);
    atomic_store(&pool->threads, threads);
    atomic_store(&pool->task, task);
    atomic_store(&pool->context, context);
    atomic_store(&pool->done, 0);
    for (size_t i = 0; i < threads; i++)
        atomic_store(&pool->runs[i].left, pool->epoch << (2 * TASK_BITS) |
                                              (uint_least64_t)(i * tasks / threads) << TASK_BITS |
                                              (i + 1) * tasks / threads);
    wake_workers(pool);
}

static void run_loop(struct cnn_pool *pool, size_t tasks, size_t threads, cnn_task *task,
                     void *context)
{
    begin_loop(pool, tasks, threads, task, context);
    size_t own = do_tasks(pool, 0);
    for (unsigned looks = 0; atomic_load(&pool->done) + own < tasks; looks++)
        if (looks < LOOKS)
            pause_briefly();
        else
            sched_yield(); /* to the thread that has begun a task and waits for this core */
}

void cnn_parallel_for(size_t tasks, cnn_task *task, void *context)
{
    struct cnn_pool *pool = thread_pool ? thread_pool : &process_pool;
    size_t threads = (size_t)cnn_parallel_threads();
    /* One loop has the pool at a time; another thread's, meanwhile, runs in that thread. */
    if (threads <= 1 || tasks <= 1 || tasks > MAX_TASKS || atomic_flag_test_and_set(&pool->taken)) {
        for (size_t i = 0; i < tasks; i++)
            task(context, i, 0);
        return;
    }
    start_workers(pool, threads - 1);
    run_loop(pool, tasks, threads, task, context);
    atomic_flag_clear(&pool->taken);
}
