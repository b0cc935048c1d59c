/* A description for larger batches: `train --scale-batch`. */
#ifndef CNN_TRAIN_SCALE_H
#define CNN_TRAIN_SCALE_H

#include "model/model.h"

#define CNN_SCALE_SETTINGS 5

/* Settings KEY=VALUE that change the description, and what they change, as a line of text. */
struct cnn_scaling {
    char *settings[CNN_SCALE_SETTINGS];
    size_t count;
    char *text;
    bool failed; /* memory ran out */
};

/* What a batch that is `factor` times as large (2 or more) wants besides: Goyal et al., "Accurate,
 * Large Minibatch SGD: Training ImageNet in 1 Hour", 2017. The learning rate of sgd grows with the
 * batch, and warm-up takes 5 epochs, or a tenth of a run of fewer than 50. The step of the other
 * optimisers does not grow with the gradient; their rate grows with the square root of the batch:
 * Malladi et al., "On the SDEs and Scaling Rules for Adaptive Gradient Algorithms", 2022. Steps
 * become fewer, so that as many images are seen. out: zeroed; free is legal whatever it came to. */
cnn_status cnn_scale_batch(const cnn_model *model, size_t factor, struct cnn_scaling *out,
                           cnn_diag *diag);
void cnn_scaling_free(struct cnn_scaling *scaling);

#endif
