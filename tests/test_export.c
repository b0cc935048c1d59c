/* Export. What is right is what the layers give, which are held against PyTorch's numbers in
 * test_golden.c: the same networks are written, read again, and computed by the reference, which
 * the ONNX project's own tests prove. */
#include "scratch.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "compare.h"
#include "formats/onnx_export.h"
#include "formats/onnx_reference.h"
#include "layers/types.h"
#include "networks.h"
#include "util/file.h"

#define GOLDEN "tests/golden/layers"

static void expect_ok(struct scratch *s, cnn_status status)
{
    if (status != CNN_OK)
        fail_msg("%s", cnn_diag_get(s->diag, 0)->text);
}

/* What the model gives for count images, and what the same network gives that came back. */
static void expect_same_outputs(struct scratch *s, cnn_model *a, cnn_model *b, const char *what)
{
    const cnn_shape in = cnn_model_input(a);
    const size_t images = 2, count = images * in.c * in.h * in.w,
                 outputs = images * cnn_model_outputs(a);
    float *image = tensor_random(count, 5), *x = tensor_new(outputs), *y = tensor_new(outputs);
    assert_int_equal(cnn_model_outputs(a), cnn_model_outputs(b));
    expect_ok(s, cnn_model_run(a, image, images, x, s->diag));
    expect_ok(s, cnn_model_run(b, image, images, y, s->diag));
    assert_floats_near(what, y, x, outputs, 1e-5);
    tensor_free(image, count);
    tensor_free(x, outputs);
    tensor_free(y, outputs);
}

/* Networks whose operators ONNX has otherwise, or whose values have several readers. */
static const char *const networks[] = {
    "input: [3, 9, 8]\nlayers:\n- {type: conv, filters: 8, kernel_size: 3, padding: 1, "
    "padding_mode: reflect, activation: mish}\n- {type: lrn, size: 4, alpha: 0.5}\n"
    "- {type: pool, pool_type: avg, kernel_size: 3, stride: 2, padding: 1, ceil_mode: true}\n"
    "- {type: flatten}\n- {type: dense, units: 5, bias: false}\n",
    "input: [4, 10, 7]\nlayers:\n- {type: conv, filters: 6, kernel_size: [2, 3], padding: same, "
    "stride: 2, name: a-1}\n- {type: dropout, name: drop}\n- {type: conv, filters: 6, kernel_size: "
    "1, name: b}\n- {type: add, from: [a-1, drop, b], activation: softmax}\n- {type: group_norm, "
    "groups: 3, affine: false}\n- {type: shuffle, groups: 2}\n- {type: flatten}\n- {type: shuffle, "
    "groups: 4}\n- {type: batch_norm, activation: elu}\n- {type: drop_path, rate: 0.5}\n",
    "input: [2, 8, 8]\nlayers:\n- {type: pool, pool_type: avg, kernel_size: 3, stride: 2, padding: "
    "[1, 0, 0, 1], count_include_pad: false}\n- {type: conv_transpose, filters: 4, kernel_size: 3, "
    "stride: 2, padding: [1, 0, 0, 1], output_padding: 1, activation: clip6}\n",
    "input: [8, 6, 6]\nlayers:\n- {type: global_pool, pool_type: avg}\n- {type: flatten, name: "
    "flat}\n- {type: dense, units: 8, activation: hard_sigmoid, name: gate}\n- {type: mul, from: "
    "[input, gate], activation: silu}\n- {type: prelu, shared: true}\n- {type: slice, start: 2, "
    "end: 7}\n- {type: clip, min: -0.5, max: 0.75}\n",
};

static bool is_named(const char *type)
{
    char word[100];
    snprintf(word, sizeof word, "type: %s", type);
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++)
        if (strstr(networks[i], word))
            return true;
    return false;
}

static cnn_model *open_golden(struct scratch *s, const char *name)
{
    char config[512], weights[512];
    cnn_model *model = NULL;
    snprintf(config, sizeof config, GOLDEN "/%s.yaml", name);
    snprintf(weights, sizeof weights, GOLDEN "/%s.weights.safetensors", name);
    const cnn_open_options options = {.weights = weights, .untrained = true};
    expect_ok(s, cnn_model_open(config, &options, &model, s->diag));
    return model;
}

