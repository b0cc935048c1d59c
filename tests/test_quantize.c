/* Quantized networks: what int8 answers is near to what float32 does, in files they come back as
 * they were, and what cannot be such a network is refused. Everything runs with every instruction
 * set. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scratch.h"

#include "compare.h"
#include "networks.h"
#include "train/step.h"

#define BATCH ((size_t)6)

#define DATA "data: {dataset: shapes, limit: 40}\n"

static const struct network {
    const char *what, *text;
    double tolerance; /* of the largest output */
} networks[] = {
    {"vgg",
     "input: [3, 16, 16]\nlayers:\n"
     "- {type: conv, filters: 16, kernel_size: 3, padding: 1, bias: false}\n- {type: "
     "batch_norm}\n- {type: relu}\n"
     "- {type: conv, filters: 18, kernel_size: 3, padding: 1}\n- {type: batch_norm, activation: "
     "relu}\n- {type: pool, pool_type: max, kernel_size: "
     "2}\n"
     "- {type: conv, filters: 32, kernel_size: 3, padding: 1, activation: relu}\n- {type: pool, "
     "pool_type: avg, kernel_size: 2}\n"
     "- {type: flatten}\n- {type: dense, units: 20, activation: tanh}\n- {type: dense, units: "
     "10}\n" DATA,
     0.05},
    {"residual",
     "input: [3, 16, 16]\nlayers:\n"
     "- {type: conv, filters: 16, kernel_size: 3, padding: 1, activation: silu, name: a}\n"
     "- {type: conv, filters: 16, kernel_size: 3, padding: 1, padding_mode: reflect}\n- {type: "
     "batch_norm, name: b}\n"
     "- {type: add, from: [a, b], activation: relu}\n- {type: conv, filters: 24, kernel_size: 1, "
     "stride: 2, name: c}\n"
     "- {type: conv, filters: 8, kernel_size: 3, padding: 1, from: c}\n- {type: conv, filters: 8, "
     "kernel_size: 5, padding: 2, groups: 2, from: c, "
     "name: d}\n"
     "- {type: concat, from: [conv4, d]}\n- {type: global_pool, pool_type: avg}\n- {type: "
     "flatten}\n- {type: dense, units: 10, activation: "
     "softmax}\n" DATA,
     0.05},
    {"mobile",
     "input: [3, 16, 16]\nlayers:\n"
     "- {type: conv, filters: 16, kernel_size: 3, stride: 2, padding: 1, activation: relu6}\n- "
     "{type: depthwise_conv, kernel_size: 3, padding: 1}\n"
     "- {type: batch_norm}\n- {type: hardswish}\n- {type: conv, filters: 24, kernel_size: 1, "
     "activation: gelu}\n"
     "- {type: global_pool, pool_type: max}\n- {type: flatten}\n- {type: dense, units: 10}\n" DATA,
     0.05},
    /* one channel: in floats its map is the list, in bytes it is not */
    {"one channel",
     "input: [3, 16, 16]\nlayers:\n"
     "- {type: conv, filters: 16, kernel_size: 3, activation: relu}\n"
     "- {type: conv, filters: 1, kernel_size: [13, 10]}\n- {type: flatten}\n"
     "- {type: dense, units: 10}\n" DATA,
     0.05},
    /* a batch_norm that no convolution takes in does not pool on the way, as in floats */
    {"normalised",
     "input: [3, 16, 16]\nlayers:\n"
     "- {type: conv, filters: 16, kernel_size: 3, name: a}\n"
     "- {type: conv, filters: 6, kernel_size: 3, padding: 1, name: b}\n"
     "- {type: concat, from: [a, b]}\n- {type: batch_norm, eps: 1}\n- {type: relu}\n"
     "- {type: pool, pool_type: max, kernel_size: 2}\n"
     "- {type: conv, filters: 16, kernel_size: 3}\n- {type: flatten}\n"
     "- {type: dense, units: 10}\n" DATA,
     0.05},
    /* softmax comes as part of a batch_norm between layers that compute with bytes */
    {"softmax inside",
     "input: [3, 16, 16]\nlayers:\n"
     "- {type: conv, filters: 16, kernel_size: 3}\n- {type: batch_norm, activation: softmax}\n"
     "- {type: conv, filters: 16, kernel_size: 3}\n- {type: flatten}\n"
     "- {type: dense, units: 10}\n" DATA,
     0.05},
};

