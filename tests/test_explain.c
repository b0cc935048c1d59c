/* The arithmetic behind one number: for every layer type, at many places, what the written terms
 * come to is what the network computed, and the last number of the text is that value. The text
 * itself on small cases, and the worked examples of the notes. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compare.h"
#include "explain_cases.h"
#include "near.h"
#include "networks.h"
#include "util/random.h"

#define PLACE(l, c, r, col)                                                                        \
    (&(const cnn_explain_options){.layer = (l), .channel = (c), .row = (r), .column = (col)})

#define PLACES 20 /* of each layer */

#define CONV(settings) "  - {type: conv, " settings "}\n"
#define POOL(settings) "  - {type: pool, " settings "}\n"

static double last_number(const char *text)
{
    const char *end = text + strlen(text), *start;
    assert_true(end > text && end[-1] == '\n');
    for (start = end - 1; start > text && start[-1] != ' ' && start[-1] != '\n';)
        start--;
    char *parsed;
    double value = strtod(start, &parsed);
    if (parsed != end - 1)
        fail_msg("no number ends this text:\n%s", text);
    return value;
}

static void check_place(cnn_model *model, const float *image, const float *values, size_t layer,
                        size_t at)
{
    const cnn_shape s = model->graph.nodes[layer].out;
    cnn_explanation *e = NULL;
    assert_int_equal(cnn_explain(model, image,
                                 PLACE(layer, at / (s.h * s.w), at / s.w % s.h, at % s.w), &e,
                                 NULL),
                     CNN_OK);
    if (e->activation != values[at])
        fail_msg("the activation is %.9g, cnn_model_activation gives %.9g:\n%s",
                 (double)e->activation, (double)values[at], e->text);
    if (!(fabs(e->value - (double)e->activation) <= 1e-4 * fmax(1, fabs((double)e->activation))))
        fail_msg("the terms come to %.9g, the network computed %.9g:\n%s", e->value,
                 (double)e->activation, e->text);
    if (!(fabs(last_number(e->text) - e->value) <= 1e-5 * fabs(e->value)))
        fail_msg("the text ends with another number than %.9g:\n%s", e->value, e->text);
    cnn_explanation_free(e);
}

static void test_explanation_comes_to_what_the_network_computed(void **state)
{
    const struct explain_case *what = *state;
    cnn_model *model = network_open_layers(what->input, what->layers);
    size_t size = cnn_shape_count(model->graph.input);
    float *image = tensor_random(size, 3);
    struct cnn_rng rng = cnn_rng_at(5, CNN_STREAM_INIT, 0);
    if (!strstr(what->layers, "weights:"))
        explain_move_parameters(model);
    for (size_t layer = 0; layer < model->graph.count; layer++) {
        size_t count = cnn_shape_count(model->graph.nodes[layer].out);
        float *values = tensor_new(count);
        assert_int_equal(cnn_model_activation(model, image, layer, values, NULL), CNN_OK);
        for (size_t i = 0; i < PLACES; i++)
            check_place(model, image, values, layer,
                        (size_t)(cnn_rng_uniform(&rng) * (float)count) % count);
        tensor_free(values, count);
    }
    tensor_free(image, size);
    cnn_model_free(model);
}

static void test_every_layer_type_has_a_case(void **state)
{
    const char *types[MOST_EXPLAIN_CASES];
    (void)state;
    for (size_t i = 0; i < explain_case_count; i++)
        types[i] = explain_cases[i].types;
    network_expect_types(types, explain_case_count, "explanation");
}

