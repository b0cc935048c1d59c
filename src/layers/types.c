/* The list of layer types, from layers.def. */
#include "layers/types.h"

#define LAYER(name) extern const struct cnn_layer_type cnn_layer_##name;
#include "layers/layers.def"
#undef LAYER

#define LAYER(name) &cnn_layer_##name,
const struct cnn_layer_type *const cnn_layer_types[] = {
#include "layers/layers.def"
};
#undef LAYER

const size_t cnn_layer_type_count = sizeof cnn_layer_types / sizeof *cnn_layer_types;
