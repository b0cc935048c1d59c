/* Plans in bf16 store values as bfloat16 where their layers can, and their gradients are
 * those of float32 but for rounding. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "compare.h"
#include "graph/plan_internal.h"
#include "networks.h"
#include "util/random.h"

#define BATCH 6

static void skip_without(void)
{
    if (cnn_kernels()->halves)
        return;
    print_message("skipped: this CPU has no instructions for bfloat16\n");
    skip();
}

/* The network of these layers, all of whose parameters are random. */
static cnn_model *open_network(const char *precision, const char *layers)
{
    char text[4096];
    const int size = snprintf(text, sizeof text, "input: [3, 20, 20]\nprecision: %s\nlayers:\n%s",
                              precision, layers);
    assert_true(size > 0 && (size_t)size < sizeof text);
    cnn_model *model = network_open(text);
    network_stir(model);
    return model;
}

struct gradients {
    float *all;
    size_t count;
};

/* Of one step from the gradient of the output on. */
static struct gradients train(cnn_model *model)
{
    struct cnn_plan *plan = network_plan(model, BATCH, CNN_PLAN_TRAIN, false);
    const size_t last = cnn_graph_output(&model->graph),
                 inputs = BATCH * cnn_shape_count(cnn_graph_shape(&model->graph, 0)),
                 outputs = BATCH * cnn_shape_count(cnn_graph_shape(&model->graph, last));
    struct gradients g = {.count = model->graph.parameter_floats};
    float *x = tensor_random(inputs, 7), *dy = tensor_random(outputs, 8);
    memcpy(cnn_plan_input(plan), x, inputs * sizeof *x);
    cnn_plan_forward(plan, BATCH, true, 3);
    memcpy(cnn_plan_gradient(plan, last), dy, outputs * sizeof *dy);
    cnn_plan_backward(plan, BATCH, last);
    g.all = tensor_new(g.count);
    memcpy(g.all, cnn_plan_parameter_gradients(plan), g.count * sizeof *g.all);
    tensor_free(x, inputs);
    tensor_free(dy, outputs);
    cnn_plan_free(plan);
    return g;
}

/* The output of inference. */
static float *infer(cnn_model *model, size_t *count)
{
    struct cnn_plan *plan = network_plan(model, BATCH, CNN_PLAN_INFER, false);
    const size_t last = cnn_graph_output(&model->graph),
                 inputs = BATCH * cnn_shape_count(cnn_graph_shape(&model->graph, 0));
    float *x = tensor_random(inputs, 7);
    *count = BATCH * cnn_shape_count(cnn_graph_shape(&model->graph, last));
    float *y = tensor_new(*count);
    memcpy(cnn_plan_input(plan), x, inputs * sizeof *x);
    cnn_plan_forward(plan, BATCH, false, 0);
    memcpy(y, cnn_plan_value(plan, last), *count * sizeof *y);
    tensor_free(x, inputs);
    cnn_plan_free(plan);
    return y;
}

static void check_inference(cnn_model *model, cnn_model *floats, const char *layers,
                            double tolerance)
{
    size_t count;
    float *got = infer(model, &count), *want = infer(floats, &count);
    double length = 0, difference = 0;
    for (size_t i = 0; i < count; i++) {
        length += pow((double)want[i], 2);
        difference += pow((double)got[i] - (double)want[i], 2);
    }
    if (!(sqrt(difference) < tolerance * sqrt(length)))
        fail_msg("outputs are off by %g of their length: more than rounding explains, in\n%s",
                 sqrt(difference / length), layers);
    tensor_free(got, count);
    tensor_free(want, count);
}

/* The length of a node's gradients, and of their difference. */
static void measure(const struct cnn_node *node, const struct gradients *got,
                    const struct gradients *want, double *length, double *difference)
{
    double squares[2] = {0};
    for (size_t slot = 0; cnn_slot_find(node, &slot); slot++) {
        const struct cnn_tensor *t = &node->tensors[slot];
        for (size_t k = t->offset; cnn_role_trained(t->role) && k < t->offset + t->count; k++) {
            squares[0] += pow((double)want->all[k], 2);
            squares[1] += pow((double)got->all[k] - (double)want->all[k], 2);
        }
    }
    *length = sqrt(squares[0]);
    *difference = sqrt(squares[1]);
}