/* The last layer's values at all places, exactly: these are small integers and quarters. */
static void check_values(const char *input, const char *layers, const float *picture,
                         const float *expected)
{
    cnn_model *model = network_open_layers(input, layers);
    size_t layer = model->graph.count - 1;
    const cnn_shape s = model->graph.nodes[layer].out;
    for (size_t at = 0; at < cnn_shape_count(s); at++) {
        cnn_explanation *e = NULL;
        assert_int_equal(cnn_explain(model, picture,
                                     PLACE(layer, at / (s.h * s.w), at / s.w % s.h, at % s.w), &e,
                                     NULL),
                         CNN_OK);
        if (e->value != (double)expected[at] || e->activation != expected[at] ||
            last_number(e->text) != e->value)
            fail_msg("%zu: %g and %g, expected %g:\n%s", at, e->value, (double)e->activation,
                     (double)expected[at], e->text);
        cnn_explanation_free(e);
    }
    cnn_model_free(model);
}

#define CHECK_VALUES(input, layers, picture, ...)                                                  \
    check_values(input, layers, picture, (const float[]){__VA_ARGS__})

static const float slope[] = {8, 8, 8, 7, 6, 5, 8, 8, 7, 6, 5, 5, 8, 8, 6, 5, 5, 5,
                              8, 5, 5, 5, 4, 4, 5, 5, 5, 5, 4, 4, 4, 4, 4, 3, 3, 3};
static const float anti_diagonal[] = {0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0};
static const float edge[] = {0, 0, 1, 1, 1, 0, 0, 1, 1, 1, 0, 0, 1,
                             1, 1, 0, 0, 1, 1, 1, 0, 0, 1, 1, 1};
static const float pooled[] = {1, 1, 2, 4, 5, 6, 7, 8, 3, 2, 1, 0, 1, 2, 3, 4};

#define PLAIN(size, more)                                                                          \
    "  - {type: conv, filters: 1, kernel_size: " size ", bias: false, weights: {kernel: " more     \
    "}}\n"
#define SLOPE_KERNEL PLAIN("3", "[[0, 0, 1], [-1, 1, -1], [1, -1, 0]]")

static void test_facts_come_out(void **state)
{
    (void)state;
    CHECK_VALUES("[1, 6, 6]", SLOPE_KERNEL, slope, 1, 2, 1, -1, 4, -1, -1, 1, -2, 0, 1, 1, 0, 0, 1,
                 -1);
    CHECK_VALUES("[1, 4, 4]", PLAIN("3", "[[0, 0, 1], [0, 1, 0], [1, 0, 0]]"), anti_diagonal, 0, 3,
                 3, 0);
    CHECK_VALUES("[1, 4, 4]", PLAIN("3", "[[1, 0, 0], [0, 1, 0], [0, 0, 1]]"), anti_diagonal, 0, 1,
                 1, 0);
    CHECK_VALUES("[1, 4, 4]", PLAIN("2", "[[0, 1], [1, 0]]"), anti_diagonal, 0, 0, 2, 0, 2, 0, 2, 0,
                 0);
    CHECK_VALUES("[1, 4, 4]", PLAIN("2, stride: 2", "[[0, 1], [1, 0]]"), anti_diagonal, 0, 2, 2, 0);
    CHECK_VALUES("[1, 5, 5]", PLAIN("3", "[[-1, 1, 0], [-1, 1, 0], [-1, 1, 0]]"), edge, 0, 3, 0, 0,
                 3, 0, 0, 3, 0);
    CHECK_VALUES("[1, 5, 5]", PLAIN("3", "[[-1, -1, -1], [1, 1, 1], [0, 0, 0]]"), edge, 0, 0, 0, 0,
                 0, 0, 0, 0, 0);
    CHECK_VALUES("[1, 4, 4]", POOL("pool_type: max, kernel_size: 2"), pooled, 6, 8, 3, 4);
    CHECK_VALUES("[1, 4, 4]", POOL("pool_type: avg, kernel_size: 2"), pooled, 3.25f, 5.25f, 2, 2);
}

