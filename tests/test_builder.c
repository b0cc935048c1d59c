/* Graphs that are built by calls: the same as from a description, and the same messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compare.h"
#include "graph/builder.h"
#include "layers/types.h"
#include "networks.h"

#define BATCH 3

struct state {
    struct cnn_arena *arena;
    cnn_diag *diag;
    struct cnn_graph_builder *builder;
};

static int set_up(void **out)
{
    struct state *s = calloc(1, sizeof *s);
    const struct cnn_graph_setup setup = {
        .input = {3, 3, 16, 16}, .types = cnn_layer_types, .type_count = cnn_layer_type_count};
    s->arena = cnn_arena_new();
    s->diag = cnn_diag_new();
    *out = s;
    return cnn_graph_begin(s->arena, &setup, &s->builder, s->diag) != CNN_OK;
}

static int tear_down(void **out)
{
    struct state *s = *out;
    cnn_arena_free(s->arena);
    cnn_diag_free(s->diag);
    free(s);
    return 0;
}

static const struct cnn_graph_setting *const no_settings = NULL;

static size_t add(struct state *s, const char *type, const char *name,
                  const struct cnn_graph_setting *settings)
{
    size_t value = 0;
    const struct cnn_graph_layer layer = {.type = type, .name = name, .settings = settings};
    cnn_status status = cnn_graph_add(s->builder, &layer, &value);
    if (status != CNN_OK)
        fail_msg("%s", cnn_diag_get(s->diag, 0)->text);
    return value;
}

static void expect_message(const struct state *s, size_t i, const char *text)
{
    assert_true(cnn_diag_count(s->diag) > i);
    const char *found = cnn_diag_get(s->diag, i)->text;
    if (!strstr(found, text))
        fail_msg("message %zu is '%s', and should have '%s'", i, found, text);
}

static const char residual[] =
    "input: [3, 16, 16]\n"
    "layers:\n"
    "  - {type: conv, name: stem, filters: 8, kernel_size: 3, padding: same}\n"
    "  - {type: batch_norm}\n"
    "  - {type: relu, name: start}\n"
    "  - {type: conv, filters: 8, kernel_size: [3, 3], bias: false, padding: same, activation: "
    "relu}\n"
    "  - {type: conv, filters: 8, kernel_size: 1}\n"
    "  - {type: add, from: [conv3, start]}\n"
    "  - {type: concat, from: [add1, input, start]}\n"
    "  - {type: pool, pool_type: avg, kernel_size: 2}\n"
    "  - {type: dropout, rate: 0.25, from: pool1}\n"
    "  - {type: conv, filters: 5, kernel_size: 3, from: pool1}\n"
    "  - {type: global_pool, pool_type: max}\n"
    "  - {type: flatten}\n"
    "  - {type: dense, units: 4, activation: softmax}\n";

static void add_residual(struct state *s)
{
    const struct cnn_graph_setting stem[] = {
        {"filters", "8"}, {"kernel_size", "3"}, {"padding", "same"}, {NULL, NULL}};
    const struct cnn_graph_setting wide[] = {{"filters", "8"},       {"kernel_size", "[3, 3]"},
                                             {"bias", "false"},      {"padding", "same"},
                                             {"activation", "relu"}, {NULL, NULL}};
    const struct cnn_graph_setting narrow[] = {
        {"filters", "8"}, {"kernel_size", "1"}, {NULL, NULL}};
    const struct cnn_graph_setting pool[] = {
        {"pool_type", "avg"}, {"kernel_size", "2"}, {NULL, NULL}};
    const struct cnn_graph_setting drop[] = {{"rate", "0.25"}, {NULL, NULL}};
    const struct cnn_graph_setting largest[] = {{"pool_type", "max"}, {NULL, NULL}};
    const struct cnn_graph_setting last[] = {{"filters", "5"}, {"kernel_size", "3"}, {NULL, NULL}};
    const struct cnn_graph_setting dense[] = {
        {"units", "4"}, {"activation", "softmax"}, {NULL, NULL}};
    add(s, "conv", "stem", stem);
    add(s, "batch_norm", NULL, no_settings);
    size_t start = add(s, "relu", "start", no_settings);
    add(s, "conv", NULL, wide);
    size_t two[] = {add(s, "conv", NULL, narrow), start}, three[] = {0, 0, start}, pooled;
    struct cnn_graph_layer layer = {.type = "add", .inputs = two, .input_count = 2};
    assert_int_equal(cnn_graph_add(s->builder, &layer, &three[0]), CNN_OK);
    layer = (struct cnn_graph_layer){.type = "concat", .inputs = three, .input_count = 3};
    assert_int_equal(cnn_graph_add(s->builder, &layer, NULL), CNN_OK);
    pooled = add(s, "pool", NULL, pool);
    /* what the layer would read without inputs: the description says the same in two ways */
    layer = (struct cnn_graph_layer){
        .type = "dropout", .inputs = &pooled, .input_count = 1, .settings = drop};
    assert_int_equal(cnn_graph_add(s->builder, &layer, NULL), CNN_OK);
    layer = (struct cnn_graph_layer){
        .type = "conv", .inputs = &pooled, .input_count = 1, .settings = last};
    assert_int_equal(cnn_graph_add(s->builder, &layer, NULL), CNN_OK);
    add(s, "global_pool", NULL, largest);
    add(s, "flatten", NULL, no_settings);
    assert_int_equal(add(s, "dense", NULL, dense), 13);
}

