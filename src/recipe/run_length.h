/* How long a run is, and what of its description lies beyond its end. */
#ifndef CNN_RECIPE_RUN_LENGTH_H
#define CNN_RECIPE_RUN_LENGTH_H

#include <stddef.h>

struct cnn_run_length {
    size_t steps, steps_per_epoch; /* 0: not known */
    size_t epochs;                 /* begun; 0: not known */
};

/* Where the end of so many epochs lies: 1 beyond the run's end, 0 at it, -1 before it or not
 * known. */
int cnn_run_compare(const struct cnn_run_length *run, double epochs);

/* "2 epochs", "0.5 epochs" */
double cnn_run_epochs(const struct cnn_run_length *run);

#endif