/* The text for the last layer at a place; input_channel as in cnn_explain. free() it. */
static char *explain_last(const char *input, const char *layers, const float *picture,
                          const size_t at[3], size_t input_channel)
{
    cnn_model *model = network_open_layers(input, layers);
    cnn_explanation *e = NULL;
    cnn_explain_options o = *PLACE(model->graph.count - 1, at[0], at[1], at[2]);
    o.has_input_channel = input_channel != CNN_NO_INDEX;
    o.input_channel = o.has_input_channel ? input_channel : 0; /* which is not looked at */
    assert_int_equal(cnn_explain(model, picture, &o, &e, NULL), CNN_OK);
    char *text = strdup(e->text);
    cnn_explanation_free(e);
    cnn_model_free(model);
    return text;
}

#define AT(c, row, column) ((const size_t[]){c, row, column})

static void test_text_of_the_first_fact(void **state)
{
    (void)state;
    char *text = explain_last("[1, 6, 6]", SLOPE_KERNEL, slope, AT(0, 0, 0), CNN_NO_INDEX);
    assert_string_equal(
        text, "conv1[0], row 0, column 0: kernel 0 over rows 0..2, columns 0..2 of input\n"
              "  input        kernel\n"
              "      0 1 2\n"
              "  0 | 8 8 8      0  0  1\n"
              "  1 | 8 8 7     -1  1 -1\n"
              "  2 | 8 8 6      1 -1  0\n"
              "8x0 + 8x0 + 8x1 + 8x(-1) + 8x1 + 7x(-1) + 8x1 + 8x(-1) + 6x0 = 1\n");
    free(text);
}

/* A sum of 49 products: broken before a term, no line over 100 columns, and each term there
 * once. */
static void test_long_sum_is_broken_between_terms(void **state)
{
    (void)state;
    float *image = tensor_random(49, 4);
    char *text = explain_last("[1, 7, 7]", CONV("filters: 1, kernel_size: 7"), image, AT(0, 0, 0),
                              CNN_NO_INDEX);
    char *sum = text;
    size_t terms = 0, lines = 0;
    for (int matrices = 0; matrices < 2; matrices++) /* too wide to stand side by side */
        sum = strstr(sum, matrices == 0 ? "  input\n" : "  kernel\n");
    for (int row = 0; row < 8; row++) /* the title and seven rows */
        sum = strchr(sum, '\n') + 1;
    for (char *line = strtok(sum, "\n"); line && !strstr(line, "(bias)");
         line = strtok(NULL, "\n"), lines++) {
        assert_true(strlen(line) <= 100 || strstr(line, " = "));
        if (lines > 0)
            assert_memory_equal(line, "  + ", 4);
        for (const char *x = line; (x = strchr(x, 'x')); x++)
            terms++;
    }
    assert_int_equal(terms, 49);
    assert_true(lines > 8);
    free(text);
    tensor_free(image, 49);
}

/* Numbers of a matrix stand with their points under one another; what has none ends above the
 * point. */
static void test_matrix_is_aligned_at_the_decimal_points(void **state)
{
    (void)state;
    static const float image[4] = {0.5f, -12, 3.25f, 1e-7f};
    char *text = explain_last("[1, 2, 2]",
                              CONV("filters: 1, kernel_size: 2, padding: [1, 0], bias: false, "
                                   "weights: {kernel: [[1, -0.125], [10, 0]]}"),
                              image, AT(0, 2, 0), CNN_NO_INDEX);
    assert_string_equal(
        text, "conv1[0], row 2, column 0: kernel 0 over rows 1..2, columns 0..1 of input\n"
              "a dot is padding and counts as 0\n"
              "  input              kernel\n"
              "      0     1\n"
              "  1 | 3.25  1e-07      1     -0.125\n"
              "  2 | .     .         10      0\n"
              "3.25x1 + 1e-07x(-0.125) + 0x10 + 0x0 = 3.25\n");
    free(text);
}

static void expect_part(const char *text, const char *part, bool present)
{
    if ((strstr(text, part) != NULL) != present)
        fail_msg("'%s' is %s:\n%s", part, present ? "missing" : "there", text);
}