/* How far the gradients of each layer lie from those of float32, as a share of their length, at
 * most; but a layer's that are hardest to tell from 0 are measured by the longest. */
static double largest_difference(const cnn_model *model, const struct gradients *got,
                                 const struct gradients *want)
{
    double longest = 0, largest = 0, length, difference;
    for (size_t i = 0; i < model->graph.count; i++) {
        measure(&model->graph.nodes[i], got, want, &length, &difference);
        longest = length > longest ? length : longest;
    }
    for (size_t i = 0; i < model->graph.count; i++) {
        measure(&model->graph.nodes[i], got, want, &length, &difference);
        const double share = difference / fmax(length, longest / 50);
        if (!(share <= largest))
            largest = share;
    }
    return largest;
}

static void check_close(const char *layers, double tolerance)
{
    cnn_model *model = open_network("bf16", layers), *floats = open_network("fp32", layers);
    struct gradients got = train(model), want = train(floats);
    const double difference = largest_difference(model, &got, &want);
    if (!(difference < tolerance))
        fail_msg("gradients are off by %g of their length: more than rounding explains, in\n%s",
                 difference, layers);
    check_inference(model, floats, layers, tolerance);
    for (int threads = 1; threads < 4; threads += 2) {
        cnn_set_threads(threads);
        struct gradients again = train(model);
        assert_floats_same("gradients, other threads", again.all, got.all, got.count);
        tensor_free(again.all, again.count);
    }
    cnn_set_threads(0);
    tensor_free(got.all, got.count);
    tensor_free(want.all, want.count);
    cnn_model_free(model);
    cnn_model_free(floats);
}

static const char residual[] =
    "  - {name: conv1, type: conv, filters: 16, kernel_size: 3, padding: 1, stride: 1}\n"
    "  - {name: bn1, type: batch_norm, activation: relu}\n"
    "  - {name: pool1, type: pool, pool_type: max, kernel_size: 3, stride: 2, padding: 1}\n"
    "  - {name: conv2, type: conv, filters: 16, kernel_size: 3, padding: 1, bias: false}\n"
    "  - {name: bn2, type: batch_norm, activation: relu}\n"
    "  - {name: conv3, type: conv, filters: 16, kernel_size: 1}\n"
    "  - {name: bn3, type: batch_norm}\n"
    "  - {name: sum, type: add, from: [bn3, pool1], activation: relu}\n"
    "  - {name: wide, type: conv, filters: 32, kernel_size: 1, stride: 2}\n"
    "  - {name: bn4, type: batch_norm, activation: relu6}\n"
    "  - {name: depth, type: depthwise_conv, kernel_size: 3, padding: 1}\n"
    "  - {name: bn5, type: batch_norm, activation: relu}\n"
    "  - {name: relu, type: conv, filters: 24, kernel_size: 3, stride: 2, padding: 1, "
    "activation: relu}\n"
    "  - {name: mean, type: global_pool, pool_type: avg}\n"
    "  - {name: flat, type: flatten}\n"
    "  - {name: out, type: dense, units: 10}\n";

static bool stored_as_halves(const cnn_model *model, const struct cnn_plan *plan, const char *name)
{
    const size_t lead = plan->fused.lead[network_layer(model, name)];
    return cnn_plan_graph(plan)->nodes[lead].y_halves;
}