static struct cnn_onnx *open_file(struct scratch *s, const char *path)
{
    struct cnn_onnx *file = NULL;
    expect_ok(s, cnn_onnx_open(path, &file, s->diag));
    return file;
}

/* Other programs want names of nodes that are there once. */
static void expect_unique_names(struct scratch *s, const char *path)
{
    struct cnn_onnx *file = open_file(s, path);
    for (size_t i = 0; i < file->step_count; i++)
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(file->steps[i].node->name, file->steps[k].node->name);
    cnn_onnx_close(file);
}

/* Nothing comes back of a network that does nothing. */
static bool comes_back(const char *name)
{
    return strcmp(name, "dropout_eval") != 0;
}

static void check_golden(struct scratch *s, const char *name, bool *seen)
{
    cnn_model *model = open_golden(s, name), *again = NULL;
    for (size_t i = 0; i < model->graph.count; i++)
        for (size_t t = 0; t < cnn_layer_type_count; t++)
            seen[t] = seen[t] || cnn_layer_types[t] == model->graph.nodes[i].type;
    cnn_export_info info = {0};
    const char *path = scratch_path(s, "net.onnx");
    cnn_status status = cnn_export(model, path, NULL, &info, s->diag);
    if (status != CNN_OK)
        fail_msg("%s: %s", name, cnn_diag_get(s->diag, 0)->text);
    assert_true(info.compared > 0 && info.error < 2e-5);
    expect_unique_names(s, path);
    status = cnn_model_open(path, NULL, &again, s->diag);
    if (status == CNN_OK)
        expect_same_outputs(s, model, again, name);
    else if (comes_back(name))
        fail_msg("%s: %s", name, cnn_diag_get(s->diag, 0)->text);
    cnn_diag_clear(s->diag);
    cnn_model_free(again);
    cnn_model_free(model);
}

static int is_description(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && strcmp(dot, ".yaml") == 0;
}

/* Every layer type is among PyTorch's networks, or those above, so all are written. */
static void test_every_layer_is_written_and_comes_back(void **state)
{
    struct scratch *s = *state;
    struct dirent **entries;
    int count = scandir(GOLDEN, &entries, is_description, NULL);
    bool *seen = calloc(cnn_layer_type_count, sizeof *seen);
    assert_non_null(seen);
    assert_true(count > 60);
    for (int i = 0; i < count; i++) {
        *strrchr(entries[i]->d_name, '.') = '\0';
        check_golden(s, entries[i]->d_name, seen);
        free(entries[i]);
    }
    for (size_t t = 0; t < cnn_layer_type_count; t++)
        if (!seen[t] && !is_named(cnn_layer_types[t]->variant.name))
            fail_msg("'%s' is in none of these networks", cnn_layer_types[t]->variant.name);
    free(seen);
    free(entries);
}

static void test_every_operation_has_writers(void **state)
{
    (void)state;
    for (size_t i = 0; i < cnn_layer_type_count; i++)
        assert_non_null(cnn_layer_types[i]->operation);
    for (unsigned i = 0; i < CNN_OPERATION_KINDS; i++)
        assert_true(cnn_onnx_writes((enum cnn_operation_kind)i));
    assert_false(cnn_onnx_writes(CNN_OPERATION_KINDS));
}

static void test_networks_are_written(void **state)
{
    struct scratch *s = *state;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        char text[1200];
        snprintf(text, sizeof text, "%s", networks[i]);
        char *word = strstr(text, "clip6");
        if (word)
            memcpy(word, "relu6", 5);
        cnn_model *model = network_open(text);
        cnn_export_info info = {0};
        network_stir(model);
        expect_ok(s, cnn_export(model, scratch_path(s, "net.onnx"), NULL, &info, s->diag));
        assert_true(info.error < 1e-5);
        expect_unique_names(s, s->path);
        for (size_t f = 1; f < cnn_export_formats(); f++) {
            const cnn_export_format *format = cnn_export_format_at(f);
            const cnn_export_options options = {.format = format->name};
            const char *path = scratch_path(s, format->directory ? "net_c" : "net.py");
            cnn_status status = cnn_export(model, path, &options, NULL, s->diag);
            if (status != CNN_OK && strcmp(options.format, "keras") != 0)
                fail_msg("%s", cnn_diag_get(s->diag, 0)->text);
            cnn_diag_clear(s->diag);
        }
        cnn_model_free(model);
    }
}