/* Six channels with one weight each, of which the fifth adds most. */
static void test_products_of_the_channel_that_counts_most_or_is_wanted(void **state)
{
    (void)state;
    static const char layers[] = CONV("filters: 2, kernel_size: 1, groups: 2, bias: false, "
                                      "weights: {kernel: [[[[1]], [[2]], [[3]], [[-4]], [[5]], "
                                      "[[1]]], [[[1]], [[1]], [[1]], [[1]], [[1]], [[1]]]]}");
    static const float image[12] = {1, 2, 3, 4, -5, 6, 7, 8, 9, 10, 11, 12};
    char *text = explain_last("[12, 1, 1]", layers, image, AT(0, 0, 0), CNN_NO_INDEX);
    expect_part(text, "the channel that counts most of 6, input channel 4:\n", true);
    expect_part(text, "\n(-5)x5 = -25\n", true);
    expect_part(text, "\n  channel 3: -16\n", true);
    expect_part(text, "\nsum of the 6 = -21\n", true);
    free(text);
    text = explain_last("[12, 1, 1]", layers, image, AT(0, 0, 0), 2);
    expect_part(text, "\ninput channel 2:\n", true);
    expect_part(text, "\n3x3 = 9\n", true);
    expect_part(text, "(-5)x5", false);
    free(text);
    text = explain_last("[12, 1, 1]", layers, image, AT(1, 0, 0), 2);
    expect_part(text, "input channel 2 is not read by this filter; it reads channels 6..11\n",
                true);
    expect_part(text, "\n12x1 = 12\n", true);
    free(text);
    text = explain_last("[12, 1, 1]", layers, image, AT(1, 0, 0), 8);
    expect_part(text, "\ninput channel 8:\n", true);
    expect_part(text, "\n9x1 = 9\n", true);
    free(text);
}

/* What is no number makes the sum none: of all channels it counts most. */
static void test_channel_that_is_no_number_counts_most(void **state)
{
    (void)state;
    static const float image[5] = {1, 2, -30, NAN, 5};
    char *text = explain_last("[5, 1, 1]",
                              CONV("filters: 1, kernel_size: 1, bias: false, weights: {kernel: "
                                   "[[[1]], [[1]], [[1]], [[1]], [[1]]]}"),
                              image, AT(0, 0, 0), CNN_NO_INDEX);
    expect_part(text, "the channel that counts most of 5, input channel 3:\n", true);
    free(text);
}

/* 2 x 6 x 6 flattened; of the 72 products 11 are not 0, the smallest of which is left to the
 * others. */
static void test_inputs_of_a_dense_layer_that_count_most(void **state)
{
    (void)state;
    struct cnn_text layers = {0};
    float image[72];
    cnn_text_printf(&layers, "  - {type: flatten}\n  - {type: relu}\n  - {type: dense, units: 1, "
                             "weights: {bias: 2, kernel: [[");
    for (int i = 0; i < 72; i++) {
        cnn_text_printf(&layers, "%s%d", i ? ", " : "", i % 7 == 0 ? (i % 2 ? -i - 1 : i + 1) : 0);
        image[i] = 1;
    }
    cnn_text_printf(&layers, "]]}}\n");
    char *text = explain_last("[2, 6, 6]", layers.data, image, AT(0, 0, 0), CNN_NO_INDEX);
    expect_part(
        text,
        "the 72 numbers of relu1, each times its weight; they were the 2 x 6 x 6 of input\nthe 10 "
        "that count most:\n  input 70 (channel 1, "
        "row 5, column 4)  1x71 = 71\n  input 63 (channel 1, row 4, column 3)  1x(-64) = -64\n",
        true);
    expect_part(text,
                "\n  input  7 (channel 0, row 1, column 1)  1x(-8) = -8\nand 62 others: 1\nsum of "
                "all 72 = 36\n36 + 2 (bias) = 38\n",
                true);
    free(text);
    cnn_text_free(&layers);
}

