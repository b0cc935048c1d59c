/* What a pass over labelled images comes to: the numbers of a cnn_evaluation, filled batch by
 * batch. */
#ifndef CNN_TASKS_METRICS_H
#define CNN_TASKS_METRICS_H

#include "cnn.h"
#include "recipe/loss.h"

#define CNN_CALIBRATION_BINS 15

/* Memory for `classes` classes; freed by cnn_metrics_free. */
cnn_status cnn_metrics_new(size_t images, size_t classes, cnn_evaluation *out, cnn_diag *diag);
void cnn_metrics_free(cnn_evaluation *e); /* what it points to; zeroed it is legal, and after it */

/* Begins anew. */
void cnn_metrics_clear(cnn_evaluation *e);

/* Of n images the scores (a row each, of any kind that grows with how probable a class is) and
 * probabilities. answers (NULL: not wanted) receives the predicted classes: on ties the lower
 * index. */
void cnn_metrics_add(cnn_evaluation *e, size_t n, const size_t *labels, const float *scores,
                     const float *probabilities, size_t *answers);

/* After the last batch, whose loss is in sum: everything that follows. */
void cnn_metrics_finish(cnn_evaluation *e, const struct cnn_loss_result *sum);

/* The 95 % interval of a share `right` of `all`: Wilson's, "Probable Inference, the Law of
 * Succession, and Statistical Inference", 1927. */
void cnn_interval(size_t right, size_t all, double *low, double *high);

#endif
