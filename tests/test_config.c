/* Key tables: what is stored, what is resolved, the exact words of the messages; and descriptions
 * with damage. */
#include "config/keys.h"
#include "util/random.h"
#include "world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct conv {
    size_t filters, kernel[2], groups;
    struct cnn_padding padding;
    double rate, shift;
    bool bias;
    int mode;
    const char *label;
    struct cnn_numbers mean;
    const struct cnn_yaml *weights;
};

static const char *const modes[] = {"zeros", "reflect", "replicate", NULL};

static const struct cnn_key conv_keys[] = {
    {.name = "filters",
     .kind = CNN_KEY_SIZE,
     .at = offsetof(struct conv, filters),
     .min = 1,
     .help = "output channels"},
    {.name = "kernel_size",
     .kind = CNN_KEY_PAIR,
     .at = offsetof(struct conv, kernel),
     .min = 1,
     .help = "size of the window"},
    {.name = "groups",
     .kind = CNN_KEY_SIZE,
     .at = offsetof(struct conv, groups),
     .otherwise = "1",
     .min = 1,
     .max = 9,
     .help = "groups"},
    {.name = "padding",
     .kind = CNN_KEY_PADDING,
     .at = offsetof(struct conv, padding),
     .otherwise = "0",
     .help = "padding"},
    {.name = "rate",
     .kind = CNN_KEY_NUMBER,
     .at = offsetof(struct conv, rate),
     .otherwise = "0.5",
     .max = 1,
     .open_max = true,
     .help = "share"},
    {.name = "shift",
     .kind = CNN_KEY_NUMBER,
     .at = offsetof(struct conv, shift),
     .otherwise = "",
     .help = "any number"},
    {.name = "bias",
     .kind = CNN_KEY_BOOL,
     .at = offsetof(struct conv, bias),
     .otherwise = "true",
     .help = "adds a number"},
    {.name = "padding_mode",
     .kind = CNN_KEY_CHOICE,
     .at = offsetof(struct conv, mode),
     .otherwise = "zeros",
     .choices = modes,
     .help = "what stands outside"},
    {.name = "label",
     .kind = CNN_KEY_TEXT,
     .at = offsetof(struct conv, label),
     .otherwise = "",
     .help = "a text"},
    {.name = "mean",
     .kind = CNN_KEY_NUMBERS,
     .at = offsetof(struct conv, mean),
     .otherwise = "[0, 1]",
     .help = "means"},
    {.name = "weights",
     .kind = CNN_KEY_NODE,
     .at = offsetof(struct conv, weights),
     .otherwise = "",
     .help = "literal values"},
    CNN_KEY_END,
};

static const struct cnn_key also[] = {
    {.name = "type", .kind = CNN_KEY_TEXT, .otherwise = "", .help = ""},
    {.name = "name", .kind = CNN_KEY_TEXT, .otherwise = "", .help = ""},
    {.name = "from", .kind = CNN_KEY_NODE, .otherwise = "", .help = ""},
    CNN_KEY_END};

static cnn_status conv_read(struct world *world, const char *text, struct conv *conv)
{
    const struct cnn_yaml *mapping = parse(world, text);
    assert_non_null(mapping);
    *conv = (struct conv){0};
    return cnn_keys_read(
        world->arena, &(struct cnn_keys){.table = conv_keys, .also = also, .what = "layer 'conv'"},
        mapping, NULL, conv, world->diag);
}

