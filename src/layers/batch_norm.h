/* The state of a batch_norm node, for the graph: in plans that train, a batch_norm takes over the activation and the pooling that follow it. */
#ifndef CNN_LAYERS_BATCH_NORM_H
#define CNN_LAYERS_BATCH_NORM_H

#include "kernels/kernels.h"

/* infer sets the activation of the settings and no pool. Whoever sets others copies the node and sets its out (the pool's) and, with a pool, not
 * dx_over_dy. The conditions are those of struct cnn_batch_norm. */
struct cnn_batch_norm_state {
    struct cnn_activation activation; /* of the settings: any kind; with a pool or from elsewhere: one whose backward needs only its output */
    const struct cnn_pool *pool;      /* NULL: none */
};

#endif
