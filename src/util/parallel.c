/* The parallel loop, over OpenMP. Tasks are handed out one by one: they are few and large, and may differ in size. */
#include "util/parallel.h"

#include <omp.h>

static int wanted_threads; /* 0: the cores present */

void cnn_parallel_set_threads(int threads)
{
    if (threads < 0)
        threads = 0;
    wanted_threads = threads < CNN_MAX_THREADS ? threads : CNN_MAX_THREADS;
}

int cnn_parallel_threads(void)
{
    if (wanted_threads > 0)
        return wanted_threads;
    int cores = omp_get_num_procs(); /* those this process may use */
    return cores < CNN_MAX_THREADS ? cores : CNN_MAX_THREADS;
}

void cnn_parallel_for(size_t tasks, cnn_task *task, void *context)
{
    int threads = cnn_parallel_threads();
    if (threads <= 1 || tasks <= 1) {
        for (size_t i = 0; i < tasks; i++)
            task(context, i, 0);
        return;
    }
    /* Always the same team, even for fewer tasks: libgomp ends the threads that a smaller team leaves over, and would start them anew. */
#pragma omp parallel for schedule(dynamic, 1) num_threads(threads)
    for (size_t i = 0; i < tasks; i++)
        task(context, i, (size_t)omp_get_thread_num());
}
