/* What is asked of the other processes that share a batch. How they are reached is the business of
 * whoever fills this in. */
#ifndef CNN_UTIL_RANKS_H
#define CNN_UTIL_RANKS_H

#include <stddef.h>

/* All processes make the same calls in the same order. What fails is told by whoever filled this
 * in; the data is then undefined. */
struct cnn_ranks {
    size_t rank, count;
    void *context;
    /* Process r gives the bytes from offsets[r] to offsets[r + 1] of `all`, and gets all others. */
    void (*gather)(void *context, void *all, const size_t *offsets);
    /* The gradients of this node are complete: the sums of this process's roots. NULL: nobody
     * waits for them. */
    void (*complete)(void *context, size_t node);
};

#endif