static void test_values_are_halves_where_layers_can(void **state)
{
    (void)state;
    skip_without();
    static const char *const halves[] = {"conv1", "bn1", "pool1", "conv2", "bn2",
                                         "conv3", "bn3", "sum",   "wide",  "bn4",
                                         "depth", "bn5", "relu",  "mean",  "flat"};
    cnn_model *model = open_network("bf16", residual), *floats = open_network("fp32", residual);
    const enum cnn_plan_mode others[] = {CNN_PLAN_KEEP, CNN_PLAN_WATCH};
    struct cnn_plan *plan = network_plan(model, BATCH, CNN_PLAN_TRAIN, false);
    for (size_t i = 0; i < sizeof halves / sizeof *halves; i++)
        if (!stored_as_halves(model, plan, halves[i]))
            fail_msg("%s is stored as floats", halves[i]);
    assert_false(stored_as_halves(model, plan, "out"));
    cnn_plan_free(plan);
    plan = network_plan(model, BATCH, CNN_PLAN_INFER, false);
    assert_true(stored_as_halves(model, plan, "conv2"));
    assert_true(stored_as_halves(model, plan, "mean"));
    assert_false(stored_as_halves(model, plan, "out"));
    cnn_plan_free(plan);
    for (size_t i = 0; i < 4; i++) {
        /* of other modes, of a gradient that is to be seen, and of float32 */
        plan = network_plan(i == 3 ? floats : model, BATCH, i < 2 ? others[i] : CNN_PLAN_TRAIN,
                            i == 2);
        assert_false(stored_as_halves(model, plan, "bn2"));
        cnn_plan_free(plan);
    }
    cnn_model_free(model);
    cnn_model_free(floats);
}

static void test_halves_halve_the_memory_of_activations(void **state)
{
    (void)state;
    skip_without();
    cnn_model *model = open_network("bf16", residual), *floats = open_network("fp32", residual);
    struct cnn_plan *small = network_plan(model, 64, CNN_PLAN_TRAIN, false),
                    *large = network_plan(floats, 64, CNN_PLAN_TRAIN, false);
    assert_true((double)cnn_plan_bytes(small) < 0.7 * (double)cnn_plan_bytes(large));
    cnn_plan_free(small);
    cnn_plan_free(large);
    cnn_model_free(model);
    cnn_model_free(floats);
}

static void test_gradients_are_those_of_floats_but_for_rounding(void **state)
{
    (void)state;
    skip_without();
    check_close(residual, 0.4);
    check_close("  - {type: conv, filters: 8, kernel_size: 5, stride: 2}\n"
                "  - {type: conv, filters: 12, kernel_size: 3, padding: 1, activation: relu}\n"
                "  - {type: conv, filters: 16, kernel_size: 2, stride: 2, groups: 2}\n"
                "  - {type: flatten}\n"
                "  - {type: dense, units: 20, activation: relu}\n"
                "  - {type: dense, units: 5}\n",
                0.1);
    check_close("  - {name: a, type: conv, filters: 12, kernel_size: 3, stride: 2, padding: 1}\n"
                "  - {name: b, type: batch_norm, activation: silu}\n"
                "  - {name: c, type: slice, start: 0, end: 6}\n"
                "  - {name: d, type: slice, start: 6, end: 12, from: b}\n"
                "  - {name: e, type: conv, filters: 10, kernel_size: 1}\n"
                "  - {name: f, type: concat, from: [c, e, b]}\n"
                "  - {name: g, type: shuffle, groups: 4}\n"
                "  - {name: h, type: global_pool, pool_type: avg}\n"
                "  - {name: i, type: conv, filters: 28, kernel_size: 1, activation: sigmoid}\n"
                "  - {name: j, type: mul, from: [g, i]}\n"
                "  - {name: k, type: conv, filters: 8, kernel_size: 3, stride: 2}\n"
                "  - {name: l, type: flatten}\n"
                "  - {name: m, type: dropout, rate: 0.25}\n"
                "  - {name: n, type: dense, units: 5}\n",
                0.1);
    /* a factor that is floats, and alone may have its gradient over that of the product */
    check_close("  - {name: a, type: conv, filters: 8, kernel_size: 3, stride: 2}\n"
                "  - {name: b, type: batch_norm}\n"
                "  - {name: c, type: conv, filters: 8, kernel_size: 1}\n"
                "  - {name: d, type: mul, from: [b, c]}\n"
                "  - {name: e, type: add, from: [d, b]}\n"
                "  - {name: f, type: global_pool, pool_type: avg}\n"
                "  - {name: g, type: flatten}\n"
                "  - {name: h, type: dense, units: 5}\n",
                0.1);
    /* activations of products, some of which need what went into them: that is saved */
    static const char *const activations[] = {"relu", "gelu", "silu", "mish", "hardswish", "elu"};
    for (size_t i = 0; i < sizeof activations / sizeof *activations; i++) {
        char layers[1024];
        snprintf(layers, sizeof layers,
                 "  - {name: a, type: conv, filters: 32, kernel_size: 3}\n"
                 "  - {name: b, type: batch_norm}\n"
                 "  - {name: c, type: scale, bias: true, activation: %s}\n"
                 "  - {name: d, type: conv, filters: 32, kernel_size: 1}\n"
                 "  - {name: e, type: mul, from: [c, d], activation: %s}\n"
                 "  - {name: f, type: conv, filters: 16, kernel_size: 1}\n"
                 "  - {name: g, type: flatten}\n"
                 "  - {name: h, type: dense, units: 5}\n",
                 activations[i], activations[i]);
        check_close(layers, 0.1);
    }
}

