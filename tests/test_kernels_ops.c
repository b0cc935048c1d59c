/* The operations beside convolution, pooling and batch normalisation: every table against formulas
 * in double or against plain C, at sizes with tails, in place where the contract allows it, with
 * the same bits for any number of threads. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "compare.h"
#include "kernels/kernels.h"
#include "tables.h"
#include "util/parallel.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static const int thread_counts[] = {1, 2, 5};
static const size_t channel_counts[] = {1, 3, 6, 16, 17, 33, 64, 100, 1030};
static const size_t sizes[] = {1, 2, 7, 15, 16, 17, 100, 4099, 40001};

static float *copy_of(const float *tensor, size_t size)
{
    float *copy = tensor_new(size);
    memcpy(copy, tensor, size * sizeof *copy);
    return copy;
}

static const char *label(const struct cnn_kernels *k, const char *what, size_t a, size_t b)
{
    static char text[128];
    snprintf(text, sizeof text, "%s %s %zu x %zu", k->name, what, a, b);
    return text;
}

/* Every kind but softmax, with the settings of activation_formula. */
static struct cnn_activation activation_at(int kind)
{
    return (struct cnn_activation){
        .kind = (enum cnn_activation_kind)kind, .slope = 0.25f, .min = -0.75f, .max = 2.5f};
}

static double activation_formula(enum cnn_activation_kind kind, double x)
{
    switch (kind) {
    case CNN_ACT_RELU:
        return x > 0 ? x : 0;
    case CNN_ACT_RELU6:
        return fmin(fmax(x, 0), 6);
    case CNN_ACT_LEAKY_RELU:
        return x > 0 ? x : 0.25 * x;
    case CNN_ACT_ELU:
        return x > 0 ? x : expm1(x);
    case CNN_ACT_SIGMOID:
        return 1 / (1 + exp(-x));
    case CNN_ACT_TANH:
        return tanh(x);
    case CNN_ACT_GELU:
        return x * 0.5 * (1 + erf(x / sqrt(2)));
    case CNN_ACT_SILU:
        return x / (1 + exp(-x));
    case CNN_ACT_HARDSWISH:
        return x * fmin(fmax(x + 3, 0), 6) / 6;
    case CNN_ACT_HARD_SIGMOID:
        return fmin(fmax(x + 3, 0), 6) / 6;
    case CNN_ACT_MISH:
        return x * tanh(log1p(exp(x)));
    case CNN_ACT_CLIP:
        return fmin(fmax(x, -0.75), 2.5);
    default:
        return x;
    }
}

/* Element by element: a relative error of 2e-6 at each, small values too; gelu loses digits where
 * erf is near -1, as PyTorch's does. */
