/* Fused layers (graph/fuse.h): a plan that infers, whose convolutions take in what stands behind
 * them, gives the same output as one that runs every layer on its own; a plan that trains, whose
 * batch_norms do, the same gradients. Everything runs with every instruction set, without and with
 * Winograd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compare.h"
#include "networks.h"

#define BATCH ((size_t)5)

struct network {
    const char *what, *input, *layers;
};

static const struct network networks[] = {
    {"vgg", "[3, 16, 16]",
     "- {type: conv, filters: 16, kernel_size: 3, padding: 1, bias: false}\n- {type: "
     "batch_norm}\n- {type: relu}\n"
     "- {type: conv, filters: 32, kernel_size: 3, padding: 1}\n- {type: batch_norm, activation: "
     "relu}\n- {type: pool, pool_type: max, kernel_size: "
     "2}\n"
     "- {type: conv, filters: 16, kernel_size: 3, padding: 1, activation: relu}\n- {type: pool, "
     "pool_type: avg, kernel_size: 2}\n"
     "- {type: flatten}\n- {type: dense, units: 20}\n- {type: batch_norm}\n- {type: relu}\n- "
     "{type: dropout}\n- {type: dense, units: 7}\n"},
    {"lenet", "[1, 15, 13]", /* odd maps: the last row and column are not pooled */
     "- {type: conv, filters: 6, kernel_size: 5, padding: 2, activation: relu}\n- {type: pool, "
     "pool_type: max, kernel_size: 2}\n"
     "- {type: conv, filters: 9, kernel_size: 3}\n- {type: tanh}\n- {type: pool, pool_type: max, "
     "kernel_size: 2}\n- {type: flatten}\n- {type: dense, "
     "units: 5}\n"
     "- {type: softmax}\n"},
    {"winograd on odd maps", "[32, 11, 9]",
     "- {type: conv, filters: 32, kernel_size: 3, padding: 1}\n- {type: batch_norm, activation: "
     "elu}\n- {type: pool, pool_type: max, kernel_size: "
     "2}\n"},
    {"residual", "[4, 9, 9]",
     "- {type: conv, filters: 16, kernel_size: 3, padding: 1}\n- {type: batch_norm, name: a}\n- "
     "{type: relu}\n"
     "- {type: conv, filters: 16, kernel_size: 3, padding: 1}\n- {type: batch_norm, name: b}\n- "
     "{type: add, from: [a, b], activation: relu}\n"
     "- {type: pool, pool_type: max, kernel_size: 2, name: p}\n- {type: conv, filters: 8, "
     "kernel_size: 1, from: b, stride: 2}\n- {type: gelu}\n"
     "- {type: global_pool, pool_type: avg, from: p}\n"},
    /* sums with a value that is there already: by Winograd, plain and in groups, of widths that are
     * no whole vectors, with maps that are no whole tiles; the first add is the second
     * convolution's, the last one nobody's, for its other value comes later */
    {"bottlenecks", "[7, 11, 9]",
     "- {type: conv, filters: 37, kernel_size: 1, activation: relu, name: x}\n"
     "- {type: conv, filters: 32, kernel_size: 3, padding: 1}\n- {type: batch_norm, name: a}\n"
     "- {type: conv, filters: 32, kernel_size: 1, from: x, bias: false}\n- {type: batch_norm, "
     "name: b}\n- {type: add, from: [a, b], activation: relu, name: y}\n"
     "- {type: conv, filters: 32, kernel_size: 3, padding: 1}\n- {type: add, from: [y, conv4]}\n"
     "- {type: relu6, name: z}\n"
     "- {type: conv, filters: 32, kernel_size: 3, padding: 1, groups: 4, bias: false}\n"
     "- {type: dropout}\n- {type: add, from: [conv5, z], activation: gelu, name: t}\n"
     "- {type: conv, filters: 32, kernel_size: 1}\n- {type: add, from: [t, conv6]}\n- {type: "
     "pool, pool_type: max, kernel_size: 2, name: u}\n"
     "- {type: depthwise_conv, kernel_size: 3, padding: 1}\n- {type: add, from: "
     "[depthwise_conv1, u], name: v}\n"
     "- {type: conv, filters: 5, kernel_size: 1, name: p}\n- {type: conv, filters: 5, kernel_size: "
     "1, from: v, name: q}\n- {type: add, from: [p, p]}\n- {type: add, from: [q, add6], "
     "activation: softmax}\n"},
    {"mobile", "[3, 12, 12]",
     "- {type: conv, filters: 16, kernel_size: 3, stride: 2, padding: 1, bias: false}\n- {type: "
     "batch_norm}\n- {type: relu6}\n"
     "- {type: depthwise_conv, kernel_size: 3, padding: 1}\n- {type: batch_norm}\n- {type: "
     "hardswish}\n"
     "- {type: depthwise_conv, kernel_size: 3, stride: 2, padding: 1, multiplier: 2}\n- {type: "
     "batch_norm}\n- {type: silu}\n"
     "- {type: conv, filters: 24, kernel_size: 1, bias: false}\n- {type: batch_norm, activation: "
     "gelu}\n- {type: conv, filters: 9, kernel_size: 1}\n- {type: clip, min: -0.3, max: 0.2}\n- "
     "{type: conv, filters: 9, kernel_size: 1}\n- {type: batch_norm}\n- {type: hard_sigmoid}\n- "
     "{type: depthwise_conv, kernel_size: 1}\n- {type: mish}\n- {type: global_pool, pool_type: "
     "max}\n"},
    {"gates", "[6, 9, 7]",
     "- {type: conv, filters: 12, kernel_size: 3}\n- {type: scale, bias: true}\n- {type: relu, "
     "name: a}\n- {type: global_pool, pool_type: avg}\n- {type: conv, filters: 12, kernel_size: "
     "1, activation: hard_sigmoid, name: g}\n- {type: mul, from: [a, g]}\n- {type: silu}\n- {type: "
     "drop_path, rate: 0}\n- {type: layer_norm, name: b}\n- {type: slice, start: 3, end: 9}\n- "
     "{type: scale, init: 0.3}\n- {type: hard_sigmoid, name: c}\n- {type: slice, start: 6, from: "
     "b}\n- {type: mul, from: [slice2, c]}\n- {type: relu6}\n- {type: drop_path, rate: 0}\n- "
     "{type: shuffle, groups: 3}\n- {type: group_norm, groups: 2}\n- {type: prelu}\n"},
    {"groups and other windows", "[8, 14, 14]",
     "- {type: conv, filters: 12, kernel_size: 5, padding: 2, groups: 2, activation: relu}\n- "
     "{type: pool, pool_type: max, kernel_size: 3, stride: "
     "2}\n"
     "- {type: conv, filters: 32, kernel_size: 3, groups: 2, padding: [0, 1, 1, 0]}\n- {type: "
     "relu}\n- {type: pool, pool_type: max, kernel_size: "
     "2}\n"},
    {"batch_norm first and twice", "[5, 8, 6]",
     "- {type: batch_norm}\n- {type: relu}\n- {type: pool, pool_type: avg, kernel_size: 2}\n- "
     "{type: batch_norm}\n- {type: leaky_relu}\n"
     "- {type: conv, filters: 6, kernel_size: 3, padding: 1}\n- {type: batch_norm}\n- {type: "
     "relu}\n- {type: batch_norm}\n- {type: pool, pool_type: "
     "max, "
     "kernel_size: 2}\n"},
};

