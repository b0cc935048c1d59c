/* Layers other than conv and dense on bytes (kernels/bytes.h). Those that compute declare the
 * ranges of what they read; those that only move values, or choose among them, pass their codes on.
 */
#ifndef CNN_LAYERS_BYTES_H
#define CNN_LAYERS_BYTES_H

#include "graph/layer.h"

extern const struct cnn_quantization cnn_bytes_add, cnn_bytes_multiply, cnn_bytes_activate,
    cnn_bytes_normalize;
extern const struct cnn_quantization cnn_bytes_pool; /* means compute, maxima pass */

/* bytes_move.c: layers each of whose outputs is one of their inputs, or 0. */
extern const struct cnn_quantization cnn_bytes_move, cnn_bytes_concatenate;

#endif
