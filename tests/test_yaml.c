/* YAML in and out, settings from the command line - and the exact words of the messages. */
#include "world.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_parse_names_the_mistake_when_it_is_no_yaml(void **state)
{
    static const struct mistake mistakes[] = {
        {"layers:\n  - a\n\t- b\n",
         "m.yaml:3:1: error: a tab cannot indent YAML\n   - b\n  ^\n  hint: use spaces\n"},
        {"a: b: c\n",
         "m.yaml:1:5: error: this ':' cannot stand here\n  a: b: c\n      ^\n"
         "  hint: indent this line like its neighbours; a text with ': ' in it wants quotes\n"},
        {"input: [3, 32, 32\nlayers: 1\n",
         "m.yaml:1:8: error: the list that begins here lacks a ',' or its ']' (noticed in line 2)\n"
         "  input: [3, 32, 32\n         ^\n"},
        {"x: {a: 1, b: 2\n", "m.yaml:1:4: error: the mapping that begins here lacks a ',' or its "
                             "'}'\n  x: {a: 1, b: 2\n     ^\n"},
        {"x: [1]]\n",
         "m.yaml:1:7: error: this is left over behind a value\n  x: [1]]\n        ^\n"
         "  hint: a list or mapping ends with its ']' or '}', a quoted text with its quote\n"},
        {"a: 'abc\nb: 1\n", "m.yaml:1:4: error: the quote that opens here is never closed (noticed "
                            "at the end)\n  a: 'abc\n     ^\n"},
        {"a: 1\nfoo\nb: 2\n",
         "m.yaml:2:1: error: this line is no 'key: value' (noticed in line "
         "3)\n  foo\n  ^\n  hint: put ': ' behind the key, and '- ' before an item of a list\n"},
        {"a: *nope\n",
         "m.yaml:1:4: error: the alias '*nope' has no anchor above it\n  a: *nope\n     ^\n"
         "  hint: '&nope' in front of a value makes the anchor; a text that begins with '*' wants "
         "quotes\n"},
        {"x: &a [*a]\n", "m.yaml:1:8: error: the alias '*a' stands inside its own anchor\n  x: &a "
                         "[*a]\n         ^\n"},
        {"x: !foo 1\n", "m.yaml:1:4: error: a description has no tags: words that begin with '!'\n "
                        " x: !foo 1\n     ^\n"
                        "  hint: leave it away; a text that begins with '!' wants quotes\n"},
        {"a: 1\n---\nb: 2\n", "m.yaml:2:1: error: a second YAML document begins here; a "
                              "description is one\n  ---\n  ^\n"},
        {"", "m.yaml: error: there is no description in it: it is empty or has only comments\n"},
        {"# nothing\n---\n",
         "m.yaml: error: there is no description in it: it is empty or has only comments\n"},
        {"x: &b {a: 1}\ny: {<<: *b}\n",
         "m.yaml:2:5: error: merge keys '<<' are not part of YAML 1.2\n  y: {<<: *b}\n      ^\n"
         "  hint: write the keys out; to use layers again, give a list of them an anchor and its "
         "alias as an item of 'layers'\n"},
        {"a: 1\nb: 2\na: 3\n'b': 4\n", "m.yaml:3:1: error: key 'a' stands here for the second "
                                       "time; the first is in line 1\n  a: 3\n  ^\n"
                                       "m.yaml:4:1: error: key 'b' stands here for the second "
                                       "time; the first is in line 2\n  'b': 4\n  ^\n"},
        {"{a: 1}: 2\n",
         "m.yaml:1:1: error: a key must be a word; found a mapping\n  {a: 1}: 2\n  ^\n"},
        {"a: \"x\\0y\"\n",
         "m.yaml:1:4: error: this text has a NUL character in it\n  a: \"x\\0y\"\n     ^\n"},
        {"a: \xFF\xFE\n",
         "m.yaml:1:4: error: the byte 0xFF is no UTF-8 text\n  a: \\xFF\\xFE\n     ^\n"
         "  hint: save the file as UTF-8, if it is a model description at all\n"},
        {"ok: 1\nx: \x1B[31m\n", "m.yaml:2:4: error: the character U+001B cannot stand in a "
                                 "description\n  x: \\x1B[31m\n     ^\n"},
        {"\xEF\xBB\xBF"
         "\xC3\xA4: @\n",
         "m.yaml:1:4: error: a value cannot begin with this character\n  \xC3\xA4: @\n     ^\n  "
         "hint: put the value in quotes\n"},
    };
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
        assert_null(parse(*state, mistakes[i].text));
        assert_messages(*state, mistakes[i].messages);
    }
}