static void test_keys_are_stored_when_they_are_right(void **state)
{
    struct conv conv;
    assert_int_equal(
        conv_read(*state,
                  "{type: conv, name: c, filters: 0x10, kernel_size: [3, 5], groups: 9, padding: "
                  "[1, 2, 3, 4], rate: 0, shift: -1e3, bias: false, "
                  "padding_mode: replicate, label: 7, mean: 0.25, weights: {kernel: 1}}",
                  &conv),
        CNN_OK);
    assert_int_equal(conv.filters, 16);
    assert_int_equal(conv.kernel[0], 3);
    assert_int_equal(conv.kernel[1], 5);
    assert_int_equal(conv.groups, 9);
    assert_false(conv.padding.same);
    assert_int_equal(conv.padding.top, 1);
    assert_int_equal(conv.padding.bottom, 2);
    assert_int_equal(conv.padding.left, 3);
    assert_int_equal(conv.padding.right, 4);
    assert_true(is_equal(conv.rate, 0));
    assert_true(is_equal(conv.shift, -1000));
    assert_false(conv.bias);
    assert_int_equal(conv.mode, 2);
    assert_string_equal(conv.label, "7");
    assert_int_equal(conv.mean.count, 1);
    assert_true(is_equal(conv.mean.values[0], 0.25));
    assert_int_equal(conv.weights->kind, CNN_YAML_MAPPING);
}

static void test_keys_have_their_defaults_when_absent(void **state)
{
    struct conv conv;
    assert_int_equal(
        conv_read(*state, "{filters: 1, kernel_size: 3, padding: same, weights: ~}", &conv),
        CNN_OK);
    assert_int_equal(conv.kernel[1], 3);
    assert_int_equal(conv.groups, 1);
    assert_true(conv.padding.same);
    assert_true(is_equal(conv.rate, 0.5));
    assert_true(conv.bias);
    assert_int_equal(conv.mode, 0);
    assert_null(conv.label);
    assert_int_equal(conv.mean.count, 2);
    assert_true(is_equal(conv.mean.values[1], 1));
    assert_null(conv.weights);
    assert_int_equal(conv_read(*state, "{filters: 1, kernel_size: 3, padding: [1, 2]}", &conv),
                     CNN_OK);
    assert_int_equal(conv.padding.bottom, 1);
    assert_int_equal(conv.padding.right, 2);
}

static void test_keys_report_every_mistake_in_one_run(void **state)
{
    struct conv conv;
    assert_int_equal(
        conv_read(
            *state,
            "type: conv\nout_channels: 64\nkernel_size: [3, 0]\npaddin: 1\ngroups: many\nrate: 1\n",
            &conv),
        CNN_INVALID);
    assert_messages(*state, "m.yaml:2:1: error: layer 'conv' has no key 'out_channels'\n  "
                            "out_channels: 64\n  ^\n  hint: did you mean 'filters'?\n"
                            "m.yaml:4:1: error: layer 'conv' has no key 'paddin'\n  paddin: 1\n  "
                            "^\n  hint: did you mean 'padding'?\n"
                            "m.yaml:3:18: error: key 'kernel_size' of layer 'conv' wants n or "
                            "[height, width], each 1 or more; found the number 0\n"
                            "  kernel_size: [3, 0]\n                   ^\n"
                            "m.yaml:5:9: error: key 'groups' of layer 'conv' wants an integer, 1 "
                            "to 9; found the text 'many'\n  groups: many\n          ^\n"
                            "m.yaml:6:7: error: key 'rate' of layer 'conv' wants a number in [0, "
                            "1); found the number 1\n  rate: 1\n        ^\n");
}

static void test_keys_report_what_is_missing(void **state)
{
    struct conv conv;
    assert_int_equal(conv_read(*state, "type: conv\nkernel: 3\n", &conv), CNN_INVALID);
    assert_messages(*state, "m.yaml:2:1: error: layer 'conv' has no key 'kernel'\n  kernel: 3\n  "
                            "^\n  hint: did you mean 'kernel_size'?\n"
                            "m.yaml:1:1: error: layer 'conv' lacks the key 'filters'\n  type: "
                            "conv\n  ^\n  hint: filters: an integer, 1 or more\n");
}

