/* Weights of other programs into descriptions: by name, by order, by a rename file; and what is
 * ambiguous, left over or missing. */
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/assign.h"
#include "networks.h"

/* A file of weights in memory: tensors of random numbers, by "name dims" lines. */
struct made {
    struct cnn_weights weights;
    struct cnn_weight items[64];
    char names[64][80];
    float numbers[4096];
    size_t used;
};

static void make(struct made *made, const char *lines)
{
    unsigned state = 1;
    memset(made, 0, sizeof *made);
    made->weights = (struct cnn_weights){.path = "net.pth", .items = made->items, .prefix = ""};
    for (size_t i = 0; i < 4096; i++)
        made->numbers[i] = 0.5f + (float)((state = state * 1664525 + 1013904223) >> 16) / 65536;
    while (*lines) {
        struct cnn_weight *w = &made->items[made->weights.count];
        char *name = made->names[made->weights.count++];
        size_t length = strcspn(lines, " ");
        memcpy(name, lines, length);
        lines += length;
        *w = (struct cnn_weight){.name = name, .count = 1};
        while (*lines == ' ')
            w->dims[w->rank++] = strtoul(lines + 1, (char **)&lines, 10);
        for (size_t i = w->rank; i-- > 0; w->count *= w->dims[i])
            w->strides[i] = w->count;
        w->data = (const unsigned char *)(made->numbers + made->used);
        made->used += w->count;
        lines += *lines == ';';
    }
}

/* That layer's tensor has the numbers of the file's. */
static void expect_same(const cnn_model *model, const char *ours, const struct made *made,
                        const char *theirs)
{
    const struct cnn_tensor *tensor = model->tensors[network_tensor(model, ours)].tensor;
    for (size_t i = 0; i < made->weights.count; i++)
        if (strcmp(made->names[i], theirs) == 0) {
            assert_int_equal(tensor->count, made->items[i].count);
            if (memcmp(model->parameters + tensor->offset, made->items[i].data,
                       tensor->count * sizeof(float)) != 0)
                fail_msg("%s is not %s", ours, theirs);
            return;
        }
    fail_msg("no tensor %s", theirs);
}

/* A network of one residual block with a projection, whose first layer's name is `first`. */
static cnn_model *residual(const char *first, const char *projection)
{
    char text[1024];
    snprintf(text, sizeof text,
             "  - {type: conv, name: %s, filters: 4, kernel_size: 3, bias: false}\n"
             "  - {type: batch_norm, name: b0}\n"
             "  - {type: conv, name: c1, filters: 8, kernel_size: 1, bias: false}\n"
             "  - {type: batch_norm, name: b1}\n"
             "  - {type: conv, name: c2, filters: 8, kernel_size: 1, bias: false}\n"
             "  - {type: batch_norm, name: b2}\n"
             "  - {type: conv, name: %s, from: b0, filters: 8, kernel_size: 1, bias: false}\n"
             "  - {type: batch_norm, name: bp}\n"
             "  - {type: add, from: [b2, bp], activation: relu}\n"
             "  - {type: global_pool, pool_type: avg}\n"
             "  - {type: flatten}\n"
             "  - {type: dense, name: last, units: 3}\n",
             first, projection);
    return network_open_layers("[3, 8, 8]", text);
}

#define NORM(name, n)                                                                              \
    name ".weight " n ";" name ".bias " n ";" name ".running_mean " n ";" name ".running_var " n ";"
#define RESIDUAL                                                                                   \
    "conv1.weight 4 3 3 3;" NORM("bn1", "4") "block.conv1.weight 8 4 1 1;" NORM(                   \
        "block.bn1", "8") "block.conv2.weight 8 8 1 1;" NORM("block.bn2",                          \
                                                             "8") "block.down.0.weight 8 4 1 "     \
                                                                  "1;" NORM("block.down.1",        \
                                                                            "8") "fc.weight 3 "    \
                                                                                 "8;fc.bias 3"

static cnn_status assign(cnn_model *model, const struct made *made, const char *rename,
                         bool partial, struct cnn_assignment *out, cnn_diag *diag)
{
    return cnn_assign(model, &made->weights, &(struct cnn_assign_options){rename, partial}, out,
                      diag);
}

