/* A run as trainer.c leads it, and what it says while it does (trainer_tell.c): events, warnings,
 * the page, and why it ended. */
#ifndef CNN_TRAIN_TRAINER_H
#define CNN_TRAIN_TRAINER_H

#include "cluster/cluster.h"
#include "train/setup.h"

#define CNN_TRAINER_RECENT 5 /* losses that the message about a lost run shows */

struct cnn_trainer_state {
    const cnn_train_options *options;
    cnn_diag *diag;
    struct cnn_training t;
    cnn_event event; /* filled in as things become known */
    double started, epoch_started;
    struct cnn_cluster_counts counted;            /* when the epoch started */
    size_t epoch_step;                            /* likewise */
    double seconds_per_image, validation_seconds; /* running means */
    double recent[CNN_TRAINER_RECENT]; /* ring: the loss of step s is at s % CNN_TRAINER_RECENT */
    size_t first_step;                 /* of this process */
    double saved;                      /* when last.safetensors was written */
    bool begun;                        /* begin() was called */
    bool stopping;                     /* options->event wants it so */
    bool stop, save;                   /* what all ranks have agreed on */
    bool validated;                    /* t.evaluation and t.samples are whole */
    /* the page in the run's directory says that the run goes on */
    bool report_open;
    bool report_failed; /* which was said */
    double report_due;  /* when it may be written again */
    double show_due;    /* likewise, within an epoch */
};

/* Number of the epoch that update `step` (from 1) belongs to. */
size_t cnn_trainer_epoch_of(const struct cnn_trainer_state *r, size_t step);

/* The learning rate of update `step` (from 0). */
double cnn_trainer_rate_at(const struct cnn_trainer_state *r, size_t step);

/* Calls options->event of the rank that leads, with what is known by now. */
void cnn_trainer_emit(struct cnn_trainer_state *r, enum cnn_event_kind kind);
void cnn_trainer_warn(struct cnn_trainer_state *r, const char *text);

/* Rewrites report.html; end: why a run is over that is not complete. Training does not end because
 * that fails. */
void cnn_trainer_write_report(struct cnn_trainer_state *r, bool running, const char *end);

/* Within an epoch, which may take hours: the page, and its film, from time to time. */
cnn_status cnn_trainer_show(struct cnn_trainer_state *r);

/* A complete run that has not taken all its steps. */
bool cnn_trainer_stopped_early(const struct cnn_trainer_state *r);

/* The start of the run, and warnings of what it will do. */
void cnn_trainer_announce(struct cnn_trainer_state *r);

/* What is not finite, e.g. "the loss is", at update `step` (from 1). The checkpoints stay as they
 * were: the last good ones. */
cnn_status cnn_trainer_fail_divergence(const struct cnn_trainer_state *r, const char *what,
                                       size_t step);

#endif
