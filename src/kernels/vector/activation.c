/* Activations. exp, tanh and erf are polynomials, good to about one unit in the last place:
 *
 *   exp(x) - 1 = 2^n * (e^r - 1) + (2^n - 1) with x = n * ln 2 + r, |r| <= ln 2 / 2
 *   erf(x) = x + x * P(x^2) for small |x|, 1 - exp(Q(|x|)) else
 *
 * e^r - 1 and tanh are S. L. Moshier's (Cephes), and erf's coefficients N. Juffa's. */
#include "kernels/internal.h"
#include "kernels/vector/ops.h"
#include "util/parallel.h"

#define RUN ((size_t)512) /* elements that are prefetched at a time */

/* What tasks activate in their buffers is floats alone: one copy of it is enough. */
#ifndef CNN_HALVES
/* 2^n, and e^r - 1 as *rest, for exp(x) = 2^n * (1 + *rest). x is held between -87 and 88, where
 * 2^n is a normal number; NaN gives a NaN rest. */
static inline vfloat exp_parts(vfloat x, vfloat *rest)
{
    const float round = 12582912.0f; /* 1.5 * 2^23: adding it leaves no bits for a fraction */
    x = vmax(vset(-87.0f), vmin(vset(88.0f), x));
    vfloat shifted = x * 1.44269504088896341f + round, n = shifted - round;
    /* ln 2 in two parts, the first with few bits: the product is exact */
    vfloat r = x - n * 0.693359375f;
    r = r + n * 2.12194440e-4f;
    vfloat p = r * 1.9875691500e-4f + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    *rest = p * (r * r) + r;
    return (vfloat)(((vint)shifted << 23) + 0x3f800000);
}

static inline vfloat vexp(vfloat x)
{
    vfloat rest, power = exp_parts(x, &rest);
    return power * rest + power;
}

static inline vfloat absolute(vfloat x)
{
    return (vfloat)((vint)x & 0x7fffffff);
}

static inline vfloat with_sign_of(vfloat magnitude, vfloat sign)
{
    return (vfloat)((vint)magnitude | ((vint)sign & (int)0x80000000u));
}

static inline vfloat vexpm1(vfloat x)
{
    vfloat rest, power = exp_parts(x, &rest);
    return power * rest + (power - 1.0f);
}

static inline vfloat vsigmoid(vfloat x)
{
    return 1.0f / (1.0f + vexp(-x));
}

static inline vfloat vtanh(vfloat x)
{
    vfloat t = absolute(x), s = x * x;
    vfloat large = 1.0f - 2.0f / (vexp(t + t) + 1.0f);
    vfloat p = s * -5.70498872745e-3f + 2.06390887954e-2f;
    p = p * s - 5.37397155531e-2f;
    p = p * s + 1.33314422036e-1f;
    p = p * s - 3.33332819422e-1f;
    return vselect(t > 0.625f, with_sign_of(large, x), p * s * x + x);
}

static inline vfloat verf(vfloat x)
{
    vfloat t = absolute(x), s = x * x;
    vfloat q = t * -1.72853470e-5f + 3.83197126e-4f;
    q = q * s + (t * -3.88396438e-3f + 2.42546219e-2f);
    q = q * t - 1.06777877e-1f;
    q = q * t - 6.34846687e-1f;
    q = q * t - 1.28717512e-1f;
    vfloat large = 1.0f - vexp(q * t - t);
    vfloat p = s * -5.96761703e-4f + 4.99119423e-3f;
    p = p * s - 2.67681349e-2f;
    p = p * s + 1.12819925e-1f;
    p = p * s - 3.76125336e-1f;
    p = p * s + 1.28379166e-1f;
    return vselect(t > 0.927734375f, with_sign_of(large, x), p * x + x);
}

static inline vfloat normal_cdf(vfloat x)
{
    return 0.5f * verf(x * 0.707106781186547524f) + 0.5f;
}

/* tanh(ln(1 + e^x)) = n / (n + 2) with n = e^x * (e^x + 2); from x = 20 on it is 1. Returns n. */
static inline vfloat mish_parts(vfloat x, vfloat *exponential)
{
    *exponential = vexp(vmin(vset(20.0f), x));
    return *exponential * (*exponential + 2.0f);
}

