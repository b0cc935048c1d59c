/* First weights: the variance and the shape of each distribution, by its paper's formula (He et
 * al., 2015; Glorot and Bengio, 2010; LeCun et al., 1998), where fan-in and fan-out differ. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "networks.h"

/* Of the first tensor that ends in .weight: mean 0, this variance, and the largest magnitude that
 * such a distribution has. */
static void check_weights(const char *input, const char *layer, const char *init, double variance)
{
    char text[256];
    snprintf(text, sizeof text, "  - {%s, init: %s}\n", layer, init);
    cnn_model *model = network_open_layers(input, text);
    const struct cnn_tensor *t = &model->graph.nodes[0].tensors[0];
    const float *w = model->parameters + t->offset;
    double sum = 0, squares = 0, most = 0;
    for (size_t i = 0; i < t->count; i++) {
        sum += (double)w[i];
        squares += (double)w[i] * (double)w[i];
        most = fmax(most, fabs((double)w[i]));
    }
    double count = (double)t->count, found = squares / count, deviation = sqrt(variance);
    bool uniform = strstr(init, "uniform") != NULL;
    assert_true(t->count > 15000);
    /* five standard errors */
    if (fabs(found / variance - 1) > 5 * sqrt(2 / count) || fabs(sum / count) > 0.04 * deviation)
        fail_msg("%s, %s: variance %g, not %g; mean %g", layer, init, found, variance, sum / count);
    if (uniform ? most > 1.7321 * deviation || most < 1.72 * deviation : most < 3 * deviation)
        fail_msg("%s, %s: the largest is %g deviations", layer, init, most / deviation);
    cnn_model_free(model);
}

static void check_layer(const char *input, const char *layer, double fan_in, double fan_out)
{
    check_weights(input, layer, "he_normal", 2 / fan_in);
    check_weights(input, layer, "he_uniform", 2 / fan_in);
    check_weights(input, layer, "glorot_normal", 2 / (fan_in + fan_out));
    check_weights(input, layer, "glorot_uniform", 2 / (fan_in + fan_out));
    check_weights(input, layer, "lecun_normal", 1 / fan_in);
}

static void test_variance_when_fan_in_and_fan_out_differ(void **state)
{
    (void)state;
    check_layer("[24, 9, 9]", "type: conv, filters: 96, kernel_size: [3, 5]", 24 * 15, 96 * 15);
    check_layer("[96, 9, 9]", "type: conv, filters: 24, kernel_size: [3, 5]", 96 * 15, 24 * 15);
    check_layer("[48, 9, 9]", "type: conv, filters: 192, kernel_size: 3, groups: 4", 12 * 9,
                48 * 9);
    check_layer("[512, 9, 9]", "type: depthwise_conv, multiplier: 4, kernel_size: 3", 9, 4 * 9);
}

static void test_variance_of_dense_layers(void **state)
{
    (void)state;
    static const struct {
        const char *init;
        double variance;
    } cases[] = {
        {"he_normal", 2.0 / 600}, {"glorot_uniform", 2.0 / 650}, {"lecun_normal", 1.0 / 600}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[128];
        snprintf(text, sizeof text, "  - {type: flatten}\n  - {type: dense, units: 50, init: %s}\n",
                 cases[i].init);
        cnn_model *model = network_open_layers("[6, 10, 10]", text);
        const struct cnn_tensor *t = &model->graph.nodes[1].tensors[0];
        double squares = 0;
        for (size_t k = 0; k < t->count; k++)
            squares += pow((double)model->parameters[t->offset + k], 2);
        assert_true(fabs(squares / (double)t->count / cases[i].variance - 1) < 0.05);
        cnn_model_free(model);
    }
}

/* Filter f passes channel f on; the rest are drawn as PyTorch draws them, from U(-b, b) with b = 1
 * / sqrt(fan-in). */
static void test_first_filters_pass_channels_on_when_dirac(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers(
        "[2, 5, 5]", "  - {type: conv, filters: 200, kernel_size: [3, 5], init: dirac}\n");
    const float *w = model->parameters + model->graph.nodes[0].tensors[0].offset;
    float most = 0;
    for (size_t i = 0; i < 60; i++)
        assert_true(w[i] == (i == 7 || i == 30 + 15 + 7 ? 1 : 0));
    for (size_t i = 60; i < 6000; i++)
        most = fmaxf(most, fabsf(w[i]));
    assert_true(most < 0.1826f && most > 0.18f);
    cnn_model_free(model);
}

/* PyTorch's default slope. */
static void test_slope_of_a_leaky_layer_is_a_hundredth(void **state)
{
    (void)state;
    const float x = -2;
    float y = 0;
    cnn_model *model = network_open_layers(
        "[1, 1, 1]", "  - {type: conv, filters: 1, kernel_size: 1, bias: false, init: dirac, "
                     "activation: leaky_relu}\n");
    assert_int_equal(cnn_model_run(model, &x, 1, &y, NULL), CNN_OK);
    assert_true(fabsf(y + 0.02f) < 1e-6f);
    cnn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_variance_when_fan_in_and_fan_out_differ),
        cmocka_unit_test(test_variance_of_dense_layers),
        cmocka_unit_test(test_first_filters_pass_channels_on_when_dirac),
        cmocka_unit_test(test_slope_of_a_leaky_layer_is_a_hundredth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