static const char small[] =
    "name: small net\ninput: [3, 8, 8]\nlayers:\n- {type: conv, filters: 4, kernel_size: 3, "
    "padding: 1, name: first}\n- {type: batch_norm, name: norm, activation: relu}\n- {type: "
    "flatten}\n"
    "- {type: dense, units: 3, name: last}\n"
    "data: {dataset: folder, path: d, normalize: {mean: [0.25, 0.5, 0.75], std: [0.5, 0.25, "
    "0.125]}}\n";

static const struct cnn_onnx_tensor *find_tensor(const struct cnn_onnx *file, const char *name)
{
    for (size_t i = 0; i < file->value_count; i++)
        if (strcmp(file->values[i].name, name) == 0 && file->values[i].tensor)
            return file->values[i].tensor;
    fail_msg("no tensor %s", name);
    return NULL;
}

/* A network that clips is of the opset whose Clip OpenCV reads, unless it needs a newer one. */
static void test_the_opset_is_as_old_as_it_must_be(void **state)
{
    static const struct {
        const char *layers;
        int opset;
    } cases[] = {
        {"- {type: conv, filters: 2, kernel_size: 1, activation: relu6}\n", 10},
        {"- {type: conv, filters: 2, kernel_size: 1}\n- {type: clip, min: -1, max: 2}\n"
         "- {type: global_pool, pool_type: avg}\n- {type: flatten}\n- {type: dense, units: 2}\n",
         10},
        {"- {type: conv, filters: 2, kernel_size: 1, activation: relu}\n", 17},
        {"- {type: conv, filters: 2, kernel_size: 1, activation: relu6}\n"
         "- {type: hardswish}\n",
         17},
        {"- {type: conv, filters: 2, kernel_size: 3, padding: 1, padding_mode: reflect, "
         "activation: relu6}\n",
         17},
        {"- {type: relu6}\n- {type: flatten}\n- {type: dense, units: 2, bias: false}\n", 17},
        {"- {type: relu6}\n- {type: pool, pool_type: max, kernel_size: 2}\n", 17},
    };
    struct scratch *s = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cnn_model *model = network_open_layers("[3, 4, 4]", cases[i].layers);
        network_stir(model);
        expect_ok(s, cnn_export(model, scratch_path(s, "net.onnx"), NULL, NULL, s->diag));
        struct cnn_onnx *file = open_file(s, s->path);
        assert_int_equal(file->opset, cases[i].opset);
        cnn_onnx_close(file);
        cnn_model_free(model);
    }
}

