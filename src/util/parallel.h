/* Threads. One parallel loop; the number of tasks comes from shapes, never from the thread count,
 * so that every result is the same bits whatever the number of threads. */
#ifndef CNN_UTIL_PARALLEL_H
#define CNN_UTIL_PARALLEL_H

#include <stddef.h>

#define CNN_MAX_THREADS 256

/* Threads that the process's pool uses; 0 means the cores present. Not to be changed while a loop
 * or a plan is at work. */
void cnn_parallel_set_threads(int threads);
int cnn_parallel_threads(void);
int cnn_parallel_cores(void); /* that this process may use */

/* Threads of an owner's own: so many (1 to CNN_MAX_THREADS) with the one that calls loops. NULL
 * when out of memory; where threads cannot be had, it has fewer. Not to be freed while in use; its
 * threads have ended then. */
struct cnn_pool *cnn_pool_new(size_t threads);
void cnn_pool_free(struct cnn_pool *pool); /* NULL is legal */

/* That of loops which run in the calling thread alone; never freed. */
struct cnn_pool *cnn_pool_none(void);

/* The pool that serves the calling thread's loops from now on, and whose number of threads is that
 * of cnn_parallel_threads; NULL: the process's, as it is at first. Returns what was before. */
struct cnn_pool *cnn_parallel_use(struct cnn_pool *pool);

/* Calls task(context, i, thread) once for each i < tasks, in any order; thread <
 * cnn_parallel_threads() names the caller, for scratch memory of its own. Loops must not nest.
 * Several threads may call it with one pool: one of them at a time has the others' help. */
typedef void cnn_task(void *context, size_t i, size_t thread);
void cnn_parallel_for(size_t tasks, cnn_task *task, void *context);

#endif
