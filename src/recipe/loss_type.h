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

    /* The loss of one image, and its gradient at each output, as lines of text: the formula, the
     * outputs (where there are many, those that count most), and the loss, which it returns. names
     * [classes]. */
    double (*explain)(const void *settings, const struct cnn_loss_row *row,
                      const char *const *names, struct cnn_text *out);

    /* The loss of a network that knows nothing, and gives all classes the same; formula becomes how
     * it comes about: "ln(10)". NULL: not known. */
    double (*blank)(size_t classes, char *formula, size_t size);
};

/* Whether an output is among those whose lines are written: all where they are few, else the true
 * class and the largest. */
bool cnn_loss_listed(const struct cnn_loss_row *row, size_t output);

/* "and 990 other outputs"; nothing where all are listed. */
void cnn_loss_write_others(const struct cnn_loss_row *row, struct cnn_text *out);

/* A table of one key, at the offset of a struct cnn_loss_base. */
extern const struct cnn_key cnn_class_weights_keys[];

#endif
