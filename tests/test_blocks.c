/* Blocks: the layers that uses come to, and that a network in blocks is the one written out. */
#include "config/blocks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "networks.h"
#include "util/random.h"
#include "world.h"

static void show_layers(struct cnn_text *out, const struct cnn_yaml *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct cnn_yaml *item = list->items[i], *from;
        if (item->kind == CNN_YAML_SEQUENCE) {
            show_layers(out, item);
            continue;
        }
        cnn_text_printf(out, "%s", cnn_yaml_get(item, "name")->text);
        if ((from = cnn_yaml_get(item, "from")))
            cnn_text_printf(out, "(");
        for (size_t k = 0; from && k < (from->kind == CNN_YAML_SEQUENCE ? from->count : 1); k++)
            cnn_text_printf(out, "%s%s", k ? " " : "",
                            from->kind == CNN_YAML_SEQUENCE ? from->items[k]->text : from->text);
        cnn_text_printf(out, from ? ") " : " ");
    }
}

static cnn_status expand(struct world *world, const char *text, struct cnn_yaml **out)
{
    struct cnn_blocks blocks;
    struct cnn_yaml *root = parse(world, text);
    cnn_status read = cnn_blocks_read(world->arena, cnn_yaml_get(root, "blocks"), &blocks,
                                      world->diag),
               status = cnn_blocks_expand(world->arena, &blocks, cnn_yaml_get(root, "layers"), out,
                                          world->diag);
    return read != CNN_OK ? read : status;
}

/* The names of all layers, each followed by what it reads where it is not the layer above. */
static void assert_names(struct world *world, const char *text, const char *names)
{
    struct cnn_text out = {0};
    struct cnn_yaml *layers = NULL;
    cnn_status status = expand(world, text, &layers);
    assert_messages(world, "");
    assert_int_equal(status, CNN_OK);
    show_layers(&out, layers);
    assert_string_equal(out.data, names);
    cnn_text_free(&out);
}

static void test_names_of_a_use_begin_with_its_name(void **state)
{
    assert_names(*state,
                 "blocks:\n"
                 "  b: {layers: [conv, relu, conv]}\n"
                 "layers: [conv, b, conv, {type: b, name: stage}, {type: b}, conv]\n",
                 "conv1 b1_conv1 b1_relu1 b1 conv2 stage_conv1 stage_relu1 stage b3_conv1 b3_relu1 "
                 "b3 conv3 ");
}

static void test_names_count_on_when_an_item_is_repeated(void **state)
{
    assert_names(*state,
                 "blocks:\n"
                 "  b: {layers: [relu, {type: tanh, name: end}]}\n"
                 "layers: [{type: b, repeat: 2}, {type: b, name: s, repeat: 2}, b,\n"
                 "         {type: relu, repeat: 2}, {type: relu, name: r, repeat: 2},\n"
                 "         {repeat: 2, layers: [relu, b]}]\n",
                 "b1_relu1 b1 b2_relu1 b2 s_1_relu1 s_1 s_2_relu1 s_2 b5_relu1 b5 relu1 relu2 r_1 "
                 "r_2 relu5 b6_relu1 b6 relu6 b7_relu1 b7 ");
}

static void test_blocks_in_blocks_have_scopes_of_their_own(void **state)
{
    assert_names(*state,
                 "blocks:\n"
                 "  outer: {layers: [relu, inner, {type: add, from: [relu1, inner1]}]}\n"
                 "  inner: {layers: [relu, {type: add, from: [relu1, input]}]}\n"
                 "layers: [relu, outer, {type: add, from: [relu1, outer1]}]\n",
                 "relu1 outer1_relu1 outer1_inner1_relu1 outer1_inner1(outer1_inner1_relu1 "
                 "outer1_relu1) outer1(outer1_relu1 outer1_inner1) add1(relu1 outer1) ");
}

