/* What a loss is: the descriptor that each recipe/loss_<name>.c fills in, with one line in
 * losses.def. */
#ifndef CNN_RECIPE_LOSS_TYPE_H
#define CNN_RECIPE_LOSS_TYPE_H

#include "recipe/loss.h"

/* One image. */
struct cnn_loss_row {
    size_t classes;
    const float *y;      /* so many numbers */
    size_t label, other; /* it is `share` of one class and 1 - share of another */
    double share;
    struct cnn_numbers weights; /* of the classes; count 0: all 1 */
    float *dy;                  /* gradient; NULL: not wanted */
    double total;               /* what it is divided by: the weights of all images of the batch */
};

struct cnn_loss_type {
    /* Its settings begin with a struct cnn_loss_base. One with class weights has
     * cnn_class_weights_keys among its keys. */
    struct cnn_variant variant;

    /* Whether it is taken from the input of a last softmax, which is part of the loss. */
    bool logits;

    /* The loss of one image, its weight included, and its gradient. */
    double (*row)(const void *settings, const struct cnn_loss_row *row);

    /* The loss of a network that knows nothing, and gives all classes the same; formula becomes how
     * it comes about: "ln(10)". NULL: not known. */
    double (*blank)(size_t classes, char *formula, size_t size);
};

/* A table of one key, at the offset of a struct cnn_loss_base. */
extern const struct cnn_key cnn_class_weights_keys[];

static inline double cnn_class_weight(const struct cnn_loss_row *row, size_t class_index)
{
    return row->weights.count > 0 ? row->weights.values[class_index] : 1;
}

#endif