static void test_keys_say_what_they_want_when_a_value_is_wrong(void **state)
{
    static const char wants_integer[] =
        "key 'filters' of layer 'conv' wants an integer, 1 or more; found ";
    static const char wants_padding[] = "key 'padding' of layer 'conv' wants n, [height, width], "
                                        "[top, bottom, left, right], valid or same; found ";
    static const struct {
        const char *key, *value, *text, *found, *hint;
    } values[] = {
        {"filters", "3.0", wants_integer, "the number 3.0", "write 3"},
        {"filters", "1e2", wants_integer, "the number 1e2", "write 100"},
        {"filters", "'3'", wants_integer, "the text '3'", "write 3, without quotes"},
        {"filters", "3.5", wants_integer, "the number 3.5", NULL},
        {"filters", "-1", wants_integer, "the number -1", NULL},
        {"filters", "2147483648", wants_integer, "the number 2147483648", "the most is 2147483647"},
        {"filters", "99999999999999999999", wants_integer, "the number 99999999999999999999",
         "the most is 2147483647"},
        {"filters", "[3]", wants_integer, "a list", NULL},
        {"filters", "~", wants_integer, "nothing", NULL},
        {"bias", "no", "key 'bias' of layer 'conv' wants true or false; found ", "the text 'no'",
         "write false"},
        {"bias", "ON", "key 'bias' of layer 'conv' wants true or false; found ", "the text 'ON'",
         "write true"},
        {"bias", "'true'", "key 'bias' of layer 'conv' wants true or false; found ",
         "the text 'true'", "write true, without quotes"},
        {"padding", "[1, 2, 3]", wants_padding, "a list of 3", NULL},
        {"padding", "65536", wants_padding, "the number 65536", "the most is 65535"},
        {"padding", "full", wants_padding, "the text 'full'", NULL},
        {"shift", ".inf", "key 'shift' of layer 'conv' wants a number; found ", "the number .inf",
         NULL},
        {"shift", "'1'", "key 'shift' of layer 'conv' wants a number; found ", "the text '1'",
         "write 1, without quotes"},
        {"label", "''", "key 'label' of layer 'conv' wants a text; found ", "an empty text", NULL},
        {"padding_mode", "zero",
         "key 'padding_mode' of layer 'conv' wants zeros, reflect or replicate; found ",
         "the text 'zero'", "did you mean 'zeros'?"},
        {"padding_mode", "edge",
         "key 'padding_mode' of layer 'conv' wants zeros, reflect or replicate; found ",
         "the text 'edge'", "did you mean 'replicate'?"},
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof(values) / sizeof(*values); i++) {
        char text[128], expected[256];
        struct conv conv;
        snprintf(text, sizeof(text), "{%s%s: %s, kernel_size: 1}",
                 strcmp(values[i].key, "filters") ? "filters: 1, " : "", values[i].key,
                 values[i].value);
        assert_int_equal(conv_read(world, text, &conv), CNN_INVALID);
        const cnn_message *message = cnn_diag_get(world->diag, 0);
        assert_int_equal(cnn_diag_count(world->diag), 1);
        snprintf(expected, sizeof(expected), "%s%s", values[i].text, values[i].found);
        assert_string_equal(message->text, expected);
        assert_int_equal(!message->hint, !values[i].hint);
        if (values[i].hint)
            assert_string_equal(message->hint, values[i].hint);
        cnn_diag_clear(world->diag);
    }
}

static void test_keys_hint_at_ours_when_the_name_is_foreign(void **state)
{
    static const char *const names[][2] = {
        {"num_output", "did you mean 'filters'?"},
        {"nFilters", "did you mean 'filters'?"},
        {"channels", "did you mean 'filters'?"},
        {"kernel", "did you mean 'kernel_size'?"},
        {"pool_size", "did you mean 'kernel_size'?"},
        {"pads", "did you mean 'padding'?"},
        {"p", "did you mean 'rate'?"},
        {"dropout_ratio", "did you mean 'rate'?"},
        {"use_bias", "did you mean 'bias'?"},
        {"in_channels", "leave it out: it follows from the layer above"},
        {"nmae", "did you mean 'name'?"},
        {"filters:8", "YAML wants a space behind the colon: 'filters: ...'"},
        {"colour", "it has: type, name, from, filters, kernel_size, groups, padding, rate, shift, "
                   "bias, padding_mode, label, mean, weights"},
        {"strides", "it has: type, name, from, filters, kernel_size, groups, padding, rate, shift, "
                    "bias, padding_mode, label, mean, weights"},
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char text[96];
        struct conv conv;
        snprintf(text, sizeof(text), "{filters: 1, kernel_size: 1, '%s': 1}", names[i][0]);
        assert_int_equal(conv_read(world, text, &conv), CNN_INVALID);
        assert_int_equal(cnn_diag_count(world->diag), 1);
        assert_non_null(cnn_diag_get(world->diag, 0)->hint);
        assert_string_equal(cnn_diag_get(world->diag, 0)->hint, names[i][1]);
        cnn_diag_clear(world->diag);
    }
}

