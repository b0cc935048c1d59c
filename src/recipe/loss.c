/* Losses. cross_entropy: -sum over classes of t log softmax(y), with t = (1 - s) onehot + s / classes (label smoothing s: Szegedy et al.,
 * "Rethinking the Inception Architecture", 2016); mse: mean over classes of (y - onehot)^2. Sums are in double and in the order of the images. */
#include "recipe/loss.h"

#include <assert.h>
#include <math.h>

static const struct cnn_key cross_entropy_keys[] = {{"label_smoothing", CNN_KEY_NUMBER, offsetof(struct cnn_loss, label_smoothing), "0", 0, 1,
                                                     CNN_KEY_OPEN_MAX, NULL, "share of the target that is spread over all classes"},
                                                    CNN_KEY_END};
static const struct cnn_key mse_keys[] = {CNN_KEY_END};

const struct cnn_variant cnn_loss_types[] = {
    {"cross_entropy", "negative log-probability of the true class; wants logits", cross_entropy_keys, sizeof(struct cnn_loss)},
    {"mse", "mean squared distance of the outputs from 1 at the true class and 0 elsewhere", mse_keys, sizeof(struct cnn_loss)},
};
const size_t cnn_loss_type_count = sizeof cnn_loss_types / sizeof *cnn_loss_types;

cnn_status cnn_loss_read(struct cnn_arena *arena, const struct cnn_yaml *node, struct cnn_loss *out, cnn_diag *diag)
{
    *out = (struct cnn_loss){.kind = CNN_LOSS_CROSS_ENTROPY};
    if (!node)
        return CNN_OK;
    size_t chosen;
    void *settings;
    cnn_status status = cnn_variant_read(arena, cnn_loss_types, cnn_loss_type_count, NULL, "loss", node, &chosen, &settings, diag);
    if (status != CNN_OK)
        return status;
    *out = *(const struct cnn_loss *)settings;
    out->kind = (enum cnn_loss_kind)chosen;
    return CNN_OK;
}

/* The stable form: log softmax(y)[j] = y[j] - log_sum, where log_sum = max + log(sum of exp(y - max)). */
static double cross_entropy_row(double smoothing, size_t n, size_t classes, const float *y, size_t label, float *dy)
{
    double max = -INFINITY;
    for (size_t j = 0; j < classes; j++)
        max = (double)y[j] > max ? (double)y[j] : max;
    double sum = 0, total = 0;
    for (size_t j = 0; j < classes; j++) {
        sum += exp((double)y[j] - max);
        total += (double)y[j];
    }
    double log_sum = max + log(sum), share = smoothing / (double)classes;
    for (size_t j = 0; dy && j < classes; j++) {
        double target = (j == label ? 1 - smoothing : 0) + share;
        dy[j] = (float)((exp((double)y[j] - log_sum) - target) / (double)n);
    }
    return (1 - smoothing) * (log_sum - (double)y[label]) + smoothing * (log_sum - total / (double)classes);
}

static double mse_row(size_t n, size_t classes, const float *y, size_t label, float *dy)
{
    double sum = 0, scale = 2 / ((double)n * (double)classes);
    for (size_t j = 0; j < classes; j++) {
        double distance = (double)y[j] - (j == label ? 1 : 0);
        sum += distance * distance;
        if (dy)
            dy[j] = (float)(scale * distance);
    }
    return sum / (double)classes;
}

/* How many classes come before the label in the order of falling scores; `classes` where a score is no number. */
static size_t label_rank(size_t classes, const float *y, size_t label)
{
    size_t rank = 0;
    for (size_t j = 0; j < classes; j++) {
        if (isnan(y[j]))
            return classes;
        rank += y[j] > y[label] || (y[j] == y[label] && j < label);
    }
    return rank;
}

struct cnn_loss_result cnn_loss_compute(const struct cnn_loss *loss, size_t n, size_t classes, const float *y, const size_t *labels, float *dy)
{
    struct cnn_loss_result result = {0};
    for (size_t i = 0; i < n; i++) {
        const float *row = y + i * classes;
        float *gradient = dy ? dy + i * classes : NULL;
        assert(labels[i] < classes);
        if (loss->kind == CNN_LOSS_MSE)
            result.loss += mse_row(n, classes, row, labels[i], gradient);
        else
            result.loss += cross_entropy_row(loss->label_smoothing, n, classes, row, labels[i], gradient);
        size_t rank = label_rank(classes, row, labels[i]);
        result.correct += rank == 0;
        result.top5 += rank < 5 && rank < classes;
    }
    result.finite = isfinite(result.loss);
    return result;
}