static void test_from_of_a_use_is_what_the_block_reads(void **state)
{
    assert_names(*state,
                 "blocks:\n"
                 "  b: {layers: [relu, {type: add, from: [input, relu1]}]}\n"
                 "layers: [relu, tanh, {type: b, from: relu1, repeat: 2}, {type: b, from: input},\n"
                 "         {type: relu, from: b1}]\n",
                 "relu1 tanh1 b1_relu1(relu1) b1(relu1 b1_relu1) b2_relu1 b2(b1 b2_relu1) "
                 "b3_relu1(input) b3(input b3_relu1) relu2(b1) ");
}

static void test_branches_begin_where_the_layer_above_ends(void **state)
{
    assert_names(*state,
                 "layers:\n"
                 "- {type: add, branches: [[relu, tanh], []]}\n"
                 "- {type: concat, branches: [[], [relu], [relu, tanh]], name: c}\n"
                 "- {type: add, from: input, branches: [[relu], [tanh]]}\n"
                 "- {type: add, branches: [[relu], [{type: tanh, from: c}]], repeat: 2}\n"
                 "- relu\n",
                 "relu1 tanh1 add1(tanh1 input) "
                 "relu2 relu3(add1) tanh2 c(add1 relu2 tanh2) "
                 "relu4(input) tanh3(input) add2(relu4 tanh3) "
                 "relu5 tanh4(c) add3(relu5 tanh4) relu6 tanh5(c) add4(relu6 tanh5) relu7 ");
}

static void test_branches_may_hold_blocks_and_branches(void **state)
{
    assert_names(*state,
                 "blocks:\n"
                 "  b: {layers: [{type: add, branches: [[relu], []]}]}\n"
                 "layers:\n"
                 "- {type: concat, branches: [[b], [{type: mul, branches: [[], [relu, b]]}]]}\n",
                 "b1_relu1 b1(b1_relu1 input) relu1(input) b2_relu1 b2(b2_relu1 relu1) mul1(input "
                 "b2) concat1(b1 mul1) ");
}

static void test_layers_are_left_out_when_their_condition_is_false(void **state)
{
    assert_names(
        *state,
        "blocks:\n"
        "  b:\n"
        "    parameters: {a: 0, c: true, n: 2}\n"
        "    layers: [{type: relu, if: $a}, {type: tanh, if: $c}, {type: relu, if: $n - 2},"
        " {if: $a, layers: [relu, tanh]}]\n"
        "layers: [{type: b}, {type: b, a: 2, n: 1, c: false}, {type: b, if: false}, relu,\n"
        "         {type: b, c: 0, a: 1.0, if: 1}]\n",
        "b1 b2_relu1 b2_relu2 b2_relu3 b2 relu1 b3_relu1 b3_relu2 b3 ");
}

static void test_a_use_without_layers_changes_nothing(void **state)
{
    assert_names(*state,
                 "blocks:\n"
                 "  b: {parameters: {on}, layers: [{type: relu, if: $on}]}\n"
                 "layers: [tanh, {type: b, on: false, name: none}, tanh,\n"
                 "         {type: add, from: [none, tanh2]}, {repeat: 2, layers: [{type: b, on: 0},"
                 " tanh]}]\n",
                 "tanh1 tanh2 add1(tanh1 tanh2) tanh3 tanh4 ");
}

/* A name that the block has, too, still means the layer where the block is used. */
static void test_a_parameter_may_name_a_layer_where_the_block_is_used(void **state)
{
    assert_names(
        *state,
        "blocks:\n"
        "  up:\n"
        "    parameters: {skip, first: relu1}\n"
        "    layers: [relu, {type: concat, from: [relu1, $skip]}, {type: add, from: "
        "[concat1, $first]}]\n"
        "  two: {parameters: {far}, layers: [relu, {type: up, skip: relu1}, {type: up, "
        "skip: $far}, {type: up, skip: input}]}\n"
        "layers: [relu, tanh, {type: up, skip: relu1}, {type: two, far: relu1}]\n",
        "relu1 tanh1 up1_relu1 up1_concat1(up1_relu1 relu1) up1(up1_concat1 up1_relu1) two1_relu1 "
        "two1_up1_relu1 two1_up1_concat1(two1_up1_relu1 two1_relu1) two1_up1(two1_up1_concat1 "
        "two1_up1_relu1) two1_up2_relu1 two1_up2_concat1(two1_up2_relu1 relu1) "
        "two1_up2(two1_up2_concat1 two1_up2_relu1) two1_up3_relu1 two1_up3_concat1(two1_up3_relu1 "
        "up1) two1(two1_up3_concat1 two1_up3_relu1) ");
}

