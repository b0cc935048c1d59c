/* What pool and global_pool share: the kernels' geometry is the state, the places of the maxima are
 * kept for backward. */
#ifndef CNN_LAYERS_POOLING_H
#define CNN_LAYERS_POOLING_H

#include "layers/window.h"

struct cnn_pooling {
    struct cnn_pool pool;
    struct cnn_sliding sliding;
};

extern const char *const cnn_pool_type_choices[]; /* max, avg */

/* Makes the state of a node from its sliding window, which cnn_sliding_infer filled in. */
cnn_status cnn_pooling_infer(struct cnn_node *node, const struct cnn_sliding *sliding, bool average,
                             bool count_include_pad, struct cnn_arena *arena, cnn_diag *diag);
extern const struct cnn_execution cnn_pooling_execution;
void cnn_pooling_describe(const struct cnn_node *node, struct cnn_text *out);
double cnn_pooling_explain(const struct cnn_call *call, const struct cnn_question *question,
                           struct cnn_text *out);
double cnn_pooling_slope(const struct cnn_call *call, const struct cnn_question *question,
                         struct cnn_operand *operand, struct cnn_text *out);

#endif
