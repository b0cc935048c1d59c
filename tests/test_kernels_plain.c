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
    struct cnn_drop drop = {.size = SIZE, .rate = 0.25, .seed = 42};
    k->dropout(&drop, x, y);
    cnn_parallel_set_threads(5);
    k->dropout(&drop, again, again);
    cnn_parallel_set_threads(0);
    assert_floats_same("the same seed, in place, other threads", again, y, SIZE);
    memcpy(again, x, SIZE * sizeof *x); /* in two pieces */
    k->dropout(&(struct cnn_drop){.size = 20003, .rate = 0.25, .seed = 42}, again, again);
    k->dropout(&(struct cnn_drop){.first = 20003, .size = SIZE - 20003, .rate = 0.25, .seed = 42},
               again + 20003, again + 20003);
    assert_floats_same("in pieces", again, y, SIZE);
    drop.seed = 43;
    k->dropout(&drop, x, other);
    size_t dropped = 0, differ = 0;
    for (size_t i = 0; i < SIZE; i++) {
        dropped += y[i] == 0;
        differ += (y[i] == 0) != (other[i] == 0);
        assert_true(y[i] == 0 || fabs((double)y[i] - (double)x[i] / 0.75) < 1e-6);
    }
    assert_in_range(dropped, 0.24 * SIZE, 0.26 * SIZE);
    assert_true(differ > SIZE / 4);
    drop.rate = 0;
    k->dropout(&drop, x, y);
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

static void test_loops_over_weights_when_worked_out_by_hand(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    const float x[] = {2, -3, 0.5f, 4, 1, -1};
    for (size_t t = 0; (k = cnn_kernels_at(t)); t++) {
        float y[] = {1, 2, 4, -1, 0, 8};
        const float sums[] = {7, -7, 5.5f, 11, 3, 5},
                    halves[] = {3.5f, -3.5f, 2.75f, 5.5f, 1.5f, 2.5f},
                    nearer[] = {3.125f, -3.375f, 2.1875f, 5.125f, 1.375f, 1.625f};
        k->combine(6, 3, x, 1, y);
        assert_memory_equal(y, sums, sizeof y);
        k->combine(6, 3, NULL, 0.5f, y);
        assert_memory_equal(y, halves, sizeof y);
        k->approach(6, 0.25f, x, y);
        assert_memory_equal(y, nearer, sizeof y);
        assert_true(k->squares(6, x, NULL) == 31.25 && k->squares(3, x, NULL) == 13.25);
        assert_true(k->squares(5, x, sums) == 25 + 16 + 25 + 49 + 4);
    }
}

/* Six numbers around 0 in 255 steps of 0.1: 0 is code 51. */
static void test_codes_when_worked_out_by_hand(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    const float range[] = {-5.1f, 20.4f}, positive[] = {0, 2}, none[] = {0, 0}, wrong[] = {1, NAN};
    for (size_t t = 0; (k = cnn_kernels_at(t)); t++) {
        struct cnn_codes codes = cnn_codes_of(range);
        assert_true(fabs((double)codes.scale - 0.1) < 1e-7 && codes.zero == 51);
        assert_int_equal(cnn_codes_of(positive).zero, 0);
        codes = cnn_codes_of(none);
        assert_true(codes.scale == 1 && codes.zero == 0);
        codes = cnn_codes_of(wrong);
        assert_true(codes.scale == 1 && codes.zero == 0);
    }
}

/* Three pixels of four channels. */
static void test_living_channels_when_some_are_known(void **state)
{
    (void)state;
    const struct cnn_kernels *k;
    const float x[] = {0, 0, 1, 0, 0, 0, 0, 0, 0, -1, 2, 0};
    for (size_t t = 0; (k = cnn_kernels_at(t)); t++) {
        bool living[4] = {true};
        assert_int_equal(k->find_living(2, 4, x, living), 1);
        assert_true(living[0] && !living[1] && living[2] && !living[3]);
        assert_int_equal(k->find_living(3, 4, x, living), 1);
        assert_true(living[1] && !living[3]);
        assert_int_equal(k->find_living(3, 4, x, living), 0);
    }
}

/* Whole images, about a quarter of them; the others are four thirds of what they were. */
static void test_dropped_images_when_drawn_again(void **state)
{
    enum { IMAGES = 4000, SIZE = 3 };
    (void)state;
    const struct cnn_kernels *k;
    const struct cnn_drop drop = {.size = SIZE, .rate = 0.25, .seed = 42};
    float *x = tensor_random(IMAGES * SIZE, 1), *y = tensor_new(IMAGES * SIZE);
    for (size_t t = 0; (k = cnn_kernels_at(t)); t++) {
        float *again = copy_of(x, IMAGES * SIZE);
        size_t dropped = 0;
        k->drop_images(&drop, IMAGES, x, y);
        k->drop_images(&drop, IMAGES, again, again);
        assert_floats_same("the same seed, in place", again, y, IMAGES * SIZE);
        for (size_t i = 0; i < IMAGES; i++) {
            bool gone = y[i * SIZE] == 0;
            dropped += gone;
            for (size_t c = i * SIZE; c < (i + 1) * SIZE; c++)
                assert_true(gone ? y[c] == 0 : fabs((double)y[c] - (double)x[c] / 0.75) < 1e-6);
        }
        assert_in_range(dropped, 0.22 * IMAGES, 0.28 * IMAGES);
        tensor_free(again, IMAGES * SIZE);
    }
    tensor_free(x, IMAGES * SIZE);
    tensor_free(y, IMAGES * SIZE);
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
        cmocka_unit_test(test_loops_over_weights_when_worked_out_by_hand),
        cmocka_unit_test(test_codes_when_worked_out_by_hand),
        cmocka_unit_test(test_living_channels_when_some_are_known),
        cmocka_unit_test(test_dropped_images_when_drawn_again),
    };
    return cmocka_run_group_tests_name("kernels_plain", tests, NULL, NULL);
}
