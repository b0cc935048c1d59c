/* The running mean of the weights that training makes: `train.ema` of a description. */
#ifndef CNN_RECIPE_AVERAGE_H
#define CNN_RECIPE_AVERAGE_H

#include "config/keys.h"

struct cnn_average_settings {
    double decay;
    size_t every; /* steps from one update of the mean to the next; 0: there is no mean */
};

extern const struct cnn_key cnn_average_keys[];

/* node NULL: no mean. */
cnn_status cnn_average_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                            struct cnn_average_settings *out, cnn_diag *diag);

/* Takes the parameters after update `step` (from 1) of the run into the mean, where it is one of
 * those that are. */
void cnn_average_update(const struct cnn_average_settings *settings, size_t step, size_t count,
                        const float *parameters, float *mean);

#endif
