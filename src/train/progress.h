/* How far a run has come, and how that goes into last.safetensors and comes back: a resumed run is
 * bit for bit the uninterrupted one. */
#ifndef CNN_TRAIN_PROGRESS_H
#define CNN_TRAIN_PROGRESS_H

#include "train/step.h"

struct cnn_progress {
    size_t step;                     /* updates done */
    size_t steps_per_epoch;          /* a resumed run must have the same */
    size_t epochs_logged;            /* the last epoch in epochs.csv */
    double best_accuracy, best_loss; /* of best.safetensors */
    struct cnn_plateau plateau;
    struct cnn_stopping stopping;
    /* of the images of the epoch under way; images > 0 at an epoch's end: it is not validated
     * yet */
    double loss_sum, loss_weight;
    size_t images, correct;
};

/* The state of a run that starts. */
struct cnn_progress cnn_progress_start(size_t steps_per_epoch);

/* A checkpoint of the model: with the state of the step, to go on from; without (NULL), to be used.
 * What carries the names of the model's tensors is its parameters, with train.ema the averaged
 * ones; those that are trained are then a part of the state. */
cnn_status cnn_progress_save(const struct cnn_progress *progress, const cnn_model *model,
                             const struct cnn_step *step, const char *path, cnn_diag *diag);

/* Bytes of what save would write, rounded up. */
size_t cnn_progress_bytes(const cnn_model *model, const struct cnn_step *step);

/* Whether file holds the state of a run, not a model alone. */
bool cnn_progress_present(const struct cnn_safetensors *file);

/* step, steps_per_epoch, best_accuracy and best_loss as any checkpoint of a run has them. false
 * where it has not. */
bool cnn_progress_load_best(const struct cnn_safetensors *file, struct cnn_progress *out);

/* What save wrote. The model was loaded from the same file, and the step opened since. */
cnn_status cnn_progress_load(const struct cnn_safetensors *file, const cnn_model *model,
                             struct cnn_step *step, struct cnn_progress *out, cnn_diag *diag);

#endif