/* Of equal ones the first are listed, and what is no number counts most. */
static void test_inputs_of_a_dense_layer_that_count_the_same(void **state)
{
    (void)state;
    struct cnn_text layers = {0};
    float image[70];
    cnn_text_printf(
        &layers,
        "  - {type: flatten}\n  - {type: dense, units: 1, bias: false, weights: {kernel: [[");
    for (int i = 0; i < 70; i++) {
        cnn_text_printf(&layers, "%s1", i ? ", " : "");
        image[i] = 3;
    }
    cnn_text_printf(&layers, "]]}}\n");
    char *text = explain_last("[70, 1, 1]", layers.data, image, AT(0, 0, 0), CNN_NO_INDEX);
    expect_part(text, "\n  input  0  3x1 = 3\n  input  1  3x1 = 3\n", true);
    expect_part(text, "\n  input  9  3x1 = 3\nand 60 others: 180\nsum of all 70 = 210\n", true);
    free(text);
    image[40] = NAN;
    text = explain_last("[70, 1, 1]", layers.data, image, AT(0, 0, 0), CNN_NO_INDEX);
    expect_part(text, "most:\n  input 40  nanx1 = nan\n  input  0  3x1 = 3\n", true);
    expect_part(text, "and 60 others: 180\nsum of all 70 = nan\n", true);
    free(text);
    cnn_text_free(&layers);
}

static void test_numbers_that_are_none(void **state)
{
    (void)state;
    const float image[4] = {copysignf(NAN, -1), -INFINITY, INFINITY, 1}, window[4] = {1, NAN, 2, 0};
    static const char one[] =
        CONV("filters: 1, kernel_size: 1, bias: false, weights: {kernel: [[2]]}");
    for (size_t t = 0; t < explain_case_count; t++) { /* none may crash */
        cnn_model *model = network_open_layers(explain_cases[t].input, explain_cases[t].layers);
        size_t size = cnn_shape_count(model->graph.input);
        float *wild = tensor_new(size);
        for (size_t i = 0; i < size; i++)
            wild[i] = image[i % 4];
        for (size_t layer = 0; layer < model->graph.count; layer++) {
            cnn_explanation *e = NULL;
            assert_int_equal(cnn_explain(model, wild, PLACE(layer, 0, 0, 0), &e, NULL), CNN_OK);
            last_number(e->text);
            cnn_explanation_free(e);
        }
        tensor_free(wild, size);
        cnn_model_free(model);
    }
    char *text = explain_last("[1, 2, 2]", one, image, AT(0, 0, 0), CNN_NO_INDEX);
    expect_part(text, "\nnanx2 = nan\n", true);
    free(text);
    text = explain_last("[1, 2, 2]", one, image, AT(0, 0, 1), CNN_NO_INDEX);
    expect_part(text, "\n(-inf)x2 = -inf\n", true);
    free(text);
    text = explain_last("[1, 2, 2]", POOL("pool_type: max, kernel_size: 2"), window, AT(0, 0, 0),
                        CNN_NO_INDEX);
    expect_part(text, "row 0, column 1 holds the largest = nan\n", true);
    free(text);
}

static void expect_refusal(cnn_diag *diag, cnn_status status, const char *text)
{
    assert_int_equal(status, CNN_INVALID);
    assert_int_equal(cnn_diag_count(diag), 1);
    assert_string_equal(cnn_diag_get(diag, 0)->text, text);
    cnn_diag_clear(diag);
}