static inline vfloat mish_slope(vfloat x)
{
    vfloat e, n = mish_parts(x, &e), d = n + 2.0f;
    return n / d + x * (e / (e + 1.0f)) * (4.0f * (n + 1.0f) / (d * d));
}

/* NaN in, NaN out: the order of vmax's and vmin's operands sees to it. */
static inline __attribute__((always_inline)) vfloat activate(struct cnn_activation a, vfloat x)
{
    const vfloat zero = {0};
    switch (a.kind) {
    case CNN_ACT_RELU:
        return vmax(zero, x);
    case CNN_ACT_RELU6:
        return vmin(vset(6.0f), vmax(zero, x));
    case CNN_ACT_LEAKY_RELU:
        return vselect(x > zero, x, x * a.slope);
    case CNN_ACT_ELU:
        return vselect(x > zero, x, vexpm1(x));
    case CNN_ACT_SIGMOID:
        return vsigmoid(x);
    case CNN_ACT_TANH:
        return vtanh(x);
    case CNN_ACT_GELU:
        return x * normal_cdf(x);
    case CNN_ACT_SILU:
        return x * vsigmoid(x);
    case CNN_ACT_HARDSWISH:
        return x * vmin(vset(6.0f), vmax(zero, x + 3.0f)) / 6.0f;
    case CNN_ACT_HARD_SIGMOID:
        return vmin(vset(6.0f), vmax(zero, x + 3.0f)) / 6.0f;
    case CNN_ACT_MISH: {
        vfloat e, n = mish_parts(x, &e);
        return x * (n / (n + 2.0f));
    }
    case CNN_ACT_CLIP:
        return vmin(vset(a.max), vmax(vset(a.min), x));
    case CNN_ACT_NONE:
    case CNN_ACT_SOFTMAX:
        break;
    }
    return x;
}

/* dy / dx from the output y; from the input x for the kinds that need it. */
static inline __attribute__((always_inline)) vfloat slope_at(struct cnn_activation a, vfloat x,
                                                             vfloat y)
{
    const vfloat zero = {0}, one = vset(1.0f);
    switch (a.kind) {
    case CNN_ACT_RELU:
        return vselect(y > zero, one, zero);
    case CNN_ACT_RELU6:
        return vselect((y > zero) & (y < 6.0f), one, zero);
    case CNN_ACT_LEAKY_RELU:
        return vselect(y > zero, one, vset(a.slope));
    case CNN_ACT_ELU:
        return vselect(y > zero, one, y + 1.0f);
    case CNN_ACT_SIGMOID:
        return y * (1.0f - y);
    case CNN_ACT_TANH:
        return 1.0f - y * y;
    case CNN_ACT_GELU:
        return normal_cdf(x) + x * 0.398942280401432678f * vexp(-0.5f * x * x);
    case CNN_ACT_SILU: {
        vfloat s = vsigmoid(x);
        return s * (1.0f + x * (1.0f - s));
    }
    case CNN_ACT_HARDSWISH:
        return vselect(x < -3.0f, zero, vselect(x > 3.0f, one, x / 3.0f + 0.5f));
    case CNN_ACT_HARD_SIGMOID:
        return vselect((y > zero) & (y < 1.0f), vset(1.0f / 6.0f), zero);
    case CNN_ACT_MISH:
        return mish_slope(x);
    case CNN_ACT_CLIP:
        return vselect((y > a.min) & (y < a.max), one, zero);
    case CNN_ACT_NONE:
    case CNN_ACT_SOFTMAX:
        break;
    }
    return one;
}

/* Inlined with the kind known: a loop of its own for each. */
static inline __attribute__((always_inline)) void activate_run(struct cnn_activation a, size_t size,
                                                               const float *x, float *y)
{
    size_t i = 0;
    for (; i + VLEN <= size; i += VLEN)
        vstore(y + i, activate(a, vload(x + i)));
    if (i < size)
        vstore_tail(y + i, size - i, activate(a, vload_tail(x + i, size - i)));
}