static void test_keys_read_defaults_when_nothing_is_given(void **state)
{
    struct world *world = *state;
    struct conv conv = {0};
    struct cnn_yaml *root = parse(world, "train:\nconv: [1]\n");
    assert_int_equal(cnn_keys_read(world->arena,
                                   &(struct cnn_keys){.table = conv_keys + 2, .what = "train"},
                                   NULL, NULL, &conv, world->diag),
                     CNN_OK);
    assert_int_equal(conv.groups, 1);
    assert_int_equal(cnn_keys_read(world->arena,
                                   &(struct cnn_keys){.table = conv_keys + 2, .what = "train"},
                                   cnn_yaml_get(root, "train"), NULL, &conv, world->diag),
                     CNN_OK);
    assert_int_equal(cnn_keys_read(world->arena,
                                   &(struct cnn_keys){.table = conv_keys, .what = "conv"},
                                   cnn_yaml_get(root, "conv"), NULL, &conv, world->diag),
                     CNN_INVALID);
    assert_messages(world, "m.yaml:2:7: error: conv wants a mapping, 'key: value'; found a list\n  "
                           "conv: [1]\n        ^\n");
}

static const struct cnn_key no_keys[] = {CNN_KEY_END};
static const struct cnn_variant layers[] = {
    {.name = "conv",
     .help = "convolution",
     .keys = conv_keys,
     .settings_size = sizeof(struct conv)},
    {.name = "pool", .help = "pooling", .keys = no_keys},
    {.name = "global_pool", .help = "global pooling", .keys = no_keys},
    {.name = "dense", .help = "dense", .keys = no_keys},
    {.name = "batch_norm", .help = "batch norm", .keys = no_keys},
    {.name = "leaky_relu", .help = "leaky", .keys = no_keys},
    {.name = "concat", .help = "joins", .keys = no_keys},
    {.name = "add", .help = "adds", .keys = no_keys},
};
static const struct cnn_variant *const all_layers[] = {
    &layers[0], &layers[1], &layers[2], &layers[3], &layers[4], &layers[5], &layers[6], &layers[7]};
static const struct cnn_kind layer_kind = {.what = "layer",
                                           .variants = all_layers,
                                           .count = sizeof(all_layers) / sizeof(*all_layers),
                                           .also = also + 1};

static cnn_status layer_read(struct world *world, const char *text, size_t *chosen, void **settings)
{
    char list[96];
    snprintf(list, sizeof(list), "- %s\n", text);
    const struct cnn_yaml *root = parse(world, list);
    assert_non_null(root);
    const struct cnn_variant *variant = NULL;
    cnn_status status =
        cnn_kind_read(world->arena, &layer_kind, root->items[0], &variant, settings, world->diag);
    if (status == CNN_OK)
        *chosen = (size_t)(variant - layers);
    return status;
}

static void test_variant_is_chosen_by_its_word(void **state)
{
    size_t chosen = 9;
    void *settings = NULL;
    assert_int_equal(
        layer_read(*state, "{type: conv, name: x, filters: 7, kernel_size: 1}", &chosen, &settings),
        CNN_OK);
    assert_int_equal(chosen, 0);
    assert_int_equal(((struct conv *)settings)->filters, 7);
    assert_int_equal(layer_read(*state, "dense", &chosen, &settings), CNN_OK);
    assert_int_equal(chosen, 3);
    assert_int_equal(layer_read(*state, "{type: dense, typ: 1}", &chosen, &settings), CNN_INVALID);
    assert_messages(*state, "m.yaml:1:17: error: layer 'dense' has no key 'typ'\n  - {type: dense, "
                            "typ: 1}\n                  ^\n  hint: did you mean 'type'?\n");
}