static void test_places_that_are_none_are_refused(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers("[1, 6, 6]", SLOPE_KERNEL "  - {type: flatten}\n");
    cnn_diag *diag = cnn_diag_new();
    cnn_explanation *e = NULL;
    size_t layer = 7;
    expect_refusal(diag, cnn_explain(model, slope, PLACE(0, 0, 4, 0), &e, diag),
                   "conv1 gives 1 x 4 x 4 numbers: channel 0 to 0, row 0 to 3, column 0 to 3; not "
                   "channel 0, row 4, column 0");
    expect_refusal(diag, cnn_explain(model, slope, PLACE(1, 16, 0, 0), &e, diag),
                   "flatten1 gives 16 numbers: 0 to 15, not 16");
    expect_refusal(diag, cnn_explain(model, slope, PLACE(1, 3, 1, 0), &e, diag),
                   "flatten1 is flat: row and column of its numbers are 0; not row 1, column 0");
    expect_refusal(
        diag,
        cnn_explain(model, slope,
                    &(cnn_explain_options){.has_input_channel = true, .input_channel = 1}, &e,
                    diag),
        "conv1 reads input channels 0 to 0; there is no 1");
    assert_null(e);
    assert_int_equal(cnn_model_find_layer(model, "flatten1", &layer, diag), CNN_OK);
    assert_int_equal(layer, 1);
    cnn_status status = cnn_model_find_layer(model, "flaten1", &layer, diag);
    assert_string_equal(cnn_diag_get(diag, 0)->hint, "did you mean 'flatten1'?");
    expect_refusal(diag, status, "test.yaml has no layer 'flaten1'");
    assert_int_equal(layer, 1);
    cnn_diag_free(diag);
    cnn_model_free(model);
}

/* A dot stands in a matrix: none is spoken of where the window is too large for one. */
static void test_padding_of_a_large_window_is_counted(void **state)
{
    (void)state;
    float image[81];
    for (int i = 0; i < 81; i++)
        image[i] = 2;
    char *text = explain_last("[1, 9, 9]", POOL("pool_type: avg, kernel_size: 9, padding: 4"),
                              image, AT(0, 0, 0), CNN_NO_INDEX);
    expect_part(text, "a dot", false);
    expect_part(text,
                "\nthe window has 81 places: 25 in the input, 56 of padding that count as 0 "
                "(count_include_pad)\n",
                true);
    free(text);
}

/* Where a layer reads several values, the channels of the first say nothing about the number that
 * was asked for. */
static void test_joined_inputs_are_not_the_channels_of_the_first(void **state)
{
    (void)state;
    static const float image[2] = {3, 4};
    char *text = explain_last("[1, 1, 2]", "  - {type: concat, from: [input, input]}\n", image,
                              AT(1, 0, 1), 1);
    expect_part(text, "channel 1 - 1 = 0 of input there = 4\n", true);
    free(text);
}

int main(void)
{
    static char names[MOST_EXPLAIN_CASES][80];
    const struct CMUnitTest others[] = {
        cmocka_unit_test(test_every_layer_type_has_a_case),
        cmocka_unit_test(test_facts_come_out),
        cmocka_unit_test(test_text_of_the_first_fact),
        cmocka_unit_test(test_long_sum_is_broken_between_terms),
        cmocka_unit_test(test_matrix_is_aligned_at_the_decimal_points),
        cmocka_unit_test(test_channel_that_is_no_number_counts_most),
        cmocka_unit_test(test_padding_of_a_large_window_is_counted),
        cmocka_unit_test(test_joined_inputs_are_not_the_channels_of_the_first),
        cmocka_unit_test(test_products_of_the_channel_that_counts_most_or_is_wanted),
        cmocka_unit_test(test_inputs_of_a_dense_layer_that_count_most),
        cmocka_unit_test(test_inputs_of_a_dense_layer_that_count_the_same),
        cmocka_unit_test(test_numbers_that_are_none),
        cmocka_unit_test(test_places_that_are_none_are_refused),
    };
    enum { OTHERS = sizeof others / sizeof *others };
    static struct CMUnitTest tests[MOST_EXPLAIN_CASES + OTHERS]; /* those without a name are none */
    memcpy(tests, others, sizeof others);
    for (size_t i = 0; i < explain_case_count; i++) {
        snprintf(names[i], sizeof names[i],
                 "test_explanation_comes_to_what_the_network_computed %zu (%s)", i,
                 explain_cases[i].types);
        tests[i + OTHERS] =
            (struct CMUnitTest){names[i], test_explanation_comes_to_what_the_network_computed, NULL,
                                NULL, (void *)(uintptr_t)&explain_cases[i]};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
