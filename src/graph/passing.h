/* Parameters that a plan reads from a source. Most of them, the weights, only pass: what `prepare`
 * makes of them stays. So memory holds weights once, in the order in which kernels read them, but
 * for some rows at a time. */
#ifndef CNN_GRAPH_PASSING_H
#define CNN_GRAPH_PASSING_H

#include "graph/graph.h"

/* Where a plan of mode INFER reads parameters that are not in memory. */
struct cnn_parameter_source {
    /* Numbers first to first + count of the slab, which belong to one tensor. */
    cnn_status (*read)(const void *context, size_t first, size_t count, float *values,
                       cnn_diag *diag);
    const void *context;
};

/* Whether a layer reads the tensor while it runs, too. */
static inline bool cnn_tensor_lasts(const struct cnn_tensor *tensor)
{
    return cnn_role_stored(tensor->role) && !tensor->passing;
}

/* Room for all tensors that last, each a multiple of a cache line. */
size_t cnn_lasting_floats(const struct cnn_graph *graph);

/* Room for the largest piece of a tensor that passes. */
size_t cnn_passing_floats(const struct cnn_graph *graph);

/* Reads the tensors of a node that last into the call's arrays, and packs the other one; piece has
 * that room. */
cnn_status cnn_passing_read(const struct cnn_call *call, const struct cnn_parameter_source *source,
                            float *piece, cnn_diag *diag);

#endif