static cnn_model *quantize(const cnn_model *model)
{
    cnn_model *out = NULL;
    cnn_diag *diag = cnn_diag_new();
    if (cnn_quantize(model, NULL, &out, diag) != CNN_OK)
        fail_msg("%s", cnn_diag_get(diag, 0)->text);
    cnn_diag_free(diag);
    return out;
}

static cnn_model *open_trained(const char *text)
{
    cnn_model *model = network_open(text);
    network_stir(model);
    return model;
}

/* The outputs for a batch of the training images: what calibration has seen. */
static float *outputs(cnn_model *model, enum cnn_plan_mode mode)
{
    struct cnn_dataset *dataset;
    enum cnn_split used;
    size_t pixels = model->graph.input.h * model->graph.input.w,
           output = cnn_graph_output(&model->graph);
    size_t size = cnn_shape_count(cnn_graph_shape(&model->graph, output));
    struct cnn_plan *plan = network_plan(model, BATCH, mode, false);
    assert_int_equal(cnn_dataset_open(&model->data,
                                      &(struct cnn_data_choice){.input = model->graph.input,
                                                                .split = CNN_SPLIT_TRAIN},
                                      &dataset, &used, NULL),
                     CNN_OK);
    for (size_t i = 0; i < BATCH; i++)
        cnn_normalize(&model->normalization, cnn_dataset_read(dataset, i, NULL), pixels,
                      cnn_plan_input(plan) + i * pixels * model->graph.input.c);
    cnn_plan_forward(plan, BATCH, false, 0);
    float *y = tensor_new(BATCH * size);
    memcpy(y, cnn_plan_value(plan, output), BATCH * size * sizeof *y);
    cnn_plan_free(plan);
    cnn_dataset_free(dataset);
    return y;
}

static void test_quantize_gives_nearly_the_same_answers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        cnn_model *model = open_trained(networks[i].text), *quantized = quantize(model);
        size_t size = BATCH * cnn_model_outputs(model);
        float *want = outputs(model, CNN_PLAN_INFER), *got = outputs(quantized, CNN_PLAN_INFER),
              *rounded = outputs(quantized, CNN_PLAN_KEEP);
        assert_floats_near(networks[i].what, got, want, size, networks[i].tolerance);
        /* plans to look into see the rounded weights as floats */
        assert_floats_near(networks[i].what, rounded, want, size, networks[i].tolerance);
        bool same = true;
        for (size_t k = 0; k < size; k++)
            same = same && fabsf(got[k] - rounded[k]) < 1e-4f;
        assert_false(same);
        tensor_free(want, size);
        tensor_free(got, size);
        tensor_free(rounded, size);
        cnn_model_free(model);
        cnn_model_free(quantized);
    }
}

/* What a layer reads for the first images of the data set. */
static float *read_values(cnn_model *model, size_t value, size_t images, size_t *count)
{
    struct cnn_dataset *dataset;
    enum cnn_split used;
    size_t pixels = model->graph.input.h * model->graph.input.w,
           size = cnn_shape_count(cnn_graph_shape(&model->graph, value));
    struct cnn_plan *plan = network_plan(model, 1, CNN_PLAN_KEEP, false);
    float *values = malloc(images * size * sizeof *values);
    assert_non_null(values);
    assert_int_equal(cnn_dataset_open(&model->data,
                                      &(struct cnn_data_choice){.input = model->graph.input,
                                                                .split = CNN_SPLIT_TRAIN,
                                                                .seed = model->recipe.seed},
                                      &dataset, &used, NULL),
                     CNN_OK);
    for (size_t i = 0; i < images; i++) {
        cnn_normalize(&model->normalization, cnn_dataset_read(dataset, i, NULL), pixels,
                      cnn_plan_input(plan));
        cnn_plan_forward(plan, 1, false, 0);
        memcpy(values + i * size, cnn_plan_value(plan, value), size * sizeof *values);
    }
    cnn_plan_free(plan);
    cnn_dataset_free(dataset);
    *count = images * size;
    return values;
}

