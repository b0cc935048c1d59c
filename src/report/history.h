/* What a run has written while it trained, read back from its directory: epochs.csv, steps.csv,
 * health.csv. */
#ifndef CNN_REPORT_HISTORY_H
#define CNN_REPORT_HISTORY_H

#include "recipe/stopping.h"
#include "report/health.h"
#include "tasks/task.h"

#define CNN_STEPS_HEADER "step,epoch,loss,lr,images_per_s\n"

/* The header of epochs.csv; the task's measure stands in it. Returned in buffer. */
#define CNN_HEADER_SIZE 160
const char *cnn_epochs_header(const struct cnn_task *task, char buffer[CNN_HEADER_SIZE]);

struct cnn_history_epoch {
    size_t epoch;
    double train_loss, train_measure, val_loss, val_measure, lr, seconds;
};

struct cnn_history_step {
    size_t step, epoch;
    double loss, lr, images_per_s;
};

struct cnn_history {
    const struct cnn_task *task; /* what epochs are measured by, and which is the best */
    struct cnn_history_epoch *epochs;
    struct cnn_history_step *steps;
    struct cnn_health_row *health;
    size_t epoch_count, step_count, health_count;
    /* What the run's recipe says of its epochs: best.safetensors is the newest, validation is of
     * averaged weights, when it ends early. */
    bool keep_last, averaged;
    struct cnn_stopping_settings stopping;
    size_t freeze_epochs; /* after which frozen layers are trained, too; 0: never */
};

/* Tables as report/table.h reads them; one that is missing is empty. Rows ascend by epoch or step.
 * A damaged file is CNN_FAILED with the place of the mistake. */
cnn_status cnn_history_read(const char *directory, const struct cnn_task *task,
                            struct cnn_history *out, cnn_diag *diag);
void cnn_history_free(struct cnn_history *history);

/* Takes over what `train` of the run's description says; NULL: nothing. */
void cnn_history_describe(struct cnn_history *history, struct cnn_arena *arena,
                          const struct cnn_yaml *train);

/* Whether the newest epoch is one that early stopping ends the run after. */
bool cnn_history_stopped(const struct cnn_history *history);

/* The index of the epoch that best.safetensors is from: the best by the task, or the newest.
 * CNN_NO_INDEX: no epochs. */
size_t cnn_history_best(const struct cnn_history *history);

/* The index of the epoch whose mean training loss rose most over that of the epoch before: at least
 * CNN_HISTORY_JUMP times, and by a tenth of the first epoch's loss, for small losses vary.
 * CNN_NO_INDEX: there is none. */
#define CNN_HISTORY_JUMP 3
size_t cnn_history_jump(const struct cnn_history *history);

/* Seconds of all epochs. */
double cnn_history_seconds(const struct cnn_history *history);

#endif