static void fill_input(const cnn_model *model, struct cnn_plan *plan)
{
    size_t size = BATCH * cnn_shape_count(model->graph.input);
    float *random = tensor_random(size, 7);
    memcpy(cnn_plan_input(plan), random, size * sizeof *random);
    tensor_free(random, size);
}

static void test_output_when_layers_are_fused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        cnn_model *model = network_open_layers(networks[i].input, networks[i].layers);
        network_stir(model);
        struct cnn_plan *apart = network_plan(model, BATCH, CNN_PLAN_KEEP, false),
                        *fused = network_plan(model, BATCH, CNN_PLAN_INFER, false);
        size_t output = cnn_graph_output(&model->graph),
               size = BATCH * cnn_shape_count(cnn_graph_shape(&model->graph, output));
        fill_input(model, apart);
        fill_input(model, fused);
        cnn_plan_forward(apart, BATCH, false, 0);
        cnn_plan_forward(fused, BATCH, false, 0);
        assert_floats_near(networks[i].what, cnn_plan_value(fused, output),
                           cnn_plan_value(apart, output), size, 1e-5);
        cnn_plan_free(apart);
        cnn_plan_free(fused);
        cnn_model_free(model);
    }
}

static void train_once(const cnn_model *model, struct cnn_plan *plan)
{
    size_t output = cnn_graph_output(&model->graph),
           size = BATCH * cnn_shape_count(cnn_graph_shape(&model->graph, output));
    float *random = tensor_random(size, 11);
    fill_input(model, plan);
    cnn_plan_forward(plan, BATCH, true, 5);
    memcpy(cnn_plan_gradient(plan, output), random, size * sizeof *random);
    cnn_plan_backward(plan, BATCH, output);
    tensor_free(random, size);
}