/* What is no layer of the block that uses another one is none of the network's either. */
static void test_a_name_is_looked_up_where_it_is_given(void **state)
{
    struct world *world = *state;
    struct cnn_yaml *layers = NULL;
    assert_int_equal(expand(world,
                            "blocks:\n"
                            "  up: {parameters: {skip}, layers: [relu, {type: add, from: [relu1, "
                            "$skip]}]}\n"
                            "  two: {layers: [tanh, {type: up, skip: relu1}]}\n"
                            "layers: [relu, two]\n",
                            &layers),
                     CNN_INVALID);
    assert_int_equal(cnn_diag_count(world->diag), 1);
    assert_string_equal(cnn_diag_get(world->diag, 0)->text,
                        "`from` names 'relu1', but no layer above has that name");
    assert_int_equal(cnn_diag_get(world->diag, 0)->line, 3);
    assert_int_equal(cnn_diag_get(world->diag, 0)->note->line, 2);
    cnn_diag_clear(world->diag);
}

static void test_parameters_are_put_in_and_calculated_with(void **state)
{
    struct world *world = *state;
    struct cnn_yaml *layers = NULL;
    cnn_status status =
        expand(world,
               "blocks:\n"
               "  b:\n"
               "    parameters: {n, k: [3, 1], t: conv, q: '7', w: 2}\n"
               "    layers:\n"
               "    - {type: $t, kernel_size: $k, filters: $n, a: $n * 4 + 1, b: $n//2, c: 20 "
               "- 3*$n - 9, d: 7 // $w * 2, e: 0 - $n // $w,\n"
               "       f: '$n', g: [$n, [$w]], h: $q, i: 0 * 3 - $n * 1 // $w}\n"
               "    - {type: relu, j: 2 - $n // $w - 1, k: $n * 0 - 3}\n"
               "layers: [{type: b, n: 5}]\n",
               &layers);
    assert_messages(world, "");
    assert_int_equal(status, CNN_OK);
    assert_written(layers, "- - {type: conv, kernel_size: [3, 1], filters: 5, a: 21, b: 2, c: -4, "
                           "d: 6, e: -2, f: '$n', g: [5, [2]], h: '7', i: -2, name: b1_conv1}\n"
                           "  - {type: relu, j: -1, k: -3, name: b1}\n");
}

/* -3 // 2 is -2, as Python and mathematics have it. */
static void test_quotients_are_rounded_down_when_negative(void **state)
{
    struct world *world = *state;
    struct cnn_yaml *layers = NULL;
    assert_int_equal(expand(world,
                            "blocks:\n"
                            "  b: {parameters: {n}, layers: [{type: relu, a: $n // 2, b: $n // 3, "
                            "c: 3 // $n}]}\n"
                            "layers: [{type: b, n: -3}]\n",
                            &layers),
                     CNN_OK);
    assert_written(layers, "- - {type: relu, a: -2, b: -1, c: -1, name: b1}\n");
}

static void test_calculations_fail_when_they_have_no_result(void **state)
{
    static const struct mistake mistakes[] = {
        {"1 // $n", "nothing can be divided by 0"},
        {"$n * $w", "'w' is the text 'x', and integers alone can be calculated with"},
        {"$m * $m", "the result is too large"},
        {"$m + $m", "the result is too large"},
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct cnn_yaml *layers = NULL;
        char *text = cnn_arena_printf(
            world->arena,
            "blocks:\n  b: {parameters: {n: 0, m: 2147483647, w: x}, layers: [{type: relu, a: %s, "
            "b: $n, c: $m, d: $w}]}\nlayers: [b]\n",
            mistakes[i].text);
        assert_int_equal(expand(world, text, &layers), CNN_INVALID);
        assert_int_equal(cnn_diag_count(world->diag), 1);
        assert_non_null(strstr(cnn_diag_get(world->diag, 0)->text, mistakes[i].messages));
        assert_int_equal(cnn_diag_get(world->diag, 0)->note->line, 3);
        cnn_diag_clear(world->diag);
    }
}

