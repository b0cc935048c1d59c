/* Every layer type, in the order of layers.def. */
#ifndef CNN_LAYERS_TYPES_H
#define CNN_LAYERS_TYPES_H

#include "graph/layer.h"

extern const struct cnn_layer_type *const cnn_layer_types[];
extern const size_t cnn_layer_type_count;

#endif