static void test_layers_are_matched_by_order(void **state)
{
    (void)state;
    static struct made made;
    struct cnn_assignment out;
    make(&made, "a.0.weight 4 3 3 3;a.0.bias 4;" NORM(
                    "a.1", "4") "a.3.weight 4 4 3 3;a.3.bias 4;"
                                "a.5.weight 4 4 3 3;a.5.bias 4;b.weight 2 36");
    cnn_model *model =
        network_open_layers("[3, 9, 9]", "  - {type: conv, filters: 4, kernel_size: 3}\n"
                                         "  - {type: batch_norm, activation: relu}\n"
                                         "  - {type: conv, filters: 4, kernel_size: 3}\n"
                                         "  - {type: conv, filters: 4, kernel_size: 3}\n"
                                         "  - {type: flatten}\n"
                                         "  - {type: dense, units: 2, bias: false}\n");
    assert_int_equal(assign(model, &made, NULL, false, &out, NULL), CNN_OK);
    assert_int_equal(out.tensors, 11);
    assert_int_equal(out.row_count, 5);
    assert_string_equal(out.rows[3].from, "a.5");
    assert_string_equal(out.rows[3].to, "conv3");
    assert_string_equal(out.rows[3].type, "conv");
    assert_string_equal(out.rows[3].shape, "4 x 4 x 3 x 3");
    assert_string_equal(out.rows[3].how, "order");
    expect_same(model, "conv1.weight", &made, "a.0.weight");
    expect_same(model, "conv2.bias", &made, "a.3.bias");
    expect_same(model, "conv3.weight", &made, "a.5.weight");
    expect_same(model, "batch_norm1.running_var", &made, "a.1.running_var");
    expect_same(model, "dense1.weight", &made, "b.weight");
    cnn_assignment_free(&out);
    cnn_model_free(model);
}

/* PyTorch lists what a module has itself before its layers, though it is used behind them. */
static void test_parameters_of_a_module_stand_behind_its_layers(void **state)
{
    (void)state;
    static struct made made;
    struct cnn_assignment out;
    make(&made, "a.layer_scale 4;a.slopes 4;a.0.weight 4 4 1 1;b.layer_scale 4;b.slopes "
                "4;b.0.weight 4 4 1 1;"
                "fc.weight 2 4");
    cnn_model *model = network_open_layers(
        "[4, 2, 2]", "  - {type: conv, filters: 4, kernel_size: 1, bias: false}\n"
                     "  - {type: scale}\n"
                     "  - {type: prelu}\n"
                     "  - {type: conv, filters: 4, kernel_size: 1, bias: false}\n"
                     "  - {type: scale}\n"
                     "  - {type: prelu}\n"
                     "  - {type: global_pool, pool_type: avg}\n"
                     "  - {type: flatten}\n"
                     "  - {type: dense, units: 2, bias: false}\n");
    assert_int_equal(assign(model, &made, NULL, false, &out, NULL), CNN_OK);
    expect_same(model, "conv1.weight", &made, "a.0.weight");
    expect_same(model, "scale1.weight", &made, "a.layer_scale");
    expect_same(model, "prelu1.weight", &made, "a.slopes");
    expect_same(model, "conv2.weight", &made, "b.0.weight");
    expect_same(model, "scale2.weight", &made, "b.layer_scale");
    expect_same(model, "prelu2.weight", &made, "b.slopes");
    cnn_assignment_free(&out);
    cnn_model_free(model);
}

/* All convolutions before all batch_norms, as a program may define them. */
static void test_order_counts_within_kinds(void **state)
{
    (void)state;
    static struct made made;
    struct cnn_assignment out;
    make(&made, "c.weight 4 4 1 1;d.weight 4 4 1 1;" NORM("m", "4") NORM("n", "4") "fc.weight 2 4");
    cnn_model *model = network_open_layers(
        "[4, 2, 2]", "  - {type: conv, filters: 4, kernel_size: 1, bias: false}\n"
                     "  - {type: batch_norm}\n"
                     "  - {type: conv, filters: 4, kernel_size: 1, bias: false}\n"
                     "  - {type: batch_norm}\n"
                     "  - {type: global_pool, pool_type: avg}\n"
                     "  - {type: flatten}\n"
                     "  - {type: dense, units: 2, bias: false}\n");
    assert_int_equal(assign(model, &made, NULL, false, &out, NULL), CNN_OK);
    expect_same(model, "conv2.weight", &made, "d.weight");
    expect_same(model, "batch_norm1.bias", &made, "m.bias");
    expect_same(model, "batch_norm2.bias", &made, "n.bias");
    cnn_assignment_free(&out);
    cnn_model_free(model);
}