static void test_parse_refuses_when_a_nul_stands_in_the_text(void **state)
{
    struct world *world = *state;
    struct cnn_yaml *root = NULL;
    assert_int_equal(cnn_yaml_parse(world->arena, "m.yaml", "a: 1\0b", 6, &root, world->diag),
                     CNN_INVALID);
    assert_messages(
        world,
        "m.yaml:1:5: error: the character U+0000 cannot stand in a description\n  a: 1\n      ^\n");
}

/* Each level uses the one before ten times: 10^levels nodes. */
static void test_parse_refuses_when_aliases_multiply(void **state)
{
    struct cnn_text bomb = {0};
    cnn_text_printf(&bomb, "a0: &a0 [x]\n");
    for (int i = 1; i < 30; i++) {
        cnn_text_printf(&bomb, "a%d: &a%d [", i, i);
        for (int j = 0; j < 10; j++)
            cnn_text_printf(&bomb, "%s*a%d", j ? ", " : "", i - 1);
        cnn_text_printf(&bomb, "]\n");
    }
    assert_null(parse(*state, bomb.data));
    assert_messages(*state, "m.yaml:6:25: error: the description has more than 100000 values up to "
                            "here, with aliases counted as often as they stand\n"
                            "  a5: &a5 [*a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4, *a4]\n        "
                            "                  ^\n");
    cnn_text_free(&bomb);
}

/* Depth hidden behind aliases is depth all the same. */
static void test_parse_refuses_when_nesting_is_deep(void **state)
{
    struct cnn_text text = {0};
    for (int i = 0; i < 65; i++)
        cnn_text_append(&text, "[", 1);
    assert_null(parse(*state, text.data));
    assert_int_equal(cnn_diag_get(((struct world *)*state)->diag, 0)->column, 65);
    cnn_diag_clear(((struct world *)*state)->diag);
    cnn_text_free(&text);
    cnn_text_printf(&text, "- &a0 [x]\n");
    for (int i = 1; i < 70; i++)
        cnn_text_printf(&text, "- &a%d [*a%d]\n", i, i - 1);
    assert_null(parse(*state, text.data));
    assert_messages(*state, "m.yaml:63:9: error: lists and mappings are nested deeper than 64 "
                            "levels here\n  - &a62 [*a61]\n          ^\n");
    cnn_text_free(&text);
}

static void test_parse_refuses_when_keys_or_anchors_are_too_many(void **state)
{
    struct cnn_text text = {0};
    for (int i = 0; i <= 1000; i++)
        cnn_text_printf(&text, "k%d: 1\n", i);
    assert_null(parse(*state, text.data));
    assert_messages(*state,
                    "m.yaml:1001:1: error: a mapping has at most 1000 keys\n  k1000: 1\n  ^\n");
    cnn_text_free(&text);
    for (int i = 0; i <= 1000; i++)
        cnn_text_printf(&text, "- &k%d 1\n", i);
    assert_null(parse(*state, text.data));
    assert_messages(
        *state,
        "m.yaml:1001:3: error: a description has at most 1000 anchors\n  - &k1000 1\n    ^\n");
    cnn_text_free(&text);
}

static void test_read_refuses_when_the_file_is_large(void **state)
{
    struct world *world = *state;
    char path[] = "/tmp/cnn-test-config-XXXXXX", expected[128];
    char *text = NULL;
    size_t size = 0;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "w");
    assert_non_null(file);
    assert_int_equal(fseek(file, 10 * 1024 * 1024 - 1, SEEK_SET), 0);
    assert_int_equal(fputc('x', file), 'x');
    assert_int_equal(fclose(file), 0);
    assert_int_equal(cnn_yaml_read_text(path, &text, &size, world->diag), CNN_INVALID);
    snprintf(expected, sizeof(expected),
             "%s: error: it has 10485760 bytes; a description has at most 1048576\n", path);
    assert_messages(world, expected);
    assert_int_equal(remove(path), 0);
    assert_int_equal(cnn_yaml_read_text(path, &text, &size, world->diag), CNN_FAILED);
}

