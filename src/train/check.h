/* Looking at a run before its first step: data, memory, and what the first batch comes to. It only
 * looks: a run is bit for bit the one without it. */
#ifndef CNN_TRAIN_CHECK_H
#define CNN_TRAIN_CHECK_H

#include "train/setup.h"

/* A look that is under way. */
struct cnn_check {
    struct cnn_training *t;             /* NULL: there is a description alone */
    bool thorough;                      /* else quick: for the start of a run */
    struct cnn_findings_list *findings; /* check.c */
    cnn_cluster *cluster;               /* NULL: one process */
    double step;                        /* seconds that one process takes for a step */
    enum cnn_want want;                 /* that ended it; CNN_WANT_NOTHING */
};

/* At the start of a run, calls tell with what is clearly wrong. Takes no longer than about a
 * hundredth of the first epoch. */
void cnn_check_quickly(struct cnn_training *t, void (*tell)(void *context, const char *text),
                       void *context);

/* findings.c: takes the memory for findings; gives them to out, or frees them where the look, whose
 * status it is told and returns, has failed. */
cnn_status cnn_findings_begin(struct cnn_check *check, cnn_diag *diag);
cnn_status cnn_findings_end(struct cnn_check *check, cnn_status status, cnn_findings **out,
                            cnn_diag *diag);

/* findings.c: adds a finding; hint NULL: none. */
void cnn_check_add(struct cnn_check *check, const char *about, cnn_check_level level,
                   const char *hint, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* check_settings.c: what can be said of the description alone. check->t may be NULL: then the
 * number of images is not known. */
void cnn_check_settings(struct cnn_check *check, const cnn_model *model);

/* check_step.c: what the network sees, its first loss and gradients. Parameters and optimiser are
 * left as they were. */
void cnn_check_step(struct cnn_check *check);

/* check_ranks.c: what a step by the ranks of check->cluster will cost, given what one process takes
 * for it. All ranks call it; only rank 0 finds something. */
void cnn_check_ranks(struct cnn_check *check);

/* check_step.c: how long an epoch will take. Runs steps, so that the training can only be thrown
 * away. */
void cnn_check_time(struct cnn_check *check);

#endif
