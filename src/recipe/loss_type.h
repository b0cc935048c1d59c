/* What a loss is: the descriptor that each recipe/loss_<name>.c fills in, with one line in
 * losses.def. */
#ifndef CNN_RECIPE_LOSS_TYPE_H
#define CNN_RECIPE_LOSS_TYPE_H

#include "kernels/kernels.h"
#include "recipe/loss.h"

struct cnn_loss_type {
    /* Its settings begin with a struct cnn_loss_base. One with class weights has
     * cnn_class_weights_keys among its keys. */
    struct cnn_variant variant;

    /* Whether it is taken from the input of a last softmax, which is part of the loss. */
    bool logits;

    /* The loss of one image, its weight included, and its gradient: by a kernel of the table. */
    double (*row)(const struct cnn_kernels *kernels, const void *settings,
                  const struct cnn_loss_row *row);

    /* The loss of a network that knows nothing, and gives all classes the same; formula becomes how
     * it comes about: "ln(10)". NULL: not known. */
    double (*blank)(size_t classes, char *formula, size_t size);
};

/* A table of one key, at the offset of a struct cnn_loss_base. */
extern const struct cnn_key cnn_class_weights_keys[];

#endif
