/* Layers that are executed as one: where a layer can do the work of the one behind it as it writes
 * its output, values pass through memory once instead of twice or more. In inference a convolution
 * takes in batch_norm, activation, pooling and dropout, and the sum with a value that is there
 * already (a residual connection); in training a batch_norm takes in the activation and the
 * pooling, and a convolution the activation. Which layer takes in which is known by the layers
 * alone (`fuse` of cnn_layer_type). */
#ifndef CNN_GRAPH_FUSE_H
#define CNN_GRAPH_FUSE_H

#include "graph/graph.h"

struct cnn_fused {
    /* nodes are copies of the original's, or the original's own where nothing is fused */
    struct cnn_graph graph;
    size_t *lead;   /* of each node of the original: the node of graph that does its work */
    size_t *origin; /* of each node of graph: its node in the original */
};

/* The value of graph that holds value v of the original (where layers are fused, that
 * of the last layer). */
static inline size_t cnn_fused_value(const struct cnn_fused *fused, size_t v)
{
    return v == 0 ? 0 : fused->lead[v - 1] + 1;
}

/* The original's output and logits remain values of their own. Everything lives in arena; the
 * original must stay. */
cnn_status cnn_graph_fuse(struct cnn_arena *arena, const struct cnn_graph *graph,
                          enum cnn_fusion fusion, struct cnn_fused *out, cnn_diag *diag);

#endif