/* A name that agrees is stronger than the order; . and _ are the same. */
static void test_names_come_before_order(void **state)
{
    (void)state;
    static struct made made;
    struct cnn_assignment out;
    make(&made, "x.b.weight 4 4 1 1;x.a.weight 4 4 1 1");
    cnn_model *model = network_open_layers(
        "[4, 2, 2]", "  - {type: conv, name: x_a, filters: 4, kernel_size: 1, bias: false}\n"
                     "  - {type: conv, name: x_b, filters: 4, kernel_size: 1, bias: false}\n");
    assert_int_equal(assign(model, &made, NULL, false, &out, NULL), CNN_OK);
    expect_same(model, "x_a.weight", &made, "x.a.weight");
    expect_same(model, "x_b.weight", &made, "x.b.weight");
    assert_string_equal(out.rows[0].how, "name");
    cnn_assignment_free(&out);
    cnn_model_free(model);
}

static void expect_said(const cnn_diag *diag, const char *text)
{
    for (size_t i = 0; i < cnn_diag_count(diag); i++)
        if (strcmp(cnn_diag_get(diag, i)->text, text) == 0)
            return;
    fail_msg("not said: %s", text);
}

/* conv1 and down are of one shape, but down comes after conv2 in the file, as well as in the
 * graph's order, which also allows it first: conv1's place in the file says it is the first. */
static void test_parallel_layers_of_one_shape_are_ambiguous(void **state)
{
    struct scratch *s = *state;
    static struct made made;
    struct cnn_assignment out;
    cnn_model *model = residual("c0", "cp");
    make(&made, RESIDUAL);
    assert_int_equal(assign(model, &made, NULL, false, &out, s->diag), CNN_OK);
    expect_same(model, "c1.weight", &made, "block.conv1.weight");
    expect_same(model, "cp.weight", &made, "block.down.0.weight");
    expect_same(model, "bp.bias", &made, "block.down.1.bias");
    cnn_assignment_free(&out);
    cnn_model_free(model);

    /* two branches of the same layers: the order of both decides, which is said */
    model = network_open_layers(
        "[4, 2, 2]", "  - {type: conv, name: stem, filters: 4, kernel_size: 1, bias: false}\n"
                     "  - {type: conv, name: left, from: stem, filters: 4, kernel_size: 1, bias: "
                     "false}\n"
                     "  - {type: batch_norm, name: left_norm}\n"
                     "  - {type: conv, name: right, from: stem, filters: 4, kernel_size: 1, bias: "
                     "false}\n"
                     "  - {type: batch_norm, name: right_norm}\n"
                     "  - {type: add, from: [left_norm, right_norm]}\n");
    make(&made,
         "s.weight 4 4 1 1;r.weight 4 4 1 1;" NORM("rn", "4") "l.weight 4 4 1 1;" NORM("ln", "4"));
    assert_int_equal(assign(model, &made, NULL, false, &out, s->diag), CNN_OK);
    assert_string_equal(out.guesses.data, "'r' (4 x 4) may be 'left' or 'right'\n");
    expect_same(model, "left.weight", &made, "r.weight");
    expect_same(model, "right_norm.running_mean", &made, "ln.running_mean");
    cnn_assignment_free(&out);
    const char *path = scratch_write(s, "names", "# what is on the right\nr right\n", 31);
    assert_int_equal(assign(model, &made, path, false, &out, s->diag), CNN_OK);
    expect_same(model, "left.weight", &made, "l.weight");
    expect_same(model, "right.weight", &made, "r.weight");
    expect_same(model, "right_norm.running_mean", &made, "rn.running_mean");
    assert_string_equal(out.rows[1].how, "renamed");
    assert_null(out.guesses.data);
    cnn_assignment_free(&out);

    /* in an order that is not the description's, nothing says which is which; nor where a file is
     * sorted by name */
    make(&made,
         "s.weight 4 4 1 1;r.weight 4 4 1 1;l.weight 4 4 1 1;" NORM("rn", "4") NORM("ln", "4"));
    assert_int_equal(assign(model, &made, NULL, false, &out, s->diag), CNN_INVALID);
    expect_said(s->diag, "net.pth: 'r' (4 x 4) may be 'left' or 'right'");
    cnn_diag_clear(s->diag);
    make(&made,
         "s.weight 4 4 1 1;r.weight 4 4 1 1;" NORM("rn", "4") "l.weight 4 4 1 1;" NORM("ln", "4"));
    made.weights.sorted = true;
    assert_int_equal(assign(model, &made, NULL, false, &out, s->diag), CNN_INVALID);
    expect_said(s->diag, "net.pth: 'r' (4 x 4) may be 'stem' or 'left' or 'right'");
    cnn_diag_clear(s->diag);

    /* names that differ in numbers alone have an order */
    make(&made, "c.2.weight 4 4 1 1;c.9.weight 4 4 1 1;c.10.weight 4 4 1 1;" NORM("n1", "4")
                    NORM("n2", "4"));
    made.weights.sorted = true;
    assert_int_equal(assign(model, &made, NULL, false, &out, s->diag), CNN_OK);
    expect_same(model, "stem.weight", &made, "c.2.weight");
    expect_same(model, "left.weight", &made, "c.9.weight");
    expect_same(model, "right.weight", &made, "c.10.weight");
    expect_same(model, "right_norm.bias", &made, "n2.bias");
    cnn_assignment_free(&out);
    cnn_model_free(model);
}

