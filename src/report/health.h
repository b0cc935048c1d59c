/* How a network feels while it trains: numbers per layer and epoch in health.csv, and what they mean in plain words. */
#ifndef CNN_REPORT_HEALTH_H
#define CNN_REPORT_HEALTH_H

#include "cnn.h"
#include "util/text.h"

/* One row of health.csv: one layer after one epoch. A number that does not apply is NaN (an empty field). */
struct cnn_health_row {
    size_t epoch;
    char layer[64];       /* cut where longer */
    double dead;          /* share of the channels of a layer with relu that were zero for every probe image */
    double gradient_norm; /* Euclidean, over the layer's weights and biases: the last step of the epoch */
    double weight_norm;
    double update_norm; /* of the change that step made */
};

#define CNN_HEALTH_HEADER "epoch,layer,dead,gradient_norm,weight_norm,update_norm\n"

/* A hint in plain words with its evidence, e.g. "41 % of relu3 never fires ...", for each thing in the rows of one epoch that a user should know, newline
 * after each; nothing where all is well. rows: all of one epoch. */
void cnn_health_hints(const struct cnn_health_row *rows, size_t count, struct cnn_text *out);

/* health.csv: a missing file is empty. *rows is malloc'ed. */
cnn_status cnn_health_read(const char *path, struct cnn_health_row **rows, size_t *count, cnn_diag *diag);
void cnn_health_format(const struct cnn_health_row *row, struct cnn_text *line);

#endif