/* A layer without its name, of so many filters where it has any. */
static void add_layer(struct cnn_text *text, const char *layer, unsigned filters)
{
    const char *at = strstr(layer, "FILTERS");
    if (at)
        cnn_text_printf(text, "%.*s%u%s", (int)(at - layer), layer, filters,
                        at + strlen("FILTERS"));
    else
        cnn_text_printf(text, "%s", layer);
}

/* Layers that can and that cannot, in any order, with branches: what one writes the next reads. */
static void test_gradients_are_close_when_networks_are_random(void **state)
{
    (void)state;
    skip_without();
    static const char *const layers[] = {
        "type: conv, filters: FILTERS, kernel_size: 3, padding: 1",
        "type: conv, filters: FILTERS, kernel_size: 1, activation: relu",
        "type: conv, filters: FILTERS, kernel_size: 3, padding: 1, groups: 2, activation: silu",
        "type: conv, filters: FILTERS, kernel_size: 3, padding: same, padding_mode: reflect",
        "type: depthwise_conv, kernel_size: 3, padding: 1, activation: relu",
        "type: batch_norm, activation: relu",
        "type: batch_norm, activation: silu",
        "type: batch_norm",
        "type: relu",
        "type: gelu",
        "type: leaky_relu",
        "type: scale, bias: true",
        "type: prelu",
        "type: layer_norm",
        "type: dropout, rate: 0.3",
        "type: drop_path, rate: 0.3",
        "type: shuffle, groups: 2",
        "type: pool, pool_type: avg, kernel_size: 3, stride: 1, padding: 1",
        "type: pool, pool_type: max, kernel_size: 3, stride: 1, padding: 1",
        "type: lrn, size: 3",
        "type: conv_transpose, filters: FILTERS, kernel_size: 3, padding: 1",
    };
    static const unsigned widths[] = {8, 16, 18, 32, 34};
    struct cnn_rng rng = {.state = 5};
    for (int i = 0; i < 60; i++) {
        const unsigned filters = widths[i % 5];
        struct cnn_text text = {0};
        cnn_text_printf(&text,
                        "  - {name: l0, type: conv, filters: %u, kernel_size: 3, padding: 1}\n",
                        filters);
        const size_t count = 4 + cnn_rng_below(&rng, 8);
        for (size_t k = 1; k < count; k++) {
            const size_t from = k - 1, other = cnn_rng_below(&rng, (uint32_t)k);
            if (other != from && cnn_rng_below(&rng, 4) == 0) {
                cnn_text_printf(&text,
                                "  - {name: l%zu, type: add, from: [l%zu, l%zu], activation: "
                                "%s}\n",
                                k, from, other, cnn_rng_below(&rng, 2) ? "relu" : "none");
            } else {
                cnn_text_printf(&text, "  - {name: l%zu, ", k);
                add_layer(&text, layers[cnn_rng_below(&rng, sizeof layers / sizeof *layers)],
                          filters);
                cnn_text_printf(&text, "}\n");
            }
        }
        cnn_text_printf(&text, "  - {type: global_pool, pool_type: avg}\n"
                               "  - {type: flatten}\n"
                               "  - {type: dense, units: 6}\n");
        assert_false(text.failed);
        check_close(text.data, 0.5);
        cnn_text_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values_are_halves_where_layers_can),
        cmocka_unit_test(test_halves_halve_the_memory_of_activations),
        cmocka_unit_test(test_gradients_are_those_of_floats_but_for_rounding),
        cmocka_unit_test(test_gradients_are_close_when_networks_are_random),
    };
    return cmocka_run_group_tests_name("values stored as bfloat16", tests, NULL, NULL);
}
