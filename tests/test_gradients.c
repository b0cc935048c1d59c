/* Every layer's backward against finite differences. With L = sum of r * y for a fixed random r,
 * the gradient at a value v is checked against (L(v + h) - L(v - h)) / 2h, L summed in double.
 * Where a function has kinks (relu, maxima) inputs are kept further than h from them: a difference
 * across one means nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compare.h"
#include "networks.h"

#define BATCH 3
/* h trades the error of the difference, of order h^2, against float32's rounding of y, of order
 * 1e-7 / h: both are then near 1e-4. */
#define STEP  0.01
#define BOUND 2e-3 /* of the tensor's largest gradient */
#define SEED  7    /* of dropout */
/* places checked of one tensor, spread over it: enough to meet every tap, channel and border */
#define MOST 160

enum inputs {
    RANDOM, /* in [-1, 1): for smooth functions */
    SPREAD  /* odd multiples of 1/32, none twice: kinks are out of reach of h */
};

struct gradient_case {
    const char *types; /* layer types that this is the case of */
    const char *input, *layers;
    enum inputs inputs;
};

static const struct gradient_case cases[] = {
    {"conv", "[3, 6, 5]", "  - {type: conv, filters: 4, kernel_size: 3}\n", RANDOM},
    {"conv", "[3, 7, 6]",
     "  - {type: conv, filters: 5, kernel_size: [3, 2], stride: [2, 1], padding: [1, 0], bias: "
     "false}\n",
     RANDOM},
    {"conv", "[2, 7, 7]", "  - {type: conv, filters: 3, kernel_size: 3, dilation: 2, padding: 2}\n",
     RANDOM},
    {"conv", "[4, 5, 5]",
     "  - {type: conv, filters: 6, kernel_size: 3, groups: 2, padding: same}\n", RANDOM},
    {"conv", "[4, 7, 6]",
     "  - {type: conv, filters: 4, kernel_size: 3, groups: 2, stride: 2, dilation: 2, padding: "
     "same}\n",
     RANDOM},
    {"conv", "[3, 6, 6]",
     "  - {type: conv, filters: 4, kernel_size: 4, padding: same, stride: 2}\n", RANDOM},
    {"conv", "[3, 6, 6]", "  - {type: conv, filters: 4, kernel_size: 3, padding: [0, 1, 2, 1]}\n",
     RANDOM},
    {"conv", "[2, 5, 6]",
     "  - {type: conv, filters: 3, kernel_size: 3, padding: 2, padding_mode: reflect}\n", RANDOM},
    {"conv", "[2, 5, 6]",
     "  - {type: conv, filters: 3, kernel_size: 3, padding: 2, padding_mode: replicate, stride: "
     "2}\n",
     RANDOM},
    {"conv", "[17, 3, 3]", "  - {type: conv, filters: 19, kernel_size: 1}\n", RANDOM},
    {"conv", "[8, 9, 9]", "  - {type: conv, filters: 16, kernel_size: 3, padding: 1}\n", RANDOM},
    {"conv", "[1, 9, 9]", "  - {type: conv, filters: 8, kernel_size: 5, stride: 4}\n", RANDOM},
    {"conv", "[2, 4, 4]", "  - {type: conv, filters: 3, kernel_size: 3, activation: elu}\n",
     RANDOM},
    {"conv", "[2, 4, 4]", "  - {type: conv, filters: 3, kernel_size: 3, activation: sigmoid}\n",
     RANDOM},
    {"conv", "[2, 4, 4]", "  - {type: conv, filters: 3, kernel_size: 3, activation: tanh}\n",
     RANDOM},
    {"conv", "[2, 4, 4]", "  - {type: conv, filters: 3, kernel_size: 3, activation: gelu}\n",
     RANDOM},
    {"conv", "[2, 4, 4]", "  - {type: conv, filters: 3, kernel_size: 3, activation: silu}\n",
     RANDOM},
    {"conv", "[2, 4, 4]",
     "  - {type: conv, filters: 3, kernel_size: 3, activation: softmax}\n  - {type: conv, filters: "
     "2, kernel_size: 1}\n",
     RANDOM},
    /* One weight and no bias: the activation's input is a multiple of the picture, away from its
       kinks. */
    {"conv", "[1, 4, 4]",
     "  - {type: conv, filters: 1, kernel_size: 1, activation: relu, weights: {kernel: [[1]]}}\n",
     SPREAD},
    {"conv", "[1, 4, 4]",
     "  - {type: conv, filters: 1, kernel_size: 1, activation: relu6, weights: {kernel: [[4]]}}\n",
     SPREAD},
    {"conv", "[1, 4, 4]",
     "  - {type: conv, filters: 1, kernel_size: 1, activation: leaky_relu, weights: {kernel: "
     "[[1]]}}\n",
     SPREAD},
    {"conv", "[1, 4, 4]",
     "  - {type: conv, filters: 1, kernel_size: 1, activation: hardswish, weights: {kernel: "
     "[[4]]}}\n",
     SPREAD},
    {"conv", "[1, 4, 4]",
     "  - {type: conv, filters: 1, kernel_size: 1, activation: hard_sigmoid, weights: {kernel: "
     "[[4]]}}\n",
     SPREAD},
    {"conv", "[2, 4, 4]", "  - {type: conv, filters: 3, kernel_size: 3, activation: mish}\n",
     RANDOM},
    {"depthwise_conv", "[5, 6, 6]",
     "  - {type: depthwise_conv, kernel_size: 3, padding: 1, stride: 2}\n", RANDOM},
    {"depthwise_conv", "[3, 5, 5]",
     "  - {type: depthwise_conv, kernel_size: 3, multiplier: 2, activation: silu}\n", RANDOM},
    {"conv_transpose", "[3, 4, 5]", "  - {type: conv_transpose, filters: 4, kernel_size: 3}\n",
     RANDOM},
    {"conv_transpose", "[4, 3, 4]",
     "  - {type: conv_transpose, filters: 6, kernel_size: [3, 2], stride: [2, 3], padding: [1, 0], "
     "groups: 2, bias: false}\n",
     RANDOM},
    {"conv_transpose", "[5, 4, 3]",
     "  - {type: conv_transpose, filters: 3, kernel_size: 3, stride: 2, padding: 1, "
     "output_padding: 1, activation: silu}\n",
     RANDOM},
    {"conv_transpose", "[2, 3, 3]",
     "  - {type: conv_transpose, filters: 3, kernel_size: 2, dilation: 3, stride: 2, padding: [0, "
     "1, 2, 1], activation: tanh}\n",
     RANDOM},
    {"conv_transpose", "[8, 5, 5]",
     "  - {type: conv_transpose, filters: 8, kernel_size: 3, padding: 1, groups: 8, activation: "
     "sigmoid}\n",
     RANDOM},
    {"conv_transpose", "[17, 3, 3]",
     "  - {type: conv_transpose, filters: 19, kernel_size: 1, stride: 2, activation: mish}\n",
     RANDOM},
    {"conv_transpose", "[2, 3, 3]",
     "  - {type: conv_transpose, filters: 3, kernel_size: 2, activation: softmax}\n  - {type: "
     "conv, filters: 2, kernel_size: 1}\n",
     RANDOM},
    {"pool", "[3, 4, 4]", "  - {type: pool, pool_type: max, kernel_size: 2}\n", SPREAD},
    {"pool", "[2, 5, 5]",
     "  - {type: pool, pool_type: max, kernel_size: 3, stride: 2, padding: 1}\n", SPREAD},
    {"pool", "[2, 6, 6]",
     "  - {type: pool, pool_type: max, kernel_size: 3, stride: 2, ceil_mode: true}\n", SPREAD},
    {"pool", "[3, 4, 4]", "  - {type: pool, pool_type: avg, kernel_size: 2}\n", RANDOM},
    {"pool", "[3, 5, 5]",
     "  - {type: pool, pool_type: avg, kernel_size: 3, stride: 2, padding: 1}\n", RANDOM},
    {"pool", "[3, 6, 6]",
     "  - {type: pool, pool_type: avg, kernel_size: 3, stride: 2, padding: 1, ceil_mode: true, "
     "count_include_pad: false}\n",
     RANDOM},
    /* windows larger than their input */
    {"pool", "[3, 2, 7]",
     "  - {type: pool, pool_type: max, kernel_size: 3, stride: 3, ceil_mode: true}\n", SPREAD},
    {"pool", "[3, 5, 1]",
     "  - {type: pool, pool_type: avg, kernel_size: 3, stride: 3, ceil_mode: true}\n", RANDOM},
    {"global_pool", "[3, 4, 5]", "  - {type: global_pool, pool_type: avg}\n", RANDOM},
    {"global_pool", "[3, 3, 5]", "  - {type: global_pool, pool_type: max}\n", SPREAD},
    {"flatten dense", "[3, 3, 4]", "  - {type: flatten}\n  - {type: dense, units: 5}\n", RANDOM},
    {"dense", "[7, 1, 1]",
     "  - {type: flatten}\n  - {type: dense, units: 3, bias: false, activation: tanh}\n  - {type: "
     "dense, units: 4, activation: gelu}\n",
     RANDOM},
    {"dense softmax", "[7, 1, 1]",
     "  - {type: flatten}\n  - {type: dense, units: 5, activation: softmax}\n", RANDOM},
    {"batch_norm", "[4, 3, 3]", "  - {type: batch_norm}\n", RANDOM},
    {"batch_norm", "[4, 2, 2]", "  - {type: batch_norm, activation: sigmoid}\n", RANDOM},
    {"batch_norm", "[4, 2, 2]", "  - {type: batch_norm, activation: gelu}\n", RANDOM},
    {"batch_norm", "[21, 2, 2]", "  - {type: batch_norm, activation: silu}\n", RANDOM},
    {"batch_norm", "[4, 2, 2]",
     "  - {type: batch_norm, activation: softmax}\n  - {type: conv, filters: 2, kernel_size: 1}\n",
     RANDOM},
    {"batch_norm", "[9, 1, 1]", "  - {type: flatten}\n  - {type: batch_norm, eps: 0.01}\n", RANDOM},
    {"relu", "[3, 4, 4]", "  - {type: relu}\n", SPREAD},
    {"relu6", "[3, 8, 8]", "  - {type: relu6}\n", SPREAD},
    {"leaky_relu", "[3, 4, 4]", "  - {type: leaky_relu, negative_slope: 0.2}\n", SPREAD},
    {"elu", "[3, 4, 4]", "  - {type: elu}\n", RANDOM},
    {"sigmoid", "[3, 4, 4]", "  - {type: sigmoid}\n", RANDOM},
    {"tanh", "[3, 4, 4]", "  - {type: tanh}\n", RANDOM},
    {"gelu", "[3, 4, 4]", "  - {type: gelu}\n", RANDOM},
    {"silu", "[3, 4, 4]", "  - {type: silu}\n", RANDOM},
    {"hardswish", "[3, 8, 8]", "  - {type: hardswish}\n", SPREAD},
    {"hard_sigmoid", "[3, 8, 8]", "  - {type: hard_sigmoid}\n", SPREAD},
    {"mish", "[3, 4, 4]", "  - {type: mish}\n", RANDOM},
    {"clip", "[3, 8, 8]", "  - {type: clip, min: -1.5, max: 2.5}\n", SPREAD},
    {"softmax", "[5, 3, 3]", "  - {type: softmax}\n  - {type: conv, filters: 2, kernel_size: 1}\n",
     RANDOM},
    {"softmax", "[6, 1, 1]", "  - {type: flatten}\n  - {type: softmax}\n", RANDOM},
    {"lrn", "[7, 3, 3]", "  - {type: lrn, size: 3, alpha: 0.5, beta: 0.75, k: 2}\n", RANDOM},
    {"lrn", "[4, 2, 2]", "  - {type: lrn, alpha: 0.3}\n", RANDOM},
    {"dropout", "[4, 4, 4]", "  - {type: dropout, rate: 0.4}\n", RANDOM},
    {"dropout", "[4, 4, 4]",
     "  - {type: conv, filters: 4, kernel_size: 1}\n  - {type: dropout}\n  - {type: dropout, rate: "
     "0.2}\n",
     RANDOM},
    {"mul", "[3, 4, 4]", "  - {type: mul, from: [input, input]}\n", RANDOM},
    {"mul", "[19, 3, 3]",
     "  - {type: tanh, name: a}\n  - {type: conv, filters: 19, kernel_size: 1, name: b}\n  - "
     "{type: mul, from: [a, b], activation: silu}\n",
     RANDOM},
    {"mul", "[6, 4, 3]",
     "  - {type: conv, filters: 18, kernel_size: 1, name: a}\n  - {type: global_pool, pool_type: "
     "avg}\n  - {type: conv, filters: 18, kernel_size: 1, activation: sigmoid, name: g}\n  - "
     "{type: mul, from: [a, g]}\n",
     RANDOM},
    {"mul", "[6, 4, 3]",
     "  - {type: sigmoid, name: a}\n  - {type: flatten}\n  - {type: dense, units: 6, name: g}\n  - "
     "{type: mul, from: [a, g], activation: tanh}\n",
     RANDOM},
    {"mul", "[6, 4, 3]",
     "  - {type: sigmoid, name: a}\n  - {type: global_pool, pool_type: avg}\n  - {type: mul, from: "
     "[a, global_pool1]}\n  - {type: elu}\n",
     RANDOM},
    {"scale", "[5, 3, 3]", "  - {type: scale}\n", RANDOM},
    {"scale", "[17, 3, 4]", "  - {type: scale, bias: true, init: 0.5}\n  - {type: gelu}\n", RANDOM},
    {"scale", "[17, 3, 4]", "  - {type: scale, bias: true, activation: mish}\n", RANDOM},
    {"scale", "[4, 2, 2]",
     "  - {type: scale, bias: true, activation: softmax}\n  - {type: conv, filters: 2, "
     "kernel_size: 1}\n",
     RANDOM},
    {"scale", "[9, 1, 1]",
     "  - {type: flatten}\n  - {type: scale, bias: true, activation: sigmoid}\n", RANDOM},
    {"layer_norm", "[7, 3, 3]", "  - {type: layer_norm}\n", RANDOM},
    {"layer_norm", "[21, 2, 2]", "  - {type: layer_norm, affine: false, eps: 0.01}\n", RANDOM},
    {"layer_norm", "[9, 1, 1]", "  - {type: flatten}\n  - {type: layer_norm}\n", RANDOM},
    {"group_norm", "[6, 3, 3]", "  - {type: group_norm, groups: 3}\n", RANDOM},
    {"group_norm", "[20, 2, 3]", "  - {type: group_norm, groups: 1, eps: 0.01}\n", RANDOM},
    {"group_norm", "[4, 3, 3]", "  - {type: group_norm, groups: 4, affine: false}\n", RANDOM},
    {"slice", "[7, 3, 3]", "  - {type: slice, start: 2, end: 5}\n", RANDOM},
    {"slice", "[7, 3, 3]",
     "  - {type: slice, end: 3, name: a}\n  - {type: slice, start: 1, from: input}\n  - {type: "
     "conv, filters: 2, kernel_size: 1}\n  - {type: concat, from: [conv1, a]}\n",
     RANDOM},
    {"shuffle", "[12, 3, 3]", "  - {type: shuffle, groups: 3}\n", RANDOM},
    {"drop_path", "[4, 3, 3]", "  - {type: drop_path, rate: 0.4}\n", RANDOM},
    {"drop_path", "[4, 3, 3]",
     "  - {type: conv, filters: 4, kernel_size: 1}\n  - {type: drop_path, rate: 0.5}\n  - {type: "
     "drop_path, rate: 0.3}\n",
     RANDOM},
    {"prelu", "[3, 4, 4]", "  - {type: prelu}\n", SPREAD},
    {"prelu", "[3, 4, 4]", "  - {type: prelu, shared: true, init: -0.5}\n", SPREAD},
    {"pad", "[3, 4, 3]", "  - {type: pad, padding: [1, 0, 2, 3]}\n", RANDOM},
    {"pad", "[3, 4, 3]", "  - {type: pad, padding: [3, 1, 2, 1], padding_mode: reflect}\n", RANDOM},
    {"pad", "[3, 4, 3]", "  - {type: pad, padding: [0, 5, 2, 1], padding_mode: replicate}\n",
     RANDOM},
    {"upsample", "[3, 4, 3]", "  - {type: upsample, scale: [2, 3]}\n", RANDOM},
    {"upsample", "[3, 4, 5]", "  - {type: upsample, size: [7, 3]}\n", RANDOM},
    {"upsample", "[3, 4, 3]", "  - {type: upsample, scale: 2, mode: bilinear}\n", RANDOM},
    {"upsample", "[3, 4, 5]",
     "  - {type: upsample, size: [7, 3], mode: bilinear, align_corners: true}\n", RANDOM},
    {"depth_to_space", "[12, 2, 3]", "  - {type: depth_to_space, block: 2}\n", RANDOM},
    {"depth_to_space", "[12, 2, 3]", "  - {type: depth_to_space, block: 2, order: place}\n",
     RANDOM},
    {"space_to_depth", "[2, 4, 6]", "  - {type: space_to_depth, block: 2}\n", RANDOM},
    {"space_to_depth", "[2, 3, 6]", "  - {type: space_to_depth, block: 3, order: place}\n", RANDOM},
    {"flatten", "[3, 2, 4]", "  - {type: flatten}\n", RANDOM},
    {"flatten", "[1, 3, 4]", "  - {type: flatten}\n", RANDOM},
    {"add", "[3, 3, 3]", "  - {type: add, from: [input, input]}\n", RANDOM},
    {"add", "[3, 3, 3]",
     "  - {type: tanh, name: a}\n  - {type: conv, filters: 3, kernel_size: 1, name: b}\n  - {type: "
     "add, from: [a, b, a, input], activation: silu}\n",
     RANDOM},
    {"add", "[1, 4, 4]", "  - {type: add, from: [input, input, input], activation: relu}\n",
     SPREAD},
    {"add", "[3, 2, 2]",
     "  - {type: add, from: [input, input], activation: softmax}\n  - {type: sigmoid}\n", RANDOM},
    {"concat", "[2, 3, 3]",
     "  - {type: tanh, name: a}\n  - {type: conv, filters: 3, kernel_size: 1, name: b}\n  - {type: "
     "concat, from: [b, input, a, b]}\n",
     RANDOM},
    {"concat", "[4, 1, 1]",
     "  - {type: flatten, name: a}\n  - {type: dense, units: 3, name: b}\n  - {type: concat, from: "
     "[a, b]}\n  - {type: dense, units: 2}\n",
     RANDOM},
    /* Values that several layers read, and chains that are computed in place. */
    {"conv", "[2, 4, 4]",
     "  - {type: conv, filters: 3, kernel_size: 3, padding: 1, name: stem}\n  - {type: sigmoid, "
     "name: a}\n"
     "  - {type: conv, filters: 3, kernel_size: 1, from: stem, name: b}\n  - {type: tanh, from: "
     "stem, name: c}\n"
     "  - {type: add, from: [a, b, c, stem], name: sum}\n  - {type: add, from: [sum, stem]}\n",
     RANDOM},
    {"conv", "[2, 4, 4]",
     "  - {type: conv, filters: 4, kernel_size: 3, padding: 1, bias: false}\n  - {type: "
     "batch_norm}\n  - {type: elu}\n  - {type: dropout, rate: "
     "0.3}\n"
     "  - {type: conv, filters: 2, kernel_size: 3}\n  - {type: sigmoid}\n  - {type: dropout, rate: "
     "0.2}\n  - {type: tanh}\n  - {type: flatten}\n"
     "  - {type: dense, units: 3}\n",
     RANDOM},
    {"relu", "[3, 3, 3]",
     "  - {type: leaky_relu}\n  - {type: relu}\n  - {type: relu}\n  - {type: dropout, rate: 0.3}\n",
     SPREAD},
    {"conv", "[2, 4, 4]",
     "  - {type: conv, filters: 3, kernel_size: 1, name: a}\n  - {type: conv, filters: 5, "
     "kernel_size: 1, name: dead}\n  - {type: tanh, from: a}\n",
     RANDOM},
};