static void test_parse_shares_the_node_when_an_alias_names_it(void **state)
{
    struct cnn_yaml *root = parse(*state, "a: &x {b: 1}\nc: *x\nd: &x 2\ne: *x\n*x : 3\n");
    assert_ptr_equal(cnn_yaml_get(root, "a"), cnn_yaml_get(root, "c"));
    assert_ptr_equal(cnn_yaml_get(root, "d"), cnn_yaml_get(root, "e"));
    assert_string_equal(cnn_yaml_get(root, "2")->text, "3");
    assert_null(cnn_yaml_get(root, "b"));
    assert_null(cnn_yaml_get(NULL, "b"));
    const struct cnn_where *where = &root->pairs[1].value->where;
    assert_int_equal(where->line, 1);
    assert_int_equal(where->column, 4);
    assert_string_equal(where->source->name, "m.yaml");
}

static void test_scalars_are_what_yaml_1_2_says(void **state)
{
    static const struct {
        const char *text;
        bool null, truth, integer, number;
        double value;
    } scalars[] = {
        {"''", false, false, false, false, 0},
        {"~", true, false, false, false, 0},
        {"null", true, false, false, false, 0},
        {"nUll", false, false, false, false, 0},
        {"true", false, true, false, false, 1},
        {"False", false, true, false, false, 0},
        {"yes", false, false, false, false, 0},
        {"no", false, false, false, false, 0},
        {"on", false, false, false, false, 0},
        {"'true'", false, false, false, false, 0},
        {"0", false, false, true, true, 0},
        {"-12", false, false, true, true, -12},
        {"+7", false, false, true, true, 7},
        {"0x1F", false, false, true, true, 31},
        {"0o17", false, false, true, true, 15},
        {"017", false, false, true, true, 17},
        {"0b1", false, false, false, false, 0},
        {"1_000", false, false, false, false, 0},
        {"-0x1", false, false, false, false, 0},
        {"0x", false, false, false, false, 0},
        {"1e-3", false, false, false, true, 1e-3},
        {"1.", false, false, false, true, 1},
        {".5", false, false, false, true, 0.5},
        {"-1.5E+2", false, false, false, true, -150},
        {".", false, false, false, false, 0},
        {"1e", false, false, false, false, 0},
        {"e3", false, false, false, false, 0},
        {".inf", false, false, false, true, HUGE_VAL},
        {"-.INF", false, false, false, true, -HUGE_VAL},
        {"inf", false, false, false, false, 0},
        {"nan", false, false, false, false, 0},
        {"'1'", false, false, false, false, 0},
        {"0x1p3", false, false, false, false, 0},
        {"1:30", false, false, false, false, 0},
        {"99999999999999999999", false, false, false, true, 1e20},
    };
    for (size_t i = 0; i < sizeof(scalars) / sizeof(*scalars); i++) {
        bool truth = false;
        long long integer = 0;
        double number = 0;
        char text[64];
        snprintf(text, sizeof(text), "- %s\n", scalars[i].text);
        const struct cnn_yaml *node = parse(*state, text)->items[0];
        assert_int_equal(cnn_yaml_is_null(node), scalars[i].null);
        assert_int_equal(cnn_yaml_as_bool(node, &truth), scalars[i].truth);
        assert_int_equal(cnn_yaml_as_integer(node, &integer), scalars[i].integer);
        assert_int_equal(cnn_yaml_as_number(node, &number), scalars[i].number);
        assert_true(!scalars[i].truth || truth == (scalars[i].value > 0));
        assert_true(!scalars[i].integer || integer == (long long)scalars[i].value);
        assert_true(!scalars[i].number || is_equal(number, scalars[i].value));
    }
    double nan = 0;
    assert_true(cnn_yaml_as_number(parse(*state, "[.nan]")->items[0], &nan) && isnan(nan));
    assert_false(cnn_yaml_as_number(parse(*state, "[.nan]"), &nan));
}

static void test_describe_names_what_was_found(void **state)
{
    static const char *const found[][2] = {
        {"3.5", "the number 3.5"},
        {"abc", "the text 'abc'"},
        {"[1]", "a list"},
        {"{a: 1}", "a mapping"},
        {"~", "nothing"},
        {"true", "true"},
        {"''", "an empty text"},
        {"'3'", "the text '3'"},
        {"aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeeeeeeeee",
         "the text 'aaaaaaaaaabbbbbbbbbbccccccccccddddddddddeeee...'"},
    };
    char text[80], buffer[80];
    for (size_t i = 0; i < sizeof(found) / sizeof(*found); i++) {
        snprintf(text, sizeof(text), "- %s", found[i][0]);
        assert_string_equal(
            cnn_yaml_describe(parse(*state, text)->items[0], buffer, sizeof(buffer)), found[i][1]);
    }
    assert_string_equal(cnn_yaml_describe(NULL, buffer, sizeof(buffer)), "nothing");
}

