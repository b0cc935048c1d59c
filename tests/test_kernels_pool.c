/* Pooling: the plain C version against values worked out by hand, every other table against plain
 * C. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compare.h"
#include "geometry.h"
#include "kernels/kernels.h"
#include "util/parallel.h"

static const int thread_counts[] = {1, 2, 5};

static void *memory_of(size_t size)
{
    void *memory = malloc(size);
    assert_non_null(memory);
    return memory;
}

static void pool_check(const struct cnn_pool *p, size_t n, float *x)
{
    const struct cnn_kernels *ref = cnn_kernels_at(0), *k;
    size_t in = n * p->in_h * p->in_w * p->channels, out = n * p->out_h * p->out_w * p->channels;
    float *want = tensor_new(out), *want_dx = tensor_new(in), *dy = tensor_random(out, 9);
    unsigned short *want_choice = memory_of((out + 1) * sizeof *want_choice),
                   *choice = memory_of((out + 1) * sizeof *choice);
    ref->pool_forward(p, n, x, want, p->average ? NULL : want_choice);
    ref->pool_backward(p, n, dy, want_choice, want_dx);
    for (size_t i = 1; (k = cnn_kernels_at(i)); i++)
        for (size_t t = 0; t < sizeof thread_counts / sizeof *thread_counts; t++) {
            cnn_parallel_set_threads(thread_counts[t]);
            float *y = tensor_new(out), *inference = tensor_new(out), *dx = tensor_new(in);
            choice[out] = 12345;
            k->pool_forward(p, n, x, y, p->average ? NULL : choice);
            k->pool_forward(p, n, x, inference, NULL);
            k->pool_backward(p, n, dy, choice, dx);
            assert_floats_near(k->name, y, want, out, p->average ? 1e-6 : 0);
            assert_floats_same(k->name, inference, y, out);
            assert_int_equal(choice[out], 12345);
            if (!p->average)
                assert_memory_equal(choice, want_choice, out * sizeof *choice);
            assert_floats_near(k->name, dx, want_dx, in, 1e-6);
            tensor_free(y, out);
            tensor_free(inference, out);
            tensor_free(dx, in);
        }
    cnn_parallel_set_threads(0);
    tensor_free(want, out);
    tensor_free(want_dx, in);
    tensor_free(dy, out);
    free(want_choice);
    free(choice);
}

static void test_pool_when_geometry_is_random(void **state)
{
    (void)state;
    static const size_t channels[] = {1, 3, 6, 16, 17, 33, 64, 130};
    unsigned random = 11;
    for (int i = 0; i < 300;) {
        struct cnn_pool p = {.in_h = 1 + pick(&random, 14),
                             .in_w = 1 + pick(&random, 14),
                             .channels = channels[pick(&random, 8)],
                             .kernel_h = 1 + pick(&random, 4),
                             .kernel_w = 1 + pick(&random, 4),
                             .stride_h = 1 + pick(&random, 4),
                             .stride_w = 1 + pick(&random, 4),
                             .average = pick(&random, 2),
                             .count_include_pad = pick(&random, 2)};
        p.pad_top = pick(&random, (unsigned)p.kernel_h / 2 + 1),
        p.pad_bottom = pick(&random, (unsigned)p.kernel_h / 2 + 1);
        p.pad_left = pick(&random, (unsigned)p.kernel_w / 2 + 1),
        p.pad_right = pick(&random, (unsigned)p.kernel_w / 2 + 1);
        bool ceil_mode = pick(&random, 2);
        p.out_h = size_out(p.in_h, p.pad_top + p.pad_bottom + (ceil_mode ? p.stride_h - 1 : 0),
                           p.kernel_h, p.stride_h, 1);
        p.out_w = size_out(p.in_w, p.pad_left + p.pad_right + (ceil_mode ? p.stride_w - 1 : 0),
                           p.kernel_w, p.stride_w, 1);
        if (!p.out_h || !p.out_w)
            continue;
        size_t n = 1 + pick(&random, 4), size = n * p.in_h * p.in_w * p.channels;
        float *x = tensor_random(size, (unsigned)i);
        if (i % 2) /* few different values: many ties */
            for (size_t j = 0; j < size; j++)
                x[j] = roundf(x[j] * 2);
        if (i % 5 == 0 && !p.average)
            x[size / 2] = NAN, x[size / 3] = -INFINITY;
        pool_check(&p, n, x);
        tensor_free(x, size);
        i++;
    }
}

static void test_pool_when_global(void **state)
{
    (void)state;
    for (int average = 0; average < 2; average++) {
        struct cnn_pool p = {.in_h = 30,
                             .in_w = 31,
                             .channels = 37,
                             .out_h = 1,
                             .out_w = 1,
                             .kernel_h = 30,
                             .kernel_w = 31,
                             .stride_h = 30,
                             .stride_w = 31,
                             .average = average,
                             .count_include_pad = true};
        float *x = tensor_random(2 * 30 * 31 * 37, 5);
        pool_check(&p, 2, x);
        tensor_free(x, 2 * 30 * 31 * 37);
    }
}

static void test_average_pool_divisor_when_ceil_mode(void **state)
{
    (void)state;
    struct cnn_pool p = {.in_h = 1,
                         .in_w = 4,
                         .channels = 1,
                         .out_h = 1,
                         .out_w = 3,
                         .kernel_h = 1,
                         .kernel_w = 3,
                         .stride_h = 1,
                         .stride_w = 2,
                         .pad_left = 1,
                         .pad_right = 1,
                         .average = true,
                         .count_include_pad = true};
    static const float x[] = {1, 2, 3, 4};
    float y[3];
    for (size_t i = 0; cnn_kernels_at(i); i++) {
        p.count_include_pad = true;
        cnn_kernels_at(i)->pool_forward(&p, 1, x, y, NULL);
        assert_floats_near("padding counts", y, (const float[]){1, 3, 2}, 3, 1e-6);
        p.count_include_pad = false;
        cnn_kernels_at(i)->pool_forward(&p, 1, x, y, NULL);
        assert_floats_near("padding does not count", y, (const float[]){1.5f, 3, 4}, 3, 1e-6);
    }
}

static void test_max_pool_choice_when_ties_and_nan(void **state)
{
    (void)state;
    struct cnn_pool p = {.in_h = 2,
                         .in_w = 4,
                         .channels = 1,
                         .out_h = 1,
                         .out_w = 2,
                         .kernel_h = 2,
                         .kernel_w = 2,
                         .stride_h = 2,
                         .stride_w = 2};
    static const float x[] = {1, 5, 3, NAN, 5, 5, 7, 2}, dy[] = {10, 20},
                       want[] = {0, 10, 0, 20, 0, 0, 0, 0};
    for (size_t i = 0; cnn_kernels_at(i); i++) {
        float y[2], dx[8];
        unsigned short choice[2];
        cnn_kernels_at(i)->pool_forward(&p, 1, x, y, choice);
        cnn_kernels_at(i)->pool_backward(&p, 1, dy, choice, dx);
        assert_true(y[0] == 5 && isnan(y[1]));
        assert_true(choice[0] == 1 && choice[1] == 1);
        assert_floats_same(cnn_kernels_at(i)->name, dx, want, 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_average_pool_divisor_when_ceil_mode),
        cmocka_unit_test(test_max_pool_choice_when_ties_and_nan),
        cmocka_unit_test(test_pool_when_global),
        cmocka_unit_test(test_pool_when_geometry_is_random),
    };
    return cmocka_run_group_tests_name("pooling", tests, NULL, NULL);
}