struct check {
    const struct gradient_case *what;
    cnn_model *model;
    struct cnn_plan *plan;
    /* else with running statistics and without dropout, as pictures of a trained network want it */
    bool training;
    size_t in_size, out_size;
    float *x, *r; /* NHWC; r weighs the outputs */
};

/* In an order that looks random, each once: 37 and the sizes share no factor. */
static float spread_value(size_t i, size_t size)
{
    size_t rank = i * 37 % size;
    float value = ((float)rank + 0.5f) / 16;
    return rank % 2 == 0 ? value : -value;
}

static void check_open(struct check *c, const struct gradient_case *what, bool training)
{
    *c = (struct check){.what = what,
                        .training = training,
                        .model = network_open_layers(what->input, what->layers)};
    const struct cnn_graph *graph = &c->model->graph;
    c->plan = network_plan(c->model, BATCH, CNN_PLAN_TRAIN, true);
    c->in_size = BATCH * cnn_shape_count(graph->input);
    c->out_size = BATCH * cnn_shape_count(cnn_graph_shape(graph, cnn_graph_output(graph)));
    c->x = tensor_random(c->in_size, 1);
    c->r = tensor_random(c->out_size, 2);
    for (size_t i = 0; what->inputs == SPREAD && i < c->in_size; i++)
        c->x[i] = spread_value(i, c->in_size);
    /* Scales and variances of 1, shifts and means of 0 would hide mistakes. */
    for (size_t i = 0; i < c->model->tensor_count; i++) {
        const struct cnn_tensor_place *place = &c->model->tensors[i];
        bool literal = strstr(what->layers, "weights:") != NULL;
        for (size_t k = 0; !literal && place->tensor->rank == 1 && k < place->tensor->count; k++)
            c->model->parameters[place->tensor->offset + k] +=
                0.3f * (float)(k % 5) - (place->trainable ? 0.5f : 0.1f);
    }
}