/* Of rounding to 255 steps between low and high, as is to be expected, and of what lies beyond;
 * zeros are exact. */
static double squared_error(const float *values, size_t count, double low, double high)
{
    double step = (high - low) / 255, error = 0;
    for (size_t i = 0; i < count; i++) {
        double x = (double)values[i], beyond = x > high ? x - high : x < low ? low - x : 0;
        error += beyond > 0 ? beyond * beyond : x < 0 || x > 0 ? step * step / 12 : 0;
    }
    return error;
}

/* Checks that the error of the range that a layer got is nearly that of the best share of the
 * extremes. Returns it as a share of the error of the extremes themselves. */
static double range_gain(cnn_model *model, const cnn_model *quantized, const char *name)
{
    const struct cnn_node *node = &quantized->graph.nodes[network_layer(quantized, name)];
    const float *range = quantized->parameters + node->tensors[node->input_range].offset;
    size_t count;
    float *values = read_values(model, node->inputs[0], 40, &count);
    double low = 0, high = 0, least = INFINITY;
    for (size_t k = 0; k < count; k++) {
        low = fmin(low, (double)values[k]);
        high = fmax(high, (double)values[k]);
    }
    for (int share = 1; share <= 100; share++)
        least = fmin(least, squared_error(values, count, low * share / 100, high * share / 100));
    double found = squared_error(values, count, (double)range[0], (double)range[1]);
    if (found > 1.02 * least)
        fail_msg("%s: an error of %g, where %g can be had", name, found, least);
    double gain = found / squared_error(values, count, low, high);
    free(values);
    return gain;
}

/* In networks with tails the best range is far better than the extremes. */
static void test_ranges_cut_off_what_costs_least(void **state)
{
    (void)state;
    static const char text[] =
        "input: [3, 16, 16]\nlayers:\n"
        "- {type: conv, filters: 8, kernel_size: 3, activation: relu, name: a}\n"
        "- {type: add, from: [a, a], name: b}\n- {type: batch_norm}\n- {type: gelu}\n"
        "- {type: conv, filters: 8, kernel_size: 3, name: c}\n- {type: conv, filters: 8, "
        "kernel_size: 5, name: d}\n- {type: flatten}\n- {type: dense, units: 10, name: e}\n" DATA;
    static const char *const names[] = {"c", "d", "e"};
    cnn_model *model = open_trained(text), *quantized = quantize(model);
    double gain = 1;
    for (size_t i = 0; i < 3; i++)
        gain = fmin(gain, range_gain(model, quantized, names[i]));
    if (gain > 0.95)
        fail_msg("no range is smaller than the extremes by what matters: %g", gain);
    cnn_model_free(model);
    cnn_model_free(quantized);
}

/* What batch_norm turns round is never above 0: the tail is on the other side. */
static void test_ranges_when_no_value_is_above_zero(void **state)
{
    (void)state;
    static const char text[] =
        "input: [3, 16, 16]\nlayers:\n"
        "- {type: conv, filters: 8, kernel_size: 3, activation: relu}\n"
        "- {type: conv, filters: 8, kernel_size: 3, activation: relu, name: a}\n"
        "- {type: batch_norm, name: b}\n"
        "- {type: conv, filters: 8, kernel_size: 3, name: c}\n- {type: flatten}\n"
        "- {type: dense, units: 10}\n" DATA;
    static const float norm[] = {-1, 0, 0, 1}; /* weight, bias, mean, variance */
    cnn_model *model = open_trained(text);
    const struct cnn_node *b = &model->graph.nodes[network_layer(model, "b")];
    for (size_t slot = 0; slot < 4; slot++)
        for (size_t i = 0; i < b->tensors[slot].count; i++)
            model->parameters[b->tensors[slot].offset + i] = norm[slot];
    cnn_model *quantized = quantize(model);
    double gain = range_gain(model, quantized, "c");
    if (gain > 0.98)
        fail_msg("the range is not smaller than the extremes by what matters: %g", gain);
    cnn_model_free(model);
    cnn_model_free(quantized);
}

