/* Peaks and bandwidths, and the bounds that follow from them (roofline.h). */
#include "train/roofline.h"

#include <string.h>

#include "util/allocate.h"
#include "util/clock.h"
#include "util/memory.h"
#include "util/parallel.h"

#define RUNS        4                  /* of which the fastest counts */
#define PEAK_ROUNDS 1500000            /* about 6 ms */
#define READ_BYTES  ((size_t)64 << 20) /* of a thread in one run */
#define MEMORY_MIN  ((size_t)64 << 20) /* of all threads together */
#define UNIT        ((size_t)1024)     /* floats: see `read` of kernels.h */

/* One run: of all threads, each with its own task. */
struct run {
    enum cnn_factors factors;
    float *x; /* of each thread so many floats */
    size_t floats, rounds;
    bool ahead; /* prefetches */
    double rate[CNN_MAX_THREADS];
};

/* Time is that of the calling thread, while it has a core: what others do on this machine is no
 * part of what it can do. */
static double time_of_thread(void)
{
    return cnn_seconds_on(CLOCK_THREAD_CPUTIME_ID);
}

static void run_peak(void *context, size_t task, size_t thread)
{
    struct run *r = context;
    float result;
    (void)thread;
    const double begun = time_of_thread(),
                 operations = cnn_kernels()->peak[r->factors](PEAK_ROUNDS, &result);
    r->rate[task] = operations / (time_of_thread() - begun);
}

static void run_read(void *context, size_t task, size_t thread)
{
    struct run *r = context;
    const float *x = r->x + task * r->floats;
    float result;
    (void)thread;
    if (r->rounds > 1) /* so that it is where it is to be read from */
        cnn_kernels()->read(x, r->floats, 1, false, &result);
    const double begun = time_of_thread();
    cnn_kernels()->read(x, r->floats, r->rounds, r->ahead, &result);
    r->rate[task] = (double)(r->floats * r->rounds * sizeof *x) / (time_of_thread() - begun);
}

/* The rates of all threads together, but of no more than there are cores. */
static double sum_rates(const struct run *r, size_t threads)
{
    double sum = 0;
    for (size_t k = 0; k < threads; k++)
        sum += r->rate[k];
    const size_t cores = (size_t)cnn_parallel_cores();
    return cores < threads ? sum * (double)cores / (double)threads : sum;
}

static void measure(struct run *r, cnn_task *task, double *best)
{
    const size_t threads = (size_t)cnn_parallel_threads();
    for (size_t i = 0; i < RUNS; i++) {
        cnn_parallel_for(threads, task, r);
        const double rate = sum_rates(r, threads);
        *best = rate > *best ? rate : *best;
    }
}

void cnn_roofline_measure_peaks(struct cnn_roofline *r, const bool wanted[CNN_FACTORS_KINDS])
{
    for (int f = 0; f < CNN_FACTORS_KINDS; f++) {
        struct run run = {.factors = (enum cnn_factors)f};
        if (wanted[f] && cnn_kernels()->peak[f])
            measure(&run, run_peak, &r->peak[f]);
    }
}

/* What one of so many threads has of a cache; 0: there is none. */
static size_t share_of(const struct cnn_cache *c, size_t threads)
{
    return c->bytes == 0 ? 0 : c->bytes / (c->sharers < threads ? c->sharers : threads);
}

/* Floats for each thread that fit well into a level, and mostly not into the one before, of which a
 * thread has `inner` bytes. */
static size_t level_floats(size_t inner, size_t share)
{
    size_t bytes = share / 2 > 2 * inner ? share / 2 : 2 * inner;
    if (bytes > inner + share / 4 * 3)
        bytes = inner + share / 4 * 3;
    const size_t units = bytes / sizeof(float) / UNIT;
    return (units > 0 ? units : 1) * UNIT;
}

/* Floats for each thread that the caches, which hold `room` bytes, have mostly lost when they are
 * read again; for all at most a quarter of the memory that this process can still have. */
