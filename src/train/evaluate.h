/* One pass over a data set without training: `eval`, and the validation of `train`. */
#ifndef CNN_TRAIN_EVALUATE_H
#define CNN_TRAIN_EVALUATE_H

#include "data/loader.h"
#include "model/model.h"
#include "report/samples.h"

/* A data set ready to be passed over. */
struct cnn_frozen;

struct cnn_evaluator {
    cnn_model *model;
    struct cnn_dataset *dataset; /* the caller's */
    struct cnn_loader *loader;
    struct cnn_plan *plan; /* the model's */
    cnn_cluster *cluster;  /* whose processes share the images; NULL: this one is alone */
    size_t batch;          /* images that the plan takes at a time */
    size_t target, classes;
    float *logits, *output, *probabilities; /* of one batch */
    size_t *offsets; /* with a cluster: bytes where each process's images begin */
    /* the caller's, of every image: receives the predicted classes; NULL: not wanted */
    size_t *answers;
    /* the caller's: runs the layers in front, each image once (train/frozen.h); NULL: all layers
     * run anew */
    struct cnn_frozen *frozen;
};

/* With a cluster all processes make the same calls, each runs its share of every batch, and the
 * sums are those of all images. */
cnn_status cnn_evaluator_open(cnn_model *model, struct cnn_dataset *dataset, cnn_cluster *cluster,
                              struct cnn_evaluator *out, cnn_diag *diag);
void cnn_evaluator_close(struct cnn_evaluator *evaluator);

/* An evaluation to fill, for the classes and images of evaluator. Its split is the caller's to
 * name. */
cnn_status cnn_evaluation_new(const struct cnn_evaluator *evaluator, cnn_evaluation *out,
                              cnn_diag *diag);

/* Runs all images through the model as its parameters now are; sums in *out. e is written anew, as
 * are samples (NULL: none are wanted). Of options, tta, progress and stop are used.
 * CNN_INTERRUPTED, without a message, where it was to stop on the way: e and samples then hold a
 * part. */
cnn_status cnn_evaluator_run(struct cnn_evaluator *evaluator, const cnn_evaluate_options *options,
                             cnn_evaluation *e, struct cnn_samples *samples,
                             struct cnn_loss_result *out);

/* Of every image: its class and the predicted one. */
struct cnn_answers {
    size_t *labels, *predicted;
};
void cnn_answers_free(struct cnn_answers *answers);

/* cnn_evaluate on the images that the data section of `data` names; model sees them in its own size
 * and normalisation. answers (empty; NULL: not wanted) is filled; the caller frees it, whatever the
 * status. */
cnn_status cnn_evaluate_on(const cnn_model *data, cnn_model *model,
                           const cnn_evaluate_options *options, cnn_evaluation *out,
                           struct cnn_answers *answers, cnn_diag *diag);

#endif
