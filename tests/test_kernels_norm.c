/* Batch normalisation: plain C against values worked out by hand, every other table against plain
 * C, with the same bits for any number of threads. */
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

struct norm_result {
    float *mean, *var, *y, *dx, *dgamma, *dbeta;
};

/* Elements of y: of the pool's output where there is one. */
static size_t output_size(const struct cnn_batch_norm *b)
{
    const struct cnn_pool *p = b->pool;
    return (p ? b->rows / (p->in_h * p->in_w) * p->out_h * p->out_w : b->rows) * b->channels;
}

static struct norm_result norm_result_new(const struct cnn_batch_norm *b)
{
    size_t size = b->rows * b->channels;
    return (struct norm_result){tensor_new(b->channels),    tensor_new(b->channels),
                                tensor_new(output_size(b)), tensor_new(size),
                                tensor_new(b->channels),    tensor_new(b->channels)};
}

static struct cnn_batch_norm_arrays norm_arrays(const struct norm_result *r, const float *x,
                                                const float *gamma, const float *beta,
                                                const float *dy)
{
    return (struct cnn_batch_norm_arrays){.x = x,
                                          .mean = r->mean,
                                          .var = r->var,
                                          .gamma = gamma,
                                          .beta = beta,
                                          .y = r->y,
                                          .dy = dy,
                                          .dx = r->dx,
                                          .dgamma = r->dgamma,
                                          .dbeta = r->dbeta};
}

static struct norm_result norm_run(const struct cnn_kernels *k, const struct cnn_batch_norm *b,
                                   const float *x)
{
    size_t size = output_size(b), scratch_size = k->batch_norm_scratch_floats(b);
    float *gamma = tensor_random(b->channels, 2), *beta = tensor_random(b->channels, 3),
          *dy = tensor_random(size, 4), *scratch = tensor_new(scratch_size);
    struct norm_result r = norm_result_new(b);
    struct cnn_batch_norm_arrays arrays = norm_arrays(&r, x, gamma, beta, dy);
    arrays.scratch = scratch;
    k->batch_norm_statistics(b, x, r.mean, r.var, scratch);
    k->batch_norm_forward(b, &arrays);
    k->batch_norm_backward(b, &arrays);
    if (!b->pool) {
        float *in_place = copy_of(dy, size);
        arrays.dy = arrays.dx = in_place;
        k->batch_norm_backward(b, &arrays);
        assert_floats_same("batch_norm backward in place", in_place, r.dx, size);
        tensor_free(in_place, size);
    }
    tensor_free(gamma, b->channels);
    tensor_free(beta, b->channels);
    tensor_free(dy, size);
    tensor_free(scratch, scratch_size);
    return r;
}

static void norm_result_free(struct norm_result r, const struct cnn_batch_norm *b)
{
    float *per_channel[] = {r.mean, r.var, r.dgamma, r.dbeta};
    for (size_t i = 0; i < COUNT(per_channel); i++)
        tensor_free(per_channel[i], b->channels);
    tensor_free(r.y, output_size(b));
    tensor_free(r.dx, b->rows * b->channels);
}

static void norm_compare(const char *what, struct norm_result got, struct norm_result want,
                         const struct cnn_batch_norm *b, double relative)
{
    char part[160];
    struct {
        const char *name;
        const float *got, *want;
        size_t size;
    } parts[] = {
        {"mean", got.mean, want.mean, b->channels},
        {"var", got.var, want.var, b->channels},
        {"y", got.y, want.y, output_size(b)},
        {"dx", got.dx, want.dx, b->rows * b->channels},
        {"dgamma", got.dgamma, want.dgamma, b->channels},
        {"dbeta", got.dbeta, want.dbeta, b->channels},
    };
    for (size_t i = 0; i < COUNT(parts); i++) {
        snprintf(part, sizeof part, "%s: %s", what, parts[i].name);
        if (relative > 0)
            assert_floats_near(part, parts[i].got, parts[i].want, parts[i].size, relative);
        else
            assert_floats_same(part, parts[i].got, parts[i].want, parts[i].size);
    }
}

