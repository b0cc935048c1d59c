/* Computing with bytes in inference: which layers do, and which values stay in bytes. How a layer
 * does it stands in its type's cnn_quantization. */
#ifndef CNN_GRAPH_BYTES_H
#define CNN_GRAPH_BYTES_H

#include "graph/graph.h"

/* Lets the layers of a fused graph that are quantized compute with bytes. A value that such a layer
 * writes for such layers alone is kept in bytes, whose range is then one for all of them: that of
 * the first reader. */
void cnn_graph_use_bytes(struct cnn_graph *graph);

/* Floats that one image of value v takes. */
size_t cnn_graph_value_floats(const struct cnn_graph *graph, size_t v);

#endif
