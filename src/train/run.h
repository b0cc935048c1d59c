/* The run directory: config.yaml, the checkpoints' places, film.safetensors, report.html, and the
 * tables steps.csv, epochs.csv and health.csv. */
#ifndef CNN_TRAIN_RUN_H
#define CNN_TRAIN_RUN_H

#include <stdio.h>

#include "report/health.h"
#include "tasks/task.h"
#include "util/arena.h"
#include "util/disk.h"

struct cnn_run {
    struct cnn_arena *arena;
    const char *directory, *config, *best, *last, *film, *report; /* paths */
    /* the generation of last before it; one that could not be read, put aside */
    const char *previous, *damaged;
    const char *steps_path, *epochs_path, *health_path, *lock_path;
    struct cnn_lock *lock; /* on the directory, for as long as this process works in it */
    FILE *steps, *epochs, *health;
};

/* Bytes of the checkpoints. */
struct cnn_run_sizes {
    size_t best, last;
};

/* Zeroed by the caller before any of these; cnn_run_close is then always legal. create: makes and
 * locks directory (NULL: runs/<name>-<n>, the first n that is free) where there is room for the
 * checkpoints; what fails for lack of room leaves nothing behind. claim: locks a directory that
 * exists. Neither takes one in which a file of the run is a link or no regular file. open_tables:
 * goes on with the tables, made where they are missing, after `step` updates, `epochs` logged
 * epochs, and `measured` ones in health.csv: later rows are cut off, as are temporary files of a
 * process that crashed. A table that has a second name becomes a copy. */
cnn_status cnn_run_create(struct cnn_run *run, const char *directory, const char *name,
                          struct cnn_run_sizes sizes, cnn_diag *diag);
cnn_status cnn_run_claim(struct cnn_run *run, const char *directory, cnn_diag *diag);
/* the paths alone, for a process that only reads */
cnn_status cnn_run_locate(struct cnn_run *run, const char *directory, cnn_diag *diag);
/* of a claimed one */
cnn_status cnn_run_check_room(const struct cnn_run *run, struct cnn_run_sizes sizes,
                              cnn_diag *diag);
cnn_status cnn_run_open_tables(struct cnn_run *run, const struct cnn_task *task, size_t step,
                               size_t epochs, size_t measured, cnn_diag *diag);
void cnn_run_close(struct cnn_run *run);

struct cnn_epoch_row {
    size_t epoch;
    double train_loss, train_measure, val_loss, val_measure, lr, seconds;
};

struct cnn_step_row {
    size_t step, epoch;
    double loss, lr, images_per_s;
};

/* Rows are on their way to the disk when these return. Without tables they are dropped. */
cnn_status cnn_run_log_step(struct cnn_run *run, const struct cnn_step_row *row, cnn_diag *diag);
cnn_status cnn_run_log_epoch(struct cnn_run *run, const struct cnn_epoch_row *row, cnn_diag *diag);
cnn_status cnn_run_log_health(struct cnn_run *run, const struct cnn_health_row *rows, size_t count,
                              cnn_diag *diag);

#endif
