/* Losses: values and gradients by hand and by differences, numbers far out, and what counts as
 * right. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "near.h"
#include "recipe/loss.h"

static struct cnn_arena *settings_arena; /* what losses point to, for all tests */
static struct cnn_loss cross_entropy, mse, smoothed, more_smoothed;

static cnn_status read_loss(const char *text, struct cnn_loss *out)
{
    struct cnn_yaml *node;
    assert_int_equal(cnn_yaml_parse(settings_arena, "test", text, strlen(text), &node, NULL),
                     CNN_OK);
    return cnn_loss_read(settings_arena, node, out, NULL);
}

static int arena_open(void **state)
{
    (void)state;
    settings_arena = cnn_arena_new();
    assert_non_null(settings_arena);
    assert_int_equal(read_loss("cross_entropy", &cross_entropy), CNN_OK);
    assert_int_equal(read_loss("mse", &mse), CNN_OK);
    assert_int_equal(read_loss("{type: cross_entropy, label_smoothing: 0.1}", &smoothed), CNN_OK);
    assert_int_equal(read_loss("{type: cross_entropy, label_smoothing: 0.2}", &more_smoothed),
                     CNN_OK);
    return 0;
}

static int arena_close(void **state)
{
    (void)state;
    cnn_arena_free(settings_arena);
    return 0;
}

static double loss_of_one(const struct cnn_loss *loss, const float *y, size_t classes, size_t label)
{
    return cnn_loss_compute(loss, 1, classes, y, &(struct cnn_targets){.labels = &label}, NULL)
        .loss;
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
    struct cnn_loss_result result =
        cnn_loss_compute(&mse, 2, 3, y, &(struct cnn_targets){.labels = labels}, NULL);
    assert_near(result.loss / 2, (0.25 + 2) / 6, 1e-12);
}