static void compare_gradients(const char *what, const cnn_model *model, struct cnn_plan *got,
                              struct cnn_plan *want)
{
    assert_floats_near(what, cnn_plan_gradient(got, 0), cnn_plan_gradient(want, 0),
                       BATCH * cnn_shape_count(model->graph.input), 1e-4);
    for (size_t i = 0; i < model->graph.count; i++)
        for (size_t slot = 0; cnn_slot_find(&model->graph.nodes[i], &slot); slot++) {
            const struct cnn_tensor *t = &model->graph.nodes[i].tensors[slot];
            bool cancels = slot == 1 && i + 1 < model->graph.count &&
                           model->graph.nodes[i + 1].effect.kind == CNN_EFFECT_NORMALIZE;
            /* the gradient of a bias that batch_norm takes away again is rounding alone */
            if (cnn_role_trained(t->role) && !cancels)
                assert_floats_near(what, cnn_plan_parameter_gradients(got) + t->offset,
                                   cnn_plan_parameter_gradients(want) + t->offset, t->count, 1e-4);
        }
}

static void test_gradients_when_layers_are_fused(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof networks / sizeof *networks; i++) {
        cnn_model *model = network_open_layers(networks[i].input, networks[i].layers);
        network_stir(model);
        struct cnn_plan *apart = network_plan(model, BATCH, CNN_PLAN_WATCH, true),
                        *fused = network_plan(model, BATCH, CNN_PLAN_TRAIN, true);
        train_once(model, apart);
        train_once(model, fused);
        compare_gradients(networks[i].what, model, fused, apart);
        cnn_plan_free(apart);
        cnn_plan_free(fused);
        cnn_model_free(model);
    }
}

#define SLICED ((size_t)23)

static const struct cnn_plan *sliced_plan;

/* The most images that each layer is called with. */
static void count_images(void *context, size_t node, bool backward, bool begin)
{
    size_t *most = context, n = cnn_plan_call(sliced_plan, node)->n;
    (void)backward, (void)begin;
    most[node] = n > most[node] ? n : most[node];
}

/* Compares a plan that runs its batch in slices with one that does not; most: by layer, the images
 * of its calls. */
