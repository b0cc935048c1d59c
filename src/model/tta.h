/* Test-time augmentation: one answer from several views of an image. Evaluation, prediction and
 * comparison all run the network through here. */
#ifndef CNN_MODEL_TTA_H
#define CNN_MODEL_TTA_H

#include "model/model.h"

/* Images and where their answers go, all NHWC. */
struct cnn_tta_batch {
    size_t n;
    const float *images; /* as the network sees them; without views: the plan's input */
    float *logits;       /* the mean over the views of what cross-entropy reads (graph.logits) */
    float *output;       /* what the last layer makes of it */
};

/* Runs the batch through a plan of mode INFER. With maps at the end only CNN_TTA_NONE is legal. */
void cnn_tta_forward(const cnn_model *model, struct cnn_plan *plan, cnn_tta tta,
                     const struct cnn_tta_batch *batch);

#endif