/* Weights keep names, shapes and bytes; the batch is free; classes and normalisation are told. */
static void test_a_file_says_what_the_model_has(void **state)
{
    static const char *const classes[] = {"ant", "\"bee\"", "c\xc3\xa9"};
    struct scratch *s = *state;
    cnn_model *model = network_open(small), *again = NULL;
    const struct cnn_onnx_dimension *dims;
    network_stir(model);
    expect_ok(s, cnn_model_set_classes(model, 3, classes, s->diag));
    expect_ok(s, cnn_export(model, scratch_path(s, "net.onnx"), NULL, NULL, s->diag));
    struct cnn_onnx *file = open_file(s, s->path);
    assert_int_equal(file->ir_version, 8);
    assert_int_equal(file->opset, 17);
    assert_string_equal(file->producer, "cnn " CNN_VERSION);
    assert_string_equal(file->graph_name, "small_net");
    assert_int_equal(cnn_onnx_input_shape(file, 0, &dims), 4);
    assert_string_equal(dims[0].parameter, "batch");
    assert_int_equal(dims[1].value, 3);
    for (size_t i = 0; i < cnn_model_tensors(model); i++) {
        const cnn_tensor_info info = cnn_model_tensor(model, i);
        const struct cnn_onnx_tensor *tensor = find_tensor(file, info.name);
        assert_int_equal(tensor->dims.count, info.rank);
        assert_int_equal(tensor->raw_data.size, info.count * sizeof(float));
        assert_memory_equal(tensor->raw_data.data,
                            model->parameters + model->tensors[i].tensor->offset,
                            tensor->raw_data.size);
    }
    cnn_onnx_close(file);
    expect_ok(s, cnn_model_open(s->path, NULL, &again, s->diag));
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(cnn_model_class(again, i), classes[i]);
    assert_true(again->normalization.mean[2] == 0.75f && again->normalization.std[0] == 0.5f);
    assert_string_equal(again->graph.nodes[0].name, "first");
    expect_same_outputs(s, model, again, "small");
    cnn_model_free(again);
    cnn_model_free(model);
}

/* With the normalisation inside, pixels from 0 to 1 give what the network gives for them. */
static void test_normalisation_may_be_inside(void **state)
{
    enum { COUNT = 3 * 8 * 8 };
    struct scratch *s = *state;
    const cnn_export_options options = {.name = "inside", .normalize = true};
    cnn_model *model = network_open(small), *again = NULL;
    float pixels[COUNT], seen[COUNT], x[3], y[3];
    network_stir(model);
    expect_ok(s, cnn_export(model, scratch_path(s, "net.onnx"), &options, NULL, s->diag));
    expect_ok(s, cnn_model_open(s->path, NULL, &again, s->diag));
    for (size_t i = 0; i < COUNT; i++) {
        pixels[i] = (float)(i * 37 % 101) / 100;
        seen[i] =
            (pixels[i] - model->normalization.mean[i / 64]) / model->normalization.std[i / 64];
    }
    expect_ok(s, cnn_model_run(model, seen, 1, x, s->diag));
    expect_ok(s, cnn_model_run(again, pixels, 1, y, s->diag));
    assert_floats_near("outputs", y, x, 3, 1e-5);
    assert_true(again->normalization.mean[0] == 0 && again->normalization.std[0] == 1);
    cnn_model_free(again);
    cnn_model_free(model);
}

/* A network that computes in bfloat16 is written with its float32 parameters. */
static void test_bfloat16_is_written_as_float32(void **state)
{
    struct scratch *s = *state;
    cnn_export_info info = {0};
    cnn_model *model = network_open("input: [3, 8, 8]\nprecision: bf16\nlayers:\n"
                                    "- {type: conv, filters: 16, kernel_size: 3, padding: 1}\n"
                                    "- {type: conv, filters: 32, kernel_size: 1}\n"
                                    "- {type: flatten}\n"
                                    "- {type: dense, units: 30}\n");
    network_stir(model);
    expect_ok(s, cnn_export(model, scratch_path(s, "net.onnx"), NULL, &info, s->diag));
    assert_true(info.error < 1e-5);
    cnn_model_free(model);
}

/* ---- Bytes ---- */

static size_t count_nodes(const struct cnn_onnx *file, const char *op_type)
{
    size_t count = 0;
    for (size_t i = 0; i < file->step_count; i++)
        count += strcmp(file->steps[i].node->op_type, op_type) == 0;
    return count;
}