static void check_slices(cnn_model *model, size_t *most)
{
    struct cnn_plan *apart = network_plan(model, SLICED, CNN_PLAN_KEEP, false),
                    *sliced = network_plan(model, SLICED, CNN_PLAN_INFER, false);
    const size_t size = SLICED * cnn_shape_count(model->graph.input), output = model->graph.count,
                 logits = model->graph.logits;
    float *random = tensor_random(size, 3);
    cnn_plan_observe(sliced, count_images, most);
    sliced_plan = sliced;
    for (size_t run = 0; run < 2; run++) { /* the second finds what the first left */
        memcpy(cnn_plan_input(apart), random, size * sizeof *random);
        memcpy(cnn_plan_input(sliced), random, size * sizeof *random);
        cnn_plan_forward(apart, SLICED, false, 0);
        cnn_plan_forward(sliced, SLICED - run, false, 0);
        assert_floats_near("logits", cnn_plan_value(sliced, logits), cnn_plan_value(apart, logits),
                           (SLICED - run) * cnn_shape_count(cnn_graph_shape(&model->graph, logits)),
                           1e-5);
        assert_floats_near("output", cnn_plan_value(sliced, output), cnn_plan_value(apart, output),
                           (SLICED - run) * cnn_shape_count(cnn_graph_shape(&model->graph, output)),
                           1e-5);
    }
    tensor_free(random, size);
    cnn_plan_free(apart);
    cnn_plan_free(sliced);
}

/* A batch so large that it runs in slices: both values that hold all of it are whole. */
static void test_output_when_the_batch_runs_in_slices(void **state)
{
    (void)state;
    size_t most[16] = {0};
    cnn_model *model = network_open_layers(
        "[3, 64, 64]",
        "- {type: conv, filters: 16, kernel_size: 3, padding: 1, name: a}\n- {type: relu, name: "
        "b}\n"
        "- {type: depthwise_conv, kernel_size: 3, padding: 1}\n- {type: add, from: [a, b]}\n"
        "- {type: global_pool, pool_type: avg}\n- {type: flatten}\n- {type: dense, units: 5}\n"
        "- {type: softmax}\n");
    network_stir(model);
    check_slices(model, most);
    for (size_t i = 0; i < model->graph.count; i++)
        assert_in_range(most[i], 1, SLICED - 1);
    cnn_model_free(model);
}

/* Large maps with few weights, then small ones with many, then large ones again: stages with slices
 * of their own, and values that are read two stages later. */
static void test_output_when_layers_run_in_stages(void **state)
{
    (void)state;
    size_t most[32] = {0};
    cnn_model *model = network_open_layers(
        "[3, 64, 64]",
        "- {type: conv, filters: 16, kernel_size: 3, padding: 1, name: a}\n- {type: relu, name: "
        "b}\n- {type: depthwise_conv, kernel_size: 3, padding: 1, name: c}\n"
        "- {type: pool, pool_type: max, kernel_size: 8}\n- {type: tanh, name: d}\n"
        "- {type: conv, filters: 640, kernel_size: 1, name: e}\n- {type: shuffle, groups: 4}\n- "
        "{type: sigmoid}\n"
        "- {type: conv, filters: 640, kernel_size: 1, name: f}\n- {type: batch_norm, name: g}\n"
        "- {type: add, from: [g, e]}\n- {type: sigmoid}\n"
        "- {type: conv, filters: 16, kernel_size: 1}\n- {type: upsample, scale: 8, name: h}\n"
        "- {type: add, from: [h, b]}\n- {type: relu6, name: i}\n"
        "- {type: mul, from: [i, c]}\n- {type: conv, filters: 4, kernel_size: 3}\n- {type: "
        "global_pool, pool_type: avg}\n");
    network_stir(model);
    check_slices(model, most);
    assert_in_range(most[0], 1, SLICED - 1);
    assert_int_equal(most[8], SLICED); /* f: fetching its weights for each slice would cost more */
    assert_in_range(most[16], 1, SLICED - 1);
    cnn_model_free(model);
}