/* A descriptor begins with its variant, so the variant that was chosen leads to it. */
static void test_one_of_a_kind_is_read_as_its_descriptor(void **state)
{
    static const struct descriptor {
        struct cnn_variant variant;
        int number;
    } dense = {{.name = "dense", .keys = no_keys}, 3},
      conv = {{.name = "conv", .keys = conv_keys, .settings_size = sizeof(struct conv)}, 7};
    static const struct cnn_variant *const two[] = {&dense.variant, &conv.variant};
    const struct cnn_kind kind = {.what = "layer", .variants = two, .count = 2};
    struct world *world = *state;
    const struct cnn_variant *chosen = NULL;
    void *settings = NULL;
    const struct cnn_yaml *node = parse(world, "{type: conv, filters: 7, kernel_size: 1}");
    assert_int_equal(cnn_kind_read(world->arena, &kind, node, &chosen, &settings, world->diag),
                     CNN_OK);
    assert_int_equal(((const struct descriptor *)chosen)->number, 7);
    assert_int_equal(((struct conv *)settings)->filters, 7);
    assert_int_equal(cnn_kind_read(world->arena, &kind, NULL, &chosen, &settings, world->diag),
                     CNN_OK);
    assert_ptr_equal(chosen, &dense.variant);
    const struct cnn_yaml *resolved = cnn_kind_resolve(world->arena, &kind, NULL);
    assert_string_equal(cnn_yaml_get(resolved, "type")->text, "dense");
    resolved = cnn_kind_resolve(world->arena, &kind, node);
    assert_string_equal(cnn_yaml_get(resolved, "type")->text, "conv");
    assert_string_equal(cnn_yaml_get(resolved, "filters")->text, "7");
}

static void test_variant_hints_when_the_type_is_unknown(void **state)
{
    static const char all[] =
        " known are: conv, pool, global_pool, dense, batch_norm, leaky_relu, concat, add";
    static const char *const types[][2] = {
        {"conv2d", "did you mean 'conv'?"},
        {"Conv2D", "did you mean 'conv'?"},
        {"convolutional", "did you mean 'conv'?"},
        {"linear", "did you mean 'dense'?"},
        {"fully_connected", "did you mean 'dense'?"},
        {"MaxPool2d", "did you mean 'pool' with 'pool_type: max'?"},
        {"max_pool", "did you mean 'pool' with 'pool_type: max'?"},
        {"avgpool", "did you mean 'pool' with 'pool_type: avg'?"},
        {"gap", "did you mean 'global_pool' with 'pool_type: avg'?"},
        {"BatchNorm2d", "did you mean 'batch_norm'?"},
        {"lrelu", "did you mean 'leaky_relu'?"},
        {"route", "did you mean 'concat'?"},
        {"shortcut", "did you mean 'add'?"},
        {"dence", "did you mean 'dense'?"},
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++) {
        char text[64], expected[200];
        size_t chosen;
        void *settings;
        snprintf(text, sizeof(text), "{type: %s}", types[i][0]);
        assert_int_equal(layer_read(world, text, &chosen, &settings), CNN_INVALID);
        snprintf(expected, sizeof(expected), "%s%s", types[i][1], all);
        assert_string_equal(cnn_diag_get(world->diag, 0)->hint, expected);
        cnn_diag_clear(world->diag);
    }
}

