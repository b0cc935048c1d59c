/* Measures how a run's layers do, for health.csv: norms around the last step of an epoch, dead
 * channels on a probe of validation images. It only looks: a run is bit for bit the one without
 * it. */
#ifndef CNN_TRAIN_HEALTH_H
#define CNN_TRAIN_HEALTH_H

#include "report/health.h"
#include "train/evaluate.h"
#include "train/step.h"

#define CNN_HEALTH_PROBE 256 /* images, the first of the validation images */

struct cnn_health {
    const cnn_model *model;
    const struct cnn_graph *graph; /* the model's; another one's flags say what is trained now */
    bool unprobed;                 /* no layer is probed: those in front do not run any more */
    const struct cnn_evaluator *evaluator; /* whose images and plan the probe takes */
    struct cnn_health_row *rows;           /* of the layers that have weights or cut off at zero */
    size_t count;
    size_t *nodes; /* the layer of each row */
    /* by layer: which channels were not zero; NULL where the layer does not cut off */
    bool **alive;
    size_t *living; /* by layer: how many */
    float *before;  /* parameters before their update: all, or of the gradients at hand */
    enum cnn_gradients gradients;
    const float *parameters; /* of the step that is measured */
    /* by layer: the sum of its gradients' squares; where they are not kept, of its update's */
    double *squares, *updates;
    /* by row: the kinds of hints that were given, bits; those about the network as a whole are in
     * row 0 */
    unsigned *told;
    bool told_blown_up;
    uint8_t *pixels; /* of an image of the probe */
};

/* Both are the caller's, and outlive this. gradients: of the steps that are measured. The struct is
 * zeroed by the caller; close is then always legal. */
cnn_status cnn_health_open(const cnn_model *model, const struct cnn_evaluator *evaluator,
                           enum cnn_gradients gradients, struct cnn_health *out, cnn_diag *diag);
void cnn_health_close(struct cnn_health *health);

/* Before a step that is to be measured, and after it: parameters are what it trains, lr_factor the
 * schedule's. In between it is the step's watcher. after fills in the rows of `epoch` but for what
 * is dead; probe does that. */
void cnn_health_before_step(struct cnn_health *health, const float *parameters);
struct cnn_step_watcher cnn_health_watcher(struct cnn_health *health);
void cnn_health_after_step(struct cnn_health *health, size_t epoch, const float *parameters,
                           double lr_factor);
void cnn_health_probe(struct cnn_health *health);

/* Calls tell with each hint about the rows and the epoch's mean training loss that was not given
 * yet: once for a kind, dead channels once for a layer. */
void cnn_health_tell(struct cnn_health *health, double loss,
                     void (*tell)(void *context, const char *text), void *context);

#endif