static void test_write_gives_one_layer_a_line(void **state)
{
    static const char written[] =
        "name: 'it''s: x'\n"
        "input: [3, 32, 32]\n"
        "layers:\n"
        "- {type: conv, filters: 3, weights: {kernel: [[0, 1], [1, 0]]}}\n"
        "- [{type: relu}, x]\n"
        "empty: {}\n"
        "nothing: null\n"
        "quoted: ['1', '', \"tab\\t\\a\", \"two\\nlines\"]\n"
        "train:\n"
        "  epochs: 1e1\n"
        "  optimizer: {type: sgd, lr: 0.1}\n"
        "  \xC3\xA4: '# no comment'\n";
    assert_written(parse(*state, written), written);
    assert_written(parse(*state, "a:\nb: |\n  x\nc: &l [1]\nd: [*l]\n"),
                   "a: null\nb: \"x\\n\"\nc: [1]\nd:\n- [1]\n");
}

static const char description[] = "name: m\n"
                                  "input: [3, 32, 32]\n"
                                  "layers:\n"
                                  "- &c {type: conv, filters: 3}\n"
                                  "- {type: conv, filters: 4, name: wide}\n"
                                  "- *c\n"
                                  "train:\n"
                                  "  epochs: 3\n"
                                  "  schedule: constant\n";

static void test_set_changes_what_the_path_names(void **state)
{
    struct world *world = *state;
    static const char *const settings[] = {"train.epochs=5",
                                           "train.optimizer.lr=0.01",
                                           "layers.0.filters=8",
                                           "layers.wide.filters=16",
                                           "input=[1, 8, 8]",
                                           "train.schedule.type=step",
                                           "train.schedule.gamma=.5",
                                           "data.augment=[{type: flip}]",
                                           "name=a=b"};
    struct cnn_yaml *root = parse(world, description);
    for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
        assert_int_equal(cnn_yaml_set(world->arena, root, settings[i], world->diag), CNN_OK);
    assert_messages(world, "");
    assert_written(root, "name: a=b\n"
                         "input: [1, 8, 8]\n"
                         "layers:\n"
                         "- {type: conv, filters: 8, name: conv1}\n"
                         "- {type: conv, filters: 16, name: wide}\n"
                         "- {type: conv, filters: 3, name: conv3}\n"
                         "train:\n"
                         "  epochs: 5\n"
                         "  schedule: {type: step, gamma: .5}\n"
                         "  optimizer: {lr: 0.01}\n"
                         "data:\n"
                         "  augment: [{type: flip}]\n");
}

/* conv1 is the first item; the block holds conv2 to conv5, relu1 and relu2;
 * then come conv6 to conv8, of which one alone changes. */
static void test_set_finds_a_layer_by_its_name_when_it_stands_in_a_block(void **state)
{
    struct world *world = *state;
    static const char *const settings[] = {"layers.conv4.filters=8", "layers.relu2.name=last",
                                           "layers.conv7.filters=9", "layers.mine.units=2",
                                           "layers.last.type=tanh"};
    struct cnn_yaml *root = parse(world, "layers:\n"
                                         "- {type: conv, filters: 1}\n"
                                         "- repeat: 2\n"
                                         "  layers: [[{type: conv, filters: 2}, relu], "
                                         "{type: conv, filters: 3}]\n"
                                         "- &b [{type: conv, filters: 4}]\n"
                                         "- *b\n"
                                         "- *b\n"
                                         "- [[{type: dense, name: mine, units: 5}]]\n");
    for (size_t i = 0; i < sizeof(settings) / sizeof(*settings); i++)
        assert_int_equal(cnn_yaml_set(world->arena, root, settings[i], world->diag), CNN_OK);
    assert_messages(world, "");
    assert_written(root, "layers:\n"
                         "- {type: conv, filters: 1, name: conv1}\n"
                         "- [[[{type: conv, filters: 2, name: conv2}, {type: relu, name: relu1}], "
                         "{type: conv, filters: 3, name: conv3}], [[{type: conv, filters: 8, name: "
                         "conv4}, {type: tanh, name: last}], {type: conv, filters: 3, name: "
                         "conv5}]]\n"
                         "- [{type: conv, filters: 4, name: conv6}]\n"
                         "- [{type: conv, filters: 9, name: conv7}]\n"
                         "- [{type: conv, filters: 4, name: conv8}]\n"
                         "- [[{type: dense, units: 2, name: mine}]]\n");
}

