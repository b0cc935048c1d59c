/* In inference a batch runs in slices, so that values stay in the caches: a slice goes through some
 * layers, a stage, before the next slice does. Where a stage ends, values of the whole batch
 * wait. */
#ifndef CNN_GRAPH_STAGES_H
#define CNN_GRAPH_STAGES_H

#include "graph/graph.h"
#include "util/arena.h"

struct cnn_stage {
    size_t first, end; /* nodes */
    size_t slice;      /* images that run through them together */
};

struct cnn_stages {
    struct cnn_stage *stages;
    size_t count;
    size_t *of;  /* each node's stage */
    bool *whole; /* each value: it holds the whole batch, not only a slice */
};

/* The stages of a graph, fused as it is executed, for batches of `batch` images; with slices false
 * it is one stage, and a slice is the batch. False when out of memory. */
bool cnn_stages_make(const struct cnn_graph *graph, const struct cnn_kernels *kernels, size_t batch,
                     bool slices, struct cnn_arena *arena, struct cnn_stages *out);

/* The stage that reads and writes a node's values. */
static inline const struct cnn_stage *cnn_stage_of(const struct cnn_stages *stages, size_t node)
{
    return &stages->stages[stages->of[node]];
}

#endif
