/* Losses: values and gradients by hand and by differences, numbers far out, and what counts as right. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "near.h"
#include "recipe/loss.h"

static const struct cnn_loss cross_entropy = {CNN_LOSS_CROSS_ENTROPY, 0}, smoothed = {CNN_LOSS_CROSS_ENTROPY, 0.1}, mse = {CNN_LOSS_MSE, 0};

static double loss_of_one(const struct cnn_loss *loss, const float *y, size_t classes, size_t label)
{
    return cnn_loss_compute(loss, 1, classes, y, &label, NULL).loss;
}

static void test_cross_entropy_is_the_log_of_the_share(void **state)
{
    (void)state;
    const float y[3] = {0, (float)log(2), (float)log(5)}; /* softmax: 1/8, 2/8, 5/8 */
    for (size_t label = 0; label < 3; label++) {
        const double share[3] = {1 / 8.0, 2 / 8.0, 5 / 8.0};
        assert_near(loss_of_one(&cross_entropy, y, 3, label), -log(share[label]), 1e-6);
    }
}

static void test_label_smoothing_spreads_over_all_classes(void **state)
{
    (void)state;
    const float y[2] = {0, (float)log(3)}; /* softmax: 1/4, 3/4 */
    double want = -(0.05 * log(1 / 4.0) + 0.95 * log(3 / 4.0));
    assert_near(loss_of_one(&smoothed, y, 2, 1), want, 1e-6);
}

static void test_mse_is_the_mean_over_all_elements(void **state)
{
    (void)state;
    const float y[6] = {0.5f, 0, 0, 1, 1, 1};
    const size_t labels[2] = {0, 2};
    struct cnn_loss_result result = cnn_loss_compute(&mse, 2, 3, y, labels, NULL);
    assert_near(result.loss / 2, (0.25 + 2) / 6, 1e-12);
}

static void check_gradient(const struct cnn_loss *loss)
{
    enum { N = 3, CLASSES = 4 };
    float y[N * CLASSES], dy[N * CLASSES];
    const size_t labels[N] = {2, 0, 3};
    for (size_t i = 0; i < N * CLASSES; i++)
        y[i] = (float)((i * 7) % 5) * 0.5f - 1;
    cnn_loss_compute(loss, N, CLASSES, y, labels, dy);
    for (size_t i = 0; i < N * CLASSES; i++) {
        const float step = 1.0f / 64, kept = y[i];
        y[i] = kept + step;
        double above = cnn_loss_compute(loss, N, CLASSES, y, labels, NULL).loss;
        y[i] = kept - step;
        double below = cnn_loss_compute(loss, N, CLASSES, y, labels, NULL).loss;
        y[i] = kept;
        assert_near(dy[i], (above - below) / (2.0 * (double)step * N), 1e-5);
    }
}

static void test_gradient_is_that_of_the_mean_loss(void **state)
{
    (void)state;
    check_gradient(&cross_entropy);
    check_gradient(&smoothed);
    check_gradient(&mse);
}

static void test_loss_stays_finite_for_large_logits(void **state)
{
    (void)state;
    const float y[3] = {3e38f, -3e38f, 0};
    float dy[3];
    struct cnn_loss_result result = cnn_loss_compute(&cross_entropy, 1, 3, y, &(size_t){1}, dy);
    assert_true(result.finite);
    assert_near(result.loss / 6e38, 1, 1e-6);
    assert_near(dy[0], 1, 1e-6);
    assert_near(dy[1], -1, 1e-6);
}

static void test_loss_is_not_finite_when_an_output_is_not(void **state)
{
    (void)state;
    const float bad[2] = {NAN, INFINITY};
    for (size_t i = 0; i < 2; i++) {
        const float y[3] = {bad[i], 0, 0};
        struct cnn_loss_result result = cnn_loss_compute(&cross_entropy, 1, 3, y, &(size_t){1}, NULL);
        assert_false(result.finite);
        assert_int_equal(result.correct, 0);
    }
}

static void test_nan_row_is_not_correct_when_the_label_is_first(void **state)
{
    (void)state;
    const float y[4] = {0, NAN, 1, 0};
    const size_t labels[2] = {0, 0};
    struct cnn_loss_result result = cnn_loss_compute(&mse, 2, 2, y, labels, NULL);
    assert_int_equal(result.correct, 1);
    assert_int_equal(result.top5, 1);
}

static void test_lower_class_wins_when_scores_tie(void **state)
{
    (void)state;
    const float y[2] = {1, 1};
    assert_int_equal(cnn_loss_compute(&cross_entropy, 1, 2, y, &(size_t){0}, NULL).correct, 1);
    assert_int_equal(cnn_loss_compute(&cross_entropy, 1, 2, y, &(size_t){1}, NULL).correct, 0);
}

static void test_top5_counts_the_five_best(void **state)
{
    (void)state;
    const float y[7] = {0, 1, 2, 3, 4, 5, 6};
    for (size_t label = 0; label < 7; label++)
        assert_int_equal(cnn_loss_compute(&cross_entropy, 1, 7, y, &label, NULL).top5, label >= 2);
}

static cnn_status read_loss(const char *text, struct cnn_loss *out)
{
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_yaml *node;
    assert_int_equal(cnn_yaml_parse(arena, "test", text, strlen(text), &node, NULL), CNN_OK);
    cnn_status status = cnn_loss_read(arena, node, out, NULL);
    cnn_arena_free(arena);
    return status;
}

static void test_loss_is_read_as_a_word_or_a_mapping(void **state)
{
    (void)state;
    struct cnn_loss loss;
    assert_int_equal(read_loss("mse", &loss), CNN_OK);
    assert_int_equal(loss.kind, CNN_LOSS_MSE);
    assert_int_equal(read_loss("{type: cross_entropy, label_smoothing: 0.25}", &loss), CNN_OK);
    assert_int_equal(loss.kind, CNN_LOSS_CROSS_ENTROPY);
    assert_near(loss.label_smoothing, 0.25, 0);
    assert_int_equal(read_loss("{type: cross_entropy, label_smoothing: 1}", &loss), CNN_INVALID);
    assert_int_equal(read_loss("{type: mse, label_smoothing: 0.1}", &loss), CNN_INVALID);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cross_entropy_is_the_log_of_the_share),
        cmocka_unit_test(test_label_smoothing_spreads_over_all_classes),
        cmocka_unit_test(test_mse_is_the_mean_over_all_elements),
        cmocka_unit_test(test_gradient_is_that_of_the_mean_loss),
        cmocka_unit_test(test_loss_stays_finite_for_large_logits),
        cmocka_unit_test(test_loss_is_not_finite_when_an_output_is_not),
        cmocka_unit_test(test_nan_row_is_not_correct_when_the_label_is_first),
        cmocka_unit_test(test_lower_class_wins_when_scores_tie),
        cmocka_unit_test(test_top5_counts_the_five_best),
        cmocka_unit_test(test_loss_is_read_as_a_word_or_a_mapping),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