static void check_close(struct check *c)
{
    tensor_free(c->x, c->in_size);
    tensor_free(c->r, c->out_size);
    cnn_plan_free(c->plan);
    cnn_model_free(c->model);
}

static double compute_loss(struct check *c)
{
    memcpy(cnn_plan_input(c->plan), c->x, c->in_size * sizeof(float));
    cnn_plan_parameters_changed(c->plan);
    cnn_plan_forward(c->plan, BATCH, c->training, SEED);
    const float *y = cnn_plan_value(c->plan, cnn_graph_output(&c->model->graph));
    double sum = 0;
    for (size_t i = 0; i < c->out_size; i++)
        sum += (double)c->r[i] * (double)y[i];
    return sum;
}

/* Compares the gradient of the values (of the model's parameters or of x) with differences at up to
 * MOST places. */
static void check_tensor(struct check *c, const char *name, float *values, const float *gradient,
                         size_t count)
{
    double largest = 0;
    size_t stride = count > MOST ? count / MOST | 1 : 1;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)gradient[i]));
    for (size_t i = 0; i < count; i += stride) {
        const float kept = values[i], up = kept + (float)STEP, down = kept - (float)STEP;
        values[i] = up;
        double above = compute_loss(c);
        values[i] = down;
        double below = compute_loss(c);
        values[i] = kept;
        double difference = (above - below) / ((double)up - (double)down),
               error = fabs(difference - (double)gradient[i]);
        if (!(error <= BOUND * fmax(largest, 0.1)))
            fail_msg("%s%s[%zu]: backward gives %.6g, the difference %.6g (largest %.3g)",
                     c->what->layers, name, i, (double)gradient[i], difference, largest);
    }
}

