/* The parallel loop: a pool of threads that take tasks one by one from a common counter, and the caller with them. Tasks are few and large, and may differ in
 * size.
 *
 * The caller never waits for a thread that has not begun a task: where other programs keep one from running, its tasks are done by those that run. A
 * thread without work looks out for some microseconds, as the next loop is mostly near, and then sleeps. */
#define _GNU_SOURCE /* sched_getaffinity */
#include "util/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define LOOKS ((unsigned)4000) /* for work, before a thread sleeps: about 0.1 ms */

/* The loop's number in the upper half, the next task in the lower; CLOSED while a new loop is written down. */
#define CLOSED    UINT32_MAX
#define MAX_TASKS ((size_t)CLOSED - 1)

static struct {
    pthread_mutex_t lock; /* for sleeping and waking */
    pthread_cond_t wake;
    atomic_uint sleepers;
    _Alignas(64) atomic_flag taken; /* by the caller of a loop */
    size_t workers;                 /* threads that were started: changed by the caller that holds taken */
    _Alignas(64) atomic_uint_least64_t ticket;
    atomic_size_t tasks, threads; /* of the loop: valid as long as the ticket has not changed */
    _Atomic(cnn_task *) task;
    _Atomic(void *) context;
    _Alignas(64) atomic_size_t done;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER, .taken = ATOMIC_FLAG_INIT, .ticket = CLOSED};

static atomic_int wanted_threads; /* 0: the cores present */

void cnn_parallel_set_threads(int threads)
{
    if (threads < 0)
        threads = 0;
    wanted_threads = threads < CNN_MAX_THREADS ? threads : CNN_MAX_THREADS;
}

int cnn_parallel_threads(void)
{
    static atomic_int cores; /* that this process may use */
    if (wanted_threads > 0)
        return wanted_threads;
    int count = atomic_load_explicit(&cores, memory_order_relaxed);
    if (count == 0) {
        cpu_set_t set;
        count = sched_getaffinity(0, sizeof set, &set) == 0 ? CPU_COUNT(&set) : 1;
        count = count < 1 ? 1 : count < CNN_MAX_THREADS ? count : CNN_MAX_THREADS;
        atomic_store_explicit(&cores, count, memory_order_relaxed);
    }
    return count;
}

static void pause_briefly(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* Takes tasks until none is left. A ticket that was changed only by one since it was read belongs to the loop whose fields were read in between:
 * they are written while it says CLOSED. */
static void take_tasks(size_t thread)
{
    uint_least64_t ticket = atomic_load(&pool.ticket);
    for (;;) {
        size_t index = (size_t)(ticket & CLOSED);
        if (index == CLOSED || index >= atomic_load(&pool.tasks) || thread >= atomic_load(&pool.threads))
            return;
        if (!atomic_compare_exchange_weak(&pool.ticket, &ticket, ticket + 1))
            continue;
        atomic_load(&pool.task)(atomic_load(&pool.context), index, thread);
        atomic_fetch_add(&pool.done, 1);
        ticket = atomic_load(&pool.ticket);
    }
}

static uint_least64_t loop_number(void)
{
    return atomic_load(&pool.ticket) >> 32;
}

/* Sleeps until there has been another loop than number. */
static void sleep_until_next(uint_least64_t number)
{
    pthread_mutex_lock(&pool.lock);
    atomic_fetch_add(&pool.sleepers, 1);
    while (loop_number() == number)
        pthread_cond_wait(&pool.wake, &pool.lock);
    atomic_fetch_sub(&pool.sleepers, 1);
    pthread_mutex_unlock(&pool.lock);
}

static void *run_worker(void *argument)
{
    size_t thread = (size_t)(uintptr_t)argument;
    for (uint_least64_t number = 0;;) {
        unsigned looks = 0;
        while (loop_number() == number && looks++ < LOOKS)
            pause_briefly();
        if (loop_number() == number)
            sleep_until_next(number);
        number = loop_number();
        take_tasks(thread);
    }
    return NULL;
}

/* Where a thread cannot be had, fewer do the work. */
static void start_workers(size_t wanted)
{
    pthread_attr_t attributes;
    if (pool.workers >= wanted || pthread_attr_init(&attributes) != 0)
        return;
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_t id;
    while (pool.workers < wanted && pthread_create(&id, &attributes, run_worker, (void *)(uintptr_t)(pool.workers + 1)) == 0)
        pool.workers++;
    pthread_attr_destroy(&attributes);
}

static void run_loop(size_t tasks, size_t threads, cnn_task *task, void *context)
{
    uint_least64_t number = loop_number() + 1;
    atomic_store(&pool.ticket, number << 32 | CLOSED);
    atomic_store(&pool.tasks, tasks);
    atomic_store(&pool.threads, threads);
    atomic_store(&pool.task, task);
    atomic_store(&pool.context, context);
    atomic_store(&pool.done, 0);
    atomic_store(&pool.ticket, (number + 1) << 32);
    if (atomic_load(&pool.sleepers) > 0) {
        pthread_mutex_lock(&pool.lock);
        pthread_cond_broadcast(&pool.wake);
        pthread_mutex_unlock(&pool.lock);
    }
    take_tasks(0);
    for (unsigned looks = 0; atomic_load(&pool.done) < tasks; looks++)
        if (looks < LOOKS)
            pause_briefly();
        else
            sched_yield(); /* to the thread that has begun a task and waits for this core */
}

void cnn_parallel_for(size_t tasks, cnn_task *task, void *context)
{
    size_t threads = (size_t)cnn_parallel_threads();
    /* One loop has the pool at a time; another thread's, meanwhile, runs in that thread. */
    if (threads <= 1 || tasks <= 1 || tasks > MAX_TASKS || atomic_flag_test_and_set(&pool.taken)) {
        for (size_t i = 0; i < tasks; i++)
            task(context, i, 0);
        return;
    }
    start_workers(threads - 1);
    run_loop(tasks, threads, task, context);
    atomic_flag_clear(&pool.taken);
}
