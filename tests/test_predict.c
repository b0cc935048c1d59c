/* What a model makes of raw outputs: the top classes and their names. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "networks.h"

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
    assert_int_equal(cnn_model_set_classes(model, 3, (const char *const[]){"cat", "dog", "eel"}, NULL), CNN_OK);
    cnn_model_top(model, probabilities, 3, best, &written);
    assert_int_equal(written, 3);
    assert_string_equal(best[0].name, "dog");
    assert_string_equal(best[1].name, "cat"); /* of equal ones the first */
    assert_string_equal(best[2].name, "eel");
    cnn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_top_classes_have_their_numbers_when_they_have_no_names),
        cmocka_unit_test(test_top_classes_have_the_names_that_were_given),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
