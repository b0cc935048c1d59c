/* Losses: `loss` of a description. */
#ifndef CNN_RECIPE_LOSS_H
#define CNN_RECIPE_LOSS_H

#include "config/keys.h"
#include "util/parts.h"
#include "util/ranks.h"
#include "util/text.h"

/* A loss that was read. */
struct cnn_loss {
    const struct cnn_loss_type *type; /* recipe/loss_type.h */
    const struct cnn_loss_base *own;  /* the settings of that type, which begin with these */
    bool balanced;                    /* class_weights follow from the training images */
    /* one per class, above 0; count 0: every class counts the same, or balanced and not known
     * yet */
    struct cnn_numbers class_weights;
};

/* What settings of every type begin with. */
struct cnn_loss_base {
    const struct cnn_yaml *class_weights; /* none, balanced or a list; NULL: it has no such key */
};

extern const struct cnn_kind cnn_losses;

/* node NULL: the first of the list, with its defaults. What out points to lives in arena. */
cnn_status cnn_loss_read(struct cnn_arena *arena, const struct cnn_yaml *node, struct cnn_loss *out,
                         cnn_diag *diag);

/* Sets the class weights of a balanced loss: images / (classes * images of the class). counts are
 * above 0. */
cnn_status cnn_loss_balance(struct cnn_arena *arena, const size_t *counts, size_t classes,
                            struct cnn_loss *loss, cnn_diag *diag);

/* What the images of a batch are. Where images are mixed, image i is shares[i] of its label and 1 -
 * shares[i] of others[i]. */
struct cnn_targets {
    const size_t *labels;
    const size_t *others; /* NULL: each is of its label alone */
    const float *shares;
};

/* Sums over the batch, so that means over several batches are exact. */
struct cnn_loss_result {
    /* sum over the images of each one's loss, times its weight */
    double loss;
    /* sum of those weights, by which the loss is divided for its mean: the number of images, but
     * for class_weights */
    double weight;
    size_t correct, top5; /* of mixed images, the label of the larger share counts */
    bool finite;
};

/* y: n rows of `classes`: logits where the type wants them, else outputs. dy (may be NULL):
 * gradient of the batch's mean loss. Class weights as PyTorch's. A row with NaN is never correct.
 * On ties the lower index is the prediction. */
struct cnn_loss_result cnn_loss_compute(const struct cnn_loss *loss, size_t n, size_t classes,
                                        const float *y, const struct cnn_targets *targets,
                                        float *dy);

/* The loss of one image of class label, and its gradient at each of the outputs y, as lines of
 * text. Returns the loss. */
double cnn_loss_explain(const struct cnn_loss *loss, size_t classes, const float *y, size_t label,
                        const char *const *names, struct cnn_text *out);

/* A batch that processes share: y and dy are of the images of this one's run of parts, targets
 * those of all images. The loss is added up over each part, and then over the parts. */
struct cnn_loss_share {
    struct cnn_parts run;
    const struct cnn_ranks *ranks; /* NULL: this process is alone */
    size_t classes;
    const float *y;
    const struct cnn_targets *targets;
    float *dy;
};

/* The result is that of the whole batch, for every process. */
struct cnn_loss_result cnn_loss_share(const struct cnn_loss *loss,
                                      const struct cnn_loss_share *share);

/* How many classes come before the label in the order of falling scores, on ties the lower index
 * first; `classes` where a score is no number. */
size_t cnn_label_rank(size_t classes, const float *y, size_t label);

#endif
