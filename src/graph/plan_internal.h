/* What plan.c makes, and plan_forward.c and plan_backward.c run. */
#ifndef CNN_GRAPH_PLAN_INTERNAL_H
#define CNN_GRAPH_PLAN_INTERNAL_H

#include "graph/fuse.h"
#include "graph/layout.h"

struct cnn_plan_node { /* everything a call of this node needs but what changes from call to call */
    struct cnn_call call;
    const float **x; /* the call's */
    bool runs_backward;
    /* by input: where a gradient goes before it is added; NULL entries: straight to its place */
    float **dx_temporary;
};

struct cnn_plan {
    struct cnn_arena *arena;
    struct cnn_fused fused;
    /* fused.graph: what is executed; callers name nodes and values of the graph that they
     * planned */
    const struct cnn_graph *graph;
    size_t node_count; /* of theirs */
    const struct cnn_kernels *kernels;
    struct cnn_layout layout;
    enum cnn_plan_mode mode;
    size_t batch;
    float *slab;
    float *own; /* parameters that came from a source; else NULL */
    size_t own_floats;
    struct cnn_parts run; /* of the last batch, this process's */
    const struct cnn_ranks *ranks;
    struct cnn_call part; /* a node's call for some of its images, in arrays of its own */
    struct cnn_plan_node *nodes;
    bool stale; /* packed weights are out of date */
    cnn_plan_observer *observer;
    void *observer_context;
    struct cnn_taker taker;
};

static inline float *cnn_plan_block(const struct cnn_plan *plan, size_t block)
{
    return block == CNN_NO_BLOCK ? NULL : plan->slab + plan->layout.blocks[block].offset;
}

/* Whether a node has nothing to do: a process may have no images of a small batch. */
static inline bool cnn_plan_rests(const struct cnn_plan *plan, size_t node, size_t n)
{
    return n == 0 && plan->graph->nodes[node].execution->sums != CNN_SUMS_SHARED;
}

/* Packs the weights of all nodes, if parameters have changed. In plans of mode TRAIN, where they
 * change with each step, _prepare packs those of a node for its forward or its backward, when it is
 * their turn. */
void cnn_plan_pack(struct cnn_plan *plan);
void cnn_plan_prepare(struct cnn_plan *plan, size_t node, bool backward);

/* Tells the observer, if there is one, of a node and of those fused with it. */
void cnn_plan_tell(const struct cnn_plan *plan, size_t lead, bool backward, bool begin);

#endif