/* Outputs of a network whose parameters are drawn, for images that are drawn. */
static void run(cnn_model *model, float *outputs)
{
    size_t count = BATCH * cnn_shape_count(model->graph.input);
    float *images = malloc(count * sizeof *images);
    struct cnn_rng rng = cnn_rng_at(7, CNN_STREAM_INIT, 0);
    for (size_t i = 0; i < count; i++)
        images[i] = cnn_rng_normal(&rng);
    network_stir(model);
    assert_int_equal(cnn_model_run(model, images, BATCH, outputs, NULL), CNN_OK);
    free(images);
}

/* A model whose description has the graph's layers. */
static cnn_model *model_of(struct state *s, const struct cnn_graph *graph)
{
    struct cnn_yaml *root = cnn_yaml_new_mapping(s->arena, NULL);
    struct cnn_text text = {0};
    cnn_model *model = NULL;
    cnn_text_printf(&text, "input: [%zu, %zu, %zu]\n", graph->input.c, graph->input.h,
                    graph->input.w);
    assert_true(root && cnn_yaml_put(s->arena, root, "layers", graph->resolved_layers));
    cnn_yaml_write(root, &text);
    assert_int_equal(cnn_model_from_text("by calls", text.data, text.size, NULL, &model, s->diag),
                     CNN_OK);
    cnn_text_free(&text);
    return model;
}

static void test_a_graph_by_calls_is_that_of_the_description(void **out)
{
    struct state *s = *out;
    struct cnn_graph graph;
    cnn_model *by_calls, *read = network_open(residual);
    float outputs[2][BATCH * 4];
    add_residual(s);
    assert_int_equal(cnn_graph_finish(s->builder, &graph), CNN_OK);
    by_calls = model_of(s, &graph);
    /* but for the name, and `from` of a layer that reads the one above it */
    const char *a = strchr(cnn_model_resolved(read), '\n'),
               *b = strchr(cnn_model_resolved(by_calls), '\n'), *from = strstr(a, ", from: pool1");
    assert_non_null(from);
    assert_memory_equal(a, b, (size_t)(from - a));
    assert_string_equal(from + strlen(", from: pool1"), b + (from - a));
    assert_int_equal(graph.count, read->graph.count);
    assert_int_equal(graph.logits, read->graph.logits);
    assert_int_equal(graph.parameter_floats, read->graph.parameter_floats);
    for (size_t i = 0; i < graph.count; i++) {
        assert_string_equal(graph.nodes[i].name, read->graph.nodes[i].name);
        assert_memory_equal(&graph.nodes[i].out, &read->graph.nodes[i].out, sizeof(cnn_shape));
    }
    assert_int_equal(cnn_model_allocate(by_calls, s->diag), CNN_OK);
    cnn_graph_init(&by_calls->graph, by_calls->recipe.seed, by_calls->parameters);
    run(read, outputs[0]);
    run(by_calls, outputs[1]);
    assert_memory_equal(outputs[0], outputs[1], sizeof outputs[0]);
    cnn_model_free(read);
    cnn_model_free(by_calls);
}

