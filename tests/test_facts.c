/* Worked examples from the lecture notes that the program grew out of, with their exact numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compare.h"
#include "networks.h"

/* Runs the network of these layers on one picture (c x h x w in order) and compares all outputs,
 * exactly: these are small integers. */
static void check_run(const char *input, const char *layers, const float *picture,
                      const float *expected, size_t outputs)
{
    cnn_model *model = network_open_layers(input, layers);
    float found[64];
    assert_int_equal(cnn_model_outputs(model), outputs);
    assert_int_equal(cnn_model_run(model, picture, 1, found, NULL), CNN_OK);
    assert_floats_near(layers, found, expected, outputs, 0);
    cnn_model_free(model);
}

#define CHECK_RUN(input, layers, picture, ...)                                                     \
    check_run(input, layers, picture, (const float[]){__VA_ARGS__},                                \
              sizeof((const float[]){__VA_ARGS__}) / sizeof(float))

static cnn_layer_info layer_info(const cnn_model *model, const char *name)
{
    cnn_layer_info info = {0};
    assert_int_equal(cnn_model_layer(model, network_layer(model, name), &info, NULL), CNN_OK);
    return info;
}

static void check_shape(const cnn_model *model, const char *layer, size_t c, size_t h, size_t w)
{
    cnn_shape shape = layer_info(model, layer).output;
    assert_int_equal(shape.c, c);
    assert_int_equal(shape.h, h);
    assert_int_equal(shape.w, w);
}

/* dims ends with 0 where the tensor has fewer than four. */
static void check_dims(const cnn_model *model, const char *tensor, size_t a, size_t b, size_t c,
                       size_t d)
{
    cnn_tensor_info info = cnn_model_tensor(model, network_tensor(model, tensor));
    const size_t dims[4] = {a, b, c, d};
    assert_int_equal(info.rank, c == 0 ? 2 : 4);
    for (size_t i = 0; i < info.rank; i++)
        assert_int_equal(info.dims[i], dims[i]);
}

static void check_explains(const cnn_model *model, const char *layer, const char *text)
{
    const char *explanation = layer_info(model, layer).explanation;
    if (!strstr(explanation, text))
        fail_msg("'%s' is not in the explanation of %s:\n%s", text, layer, explanation);
}

static uint64_t count_parameters(const cnn_model *model)
{
    uint64_t count = 0;
    for (size_t i = 0; i < cnn_model_layers(model); i++) {
        cnn_layer_info info = {0};
        assert_int_equal(cnn_model_layer(model, i, &info, NULL), CNN_OK);
        count += info.params;
    }
    return count;
}

static void test_convolution_gives_the_notes_numbers_when_its_kernel_is_not_flipped(void **state)
{
    (void)state;
    const float picture[36] = {8, 8, 8, 7, 6, 5, 8, 8, 7, 6, 5, 5, 8, 8, 6, 5, 5, 5,
                               8, 5, 5, 5, 4, 4, 5, 5, 5, 5, 4, 4, 4, 4, 4, 3, 3, 3};
    CHECK_RUN("[1, 6, 6]",
              "  - {type: conv, filters: 1, kernel_size: 3, weights: {kernel: [[0, 0, 1], [-1, 1, "
              "-1], [1, -1, 0]], bias: 0}}\n",
              picture, 1, 2, 1, -1, 4, -1, -1, 1, -2, 0, 1, 1, 0, 0, 1, -1);
}

static const float anti_diagonal[16] = {0, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 1, 0, 0, 0};

static void test_kernel_answers_most_strongly_when_it_meets_its_own_pattern(void **state)
{
    (void)state;
    CHECK_RUN("[1, 4, 4]",
              "  - {type: conv, filters: 1, kernel_size: 3, weights: {kernel: [[0, 0, 1], [0, 1, "
              "0], [1, 0, 0]]}}\n",
              anti_diagonal, 0, 3, 3, 0);
    CHECK_RUN("[1, 4, 4]",
              "  - {type: conv, filters: 1, kernel_size: 3, weights: {kernel: [[1, 0, 0], [0, 1, "
              "0], [0, 0, 1]]}}\n",
              anti_diagonal, 0, 1, 1, 0);
}

