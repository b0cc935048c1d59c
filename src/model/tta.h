/* Test-time augmentation: one answer from several views of an image. Evaluation, prediction and
 * comparison all run the network through here. */
#ifndef CNN_MODEL_TTA_H
#define CNN_MODEL_TTA_H

#include "model/model.h"

/* Runs n images (NHWC, as the network sees them) through a plan of mode INFER. logits: the mean
 * over the views of what cross-entropy reads (graph.logits); output: what the last layer makes of
 * it. Both NHWC; with maps at the end only CNN_TTA_NONE is legal. */
void cnn_tta_forward(const cnn_model *model, struct cnn_plan *plan, cnn_tta tta,
                     const float *images, size_t n, float *logits, float *output);

#endif