static inline __attribute__((always_inline)) void backward_run(struct cnn_activation a, size_t size,
                                                               const float *x, const float *y,
                                                               const float *dy, float *dx)
{
    size_t i = 0;
    for (; i + VLEN <= size; i += VLEN)
        vstore(dx + i, vload(dy + i) * slope_at(a, vload(x + i), vload(y + i)));
    size_t rest = size - i;
    if (rest)
        vstore_tail(dx + i, rest,
                    vload_tail(dy + i, rest) *
                        slope_at(a, vload_tail(x + i, rest), vload_tail(y + i, rest)));
}

#define EACH_KIND(RUN)                                                                             \
    RUN(CNN_ACT_RELU)                                                                              \
    RUN(CNN_ACT_RELU6)                                                                             \
    RUN(CNN_ACT_LEAKY_RELU)                                                                        \
    RUN(CNN_ACT_ELU)                                                                               \
    RUN(CNN_ACT_SIGMOID)                                                                           \
    RUN(CNN_ACT_TANH)                                                                              \
    RUN(CNN_ACT_GELU)                                                                              \
    RUN(CNN_ACT_SILU)                                                                              \
    RUN(CNN_ACT_HARDSWISH)                                                                         \
    RUN(CNN_ACT_HARD_SIGMOID)                                                                      \
    RUN(CNN_ACT_MISH)                                                                              \
    RUN(CNN_ACT_CLIP)

void CNN_ISA_NAME(cnn_activate)(struct cnn_activation a, size_t size, const float *x, float *y)
{
#define FORWARD(known)                                                                             \
    case known:                                                                                    \
        a.kind = known;                                                                            \
        activate_run(a, size, x, y);                                                               \
        return;
    switch (a.kind) {
        EACH_KIND(FORWARD)
    case CNN_ACT_NONE:
    case CNN_ACT_SOFTMAX:
        break;
    }
    if (x != y)
        memcpy(y, x, size * sizeof *y);
}

void CNN_ISA_NAME(cnn_activate_backward)(struct cnn_activation a, size_t size, const float *x,
                                         const float *y, const float *dy, float *dx)
{
    if (!cnn_activation_needs_input(a))
        x = y; /* not used, but it must be something that can be read */
#define BACKWARD(known)                                                                            \
    case known:                                                                                    \
        a.kind = known;                                                                            \
        backward_run(a, size, x, y, dy, dx);                                                       \
        return;
    switch (a.kind) {
        EACH_KIND(BACKWARD)
    case CNN_ACT_NONE:
    case CNN_ACT_SOFTMAX:
        break;
    }
    if (dx != dy)
        memcpy(dx, dy, size * sizeof *dx);
}
#endif

#ifdef CNN_HALVES
void cnn_activate_halves(struct cnn_activation a, size_t size, unsigned short *y)
{
    float buffer[RUN];
    for (size_t at = 0; at < size; at += RUN) {
        const size_t count = cnn_size_min(RUN, size - at);
        CNN_ISA_NAME(cnn_activate)(a, count, cnn_read_numbers(y + at, count, buffer), buffer);
        cnn_write_numbers(buffer, count, y + at);
    }
}
#endif

struct activation_work {
    struct cnn_activation a;
    size_t size; /* elements in all */
    struct cnn_rows rows;
    const cnn_number *x, *y_in, *dy;
    cnn_number *y, *dx;
};

static void forward_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct activation_work *k = context;
    size_t end = cnn_size_min(k->size, (task + 1) * CNN_BLOCK);
    float buffer[RUN];
    for (size_t at = task * CNN_BLOCK; at < end; at += RUN) {
        size_t size = cnn_size_min(RUN, end - at);
        float *y = cnn_place_numbers(k->y + at, buffer);
        cnn_prefetch(k->x + at, size);
        CNN_ISA_NAME(cnn_activate)(k->a, size, cnn_read_numbers(k->x + at, size, buffer), y);
        cnn_write_numbers(y, size, k->y + at);
    }
}

