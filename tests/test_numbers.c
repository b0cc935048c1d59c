/* Parameters that are no numbers, or that no layer can compute with: what writes, opens, quantizes
 * or checks a checkpoint refuses them; so do bytes, in which they would be lost. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scratch.h"

#include "networks.h"

static const char network[] =
    "input: [3, 16, 16]\nlayers:\n"
    "- {type: conv, filters: 8, kernel_size: 3, bias: false}\n- {type: batch_norm}\n"
    "- {type: conv, filters: 8, kernel_size: 3, activation: relu}\n- {type: flatten}\n"
    "- {type: dense, units: 10}\ndata: {dataset: shapes, limit: 40}\n";

/* The network, with one number of one tensor set. */
static cnn_model *open_with(const char *tensor, float value)
{
    cnn_model *model = network_open(network);
    size_t at = network_tensor(model, tensor), count = cnn_model_tensor(model, at).count;
    float *values = calloc(count, sizeof *values);
    assert_non_null(values);
    cnn_model_tensor_get(model, at, values, NULL);
    values[count - 1] = value;
    cnn_model_tensor_set(model, at, values, NULL);
    free(values);
    return model;
}

static void expect(struct scratch *s, cnn_status status, const char *text)
{
    assert_int_equal(status, CNN_FAILED);
    if (!strstr(cnn_diag_get(s->diag, 0)->text, text))
        fail_msg("'%s' is not in '%s'", text, cnn_diag_get(s->diag, 0)->text);
    cnn_diag_clear(s->diag);
}

static void test_quantize_refuses_parameters_that_are_not_finite(void **state)
{
    struct scratch *s = *state;
    static const struct {
        const char *tensor;
        float value;
        const char *text;
    } cases[] = {{"conv1.weight", NAN, "tensor 'conv1.weight': number 216 of 216 is not finite"},
                 {"conv2.weight", INFINITY, "tensor 'conv2.weight': number 576 of 576"},
                 {"conv2.bias", -INFINITY, "tensor 'conv2.bias': number 8 of 8 is not finite"},
                 {"dense1.bias", NAN, "tensor 'dense1.bias': number 10 of 10 is not finite"},
                 {"batch_norm1.running_mean", NAN, "'batch_norm1.running_mean': number 8 of 8"},
                 {"batch_norm1.running_var", -0.5f, "running_var': a variance is below 0"},
                 /* finite, but not what comes of them */
                 {"batch_norm1.weight", 3.4e38f, "layer 'conv2' reads numbers that are"},
                 {"conv2.bias", 3e38f, NULL}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cnn_model *model = open_with(cases[i].tensor, cases[i].value), *out = NULL;
        cnn_status status = cnn_quantize(model, NULL, &out, s->diag);
        if (cases[i].text)
            expect(s, status, cases[i].text);
        else
            assert_int_equal(status, CNN_OK);
        cnn_model_free(out);
        cnn_model_free(model);
    }
}

/* A layer that reads nothing but zeros has a range all the same. */
static void test_quantize_takes_layers_that_read_zeros(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(network), *out = NULL;
    size_t at = network_tensor(model, "batch_norm1.weight");
    const float zeros[8] = {0};
    cnn_model_tensor_set(model, at, zeros, NULL);
    assert_int_equal(cnn_quantize(model, NULL, &out, s->diag), CNN_OK);
    assert_int_equal(cnn_model_write(out, scratch_path(s, "q.safetensors"), s->diag), CNN_OK);
    cnn_model_free(out);
    assert_int_equal(cnn_model_open(s->path, NULL, &out, s->diag), CNN_OK);
    cnn_model_free(out);
    cnn_model_free(model);
}

static void test_bytes_are_not_written_for_numbers_that_are_none(void **state)
{
    struct scratch *s = *state;
    static const struct {
        const char *tensor;
        float value;
    } cases[] = {{"conv1.weight", NAN},          {"conv2.bias", INFINITY},
                 {"conv2.weight_scale", 0},      {"conv2.weight_scale", -1},
                 {"dense1.input_range", -1},     {"dense1.input_range", NAN},
                 {"batch_norm1.running_var", -1}};
    cnn_model *model = network_open(network), *out = NULL;
    assert_int_equal(cnn_quantize(model, NULL, &out, s->diag), CNN_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t at = network_tensor(out, cases[i].tensor), count = cnn_model_tensor(out, at).count;
        float *good = calloc(2 * count, sizeof *good), *bad = good + count;
        assert_non_null(good);
        cnn_model_tensor_get(out, at, good, NULL);
        memcpy(bad, good, count * sizeof *bad);
        bad[count - 1] = cases[i].value;
        cnn_model_tensor_set(out, at, bad, NULL);
        expect(s, cnn_model_write(out, scratch_path(s, "q.safetensors"), s->diag), cases[i].tensor);
        assert_int_equal(scratch_count(s), 0);
        cnn_model_tensor_set(out, at, good, NULL);
        free(good);
    }
    assert_int_equal(cnn_model_write(out, scratch_path(s, "q.safetensors"), s->diag), CNN_OK);
    cnn_model_free(out);
    cnn_model_free(model);
}

static void test_variances_below_zero_are_refused(void **state)
{
    struct scratch *s = *state;
    cnn_checkpoint_info *info = NULL;
    cnn_model *model = open_with("batch_norm1.running_var", -1e-6f), *out = NULL;
    const cnn_open_options weights = {.weights = s->path};
    assert_int_equal(cnn_model_write(model, scratch_path(s, "a.safetensors"), s->diag), CNN_OK);
    expect(s, cnn_checkpoint_verify(s->path, &info, s->diag), "a variance is below 0");
    expect(s, cnn_model_open(s->path, NULL, &out, s->diag), "a variance is below 0");
    char text[sizeof network];
    strcpy(text, network);
    scratch_write(s, "net.yaml", text, strlen(text));
    char yaml[256];
    strcpy(yaml, s->path);
    scratch_path(s, "a.safetensors");
    expect(s, cnn_model_open(yaml, &weights, &out, s->diag), "a variance is below 0");
    cnn_model_free(model);
    model = open_with("batch_norm1.running_var", 0);
    assert_int_equal(cnn_model_write(model, s->path, s->diag), CNN_OK);
    assert_int_equal(cnn_checkpoint_verify(s->path, &info, s->diag), CNN_OK);
    cnn_checkpoint_info_free(info);
    cnn_model_free(model);
}

static void test_predict_has_no_answer_when_outputs_are_not_finite(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_with("dense1.bias", NAN);
    const size_t inputs = 3 * 16 * 16;
    float *image = calloc(inputs, sizeof *image), output[10];
    assert_non_null(image);
    assert_int_equal(cnn_model_run(model, image, 1, output, s->diag), CNN_OK);
    expect(s, cnn_model_check_answer(model, "x", image, output, s->diag), "output 9 is");
    cnn_model_free(model);
    model = network_open(network);
    assert_int_equal(cnn_model_run(model, image, 1, output, s->diag), CNN_OK);
    assert_int_equal(cnn_model_check_answer(model, "x", image, output, s->diag), CNN_OK);
    image[7] = NAN; /* which bytes lose */
    expect(s, cnn_model_check_answer(model, "x", image, output, s->diag), "number 8 of 768");
    free(image);
    cnn_model_free(model);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_quantize_refuses_parameters_that_are_not_finite),
        TEST(test_quantize_takes_layers_that_read_zeros),
        TEST(test_bytes_are_not_written_for_numbers_that_are_none),
        TEST(test_variances_below_zero_are_refused),
        TEST(test_predict_has_no_answer_when_outputs_are_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