static void test_a_mistake_shows_the_use_and_the_definition(void **state)
{
    struct world *world = *state;
    static const char text[] = "blocks:\n"
                               "  a: {parameters: {n}, layers: [{type: b, m: $n}]}\n"
                               "  b: {parameters: {m}, layers: [{type: conv, filters: $m, "
                               "kernel_size: 1}]}\n"
                               "input: [1, 4, 4]\n"
                               "layers:\n"
                               "- {type: a, n: none}\n";
    cnn_model *model = NULL;
    assert_int_equal(
        cnn_model_from_text("m.yaml", text, sizeof text - 1, NULL, &model, world->diag),
        CNN_INVALID);
    assert_messages(
        world,
        "m.yaml:6:16: error: key 'filters' of layer 'conv' wants an integer, 1 to 65536; found the "
        "text 'none'\n"
        "  - {type: a, n: none}\n"
        "                 ^\n"
        "m.yaml:3:55: note: it stands here as '$m' of block 'b'\n"
        "    b: {parameters: {m}, layers: [{type: conv, filters: $m, kernel_size: 1}]}\n"
        "                                                        ^\n"
        "m.yaml:2:46: note: it stands here as '$n' of block 'a'\n"
        "    a: {parameters: {n}, layers: [{type: b, m: $n}]}\n"
        "                                               ^\n");
}

static const char in_blocks[] = "name: net\n"
                                "input: [3, 16, 16]\n"
                                "blocks:\n"
                                "  cb:\n"
                                "    parameters: {n, k: 3, s: 1, act: relu}\n"
                                "    layers:\n"
                                "    - {type: conv, filters: $n, kernel_size: $k, stride: $s, "
                                "padding: $k // 2, bias: false}\n"
                                "    - {type: batch_norm, activation: $act}\n"
                                "  se:\n"
                                "    parameters: {n}\n"
                                "    layers:\n"
                                "    - type: mul\n"
                                "      branches:\n"
                                "      - []\n"
                                "      - - {type: global_pool, pool_type: avg}\n"
                                "        - {type: conv, filters: $n // 2, kernel_size: 1, "
                                "activation: relu}\n"
                                "        - {type: conv, filters: $n, kernel_size: 1, activation: "
                                "sigmoid}\n"
                                "  res:\n"
                                "    parameters: {n, s: 1, project: false}\n"
                                "    layers:\n"
                                "    - type: add\n"
                                "      activation: relu\n"
                                "      branches:\n"
                                "      - [{type: cb, n: $n, s: $s}, {type: cb, n: $n, act: none}, "
                                "{type: se, n: $n}]\n"
                                "      - [{type: cb, n: $n, k: 1, s: $s, act: none, if: "
                                "$project}]\n"
                                "layers:\n"
                                "- {type: cb, n: 4}\n"
                                "- {type: res, n: 4, repeat: 2}\n"
                                "- {type: res, n: 6, s: 2, project: true}\n"
                                "- {type: flatten}\n"
                                "- {type: dense, units: 3}\n";

/* What they come to is a description, with the same values in every parameter. */
static void test_a_network_in_blocks_is_the_one_written_out(void **state)
{
    (void)state;
    cnn_model *first = network_open(in_blocks), *second = network_open(first->resolved);
    assert_string_equal(first->resolved, second->resolved);
    assert_null(strstr(first->resolved, "blocks"));
    assert_int_equal(first->graph.count, 33);
    assert_int_equal(first->graph.parameter_floats, second->graph.parameter_floats);
    assert_memory_equal(first->parameters, second->parameters,
                        first->graph.parameter_floats * sizeof *first->parameters);
    cnn_model_free(first);
    cnn_model_free(second);
}

