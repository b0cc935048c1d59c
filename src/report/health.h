/* How a network feels while it trains: numbers per layer and epoch in health.csv, and what they
 * mean in plain words. */
#ifndef CNN_REPORT_HEALTH_H
#define CNN_REPORT_HEALTH_H

#include "cnn.h"
#include "util/text.h"

/* One row of health.csv: one layer after one epoch. A number that does not apply is NaN (an empty
 * field). Norms are Euclidean, over the layer's weights and biases; where a number in them is not
 * finite, they are infinite. */
struct cnn_health_row {
    size_t epoch;
    char layer[64]; /* cut where longer */
    /* of a layer that cuts off at zero (relu, relu6): its maps, or its numbers where it is flat;
     * else 0 */
    size_t channels;
    double dead;          /* share of those channels that were zero for every probe image */
    double gradient_norm; /* the last step of the epoch */
    double weight_norm;   /* after that step */
    double update_norm;   /* of the change that step made */
    double lr_factor;     /* of the schedule in that step: 1 is the full learning rate */
};

#define CNN_HEALTH_HEADER                                                                          \
    "epoch,layer,channels,dead,gradient_norm,weight_norm,update_norm,lr_factor\n"

/* What hints are about. The thresholds are rules of thumb, not theorems, set so wide that a healthy
 * run stays silent:
 * - a quarter of the channels dead: Lu et al., "Dying ReLU and Initialization", 2020, on why they
 * do not come back;
 * - gradients a thousand times smaller or larger at the first layer than at the last: Glorot and
 * Bengio, "Understanding the difficulty of training deep feedforward neural networks", 2010, who
 * compare layers in this way; healthy ones stay within a factor of some ten;
 * - updates of about a thousandth of the weights are usual (Karpathy's notes for Stanford's CS231n,
 * "Ratio of weights:updates"): a hundred times more or a thousand times less is not. The lower one
 * is taken at the full learning rate, for schedules end in steps that are meant to be small, and
 *   not where the factor is so small that most updates are below the last bit of a weight;
 * - a run has blown up where an epoch's mean loss is above some hundred times that of guessing (2.3
 * with 10 classes, 6.9 with 1,000), or weights have a norm that even the largest layers, which come
 * to about a hundred, never have. Weights remember it after the loss has come down. */
#define CNN_HEALTH_DEAD_SHARE     0.25
#define CNN_HEALTH_GRADIENT_RATIO 1e-3 /* and its inverse */
#define CNN_HEALTH_UPDATE_MAX     0.1
#define CNN_HEALTH_UPDATE_MIN     1e-6
#define CNN_HEALTH_FACTOR_MIN     1e-5
#define CNN_HEALTH_LOSS_MAX       500
#define CNN_HEALTH_WEIGHT_MAX     1e4

enum cnn_health_kind {
    CNN_HEALTH_NOT_FINITE, /* the first layer of which a number is not finite */
    /* the first layer that lets nothing through: all its channels are dead */
    CNN_HEALTH_CUT,
    CNN_HEALTH_DEAD, /* each layer with many dead channels, up to that one */
    /* the first layer's gradient next to the last one's (not where a layer lets nothing through)
       ... */
    CNN_HEALTH_VANISHING,
    CNN_HEALTH_GROWING, /* ... too small, too large */
    CNN_HEALTH_FAST,    /* the layer that changed most in one step ... */
    CNN_HEALTH_SLOW,    /* ... and least (not where one of the above says why) */
    CNN_HEALTH_KINDS
};

/* The hint of one kind about rows[i], newline after it; false, and nothing added, where there is
 * none. rows: all of one epoch. */
bool cnn_health_hint(const struct cnn_health_row *rows, size_t count, size_t i,
                     enum cnn_health_kind kind, struct cnn_text *out);

/* The same for a run that has blown up: the cause of what else stands out, so it is told first.
 * loss: the epoch's mean training loss, NaN: not known. */
bool cnn_health_hint_blown_up(const struct cnn_health_row *rows, size_t count, double loss,
                              struct cnn_text *out);

/* Whether hints of this kind mean something for a model's optimiser, whose steps may be long by
 * design. */
bool cnn_health_applies(const cnn_model *model, enum cnn_health_kind kind);

/* A hint in plain words with its evidence, e.g. "41 % of relu3's 64 channels never fire ...", for
 * each thing in the rows and the loss of one epoch that a user should know, newline after each;
 * nothing where all is well. model: what was trained; NULL where that is not known. */
void cnn_health_hints(const struct cnn_health_row *rows, size_t count, double loss,
                      const cnn_model *model, struct cnn_text *out);

/* health.csv: a missing file is empty. *rows is cnn_malloc'ed. */
cnn_status cnn_health_read(const char *path, struct cnn_health_row **rows, size_t *count,
                           cnn_diag *diag);
void cnn_health_format(const struct cnn_health_row *row, struct cnn_text *line);

#endif