static void test_small_kernel_moves_by_its_stride(void **state)
{
    (void)state;
    CHECK_RUN("[1, 4, 4]",
              "  - {type: conv, filters: 1, kernel_size: 2, weights: {kernel: [[0, 1], [1, 0]]}}\n",
              anti_diagonal, 0, 0, 2, 0, 2, 0, 2, 0, 0);
    CHECK_RUN("[1, 4, 4]",
              "  - {type: conv, filters: 1, kernel_size: 2, stride: 2, weights: {kernel: [[0, 1], "
              "[1, 0]]}}\n",
              anti_diagonal, 0, 2, 2, 0);
}

/* Both kernels as filters of one layer: the first three rows are the vertical kernel's answer, the
 * others its transpose's. */
static void test_edge_kernels_swap_their_answers_when_the_picture_is_transposed(void **state)
{
    (void)state;
    static const char layers[] = "  - {type: conv, filters: 2, kernel_size: 3,\n"
                                 "     weights: {kernel: [[[[-1, 1, 0], [-1, 1, 0], [-1, 1, 0]]], "
                                 "[[[-1, -1, -1], [1, 1, 1], [0, 0, 0]]]], bias: [0, 0]}}\n";
    float picture[25], transposed[25];
    for (size_t y = 0; y < 5; y++)
        for (size_t x = 0; x < 5; x++)
            transposed[x * 5 + y] = picture[y * 5 + x] = x >= 2 ? 1 : 0;
    CHECK_RUN("[1, 5, 5]", layers, picture, 0, 3, 0, 0, 3, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
    CHECK_RUN("[1, 5, 5]", layers, transposed, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 3, 3, 0, 0,
              0);
}

static void test_pooling_keeps_the_largest_or_the_mean_of_each_window(void **state)
{
    (void)state;
    const float picture[16] = {1, 1, 2, 4, 5, 6, 7, 8, 3, 2, 1, 0, 1, 2, 3, 4};
    CHECK_RUN("[1, 4, 4]", "  - {type: pool, pool_type: max, kernel_size: 2, stride: 2}\n", picture,
              6, 8, 3, 4);
    CHECK_RUN("[1, 4, 4]", "  - {type: pool, pool_type: avg, kernel_size: 2}\n", picture, 3.25f,
              5.25f, 2, 2);
}

static void test_parameters_and_size_are_explained_when_padding_keeps_the_size(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers(
        "[3, 32, 32]", "  - {type: conv, filters: 10, kernel_size: 5, stride: 1, padding: 2}\n");
    check_shape(model, "conv1", 10, 32, 32);
    assert_int_equal(layer_info(model, "conv1").params, 760);
    check_explains(model, "conv1", "(5*5*3 + 1) * 10 = 760");
    check_explains(model, "conv1", "(32 + 2*2 - 5)/1 + 1 = 32");
    assert_null(layer_info(model, "conv1").warning);
    cnn_model_free(model);
}

static void test_maps_shrink_when_there_is_no_padding(void **state)
{
    (void)state;
    cnn_model *model =
        network_open_layers("[3, 32, 32]", "  - {type: conv, filters: 6, kernel_size: 5}\n  - "
                                           "{type: conv, filters: 10, kernel_size: 5}\n");
    check_shape(model, "conv1", 6, 28, 28);
    check_shape(model, "conv2", 10, 24, 24);
    cnn_model_free(model);
}

/* A 3x3 convolution of 7 x 7 pixels with further settings: its side, and what it warns of. */
static void check_conv_warning(const char *more, size_t side, const char *expected)
{
    char layers[128];
    snprintf(layers, sizeof layers, "  - {type: conv, filters: 1, kernel_size: 3%s}\n", more);
    cnn_model *model = network_open_layers("[1, 7, 7]", layers);
    check_shape(model, "conv1", 1, side, side);
    const char *warning = layer_info(model, "conv1").warning;
    if (expected)
        assert_string_equal(warning, expected);
    else
        assert_null(warning);
    cnn_model_free(model);
}

static void test_stride_that_leaves_pixels_is_marked(void **state)
{
    (void)state;
    check_conv_warning("", 5, NULL);
    check_conv_warning(", stride: 2", 3, NULL);
    check_conv_warning(
        ", stride: 3", 2,
        "(7 - 3) / 3 + 1 = 2.33: 1 row and 1 column (13 pixels) of its input are never seen");
    check_conv_warning(", padding: 1", 7, NULL);
    /* every second pixel, for the window skips one and the stride, too */
    check_conv_warning(
        ", dilation: 2, stride: 2", 2,
        "(7 - 2*(3 - 1) - 1) / 2 + 1 = 2: 3 rows and 3 columns (33 pixels) of its input are never "
        "seen");
}

static void test_one_by_one_kernels_weigh_the_channels_of_every_pixel(void **state)
{
    (void)state;
    cnn_model *model =
        network_open_layers("[64, 56, 56]", "  - {type: conv, filters: 32, kernel_size: 1}\n");
    check_shape(model, "conv1", 32, 56, 56);
    check_dims(model, "conv1.weight", 32, 64, 1, 1);
    cnn_model_free(model);
    const float picture[8] = {1, 2, 3, 4, 10, 20, 30, 40};
    CHECK_RUN("[2, 2, 2]",
              "  - {type: conv, filters: 1, kernel_size: 1, weights: {kernel: [[[[2]], [[1]]]]}}\n",
              picture, 12, 24, 36, 48);
}

static void test_pooling_leaves_the_depth_untouched(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers(
        "[64, 224, 224]", "  - {type: pool, pool_type: max, kernel_size: 2, stride: 2}\n");
    check_shape(model, "pool1", 64, 112, 112);
    check_explains(model, "pool1", "depth untouched: 64 channels");
    assert_int_equal(layer_info(model, "pool1").params, 0);
    cnn_model_free(model);
}

static void test_weights_have_the_notes_shapes(void **state)
{
    (void)state;
    cnn_model *model =
        network_open_layers("[3, 32, 32]", "  - {type: flatten}\n  - {type: dense, units: 10}\n");
    check_dims(model, "dense1.weight", 10, 3072, 0, 0);
    cnn_model_free(model);
    model = network_open_layers("[3, 7, 7]", "  - {type: conv, filters: 10, kernel_size: 3}\n  - "
                                             "{type: conv, filters: 20, kernel_size: 3}\n");
    check_dims(model, "conv1.weight", 10, 3, 3, 3);
    check_dims(model, "conv2.weight", 20, 10, 3, 3);
    check_shape(model, "conv1", 10, 5, 5);
    check_shape(model, "conv2", 20, 3, 3);
    cnn_model_free(model);
    model = network_open_layers("[3, 8, 8]", "  - {type: conv, filters: 2, kernel_size: 5}\n  - "
                                             "{type: conv, filters: 3, kernel_size: 3}\n");
    check_dims(model, "conv1.weight", 2, 3, 5, 5);
    check_dims(model, "conv2.weight", 3, 2, 3, 3);
    assert_int_equal((layer_info(model, "conv1").params - 2) / 2, 75);
    cnn_model_free(model);
    model = network_open_layers("[1, 8, 8]", "  - {type: conv, filters: 1, kernel_size: 3}\n");
    check_shape(model, "conv1", 1, 6, 6);
    cnn_model_free(model);
    model = network_open_layers("[3, 8, 8]",
                                "  - {type: conv, filters: 7, kernel_size: 3, bias: false}\n");
    assert_int_equal(count_parameters(model), 189);
    cnn_model_free(model);
}

static void test_weights_stay_when_32_images_pass_through(void **state)
{
    (void)state;
    cnn_model *model =
        network_open_layers("[3, 7, 7]", "  - {type: conv, filters: 10, kernel_size: 3}\n  - "
                                         "{type: conv, filters: 20, kernel_size: 3}\n");
    size_t outputs = cnn_model_outputs(model), count = 32;
    float *images = tensor_random(count * 147, 1), *all = tensor_new(count * outputs),
          *one = tensor_new(outputs);
    assert_int_equal(cnn_model_run(model, images, count, all, NULL), CNN_OK);
    check_dims(model, "conv1.weight", 10, 3, 3, 3);
    check_dims(model, "conv2.weight", 20, 10, 3, 3);
    assert_int_equal(cnn_model_run(model, images + 31 * 147, 1, one, NULL), CNN_OK);
    assert_floats_near("the last image, alone and in a batch", one, all + 31 * outputs, outputs,
                       1e-6);
    tensor_free(images, count * 147);
    tensor_free(all, count * outputs);
    tensor_free(one, outputs);
    cnn_model_free(model);
}

static void test_dense_layer_holds_nearly_all_parameters_of_the_mnist_network(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers(
        "[1, 28, 28]",
        "  - {type: conv, filters: 64, kernel_size: 3, padding: same, activation: relu}\n"
        "  - {type: pool, pool_type: max, kernel_size: 2}\n  - {type: flatten}\n"
        "  - {type: dense, units: 10}\n");
    check_shape(model, "pool1", 64, 14, 14);
    assert_int_equal(layer_info(model, "conv1").params, 640);
    assert_int_equal(layer_info(model, "dense1").params, 125450);
    cnn_model_free(model);
}

static void test_keras_network_has_the_notes_sizes(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers(
        "[1, 28, 28]", "  - {type: conv, filters: 32, kernel_size: 3, activation: relu}\n"
                       "  - {type: pool, pool_type: max, kernel_size: 2}\n"
                       "  - {type: conv, filters: 64, kernel_size: 3, activation: relu}\n"
                       "  - {type: pool, pool_type: max, kernel_size: 2}\n"
                       "  - {type: conv, filters: 128, kernel_size: 3, activation: relu}\n"
                       "  - {type: flatten}\n  - {type: dense, units: 10}\n");
    check_shape(model, "conv1", 32, 26, 26);
    check_shape(model, "pool1", 32, 13, 13);
    check_shape(model, "conv2", 64, 11, 11);
    check_shape(model, "pool2", 64, 5, 5);
    check_shape(model, "conv3", 128, 3, 3);
    assert_int_equal(count_parameters(model), 104202);
    cnn_model_free(model);
}

static void test_cifar_network_halves_its_maps_three_times(void **state)
{
    (void)state;
    cnn_model *model =
        network_open_layers("[3, 32, 32]", "  - {repeat: 2, layers: [{type: conv, filters: 32, "
                                           "kernel_size: 3, padding: same, activation: relu}]}\n"
                                           "  - {type: pool, pool_type: max, kernel_size: 2}\n"
                                           "  - {repeat: 3, layers: [{type: conv, filters: 64, "
                                           "kernel_size: 3, padding: same, activation: relu}]}\n"
                                           "  - {type: pool, pool_type: max, kernel_size: 2}\n"
                                           "  - {repeat: 3, layers: [{type: conv, filters: 128, "
                                           "kernel_size: 3, padding: same, activation: relu}]}\n"
                                           "  - {type: pool, pool_type: max, kernel_size: 2}\n  - "
                                           "{type: flatten}\n  - {type: dense, units: 10}\n");
    check_shape(model, "conv2", 32, 32, 32);
    check_shape(model, "pool1", 32, 16, 16);
    check_shape(model, "pool2", 64, 8, 8);
    check_shape(model, "conv8", 128, 8, 8);
    check_shape(model, "pool3", 128, 4, 4);
    check_dims(model, "dense1.weight", 10, 2048, 0, 0);
    cnn_model_free(model);
}

static void test_one_gradient_step_moves_the_answer_towards_the_truth(void **state)
{
    (void)state;
    /* The picture (1, 0) gives (0.7, 0); right is dog, (1, 0): an error of 0.3. */
    cnn_model *model = network_open("input: [2, 1, 1]\nlayers:\n  - {type: flatten}\n"
                                    "  - {type: dense, units: 2, weights: {kernel: [[0.7, 0], [0, "
                                    "0.7]], bias: 0}}\nloss: mse\n");
    struct cnn_plan *plan = network_plan(model, 1, CNN_PLAN_TRAIN, false);
    size_t last = cnn_graph_output(&model->graph), dog = 0;
    const float picture[2] = {1, 0};
    float before[2];
    memcpy(cnn_plan_input(plan), picture, sizeof picture);
    cnn_plan_forward(plan, 1, true, 1);
    memcpy(before, cnn_plan_value(plan, last), sizeof before);
    assert_floats_near("before", before, (const float[]){0.7f, 0}, 2, 1e-6);
    struct cnn_loss_result loss =
        cnn_loss_compute(&model->loss, 1, 2, before, &(struct cnn_targets){.labels = &dog},
                         cnn_plan_gradient(plan, last));
    assert_float_equal(loss.loss, 0.3 * 0.3 / 2, 1e-6);
    cnn_plan_backward(plan, 1, last);
    for (size_t i = 0; i < model->graph.parameter_floats; i++)
        model->parameters[i] -= 0.1f * cnn_plan_parameter_gradients(plan)[i];
    cnn_plan_parameters_changed(plan);
    memcpy(cnn_plan_input(plan), picture, sizeof picture);
    cnn_plan_forward(plan, 1, true, 2);
    const float *after = cnn_plan_value(plan, last);
    /* d loss / d y = y - truth = -0.3, which weight and bias each take times 0.1 */
    assert_floats_near("after", after, (const float[]){0.76f, 0}, 2, 1e-6);
    assert_true(
        cnn_loss_compute(&model->loss, 1, 2, after, &(struct cnn_targets){.labels = &dog}, NULL)
            .loss < loss.loss);
    cnn_plan_free(plan);
    cnn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_convolution_gives_the_notes_numbers_when_its_kernel_is_not_flipped),
        cmocka_unit_test(test_kernel_answers_most_strongly_when_it_meets_its_own_pattern),
        cmocka_unit_test(test_small_kernel_moves_by_its_stride),
        cmocka_unit_test(test_edge_kernels_swap_their_answers_when_the_picture_is_transposed),
        cmocka_unit_test(test_pooling_keeps_the_largest_or_the_mean_of_each_window),
        cmocka_unit_test(test_parameters_and_size_are_explained_when_padding_keeps_the_size),
        cmocka_unit_test(test_maps_shrink_when_there_is_no_padding),
        cmocka_unit_test(test_stride_that_leaves_pixels_is_marked),
        cmocka_unit_test(test_one_by_one_kernels_weigh_the_channels_of_every_pixel),
        cmocka_unit_test(test_pooling_leaves_the_depth_untouched),
        cmocka_unit_test(test_weights_have_the_notes_shapes),
        cmocka_unit_test(test_weights_stay_when_32_images_pass_through),
        cmocka_unit_test(test_dense_layer_holds_nearly_all_parameters_of_the_mnist_network),
        cmocka_unit_test(test_keras_network_has_the_notes_sizes),
        cmocka_unit_test(test_cifar_network_halves_its_maps_three_times),
        cmocka_unit_test(test_one_gradient_step_moves_the_answer_towards_the_truth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