static void norm_check(const struct cnn_batch_norm *b, const float *x)
{
    const struct cnn_kernels *k;
    struct norm_result want = norm_run(cnn_kernels_at(0), b, x);
    for (size_t i = 1; (k = TABLE_WITH_OWN(batch_norm_forward, i)); i++) {
        cnn_parallel_set_threads(1);
        struct norm_result one = norm_run(k, b, x);
        norm_compare(label(k, "batch_norm", b->rows, b->channels), one, want, b, 1e-5);
        for (size_t t = 1; t < COUNT(thread_counts); t++) {
            cnn_parallel_set_threads(thread_counts[t]);
            struct norm_result more = norm_run(k, b, x);
            norm_compare(label(k, "batch_norm, threads", b->rows, b->channels), more, one, b, 0);
            norm_result_free(more, b);
        }
        norm_result_free(one, b);
    }
    norm_result_free(want, b);
    cnn_parallel_set_threads(0);
}

static void test_batch_norm_when_sizes_are_odd(void **state)
{
    (void)state;
    static const enum cnn_activation_kind kinds[] = {
        CNN_ACT_NONE, CNN_ACT_RELU,      CNN_ACT_LEAKY_RELU, CNN_ACT_TANH,  CNN_ACT_SILU,
        CNN_ACT_GELU, CNN_ACT_HARDSWISH, CNN_ACT_MISH,       CNN_ACT_RELU6, CNN_ACT_CLIP};
    static const size_t rows[] = {5, 7, 96, 333, 2500};
    for (size_t c = 0; c < COUNT(channel_counts); c++)
        for (size_t r = 0; r < COUNT(rows); r++) {
            struct cnn_batch_norm b = {
                .rows = rows[r], .channels = channel_counts[c], .eps = 1e-5f};
            b.activation =
                (struct cnn_activation){.kind = kinds[(c * COUNT(rows) + r) % COUNT(kinds)],
                                        .slope = 0.1f,
                                        .min = -0.4f,
                                        .max = 0.9f};
            if (b.rows * b.channels > 300000)
                continue;
            float *x = tensor_random(b.rows * b.channels, 100u + (unsigned)(c + r));
            for (size_t i = 0; i < b.rows * b.channels; i++)
                x[i] += 0.7f; /* a mean of about 0 would have no digits to compare */
            norm_check(&b, x);
            tensor_free(x, b.rows * b.channels);
        }
}

/* Activations that a pool may follow; relu6 and a leaky_relu of slope 0 are level where windows
 * have several maxima. */
static const struct cnn_activation pooled_activations[] = {
    {.kind = CNN_ACT_NONE},
    {.kind = CNN_ACT_RELU},
    {.kind = CNN_ACT_LEAKY_RELU, .slope = 0.1f},
    {.kind = CNN_ACT_LEAKY_RELU},
    {.kind = CNN_ACT_RELU6},
    {.kind = CNN_ACT_CLIP, .min = -0.4f, .max = 0.9f},
    {.kind = CNN_ACT_SIGMOID}};

static struct cnn_pool pool_of(size_t height, size_t width, size_t channels, bool average)
{
    return (struct cnn_pool){.in_h = height,
                             .in_w = width,
                             .channels = channels,
                             .out_h = height / 2,
                             .out_w = width / 2,
                             .kernel_h = 2,
                             .kernel_w = 2,
                             .stride_h = 2,
                             .stride_w = 2,
                             .average = average};
}

/* Multiples of 1/8: many windows have two maxima, and no two values are so close that rounding
 * would choose between them. */
static float *coarse_random(size_t size, unsigned seed)
{
    float *x = tensor_random(size, seed);
    for (size_t i = 0; i < size; i++)
        x[i] = roundf(x[i] * 8) / 8 + 0.75f;
    return x;
}