static void test_plan_is_small_when_values_are_bytes(void **state)
{
    (void)state;
    cnn_model *model = open_trained(networks[0].text), *quantized = quantize(model);
    struct cnn_plan *floats = network_plan(model, 64, CNN_PLAN_INFER, false),
                    *bytes = network_plan(quantized, 64, CNN_PLAN_INFER, false);
    const struct cnn_call *second = cnn_plan_call(bytes, network_layer(quantized, "conv2")),
                          *dense = cnn_plan_call(bytes, network_layer(quantized, "dense1"));
    assert_true(second->node->execution == &second->node->quantization->execution &&
                second->node->x_bytes && second->node->y_bytes);
    assert_true(dense->node->execution == &dense->node->quantization->execution &&
                dense->node->x_bytes && dense->node->y_bytes);
    assert_false(cnn_plan_call(bytes, network_layer(quantized, "dense2"))->node->y_bytes);
    assert_true(cnn_plan_bytes(bytes) < cnn_plan_bytes(floats));
    cnn_plan_free(floats);
    cnn_plan_free(bytes);
    cnn_model_free(model);
    cnn_model_free(quantized);
}

/* Every kind of layer that computes with bytes or passes them on. */
static const char all_layers[] =
    "input: [3, 16, 16]\nlayers:\n"
    "- {type: conv, filters: 12, kernel_size: 3, padding: 1, activation: silu, name: a}\n"
    "- {type: depthwise_conv, kernel_size: 3, padding: 1, activation: relu6, name: b}\n"
    "- {type: global_pool, pool_type: avg}\n"
    "- {type: conv, filters: 12, kernel_size: 1, activation: hard_sigmoid, name: gate}\n"
    "- {type: mul, from: [b, gate], name: gated}\n"
    "- {type: add, from: [a, gated], activation: relu, name: sum}\n"
    "- {type: pool, pool_type: avg, kernel_size: 3, stride: 2, padding: 1, count_include_pad: "
    "false, name: mean}\n"
    "- {type: slice, from: mean, start: 2, end: 8}\n- {type: leaky_relu, name: leaky}\n"
    "- {type: concat, from: [mean, leaky], name: both}\n"
    "- {type: batch_norm, activation: relu, name: norm}\n- {type: shuffle, groups: 3}\n"
    "- {type: pool, pool_type: max, kernel_size: 2}\n- {type: upsample, scale: 2}\n"
    "- {type: pad, padding: 1}\n- {type: space_to_depth, block: 2}\n- {type: dropout}\n"
    "- {type: conv, filters: 16, kernel_size: 3, groups: 8, name: odd}\n- {type: flatten}\n"
    "- {type: dense, units: 10, name: end}\n- {type: softmax}\n" DATA;

/* No float between the image and the logits. */
static void test_values_stay_bytes_from_end_to_end(void **state)
{
    (void)state;
    cnn_model *model = open_trained(all_layers), *quantized = quantize(model);
    struct cnn_plan *plan = network_plan(quantized, 2, CNN_PLAN_INFER, false);
    const struct cnn_graph *graph = cnn_plan_graph(plan);
    size_t size = BATCH * cnn_model_outputs(model);
    for (size_t i = 0; i + 2 < graph->count; i++) {
        const struct cnn_node *node = cnn_plan_step(plan, i)->node;
        if (node->x_bytes != (i > 0) || !node->y_bytes)
            fail_msg("%s: bytes in %d, out %d", node->name, node->x_bytes, node->y_bytes);
    }
    assert_string_equal(graph->nodes[graph->count - 2].name, "end");
    float *want = outputs(model, CNN_PLAN_INFER), *got = outputs(quantized, CNN_PLAN_INFER);
    assert_floats_near("all layers", got, want, size, 0.1);
    tensor_free(want, size);
    tensor_free(got, size);
    cnn_plan_free(plan);
    cnn_model_free(model);
    cnn_model_free(quantized);
}

