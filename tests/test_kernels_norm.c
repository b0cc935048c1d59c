/* Batch normalisation: plain C against values worked out by hand, every other table against plain C, with the same bits for any number of threads. */
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

static struct norm_result norm_run(const struct cnn_kernels *k, const struct cnn_batch_norm *b, const float *x, struct cnn_activation activation)
{
    size_t size = b->rows * b->channels, scratch_size = k->batch_norm_scratch_floats(b);
    float *gamma = tensor_random(b->channels, 2), *beta = tensor_random(b->channels, 3), *dy = tensor_random(size, 4),
          *scratch = tensor_new(scratch_size);
    struct norm_result r = {tensor_new(b->channels), tensor_new(b->channels), tensor_new(size),
                            tensor_new(size),        tensor_new(b->channels), tensor_new(b->channels)};
    k->batch_norm_statistics(b, x, r.mean, r.var, scratch);
    k->batch_norm_forward(b, x, r.mean, r.var, gamma, beta, activation, r.y);
    float *in_place = copy_of(dy, size);
    k->batch_norm_backward(b, x, r.y, dy, r.mean, r.var, gamma, activation, r.dx, r.dgamma, r.dbeta, scratch);
    k->batch_norm_backward(b, x, r.y, in_place, r.mean, r.var, gamma, activation, in_place, r.dgamma, r.dbeta, scratch);
    assert_floats_same("batch_norm backward in place", in_place, r.dx, size);
    tensor_free(in_place, size);
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
    tensor_free(r.y, b->rows * b->channels);
    tensor_free(r.dx, b->rows * b->channels);
}

static void norm_compare(const char *what, struct norm_result got, struct norm_result want, const struct cnn_batch_norm *b, double relative)
{
    char part[160];
    struct {
        const char *name;
        const float *got, *want;
        size_t size;
    } parts[] = {
        {"mean", got.mean, want.mean, b->channels},       {"var", got.var, want.var, b->channels},
        {"y", got.y, want.y, b->rows * b->channels},      {"dx", got.dx, want.dx, b->rows * b->channels},
        {"dgamma", got.dgamma, want.dgamma, b->channels}, {"dbeta", got.dbeta, want.dbeta, b->channels},
    };
    for (size_t i = 0; i < COUNT(parts); i++) {
        snprintf(part, sizeof part, "%s: %s", what, parts[i].name);
        if (relative > 0)
            assert_floats_near(part, parts[i].got, parts[i].want, parts[i].size, relative);
        else
            assert_floats_same(part, parts[i].got, parts[i].want, parts[i].size);
    }
}

static void norm_check(const struct cnn_batch_norm *b, const float *x, struct cnn_activation activation)
{
    const struct cnn_kernels *k;
    struct norm_result want = norm_run(cnn_kernels_at(0), b, x, activation);
    for (size_t i = 1; (k = cnn_kernels_at(i)); i++) {
        cnn_parallel_set_threads(1);
        struct norm_result one = norm_run(k, b, x, activation);
        norm_compare(label(k, "batch_norm", b->rows, b->channels), one, want, b, 1e-5);
        for (size_t t = 1; t < COUNT(thread_counts); t++) {
            cnn_parallel_set_threads(thread_counts[t]);
            struct norm_result more = norm_run(k, b, x, activation);
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
    static const enum cnn_activation_kind kinds[] = {CNN_ACT_NONE, CNN_ACT_RELU, CNN_ACT_LEAKY_RELU, CNN_ACT_TANH};
    static const size_t rows[] = {5, 7, 96, 333, 2500};
    for (size_t c = 0; c < COUNT(channel_counts); c++)
        for (size_t r = 0; r < COUNT(rows); r++) {
            struct cnn_batch_norm b = {.rows = rows[r], .channels = channel_counts[c], .eps = 1e-5f};
            if (b.rows * b.channels > 300000)
                continue;
            float *x = tensor_random(b.rows * b.channels, 100u + (unsigned)(c + r));
            for (size_t i = 0; i < b.rows * b.channels; i++)
                x[i] += 0.7f; /* a mean of about 0 would have no digits to compare */
            norm_check(&b, x, (struct cnn_activation){.kind = kinds[(c + r) % COUNT(kinds)], .slope = 0.1f});
            tensor_free(x, b.rows * b.channels);
        }
}

/* One row: the variance is 0 and only eps is left. */
static void test_batch_norm_when_one_row(void **state)
{
    (void)state;
    struct cnn_batch_norm b = {.rows = 1, .channels = 5, .eps = 1e-5f};
    float *x = tensor_random(5, 1);
    norm_check(&b, x, (struct cnn_activation){.kind = CNN_ACT_NONE});
    tensor_free(x, 5);
}

/* A mean a thousand deviations away: sum of squares less square of sum would leave no digit of the variance. */
static void test_batch_norm_variance_when_mean_is_large(void **state)
{
    (void)state;
    struct cnn_batch_norm b = {.rows = 20000, .channels = 3, .eps = 1e-5f};
    float *x = tensor_random(60000, 1), *mean = tensor_new(3), *var = tensor_new(3), *want_mean = tensor_new(3), *want_var = tensor_new(3);
    for (size_t i = 0; i < 60000; i++)
        x[i] += 1000.0f;
    cnn_kernels_at(0)->batch_norm_statistics(&b, x, want_mean, want_var, NULL);
    assert_true(want_var[0] > 0.3f && want_var[0] < 0.36f);
    const struct cnn_kernels *k;
    for (size_t i = 1; (k = cnn_kernels_at(i)); i++) {
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

/* gamma 2, beta 1, x = -1, 1, values of mean 0 and variance 1, eps 0: y = -1, 3; the gradient of both outputs together is 0. */
static void test_batch_norm_ref_when_worked_out_by_hand(void **state)
{
    (void)state;
    const struct cnn_kernels *ref = cnn_kernels_at(0);
    struct cnn_batch_norm b = {.rows = 2, .channels = 1};
    float x[] = {-1, 1}, y[2], dy[] = {3, 5}, dx[2], mean, var, gamma = 2, beta = 1, dgamma, dbeta;
    ref->batch_norm_statistics(&b, x, &mean, &var, NULL);
    assert_true(mean == 0 && var == 1);
    ref->batch_norm_forward(&b, x, &mean, &var, &gamma, &beta, (struct cnn_activation){.kind = CNN_ACT_RELU}, y);
    assert_true(y[0] == 0 && y[1] == 3);
    ref->batch_norm_backward(&b, x, y, dy, &mean, &var, &gamma, (struct cnn_activation){.kind = CNN_ACT_RELU}, dx, &dgamma, &dbeta, NULL);
    assert_true(dgamma == 5 && dbeta == 5); /* relu lets only the second through */
    assert_true(dx[0] == 0 && dx[1] == 0);  /* two rows: any gradient is explained by mean and variance */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batch_norm_ref_when_worked_out_by_hand),
        cmocka_unit_test(test_batch_norm_when_sizes_are_odd),
        cmocka_unit_test(test_batch_norm_when_one_row),
        cmocka_unit_test(test_batch_norm_variance_when_mean_is_large),
    };
    return cmocka_run_group_tests_name("kernels_norm", tests, NULL, NULL);
}