static void test_batch_norm_with_pool_when_sizes_are_odd(void **state)
{
    (void)state;
    /* images, height, width */
    static const size_t sizes[][3] = {{3, 2, 2}, {2, 3, 5}, {3, 8, 6}, {1, 33, 70}, {2, 5, 2}};
    for (size_t c = 0; c < COUNT(channel_counts); c++)
        for (size_t i = 0; i < COUNT(sizes) * COUNT(pooled_activations) * 2; i++) {
            const size_t *size = sizes[i / 2 % COUNT(sizes)];
            struct cnn_pool pool = pool_of(size[1], size[2], channel_counts[c], i % 2);
            struct cnn_batch_norm b = {.rows = size[0] * size[1] * size[2],
                                       .channels = channel_counts[c],
                                       .eps = 1e-5f,
                                       .pool = &pool};
            b.activation = pooled_activations[i / 2 / COUNT(sizes)];
            if (b.rows * b.channels > 80000)
                continue;
            float *x = coarse_random(b.rows * b.channels, 100u + (unsigned)c);
            norm_check(&b, x);
            tensor_free(x, b.rows * b.channels);
        }
}

/* batch_norm with all that it takes over is the same as the operations one by one. */
static void test_batch_norm_ref_when_compared_with_its_parts(void **state)
{
    (void)state;
    const struct cnn_kernels *ref = cnn_kernels_at(0);
    for (size_t i = 0; i < COUNT(pooled_activations) * 2; i++) {
        struct cnn_pool pool = pool_of(7, 5, 3, i % 2);
        struct cnn_batch_norm b = {.rows = 70,
                                   .channels = 3,
                                   .eps = 1e-5f,
                                   .activation = pooled_activations[i / 2],
                                   .pool = &pool};
        struct cnn_batch_norm bare = {.rows = 70, .channels = 3, .eps = 1e-5f};
        float *x = coarse_random(210, 9), *gamma = tensor_random(3, 2), *beta = tensor_random(3, 3),
              *dy = tensor_random(output_size(&b), 4), *value = tensor_new(210),
              *g = tensor_new(210);
        unsigned short choice[36];
        struct norm_result got = norm_run(ref, &b, x), want = norm_result_new(&b);
        double room[2 * 3];
        ref->batch_norm_statistics(&bare, x, want.mean, want.var, (float *)room);
        struct cnn_batch_norm_arrays arrays = norm_arrays(&want, x, gamma, beta, g);
        arrays.y = value;
        arrays.scratch = (float *)room;
        ref->batch_norm_forward(&bare, &arrays);
        ref->activation_forward(b.activation, (struct cnn_rows){70, 3}, value, value);
        ref->pool_forward(&pool, 2, value, want.y, pool.average ? NULL : choice);
        ref->pool_backward(&pool, 2, dy, pool.average ? NULL : choice, g);
        ref->activation_backward(b.activation, (struct cnn_rows){70, 3}, NULL, value, g, g);
        ref->batch_norm_backward(&bare, &arrays);
        norm_compare("batch_norm and its parts", got, want, &b, 1e-6);
        norm_result_free(got, &b);
        norm_result_free(want, &b);
        tensor_free(x, 210), tensor_free(value, 210), tensor_free(g, 210);
        tensor_free(gamma, 3), tensor_free(beta, 3), tensor_free(dy, output_size(&b));
    }
}

/* A NaN wins its window, whichever corner it is in, and reaches the output behind relu. */
static void test_batch_norm_with_pool_when_input_is_nan(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    struct cnn_pool pool = pool_of(2, 8, 1, false);
    struct cnn_batch_norm b = {
        .rows = 16, .channels = 1, .activation = {.kind = CNN_ACT_RELU}, .pool = &pool};
    for (size_t i = 0; (k = TABLE_WITH_OWN(batch_norm_forward, i)); i++) {
        float x[16] = {0}, y[4], mean = 0, var = 1, gamma = 1, beta = 0.5f;
        x[0] = x[3] = x[8 + 4] = NAN; /* corners 0, 1 and 2 of the first three windows */
        k->batch_norm_forward(
            &b, &(struct cnn_batch_norm_arrays){
                    .x = x, .mean = &mean, .var = &var, .gamma = &gamma, .beta = &beta, .y = y});
        assert_true(isnan(y[0]) && isnan(y[1]) && isnan(y[2]) && y[3] == 0.5f);
    }
}

