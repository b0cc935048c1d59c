/* Which array of a plan lives where. Every array is a block with a lifetime in steps; blocks whose
 * lifetimes do not meet share memory.
 *
 * What training reads in its backward need not live all the time from its forward: a value that its
 * layer can give again, from what is kept anyway, lives twice. Rota Bulo, Porzi and Kontschieder,
 * "In-Place Activated BatchNorm for Memory-Optimized Training of DNNs", 2018, do so with what
 * batch_norm gives. */
#ifndef CNN_GRAPH_LAYOUT_H
#define CNN_GRAPH_LAYOUT_H

#include "graph/plan.h"
#include "graph/stages.h"

#define CNN_NO_BLOCK SIZE_MAX
#define CNN_NO_VALUE SIZE_MAX

struct cnn_life {
    size_t first, last; /* steps, inclusive; none: first > last */
};

struct cnn_block {
    size_t floats;
    struct cnn_life lives[2]; /* the second: of a value that is made again; else none */
    size_t offset;            /* in the slab */
};

/* Steps: forward of node i is step i, the loss is step count, backward of node i is step 2 * count
 * - i, and what survives has last = 2 * count + 1. */
struct cnn_layout {
    struct cnn_block *blocks;
    size_t block_count;
    size_t floats; /* of the slab */
    struct cnn_stages stages;
    /* block of each value, count + 1; values written over one another share one */
    size_t *value;
    /* of each node: the first value that is made again before its backward, and behind each value
     * the next one, in the order of their making; CNN_NO_VALUE at the end */
    size_t *again, *again_next;
    size_t *gradient;  /* block of each value's gradient; CNN_NO_BLOCK where none is needed */
    size_t *tensor;    /* block of SAVED and PACKED tensors, [node][slot] */
    size_t *temporary; /* block of a gradient that is added to one already there, [edge] */
    size_t *edge;      /* index of the first input edge of each node */
    /* blocks, CNN_NO_BLOCK where none: gradients of all parameters, or else of each node's, of a
     * piece of its weights, where piece says how many floats that is, and of its bias */
    size_t parameters, *node_parameters, *piece;
    size_t scratch;
    size_t batch; /* images of this process */
    /* Gradients are `roots` slabs of so many floats: the sums of the subtrees of parts that this
     * process has. */
    size_t roots, root_floats;
    /* blocks, CNN_NO_BLOCK where none: sums of parts that wait for their neighbours, of any node so
     * many floats; numbers of other processes */
    size_t waiting, waiting_floats, room;
};

cnn_status cnn_layout_make(const struct cnn_graph *graph, const struct cnn_kernels *kernels,
                           const struct cnn_plan_options *options, struct cnn_arena *arena,
                           struct cnn_layout *out, cnn_diag *diag);

#endif