static cnn_model *quantized(struct scratch *s)
{
    static const char text[] =
        "input: [3, 16, 16]\nlayers:\n"
        "- {type: conv, filters: 16, kernel_size: 3, padding: 1, bias: false}\n"
        "- {type: batch_norm}\n- {type: relu}\n"
        "- {type: conv, filters: 20, kernel_size: 3, padding: 1, name: two}\n"
        "- {type: batch_norm, activation: hardswish}\n"
        "- {type: pool, pool_type: max, kernel_size: 2}\n"
        "- {type: conv, filters: 20, kernel_size: 3, padding: 1, padding_mode: replicate, "
        "activation: relu, name: three}\n- {type: add, from: [pool1, three]}\n"
        "- {type: depthwise_conv, kernel_size: 3}\n- {type: flatten}\n- {type: dense, units: 10}\n"
        "data: {dataset: shapes, limit: 40}\n";
    cnn_model *model = network_open(text), *out = NULL;
    network_stir(model);
    expect_ok(s, cnn_quantize(model, NULL, &out, s->diag));
    cnn_diag_clear(s->diag);
    cnn_model_free(model);
    return out;
}

/* In a deep network numbers that are rounded to the other code change what comes out by more than a
 * code, so its layers are compared one by one, each from the same inputs. */
static void test_deep_networks_of_bytes_are_proved(void **state)
{
    struct scratch *s = *state;
    char text[8000] = "input: [3, 16, 16]\nlayers:\n";
    for (int i = 0; i < 40; i++)
        strcat(text, "- {type: conv, filters: 12, kernel_size: 3, padding: 1}\n"
                     "- {type: batch_norm, activation: silu}\n");
    strcat(text, "- {type: flatten}\n- {type: dense, units: 10}\n- {type: dropout}\n"
                 "data: {dataset: shapes, limit: 40}\n");
    cnn_model *model = network_open(text), *bytes = NULL;
    cnn_export_info info = {0};
    network_stir(model);
    expect_ok(s, cnn_quantize(model, NULL, &bytes, s->diag));
    cnn_diag_clear(s->diag);
    expect_ok(s, cnn_export(bytes, scratch_path(s, "net.onnx"), NULL, &info, s->diag));
    assert_int_equal(info.compared, 42);
    assert_true(info.error <= 1.01 / 255);
    cnn_model_free(bytes);
    cnn_model_free(model);
}

/* QDQ: weights are the codes of the checkpoint around 128, each with its filter's scale; the
 * batch_norms are in the scales; what comes out is within one code. */
static void test_bytes_are_written_as_codes(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = quantized(s), *again = NULL;
    cnn_export_info info = {0};
    expect_ok(s, cnn_export(model, scratch_path(s, "net.onnx"), NULL, &info, s->diag));
    assert_true(info.error < 1e-5);
    struct cnn_onnx *file = open_file(s, s->path);
    expect_unique_names(s, s->path);
    assert_int_equal(count_nodes(file, "BatchNormalization"), 0);
    /* input, relu, the sums before hardswish, pool1, three, add, flatten */
    assert_int_equal(count_nodes(file, "QuantizeLinear"), 7);
    assert_int_equal(find_tensor(file, "two.weight")->data_type, CNN_ONNX_UINT8);
    assert_int_equal(find_tensor(file, "two.weight_zero")->raw_data.size, 20);
    assert_int_equal(find_tensor(file, "two.weight_scale")->raw_data.size, 20 * sizeof(float));
    const uint8_t *codes = find_tensor(file, "two.weight")->raw_data.data,
                  *zeros = find_tensor(file, "two.weight_zero")->raw_data.data;
    bool turned = false; /* where batch_norm has a negative factor */
    for (size_t f = 0; f < 20; f++) {
        const size_t row = 16 * 9, node = network_layer(model, "two");
        const struct cnn_node *n = &model->graph.nodes[node];
        const float *weights = model->parameters + cnn_node_tensor(n, "weight")->offset,
                    *scale = model->parameters + cnn_node_tensor(n, "weight_scale")->offset;
        const double own = nearbyint((double)(weights[f * row] / scale[f]));
        const int code = codes[f * row] - 128;
        assert_int_equal(zeros[f], 128);
        assert_true(code == own || code == -own);
        turned = turned || code != own;
    }
    assert_true(turned);
    cnn_onnx_close(file);
    expect_ok(s, cnn_model_open(s->path, NULL, &again, s->diag));
    assert_int_equal(again->graph.nodes[0].precision, CNN_PRECISION_INT8);
    expect_same_outputs(s, model, again, "bytes");
    cnn_model_free(again);
    cnn_model_free(model);
}

