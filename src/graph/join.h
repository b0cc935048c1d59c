/* Layers that are executed as one: where a layer can do the work of the one behind it as it writes
 * its output, values pass through memory once instead of twice or more. In inference a convolution
 * takes in batch_norm, activation, pooling and dropout; in training a batch_norm takes in the
 * activation and the pooling, and a convolution the activation. Which layer takes in which is known
 * by the layers alone (cnn_layer_type's join). */
#ifndef CNN_GRAPH_JOIN_H
#define CNN_GRAPH_JOIN_H

#include "graph/graph.h"

struct cnn_joined {
    /* nodes are copies of the original's, or the original's own where nothing is joined */
    struct cnn_graph graph;
    size_t *lead;   /* of each node of the original: the node of graph that does its work */
    size_t *origin; /* of each node of graph: its node in the original */
};

/* The value of graph that holds value v of the original (where a layer's output is joined on, that
 * of the last layer). */
static inline size_t cnn_joined_value(const struct cnn_joined *joined, size_t v)
{
    return v == 0 ? 0 : joined->lead[v - 1] + 1;
}

/* The original's output and logits remain values of their own. Everything lives in arena; the
 * original must stay. */
cnn_status cnn_graph_join(struct cnn_arena *arena, const struct cnn_graph *graph,
                          enum cnn_join join, struct cnn_joined *out, cnn_diag *diag);

#endif