/* Files in which only conv and dense have ranges, and depthwise weights are floats. */
static void test_files_from_before_compute_with_floats_between(void **state)
{
    struct scratch *s = *state;
    static const char *const newer[] = {"b",    "global_pool1", "gated", "sum",
                                        "mean", "leaky",        "norm",  "odd"};
    cnn_model *model = open_trained(all_layers), *quantized = quantize(model), *old = NULL;
    struct cnn_safetensors *file;
    struct cnn_stored_tensor tensors[64];
    size_t count = 0, size = BATCH * cnn_model_outputs(model);
    assert_int_equal(cnn_model_write(quantized, scratch_path(s, "q.safetensors"), s->diag), CNN_OK);
    assert_int_equal(cnn_safetensors_open(s->path, &file, s->diag), CNN_OK);
    for (size_t i = 0; i < file->tensor_count; i++) {
        struct cnn_stored_tensor t = file->tensors[i];
        const char *suffix = strrchr(t.name, '.') + 1;
        bool is_newer = false;
        for (size_t k = 0; k < sizeof newer / sizeof *newer; k++)
            is_newer = is_newer || (strncmp(newer[k], t.name, strlen(newer[k])) == 0 &&
                                    t.name[strlen(newer[k])] == '.');
        if (is_newer && (strcmp(suffix, "input_range") == 0 || strcmp(suffix, "weight_scale") == 0))
            continue;
        if (is_newer && strcmp(t.dtype, "I8") == 0) {
            const struct cnn_node *node =
                &model->graph.nodes[network_layer(model, t.name[0] == 'b' ? "b" : "odd")];
            t.dtype = "F32";
            t.data = model->parameters + node->tensors[0].offset;
            t.bytes = node->tensors[0].count * sizeof(float);
        }
        tensors[count++] = t;
    }
    assert_int_equal(cnn_safetensors_write(scratch_path(s, "old.safetensors"), tensors, count,
                                           file->metadata, file->metadata_count, s->diag),
                     CNN_OK);
    cnn_safetensors_close(file);
    if (cnn_model_open(s->path, NULL, &old, s->diag) != CNN_OK)
        fail_msg("%s", cnn_diag_get(s->diag, 0)->text);
    assert_int_equal(old->tensor_count, count);
    struct cnn_plan *plan = network_plan(old, 1, CNN_PLAN_INFER, false);
    const struct cnn_node *sum = cnn_plan_call(plan, network_layer(old, "sum"))->node,
                          *end = cnn_plan_call(plan, network_layer(old, "end"))->node;
    assert_true(!sum->x_bytes && !sum->y_bytes && !end->x_bytes && end->x_range);
    float *want = outputs(model, CNN_PLAN_INFER), *got = outputs(old, CNN_PLAN_INFER);
    assert_floats_near("old file", got, want, size, 0.1);
    tensor_free(want, size);
    tensor_free(got, size);
    cnn_plan_free(plan);
    cnn_model_free(model);
    cnn_model_free(quantized);
    cnn_model_free(old);
}

/* A file may give the readers of one value ranges that differ: all of them then use the first
 * one's. */
