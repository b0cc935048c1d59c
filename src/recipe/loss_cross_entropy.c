/* Cross-entropy: -sum over classes of w t log softmax(y), with t = (1 - s) onehot + s / classes
 * (label smoothing s: Szegedy et al., "Rethinking the Inception Architecture", 2016) and class
 * weights w. */
#include <math.h>
#include <stdio.h>

#include "recipe/loss_type.h"

struct settings {
    struct cnn_loss_base base;
    double label_smoothing;
};

#define FIELD(member) offsetof(struct settings, member)
static const struct cnn_key keys[] = {
    {.name = "label_smoothing",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(label_smoothing),
     .otherwise = "0",
     .max = 1,
     .open_max = true,
     .help = "share of the target that is distributed over all classes"},
    {.kind = CNN_KEY_TABLE, .at = FIELD(base), .table = cnn_class_weights_keys},
    CNN_KEY_END,
};

static double row_loss(const struct cnn_kernels *kernels, const void *settings,
                       const struct cnn_loss_row *row)
{
    return kernels->cross_entropy(row, ((const struct settings *)settings)->label_smoothing);
}

/* Whatever the label smoothing. */
static double blank(size_t classes, char *formula, size_t size)
{
    snprintf(formula, size, "ln(%zu)", classes);
    return log((double)classes);
}

const struct cnn_loss_type cnn_loss_cross_entropy = {
    .variant = {.name = "cross_entropy",
                .help = "negative log-probability of the true class; needs logits",
                .keys = keys,
                .settings_size = sizeof(struct settings)},
    .logits = true,
    .row = row_loss,
    .blank = blank,
};