/* A batch_norm that no convolution takes in reads codes as well, and its own numbers go through
 * codes in front of a table. It comes back as it was. */
static void test_standing_batch_norms_read_codes(void **state)
{
    struct scratch *s = *state;
    static const char text[] =
        "input: [3, 16, 16]\nlayers:\n"
        "- {type: conv, filters: 12, kernel_size: 3, padding: 1, name: a}\n"
        "- {type: batch_norm, activation: relu, name: one}\n"
        "- {type: conv, filters: 6, kernel_size: 3, padding: 1, name: b}\n"
        "- {type: concat, from: [a, b], name: both}\n- {type: batch_norm, name: two}\n"
        "- {type: silu}\n- {type: conv, filters: 18, kernel_size: 1, name: c}\n"
        "- {type: add, from: [both, c]}\n- {type: batch_norm, activation: relu6, name: three}\n"
        "- {type: flatten}\n- {type: dense, units: 10}\ndata: {dataset: shapes, limit: 40}\n";
    static const char *const names[] = {"one", "two", "three"};
    cnn_model *model = network_open(text), *bytes = NULL, *again = NULL;
    cnn_export_info info = {0};
    network_stir(model);
    expect_ok(s, cnn_quantize(model, NULL, &bytes, s->diag));
    cnn_diag_clear(s->diag);
    expect_ok(s, cnn_export(bytes, scratch_path(s, "net.onnx"), NULL, &info, s->diag));
    assert_true(info.error <= 1.01 / 255);
    struct cnn_onnx *file = open_file(s, s->path);
    assert_int_equal(count_nodes(file, "BatchNormalization"), 3);
    /* what a, one, b, two, c, add (of c), three and dense read, and the sums of two */
    assert_int_equal(count_nodes(file, "QuantizeLinear"), 9);
    cnn_onnx_close(file);
    expect_ok(s, cnn_model_open(s->path, NULL, &again, s->diag));
    struct cnn_plan *plan = network_plan(again, 1, CNN_PLAN_INFER, false);
    for (size_t i = 0; i < 3; i++) {
        const struct cnn_node *node = cnn_plan_call(plan, network_layer(again, names[i]))->node;
        assert_string_equal(node->name, names[i]);
        assert_true(node->x_bytes && node->y_bytes);
    }
    cnn_plan_free(plan);
    expect_same_outputs(s, bytes, again, "bytes");
    cnn_model_free(again);
    cnn_model_free(bytes);
    cnn_model_free(model);
}

/* Filters that a batch_norm takes to nothing: their bias stays, and no scale is 0. */
static void test_filters_without_weight_keep_their_bias(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = quantized(s);
    const struct cnn_node *norm = &model->graph.nodes[1];
    float *gamma = model->parameters + cnn_node_tensor(norm, "weight")->offset,
          *beta = model->parameters + cnn_node_tensor(norm, "bias")->offset, biases[2], scales[2];
    gamma[0] = 0;
    beta[0] = 3;
    gamma[1] = 1e-44f;
    beta[1] = -2;
    expect_ok(s, cnn_export(model, scratch_path(s, "net.onnx"), NULL, NULL, s->diag));
    struct cnn_onnx *file = open_file(s, s->path);
    memcpy(biases, find_tensor(file, "conv1.bias")->raw_data.data, sizeof biases);
    memcpy(scales, find_tensor(file, "conv1.weight_scale")->raw_data.data, sizeof scales);
    assert_true(biases[0] == 3 && biases[1] == -2);
    assert_true(scales[0] > 0 && scales[1] > 0);
    cnn_onnx_close(file);
    cnn_model_free(model);
}

/* A layer of bytes may give the code beside that of the file. What reads it is compared for the
 * numbers that it gave: the mean of many, half of which are a code higher, has a smaller range, and
 * is more than a code higher. */
