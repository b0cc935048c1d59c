/* What the layers' slope functions share: the derivatives of activations, and the chain through
 * one. */
#include <math.h>

#include "layers/explain.h"
#include "layers/weighted.h"

double cnn_slope_copy(const struct cnn_operand *operand, size_t channel, size_t row, size_t column)
{
    return !operand->parameter && operand->channel == channel && operand->row == row &&
                   operand->column == column
               ? 1
               : 0;
}

bool cnn_operand_here(const struct cnn_operand *operand, const struct cnn_question *question,
                      size_t channel)
{
    return cnn_slope_copy(operand, channel, question->row, question->column) > 0;
}

double cnn_slope_factor(double value, const char *what, struct cnn_text *out)
{
    if (out)
        cnn_text_printf(out, "%s (%s)", cnn_explain_factor(value).text, what);
    return value;
}

/* Of the standard normal distribution, up to x, and its density there. */
static double normal(double x)
{
    return (1 + erf(x / sqrt(2))) / 2;
}

static double density(double x)
{
    return exp(-x * x / 2) / sqrt(2 * acos(-1));
}

static double sigmoid(double x)
{
    return 1 / (1 + exp(-x));
}

static double mish_slope(double x)
{
    double t = tanh(log1p(exp(x)));
    return t + x * (1 - t * t) * sigmoid(x);
}

/* At a kink the slope is that of the left side, as in the kernels. */
static double slope_at(struct cnn_activation a, double x)
{
    switch (a.kind) {
    case CNN_ACT_RELU:
        return x > 0 ? 1 : 0;
    case CNN_ACT_RELU6:
        return x > 0 && x < 6 ? 1 : 0;
    case CNN_ACT_LEAKY_RELU:
        return x > 0 ? 1 : (double)a.slope;
    case CNN_ACT_ELU:
        return x > 0 ? 1 : exp(x);
    case CNN_ACT_SIGMOID:
        return sigmoid(x) * (1 - sigmoid(x));
    case CNN_ACT_TANH:
        return 1 - tanh(x) * tanh(x);
    case CNN_ACT_GELU:
        return normal(x) + x * density(x);
    case CNN_ACT_SILU:
        return sigmoid(x) * (1 + x * (1 - sigmoid(x)));
    case CNN_ACT_HARDSWISH:
        return x <= -3 ? 0 : x >= 3 ? 1 : (2 * x + 3) / 6;
    case CNN_ACT_HARD_SIGMOID:
        return x > -3 && x < 3 ? 1. / 6 : 0;
    case CNN_ACT_MISH:
        return mish_slope(x);
    case CNN_ACT_CLIP:
        return x > (double)a.min && x < (double)a.max ? 1 : 0;
    case CNN_ACT_NONE:
    case CNN_ACT_SOFTMAX:
        break;
    }
    return 1;
}

/* y[q] grows with x[k] by y[q] * ((q == k) - y[k]), and x[k] with the operand. */
static double through_softmax(const struct cnn_call *call, const struct cnn_question *q,
                              const struct cnn_operand *operand, const struct cnn_linear *linear,
                              struct cnn_text *out)
{
    const size_t count = call->node->out.c;
    size_t reached = 0, only = 0;
    for (size_t k = 0; k < count; k++)
        if (linear->slope(call, q, operand, k, NULL) != 0)
            reached++, only = k;
    if (reached == 0)
        return 0;
    double largest = -INFINITY, sum = 0, total = 0, own = 0;
    for (size_t k = 0; k < count; k++)
        largest = fmax(largest, linear->value(call, q, k));
    for (size_t k = 0; k < count; k++)
        sum += exp(linear->value(call, q, k) - largest);
    own = exp(linear->value(call, q, q->channel) - largest) / sum;
    for (size_t k = 0; k < count; k++) {
        double y = exp(linear->value(call, q, k) - largest) / sum;
        total += own * ((k == q->channel ? 1 : 0) - y) * linear->slope(call, q, operand, k, NULL);
    }
    if (reached > 1)
        return cnn_slope_factor(total, "through softmax, over all channels", out);
    size_t begin = out ? out->size : 0;
    double inner = linear->slope(call, q, operand, only, out);
    if (out)
        cnn_text_printf(out, "%s%s (slope of softmax)", out->size > begin ? " x " : "",
                        cnn_explain_factor(total / inner).text);
    return total;
}

double cnn_slope_through(const struct cnn_call *call, const struct cnn_question *question,
                         const struct cnn_operand *operand, struct cnn_activation activation,
                         const struct cnn_linear *linear, struct cnn_text *out)
{
    if (activation.kind == CNN_ACT_SOFTMAX)
        return through_softmax(call, question, operand, linear, out);
    size_t begin = out ? out->size : 0;
    double inner = linear->slope(call, question, operand, question->channel, out);
    if (inner == 0 || activation.kind == CNN_ACT_NONE)
        return inner;
    double slope = slope_at(activation, linear->value(call, question, question->channel));
    if (out)
        cnn_text_printf(out, "%s%s (slope of %s)", out->size > begin ? " x " : "",
                        cnn_explain_factor(slope).text, cnn_activation_name(activation));
    return inner * slope;
}
