/* Cross-entropy: -sum over classes of w t log softmax(y), with t = (1 - s) onehot + s / classes
 * (label smoothing s: Szegedy et al., "Rethinking the Inception Architecture", 2016) and class
 * weights w. */
#include <math.h>
#include <stdio.h>

#include "recipe/loss_type.h"
#include "util/number.h"

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

/* What the logarithm of a class's probability counts: its share of the target times its weight,
 * divided by the weight of the image. */
static double target_of(const struct cnn_loss_row *row, double smoothing, size_t class)
{
    double share = smoothing / (double)row->classes + (class == row->label ? 1 - smoothing : 0);
    return share * cnn_class_weight(row, class) / row->total;
}

/* The logarithm of the sum of exp(y). */
static double log_sum_of(const struct cnn_loss_row *row)
{
    double max = -INFINITY, sum = 0;
    for (size_t j = 0; j < row->classes; j++)
        max = fmax(max, (double)row->y[j]);
    for (size_t j = 0; j < row->classes; j++)
        sum += exp((double)row->y[j] - max);
    return max + log(sum);
}

static void explain_head(double smoothing, double targets, const char *name, struct cnn_text *out)
{
    cnn_text_printf(out,
                    !(smoothing > 0)
                        ? "loss: cross_entropy, -ln(p) of the true class, %s"
                        : "loss: cross_entropy, the sum of -target * ln(p); the true class "
                          "is %s",
                    name);
    cnn_text_printf(out, "; p is the softmax of the outputs, and the gradient at each output is ");
    if (fabs(targets - 1) < 1e-12)
        cnn_text_printf(out, "p - target\n");
    else
        cnn_text_printf(out, "%s * p - target, as the targets add up to %s\n",
                        cnn_explain_number(targets).text, cnn_explain_number(targets).text);
}

static double explain(const void *settings, const struct cnn_loss_row *row,
                      const char *const *names, struct cnn_text *out)
{
    double smoothing = ((const struct settings *)settings)->label_smoothing,
           log_sum = log_sum_of(row), targets = 0, loss = 0;
    for (size_t j = 0; j < row->classes; j++)
        targets += target_of(row, smoothing, j);
    explain_head(smoothing, targets, names[row->label], out);
    for (size_t j = 0; j < row->classes; j++) {
        double y = (double)row->y[j], p = exp(y - log_sum), target = target_of(row, smoothing, j);
        loss -= target > 0 ? target * (y - log_sum) : 0;
        if (cnn_loss_listed(row, j))
            cnn_text_printf(out, "  %s: output %s, p %s, target %s: gradient %s\n", names[j],
                            cnn_explain_number(y).text, cnn_explain_number(p).text,
                            cnn_explain_number(target).text,
                            cnn_explain_number(targets * p - target).text);
    }
    cnn_loss_write_others(row, out);
    if (smoothing > 0)
        cnn_text_printf(out, "loss = %s\n", cnn_explain_number(loss).text);
    else
        cnn_text_printf(out, "loss = -ln(%s) = %s\n",
                        cnn_explain_number(exp((double)row->y[row->label] - log_sum)).text,
                        cnn_explain_number(loss).text);
    return loss;
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
    .explain = explain,
    .blank = blank,
};