static void test_layers_of_bytes_are_compared_for_the_same_inputs(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(
        "input: [3, 16, 16]\nlayers:\n- {type: conv, filters: 8, kernel_size: 1, name: a}\n"
        "- {type: conv, filters: 2, kernel_size: 5, stride: 4, name: b}\n- {type: flatten}\n"
        "- {type: dense, units: 10, name: c}\ndata: {dataset: shapes, limit: 40}\n");
    const char *const names[] = {"input", "a", "b", "flatten1", "c"};
    cnn_model *bytes = NULL;
    char *data;
    size_t size;
    cnn_export_info info = {0};
    static const cnn_export_options options = {0};
    const size_t weight = network_tensor(model, "b.weight");
    float even[2 * 8 * 25];
    for (size_t i = 0; i < sizeof even / sizeof *even; i++)
        even[i] = 0.01f;
    assert_int_equal(cnn_model_tensor_set(model, weight, even, NULL), CNN_OK);
    expect_ok(s, cnn_quantize(model, NULL, &bytes, s->diag));
    cnn_diag_clear(s->diag);
    expect_ok(s, cnn_export(bytes, scratch_path(s, "net.onnx"), NULL, NULL, s->diag));
    expect_ok(s, cnn_file_read(s->path, 1 << 20, &data, &size, s->diag));
    const struct cnn_node *node = &bytes->graph.nodes[1];
    const float *range = bytes->parameters + node->tensors[node->input_range].offset;
    float *bias = bytes->parameters + cnn_node_tensor(&bytes->graph.nodes[0], "bias")->offset;
    for (size_t i = 0; i < 8; i++)
        bias[i] += (range[1] - range[0]) / 255 / 2;
    const struct cnn_export e = {.model = bytes,
                                 .path = "net.onnx",
                                 .options = &options,
                                 .arena = cnn_arena_new(),
                                 .info = &info,
                                 .diag = s->diag};
    const struct cnn_onnx_writer w = {.model = bytes, .names = (const char **)names};
    const struct cnn_protobuf_bytes file = {(const unsigned char *)data, size};
    expect_ok(s, cnn_onnx_check_export(&e, &w, &file));
    assert_true(info.error > 0.9 / 255);
    cnn_arena_free(e.arena);
    cnn_free(data);
    cnn_model_free(bytes);
    cnn_model_free(model);
}

/* ---- What is refused ---- */

static void test_a_file_that_differs_is_found(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(small);
    char *bytes;
    size_t size;
    cnn_export_info info = {0};
    static const cnn_export_options options = {0};
    const char *names[5] = {"input"};
    network_stir(model);
    for (size_t i = 0; i < 4; i++)
        names[i + 1] = model->graph.nodes[i].name;
    expect_ok(s, cnn_export(model, scratch_path(s, "net.onnx"), NULL, NULL, s->diag));
    expect_ok(s, cnn_file_read(s->path, 1 << 20, &bytes, &size, s->diag));
    const struct cnn_export e = {.model = model,
                                 .path = "net.onnx",
                                 .options = &options,
                                 .arena = cnn_arena_new(),
                                 .info = &info,
                                 .diag = s->diag};
    const struct cnn_onnx_writer w = {.model = model, .names = names};
    const struct cnn_protobuf_bytes file = {(const unsigned char *)bytes, size};
    expect_ok(s, cnn_onnx_check_export(&e, &w, &file));
    for (size_t i = 0; i < cnn_model_tensors(model); i++) {
        const cnn_tensor_info tensor = cnn_model_tensor(model, i);
        float *values = calloc(2 * tensor.count, sizeof *values), *others = values + tensor.count;
        char name[100];
        assert_non_null(values);
        assert_int_equal(cnn_model_tensor_get(model, i, values, NULL), CNN_OK);
        for (size_t k = 0; k < tensor.count; k++)
            others[k] = values[k] + 0.01f;
        assert_int_equal(cnn_model_tensor_set(model, i, others, NULL), CNN_OK);
        snprintf(name, sizeof name, "layer '%.*s'", (int)strcspn(tensor.name, "."), tensor.name);
        if (cnn_onnx_check_export(&e, &w, &file) != CNN_FAILED)
            fail_msg("%s is not missed", tensor.name);
        assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, name));
        cnn_diag_clear(s->diag);
        assert_int_equal(cnn_model_tensor_set(model, i, values, NULL), CNN_OK);
        free(values);
    }
    cnn_arena_free(e.arena);
    free(bytes);
    cnn_model_free(model);
}

