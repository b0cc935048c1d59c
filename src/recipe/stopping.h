/* Ending a run that gets no better: `train.early_stopping` of a description. */
#ifndef CNN_RECIPE_STOPPING_H
#define CNN_RECIPE_STOPPING_H

#include "config/keys.h"

struct cnn_stopping_settings {
    /* epochs in succession without a better validation loss that end the run; 0: none do */
    size_t patience;
    double min_delta;
};

extern const struct cnn_key cnn_stopping_keys[];

/* node NULL: nothing ends a run early. */
cnn_status cnn_stopping_read(struct cnn_arena *arena, const struct cnn_yaml *node,
                             struct cnn_stopping_settings *out, cnn_diag *diag);

/* What was seen so far: part of a run's state. best is INFINITY at its start. */
struct cnn_stopping {
    double best;
    size_t bad_epochs;
};

void cnn_stopping_update(const struct cnn_stopping_settings *settings,
                         struct cnn_stopping *stopping, double val_loss);
bool cnn_stopping_reached(const struct cnn_stopping_settings *settings,
                          const struct cnn_stopping *stopping);

#endif