static void test_all_that_is_left_over_or_missing_is_named(void **state)
{
    struct scratch *s = *state;
    static struct made made;
    struct cnn_assignment out;
    cnn_model *model = residual("c0", "cp");
    make(&made, RESIDUAL ";aux.conv.weight 2 8 1 1;aux.fc.weight 3 2");
    assert_int_equal(assign(model, &made, NULL, false, &out, s->diag), CNN_INVALID);
    assert_string_equal(
        cnn_diag_get(s->diag, 0)->text,
        "net.pth: left over, because test.yaml does not have so many layers of their kind "
        "and shape: aux.conv (2 x 8), aux.fc (3 x 2)");
    cnn_diag_clear(s->diag);
    const char *path = scratch_write(s, "names", "aux -\n", 6);
    assert_int_equal(assign(model, &made, path, false, &out, s->diag), CNN_OK);
    cnn_assignment_free(&out);

    make(&made, "conv1.weight 4 3 3 3;" NORM("bn1", "4") "block.conv1.weight 8 4 1 1;fc.weight 3 8;"
                                                         "fc.bias 3");
    assert_int_equal(assign(model, &made, NULL, false, &out, s->diag), CNN_INVALID);
    assert_non_null(strstr(cnn_diag_get(s->diag, cnn_diag_count(s->diag) - 1)->text,
                           "c1 (8 x 4), b1 (batch_norm 8), c2 (8 x 8), b2 (batch_norm 8), cp "
                           "(8 x 4), bp (batch_norm 8)"));
    assert_null(strstr(cnn_diag_get(s->diag, cnn_diag_count(s->diag) - 1)->text, " more"));
    cnn_diag_clear(s->diag);

    /* of many the first six, and a doubt where both sides have many */
    make(&made, "a.weight 9 9;b.weight 9 8;c.weight 9 7;d.weight 9 6;e.weight 9 5;f.weight 9 4;"
                "g.weight 9 3;h.weight 9 2");
    assert_int_equal(assign(model, &made, NULL, false, &out, s->diag), CNN_INVALID);
    assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, "a (9 x 9), b (9 x 8), c (9 x 7), "
                                                           "d (9 x 6), e (9 x 5), f (9 x 4) "
                                                           "and 2 more"));
    assert_string_equal(cnn_diag_get(s->diag, 1)->hint,
                        "0 of 9 layers fit: is this the network of these weights?");
    cnn_diag_clear(s->diag);
    cnn_model_free(model);
}

static void test_numbers_beyond_float32_are_refused(void **state)
{
    struct scratch *s = *state;
    static struct made made;
    static double large[4096];
    struct cnn_assignment out;
    cnn_model *model = residual("c0", "cp");
    make(&made, RESIDUAL);
    large[2] = 1e300;
    made.weights.items[0].type = CNN_WEIGHT_F64;
    made.weights.items[0].data = (const unsigned char *)large;
    assert_int_equal(assign(model, &made, NULL, false, &out, s->diag), CNN_FAILED);
    assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, "': number 3 of "));
    assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, "is too large for float32"));
    cnn_diag_clear(s->diag);
    cnn_model_free(model);
}

static void test_biases_on_one_side_alone_are_named(void **state)
{
    struct scratch *s = *state;
    static struct made made;
    struct cnn_assignment out;
    cnn_model *model = network_open_layers(
        "[4, 2, 2]", "  - {type: conv, filters: 2, kernel_size: 1, bias: false}\n"
                     "  - {type: conv, filters: 3, kernel_size: 1}\n");
    make(&made, "a.weight 2 4 1 1;a.bias 2;b.weight 3 2 1 1");
    assert_int_equal(assign(model, &made, NULL, false, &out, s->diag), CNN_INVALID);
    assert_int_equal(cnn_diag_count(s->diag), 2);
    assert_string_equal(cnn_diag_get(s->diag, 0)->text,
                        "net.pth: 'a.bias' is left over: layer 'conv1' has none");
    assert_string_equal(cnn_diag_get(s->diag, 0)->hint, "bias: true in that layer");
    assert_string_equal(cnn_diag_get(s->diag, 1)->text,
                        "net.pth: 'b.bias' is missing, which layer 'conv2' wants");
    cnn_diag_clear(s->diag);
    cnn_model_free(model);
}

