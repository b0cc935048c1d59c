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

/* The stable form: log softmax(y)[j] = y[j] - log_sum, where log_sum = max + log(sum of exp(y -
 * max)). */
static double row_loss(const void *settings, const struct cnn_loss_row *row)
{
    const size_t classes = row->classes;
    const float *y = row->y;
    double max = -INFINITY, sum = 0, weighted = 0, mean = 0;
    for (size_t j = 0; j < classes; j++)
        max = (double)y[j] > max ? (double)y[j] : max;
    for (size_t j = 0; j < classes; j++) {
        sum += exp((double)y[j] - max);
        weighted += cnn_class_weight(row, j) * (double)y[j];
        mean += cnn_class_weight(row, j);
    }
    mean /= (double)classes;
    double log_sum = max + log(sum),
           smoothing = ((const struct settings *)settings)->label_smoothing,
           spread = smoothing / (double)classes;
    double own = (1 - smoothing) * row->share * cnn_class_weight(row, row->label),
           other = (1 - smoothing) * (1 - row->share) * cnn_class_weight(row, row->other);
    for (size_t j = 0; row->dy && j < classes; j++) {
        double target = (j == row->label ? own : 0) + (j == row->other ? other : 0) +
                        spread * cnn_class_weight(row, j);
        row->dy[j] =
            (float)((exp((double)y[j] - log_sum) * (own + other + smoothing * mean) - target) /
                    row->total);
    }
    return own * (log_sum - (double)y[row->label]) + other * (log_sum - (double)y[row->other]) +
           smoothing * (mean * log_sum - weighted / (double)classes);
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