/* Inference gives the same bits on any number of threads, in every precision. */
static void test_output_is_the_same_bits_when_threads_differ(void **state)
{
    (void)state;
    static const char *const precisions[] = {"fp32", "bf16", "int8"};
    static const int threads[] = {1, 2, 5};
    for (size_t i = 0; i < 3 * sizeof networks / sizeof *networks; i++) {
        const struct network *network = &networks[i / 3];
        struct cnn_text text = {0};
        cnn_text_printf(&text, "precision: %s\ninput: %s\nlayers:\n%s", precisions[i % 3],
                        network->input, network->layers);
        cnn_model *model = network_open(text.data);
        size_t output = cnn_graph_output(&model->graph),
               size = BATCH * cnn_shape_count(cnn_graph_shape(&model->graph, output));
        float *first = tensor_new(size);
        for (size_t t = 0; t < 3; t++) {
            cnn_set_threads(threads[t]);
            struct cnn_plan *plan = network_plan(model, BATCH, CNN_PLAN_INFER, false);
            fill_input(model, plan);
            cnn_plan_forward(plan, BATCH, false, 0);
            if (t == 0)
                memcpy(first, cnn_plan_value(plan, output), size * sizeof *first);
            else
                assert_floats_same(network->what, cnn_plan_value(plan, output), first, size);
            cnn_plan_free(plan);
        }
        cnn_set_threads(0);
        tensor_free(first, size);
        cnn_text_free(&text);
        cnn_model_free(model);
    }
}

/* The network of two ways of which the later one takes the sum in, whichever is named first. */
static void test_sum_is_fused_with_the_last_of_its_terms(void **state)
{
    (void)state;
    static const char *const sums[] = {"[a, b]", "[b, a]"};
    for (size_t i = 0; i < 2; i++) {
        char layers[512];
        snprintf(layers, sizeof layers,
                 "- {type: conv, filters: 6, kernel_size: 1}\n- {type: relu}\n- {type: conv, "
                 "filters: 6, kernel_size: 1, name: a}\n- {type: conv, filters: 6, kernel_size: 1, "
                 "from: relu1, name: b}\n- {type: add, from: %s, activation: relu}\n- {type: conv, "
                 "filters: 2, kernel_size: 1}\n",
                 sums[i]);
        cnn_model *model = network_open_layers("[3, 5, 4]", layers);
        struct cnn_plan *plan = network_plan(model, 1, CNN_PLAN_INFER, false);
        assert_int_equal(cnn_plan_lead(plan, 4), 3);
        assert_int_equal(cnn_plan_graph(plan)->count, 4);
        cnn_plan_free(plan);
        cnn_model_free(model);
    }
}

static void count_calls(void *context, size_t node, bool backward, bool begin)
{
    unsigned(*calls)[4] = context;
    calls[node][2 * backward + begin]++;
}

static void test_observer_when_layers_are_fused(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers(networks[0].input, networks[0].layers);
    struct cnn_plan *plan = network_plan(model, BATCH, CNN_PLAN_INFER, false);
    unsigned calls[32][4] = {{0}};
    cnn_plan_observe(plan, count_calls, calls);
    fill_input(model, plan);
    cnn_plan_forward(plan, BATCH, false, 0);
    for (size_t i = 0; i < model->graph.count; i++) { /* each layer once, fused or not */
        assert_int_equal(calls[i][0], 1);
        assert_int_equal(calls[i][1], 1);
        assert_int_equal(calls[i][2] + calls[i][3], 0);
    }
    assert_int_equal(cnn_plan_lead(plan, 0), 0);
    assert_int_equal(cnn_plan_lead(plan, 2), 0);
    assert_int_equal(cnn_plan_lead(plan, 5), 3);
    assert_ptr_equal(cnn_plan_call(plan, 2), cnn_plan_call(plan, 0));
    cnn_plan_free(plan);
    cnn_model_free(model);
}

int main(int argc, char **argv)
{
    (void)argc;
    if (!getenv("CNN_CPU"))
        return network_run_each(argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_output_when_layers_are_fused),
        cmocka_unit_test(test_output_when_the_batch_runs_in_slices),
        cmocka_unit_test(test_output_when_layers_run_in_stages),
        cmocka_unit_test(test_output_is_the_same_bits_when_threads_differ),
        cmocka_unit_test(test_gradients_when_layers_are_fused),
        cmocka_unit_test(test_sum_is_fused_with_the_last_of_its_terms),
        cmocka_unit_test(test_observer_when_layers_are_fused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