static void test_what_cannot_be_written_leaves_nothing(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(small);
    const cnn_export_options named = {.name = "1st"}, format = {.format = "tflite"},
                             inside = {.format = "pytorch", .normalize = true};
    const char *path = scratch_path(s, "net.onnx");
    assert_int_equal(cnn_export(model, path, &named, NULL, s->diag), CNN_INVALID);
    assert_int_equal(cnn_export(model, path, &format, NULL, s->diag), CNN_INVALID);
    assert_non_null(strstr(cnn_diag_get(s->diag, 1)->text,
                           "there is no export format 'tflite'; there are onnx"));
    assert_int_equal(cnn_export(model, scratch_path(s, "net.py"), &inside, NULL, s->diag),
                     CNN_INVALID);
    path = scratch_path(s, "net.onnx");
    model->parameters[7] = NAN;
    assert_int_equal(cnn_export(model, path, NULL, NULL, s->diag), CNN_FAILED);
    model->parameters[7] = 0;
    assert_int_equal(cnn_export(model, scratch_path(s, "none/net.onnx"), NULL, NULL, s->diag),
                     CNN_FAILED);
    assert_int_equal(scratch_count(s), 0);
    path = scratch_write(s, "net.onnx", "my own", 6);
    assert_int_equal(cnn_export(model, path, NULL, NULL, s->diag), CNN_INVALID);
    cnn_model_free(model);
}

/* By another name, too. */
static void test_a_model_does_not_replace_its_own_file(void **state)
{
    struct scratch *s = *state;
    char path[128], other[128], *bytes, *after;
    size_t size, left;
    cnn_model *model = network_open_layers("[3, 6, 6]", "- {type: conv, filters: 2, "
                                                        "kernel_size: 3}\n");
    snprintf(path, sizeof path, "%s", scratch_path(s, "net.onnx"));
    snprintf(other, sizeof other, "%s", scratch_path(s, "link.onnx"));
    expect_ok(s, cnn_export(model, path, NULL, NULL, s->diag));
    cnn_model_free(model);
    assert_int_equal(symlink(path, other), 0);
    expect_ok(s, cnn_file_read(path, 1 << 20, &bytes, &size, s->diag));
    expect_ok(s, cnn_model_open(path, NULL, &model, s->diag));
    assert_int_equal(cnn_export(model, path, NULL, NULL, s->diag), CNN_INVALID);
    assert_int_equal(cnn_export(model, other, NULL, NULL, s->diag), CNN_INVALID);
    assert_non_null(strstr(cnn_diag_get(s->diag, 1)->text, "link.onnx would be replaced by what"));
    cnn_model_free(model);
    expect_ok(s, cnn_file_read(path, 1 << 20, &after, &left, s->diag));
    assert_int_equal(left, size);
    assert_memory_equal(after, bytes, size);
    cnn_free(bytes);
    cnn_free(after);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_every_layer_is_written_and_comes_back),
                                       TEST(test_every_operation_has_writers),
                                       TEST(test_networks_are_written),
                                       TEST(test_the_opset_is_as_old_as_it_must_be),
                                       TEST(test_a_file_says_what_the_model_has),
                                       TEST(test_normalisation_may_be_inside),
                                       TEST(test_bfloat16_is_written_as_float32),
                                       TEST(test_bytes_are_written_as_codes),
                                       TEST(test_standing_batch_norms_read_codes),
                                       TEST(test_deep_networks_of_bytes_are_proved),
                                       TEST(test_filters_without_weight_keep_their_bias),
                                       TEST(test_a_file_that_differs_is_found),
                                       TEST(test_layers_of_bytes_are_compared_for_the_same_inputs),
                                       TEST(test_a_model_does_not_replace_its_own_file),
                                       TEST(test_what_cannot_be_written_leaves_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