static void test_readers_of_one_value_share_a_range(void **state)
{
    (void)state;
    cnn_model *model = open_trained(networks[1].text), *quantized = quantize(model);
    size_t size = BATCH * cnn_model_outputs(model),
           tensor = network_tensor(quantized, "d.input_range");
    struct cnn_plan *plan = network_plan(quantized, 1, CNN_PLAN_INFER, false);
    assert_true(cnn_plan_call(plan, network_layer(quantized, "d"))->node->x_bytes);
    cnn_plan_free(plan);
    float *want = outputs(quantized, CNN_PLAN_INFER), range[2];
    cnn_model_tensor_get(quantized, tensor, range, NULL);
    range[1] *= 2;
    cnn_model_tensor_set(quantized, tensor, range, NULL);
    float *got = outputs(quantized, CNN_PLAN_INFER);
    assert_floats_same("another range", got, want, size);
    tensor_free(want, size);
    tensor_free(got, size);
    cnn_model_free(model);
    cnn_model_free(quantized);
}

static void test_quantized_network_is_the_same_when_it_comes_back(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_trained(networks[0].text), *quantized = quantize(model), *back = NULL;
    size_t size = BATCH * cnn_model_outputs(model);
    assert_int_equal(cnn_model_write(quantized, scratch_path(s, "q.safetensors"), s->diag), CNN_OK);
    assert_int_equal(cnn_model_open(s->path, NULL, &back, s->diag), CNN_OK);
    assert_floats_same("parameters", back->parameters, quantized->parameters,
                       quantized->graph.parameter_floats);
    float *want = outputs(quantized, CNN_PLAN_INFER), *got = outputs(back, CNN_PLAN_INFER);
    assert_floats_same("outputs", got, want, size);
    struct cnn_safetensors *file;
    assert_int_equal(cnn_safetensors_open(s->path, &file, s->diag), CNN_OK);
    assert_string_equal(cnn_safetensors_find(file, "conv2.weight")->dtype, "I8");
    assert_string_equal(cnn_safetensors_find(file, "batch_norm1.weight")->dtype, "F32");
    cnn_safetensors_close(file);
    tensor_free(want, size);
    tensor_free(got, size);
    cnn_model_free(model);
    cnn_model_free(quantized);
    cnn_model_free(back);
}

/* Writes the file q.safetensors anew as f.safetensors, with these bytes for the tensor `name`
 * (NULL: without it), and expects it to be refused. */
static void expect_refused(struct scratch *s, const char *name, const char *dtype, const void *data,
                           size_t bytes, const char *text)
{
    struct cnn_safetensors *file;
    struct cnn_stored_tensor tensors[64];
    cnn_model *model = NULL;
    size_t count = 0;
    assert_int_equal(cnn_safetensors_open(scratch_path(s, "q.safetensors"), &file, s->diag),
                     CNN_OK);
    for (size_t i = 0; i < file->tensor_count; i++) {
        struct cnn_stored_tensor t = file->tensors[i];
        bool this = strcmp(t.name, name) == 0;
        if (this && !data)
            continue;
        if (this) {
            t.dtype = dtype;
            t.data = data;
            t.bytes = bytes;
        }
        tensors[count++] = t;
    }
    assert_int_equal(cnn_safetensors_write(scratch_path(s, "f.safetensors"), tensors, count,
                                           file->metadata, file->metadata_count, s->diag),
                     CNN_OK);
    cnn_safetensors_close(file);
    scratch_expect(s, cnn_model_open(s->path, NULL, &model, s->diag), text);
}

