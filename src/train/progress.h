/* How far a run has come, and how that goes into last.safetensors and comes back: a resumed run is bit for bit the uninterrupted one. */
#ifndef CNN_TRAIN_PROGRESS_H
#define CNN_TRAIN_PROGRESS_H

#include "model/model.h"

struct cnn_progress {
    size_t step;            /* updates done */
    size_t steps_per_epoch; /* a resumed run must have the same */
    size_t epochs_logged;   /* the last epoch in epochs.csv */
    double best_accuracy, best_loss;
    struct cnn_plateau plateau;
    double loss_sum; /* of the images of the epoch under way; images > 0 at an epoch's end: it is not validated yet */
    size_t images, correct;
};

/* The state of a run that starts. */
struct cnn_progress cnn_progress_start(size_t steps_per_epoch);

/* A checkpoint of the model: with the optimiser's state, to go on from; without (NULL), to be used. */
cnn_status cnn_progress_save(const struct cnn_progress *progress, const cnn_model *model, struct cnn_optimizer *optimizer, const char *path,
                             cnn_diag *diag);

/* What save wrote. The model's parameters are not touched. */
cnn_status cnn_progress_load(const struct cnn_safetensors *file, const cnn_model *model, struct cnn_optimizer *optimizer, struct cnn_progress *out,
                             cnn_diag *diag);

#endif