static void test_variant_says_so_when_there_is_no_type(void **state)
{
    static const struct mistake mistakes[] = {
        {"{conv: {filters: 3}}", "m.yaml:1:3: error: layer lacks the key 'type'\n  - {conv: "
                                 "{filters: 3}}\n    ^\n  hint: write {type: conv, ...}\n"},
        {"{type: [conv]}", "m.yaml:1:10: error: layer wants {type: ...} or a word; found a list\n  "
                           "- {type: [conv]}\n           ^\n"},
        {"type:conv", "m.yaml:1:3: error: unknown layer type 'type:conv'\n  - type:conv\n    ^\n  "
                      "hint: YAML wants a space behind the colon: 'type: ...'\n"},
        {"rotate", "m.yaml:1:3: error: unknown layer type 'rotate'\n  - rotate\n    ^\n"
                   "  hint: known are: conv, pool, global_pool, dense, batch_norm, leaky_relu, "
                   "concat, add\n"},
    };
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
        size_t chosen;
        void *settings;
        assert_int_equal(layer_read(*state, mistakes[i].text, &chosen, &settings), CNN_INVALID);
        assert_messages(*state, mistakes[i].messages);
    }
}

static void test_resolve_adds_the_defaults(void **state)
{
    struct world *world = *state;
    struct cnn_yaml *root =
        parse(world, "- {mean: [2], type: conv, filters: 0x3, name: c}\n- constant\n");
    struct cnn_yaml *resolved = cnn_yaml_new_sequence(world->arena, NULL);
    assert_true(cnn_yaml_append(world->arena, resolved,
                                cnn_keys_resolve(world->arena, conv_keys, root->items[0])));
    assert_true(cnn_yaml_append(world->arena, resolved,
                                cnn_keys_resolve(world->arena, no_keys, root->items[1])));
    struct cnn_yaml *top = cnn_yaml_new_mapping(world->arena, NULL);
    assert_true(cnn_yaml_put(world->arena, top, "x",
                             cnn_yaml_new_scalar(world->arena, "old", false, NULL)));
    assert_true(cnn_yaml_put(world->arena, top, "x", resolved));
    assert_written(top, "x:\n- {type: conv, name: c, filters: 0x3, groups: 1, padding: 0, rate: "
                        "0.5, bias: true, padding_mode: zeros, mean: [2]}\n"
                        "- {type: constant}\n");
}

static void test_types_are_described_in_words(void **state)
{
    (void)state;
    static const struct {
        struct cnn_key key;
        const char *text;
    } types[] = {
        {{.name = "k", .kind = CNN_KEY_SIZE, .help = NULL}, "integer, 0 or more"},
        {{.name = "k", .kind = CNN_KEY_SIZE, .min = 1, .max = 9, .help = NULL}, "integer, 1 to 9"},
        {{.name = "k", .kind = CNN_KEY_NUMBER, .help = NULL}, "number"},
        {{.name = "k", .kind = CNN_KEY_NUMBER, .max = HUGE_VAL, .help = NULL}, "number, 0 or more"},
        {{.name = "k", .kind = CNN_KEY_NUMBER, .open_min = true, .help = NULL}, "number above 0"},
        {{.name = "k", .kind = CNN_KEY_NUMBER, .max = 1, .open_min = true, .help = NULL},
         "number in (0, 1]"},
        {{.name = "k", .kind = CNN_KEY_NUMBER, .min = -HUGE_VAL, .help = NULL},
         "number, 0 or less"},
        {{.name = "k", .kind = CNN_KEY_PAIR, .min = 1, .help = NULL},
         "n or [height, width], each 1 or more"},
        {{.name = "k", .kind = CNN_KEY_NUMBERS, .open_min = true, .help = NULL},
         "list of numbers, each above 0"},
        {{.name = "k", .kind = CNN_KEY_CHOICE, .choices = modes, .help = NULL},
         "zeros | reflect | replicate"},
        {{.name = "k", .kind = CNN_KEY_BOOL, .help = NULL}, "true | false"},
        {{.name = "k", .kind = CNN_KEY_PADDING, .help = NULL},
         "n, [height, width], [top, bottom, left, right], valid or same"},
    };
    char buffer[128];
    for (size_t i = 0; i < sizeof(types) / sizeof(*types); i++)
        assert_string_equal(cnn_key_describe_type(&types[i].key, buffer, sizeof(buffer)),
                            types[i].text);
}

static const char description[] =
    "name: m\n"
    "layers:\n"
    "- &c {type: conv, filters: 3, kernel_size: [3, 5], padding: same, bias: true}\n"
    "- {type: conv, filters: 4, kernel_size: 1, rate: 1e-3, padding_mode: zeros, mean: [1, .5]}\n"
    "- *c\n"
    "- type: leaky_relu\n"
    "- 'add'\n";