static void test_mistakes_are_told_as_in_a_description(void **out)
{
    struct state *s = *out;
    const struct cnn_graph_setting wrong[] = {
        {"filters", "0"}, {"kernel_sizes", "3"}, {NULL, NULL}};
    const struct cnn_graph_setting odd[] = {{"kernel_size", "[2, "}, {NULL, NULL}};
    const size_t nine = 9;
    struct cnn_graph graph;
    assert_int_equal(cnn_graph_add(s->builder,
                                   &(struct cnn_graph_layer){.type = "conv", .settings = wrong},
                                   NULL),
                     CNN_INVALID);
    assert_int_equal(cnn_graph_add(s->builder, &(struct cnn_graph_layer){.type = "convolve"}, NULL),
                     CNN_INVALID);
    assert_int_equal(
        cnn_graph_add(s->builder, &(struct cnn_graph_layer){.type = "pool", .settings = odd}, NULL),
        CNN_INVALID);
    assert_int_equal(
        cnn_graph_add(s->builder,
                      &(struct cnn_graph_layer){.type = "relu", .inputs = &nine, .input_count = 1},
                      NULL),
        CNN_INVALID);
    add(s, "relu", NULL, no_settings);
    expect_message(s, 0, "layer 'conv' has no key 'kernel_sizes'");
    expect_message(s, 1, "key 'filters' of layer 'conv' wants");
    expect_message(s, 2, "unknown layer type 'convolve'");
    assert_string_equal(cnn_diag_get(s->diag, 3)->file, "kernel_size");
    expect_message(s, 4, "reads value 9");
    assert_int_equal(cnn_graph_finish(s->builder, &graph), CNN_INVALID);
    assert_int_equal(cnn_diag_count(s->diag), 5);
}

static void test_names_shapes_and_places_are_checked(void **out)
{
    struct state *s = *out;
    const struct cnn_source file = {.name = "net.onnx"};
    const struct cnn_where where = {.source = &file};
    const struct cnn_graph_setting big[] = {
        {"filters", "2"}, {"kernel_size", "40"}, {"padding", "valid"}, {NULL, NULL}};
    const struct cnn_graph_layer layer = {
        .type = "conv", .name = "twice", .settings = big, .where = &where};
    struct cnn_graph graph;
    add(s, "relu", "twice", no_settings);
    assert_int_equal(cnn_graph_add(s->builder, &layer, NULL), CNN_OK);
    assert_int_equal(cnn_graph_finish(s->builder, &graph), CNN_INVALID);
    expect_message(s, 0, "there is a layer 'twice' already");
    assert_string_equal(cnn_diag_get(s->diag, 0)->file, "net.onnx");
}

static void test_a_graph_has_a_layer(void **out)
{
    struct state *s = *out;
    struct cnn_graph graph;
    assert_int_equal(cnn_graph_finish(s->builder, &graph), CNN_INVALID);
    expect_message(s, 0, "at least one layer");
}

static void test_more_layers_than_a_network_may_have_are_refused(void **out)
{
    struct state *s = *out;
    for (size_t i = 0; i < CNN_MAX_LAYERS; i++)
        add(s, "relu", NULL, no_settings);
    assert_int_equal(cnn_graph_add(s->builder, &(struct cnn_graph_layer){.type = "relu"}, NULL),
                     CNN_INVALID);
    expect_message(s, 0, "more than 4096 layers");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_graph_by_calls_is_that_of_the_description),
        TEST(test_mistakes_are_told_as_in_a_description),
        TEST(test_names_shapes_and_places_are_checked),
        TEST(test_a_graph_has_a_layer),
        TEST(test_more_layers_than_a_network_may_have_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