static void test_quantized_network_is_refused_when_its_numbers_make_no_sense(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_trained(networks[0].text), *quantized = quantize(model);
    static const float zeros[512], nan_range[2] = {0, NAN}, reversed[2] = {1, -1},
                                   above[2] = {1, 2}, wide[2] = {-3e38f, 3e38f};
    static const float weights[16 * 27];
    float scale[16];
    assert_int_equal(cnn_model_write(quantized, scratch_path(s, "q.safetensors"), s->diag), CNN_OK);
    expect_refused(s, "conv1.weight", "F32", weights, sizeof weights,
                   "DIR/f.safetensors: tensor 'conv1.weight' is F32 [16, 3, 3, 3]; the description "
                   "wants I8 [16, 3, 3, 3]");
    expect_refused(
        s, "conv1.weight_scale", NULL, NULL, 0,
        "DIR/f.safetensors has no tensor 'conv1.weight_scale', which the description wants");
    expect_refused(
        s, "conv1.input_range", NULL, NULL, 0,
        "DIR/f.safetensors has no tensor 'conv1.input_range', which the description wants");
    expect_refused(s, "conv1.weight_scale", "F32", zeros, 64,
                   "DIR/f.safetensors: tensor 'conv1.weight_scale': a scale is no positive number");
    for (size_t i = 0; i < 5; i++) {
        static const float wrong[5] = {-1, NAN, INFINITY, 1e-40f, 1e38f};
        for (size_t f = 0; f < 16; f++)
            scale[f] = f == 15 ? wrong[i] : 1;
        expect_refused(
            s, "conv1.weight_scale", "F32", scale, 64,
            "DIR/f.safetensors: tensor 'conv1.weight_scale': a scale is no positive number");
    }
    const float *const ranges[] = {zeros, nan_range, reversed, above, wide};
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        expect_refused(
            s, "dense2.input_range", "F32", ranges[i], 8,
            "DIR/f.safetensors: tensor 'dense2.input_range': it is no range of numbers around 0");
    cnn_model_free(model);
    cnn_model_free(quantized);
}

static void expect_invalid(cnn_diag *diag, cnn_status status, const char *text)
{
    assert_int_equal(status, CNN_INVALID);
    assert_string_equal(cnn_diag_get(diag, 0)->text, text);
    cnn_diag_clear(diag);
}

static void test_quantize_says_why_when_it_cannot(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_trained(networks[0].text), *quantized = quantize(model), *out = NULL;
    cnn_model *bare = network_open(
        "name: a\ninput: [3, 16, 16]\nlayers: [{type: conv, filters: 2, kernel_size: 3}]\n");
    cnn_model *floats = network_open("name: b\ninput: [3, 16, 16]\nlayers: [{type: conv_transpose, "
                                     "filters: 2, kernel_size: 3}]\n" DATA);
    struct cnn_step step;
    expect_invalid(s->diag, cnn_quantize(quantized, NULL, &out, s->diag),
                   "test.yaml is in int8 already");
    expect_invalid(s->diag, cnn_quantize(bare, NULL, &out, s->diag),
                   "test.yaml has no data section, so there is nothing to calibrate on");
    expect_invalid(
        s->diag, cnn_quantize(floats, NULL, &out, s->diag),
        "test.yaml has no layer that can be computed in int8 (conv, depthwise_conv, dense)");
    expect_invalid(s->diag, cnn_step_open(quantized, quantized->parameters, 1, &step, s->diag),
                   "test.yaml has `precision: int8`, which is for inference alone");
    model->parameters[model->graph.nodes[0].tensors[0].offset] = INFINITY;
    scratch_expect(s, cnn_quantize(model, NULL, &out, s->diag),
                   "test.yaml: tensor 'conv1.weight': number 1 of 432 is not finite");
    assert_null(out);
    cnn_model_free(model);
    cnn_model_free(quantized);
    cnn_model_free(bare);
    cnn_model_free(floats);
}

int main(int argc, char **argv)
{
    (void)argc;
    if (!getenv("CNN_CPU"))
        return network_run_each(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quantize_gives_nearly_the_same_answers),
        cmocka_unit_test(test_ranges_cut_off_what_costs_least),
        cmocka_unit_test(test_ranges_when_no_value_is_above_zero),
        cmocka_unit_test(test_plan_is_small_when_values_are_bytes),
        cmocka_unit_test(test_values_stay_bytes_from_end_to_end),
        cmocka_unit_test_setup_teardown(test_files_from_before_compute_with_floats_between,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test(test_readers_of_one_value_share_a_range),
        cmocka_unit_test_setup_teardown(test_quantized_network_is_the_same_when_it_comes_back,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(
            test_quantized_network_is_refused_when_its_numbers_make_no_sense, scratch_setup,
            scratch_teardown),
        cmocka_unit_test_setup_teardown(test_quantize_says_why_when_it_cannot, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
