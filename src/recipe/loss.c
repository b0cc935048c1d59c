/* Losses. cross_entropy: -sum over classes of w t log softmax(y), with t = (1 - s) onehot + s /
 * classes (label smoothing s: Szegedy et al., "Rethinking the Inception Architecture", 2016) and
 * class weights w; mse: mean over classes of (y - onehot)^2. Where images are mixed (Zhang et al.,
 * "mixup", 2018), onehot is the mixture of two. The mean over images is weighted by the weight of
 * each one's class, as PyTorch's for class indices (its mean for probabilities ignores the
 * weights); a mixed image has the mixture of two. Sums are in double and in the order of the
 * images. */
#include "recipe/loss.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#define FIELD(member) offsetof(struct cnn_loss, member)
static const struct cnn_key cross_entropy_keys[] = {
    {.name = "label_smoothing",
     .kind = CNN_KEY_NUMBER,
     .at = FIELD(label_smoothing),
     .otherwise = "0",
     .max = 1,
     .open_max = true,
     .help = "share of the target that is spread over all classes"},
    {.name = "class_weights",
     .kind = CNN_KEY_NODE,
     .at = FIELD(weights),
     .otherwise = "none",
     .help = "how much the images of each class count: none (all the same), balanced (classes with "
             "fewer training images count more, so that each counts the same as a whole) or a list "
             "of numbers above 0, one per class"},
    CNN_KEY_END,
};
static const struct cnn_key mse_keys[] = {CNN_KEY_END};

const struct cnn_variant cnn_loss_types[] = {
    {.name = "cross_entropy",
     .help = "negative log-probability of the true class; wants logits",
     .keys = cross_entropy_keys,
     .settings_size = sizeof(struct cnn_loss)},
    {.name = "mse",
     .help = "mean squared distance of the outputs from 1 at the true class and 0 elsewhere",
     .keys = mse_keys,
     .settings_size = sizeof(struct cnn_loss)},
};
const size_t cnn_loss_type_count = sizeof cnn_loss_types / sizeof *cnn_loss_types;

static cnn_status fail_weights(const struct cnn_yaml *node, cnn_diag *diag)
{
    static const char *const words[] = {"none", "balanced"};
    char found[80];
    cnn_fail(diag, CNN_INVALID, &node->where,
             "class_weights: none, balanced or a list of numbers above 0 is wanted, not %s",
             cnn_yaml_describe(node, found, sizeof found));
    const char *near =
        node->kind == CNN_YAML_SCALAR ? cnn_nearest_word(node->text, words, 2) : NULL;
    if (near)
        cnn_hint(diag, "did you mean '%s'?", near);
    return CNN_INVALID;
}

static cnn_status read_weights(struct cnn_arena *arena, struct cnn_loss *loss, cnn_diag *diag)
{
    const struct cnn_yaml *node = loss->weights;
    if (!node || cnn_yaml_is_null(node) ||
        (node->kind == CNN_YAML_SCALAR && strcmp(node->text, "none") == 0))
        return CNN_OK;
    loss->balanced = node->kind == CNN_YAML_SCALAR && strcmp(node->text, "balanced") == 0;
    if (loss->balanced)
        return CNN_OK;
    if (node->kind != CNN_YAML_SEQUENCE || node->count == 0)
        return fail_weights(node, diag);
    double *values = cnn_arena_array(arena, node->count, sizeof *values);
    if (!values)
        return cnn_fail_memory(diag, node->count * sizeof *values, "class weights");
    for (size_t i = 0; i < node->count; i++)
        if (!cnn_yaml_as_number(node->items[i], &values[i]) ||
            !(values[i] > 0 && isfinite(values[i])))
            return fail_weights(node->items[i], diag);
    loss->class_weights = (struct cnn_numbers){values, node->count};
    return CNN_OK;
}

cnn_status cnn_loss_balance(struct cnn_arena *arena, const size_t *counts, size_t classes,
                            struct cnn_loss *loss, cnn_diag *diag)
{
    double images = 0, *values = cnn_arena_array(arena, classes, sizeof *values);
    if (!values)
        return cnn_fail_memory(diag, classes * sizeof *values, "class weights");
    for (size_t i = 0; i < classes; i++)
        images += (double)counts[i];
    for (size_t i = 0; i < classes; i++)
        values[i] = images / ((double)classes * (double)counts[i]);
    loss->class_weights = (struct cnn_numbers){values, classes};
    return CNN_OK;
}

