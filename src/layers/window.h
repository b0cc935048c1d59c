/* The sliding window of convolution and pooling: output sizes, what does not fit, and the
 * arithmetic as text. */
#ifndef CNN_LAYERS_WINDOW_H
#define CNN_LAYERS_WINDOW_H

#include "graph/layer.h"

struct cnn_axis {                                       /* one direction */
    size_t in, kernel, stride, dilation, before, after; /* before, after: padding */
    size_t out;
    bool ceil; /* round the number of windows up */
};

struct cnn_sliding { /* [0]: rows, [1]: columns */
    struct cnn_axis axis[2];
};

/* What the description says of the windows: rows, columns. */
struct cnn_window_settings {
    size_t kernel[2], stride[2], dilation[2];
    struct cnn_padding padding;
    bool ceil; /* round their number up */
};

/* Fills in both axes (padding `same` included) and node->out's h and w, node->window and
 * node->sizes. What cannot be is an error at the layer's place that shows the arithmetic and the
 * nearest settings that work. */
cnn_status cnn_sliding_infer(struct cnn_sliding *sliding, struct cnn_node *node,
                             const struct cnn_window_settings *settings, struct cnn_arena *arena,
                             cnn_diag *diag);

/* "height: (32 + 2*2 - 5)/1 + 1 = 32" and the same for width. */
void cnn_sliding_describe(const struct cnn_sliding *sliding, struct cnn_text *out);

/* Input of rank 3 wanted: else an error at the layer's place that names the layer. */
cnn_status cnn_require_image(const struct cnn_node *node, cnn_diag *diag);

#endif