static void bytes_damage(struct cnn_rng *rng, char *text, size_t *size, size_t capacity)
{
    static const char interesting[] = "[]{}:-,#&*!|>'\"%@`\n\t ?~0x\\\x80\xFF";
    for (uint32_t edits = 1 + cnn_rng_below(rng, 4); edits > 0; edits--) {
        size_t at = cnn_rng_below(rng, (uint32_t)*size);
        char byte = interesting[cnn_rng_below(rng, sizeof(interesting) - 1)];
        if (cnn_rng_below(rng, 3) == 0 && *size < capacity) {
            memmove(text + at + 1, text + at, *size - at);
            ++*size;
        } else if (cnn_rng_below(rng, 3) == 0 && *size > 1) {
            memmove(text + at, text + at + 1, *size - at - 1);
            --*size;
            continue;
        }
        text[at] = byte;
    }
}

/* What parses is written, and parses again to what is written the same. */
static void assert_survives(const char *text, size_t size)
{
    void *state = NULL;
    assert_int_equal(world_make(&state), 0);
    struct world *world = state;
    struct cnn_yaml *root = NULL, *again = NULL;
    struct cnn_text first = {0}, second = {0};
    struct cnn_kind kind = layer_kind;
    const struct cnn_variant *chosen;
    void *settings;
    kind.also = also;
    if (cnn_yaml_parse(world->arena, "m.yaml", text, size, &root, world->diag) == CNN_OK) {
        cnn_yaml_write(root, &first);
        assert_false(first.failed);
        assert_int_equal(
            cnn_yaml_parse(world->arena, "w.yaml", first.data, first.size, &again, world->diag),
            CNN_OK);
        cnn_yaml_write(again, &second);
        assert_string_equal(first.data, second.data);
        const struct cnn_yaml *list = cnn_yaml_get(root, "layers");
        for (size_t i = 0; list && list->kind == CNN_YAML_SEQUENCE && i < list->count; i++)
            cnn_kind_read(world->arena, &kind, list->items[i], &chosen, &settings, world->diag);
    } else {
        assert_true(cnn_diag_errors(world->diag) > 0);
    }
    for (size_t i = 0; i < cnn_diag_count(world->diag); i++)
        cnn_free(cnn_message_format(cnn_diag_get(world->diag, i), "cnn"));
    cnn_text_free(&first);
    cnn_text_free(&second);
    world_free(&state);
}

static void test_parse_survives_when_descriptions_are_damaged(void **state)
{
    (void)state;
    struct cnn_rng rng = cnn_rng_at(7, CNN_STREAM_BENCH, 0);
    for (int i = 0; i < 4000; i++) {
        char text[sizeof(description) + 16];
        size_t size = sizeof(description) - 1;
        memcpy(text, description, size);
        bytes_damage(&rng, text, &size, sizeof(text));
        assert_survives(text, size);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_keys_are_stored_when_they_are_right),
        WORLD_TEST(test_keys_have_their_defaults_when_absent),
        WORLD_TEST(test_keys_report_every_mistake_in_one_run),
        WORLD_TEST(test_keys_report_what_is_missing),
        WORLD_TEST(test_keys_say_what_they_want_when_a_value_is_wrong),
        WORLD_TEST(test_keys_hint_at_ours_when_the_name_is_foreign),
        WORLD_TEST(test_keys_read_defaults_when_nothing_is_given),
        WORLD_TEST(test_variant_is_chosen_by_its_word),
        WORLD_TEST(test_one_of_a_kind_is_read_as_its_descriptor),
        WORLD_TEST(test_variant_hints_when_the_type_is_unknown),
        WORLD_TEST(test_variant_says_so_when_there_is_no_type),
        WORLD_TEST(test_resolve_adds_the_defaults),
        WORLD_TEST(test_types_are_described_in_words),
        WORLD_TEST(test_parse_survives_when_descriptions_are_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