/* Characters are put in, left out and changed: a description is read, or mistakes are told. */
static void test_damaged_blocks_are_read_or_refused(void **state)
{
    static const char odd[] = "$$$$*/+-.,:[]{}# 0199nkx\n";
    struct world *world = *state;
    struct cnn_rng rng = cnn_rng_at(3, CNN_STREAM_BENCH, 0);
    size_t read = 0;
    for (int i = 0; i < 3000; i++) {
        char text[sizeof in_blocks + 8];
        size_t size = sizeof in_blocks - 1;
        memcpy(text, in_blocks, size);
        for (uint32_t edits = 1 + cnn_rng_below(&rng, 3); edits > 0; edits--) {
            size_t at = cnn_rng_below(&rng, (uint32_t)size);
            bool more = cnn_rng_below(&rng, 2) && size < sizeof text;
            memmove(text + at + more, text + at, size - at);
            size += more;
            text[at] = odd[cnn_rng_below(&rng, sizeof odd - 1)];
        }
        cnn_model *model = NULL;
        cnn_status status = cnn_model_from_text("m.yaml", text, size, NULL, &model, world->diag);
        assert_true(status == CNN_OK || cnn_diag_errors(world->diag) > 0);
        for (size_t k = 0; k < cnn_diag_count(world->diag); k++)
            cnn_free(cnn_message_format(cnn_diag_get(world->diag, k), NULL));
        read += status == CNN_OK;
        cnn_model_free(model);
        cnn_diag_clear(world->diag);
    }
    assert_in_range(read, 1, 2999);
}

static void test_set_changes_one_layer_of_one_use(void **state)
{
    struct world *world = *state;
    struct cnn_yaml *root = parse(world, "blocks:\n"
                                         "  b: {parameters: {n: 1}, layers: [{type: conv, filters: "
                                         "$n}, relu]}\n"
                                         "layers:\n"
                                         "- {type: b, name: x}\n"
                                         "- {type: b, repeat: 2}\n"
                                         "- {type: b, if: false}\n"
                                         "- {type: b}\n"
                                         "- {type: dense, units: 3}\n");
    static const char *const settings[] = {
        "layers.x.n=4",     "layers.b4.n=5",           "layers.b3_conv1.filters=9",
        "layers.4.units=5", "blocks.b.parameters.n=7", "layers.x.type=tanh"};
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        assert_int_equal(cnn_yaml_set(world->arena, root, settings[i], world->diag), CNN_OK);
    assert_messages(world, "");
    assert_written(cnn_yaml_get(root, "layers"),
                   "- - {type: conv, filters: 4, name: x_conv1}\n"
                   "  - {type: tanh, name: x}\n"
                   "- - [{type: conv, filters: 1, name: b2_conv1}, {type: relu, name: b2}]\n"
                   "  - [{type: conv, filters: 9, name: b3_conv1}, {type: relu, name: b3}]\n"
                   "- []\n"
                   "- - {type: conv, filters: 5, name: b4_conv1}\n"
                   "  - {type: relu, name: b4}\n"
                   "- type: dense\n"
                   "  units: 5\n"
                   "  name: dense1\n");
    assert_int_equal(cnn_yaml_set(world->arena, root, "layers.b2_conv2.filters=1", world->diag),
                     CNN_INVALID);
    assert_messages(world, "--set:1:8: error: no layer has the name 'b2_conv2'\n"
                           "  layers.b2_conv2.filters=1\n"
                           "         ^\n"
                           "  hint: did you mean 'b2_conv1'?\n");
}

/* A name that one turn of a repeated use has is no name of them all. */
static void test_set_changes_no_other_turn_of_a_use(void **state)
{
    struct world *world = *state;
    struct cnn_yaml *root = parse(world, "blocks: {b: {parameters: {rate: 0.1}, layers: [{type: "
                                         "dropout, rate: $rate}]}}\n"
                                         "layers: [{type: b, repeat: 2}]\n");
    assert_int_equal(cnn_yaml_set(world->arena, root, "layers.b2.rate=0.5", world->diag), CNN_OK);
    assert_written(cnn_yaml_get(root, "layers"), "- - [{type: dropout, rate: 0.1, name: b1}]\n"
                                                 "  - [{type: dropout, rate: 0.5, name: b2}]\n");
}

