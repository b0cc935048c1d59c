/* Activations in plain C; the formulas are PyTorch's, computed in double where they are more than a
 * comparison. */
#include <math.h>

#include "kernels/internal.h"
#include "kernels/ref.h"
#include "util/parallel.h"

#define SQRT_HALF         0.70710678118654752440
#define INVERSE_SQRT_2_PI 0.39894228040143267794

struct activation_work {
    struct cnn_activation a;
    size_t size, c; /* elements in all, elements of a row */
    const float *x, *y_in, *dy;
    float *y, *dx;
};

static double sigmoid(double x)
{
    return 1.0 / (1.0 + exp(-x));
}

float cnn_activate_ref(struct cnn_activation a, float x)
{
    double v = (double)x;
    switch (a.kind) {
    case CNN_ACT_RELU:
        return x < 0 ? 0 : x; /* written so that NaN stays NaN */
    case CNN_ACT_RELU6:
        return x < 0 ? 0 : x > 6 ? 6 : x;
    case CNN_ACT_LEAKY_RELU:
        return x > 0 ? x : x * a.slope;
    case CNN_ACT_ELU:
        return x > 0 ? x : (float)expm1(v);
    case CNN_ACT_SIGMOID:
        return (float)sigmoid(v);
    case CNN_ACT_TANH:
        return (float)tanh(v);
    case CNN_ACT_GELU:
        return (float)(0.5 * v * (1.0 + erf(v * SQRT_HALF)));
    case CNN_ACT_SILU:
        return (float)(v * sigmoid(v));
    case CNN_ACT_HARDSWISH:
        return x < -3 ? 0 : x > 3 ? x : (float)(v * (v + 3.0) / 6.0);
    case CNN_ACT_HARD_SIGMOID:
        return x < -3 ? 0 : x > 3 ? 1 : (float)((v + 3.0) / 6.0);
    case CNN_ACT_MISH:
        return (float)(v * tanh(log1p(exp(v))));
    case CNN_ACT_CLIP:
        return x < a.min ? a.min : x > a.max ? a.max : x;
    case CNN_ACT_NONE:
    case CNN_ACT_SOFTMAX:
        break;
    }
    return x;
}

double cnn_activation_slope_ref(struct cnn_activation a, double x, double y)
{
    switch (a.kind) {
    case CNN_ACT_RELU:
        return y > 0 ? 1 : 0;
    case CNN_ACT_RELU6:
        return y > 0 && y < 6 ? 1 : 0;
    case CNN_ACT_LEAKY_RELU:
        return y > 0 ? 1 : (double)a.slope;
    case CNN_ACT_ELU:
        return y > 0 ? 1 : y + 1;
    case CNN_ACT_SIGMOID:
        return y * (1 - y);
    case CNN_ACT_TANH:
        return 1 - y * y;
    case CNN_ACT_GELU:
        return 0.5 * (1.0 + erf(x * SQRT_HALF)) + x * INVERSE_SQRT_2_PI * exp(-0.5 * x * x);
    case CNN_ACT_SILU:
        return sigmoid(x) * (1 + x * (1 - sigmoid(x)));
    case CNN_ACT_HARDSWISH:
        return x < -3 ? 0 : x > 3 ? 1 : x / 3 + 0.5;
    case CNN_ACT_HARD_SIGMOID:
        return y > 0 && y < 1 ? 1.0 / 6.0 : 0;
    case CNN_ACT_MISH: {
        double t = tanh(log1p(exp(x)));
        return t + x * sigmoid(x) * (1 - t * t);
    }
    case CNN_ACT_CLIP:
        return y > (double)a.min && y < (double)a.max ? 1 : 0;
    case CNN_ACT_NONE:
    case CNN_ACT_SOFTMAX:
        break;
    }
    return 1;
}

static void forward_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct activation_work *k = context;
    for (size_t i = task * CNN_BLOCK; i < cnn_size_min(k->size, (task + 1) * CNN_BLOCK); i++)
        k->y[i] = cnn_activate_ref(k->a, k->x[i]);
}

static void backward_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct activation_work *k = context;
    for (size_t i = task * CNN_BLOCK; i < cnn_size_min(k->size, (task + 1) * CNN_BLOCK); i++)
        k->dx[i] =
            (float)((double)k->dy[i] * cnn_activation_slope_ref(k->a, k->x ? (double)k->x[i] : 0.0,
                                                                (double)k->y_in[i]));
}

/* y[i] = exp(x[i] - largest) / sum: the same as without subtracting the largest, but it cannot
 * overflow. */
static void softmax_row(void *context, size_t row, size_t thread)
{
    (void)thread;
    const struct activation_work *k = context;
    const float *x = k->x + row * k->c;
    float *y = k->y + row * k->c;
    double largest = (double)x[0], sum = 0;
    for (size_t i = 1; i < k->c; i++)
        largest = fmax(largest, (double)x[i]);
    for (size_t i = 0; i < k->c; i++)
        sum += exp((double)x[i] - largest);
    for (size_t i = 0; i < k->c; i++)
        y[i] = (float)(exp((double)x[i] - largest) / sum);
}

/* dx = y * (dy - sum of dy * y) */
static void softmax_backward_row(void *context, size_t row, size_t thread)
{
    (void)thread;
    const struct activation_work *k = context;
    const float *y = k->y_in + row * k->c, *dy = k->dy + row * k->c;
    double dot = 0;
    for (size_t i = 0; i < k->c; i++)
        dot += (double)dy[i] * (double)y[i];
    for (size_t i = 0; i < k->c; i++)
        k->dx[row * k->c + i] = (float)((double)y[i] * ((double)dy[i] - dot));
}

void cnn_activation_forward_ref(struct cnn_activation a, struct cnn_rows rows, const float *x,
                                float *y)
{
    struct activation_work k = {
        .a = a, .size = rows.count * rows.channels, .c = rows.channels, .x = x, .y = y};
    if (a.kind == CNN_ACT_SOFTMAX)
        cnn_parallel_for(rows.count, softmax_row, &k);
    else
        cnn_parallel_for(cnn_size_divide_up(k.size, CNN_BLOCK), forward_block, &k);
}

void cnn_activation_backward_ref(struct cnn_activation a, struct cnn_rows rows, const float *x,
                                 const float *y, const float *dy, float *dx)
{
    struct activation_work k = {.a = a,
                                .size = rows.count * rows.channels,
                                .c = rows.channels,
                                .x = x,
                                .y_in = y,
                                .dy = dy,
                                .dx = dx};
    if (a.kind == CNN_ACT_SOFTMAX)
        cnn_parallel_for(rows.count, softmax_backward_row, &k);
    else
        cnn_parallel_for(cnn_size_divide_up(k.size, CNN_BLOCK), backward_block, &k);
}