static void test_activation_values_when_small_and_large(void **state)
{
    (void)state;
    enum { SIZE = 4003 };
    float *x = tensor_new(SIZE), *y = tensor_new(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        x[i] = (i % 2 ? 1.0f : -1.0f) * powf(10, (float)i / SIZE * 6 - 4.2f);
    const struct cnn_kernels *k;
    for (size_t t = 0; (k = TABLE_WITH_OWN(activation_forward, t)); t++)
        for (int kind = 0; kind <= CNN_ACT_CLIP; kind++) {
            if (kind == CNN_ACT_SOFTMAX)
                continue;
            k->activation_forward(activation_at(kind), (struct cnn_rows){1, SIZE}, x, y);
            for (size_t i = 0; i < SIZE; i++) {
                double want = activation_formula((enum cnn_activation_kind)kind, (double)x[i]);
                double allowed = 2e-6 * fabs(want) + 1e-30 +
                                 (kind == CNN_ACT_GELU ? 1.5e-7 * fabs((double)x[i]) : 0);
                if (fabs((double)y[i] - want) > allowed)
                    fail_msg("%s, activation %d of %.9g is %.9g, not %.9g", k->name, kind,
                             (double)x[i], (double)y[i], want);
            }
        }
    tensor_free(x, SIZE);
    tensor_free(y, SIZE);
}

/* Central differences in double of the formula, away from the kinks. */
static void test_activation_gradients_when_differenced(void **state)
{
    (void)state;
    enum { SIZE = 1001 };
    float *x = tensor_new(SIZE), *y = tensor_new(SIZE), *dy = tensor_random(SIZE, 3),
          *dx = tensor_new(SIZE), *want = tensor_new(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        x[i] = ((float)i + 0.3f) * 0.0161f - 8.0f;
    const struct cnn_kernels *k;
    for (size_t t = 0; (k = TABLE_WITH_OWN(activation_forward, t)); t++)
        for (int kind = 0; kind <= CNN_ACT_CLIP; kind++) {
            if (kind == CNN_ACT_SOFTMAX)
                continue;
            struct cnn_activation a = activation_at(kind);
            const double h = 1e-5;
            for (size_t i = 0; i < SIZE; i++)
                want[i] = (float)((double)dy[i] *
                                  (activation_formula(a.kind, (double)x[i] + h) -
                                   activation_formula(a.kind, (double)x[i] - h)) /
                                  (2 * h));
            k->activation_forward(a, (struct cnn_rows){7, SIZE / 7}, x, y);
            k->activation_backward(a, (struct cnn_rows){7, SIZE / 7},
                                   cnn_activation_needs_input(a) ? x : NULL, y, dy, dx);
            assert_floats_near(label(k, "activation gradient", (size_t)kind, 0), dx, want, SIZE,
                               2e-6);
        }
    float *all[] = {x, y, dy, dx, want};
    for (size_t i = 0; i < COUNT(all); i++)
        tensor_free(all[i], SIZE);
}

static void activation_check(const struct cnn_kernels *k, struct cnn_activation a, size_t rows,
                             size_t c)
{
    const struct cnn_kernels *ref = cnn_kernels_at(0);
    size_t size = rows * c;
    struct cnn_rows shape = {rows, c};
    float *x = tensor_random(size, 1), *dy = tensor_random(size, 2), *want = tensor_new(size),
          *want_dx = tensor_new(size);
    for (size_t i = 0; i < size; i++)
        x[i] *= 8;
    ref->activation_forward(a, shape, x, want);
    ref->activation_backward(a, shape, x, want, dy, want_dx);
    for (size_t t = 0; t < COUNT(thread_counts); t++) {
        cnn_parallel_set_threads(thread_counts[t]);
        float *y = tensor_new(size), *dx = tensor_new(size), *in_place = copy_of(x, size);
        k->activation_forward(a, shape, x, y);
        k->activation_backward(a, shape, x, want, dy, dx);
        assert_floats_near(label(k, "activation", (size_t)a.kind, c), y, want, size, 1e-6);
        assert_floats_near(label(k, "activation dx", (size_t)a.kind, c), dx, want_dx, size, 1e-6);
        if (!cnn_activation_needs_input(a)) {
            k->activation_forward(a, shape, in_place, in_place);
            assert_floats_same("activation in place", in_place, y, size);
        }
        memcpy(in_place, dy, size * sizeof *dy);
        k->activation_backward(a, shape, x, want, in_place, in_place);
        assert_floats_same("activation backward in place", in_place, dx, size);
        tensor_free(y, size);
        tensor_free(dx, size);
        tensor_free(in_place, size);
    }
    cnn_parallel_set_threads(0);
    float *all[] = {x, dy, want, want_dx};
    for (size_t i = 0; i < COUNT(all); i++)
        tensor_free(all[i], size);
}

static void test_activation_when_sizes_are_odd(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    for (size_t t = 1; (k = TABLE_WITH_OWN(activation_forward, t)); t++)
        for (int kind = 0; kind <= CNN_ACT_CLIP; kind++) {
            struct cnn_activation a = activation_at(kind);
            for (size_t i = 0; i < COUNT(channel_counts); i++)
                activation_check(k, a, 19, channel_counts[i]);
        }
}

static void test_activation_when_nan(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    for (size_t t = 0; (k = TABLE_WITH_OWN(activation_forward, t)); t++)
        for (int kind = 0; kind <= CNN_ACT_CLIP; kind++) {
            float x[20] = {[3] = NAN, [19] = NAN}, y[20];
            k->activation_forward((struct cnn_activation){.kind = (enum cnn_activation_kind)kind},
                                  (struct cnn_rows){1, 20}, x, y);
            assert_true(isnan(y[3]) && isnan(y[19]));
        }
}

static void test_softmax_when_logits_are_huge(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    float x[] = {1000, 1001, -1000}, y[3];
    for (size_t t = 0; (k = TABLE_WITH_OWN(activation_forward, t)); t++) {
        k->activation_forward((struct cnn_activation){.kind = CNN_ACT_SOFTMAX},
                              (struct cnn_rows){1, 3}, x, y);
        assert_floats_near(k->name, y, (const float[]){0.26894142f, 0.73105858f, 0}, 3, 1e-6);
    }
}

static void test_sum_when_in_place(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    for (size_t t = 0; (k = TABLE_WITH_OWN(sum, t)); t++)
        for (size_t s = 0; s < COUNT(sizes); s++)
            for (size_t count = 1; count <= 4; count++) {
                float *x[4], *want = tensor_new(sizes[s]);
                for (size_t i = 0; i < 4; i++)
                    x[i] = tensor_random(sizes[s], (unsigned)i);
                memcpy(want, x[0], sizes[s] * sizeof *want);
                for (size_t i = 1; i < count; i++)
                    for (size_t j = 0; j < sizes[s]; j++)
                        want[j] += x[i][j];
                k->sum(count, sizes[s], (const float *const *)x,
                       (struct cnn_activation){.kind = CNN_ACT_NONE}, x[count - 1]);
                assert_floats_same(label(k, "sum", count, sizes[s]), x[count - 1], want, sizes[s]);
                for (size_t i = 0; i < 4; i++)
                    tensor_free(x[i], sizes[s]);
                tensor_free(want, sizes[s]);
            }
}

static void test_sum_when_activated(void **state)
{
    (void)state;
    static const enum cnn_activation_kind kinds[] = {CNN_ACT_NONE, CNN_ACT_RELU, CNN_ACT_LEAKY_RELU,
                                                     CNN_ACT_TANH};
    const struct cnn_kernels *k;
    for (size_t t = 0; (k = TABLE_WITH_OWN(sum, t)); t++)
        for (size_t s = 0; s < COUNT(sizes); s++)
            for (size_t i = 0; i < COUNT(kinds); i++) {
                struct cnn_activation a = {.kind = kinds[i], .slope = 0.25f};
                size_t size = sizes[s];
                float *x[3], *y = tensor_new(size), *dy = tensor_random(size, 9),
                             *want = tensor_new(size), *dx[3] = {tensor_new(size), NULL, dy};
                for (size_t j = 0; j < 3; j++)
                    x[j] = tensor_random(size, (unsigned)j);
                for (size_t j = 0; j < size; j++)
                    want[j] = x[0][j] + x[1][j] + x[2][j];
                k->activation_forward(a, (struct cnn_rows){size, 1}, want, want);
                k->sum(3, size, (const float *const *)x, a, y);
                assert_floats_near(label(k, "activated sum", (size_t)kinds[i], size), y, want, size,
                                   1e-6);
                k->activation_backward(a, (struct cnn_rows){size, 1}, NULL, y, dy, want);
                k->sum_backward(3, size, a, y, dy, dx);
                assert_floats_near(label(k, "its first gradient", (size_t)kinds[i], size), dx[0],
                                   want, size, 1e-6);
                assert_floats_same(label(k, "its last gradient", (size_t)kinds[i], size), dx[2],
                                   dx[0], size);
                for (size_t j = 0; j < 3; j++)
                    tensor_free(x[j], size);
                tensor_free(y, size);
                tensor_free(dy, size);
                tensor_free(want, size);
                tensor_free(dx[0], size);
            }
}

/* Five steps of an optimiser on one weight, in double. */
struct trajectory {
    double w, m, v;
};

static void sgd_formula(struct trajectory *s, double g, int step, bool nesterov, double momentum)
{
    g += 0.01 * s->w;
    s->m = step == 1 ? g : momentum * s->m + g;
    s->w -= 0.1 * (momentum == 0 ? g : nesterov ? g + momentum * s->m : s->m);
}

static void adam_formula(struct trajectory *s, double g, int step, bool decoupled)
{
    if (decoupled)
        s->w *= 1 - 0.1 * 0.01;
    else
        g += 0.01 * s->w;
    s->m = 0.9 * s->m + 0.1 * g;
    s->v = 0.999 * s->v + 0.001 * g * g;
    s->w -= 0.1 * (s->m / (1 - pow(0.9, step))) / (sqrt(s->v / (1 - pow(0.999, step))) + 1e-8);
}

static void rmsprop_formula(struct trajectory *s, double g, double momentum)
{
    g += 0.01 * s->w;
    s->v = 0.99 * s->v + 0.01 * g * g;
    s->m = momentum * s->m + g / (sqrt(s->v) + 1e-8);
    s->w -= 0.1 * s->m;
}

enum optimizer {
    SGD,
    SGD_MOMENTUM,
    SGD_NESTEROV,
    ADAM,
    ADAMW,
    RMSPROP,
    RMSPROP_MOMENTUM,
    OPTIMIZERS
};

struct update {
    size_t size;
    float *w, *m, *v;
};

static void optimizer_step(const struct cnn_kernels *k, enum optimizer o, const struct update *u,
                           const float *g, size_t step)
{
    size_t size = u->size;
    float *w = u->w, *m = u->m, *v = u->v;
    if (o <= SGD_NESTEROV)
        k->sgd(size, w, g, o == SGD ? NULL : m,
               &(struct cnn_sgd){.lr = 0.1f,
                                 .momentum = o == SGD ? 0.0f : 0.9f,
                                 .weight_decay = 0.01f,
                                 .nesterov = o == SGD_NESTEROV,
                                 .first = step == 1});
    else if (o <= ADAMW)
        k->adam(size, w, g, m, v,
                &(struct cnn_adam){0.1, 0.9, 0.999, 1e-8, 0.01, o == ADAMW, step});
    else
        k->rmsprop(size, w, g, v, o == RMSPROP ? NULL : m,
                   &(struct cnn_rmsprop){.lr = 0.1f,
                                         .alpha = 0.99,
                                         .eps = 1e-8f,
                                         .momentum = o == RMSPROP ? 0.0f : 0.9f,
                                         .weight_decay = 0.01f});
}

static void optimizer_formula(enum optimizer o, struct trajectory *s, double g, int step)
{
    if (o <= SGD_NESTEROV)
        sgd_formula(s, g, step, o == SGD_NESTEROV, o == SGD ? 0 : 0.9);
    else if (o <= ADAMW)
        adam_formula(s, g, step, o == ADAMW);
    else
        rmsprop_formula(s, g, o == RMSPROP ? 0 : 0.9);
}

static void optimizer_check(const struct cnn_kernels *k, enum optimizer o, size_t size)
{
    float *w = tensor_random(size, 1), *m = tensor_new(size), *v = tensor_new(size),
          *want = tensor_new(size), *grads[5];
    for (int step = 0; step < 5; step++)
        grads[step] = tensor_random(size, 10u + (unsigned)step);
    for (size_t i = 0; i < size; i++) {
        struct trajectory s = {.w = (double)w[i]};
        for (int step = 1; step <= 5; step++)
            optimizer_formula(o, &s, (double)grads[step - 1][i], step);
        want[i] = (float)s.w;
        v[i] = 0;
        if (o > SGD_NESTEROV) /* sgd's first step does not read its buffer: it is left NaN */
            m[i] = 0;
    }
    for (size_t step = 1; step <= 5; step++)
        optimizer_step(k, o, &(struct update){size, w, m, v}, grads[step - 1], step);
    assert_floats_near(label(k, "optimizer", (size_t)o, size), w, want, size, 5e-6);
    for (int step = 0; step < 5; step++)
        tensor_free(grads[step], size);
    float *all[] = {w, m, v, want};
    for (size_t i = 0; i < COUNT(all); i++)
        tensor_free(all[i], size);
}

static void test_optimizers_when_five_steps(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    for (size_t t = 0; (k = TABLE_WITH_OWN(sgd, t)); t++)
        for (int o = 0; o < OPTIMIZERS; o++)
            for (size_t s = 0; s < COUNT(sizes); s++)
                optimizer_check(k, (enum optimizer)o, sizes[s]);
}

static double lrn_formula(const struct cnn_lrn *l, const float *x, size_t i, double nudge,
                          size_t at)
{
    double squares = 0, here = 0;
    for (size_t j = 0; j < l->channels; j++) {
        double v = (double)x[j] + (j == at ? nudge : 0);
        if (j + l->size / 2 >= i && j <= i + (l->size - 1) / 2)
            squares += v * v;
        if (j == i)
            here = v;
    }
    return here *
           pow((double)l->k + (double)l->alpha / (double)l->size * squares, -(double)l->beta);
}

/* One table against the formula and its numeric derivative; in place, as contracts allow, for any
 * number of threads. */
static void lrn_check(const struct cnn_kernels *k, const struct cnn_lrn *l, const float *x,
                      const float *dy, const float *want, const float *want_dx)
{
    const size_t size = l->rows * l->channels;
    for (size_t t = 0; t < COUNT(thread_counts); t++) {
        cnn_parallel_set_threads(thread_counts[t]);
        size_t floats = k->lrn_scratch_floats(l);
        float *y = tensor_new(size), *saved = tensor_new(size), *dx = tensor_new(size),
              *over_x = copy_of(x, size), *over_dy = copy_of(dy, size);
        float *scratch = tensor_new(floats);
        k->lrn_forward(l, x, y, saved, scratch);
        k->lrn_backward(l, x, saved, dy, dx, scratch);
        k->lrn_forward(l, over_x, over_x, NULL, scratch);
        k->lrn_backward(l, x, saved, over_dy, over_dy, scratch);
        assert_floats_near(label(k, "lrn", l->channels, l->size), y, want, size, 1e-6);
        assert_floats_near(label(k, "lrn dx", l->channels, l->size), dx, want_dx, size, 2e-6);
        assert_floats_same(label(k, "lrn over x", l->channels, l->size), over_x, y, size);
        assert_floats_same(label(k, "lrn dx over dy", l->channels, l->size), over_dy, dx, size);
        float *all[] = {y, saved, dx, over_x, over_dy};
        for (size_t i = 0; i < COUNT(all); i++)
            tensor_free(all[i], size);
        tensor_free(scratch, floats);
    }
    cnn_parallel_set_threads(0);
}

static void test_lrn_when_windows_are_even_odd_and_wide(void **state)
{
    (void)state;
    static const size_t channels[] = {1, 16, 17, 37}, widths[] = {1, 2, 5, 40, 200};
    for (size_t s = 0; s < COUNT(channels) * COUNT(widths); s++) {
        const size_t c = channels[s % COUNT(channels)], size = 23 * c;
        struct cnn_lrn l = {.rows = 23,
                            .channels = c,
                            .size = widths[s / COUNT(channels)],
                            .alpha = 0.5f,
                            .beta = s % 3 ? 0.75f : 0.6f,
                            .k = 1};
        float *x = tensor_random(size, 1), *dy = tensor_random(size, 2), *want = tensor_new(size),
              *want_dx = tensor_new(size);
        for (size_t e = 0; e < size; e++) {
            const float *row = x + e / c * c, *dy_row = dy + e / c * c;
            double sum = 0;
            for (size_t i = 0; i < c; i++)
                sum +=
                    (double)dy_row[i] *
                    (lrn_formula(&l, row, i, 1e-5, e % c) - lrn_formula(&l, row, i, -1e-5, e % c)) /
                    2e-5;
            want[e] = (float)lrn_formula(&l, row, e % c, 0, 0);
            want_dx[e] = (float)sum;
        }
        for (size_t t = 0; cnn_kernels_at(t); t++)
            lrn_check(cnn_kernels_at(t), &l, x, dy, want, want_dx);
        float *all[] = {x, dy, want, want_dx};
        for (size_t i = 0; i < COUNT(all); i++)
            tensor_free(all[i], size);
    }
}

/* The sums of squares from tiny to beyond what a float holds; the default exponent, and one that
 * has no short cut. */
static void test_lrn_values_when_small_and_large(void **state)
{
    (void)state;
    enum { SIZE = 403 };
    float *x = tensor_new(SIZE), *y = tensor_new(SIZE);
    for (size_t i = 0; i < SIZE; i++)
        x[i] = (i % 2 ? 1.0f : -1.0f) * powf(10, (float)i / SIZE * 40 - 18);
    for (size_t t = 0; cnn_kernels_at(t); t++)
        for (size_t b = 0; b < 2; b++) {
            const struct cnn_kernels *k = cnn_kernels_at(t);
            struct cnn_lrn l = {.rows = SIZE,
                                .channels = 1,
                                .size = 1,
                                .alpha = 1,
                                .beta = b ? 0.75f : 0.6f,
                                .k = 1e-30f};
            float *scratch = tensor_new(k->lrn_scratch_floats(&l));
            k->lrn_forward(&l, x, y, NULL, scratch);
            for (size_t i = 0; i < SIZE; i++) {
                double want = lrn_formula(&l, x + i, 0, 0, 0), sum = (double)x[i] * (double)x[i];
                if (sum < 3e38 ? fabs((double)y[i] - want) > 1e-6 * fabs(want)
                               : fabs((double)y[i]) > 1e-3)
                    fail_msg("%s, lrn of %.9g is %.9g, not %.9g", k->name, (double)x[i],
                             (double)y[i], want);
            }
            tensor_free(scratch, k->lrn_scratch_floats(&l));
        }
    tensor_free(x, SIZE);
    tensor_free(y, SIZE);
}

/* images, pixels, channels: some images in a task, parts of an image, many parts */
static const size_t scale_shapes[][3] = {{1, 1, 1},   {7, 1, 33},    {300, 1, 17}, {3, 50, 6},
                                         {2, 37, 64}, {1, 40000, 3}, {2, 900, 35}, {1, 4100, 300}};

static void scale_check(const struct cnn_kernels *k, const struct cnn_scale *c, bool biased)
{
    const struct cnn_kernels *ref = cnn_kernels_at(0);
    size_t size = c->images * c->pixels * c->channels, factors = c->images * c->channels;
    float *x = tensor_random(size, 1), *dy = tensor_random(size, 2), *s = tensor_random(factors, 3),
          *b = tensor_random(factors, 4), *want = tensor_new(size), *want_dx = tensor_new(size),
          *want_ds = tensor_new(factors), *want_db = tensor_new(factors);
    const struct cnn_scale_gradients wanted = {want_dx, want_ds, want_db};
    ref->scale_forward(c, x, s, biased ? b : NULL, want);
    ref->scale_backward(c, x, s, dy, &wanted, NULL);
    for (size_t t = 0; t < COUNT(thread_counts); t++) {
        cnn_parallel_set_threads(thread_counts[t]);
        size_t floats = k->scale_scratch_floats(c);
        float *y = copy_of(x, size), *dx = copy_of(dy, size), *ds = tensor_new(factors),
              *db = tensor_new(factors), *scratch = tensor_new(floats);
        const struct cnn_scale_gradients found = {dx, ds, db};
        k->scale_forward(c, y, s, biased ? b : NULL, y);
        k->scale_backward(c, x, s, dx, &found, scratch);
        assert_floats_near(label(k, "scale", c->pixels, c->channels), y, want, size, 1e-6);
        assert_floats_near(label(k, "scale dx", c->pixels, c->channels), dx, want_dx, size, 1e-6);
        assert_floats_near(label(k, "scale ds", c->pixels, c->channels), ds, want_ds, factors,
                           2e-5);
        assert_floats_near(label(k, "scale db", c->pixels, c->channels), db, want_db, factors,
                           2e-5);
        tensor_free(y, size);
        tensor_free(dx, size);
        tensor_free(ds, factors);
        tensor_free(db, factors);
        tensor_free(scratch, floats);
    }
    cnn_parallel_set_threads(0);
    float *all[] = {x, dy, want, want_dx}, *few[] = {s, b, want_ds, want_db};
    for (size_t i = 0; i < COUNT(all); i++) {
        tensor_free(all[i], size);
        tensor_free(few[i], factors);
    }
}

static void test_scale_when_images_are_small_and_large(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    for (size_t t = 1; (k = TABLE_WITH_OWN(scale_forward, t)); t++)
        for (size_t i = 0; i < COUNT(scale_shapes); i++)
            for (int negative = 0; negative < 2; negative++) {
                const struct cnn_scale c = {
                    .images = scale_shapes[i][0],
                    .pixels = scale_shapes[i][1],
                    .channels = scale_shapes[i][2],
                    .negative = negative,
                    .activation = activation_at(i % 2 ? CNN_ACT_SIGMOID : CNN_ACT_NONE)};
                scale_check(k, &c, i % 3 > 0);
            }
}

static void group_norm_check(const struct cnn_kernels *k, const struct cnn_group_norm *g)
{
    const struct cnn_kernels *ref = cnn_kernels_at(0);
    size_t size = g->images * g->pixels * g->channels, c = g->channels,
           statistics = 2 * g->images * g->groups;
    float *x = tensor_random(size, 1), *dy = tensor_random(size, 2), *gamma = tensor_random(c, 3),
          *beta = tensor_random(c, 4), *want = tensor_new(size), *want_dx = tensor_new(size),
          *want_sums = tensor_new(2 * c), *saved = tensor_new(statistics);
    struct cnn_group_norm_arrays wanted = {gamma, beta, saved, want_sums, want_sums + c, NULL};
    for (size_t i = 0; i < size; i++)
        x[i] += 3; /* a mean that is not 0 */
    ref->group_norm_forward(g, &wanted, x, want);
    ref->group_norm_backward(g, &wanted, x, dy, want_dx);
    for (size_t t = 0; t < COUNT(thread_counts); t++) {
        cnn_parallel_set_threads(thread_counts[t]);
        size_t floats = k->group_norm_scratch_floats(g);
        float *y = copy_of(x, size), *dx = copy_of(dy, size), *sums = tensor_new(2 * c),
              *own = tensor_new(statistics), *scratch = tensor_new(floats);
        struct cnn_group_norm_arrays found = {gamma, beta, own, sums, sums + c, scratch};
        k->group_norm_forward(g, &found, y, y);
        k->group_norm_backward(g, &found, x, dx, dx);
        assert_floats_near(label(k, "group_norm", g->pixels, c), y, want, size, 1e-5);
        assert_floats_near(label(k, "group_norm dx", g->pixels, c), dx, want_dx, size, 1e-5);
        assert_floats_near(label(k, "its sums", g->pixels, c), sums, want_sums, 2 * c, 1e-5);
        assert_floats_near(label(k, "statistics", g->pixels, c), own, saved, statistics, 1e-5);
        tensor_free(y, size);
        tensor_free(dx, size);
        tensor_free(sums, 2 * c);
        tensor_free(own, statistics);
        tensor_free(scratch, floats);
    }
    cnn_parallel_set_threads(0);
    tensor_free(x, size);
    tensor_free(dy, size);
    tensor_free(want, size);
    tensor_free(want_dx, size);
    tensor_free(gamma, c);
    tensor_free(beta, c);
    tensor_free(want_sums, 2 * c);
    tensor_free(saved, statistics);
}

static void test_group_norm_when_groups_are_one_and_many(void **state)
{
    (void)state;
    static const struct cnn_group_norm norms[] = {
        {.images = 900, .pixels = 1, .channels = 37, .groups = 1, .eps = 1e-5f},
        {.images = 5, .pixels = 1, .channels = 300, .groups = 1, .eps = 0.1f},
        {.images = 3, .pixels = 70, .channels = 24, .groups = 4, .eps = 1e-5f},
        {.images = 2, .pixels = 33, .channels = 19, .groups = 19, .eps = 1e-3f},
        {.images = 4, .pixels = 9, .channels = 34, .groups = 2, .eps = 1e-5f}};
    const struct cnn_kernels *k;
    for (size_t t = 1; (k = TABLE_WITH_OWN(group_norm_forward, t)); t++)
        for (size_t i = 0; i < COUNT(norms); i++)
            group_norm_check(k, &norms[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activation_values_when_small_and_large),
        cmocka_unit_test(test_activation_gradients_when_differenced),
        cmocka_unit_test(test_activation_when_sizes_are_odd),
        cmocka_unit_test(test_activation_when_nan),
        cmocka_unit_test(test_softmax_when_logits_are_huge),
        cmocka_unit_test(test_sum_when_in_place),
        cmocka_unit_test(test_sum_when_activated),
        cmocka_unit_test(test_optimizers_when_five_steps),
        cmocka_unit_test(test_lrn_when_windows_are_even_odd_and_wide),
        cmocka_unit_test(test_lrn_values_when_small_and_large),
        cmocka_unit_test(test_scale_when_images_are_small_and_large),
        cmocka_unit_test(test_group_norm_when_groups_are_one_and_many),
    };
    return cmocka_run_group_tests_name("kernels_ops", tests, NULL, NULL);
}