static void compare_with_differences(const struct gradient_case *what, bool training)
{
    struct check c;
    check_open(&c, what, training);
    const struct cnn_graph *graph = &c.model->graph;
    size_t last = cnn_graph_output(graph);
    compute_loss(&c);
    memcpy(cnn_plan_gradient(c.plan, last), c.r, c.out_size * sizeof(float));
    cnn_plan_backward(c.plan, BATCH, last);
    float *dx = tensor_new(c.in_size), *gradients = tensor_new(graph->parameter_floats + 1);
    memcpy(dx, cnn_plan_gradient(c.plan, 0), c.in_size * sizeof(float));
    if (graph->parameter_floats > 0)
        memcpy(gradients, cnn_plan_parameter_gradients(c.plan),
               graph->parameter_floats * sizeof(float));
    check_tensor(&c, "input", c.x, dx, c.in_size);
    for (size_t i = 0; i < c.model->tensor_count; i++) {
        const struct cnn_tensor_place *place = &c.model->tensors[i];
        if (place->trainable)
            check_tensor(&c, place->name, c.model->parameters + place->tensor->offset,
                         gradients + place->tensor->offset, place->tensor->count);
    }
    tensor_free(dx, c.in_size);
    tensor_free(gradients, graph->parameter_floats + 1);
    check_close(&c);
}

static void test_backward_agrees_with_differences(void **state)
{
    compare_with_differences(*state, true);
    compare_with_differences(*state, false);
}

static void test_every_layer_type_has_a_case(void **state)
{
    const char *types[sizeof cases / sizeof *cases];
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        types[i] = cases[i].types;
    network_expect_types(types, sizeof cases / sizeof *cases, "gradient");
}

int main(void)
{
    enum { CASES = sizeof cases / sizeof *cases };
    static char names[CASES][64];
    struct CMUnitTest tests[CASES + 1] = {cmocka_unit_test(test_every_layer_type_has_a_case)};
    for (size_t i = 0; i < CASES; i++) {
        snprintf(names[i], sizeof names[i], "test_backward_agrees_with_differences %zu (%s)", i,
                 cases[i].types);
        tests[i + 1] = (struct CMUnitTest){names[i], test_backward_agrees_with_differences, NULL,
                                           NULL, (void *)(uintptr_t)&cases[i]};
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