static void check_gradient(const struct cnn_loss *loss)
{
    enum { N = 3, CLASSES = 4 };
    float y[N * CLASSES], dy[N * CLASSES];
    const size_t labels[N] = {2, 0, 3};
    for (size_t i = 0; i < N * CLASSES; i++)
        y[i] = (float)((i * 7) % 5) * 0.5f - 1;
    cnn_loss_compute(loss, N, CLASSES, y, &(struct cnn_targets){.labels = labels}, dy);
    for (size_t i = 0; i < N * CLASSES; i++) {
        const float step = 1.0f / 64, kept = y[i];
        y[i] = kept + step;
        double above =
            cnn_loss_compute(loss, N, CLASSES, y, &(struct cnn_targets){.labels = labels}, NULL)
                .loss;
        y[i] = kept - step;
        double below =
            cnn_loss_compute(loss, N, CLASSES, y, &(struct cnn_targets){.labels = labels}, NULL)
                .loss;
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

/* Three images, four classes: PyTorch 1.13's cross_entropy in float64 has the numbers below. */
static const float logits[12] = {0.5f, -1, 2, 0.25f, 1.5f, 0, -0.5f, 3, -2, 1, 0.75f, 0.5f};
static const size_t true_classes[3] = {2, 0, 3};
static const struct cnn_targets mixed = {true_classes, (const size_t[]){1, 0, 2},
                                         (const float[]){0.75f, 0.5f, 0.375f}};

static void check_against_pytorch(const struct cnn_loss *loss, const struct cnn_targets *targets,
                                  double mean, const double *gradient)
{
    float dy[12];
    struct cnn_loss_result result = cnn_loss_compute(loss, 3, 4, logits, targets, dy);
    assert_near(result.loss / result.weight, mean, 1e-12);
    for (size_t i = 0; i < 12; i++)
        assert_near(dy[i], gradient[i], 1e-7);
}

static void test_class_weights_are_those_of_pytorch(void **state)
{
    (void)state;
    double weights[4] = {0.5, 1, 2, 4};
    struct cnn_loss loss = cross_entropy, smooth_loss = more_smoothed;
    loss.class_weights = smooth_loss.class_weights = (struct cnn_numbers){weights, 4};
    const struct cnn_targets targets = {.labels = true_classes};
    const double plain[12] = {0.04745686931820376,   0.01058905885111391,  -0.09500537515645206,
                              0.036959446987134416,  -0.06375166566292546, 0.002938939103858428,
                              0.0017825566735185081, 0.05903016988554853,  0.012581808966739974,
                              0.25271238856194944,   0.19681260610389137,  -0.46210680363258083};
    const double smooth[12] = {0.04301750460557237,   0.002764387923167294, -0.0515101156593041,
                               0.005728223130564464,  -0.04496892793138062, -0.0031369520813271288,
                               -0.012621652540661698, 0.060727532553369455, 0.007398837917870007,
                               0.21816938958493465,   0.16051665132073753,  -0.3860848788235422};
    check_against_pytorch(&loss, &targets, 1.1047566653795982, plain);
    check_against_pytorch(&smooth_loss, &targets, 1.1678840829572636, smooth);
}

static void test_mixed_images_are_pytorchs_probabilities(void **state)
{
    (void)state;
    const double plain[12] = {0.05141160842805407,  -0.07186185291129327, -0.01958915641948975,
                              0.04003940090272894,  -0.276257217872677,   0.012735402783386522,
                              0.007724412251913535, 0.25579740283737695,  0.006815146523650819,
                              0.1368858771377226,   -0.10172650502705882, -0.041974518634314624};
    const double smooth[12] = {0.03474494176138741,   -0.07186185291129325, 0.013744176913843588,
                               0.023372734236062283,  -0.22625721787267697, -0.003931263883280145,
                               -0.008942254414753131, 0.23913073617071026,  -0.009851520143015846,
                               0.12021921047105597,   -0.07672650502705884, -0.03364118530098128};
    const double squares[12] = {1 / 12.0,  -5 / 24.0, 5 / 24.0, 1 / 24.0, 1 / 12.0, 0,
                                -1 / 12.0, 0.5,       -1 / 3.0, 1 / 6.0,  1 / 48.0, 1 / 48.0};
    check_against_pytorch(&cross_entropy, &mixed, 1.3725938926651589, plain);
    check_against_pytorch(&more_smoothed, &mixed, 1.4996772259984923, smooth);
    check_against_pytorch(&mse, &mixed, 1.4973958333333333, squares);
}

/* PyTorch's mean for probabilities ignores class weights; here the weight of a mixed image is mixed
 * as well. */
static void test_mixed_images_have_mixed_weights(void **state)
{
    (void)state;
    double weights[4] = {0.5, 1, 2, 4};
    const double gradient[12] = {
        0.049753362975877596,  -0.037782873350527324, -0.014612451586756569, 0.0026419619614063304,
        -0.05845960631079481,  -0.004078037705725268, -0.01640814830286021,  0.0789457923193803,
        0.0055294013790405175, 0.2014886801777815,    -0.0552924502668059,   -0.15172563129001607};
    struct cnn_loss loss = more_smoothed;
    loss.class_weights = (struct cnn_numbers){weights, 4};
    check_against_pytorch(&loss, &mixed, 1.2954790628609545, gradient);
    assert_near(cnn_loss_compute(&loss, 3, 4, logits, &mixed, NULL).weight,
                0.75 * 2 + 0.25 * 1 + 0.5 + 0.375 * 4 + 0.625 * 2, 1e-12);
}

static void test_larger_share_is_what_counts_as_right(void **state)
{
    (void)state;
    const float y[4] = {1, 0, 1, 0};
    const struct cnn_targets targets = {(const size_t[]){0, 0}, (const size_t[]){1, 1},
                                        (const float[]){0.6f, 0.4f}};
    assert_int_equal(cnn_loss_compute(&cross_entropy, 2, 2, y, &targets, NULL).correct, 1);
}

static void test_balanced_classes_count_the_same_as_a_whole(void **state)
{
    (void)state;
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_loss loss = {.balanced = true};
    const size_t counts[3] = {10, 30, 60};
    assert_int_equal(cnn_loss_balance(arena, counts, 3, &loss, NULL), CNN_OK);
    for (size_t i = 0; i < 3; i++)
        assert_near(loss.class_weights.values[i] * (double)counts[i], 100 / 3.0, 1e-12);
    cnn_arena_free(arena);
}

static void test_loss_stays_finite_for_large_logits(void **state)
{
    (void)state;
    const float y[3] = {3e38f, -3e38f, 0};
    float dy[3];
    struct cnn_loss_result result = cnn_loss_compute(
        &cross_entropy, 1, 3, y, &(struct cnn_targets){.labels = &(size_t){1}}, dy);
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
        struct cnn_loss_result result = cnn_loss_compute(
            &cross_entropy, 1, 3, y, &(struct cnn_targets){.labels = &(size_t){1}}, NULL);
        assert_false(result.finite);
        assert_int_equal(result.correct, 0);
    }
}

static void test_nan_row_is_not_correct_when_the_label_is_first(void **state)
{
    (void)state;
    const float y[4] = {0, NAN, 1, 0};
    const size_t labels[2] = {0, 0};
    struct cnn_loss_result result =
        cnn_loss_compute(&mse, 2, 2, y, &(struct cnn_targets){.labels = labels}, NULL);
    assert_int_equal(result.correct, 1);
    assert_int_equal(result.top5, 1);
}

static void test_lower_class_wins_when_scores_tie(void **state)
{
    (void)state;
    const float y[2] = {1, 1};
    assert_int_equal(cnn_loss_compute(&cross_entropy, 1, 2, y,
                                      &(struct cnn_targets){.labels = &(size_t){0}}, NULL)
                         .correct,
                     1);
    assert_int_equal(cnn_loss_compute(&cross_entropy, 1, 2, y,
                                      &(struct cnn_targets){.labels = &(size_t){1}}, NULL)
                         .correct,
                     0);
}

static void test_top5_counts_the_five_best(void **state)
{
    (void)state;
    const float y[7] = {0, 1, 2, 3, 4, 5, 6};
    for (size_t label = 0; label < 7; label++)
        assert_int_equal(
            cnn_loss_compute(&cross_entropy, 1, 7, y, &(struct cnn_targets){.labels = &label}, NULL)
                .top5,
            label >= 2);
}

static void test_loss_is_read_as_a_word_or_a_mapping(void **state)
{
    (void)state;
    struct cnn_loss loss;
    assert_int_equal(read_loss("mse", &loss), CNN_OK);
    assert_ptr_equal(loss.type, mse.type);
    assert_int_equal(read_loss("{type: cross_entropy, label_smoothing: 0.25}", &loss), CNN_OK);
    assert_ptr_equal(loss.type, cross_entropy.type);
    const float y[2] = {0, (float)log(3)}; /* softmax: 1/4, 3/4 */
    assert_near(loss_of_one(&loss, y, 2, 1), -(0.125 * log(1 / 4.0) + 0.875 * log(3 / 4.0)), 1e-6);
    assert_int_equal(read_loss("{type: cross_entropy, label_smoothing: 1}", &loss), CNN_INVALID);
    assert_int_equal(read_loss("{type: mse, label_smoothing: 0.1}", &loss), CNN_INVALID);
    assert_int_equal(read_loss("{type: cross_entropy, class_weights: balanced}", &loss), CNN_OK);
    assert_true(loss.balanced && loss.class_weights.count == 0);
    assert_int_equal(read_loss("{type: cross_entropy, class_weights: [1, 2.5, 1e-3]}", &loss),
                     CNN_OK);
    assert_true(!loss.balanced && loss.class_weights.count == 3);
    const char *wrong[] = {"[]",     "[1, 0]", "[1, -1]", "[1, .inf]",
                           "[1, x]", "2",      "balance", "{a: 1}"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        char text[80];
        snprintf(text, sizeof text, "{type: cross_entropy, class_weights: %s}", wrong[i]);
        assert_int_equal(read_loss(text, &loss), CNN_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cross_entropy_is_the_log_of_the_share),
        cmocka_unit_test(test_label_smoothing_spreads_over_all_classes),
        cmocka_unit_test(test_mse_is_the_mean_over_all_elements),
        cmocka_unit_test(test_gradient_is_that_of_the_mean_loss),
        cmocka_unit_test(test_class_weights_are_those_of_pytorch),
        cmocka_unit_test(test_mixed_images_are_pytorchs_probabilities),
        cmocka_unit_test(test_mixed_images_have_mixed_weights),
        cmocka_unit_test(test_larger_share_is_what_counts_as_right),
        cmocka_unit_test(test_balanced_classes_count_the_same_as_a_whole),
        cmocka_unit_test(test_loss_stays_finite_for_large_logits),
        cmocka_unit_test(test_loss_is_not_finite_when_an_output_is_not),
        cmocka_unit_test(test_nan_row_is_not_correct_when_the_label_is_first),
        cmocka_unit_test(test_lower_class_wins_when_scores_tie),
        cmocka_unit_test(test_top5_counts_the_five_best),
        cmocka_unit_test(test_loss_is_read_as_a_word_or_a_mapping),
    };
    return cmocka_run_group_tests(tests, arena_open, arena_close);
}