static size_t memory_floats(double room, size_t threads)
{
    struct cnn_memory_room memory;
    cnn_memory_room("", &memory);
    const double most = memory.available / 4;
    double bytes = 3 * room > (double)MEMORY_MIN ? 3 * room : (double)MEMORY_MIN;
    if (bytes > most)
        bytes = most;
    const size_t units = (size_t)(bytes / (double)threads) / sizeof(float) / UNIT;
    return (units > 0 ? units : 1) * UNIT;
}

/* Each thread writes what it reads later. */
static void fill(void *context, size_t task, size_t thread)
{
    struct run *r = context;
    (void)thread;
    for (size_t i = 0; i < r->floats; i++)
        r->x[task * r->floats + i] = 1;
}

/* Reads as many floats for each thread, with and without prefetching. */
static void measure_level(struct run *r, size_t floats, double *best)
{
    r->floats = floats;
    for (int i = 0; i < 2; i++) {
        r->ahead = i > 0;
        measure(r, run_read, best);
    }
}

/* Each level, in the arrays that memory was measured in, as far as they go. */
static void measure_caches(struct run *r, const struct cnn_cache *caches, size_t threads,
                           double *bandwidth)
{
    const size_t most = r->floats;
    size_t inner = 0;
    for (int i = 0; i < CNN_CACHE_LEVELS; i++) {
        const size_t share = share_of(&caches[i], threads), wanted = level_floats(inner, share),
                     floats = wanted < most ? wanted : most;
        r->rounds = READ_BYTES / (floats * sizeof(float)) + 1;
        if (share > 0)
            measure_level(r, floats, &bandwidth[i]);
        inner = share > inner ? share : inner;
    }
}

cnn_status cnn_roofline_measure_bandwidth(struct cnn_roofline *r, cnn_diag *diag)
{
    const size_t threads = (size_t)cnn_parallel_threads();
    struct cnn_cache caches[CNN_CACHE_LEVELS];
    double room = 0;
    if (!cnn_kernels()->read)
        return CNN_OK;
    cnn_caches("", caches);
    for (int i = 0; i < CNN_CACHE_LEVELS; i++) {
        r->room[i] = (double)cnn_cache_room(&caches[i], threads, (size_t)cnn_parallel_cores());
        room = r->room[i] > room ? r->room[i] : room;
    }
    struct run run = {.floats = memory_floats(room, threads), .rounds = 1};
    run.x = cnn_floats_reserve(threads * run.floats);
    if (!run.x)
        return cnn_fail_memory(diag, threads * run.floats * sizeof(float),
                               "measuring the bandwidth of memory");
    cnn_parallel_for(threads, fill, &run);
    measure_level(&run, run.floats, &r->bandwidth[CNN_LEVEL_MEMORY]);
    measure_caches(&run, caches, threads, r->bandwidth);
    cnn_floats_free(run.x);
    return CNN_OK;
}

/* The first level that can hold so many bytes. */
static int level_of(const struct cnn_roofline *r, double bytes)
{
    for (int i = 0; i < CNN_CACHE_LEVELS; i++)
        if (bytes <= r->room[i] && r->bandwidth[i] > 0)
            return i;
    return CNN_LEVEL_MEMORY;
}

struct cnn_bound cnn_roofline_bound(const struct cnn_roofline *r, const struct cnn_demand *demand)
{
    struct cnn_bound bound = {.by = CNN_LIMIT_NONE};
    double compute = 0;
    for (int f = 0; f < CNN_FACTORS_KINDS; f++)
        compute += r->peak[f] > 0 ? 2 * demand->products[f] / r->peak[f] : 0;
    const int level = level_of(r, demand->together);
    if (r->bandwidth[level] > 0 && demand->bytes > 0)
        bound = (struct cnn_bound){.seconds = demand->bytes / r->bandwidth[level], .by = level};
    if (compute > bound.seconds)
        bound = (struct cnn_bound){.seconds = compute, .by = CNN_LIMIT_COMPUTE};
    return bound;
}

const char *cnn_limit_name(int by)
{
    static const char *const names[] = {"L1", "L2", "L3", "memory", "compute"};
    return by >= 0 && by < CNN_LIMIT_NONE ? names[by] : NULL;
}