static void test_set_keeps_the_word_when_another_key_is_set(void **state)
{
    struct world *world = *state;
    struct cnn_yaml *root = parse(world, "loss: cross_entropy\ndata:\n");
    assert_int_equal(cnn_yaml_set(world->arena, root, "loss.label_smoothing=0.1", world->diag),
                     CNN_OK);
    assert_int_equal(cnn_yaml_set(world->arena, root, "data.limit=9", world->diag), CNN_OK);
    assert_written(root,
                   "loss:\n  type: cross_entropy\n  label_smoothing: 0.1\ndata:\n  limit: 9\n");
}

static void test_set_points_into_the_argument_when_it_is_wrong(void **state)
{
    static const struct mistake mistakes[] = {
        {"train.epochs", "--set:1: error: there is no '=' in it\n  train.epochs\n  hint: write "
                         "KEY=VALUE, for example train.epochs=5\n"},
        {"name= ", "--set:1: error: there is no value behind the '='\n  name= \n  hint: write "
                   "KEY=VALUE, for example train.epochs=5\n"},
        {"=5", "--set:1:1: error: a key is missing here\n  =5\n  ^\n  hint: write KEY=VALUE, for "
               "example train.epochs=5\n"},
        {"train..lr=5", "--set:1:7: error: a key is missing here\n  train..lr=5\n        ^\n  "
                        "hint: write KEY=VALUE, for example train.epochs=5\n"},
        {"layers.3.filters=1", "--set:1:8: error: 'layers' has no item 3: it has 3\n  "
                               "layers.3.filters=1\n         ^\n  hint: items count from 0\n"},
        {"layers.thin.filters=1", "--set:1:8: error: no layer has the name 'thin'\n  "
                                  "layers.thin.filters=1\n         ^\n  hint: the names are those "
                                  "that `summary` shows; or use the item's number, from 0\n"},
        {"layers.cnov3.filters=1", "--set:1:8: error: no layer has the name 'cnov3'\n  "
                                   "layers.cnov3.filters=1\n         ^\n  hint: did you mean "
                                   "'conv3'?\n"},
        {"train.epochs.max=1", "--set:1:14: error: 'train.epochs' is the number 3 and has no key "
                               "'max'\n  train.epochs.max=1\n               ^\n"},
        {"\xC3\xA4.b={a: 1, a: 2}",
         "--set:1:12: error: key 'a' stands here for the second time; the first is in line 1\n  "
         "\xC3\xA4.b={a: 1, a: 2}\n             ^\n"},
        {"name=[1", "--set:1:6: error: the list that begins here lacks a ',' or its ']'\n  "
                    "name=[1\n       ^\n"},
    };
    struct world *world = *state;
    for (size_t i = 0; i < sizeof(mistakes) / sizeof(*mistakes); i++) {
        struct cnn_yaml *root = parse(world, description);
        assert_int_equal(cnn_yaml_set(world->arena, root, mistakes[i].text, world->diag),
                         CNN_INVALID);
        assert_messages(world, mistakes[i].messages);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_parse_names_the_mistake_when_it_is_no_yaml),
        WORLD_TEST(test_parse_refuses_when_a_nul_stands_in_the_text),
        WORLD_TEST(test_parse_refuses_when_aliases_multiply),
        WORLD_TEST(test_parse_refuses_when_nesting_is_deep),
        WORLD_TEST(test_parse_refuses_when_keys_or_anchors_are_too_many),
        WORLD_TEST(test_read_refuses_when_the_file_is_large),
        WORLD_TEST(test_parse_shares_the_node_when_an_alias_names_it),
        WORLD_TEST(test_scalars_are_what_yaml_1_2_says),
        WORLD_TEST(test_describe_names_what_was_found),
        WORLD_TEST(test_write_gives_one_layer_a_line),
        WORLD_TEST(test_set_changes_what_the_path_names),
        WORLD_TEST(test_set_finds_a_layer_by_its_name_when_it_stands_in_a_block),
        WORLD_TEST(test_set_keeps_the_word_when_another_key_is_set),
        WORLD_TEST(test_set_points_into_the_argument_when_it_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