cnn_status cnn_loss_read(struct cnn_arena *arena, const struct cnn_yaml *node, struct cnn_loss *out,
                         cnn_diag *diag)
{
    *out = (struct cnn_loss){.kind = CNN_LOSS_CROSS_ENTROPY};
    if (!node)
        return CNN_OK;
    size_t chosen;
    void *settings;
    cnn_status status = cnn_variant_read(arena, cnn_loss_types, cnn_loss_type_count, NULL, "loss",
                                         node, &chosen, &settings, diag);
    if (status != CNN_OK)
        return status;
    *out = *(const struct cnn_loss *)settings;
    out->kind = (enum cnn_loss_kind)chosen;
    return read_weights(arena, out, diag);
}

struct target { /* of one image */
    size_t label, other;
    double share; /* of label */
};

static struct target target_of(const struct cnn_targets *targets, size_t i)
{
    if (!targets->others)
        return (struct target){targets->labels[i], targets->labels[i], 1};
    return (struct target){targets->labels[i], targets->others[i], (double)targets->shares[i]};
}

static double class_weight(const struct cnn_loss *loss, size_t class_index)
{
    return loss->class_weights.count > 0 ? loss->class_weights.values[class_index] : 1;
}

static double image_weight(const struct cnn_loss *loss, struct target t)
{
    return t.share * class_weight(loss, t.label) + (1 - t.share) * class_weight(loss, t.other);
}

/* The stable form: log softmax(y)[j] = y[j] - log_sum, where log_sum = max + log(sum of exp(y -
 * max)). total: what the gradient is divided by. */
static double cross_entropy_row(const struct cnn_loss *loss, double total, size_t classes,
                                const float *y, struct target t, float *dy)
{
    double max = -INFINITY, sum = 0, weighted = 0, mean = 0;
    for (size_t j = 0; j < classes; j++)
        max = (double)y[j] > max ? (double)y[j] : max;
    for (size_t j = 0; j < classes; j++) {
        sum += exp((double)y[j] - max);
        weighted += class_weight(loss, j) * (double)y[j];
        mean += class_weight(loss, j);
    }
    mean /= (double)classes;
    double log_sum = max + log(sum), smoothing = loss->label_smoothing,
           spread = smoothing / (double)classes;
    double own = (1 - smoothing) * t.share * class_weight(loss, t.label),
           other = (1 - smoothing) * (1 - t.share) * class_weight(loss, t.other);
    for (size_t j = 0; dy && j < classes; j++) {
        double target =
            (j == t.label ? own : 0) + (j == t.other ? other : 0) + spread * class_weight(loss, j);
        dy[j] = (float)((exp((double)y[j] - log_sum) * (own + other + smoothing * mean) - target) /
                        total);
    }
    return own * (log_sum - (double)y[t.label]) + other * (log_sum - (double)y[t.other]) +
           smoothing * (mean * log_sum - weighted / (double)classes);
}

static double mse_row(double total, size_t classes, const float *y, struct target t, float *dy)
{
    double sum = 0, scale = 2 / (total * (double)classes);
    for (size_t j = 0; j < classes; j++) {
        double distance =
            (double)y[j] - ((j == t.label ? t.share : 0) + (j == t.other ? 1 - t.share : 0));
        sum += distance * distance;
        if (dy)
            dy[j] = (float)(scale * distance);
    }
    return sum / (double)classes;
}

size_t cnn_label_rank(size_t classes, const float *y, size_t label)
{
    size_t rank = 0;
    for (size_t j = 0; j < classes; j++) {
        if (isnan(y[j]))
            return classes;
        rank += y[j] > y[label] || (y[j] == y[label] && j < label);
    }
    return rank;
}

struct cnn_loss_result cnn_loss_compute(const struct cnn_loss *loss, size_t n, size_t classes,
                                        const float *y, const struct cnn_targets *targets,
                                        float *dy)
{
    struct cnn_loss_result result = {0};
    assert(loss->class_weights.count == 0 || loss->class_weights.count == classes);
    for (size_t i = 0; i < n; i++)
        result.weight += image_weight(loss, target_of(targets, i));
    for (size_t i = 0; i < n; i++) {
        const float *row = y + i * classes;
        float *gradient = dy ? dy + i * classes : NULL;
        struct target t = target_of(targets, i);
        assert(t.label < classes && t.other < classes);
        if (loss->kind == CNN_LOSS_MSE)
            result.loss += mse_row(result.weight, classes, row, t, gradient);
        else
            result.loss += cross_entropy_row(loss, result.weight, classes, row, t, gradient);
        size_t rank = cnn_label_rank(classes, row, t.share >= 0.5 ? t.label : t.other);
        result.correct += rank == 0;
        result.top5 += rank < 5 && rank < classes;
    }
    result.finite = isfinite(result.loss);
    return result;
}