static void backward_run_of(const struct activation_work *k, size_t at, size_t size)
{
    float x[RUN], y[RUN], dy[RUN];
    float *dx = cnn_place_numbers(k->dx + at, dy);
    CNN_ISA_NAME(cnn_activate_backward)
    (k->a, size, k->x ? cnn_read_numbers(k->x + at, size, x) : NULL,
     cnn_read_numbers(k->y_in + at, size, y), cnn_read_numbers(k->dy + at, size, dy), dx);
    cnn_write_numbers(dx, size, k->dx + at);
}

static void backward_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct activation_work *k = context;
    size_t end = cnn_size_min(k->size, (task + 1) * CNN_BLOCK);
    for (size_t at = task * CNN_BLOCK; at < end; at += RUN) {
        size_t size = cnn_size_min(RUN, end - at);
        cnn_prefetch((k->x ? k->x : k->y_in) + at, size), cnn_prefetch(k->dy + at, size);
        backward_run_of(k, at, size);
    }
}

#ifndef CNN_HALVES
/* y = exp(x - largest) / sum of these */
static void softmax_row(size_t c, const float *x, float *y)
{
    float largest = x[0];
    double sum = 0;
    for (size_t i = 1; i < c; i++)
        largest = x[i] > largest ? x[i] : largest;
    for (size_t i = 0; i < c; i += VLEN) {
        size_t lanes = cnn_size_min(VLEN, c - i);
        vfloat e = vexp((lanes == VLEN ? vload(x + i) : vload_tail(x + i, lanes)) - largest);
        for (size_t k = 0; k < lanes; k++)
            sum += (double)(y[i + k] = e[k]);
    }
    for (size_t i = 0; i < c; i++)
        y[i] = (float)((double)y[i] / sum);
}

static void softmax_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct activation_work *k = context;
    size_t c = k->rows.channels, block = cnn_block_rows(c);
    for (size_t row = task * block; row < cnn_size_min(k->rows.count, (task + 1) * block); row++)
        softmax_row(c, k->x + row * c, k->y + row * c);
}

/* dx = y * (dy - sum of dy * y) */
static void softmax_backward_block(void *context, size_t task, size_t thread)
{
    (void)thread;
    const struct activation_work *k = context;
    size_t c = k->rows.channels, block = cnn_block_rows(c);
    for (size_t row = task * block; row < cnn_size_min(k->rows.count, (task + 1) * block); row++) {
        const float *y = k->y_in + row * c, *dy = k->dy + row * c;
        float *dx = k->dx + row * c;
        double dot = 0;
        for (size_t i = 0; i < c; i++)
            dot += (double)dy[i] * (double)y[i];
        for (size_t i = 0; i < c; i++)
            dx[i] = y[i] * (dy[i] - (float)dot);
    }
}
#endif

void CNN_VALUE_NAME(cnn_activation_forward)(struct cnn_activation a, struct cnn_rows rows,
                                            const float *x, float *y)
{
    struct activation_work k = {.a = a,
                                .size = rows.count * rows.channels,
                                .rows = rows,
                                .x = (const cnn_number *)x,
                                .y = (cnn_number *)y};
#ifndef CNN_HALVES
    if (a.kind == CNN_ACT_SOFTMAX)
        cnn_parallel_for(cnn_size_divide_up(rows.count, cnn_block_rows(rows.channels)),
                         softmax_block, &k);
    else
#endif
        cnn_parallel_for(cnn_size_divide_up(k.size, CNN_BLOCK), forward_block, &k);
}

void CNN_VALUE_NAME(cnn_activation_backward)(struct cnn_activation a, struct cnn_rows rows,
                                             const float *x, const float *y, const float *dy,
                                             float *dx)
{
    struct activation_work k = {.a = a,
                                .size = rows.count * rows.channels,
                                .rows = rows,
                                .x = (const cnn_number *)x,
                                .y_in = (const cnn_number *)y,
                                .dy = (const cnn_number *)dy,
                                .dx = (cnn_number *)dx};
#ifndef CNN_HALVES
    if (a.kind == CNN_ACT_SOFTMAX)
        cnn_parallel_for(cnn_size_divide_up(rows.count, cnn_block_rows(rows.channels)),
                         softmax_backward_block, &k);
    else
#endif
        cnn_parallel_for(cnn_size_divide_up(k.size, CNN_BLOCK), backward_block, &k);
}