/* One row: the variance is 0 and only eps is left. */
static void test_batch_norm_when_one_row(void **state)
{
    (void)state;
    struct cnn_batch_norm b = {.rows = 1, .channels = 5, .eps = 1e-5f};
    float *x = tensor_random(5, 1);
    norm_check(&b, x);
    tensor_free(x, 5);
}

/* A mean a thousand deviations away: sum of squares less square of sum would leave no digit of the
 * variance. */
static void test_batch_norm_variance_when_mean_is_large(void **state)
{
    (void)state;
    struct cnn_batch_norm b = {.rows = 20000, .channels = 3, .eps = 1e-5f};
    float *x = tensor_random(60000, 1), *mean = tensor_new(3), *var = tensor_new(3),
          *want_mean = tensor_new(3), *want_var = tensor_new(3);
    for (size_t i = 0; i < 60000; i++)
        x[i] += 1000.0f;
    double room[2 * 3];
    cnn_kernels_at(0)->batch_norm_statistics(&b, x, want_mean, want_var, (float *)room);
    assert_true(want_var[0] > 0.3f && want_var[0] < 0.36f);
    const struct cnn_kernels *k;
    for (size_t i = 1; (k = TABLE_WITH_OWN(batch_norm_forward, i)); i++) {
        size_t scratch_size = k->batch_norm_scratch_floats(&b);
        float *scratch = tensor_new(scratch_size);
        k->batch_norm_statistics(&b, x, mean, var, scratch);
        assert_floats_near(k->name, mean, want_mean, 3, 1e-7);
        assert_floats_near(k->name, var, want_var, 3, 1e-5);
        tensor_free(scratch, scratch_size);
    }
    tensor_free(x, 60000);
    float *rest[] = {mean, var, want_mean, want_var};
    for (size_t i = 0; i < COUNT(rest); i++)
        tensor_free(rest[i], 3);
}

/* gamma 2, beta 1, x = -1, 1, values of mean 0 and variance 1, eps 0: y = -1, 3; the gradient of
 * both outputs together is 0. */
static void test_batch_norm_ref_when_worked_out_by_hand(void **state)
{
    (void)state;
    const struct cnn_kernels *ref = cnn_kernels_at(0);
    struct cnn_batch_norm b = {.rows = 2, .channels = 1, .activation = {.kind = CNN_ACT_RELU}};
    float x[] = {-1, 1}, y[2], dy[] = {3, 5}, dx[2], mean, var, gamma = 2, beta = 1, dgamma, dbeta;
    double room[2];
    const struct cnn_batch_norm_arrays arrays = {.x = x,
                                                 .mean = &mean,
                                                 .var = &var,
                                                 .gamma = &gamma,
                                                 .beta = &beta,
                                                 .y = y,
                                                 .dy = dy,
                                                 .dx = dx,
                                                 .dgamma = &dgamma,
                                                 .dbeta = &dbeta,
                                                 .scratch = (float *)room};
    ref->batch_norm_statistics(&b, x, &mean, &var, (float *)room);
    assert_true(mean == 0 && var == 1);
    ref->batch_norm_forward(&b, &arrays);
    assert_true(y[0] == 0 && y[1] == 3);
    ref->batch_norm_backward(&b, &arrays);
    assert_true(dgamma == 5 && dbeta == 5); /* relu lets only the second through */
    /* two rows: any gradient is explained by mean and variance */
    assert_true(dx[0] == 0 && dx[1] == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_norm_ref_when_worked_out_by_hand),
        cmocka_unit_test(test_batch_norm_when_sizes_are_odd),
        cmocka_unit_test(test_batch_norm_when_one_row),
        cmocka_unit_test(test_batch_norm_with_pool_when_sizes_are_odd),
        cmocka_unit_test(test_batch_norm_ref_when_compared_with_its_parts),
        cmocka_unit_test(test_batch_norm_with_pool_when_input_is_nan),
        cmocka_unit_test(test_batch_norm_variance_when_mean_is_large),
    };
    return cmocka_run_group_tests_name("kernels_norm", tests, NULL, NULL);
}
