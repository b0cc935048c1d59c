/* The operations that are plain C in every table, each in every table. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "compare.h"
#include "kernels/kernels.h"
#include "util/parallel.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

static float *copy_of(const float *tensor, size_t size)
{
    float *copy = tensor_new(size);
    memcpy(copy, tensor, size * sizeof *copy);
    return copy;
}

static void check_dropout(const struct cnn_kernels *k)
{
    enum { SIZE = 50001 };
    float *x = tensor_random(SIZE, 1), *y = tensor_new(SIZE), *again = copy_of(x, SIZE),
          *other = tensor_new(SIZE);
    k->dropout(SIZE, 0.25f, 42, x, y);
    cnn_parallel_set_threads(5);
    k->dropout(SIZE, 0.25f, 42, again, again);
    cnn_parallel_set_threads(0);
    assert_floats_same("the same seed, in place, other threads", again, y, SIZE);
    k->dropout(SIZE, 0.25f, 43, x, other);
    size_t dropped = 0, differ = 0;
    for (size_t i = 0; i < SIZE; i++) {
        dropped += y[i] == 0;
        differ += (y[i] == 0) != (other[i] == 0);
        assert_true(y[i] == 0 || fabs((double)y[i] - (double)x[i] / 0.75) < 1e-6);
    }
    assert_in_range(dropped, 0.24 * SIZE, 0.26 * SIZE);
    assert_true(differ > SIZE / 4);
    k->dropout(SIZE, 0, 42, x, y);
    assert_floats_same("rate 0", y, x, SIZE);
    float *all[] = {x, y, again, other};
    for (size_t i = 0; i < COUNT(all); i++)
        tensor_free(all[i], SIZE);
}

static void test_dropout_when_drawn_again(void **state)
{
    (void)state;
    for (size_t t = 0; cnn_kernels_at(t); t++)
        check_dropout(cnn_kernels_at(t));
}

static void check_transpose(const struct cnn_kernels *k)
{
    static const size_t shapes[][3] = {{1, 1, 1},    {2, 33, 3}, {3, 64, 32},
                                       {2, 100, 65}, {1, 1, 77}, {4, 77, 1}};
    for (size_t s = 0; s < COUNT(shapes); s++) {
        size_t rows = shapes[s][0], a = shapes[s][1], b = shapes[s][2], size = rows * a * b;
        float *x = tensor_random(size, 1), *y = tensor_new(size), *back = tensor_new(size);
        k->transpose(rows, a, b, x, y);
        assert_true(y[size - 1] == x[size - 1]);
        if (a > 2 && b > 1)
            assert_true(y[a + 2] == x[2 * b + 1]);
        k->transpose(rows, b, a, y, back);
        assert_floats_same("there and back", back, x, size);
        tensor_free(x, size);
        tensor_free(y, size);
        tensor_free(back, size);
    }
}

static void test_transpose_when_back_again(void **state)
{
    (void)state;
    for (size_t t = 0; cnn_kernels_at(t); t++)
        check_transpose(cnn_kernels_at(t));
}

/* With fixed statistics the gradient at x is dy * activation's slope * gamma / deviation: worked
 * out by hand. */
static void test_batch_norm_fixed_when_relu_follows(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    struct cnn_batch_norm b = {.rows = 2, .channels = 1, .activation = {.kind = CNN_ACT_RELU}};
    float x[] = {-1, 1}, mean = 0, var = 4, gamma = 2, beta = 0.5f;
    for (size_t t = 0; (k = cnn_kernels_at(t)); t++) {
        float dy[] = {3, 5}, dgamma, dbeta;
        k->batch_norm_backward_fixed(&b, &(struct cnn_batch_norm_arrays){.x = x,
                                                                         .mean = &mean,
                                                                         .var = &var,
                                                                         .gamma = &gamma,
                                                                         .beta = &beta,
                                                                         .dy = dy,
                                                                         .dx = dy,
                                                                         .dgamma = &dgamma,
                                                                         .dbeta = &dbeta});
        assert_true(dy[0] == 0 && dy[1] == 5 && dgamma == 2.5f && dbeta == 5);
    }
}

/* 0.75 * 8 + 0.25 * 1.5 * 4 = 7.5 */
static void test_track_when_worked_out_by_hand(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    const float from[] = {4, -2};
    for (size_t t = 0; (k = cnn_kernels_at(t)); t++) {
        float to[] = {8, 1};
        k->track(2, 0.25, 1.5f, from, to);
        assert_true(to[0] == 7.5f && to[1] == 0);
    }
}

/* gamma 3, var 3, eps 1: scale 1.5; beta 0.5, bias 2, mean -1: shift 0.5 + 3 * 1.5 = 5, and 2
 * without the bias. Without a batch_norm the scale is 1, and the shift the bias. */
static void test_batch_norm_fold_when_worked_out_by_hand(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    const float gamma = 3, var = 3, beta = 0.5f, mean = -1, bias = 2;
    const struct cnn_batch_norm_arrays norm = {
        .gamma = &gamma, .var = &var, .beta = &beta, .mean = &mean};
    for (size_t t = 0; (k = cnn_kernels_at(t)); t++) {
        float scale, shift;
        k->batch_norm_fold(1, &norm, 1, &bias, &scale, &shift);
        assert_true(scale == 1.5f && shift == 5);
        k->batch_norm_fold(1, &norm, 1, NULL, &scale, &shift);
        assert_true(scale == 1.5f && shift == 2);
        k->batch_norm_fold(1, NULL, 1, &bias, &scale, &shift);
        assert_true(scale == 1 && shift == 2);
        k->batch_norm_fold(1, NULL, 1, NULL, &scale, &shift);
        assert_true(scale == 1 && shift == 0);
    }
}

static void test_multiply_when_worked_out_by_hand(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    const float x[] = {2, -3, 0.5f};
    for (size_t t = 0; (k = cnn_kernels_at(t)); t++) {
        float y[] = {1, 2, 4};
        k->multiply(3, 2, x, y);
        assert_true(y[0] == 4 && y[1] == -12 && y[2] == 4);
    }
}

/* Two rows of two floats, three apart in x and four in y: nothing else is written. */
static void test_copy_when_steps_differ(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    const float x[] = {1, 2, 3, 4, 5, 6}, want[] = {1, 2, -1, -1, 4, 5, -1, -1};
    for (size_t t = 0; (k = cnn_kernels_at(t)); t++) {
        float y[] = {-1, -1, -1, -1, -1, -1, -1, -1};
        k->copy(2, 2, x, 3, y, 4);
        assert_memory_equal(y, want, sizeof want);
        k->copy(2, 4, y, 4, y, 4);
        assert_memory_equal(y, want, sizeof want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dropout_when_drawn_again),
        cmocka_unit_test(test_transpose_when_back_again),
        cmocka_unit_test(test_batch_norm_fixed_when_relu_follows),
        cmocka_unit_test(test_track_when_worked_out_by_hand),
        cmocka_unit_test(test_batch_norm_fold_when_worked_out_by_hand),
        cmocka_unit_test(test_multiply_when_worked_out_by_hand),
        cmocka_unit_test(test_copy_when_steps_differ),
    };
    return cmocka_run_group_tests_name("kernels_plain", tests, NULL, NULL);
}