static void test_a_partial_assignment_leaves_the_head(void **state)
{
    (void)state;
    static struct made made;
    struct cnn_assignment out;
    cnn_model *model = residual("c0", "cp");
    const struct cnn_tensor *last = model->tensors[network_tensor(model, "last.weight")].tensor;
    float before = model->parameters[last->offset];
    make(&made, RESIDUAL);
    made.items[made.weights.count - 2].dims[0] = made.items[made.weights.count - 1].dims[0] = 5;
    made.items[made.weights.count - 2].count = 40;
    made.items[made.weights.count - 1].count = 5;
    assert_int_equal(assign(model, &made, NULL, true, &out, NULL), CNN_OK);
    assert_string_equal(out.left.data, "fc");
    assert_string_equal(out.missing.data, "last");
    expect_same(model, "c2.weight", &made, "block.conv2.weight");
    assert_true(model->parameters[last->offset] == before);
    cnn_assignment_free(&out);
    cnn_model_free(model);
}

static void test_rename_files_are_held_to_their_lines(void **state)
{
    struct scratch *s = *state;
    static struct made made;
    struct cnn_assignment out;
    char message[400];
    cnn_model *model = residual("c0", "cp");
    make(&made, RESIDUAL);
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"fc\n", "%s: line 1: two names are wanted, found one"},
        {"\nfc last more\n", "%s: line 2: two names are wanted, found more"},
        {"nothing last\n", "%s: line 1: net.pth has nothing named 'nothing'"},
        {"fc nowhere\n", "%s: line 1: test.yaml has no layer with weights named 'nowhere'"},
        {"fc c2\n", "%s: line 1: 'fc' is 3 x 8, but layer 'c2' is 8 x 8"},
        {"fc.weight x.bias\nfc.bias x.bias\n", "net.pth: 'fc.weight' and 'fc.bias' both become "
                                               "'x.bias'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = scratch_write(s, "names", cases[i].text, strlen(cases[i].text));
        snprintf(message, sizeof message, cases[i].message, path);
        assert_int_equal(assign(model, &made, path, false, &out, s->diag), CNN_INVALID);
        assert_string_equal(cnn_diag_get(s->diag, 0)->text, message);
        cnn_diag_clear(s->diag);
    }
    cnn_model_free(model);
}

/* Many branches of one shape are a search that could take for ever. */
static void test_a_long_search_ends(void **state)
{
    (void)state;
    static struct made made;
    struct cnn_assignment out;
    struct cnn_text layers = {0}, lines = {0};
    for (int i = 0; i < 30; i++) {
        cnn_text_printf(&layers,
                        "  - {type: conv, name: a%d, from: input, filters: 2, kernel_size: 1, "
                        "bias: false}\n  - {type: conv, filters: %d, kernel_size: 1, bias: "
                        "false}\n",
                        i, i == 29 ? 2 : 1);
        cnn_text_printf(&lines, "%sx%d.weight 2 2 1 1", i > 0 ? ";" : "", i);
    }
    for (int i = 0; i < 30; i++)
        cnn_text_printf(&lines, ";y%d.weight %d 2 1 1", i, i == 0 ? 2 : 1);
    make(&made, lines.data);
    cnn_model *model = network_open_layers("[2, 2, 2]", layers.data);
    assert_int_equal(assign(model, &made, NULL, false, &out, NULL), CNN_INVALID);
    cnn_model_free(model);
    cnn_text_free(&layers);
    cnn_text_free(&lines);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers_are_matched_by_order),
        cmocka_unit_test(test_parameters_of_a_module_stand_behind_its_layers),
        cmocka_unit_test(test_order_counts_within_kinds),
        cmocka_unit_test(test_names_come_before_order),
        CASE(test_parallel_layers_of_one_shape_are_ambiguous),
        CASE(test_all_that_is_left_over_or_missing_is_named),
        CASE(test_numbers_beyond_float32_are_refused),
        CASE(test_biases_on_one_side_alone_are_named),
        cmocka_unit_test(test_a_partial_assignment_leaves_the_head),
        CASE(test_rename_files_are_held_to_their_lines),
        cmocka_unit_test(test_a_long_search_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
