/* Losses: `loss` of a description. */
#ifndef CNN_RECIPE_LOSS_H
#define CNN_RECIPE_LOSS_H

#include "config/keys.h"

enum cnn_loss_kind { CNN_LOSS_CROSS_ENTROPY, CNN_LOSS_MSE };

struct cnn_loss {
    enum cnn_loss_kind kind;
    double label_smoothing; /* cross_entropy */
};

extern const struct cnn_variant cnn_loss_types[];
extern const size_t cnn_loss_type_count;

/* node NULL: cross_entropy without smoothing. */
cnn_status cnn_loss_read(struct cnn_arena *arena, const struct cnn_yaml *node, struct cnn_loss *out, cnn_diag *diag);

/* Sums over the batch, so that means over several batches are exact. */
struct cnn_loss_result {
    double loss; /* sum over the images of each one's loss (mse: mean over its outputs) */
    size_t correct, top5;
    bool finite;
};

/* y: n rows of `classes`: logits for cross_entropy, outputs for mse (against one-hot). dy (may be NULL): gradient of the batch's mean loss. Label
 * smoothing as PyTorch's. A row with NaN is never correct. On ties the lower index is the prediction. */
struct cnn_loss_result cnn_loss_compute(const struct cnn_loss *loss, size_t n, size_t classes, const float *y, const size_t *labels, float *dy);

#endif
