/* Computing with bytes in inference: which layers do, and which values stay in bytes. How a layer
 * does it stands in its type's cnn_quantization. */
#ifndef CNN_GRAPH_BYTES_H
#define CNN_GRAPH_BYTES_H

#include "graph/graph.h"

/* Lets the layers of a fused graph that are quantized compute with bytes. A value that such a layer
 * writes for such layers alone is kept in bytes, whose range is then one for all of them: that of
 * the first reader that has one. Layers that pass codes on have one range for all that they read
 * and write. A layer that cannot read or write floats computes with bytes only where it need not.
 */
cnn_status cnn_graph_use_bytes(struct cnn_arena *arena, struct cnn_graph *graph, cnn_diag *diag);

/* The slots of other layers than those of layers/weighted.h: the ranges of their inputs, and what
 * `prepare` makes of them. */
enum { CNN_SLOT_RANGES = 10, CNN_SLOT_INTEGERS };

/* Declares the ranges of a node in slot, and sets its input_range. */
void cnn_node_declare_ranges(struct cnn_node *node, size_t slot);

/* The integers of a call of a plan that infers; NULL: the layer has none, since it passes codes on
 * or computes with floats. */
const struct cnn_integers *cnn_call_integers(const struct cnn_call *call);

/* Gives all that is read of values that are passed on to each other one range: from the lowest to
 * the highest number of theirs. */
bool cnn_graph_share_ranges(struct cnn_arena *arena, struct cnn_graph *graph, float *parameters);

/* Floats that one image of value v takes. */
size_t cnn_graph_value_floats(const struct cnn_graph *graph, size_t v);

#endif
