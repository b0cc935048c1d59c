/* What a model makes of raw outputs: the top classes and their names. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "networks.h"
#include "scratch.h"

/* Names of several classes at once, each its own; what is no number comes last. */
static void test_top_classes_have_their_numbers_when_they_have_no_names(void **state)
{
    (void)state;
    static const float probabilities[12] = {0.125f, NAN, 0.5f, [10] = 0.25f, [11] = NAN};
    cnn_model *model = network_open_layers("[3, 2, 2]", "  - {type: flatten}\n");
    cnn_prediction best[12];
    size_t written = 0;
    cnn_model_top(model, probabilities, 3, best, &written);
    assert_int_equal(written, 3);
    assert_string_equal(best[0].name, "2");
    assert_string_equal(best[1].name, "10");
    assert_string_equal(best[2].name, "0");
    cnn_model_top(model, probabilities, 12, best, &written);
    assert_int_equal(written, 12);
    assert_int_equal(best[10].index, 1);
    assert_int_equal(best[11].index, 11);
    assert_ptr_equal(cnn_model_class(model, 11), best[11].name);
    cnn_model_free(model);
}

static void test_top_classes_have_the_names_that_were_given(void **state)
{
    (void)state;
    static const float probabilities[3] = {0.25f, 0.5f, 0.25f};
    cnn_model *model = network_open_layers("[3, 1, 1]", "  - {type: flatten}\n");
    cnn_prediction best[3];
    size_t written = 0;
    cnn_model_top(model, probabilities, 1, best, &written);
    assert_string_equal(best[0].name, "1");
    assert_int_equal(
        cnn_model_set_classes(model, 3, (const char *const[]){"cat", "dog", "eel"}, NULL), CNN_OK);
    cnn_model_top(model, probabilities, 3, best, &written);
    assert_int_equal(written, 3);
    assert_string_equal(best[0].name, "dog");
    assert_string_equal(best[1].name, "cat"); /* of equal ones the first */
    assert_string_equal(best[2].name, "eel");
    cnn_model_free(model);
}

static void check_range(struct scratch *s, const char *numbers, const char *warning)
{
    cnn_model *model =
        network_open("input: [1, 1, 2]\nlayers:\n  - {type: flatten}\n"
                     "data: {dataset: mnist, normalize: {mean: [0.5], std: [0.25]}}\n");
    float pixels[2];
    assert_int_equal(cnn_model_load_input(model,
                                          scratch_write(s, "x.txt", numbers, strlen(numbers)),
                                          pixels, s->diag),
                     CNN_OK);
    assert_int_equal(cnn_diag_count(s->diag), warning ? 1 : 0);
    if (warning) {
        assert_true(cnn_diag_get(s->diag, 0)->warning);
        assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, warning));
    }
    cnn_diag_clear(s->diag);
    cnn_model_free(model);
}

static void test_numbers_unlike_those_of_training_are_warned_of(void **state)
{
    check_range(*state, "-2 2\n", NULL);
    check_range(*state, "0 255\n",
                "holds numbers from 0 to 255, which go in as they are; this network was trained on "
                "-2 to 2");
    check_range(*state, "-3 1\n", "holds numbers from -3 to 1");
}

/* Maps come out as they went in: image, channel, row, column; more images than run at a time. */
static void test_maps_keep_their_places(void **state)
{
    (void)state;
    enum { IMAGES = 33, SIZE = 2 * 3 * 4 };
    float images[IMAGES * SIZE], output[IMAGES * SIZE];
    cnn_model *model = network_open_layers("[2, 3, 4]", "  - {type: relu}\n");
    for (size_t i = 0; i < IMAGES * SIZE; i++)
        images[i] = (float)i;
    assert_int_equal(cnn_model_run(model, images, IMAGES, output, NULL), CNN_OK);
    for (size_t i = 0; i < IMAGES * SIZE; i++)
        assert_true(output[i] == images[i]);
    cnn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_top_classes_have_their_numbers_when_they_have_no_names),
        cmocka_unit_test(test_top_classes_have_the_names_that_were_given),
        cmocka_unit_test_setup_teardown(test_numbers_unlike_those_of_training_are_warned_of,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test(test_maps_keep_their_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
