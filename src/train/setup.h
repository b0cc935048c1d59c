/* What a training run works with, from the options to the point where the first step can be
 * taken. */
#ifndef CNN_TRAIN_SETUP_H
#define CNN_TRAIN_SETUP_H

#include "train/evaluate.h"
#include "train/film.h"
#include "train/frozen.h"
#include "train/health.h"
#include "train/progress.h"
#include "train/run.h"
#include "train/scale.h"
#include "train/step.h"
#include "util/memory.h"

struct cnn_room { /* bytes of memory */
    struct cnn_memory_room have;
    double wanted; /* by the run, but for images that are kept */
    bool refused;  /* it may not have so much */
};

#define CNN_NOTICES 8

struct cnn_training {
    cnn_model *model;
    struct cnn_dataset *train, *val;
    enum cnn_split val_split; /* where the validation images come from */
    struct cnn_loader *loader;
    struct cnn_evaluator evaluator;
    cnn_evaluation evaluation; /* of the newest epoch, and its samples: for report.html */
    struct cnn_samples samples;
    struct cnn_health health;
    struct cnn_filming filming; /* of the process that leads */
    struct cnn_step step;
    struct cnn_frozen frozen;
    bool held; /* layers are frozen: train/hold.h */
    struct cnn_run run;
    struct cnn_progress progress;
    struct cnn_room room;
    bool checked; /* looked at before it begins: what is wrong becomes a finding */
    const char *notices[CNN_NOTICES]; /* warnings about how the run was opened */
    size_t notice_count;
    cnn_cluster *cluster;       /* set before open; NULL: the process is alone */
    struct cnn_scaling scaling; /* --scale-batch */
    char *data_setting;         /* --data, as a setting of the description */
    bool from_previous;         /* the state is that of last.previous.safetensors */
    size_t params;              /* trained */
    size_t steps, epochs;       /* in all */
};

/* Zeroed by the caller; close is legal whatever open came to. The run directory is made last, so
 * that a mistake leaves none behind. */
cnn_status cnn_training_open(struct cnn_training *training, const cnn_train_options *options,
                             cnn_diag *diag);

/* Whether this process writes the files of the run. */
bool cnn_training_leads(const struct cnn_training *training);

/* What open does for a new run before it makes the directory; the run that is prepared writes
 * nothing. */
cnn_status cnn_training_prepare(struct cnn_training *training, const cnn_train_options *options,
                                cnn_diag *diag);
void cnn_training_close(struct cnn_training *training);

/* Whether nothing is left to do: every step is done, or early stopping has ended the run, and the
 * newest epoch is validated. */
bool cnn_training_complete(const struct cnn_training *training);

/* Whether an epoch's steps are done (its last may be the run's) but its validation is not. */
bool cnn_training_awaits_validation(const struct cnn_training *training);

#endif