static void assert_compact(const char *layers, const char *expected)
{
    cnn_model *model = network_open_layers("[3, 8, 8]", layers);
    char *text = cnn_model_compact(model), *end;
    assert_non_null(text);
    assert_non_null(end = strstr(text, "loss:"));
    *end = '\0';
    assert_string_equal(strstr(text, "input:"), expected);
    cnn_free(text);
    cnn_model_free(model);
}

static void test_compact_writes_blocks_for_names_that_blocks_give(void **state)
{
    (void)state;
    assert_compact(
        "- {type: conv, name: stem, filters: 4, kernel_size: 1}\n"
        "- {type: conv, name: a_0_c, filters: 4, kernel_size: 3, padding: 1}\n"
        "- {type: add, name: a_0, from: [a_0_c, stem]}\n"
        "- {type: conv, name: a_1_c, filters: 4, kernel_size: 3, padding: 1, bias: false}\n"
        "- {type: add, name: a_1, from: [a_1_c, a_0]}\n"
        "- {type: conv, name: a_2_c, filters: 4, kernel_size: 3, padding: 1, bias: false}\n"
        "- {type: add, name: a_2, from: [a_2_c, a_1]}\n"
        "- {type: conv, name: b_c, from: stem, filters: 4, kernel_size: 3, padding: 1}\n"
        "- {type: add, name: b, from: [b_c, stem]}\n"
        "- {type: add, name: end, from: [b, a_2]}\n"
        "- {type: flatten, name: flat}\n",
        "input: [3, 8, 8]\n"
        "blocks:\n"
        "  add_block:\n"
        "    parameters:\n"
        "      bias: true\n"
        "    layers:\n"
        "    - {type: conv, name: c, filters: 4, kernel_size: 3, padding: 1, bias: $bias}\n"
        "    - {type: add, from: [c, input]}\n"
        "layers:\n"
        "- {type: conv, name: stem, filters: 4, kernel_size: 1}\n"
        "- {type: add_block, name: a_0}\n"
        "- {type: add_block, name: a, bias: false, repeat: 2}\n"
        "- {type: add_block, name: b, from: stem}\n"
        "- {type: add, name: end, from: [b, a_2]}\n"
        "- {type: flatten, name: flat}\n");
}

static void test_compact_repeats_uses_that_follow_each_other_alone(void **state)
{
    (void)state;
    assert_compact("- {type: relu, name: a_1_r}\n- {type: add, name: a_1, from: [a_1_r, input]}\n"
                   "- {type: tanh, name: between}\n"
                   "- {type: relu, name: a_2_r}\n- {type: add, name: a_2, from: [a_2_r, between]}\n"
                   "- {type: relu, name: b_1_r, from: between}\n"
                   "- {type: add, name: b_1, from: [b_1_r, between]}\n"
                   "- {type: relu, name: b_2_r, from: between}\n"
                   "- {type: add, name: b_2, from: [b_2_r, between]}\n"
                   "- {type: add, name: end, from: [a_2, b_1, b_2]}\n"
                   "- {type: flatten, name: flat}\n",
                   "input: [3, 8, 8]\n"
                   "blocks:\n"
                   "  add_block:\n"
                   "    layers:\n"
                   "    - {type: relu, name: r}\n"
                   "    - {type: add, from: [r, input]}\n"
                   "layers:\n"
                   "- {type: add_block, name: a_1}\n"
                   "- {type: tanh, name: between}\n"
                   "- {type: add_block, name: a_2}\n"
                   "- {type: add_block, name: b_1, from: between}\n"
                   "- {type: add_block, name: b_2, from: between}\n"
                   "- {type: add, name: end, from: [a_2, b_1, b_2]}\n"
                   "- {type: flatten, name: flat}\n");
}

