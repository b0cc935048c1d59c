/* Values that plans store as bfloat16, with `precision: bf16`: half of the bytes move, and products
 * read them as they lie. What a layer can do stands in its `halves` of cnn_execution. */
#ifndef CNN_GRAPH_HALVES_H
#define CNN_GRAPH_HALVES_H

#include "graph/graph.h"

/* Sets x_halves and y_halves of the nodes of a fused graph. The input, the logits and the output
 * stay floats, and so does what a layer reads or writes that cannot do otherwise. */
cnn_status cnn_graph_use_halves(struct cnn_arena *arena, struct cnn_graph *graph,
                                const struct cnn_kernels *kernels, cnn_diag *diag);

/* Whether value v is stored as bfloat16. */
static inline bool cnn_graph_halves(const struct cnn_graph *graph, size_t v)
{
    return v > 0 && graph->nodes[v - 1].y_halves;
}

/* `halves` of a layer all of whose work on values is done by functions of the table: its inputs and
 * its output are stored the same way. The table has no softmax. */
bool cnn_node_halves_alike(const struct cnn_node *node, const struct cnn_kernels *kernels);

#endif
