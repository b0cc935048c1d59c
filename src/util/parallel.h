/* Threads. One parallel loop; the number of tasks comes from shapes, never from the thread count,
 * so that every result is the same bits whatever the number of threads. */
#ifndef CNN_UTIL_PARALLEL_H
#define CNN_UTIL_PARALLEL_H

#include <stdbool.h>
#include <stddef.h>

#define CNN_MAX_THREADS 256

/* Threads that cnn_parallel_for uses; 0 means the cores present. Not to be changed while a loop or
 * a plan is at work. */
void cnn_parallel_set_threads(int threads);
int cnn_parallel_threads(void);

/* Whether loops of the calling thread run in it alone, and cnn_parallel_threads is 1 for it.
 * Returns what was before. */
bool cnn_parallel_alone(bool alone);

/* Calls task(context, i, thread) once for each i < tasks, in any order; thread <
 * cnn_parallel_threads() names the caller, for scratch memory of its own. Loops must not nest.
 * Several threads may call it: one of them at a time has the others' help. */
typedef void cnn_task(void *context, size_t i, size_t thread);
void cnn_parallel_for(size_t tasks, cnn_task *task, void *context);

#endif
