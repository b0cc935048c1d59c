/* One pass over a data set without training: `eval`, and the validation of `train`. */
#ifndef CNN_TRAIN_EVALUATE_H
#define CNN_TRAIN_EVALUATE_H

#include "data/loader.h"
#include "model/model.h"

/* A data set ready to be passed over. */
struct cnn_evaluator {
    cnn_model *model;
    struct cnn_dataset *dataset; /* the caller's */
    struct cnn_loader *loader;
    struct cnn_plan *plan; /* the model's */
    size_t target, classes;
};

cnn_status cnn_evaluator_open(cnn_model *model, struct cnn_dataset *dataset, struct cnn_evaluator *out, cnn_diag *diag);
void cnn_evaluator_close(struct cnn_evaluator *evaluator);

/* Runs all images through the model as its parameters now are; sums in *out. confusion ([true class][predicted class], zeroed by the caller) and
 * progress may be NULL. CNN_INTERRUPTED, without a message, when *stop was set on the way. */
cnn_status cnn_evaluator_run(struct cnn_evaluator *evaluator, const cnn_evaluate_options *options, size_t *confusion, struct cnn_loss_result *out);

#endif
