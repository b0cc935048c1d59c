/* Which settings of several descriptions differ. */
#ifndef CNN_REPORT_SETTINGS_H
#define CNN_REPORT_SETTINGS_H

#include "config/yaml.h"

struct cnn_difference {
    /* train.optimizer.lr; an item of a list stands under its name, else its index:
     * layers.conv1.filters */
    const char *path;
    const char **values; /* one of each description; NULL: it has no such key */
};

/* The keys that do not have the same value in all of count descriptions, in the order in which they
 * stand there. Numbers are compared as numbers. What *out holds lives in arena. */
cnn_status cnn_settings_compare(struct cnn_arena *arena, const struct cnn_yaml *const *roots,
                                size_t count, struct cnn_difference **out, size_t *out_count,
                                cnn_diag *diag);

#endif
