/* What mul and scale share: both multiply channels (kernels' scale), and may take in the activation
 * behind them. */
#ifndef CNN_LAYERS_SCALING_H
#define CNN_LAYERS_SCALING_H

#include "layers/weighted.h"

/* The slot of the products before an activation whose backward needs them. */
enum { CNN_SLOT_PRODUCTS = 2 };

struct cnn_scaling {
    struct cnn_activation activation; /* of the settings, or fused */
};

/* For a node whose out is known: makes its state and says what backward reads. */
cnn_status cnn_scaling_infer(struct cnn_node *node, int activation, struct cnn_arena *arena,
                             cnn_diag *diag);

/* The operation without its activation. together: all images have the same factors. */
struct cnn_scale cnn_scaling_geometry(const struct cnn_node *node, size_t n, bool together);

/* y = activation(x[0] * s + b); b may be NULL. */
void cnn_scaling_forward(const struct cnn_call *call, struct cnn_scale scale, const float *s,
                         const float *b);

/* Takes dy back through the activation, in place. */
void cnn_scaling_backward(const struct cnn_call *call);

/* Member of the descriptors, whose state is a struct cnn_scaling. */
bool cnn_scaling_fuse(struct cnn_node *node, const struct cnn_node *next, enum cnn_fusion fusion);

#endif
