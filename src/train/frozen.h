/* The layers in front that training leaves as they are. They compute as in inference, by a plan of
 * their own, and what is trained begins behind them: neither their gradients nor what a gradient
 * would need is computed. Where each image comes as it is, without augmentation, what they make of
 * it is computed once and kept. What is kept changes no number. */
#ifndef CNN_TRAIN_FROZEN_H
#define CNN_TRAIN_FROZEN_H

#include "data/loader.h"
#include "model/model.h"

/* What the layers made of the images of a data set. */
struct cnn_kept {
    float *values;       /* NULL: nothing is kept */
    bool *known;         /* by image */
    size_t images, left; /* left: that this process passes over and are not known */
};
bool cnn_kept_whole(const struct cnn_kept *kept); /* images need not be read any more */

struct cnn_frozen {
    struct cnn_arena *arena;
    const cnn_model *model;
    struct cnn_graph whole;       /* with the flags of frozen layers */
    struct cnn_graph front, rest; /* value `cut` ends the one and is the input of the other */
    size_t cut;                   /* nodes of front; 0: nothing in front is frozen */
    size_t floats;                /* of that value of one image */
    struct cnn_plan *front_plan, *rest_plan; /* both for inference */
    size_t batch;                            /* images that they take */
    struct cnn_kept train, val;
};

/* For a model with frozen layers; zeroed by the caller, close is then always legal. Does nothing
 * where there are none in front (cut 0, and no layer is held for a time). */
cnn_status cnn_frozen_open(cnn_model *model, size_t batch, struct cnn_frozen *out, cnn_diag *diag);
void cnn_frozen_close(struct cnn_frozen *frozen);

/* Keeps what is made of so many images, as long as `budget` bytes, which it is taken from, have
 * room for all. */
cnn_status cnn_frozen_keep(const struct cnn_frozen *frozen, size_t images, size_t *budget,
                           struct cnn_kept *kept, cnn_diag *diag);

/* The input of the rest for the images of a batch, n x floats, into out. */
void cnn_frozen_forward(struct cnn_frozen *frozen, struct cnn_kept *kept,
                        const struct cnn_batch *batch, float *out);

/* Both parts for a batch of validation images, at most frozen->batch; changed: parameters of the
 * rest are others than before. */
void cnn_frozen_validate(struct cnn_frozen *frozen, const struct cnn_batch *batch, float *logits,
                         float *output);
void cnn_frozen_changed(struct cnn_frozen *frozen);

#endif