/* A layer inside is read from outside; two values are read; one use alone; other connections. */
static void test_compact_leaves_layers_alone_when_no_block_gives_them(void **state)
{
    (void)state;
    static const char *const others[] = {
        "- {type: relu, name: a_c}\n- {type: add, name: a, from: [a_c, input]}\n"
        "- {type: relu, name: b_c}\n- {type: add, name: b, from: [b_c, a]}\n"
        "- {type: add, name: end, from: [a_c, b_c]}\n",
        "- {type: relu, name: x}\n- {type: relu, name: y}\n"
        "- {type: relu, name: a_c}\n- {type: add, name: a, from: [a_c, x]}\n"
        "- {type: relu, name: b_c}\n- {type: add, name: b, from: [b_c, y]}\n",
        "- {type: relu, name: a_c}\n- {type: add, name: a, from: [a_c, input]}\n",
        "- {type: relu, name: a_c}\n- {type: add, name: a, from: [a_c, input]}\n"
        "- {type: relu, name: b_c}\n- {type: add, name: b, from: [b_c, b_c]}\n",
        "- {type: relu, name: a_c}\n- {type: add, name: a, from: [a_c, input]}\n"
        "- {type: relu, name: b_d}\n- {type: add, name: b, from: [b_d, a]}\n",
        "- {type: relu, name: a_c}\n- {type: add, name: a, from: [a_c, input]}\n"
        "- {type: relu, name: b_c, trainable: false}\n- {type: add, name: b, from: [b_c, a]}\n",
    };
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        cnn_model *model = network_open_layers("[3, 8, 8]", others[i]);
        char *text = cnn_model_compact(model);
        assert_null(strstr(text, "block"));
        cnn_free(text);
        cnn_model_free(model);
    }
}

static void test_a_parameter_that_no_layer_uses_is_warned_of(void **state)
{
    struct world *world = *state;
    struct cnn_yaml *layers = NULL;
    assert_int_equal(expand(world,
                            "blocks:\n"
                            "  b: {parameters: {n: 1}, layers: [relu]}\n"
                            "layers: [b]\n",
                            &layers),
                     CNN_OK);
    assert_messages(world, "m.yaml:2:20: warning: no layer of block 'b' uses its parameter 'n'\n"
                           "    b: {parameters: {n: 1}, layers: [relu]}\n"
                           "                     ^\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_names_of_a_use_begin_with_its_name),
        WORLD_TEST(test_names_count_on_when_an_item_is_repeated),
        WORLD_TEST(test_blocks_in_blocks_have_scopes_of_their_own),
        WORLD_TEST(test_from_of_a_use_is_what_the_block_reads),
        WORLD_TEST(test_branches_begin_where_the_layer_above_ends),
        WORLD_TEST(test_branches_may_hold_blocks_and_branches),
        WORLD_TEST(test_layers_are_left_out_when_their_condition_is_false),
        WORLD_TEST(test_a_use_without_layers_changes_nothing),
        WORLD_TEST(test_a_parameter_may_name_a_layer_where_the_block_is_used),
        WORLD_TEST(test_a_name_is_looked_up_where_it_is_given),
        WORLD_TEST(test_parameters_are_put_in_and_calculated_with),
        WORLD_TEST(test_quotients_are_rounded_down_when_negative),
        WORLD_TEST(test_calculations_fail_when_they_have_no_result),
        WORLD_TEST(test_a_mistake_shows_the_use_and_the_definition),
        WORLD_TEST(test_a_network_in_blocks_is_the_one_written_out),
        WORLD_TEST(test_damaged_blocks_are_read_or_refused),
        WORLD_TEST(test_set_changes_one_layer_of_one_use),
        WORLD_TEST(test_set_changes_no_other_turn_of_a_use),
        cmocka_unit_test(test_compact_writes_blocks_for_names_that_blocks_give),
        cmocka_unit_test(test_compact_repeats_uses_that_follow_each_other_alone),
        cmocka_unit_test(test_compact_leaves_layers_alone_when_no_block_gives_them),
        WORLD_TEST(test_a_parameter_that_no_layer_uses_is_warned_of),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
