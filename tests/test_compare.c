/* Which of two models is better: McNemar's test by counts, and two models on the same images. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "networks.h"
#include "scratch.h"
#include "train/compare.h"

static void expect(double actual, double expected, double tolerance)
{
    if (!(fabs(actual - expected) <= tolerance))
        fail_msg("%.12g is not %.12g", actual, expected);
}

/* Exact ones are twice a sum of binomial coefficients, in fractions (Python); others 1 - the
 * distribution function of chi-squared with one degree of freedom (PyTorch). With as many on both
 * sides there is no sign of a difference at all. */
static void test_p_is_that_of_mcnemar(void **state)
{
    (void)state;
    static const struct {
        size_t only_a, only_b;
        bool exact;
        double p;
    } cases[] = {
        {0, 0, true, 1},
        {0, 1, true, 1},
        {5, 12, true, 0.143463134765625},
        {12, 5, true, 0.143463134765625},
        {0, 6, true, 0.03125},
        {12, 12, true, 1},
        {3, 22, false, 0.0003182171803151},
        {30, 60, false, 0.0022366244452099},
        {140, 100, false, 0.0118211378366224},
        {40, 40, false, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cnn_comparison c = {.images = 1000,
                            .both_right = 600,
                            .only_a = cases[i].only_a,
                            .only_b = cases[i].only_b};
        c.both_wrong = c.images - c.both_right - c.only_a - c.only_b;
        cnn_comparison_finish(&c);
        assert_int_equal(c.exact, cases[i].exact);
        expect(c.p, cases[i].p, 1e-12);
        expect(c.accuracy[0], (600 + (double)c.only_a) / 1000, 1e-12);
        expect(c.difference, ((double)c.only_b - (double)c.only_a) / 1000, 1e-12);
        assert_true(c.difference_low <= c.difference && c.difference <= c.difference_high);
    }
}

/* By hand: (60.5 - 30.5) / 1002 -+ 1.96 / 1002 * sqrt(91 - 30^2 / 1002). */
static void test_interval_of_the_difference_is_that_of_agresti_and_min(void **state)
{
    (void)state;
    cnn_comparison c = {
        .images = 1000, .both_right = 600, .only_a = 30, .only_b = 60, .both_wrong = 310};
    cnn_comparison_finish(&c);
    expect(c.difference_low, 0.011372, 1e-6);
    expect(c.difference_high, 0.048508, 1e-6);
    c = (cnn_comparison){.images = 1, .only_b = 1};
    cnn_comparison_finish(&c);
    expect(c.difference_high, 1, 0);
}

#define NETWORK(input, more)                                                                       \
    "input: " input "\nlayers:\n  - {type: conv, filters: 4, kernel_size: 3, activation: relu}\n " \
    " - {type: global_pool, pool_type: max}\n"                                                     \
    "  - {type: flatten}\n  - {type: dense, units: 10}\ndata: {dataset: shapes, limit: 300, "      \
    "val_split: 0.5" more "}\ntrain: {seed: 3}\n"

/* The counts are those of two evaluations, and the other way round they change places. */
static void test_counts_are_those_of_two_evaluations(void **state)
{
    struct scratch *s = *state;
    cnn_model *a = network_open(NETWORK("[3, 16, 16]", ""));
    cnn_model *b = network_open(
        NETWORK("[3, 16, 16]", ", normalize: {mean: [0.5, 0.4, 0.3], std: [0.1, 0.2, 0.3]}"));
    const cnn_evaluate_options options = {.split = "val"};
    cnn_comparison c = {0}, turned = {0};
    cnn_evaluation *e[2] = {NULL};
    assert_int_equal(cnn_compare(a, b, &options, &c, s->diag), CNN_OK);
    assert_int_equal(cnn_compare(b, a, &options, &turned, s->diag), CNN_OK);
    assert_int_equal(cnn_evaluate(a, &options, &e[0], s->diag), CNN_OK);
    assert_int_equal(cnn_evaluate(b, &options, &e[1], s->diag), CNN_OK);
    assert_int_equal(c.images, 150);
    assert_string_equal(c.split, "val");
    assert_int_equal(c.both_right + c.only_a + c.only_b + c.both_wrong, 150);
    assert_true(c.only_a > 0 && c.only_b > 0);
    assert_true(c.only_a == turned.only_b && c.only_b == turned.only_a &&
                c.both_right == turned.both_right);
    for (size_t i = 0; i < 2; i++) {
        expect(c.accuracy[i], e[i]->accuracy, 1e-12);
        expect(c.loss[i], e[i]->loss, 1e-12);
        expect(c.accuracy_low[i], e[i]->accuracy_low, 1e-12);
        cnn_evaluation_free(e[i]);
    }
    expect(c.p, turned.p, 1e-12);
    cnn_model_free(a);
    cnn_model_free(b);
}

static void test_a_model_does_not_differ_from_itself(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(NETWORK("[3, 16, 16]", ""));
    cnn_comparison c = {0};
    assert_int_equal(cnn_compare(model, model,
                                 &(cnn_evaluate_options){.split = "val", .tta = CNN_TTA_FLIP}, &c,
                                 s->diag),
                     CNN_OK);
    assert_int_equal(c.only_a + c.only_b, 0);
    expect(c.p, 1, 0);
    expect(c.difference, 0, 0);
    assert_int_equal(c.tta, CNN_TTA_FLIP);
    cnn_model_free(model);
}

static void test_models_of_other_classes_are_refused(void **state)
{
    struct scratch *s = *state;
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    cnn_model *a = network_open(NETWORK("[3, 16, 16]", "")),
              *b = network_open(NETWORK("[3, 16, 16]", ""));
    cnn_comparison c = {0};
    assert_int_equal(cnn_model_set_classes(b, 10, names, NULL), CNN_OK);
    assert_int_equal(cnn_compare(a, b, &(cnn_evaluate_options){.split = "val"}, &c, s->diag),
                     CNN_INVALID);
    assert_string_equal(cnn_diag_get(s->diag, 0)->text,
                        "class 0 of the data is 'circle'; that of test.yaml is 'a'");
    cnn_model_free(a);
    cnn_model_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_p_is_that_of_mcnemar),
        cmocka_unit_test(test_interval_of_the_difference_is_that_of_agresti_and_min),
        cmocka_unit_test_setup_teardown(test_counts_are_those_of_two_evaluations, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_a_model_does_not_differ_from_itself, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_models_of_other_classes_are_refused, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
