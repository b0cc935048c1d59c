/* Import of ONNX files. What is right is what the reference computes, which is held against the
 * ONNX project's own tests (test_onnx_reference.c), and what the descriptions below say by hand. */
#include "scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/onnx_compare.h"
#include "model/model.h"
#include "onnx_models.h"

static cnn_status import_text(struct scratch *s, struct cnn_text text,
                              const cnn_import_options *options, cnn_model **model,
                              cnn_import_info *info)
{
    char path[256];
    snprintf(path, sizeof path, "%s", scratch_write(s, "net.onnx", text.data, text.size));
    cnn_text_free(&text);
    return cnn_import(&(const char *){path}, 1, options, model, info, s->diag);
}

static void expect_ok(struct scratch *s, cnn_status status)
{
    if (status != CNN_OK)
        fail_msg("%s", cnn_diag_get(s->diag, 0)->text);
}

/* The layers of a model: "name type(activation)" each, with blanks between. */
static void list_layers(const cnn_model *model, char *out, size_t size)
{
    *out = '\0';
    for (size_t i = 0; i < model->graph.count; i++) {
        size_t length = strlen(out);
        snprintf(out + length, size - length, "%s%s:%s", i > 0 ? " " : "",
                 model->graph.nodes[i].type->variant.name, model->graph.nodes[i].name);
    }
}

static const struct {
    const char *example, *layers;
    const char *lines[4]; /* that the resolved description has */
    size_t compared;
} examples[] = {
    {"small",
     "conv:features_0 pool:p flatten:flatten dense:classifier",
     {"padding: 1", "activation: relu", "units: 10"},
     3},
    {"gates",
     "conv:c shuffle:shuffle slice:a slice:a_2 global_pool:g conv:se mul:m "
     "concat:j scale:k global_pool:y flatten:flatten",
     {"groups: 2", "start: 4", "bias: true", "activation: hard_sigmoid"},
     9},
    {"grow",
     "conv_transpose:t prelu:p depth_to_space:d upsample:n upsample:l pad:pad pool:m",
     {"order: channel", "mode: bilinear"},
     6},
    {"last", "conv:c layer_norm:norm conv:m", {"eps: 0.001", "filters: 5"}, 3},
    {"residual",
     "conv:stem conv:block_conv batch_norm:block_bn add:block global_pool:pool flatten:flatten "
     "dense:fc",
     {"eps: 0.001", "bias: false", "stride: 2"},
     6},
    {"tensorflow",
     "conv:conv flatten:flatten dense:dense softmax:probabilities",
     {"activation: tanh"},
     3},
    {"keras",
     "scale:rescaled scale:normal conv:conv scale:g prelu:a global_pool:m conv:se sigmoid:gate "
     "mul:excited pad:pad global_pool:top flatten:flatten dense:dense",
     {"padding: [1, 1, 0, 2]", "padding_mode: reflect", "bias: true"},
     12},
    {"gray",
     "scale:x conv:conv conv_transpose:up conv_transpose:to conv_transpose:last",
     {"padding: [2, 1, 1, 0]", "padding: [0, 1, 1, 1]", "output_padding: 1"},
     5},
    {"codes",
     "conv:c flatten:flatten dense:d",
     {"precision: int8", "activation: relu", "stride: 2"},
     2},
    {"coarse",
     "conv:c pool:p flatten:flatten dense:d",
     {"precision: int8", "activation: sigmoid"},
     1},
    {"dynamo",
     "conv:features global_pool:mean flatten:flatten dense:head",
     {"activation: silu"},
     3},
    {"pads",
     "conv:ya pool:yp conv:yb depthwise_conv:yc pool:yd pool:ye lrn:yf",
     {"count_include_pad: false", "ceil_mode: true", "k: 1.5"},
     7},
    {"chains",
     "conv:c gelu:gelu leaky_relu:leaky conv:d",
     {"activation: hardswish", "negative_slope: 0.2", "activation: relu6"},
     4}};

static void test_examples_become_these_layers(void **state)
{
    struct scratch *s = *state;
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        cnn_model *model = NULL;
        cnn_import_info info = {0};
        char layers[1000];
        expect_ok(s, import_text(s, onnx_example(examples[i].example), NULL, &model, &info));
        list_layers(model, layers, sizeof layers);
        assert_string_equal(layers, examples[i].layers);
        for (size_t k = 0; k < 4 && examples[i].lines[k]; k++)
            if (!strstr(cnn_model_resolved(model), examples[i].lines[k]))
                fail_msg("%s: no '%s' in\n%s", examples[i].example, examples[i].lines[k],
                         cnn_model_resolved(model));
        assert_int_equal(info.compared, examples[i].compared);
        assert_true(info.error < 2e-6);
        cnn_model_free(model);
    }
}

/* As torch.export writes large networks: weights in a file beside, splits by an input, means over
 * negative axes that are an input, and a product with a bias added. */
static void test_the_dynamo_form_comes_in_with_its_external_weights(void **state)
{
    static const char *const keys[][2] = {
        {"location", "net.onnx.data"}, {"offset", "4"}, {"length", "96"}};
    struct scratch *s = *state;
    struct onnx_model m = {.opset = 18, .ir = 10};
    struct cnn_text fields = {0};
    cnn_import_info info = {0};
    cnn_model *model = NULL;
    float weights[25], first[24];
    char layers[400];
    for (size_t i = 0; i < 25; i++)
        weights[i] = (float)sin((double)(i * i + 1));
    scratch_write(s, "net.onnx.data", weights, sizeof weights);
    wire_int(&fields, 1, 8);
    for (size_t i = 0; i < 3; i++)
        wire_int(&fields, 1, i == 0 ? 3 : 1);
    wire_int(&fields, 2, 1);
    wire_int(&fields, 14, 1);
    for (size_t i = 0; i < 3; i++) {
        struct cnn_text pair = {0};
        wire_text(&pair, 1, keys[i][0]);
        wire_text(&pair, 2, keys[i][1]);
        wire_message(&fields, 13, &pair);
    }
    onnx_tensor(&m, "stem.weight", &fields);
    onnx_random(&m, "head.weight", "8 4", 3, 0.4f, 0);
    onnx_random(&m, "head.bias", "4", 4, 0.4f, 0);
    onnx_ints(&m, "sizes", "2", (const int64_t[]){3, 5});
    onnx_ints(&m, "axes", "2", (const int64_t[]){-1, -2});
    onnx_input(&m, "x", "s0 3 6 5");
    onnx_named(&m, "node_Conv_0", "Conv", "x stem.weight", "conv2d", "strides=[1,1]");
    onnx_named(&m, "node_Split_1", "Split", "conv2d sizes", "left right", "axis=1");
    onnx_named(&m, "node_Relu_2", "Relu", "left", "relu", "");
    onnx_named(&m, "node_Concat_3", "Concat", "right relu", "cat", "axis=1");
    onnx_named(&m, "node_ReduceMean_4", "ReduceMean", "cat axes", "mean", "keepdims=0");
    onnx_named(&m, "node_MatMul_5", "MatMul", "mean head.weight", "product", "");
    onnx_named(&m, "node_Add_6", "Add", "product head.bias", "linear", "");
    onnx_output(&m, "linear");
    expect_ok(s, import_text(s, onnx_finish(&m), NULL, &model, &info));
    list_layers(model, layers, sizeof layers);
    assert_string_equal(layers,
                        "conv:stem slice:node_Split_1 slice:node_Split_1_2 relu:node_Relu_2 "
                        "concat:node_Concat_3 global_pool:node_ReduceMean_4 "
                        "flatten:flatten dense:head");
    assert_int_equal(cnn_model_tensor_get(model, 0, first, NULL), CNN_OK);
    assert_memory_equal(first, weights + 1, sizeof first);
    cnn_model_free(model);
}

/* What the reference gives for image, as the file's only output. */
static double *reference_output(const struct cnn_text *text, const float *image, size_t count,
                                const size_t *dims)
{
    struct cnn_onnx *file = NULL;
    struct cnn_onnx_array in = {.type = CNN_ONNX_FLOAT, .rank = 4, .count = count}, out = {0};
    assert_int_equal(cnn_onnx_open_memory("net", text->data, text->size, &file, NULL), CNN_OK);
    memcpy(in.dims, dims, 4 * sizeof *dims);
    in.data = calloc(count, sizeof *in.data);
    assert_non_null(in.data);
    for (size_t i = 0; i < count; i++)
        in.data[i] = (double)image[i];
    assert_int_equal(cnn_onnx_execute(file, &in, NULL, NULL, &out, NULL), CNN_OK);
    free(in.data);
    cnn_onnx_close(file);
    return out.data;
}

/* Three images, where the file leaves the batch free. */
static void test_an_imported_network_gives_what_the_file_gives(void **state)
{
    struct scratch *s = *state;
    struct cnn_text text = onnx_example("residual");
    cnn_model *model = NULL;
    float images[3 * 3 * 9 * 7], output[3 * 5];
    for (size_t i = 0; i < sizeof images / sizeof *images; i++)
        images[i] = (float)sin((double)(i * i));
    double *expected = reference_output(&text, images, sizeof images / sizeof *images,
                                        (const size_t[]){3, 3, 9, 7});
    expect_ok(s, import_text(s, text, NULL, &model, NULL));
    assert_int_equal(cnn_model_run(model, images, 3, output, s->diag), CNN_OK);
    for (size_t i = 0; i < 15; i++)
        assert_true(fabs((double)output[i] - expected[i]) < 1e-5);
    free(expected);
    cnn_model_free(model);
}

static void test_what_is_imported_is_a_checkpoint_like_any_other(void **state)
{
    static const char *const classes[] = {"a", "b", "c", "d", "e"};
    const cnn_import_options options = {.version = CNN_IMPORT_OPTIONS_VERSION,
                                        .name = "mine",
                                        .normalize = true,
                                        .mean = (const double[]){0.25, 0.5, 0.75},
                                        .std = (const double[]){0.5, 0.25, 0.125},
                                        .mean_count = 3,
                                        .classes = classes,
                                        .class_count = 5};
    struct scratch *s = *state;
    cnn_model *model = NULL, *again = NULL;
    const char *path;
    expect_ok(s, import_text(s, onnx_example("residual"), &options, &model, NULL));
    path = scratch_path(s, "mine.safetensors");
    assert_int_equal(cnn_model_write(model, path, s->diag), CNN_OK);
    expect_ok(s, cnn_model_open(path, NULL, &again, s->diag));
    assert_string_equal(cnn_model_name(again), "mine");
    assert_string_equal(cnn_model_class(again, 4), "e");
    assert_true(again->normalization.mean[1] == 0.5f && again->normalization.std[2] == 0.125f);
    assert_int_equal(cnn_model_tensors(again), cnn_model_tensors(model));
    assert_memory_equal(again->parameters, model->parameters,
                        model->graph.parameter_floats * sizeof(float));
    cnn_model_free(model);
    cnn_model_free(again);
}

/* Wherever a model is opened, an ONNX file is one; and for its shapes alone. */
/* The command line counts too, but a caller of the library may not. */
static void test_names_of_classes_are_one_for_each_output(void **state)
{
    struct scratch *s = *state;
    const char *names[11] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "a", "k"};
    const size_t wrong[] = {1, 9, 11};
    cnn_import_options o = CNN_IMPORT_OPTIONS_INIT;
    cnn_model *model = NULL;
    o.classes = names;
    for (size_t i = 0; i < 3; i++) {
        o.class_count = wrong[i];
        assert_int_equal(import_text(s, onnx_example("small"), &o, &model, NULL), CNN_FAILED);
        assert_null(model);
    }
    assert_string_equal(cnn_diag_get(s->diag, 0)->text,
                        "classes has 1 name; the network has 10 outputs");
    cnn_diag_clear(s->diag);
    o.class_count = 10;
    expect_ok(s, import_text(s, onnx_example("small"), &o, &model, NULL));
    assert_string_equal(cnn_model_class(model, 8), "i");
    assert_int_equal(cnn_diag_count(s->diag), 1);
    assert_string_equal(cnn_diag_get(s->diag, 0)->text,
                        "classes: classes 0 and 9 are both called 'a'");
    cnn_model_free(model);
    cnn_diag_clear(s->diag);
    names[3] = "";
    model = NULL;
    assert_int_equal(import_text(s, onnx_example("small"), &o, &model, NULL), CNN_FAILED);
    assert_null(model);
}

static void test_what_pixels_go_through_is_guessed_where_nobody_says_it(void **state)
{
    struct scratch *s = *state;
    cnn_import_options o = CNN_IMPORT_OPTIONS_INIT;
    cnn_model *model = NULL;
    expect_ok(s, import_text(s, onnx_example("small"), &o, &model, NULL));
    assert_true(cnn_model_pixels_guessed(model));
    cnn_model_free(model);
    o.normalize = true;
    o.mean = (const double[]){0, 0, 0, 0, 0};
    o.std = (const double[]){1, 1, 1, 1, 1};
    for (o.mean_count = 0; o.mean_count < 6; o.mean_count++) {
        model = NULL;
        assert_int_equal(import_text(s, onnx_example("small"), &o, &model, NULL),
                         o.mean_count == 3 ? CNN_OK : CNN_INVALID);
        assert_true(o.mean_count == 3 ? !cnn_model_pixels_guessed(model) : !model);
        cnn_model_free(model);
    }
}

static void test_an_onnx_file_is_a_model(void **state)
{
    struct scratch *s = *state;
    struct cnn_text text = onnx_example("small");
    cnn_model *model = NULL;
    for (size_t i = 0; i < 2; i++) {
        const cnn_open_options options = {.shapes = i == 1};
        const char *path = scratch_write(s, "small.onnx", text.data, text.size);
        expect_ok(s, cnn_model_open(path, &options, &model, s->diag));
        assert_string_equal(cnn_model_name(model), "small");
        assert_int_equal(cnn_model_outputs(model), 10);
        assert_true(cnn_model_trained(model));
        cnn_model_free(model);
    }
    cnn_text_free(&text);
}

/* Every mistake of a file in one run, each with its node and those around it. */
static void test_all_that_is_not_supported_is_named(void **state)
{
    static const char *const messages[] = {
        "node 'grid' (GridSample), behind 'c' (Conv) and before 'f' (Fancy)",
        "node 'f' (Fancy), behind 'grid' (GridSample) and before 'y' (Relu)",
        "node 'top' (ReduceSum), behind 'c' (Conv) and before 'odd' (Add): no layer computes"};
    struct scratch *s = *state;
    struct onnx_model m = {0};
    cnn_model *model = NULL;
    onnx_random(&m, "w", "3 3 1 1", 1, 1, 0);
    onnx_input(&m, "x", "batch 3 4 4");
    onnx_node(&m, "Conv", "x w", "c", "");
    onnx_node(&m, "ReduceSum", "c", "top", "");
    onnx_node(&m, "GridSample", "c c", "grid", "");
    onnx_node(&m, "Fancy", "grid", "f", "");
    onnx_node(&m, "Relu", "f", "y", "");
    onnx_node(&m, "Add", "y top", "odd", "");
    onnx_output(&m, "odd");
    assert_int_equal(import_text(s, onnx_finish(&m), NULL, &model, NULL), CNN_INVALID);
    assert_null(model);
    for (size_t i = 0; i < sizeof messages / sizeof *messages; i++) {
        bool found = false;
        for (size_t k = 0; k < cnn_diag_count(s->diag); k++)
            found = found || strstr(cnn_diag_get(s->diag, k)->text, messages[i]);
        if (!found)
            fail_msg("not told: %s", messages[i]);
    }
}

static void test_a_size_that_is_left_open_is_asked_for(void **state)
{
    struct scratch *s = *state;
    const cnn_import_options options = {.input = {3, 3, 6, 5}};
    for (size_t i = 0; i < 2; i++) {
        struct onnx_model m = {0};
        cnn_model *model = NULL;
        onnx_random(&m, "w", "3 3 1 1", 1, 1, 0);
        onnx_input(&m, "x", "batch 3 height width");
        onnx_node(&m, "Conv", "x w", "c", "");
        onnx_output(&m, "c");
        cnn_status status = import_text(s, onnx_finish(&m), i ? &options : NULL, &model, NULL);
        assert_int_equal(status, i ? CNN_OK : CNN_INVALID);
        if (i == 0)
            assert_string_equal(cnn_diag_get(s->diag, 0)->hint,
                                "give the size with --input, as in --input 3x224x224");
        else
            assert_int_equal(cnn_model_output(model).w, 5);
        cnn_model_free(model);
    }
}

/* A wrong parameter is found, in the first layer that it changes. */
static void test_a_layer_that_differs_is_named(void **state)
{
    struct scratch *s = *state;
    struct cnn_text text = onnx_example("residual");
    struct cnn_onnx *file = NULL;
    cnn_model *model = NULL;
    float image[3 * 9 * 7];
    for (size_t i = 0; i < sizeof image / sizeof *image; i++)
        image[i] = (float)cos((double)i);
    assert_int_equal(cnn_onnx_open_memory("net", text.data, text.size, &file, s->diag), CNN_OK);
    struct cnn_lowering l = {.file = file, .arena = cnn_arena_new(), .diag = s->diag};
    expect_ok(s, cnn_onnx_lower(&l, (cnn_shape){0}));
    struct cnn_text copy = onnx_example("residual");
    expect_ok(s, import_text(s, copy, NULL, &model, NULL));
    for (size_t i = 0; i < cnn_model_tensors(model); i++) {
        struct cnn_onnx_agreement agreement = {0};
        cnn_tensor_info info = cnn_model_tensor(model, i);
        float *value = model->parameters + model->tensors[i].tensor->offset, before = *value;
        char name[100];
        *value = before * 1.5f + 0.01f;
        snprintf(name, sizeof name, "layer '%.*s'", (int)strcspn(info.name, "."), info.name);
        assert_int_equal(cnn_onnx_compare(&l, model, image, 1e-4, &agreement, s->diag), CNN_FAILED);
        if (!strstr(cnn_diag_get(s->diag, 0)->text, name))
            fail_msg("%s: %s", info.name, cnn_diag_get(s->diag, 0)->text);
        cnn_diag_clear(s->diag);
        *value = before;
    }
    struct cnn_onnx_agreement agreement = {0};
    expect_ok(s, cnn_onnx_compare(&l, model, image, 1e-4, &agreement, s->diag));
    cnn_onnx_lowering_free(&l);
    cnn_arena_free(l.arena);
    cnn_onnx_close(file);
    cnn_text_free(&text);
    cnn_model_free(model);
}

/* What cannot be a network of ours, each with its reason. */
static void test_what_would_be_wrong_is_refused(void **state)
{
    static const struct {
        const char *op_type, *inputs, *attributes, *message;
    } cases[] = {
        {"Transpose", "c", "perm=[0,2,1,3]", "the network's output is transposed"},
        {"Transpose", "c", "perm=[1,0,2,3]", "it transposes the images of a batch"},
        {"Softmax", "c", "axis=2", "it goes over something other than the channels"},
        {"Concat", "c c", "axis=2", "it joins something other than channels"},
        {"ReduceMean", "c", "axes=[1]", "it goes over something other than all rows and columns"},
        {"MaxPool", "c", "kernel_shape=[2,2] dilations=[2,2]", "pooling with a dilation"},
        {"Reshape", "c across", "", "it mixes the images of a batch: 1 become 3"},
        {"Pad", "c cut", "", "it pads something other than rows and columns, or cuts"},
        {"Conv", "c c", "", "is not a constant"},
        {"Add", "c places", "", "its constant is not a number for each channel"},
        {"Sub", "c c", "", "no layer subtracts the output of another"},
        {"HardSigmoid", "c", "alpha=0.2", "no layer computes this operator"},
        {"BatchNormalization", "c three three three three", "training_mode=1", "training mode"},
        {"Cast", "c", "to=10", "it computes in float16 or bfloat16"},
        {"PRelu", "c three", "", "its slopes are not one for each channel"},
        {"QuantizeLinear", "c none", "", "its scale is 0"},
    };
    struct scratch *s = *state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct onnx_model m = {0};
        cnn_model *model = NULL;
        onnx_random(&m, "w", "3 3 1 1", 1, 1, 0);
        onnx_random(&m, "three", "3", 2, 0.5f, 1);
        onnx_random(&m, "places", "3 3", 3, 1, 0);
        onnx_floats(&m, "none", "", (const float[]){0});
        onnx_ints(&m, "across", "2", (const int64_t[]){3, 9});
        onnx_ints(&m, "cut", "8", (const int64_t[]){0, 0, -1, 0, 0, 0, 0, 0});
        onnx_input(&m, "x", "1 3 3 3");
        onnx_node(&m, "Conv", "x w", "c", "");
        onnx_node(&m, cases[i].op_type, cases[i].inputs, "y", cases[i].attributes);
        onnx_output(&m, "y");
        m.opset = 14;
        cnn_status status = import_text(s, onnx_finish(&m), NULL, &model, NULL);
        if (status == CNN_OK || !strstr(cnn_diag_get(s->diag, 0)->text, cases[i].message))
            fail_msg("%s %s: %s", cases[i].op_type, cases[i].attributes,
                     status == CNN_OK ? "imported" : cnn_diag_get(s->diag, 0)->text);
        assert_null(model);
        cnn_diag_clear(s->diag);
    }
}

/* Nodes that no program writes: each must be refused, whatever it is joined to. */
static const struct {
    int64_t opset;
    const char *nodes[8][4]; /* operator, inputs, outputs, attributes */
} hostile[] = {
    {14, {{"Transpose", "c", "t", "perm=[0,-1,1,2]"}, {"Softmax", "t", "y", "axis=2"}}},
    {14, {{"Transpose", "c", "t", "perm=[0,-3,1,2]"}, {"Reshape", "t across", "y", ""}}},
    {13, {{"ReduceMean", "c c", "y", "axes=[2]"}}},
    {17, {{"ReduceMax", "c c", "y", ""}}},
    {10, {{"Pad", "c c", "p", "pads=[0,0,1,1,0,0,-1,-1]"}, {"Relu", "p", "y", ""}}},
    {10, {{"Pad", "c", "y", "mode='constant'"}}},
    {18, {{"Reshape", "c eight", "e", ""}, {"Pad", "e pair - last", "y", ""}}},
    {18, {{"Pad", "c pair - two_axes", "y", ""}}},
    {14, {{"Pad", "c", "y", ""}}},
    {14, {{"Slice", "c zero one", "y z", ""}}},
    {14, {{"Slice", "c zero one axis two", "y z", ""}}},
    {14,
     {{"Relu", "c", "r", ""},
      {"Max", "r five", "m", ""},
      {"Transpose", "m", "y", "perm=[0,4,3,2,1]"}}},
    {14,
     {{"ReduceMean", "c", "m", "axes=[-1]"},
      {"Sub", "c m", "d", ""},
      {"Pow", "- two", "s", ""},
      {"ReduceMean", "s", "v", "axes=[-1]"},
      {"Add", "v two", "e", ""},
      {"Sqrt", "e", "r", ""},
      {"Div", "d r", "y", ""}}},
    {14,
     {{"ReduceMean", "c", "m", "axes=[-1]"},
      {"Sub", "c m", "d", ""},
      {"Pow", "d two", "s", ""},
      {"ReduceMean", "s", "v", "axes=[-1]"},
      {"Add", "v -", "e", ""},
      {"Sqrt", "e", "r", ""},
      {"Div", "d r", "y", ""}}},
    {14,
     {{"ReduceMean", "c", "m", "axes=[-1]"},
      {"Sub", "c m", "d", ""},
      {"Pow", "d two", "s", ""},
      {"ReduceMean", "s", "v", "axes=[-1]"},
      {"Add", "v two", "e", ""},
      {"Sqrt", "e", "r", ""},
      {"Div", "d r", "-", ""},
      {"Relu", "d", "y", ""}}},
    {14,
     {{"ReduceMean", "c", "m", "axes=[-1]"},
      {"Sub", "c m", "- d", ""},
      {"Pow", "d two", "s", ""},
      {"ReduceMean", "s", "- v", "axes=[-1]"},
      {"Add", "v two", "e", ""},
      {"Sqrt", "e", "r", ""},
      {"Div", "d r", "y", ""}}},
    {14,
     {{"ReduceMean", "c", "m", "axes=[-1]"},
      {"Sub", "c m", "d", ""},
      {"Pow", "two d", "s", ""},
      {"ReduceMean", "s", "v", "axes=[-1]"},
      {"Add", "v nothing", "e", ""},
      {"Sqrt", "e", "r", ""},
      {"Div", "d r", "y", ""}}},
};

static void test_files_that_mean_nothing_are_refused(void **state)
{
    struct scratch *s = *state;
    for (size_t i = 0; i < sizeof hostile / sizeof *hostile; i++) {
        struct onnx_model m = {.opset = hostile[i].opset};
        cnn_model *model = NULL;
        onnx_random(&m, "w", "3 3 1 1", 1, 1, 0);
        onnx_floats(&m, "two", "", (const float[]){2});
        onnx_floats(&m, "nothing", "0", NULL);
        onnx_floats(&m, "five", "1 1 1 1 1", (const float[]){0});
        onnx_ints(&m, "across", "3", (const int64_t[]){1, 9, 3});
        onnx_ints(&m, "eight", "8", (const int64_t[]){1, 1, 1, 1, 1, 3, 3, 3});
        onnx_ints(&m, "pair", "2", (const int64_t[]){1, 1});
        onnx_ints(&m, "last", "1", (const int64_t[]){-1});
        onnx_ints(&m, "two_axes", "2", (const int64_t[]){2, 3});
        onnx_ints(&m, "zero", "1", (const int64_t[]){0});
        onnx_ints(&m, "one", "1", (const int64_t[]){1});
        onnx_ints(&m, "axis", "1", (const int64_t[]){1});
        onnx_input(&m, "x", "1 3 3 3");
        onnx_node(&m, "Conv", "x w", "c", "");
        for (size_t k = 0; k < 8 && hostile[i].nodes[k][0]; k++)
            onnx_node(&m, hostile[i].nodes[k][0], hostile[i].nodes[k][1], hostile[i].nodes[k][2],
                      hostile[i].nodes[k][3]);
        onnx_output(&m, "y");
        if (import_text(s, onnx_finish(&m), NULL, &model, NULL) == CNN_OK)
            fail_msg("file %zu, whose first node is %s, was imported", i, hostile[i].nodes[0][0]);
        assert_null(model);
        assert_true(cnn_diag_errors(s->diag) > 0);
        cnn_diag_clear(s->diag);
    }
}

/* A LogSoftmax at the end is a softmax, whose probabilities are proved; elsewhere there is none. */
static void test_a_last_logarithm_is_left_out(void **state)
{
    static const char *const axes[] = {"axis=-1", "axis=1"};
    struct scratch *s = *state;
    for (size_t i = 0; i < 4; i++) {
        struct onnx_model m = {0};
        cnn_model *model = NULL;
        cnn_import_info info = {0};
        char layers[200];
        onnx_random(&m, "w", "5 6", 1, 1, 0);
        onnx_input(&m, "x", "1 6 1 1");
        onnx_node(&m, "Flatten", "x", "f", "");
        onnx_node(&m, "Gemm", "f w", "g", "transB=1");
        onnx_node(&m, i == 2 ? "Softmax" : "LogSoftmax", "g", i == 3 ? "z" : "y", axes[i % 2]);
        if (i == 3)
            onnx_node(&m, "Relu", "z", "y", "");
        onnx_output(&m, "y");
        cnn_status status = import_text(s, onnx_finish(&m), NULL, &model, &info);
        if (i == 3) {
            assert_int_equal(status, CNN_INVALID);
            assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, "only as the network's output"));
            cnn_diag_clear(s->diag);
            continue;
        }
        expect_ok(s, status);
        list_layers(model, layers, sizeof layers);
        assert_non_null(strstr(layers, "softmax"));
        assert_int_equal(strstr(info.notes, "logarithm") != NULL, i < 2);
        assert_true(info.error < 1e-5);
        const float x[6] = {1, -2, 0.5f, 3, 0, 1};
        float y[5], sum = 0;
        expect_ok(s, cnn_model_run(model, x, 1, y, s->diag));
        for (size_t k = 0; k < 5; k++)
            sum += y[k];
        assert_true(fabsf(sum - 1) < 1e-5f);
        cnn_model_free(model);
    }
}

/* Dimensions may be counted from the last. */
static void test_a_transposition_is_the_same_from_either_end(void **state)
{
    static const char *const orders[] = {"perm=[0,2,3,1]", "perm=[-4,-2,-1,-3]"};
    struct scratch *s = *state;
    for (size_t i = 0; i < 2; i++) {
        struct onnx_model m = {0};
        cnn_model *model = NULL;
        char layers[200];
        onnx_random(&m, "w", "4 3 1 1", 1, 1, 0);
        onnx_random(&m, "b", "4 5", 2, 1, 0);
        onnx_input(&m, "x", "1 3 2 3");
        onnx_node(&m, "Conv", "x w", "c", "");
        onnx_node(&m, "Transpose", "c", "t", orders[i]);
        onnx_node(&m, "MatMul", "t b", "p", "");
        onnx_node(&m, "Transpose", "p", "y", i == 0 ? "perm=[0,3,1,2]" : "perm=[0,-1,-3,-2]");
        onnx_output(&m, "y");
        expect_ok(s, import_text(s, onnx_finish(&m), NULL, &model, NULL));
        list_layers(model, layers, sizeof layers);
        assert_string_equal(layers, "conv:c conv:p");
        cnn_model_free(model);
    }
}

/* Zeros do not stay zeros in every activation: padding before one is a layer. */
static void test_padding_comes_before_what_changes_it(void **state)
{
    struct scratch *s = *state;
    struct onnx_model m = {0};
    cnn_model *model = NULL;
    cnn_import_info info = {0};
    char layers[200];
    onnx_random(&m, "w", "3 3 1 1", 1, 1, 0);
    onnx_ints(&m, "around", "8", (const int64_t[]){0, 0, 1, 1, 0, 0, 1, 1});
    onnx_input(&m, "x", "1 3 2 3");
    onnx_node(&m, "Conv", "x w", "c", "");
    onnx_node(&m, "Pad", "c around", "p", "");
    onnx_node(&m, "Sigmoid", "p", "s", "");
    onnx_node(&m, "Pad", "s around", "q", "");
    onnx_node(&m, "Softmax", "q", "y", "axis=1");
    onnx_output(&m, "y");
    expect_ok(s, import_text(s, onnx_finish(&m), NULL, &model, &info));
    list_layers(model, layers, sizeof layers);
    assert_string_equal(layers, "conv:c pad:pad sigmoid:s pad:pad_2 softmax:y");
    assert_int_equal(info.compared, 3);
    cnn_model_free(model);
}

/* What stands before a layer that reads maps may be channels in another order. */
static void test_padding_comes_behind_a_shuffle(void **state)
{
    struct scratch *s = *state;
    struct onnx_model m = {0};
    cnn_model *model = NULL;
    cnn_import_info info = {0};
    char layers[200];
    onnx_random(&m, "w", "4 3 1 1", 1, 1, 0);
    onnx_ints(&m, "apart", "5", (const int64_t[]){0, 2, 2, 2, 3});
    onnx_ints(&m, "together", "4", (const int64_t[]){0, 4, 2, 3});
    onnx_ints(&m, "around", "8", (const int64_t[]){0, 0, 1, 0, 0, 0, 0, 2});
    onnx_input(&m, "x", "1 3 2 3");
    onnx_node(&m, "Conv", "x w", "c", "");
    onnx_node(&m, "Reshape", "c apart", "a", "");
    onnx_node(&m, "Transpose", "a", "t", "perm=[0,2,1,3,4]");
    onnx_node(&m, "Reshape", "t together", "r", "");
    onnx_node(&m, "Pad", "r around", "y", "");
    onnx_output(&m, "y");
    expect_ok(s, import_text(s, onnx_finish(&m), NULL, &model, &info));
    list_layers(model, layers, sizeof layers);
    assert_string_equal(layers, "conv:c shuffle:shuffle pad:pad");
    assert_int_equal(info.compared, 2);
    cnn_model_free(model);
}

/* Channels may go to the end with a border around them, which becomes a layer, and come back. */
static void test_padding_is_transposed(void **state)
{
    struct scratch *s = *state;
    struct onnx_model m = {.opset = 13};
    cnn_model *model = NULL;
    cnn_import_info info = {0};
    char layers[200];
    onnx_random(&m, "w", "4 3 1 1", 1, 1, 0);
    onnx_random(&m, "factor", "4", 2, 1, 0);
    onnx_random(&m, "v", "2 4 2 1", 3, 1, 0);
    onnx_ints(&m, "around", "8", (const int64_t[]){0, 0, 1, 0, 0, 0, 0, 2});
    onnx_ints(&m, "behind", "8", (const int64_t[]){0, 3, 0, 0, 0, 0, 1, 0});
    onnx_input(&m, "x", "1 3 2 3");
    onnx_node(&m, "Conv", "x w", "c", "");
    onnx_node(&m, "Pad", "c around", "p", "");
    onnx_node(&m, "Transpose", "p", "t", "perm=[0,2,3,1]");
    onnx_node(&m, "Mul", "t factor", "f", "");
    onnx_node(&m, "Pad", "f behind", "q", "");
    onnx_node(&m, "Transpose", "q", "r", "perm=[0,3,1,2]");
    onnx_node(&m, "Conv", "r v", "y", "");
    onnx_output(&m, "y");
    expect_ok(s, import_text(s, onnx_finish(&m), NULL, &model, &info));
    list_layers(model, layers, sizeof layers);
    assert_string_equal(layers, "conv:c pad:pad scale:f conv:y");
    assert_non_null(strstr(cnn_model_resolved(model), "padding: [3, 0, 0, 1]"));
    assert_int_equal(info.compared, 3);
    cnn_model_free(model);
}

/* Slopes of numbers that are no maps, and an attribute that ONNX does not know. */
static void test_prelu_stands_behind_a_dense_layer(void **state)
{
    struct scratch *s = *state;
    struct onnx_model m = {0};
    cnn_model *model = NULL;
    cnn_import_info info = {0};
    char layers[200];
    onnx_random(&m, "w", "5 18", 1, 1, 0);
    onnx_random(&m, "slopes", "5", 2, 1, 0.5f);
    onnx_random(&m, "w3", "3 3 1 1", 3, 1, 0);
    onnx_random(&m, "slopes3", "3 1 1", 4, 1, 0.5f);
    onnx_input(&m, "x", "1 3 2 3");
    onnx_node(&m, "Conv", "x w3", "c", "");
    onnx_node(&m, "PRelu", "c slopes3", "p", "");
    onnx_node(&m, "Flatten", "p", "f", "axis=1");
    onnx_node(&m, "Gemm", "f w", "g", "transB=1 fused=1 trans=0 =1");
    onnx_node(&m, "PRelu", "g slopes", "y", "");
    onnx_output(&m, "y");
    expect_ok(s, import_text(s, onnx_finish(&m), NULL, &model, &info));
    list_layers(model, layers, sizeof layers);
    assert_string_equal(layers, "conv:c prelu:p flatten:flatten dense:g prelu:y");
    assert_int_equal(info.compared, 4);
    assert_non_null(strstr(info.notes, "left out: attribute 'fused' of node 'g', which ONNX does "
                                       "not define for Gemm\n"));
    assert_non_null(strstr(info.notes, "attribute 'trans' of"));
    assert_non_null(strstr(info.notes, "attribute '' of"));
    assert_null(strstr(info.notes, "transB"));
    cnn_model_free(model);
}

/* The last layer may be one that stands between, which no node of the file gives by itself. */
static void test_the_last_layer_is_compared_whatever_it_is(void **state)
{
    struct scratch *s = *state;
    struct onnx_model m = {0};
    cnn_model *model = NULL;
    cnn_import_info info = {0};
    char layers[200];
    onnx_random(&m, "w", "3 3 1 1", 1, 1, 0);
    onnx_ints(&m, "around", "8", (const int64_t[]){0, 0, 1, 0, 0, 0, 0, 2});
    onnx_ints(&m, "lines", "3", (const int64_t[]){0, 0, -1});
    onnx_input(&m, "x", "1 3 2 3");
    onnx_node(&m, "Conv", "x w", "c", "");
    onnx_node(&m, "Pad", "c around", "p", "");
    onnx_node(&m, "Reshape", "p lines", "y", "");
    onnx_output(&m, "y");
    expect_ok(s, import_text(s, onnx_finish(&m), NULL, &model, &info));
    list_layers(model, layers, sizeof layers);
    assert_string_equal(layers, "conv:c pad:pad");
    assert_int_equal(info.compared, 2);
    cnn_model_free(model);
}

/* A long name is cut between two characters, and a line of the notes stays one. */
static void test_names_of_files_and_nodes_may_be_any(void **state)
{
    struct scratch *s = *state;
    struct onnx_model m = {0};
    cnn_import_options options = CNN_IMPORT_OPTIONS_INIT;
    cnn_import_info info = {0};
    cnn_model *model = NULL;
    char name[100] = "a\"\xff\n", expected[100] = "a___";
    for (size_t i = 0; i < 30; i++)
        strcat(name, "\xe2\x82\xac"); /* the euro's sign, three bytes */
    memcpy(expected + 4, name + 4, 75);
    onnx_random(&m, "w", "3 3 1 1", 1, 1, 0);
    onnx_ints(&m, "around", "8", (const int64_t[]){0, 0, 1, 1, 0, 0, 1, 1});
    onnx_input(&m, "x", "1 3 2 3");
    onnx_node(&m, "Pad", "x around", "p", "");
    onnx_named(&m, "of two\nlines", "Conv", "p w", "c", "");
    onnx_output(&m, "c");
    options.name = name;
    expect_ok(s, import_text(s, onnx_finish(&m), &options, &model, &info));
    assert_string_equal(cnn_model_name(model), expected);
    if (!strstr(info.notes, "'of two lines'"))
        fail_msg("%s", info.notes);
    cnn_model_free(model);
}

/* Each name is the first that is free, and it takes no time that grows with the third power. */
static void test_layers_of_one_name_are_numbered(void **state)
{
    struct scratch *s = *state;
    struct onnx_model m = {0};
    cnn_model *model = NULL;
    cnn_layer_info layer = {0};
    char from[16] = "x", to[16];
    onnx_input(&m, "x", "1 1 1 2");
    for (int i = 0; i < 900; i++) {
        snprintf(to, sizeof to, "v%d", i);
        onnx_named(&m, i == 1 ? "Tanh_3" : i == 4 ? "input" : "Tanh", "Tanh", from, to, "");
        memcpy(from, to, sizeof from);
    }
    onnx_output(&m, to);
    expect_ok(s, import_text(s, onnx_finish(&m), NULL, &model, NULL));
    static const struct {
        size_t layer;
        const char *name;
    } expected[] = {{0, "Tanh"},    {1, "Tanh_3"}, {2, "Tanh_2"},    {3, "Tanh_4"},
                    {4, "input_2"}, {5, "Tanh_5"}, {899, "Tanh_899"}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        assert_int_equal(cnn_model_layer(model, expected[i].layer, &layer, s->diag), CNN_OK);
        assert_string_equal(layer.name, expected[i].name);
    }
    cnn_model_free(model);
}

/* What lies elsewhere than a layer would have it is refused as such, before any comparison. */
static void test_places_between_pixels_are_those_of_a_layer_or_refused(void **state)
{
    struct scratch *s = *state;
    static const struct {
        const char *mode, *transform, *nearest;
        float rows, columns;
        bool fits;
    } cases[] = {{"nearest", "half_pixel", "round_prefer_floor", 2, 2, true},
                 {"nearest", "half_pixel", "round_prefer_ceil", 3, 2, true},
                 {"nearest", "asymmetric", "floor", 2, 3, true},
                 {"nearest", "half_pixel", "floor", 2, 1, false},
                 {"nearest", "half_pixel", "ceil", 1, 2, false},
                 {"nearest", "pytorch_half_pixel", "floor", 2, 2, false},
                 {"nearest", "asymmetric", "ceil", 2, 2, false},
                 {"linear", "half_pixel", "floor", 2, 2, true},
                 {"linear", "half_pixel", "floor", 1.5f, 1, true},
                 {"linear", "half_pixel", "floor", 1, 1.5f, false},
                 {"linear", "half_pixel", "floor", 1, 0.5f, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct onnx_model m = {0};
        cnn_model *model = NULL;
        char attributes[200];
        snprintf(attributes, sizeof attributes,
                 "mode='%s' coordinate_transformation_mode='%s' nearest_mode='%s'", cases[i].mode,
                 cases[i].transform, cases[i].nearest);
        onnx_floats(&m, "scales", "4", (const float[]){1, 1, cases[i].rows, cases[i].columns});
        onnx_input(&m, "x", "1 2 6 7");
        onnx_named(&m, "r", "Resize", "x - scales", "y", attributes);
        onnx_output(&m, "y");
        cnn_status status = import_text(s, onnx_finish(&m), NULL, &model, NULL);
        assert_int_equal(status, cases[i].fits ? CNN_OK : CNN_INVALID);
        if (!cases[i].fits)
            assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, "in other places"));
        cnn_diag_clear(s->diag);
        cnn_model_free(model);
    }
}

/* Windows of an even number of channels lie otherwise in layers. */
static void test_normalisation_over_an_even_number_of_channels_is_refused(void **state)
{
    struct scratch *s = *state;
    for (int size = 0; size < 6; size++) {
        struct onnx_model m = {0};
        cnn_model *model = NULL;
        char attributes[40];
        snprintf(attributes, sizeof attributes, "size=%d alpha=0.3", size);
        onnx_input(&m, "x", "1 6 2 3");
        onnx_named(&m, "n", "LRN", "x", "y", attributes);
        onnx_output(&m, "y");
        assert_int_equal(import_text(s, onnx_finish(&m), NULL, &model, NULL),
                         size % 2 == 1 ? CNN_OK : CNN_INVALID);
        cnn_model_free(model);
    }
}

/* The number is named as the file has it, not by the layer that it would have become. */
static void test_numbers_that_no_layer_can_have_are_told_by_their_tensor(void **state)
{
    struct scratch *s = *state;
    static const float numbers[][4] = {{1, 2, NAN, 4}, {1, 2, INFINITY, 4}};
    for (size_t i = 0; i < 2; i++) {
        struct onnx_model m = {0};
        cnn_model *model = NULL;
        onnx_floats(&m, "w", "2 2 1 1", numbers[i]);
        onnx_input(&m, "x", "1 2 2 3");
        onnx_node(&m, "Conv", "x w", "c", "");
        onnx_output(&m, "c");
        assert_int_equal(import_text(s, onnx_finish(&m), NULL, &model, NULL), CNN_FAILED);
        assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text,
                               "node 'c' (Conv): 'w': number 3 of 4 is not finite"));
        assert_int_equal(cnn_diag_count(s->diag), 1);
        cnn_diag_clear(s->diag);
    }
}

/* A file that is damaged is no file with something unsupported in it. Each tensor is told once,
 * whoever reads it. */
static void test_damaged_tensors_are_told_once(void **state)
{
    struct scratch *s = *state;
    struct onnx_model m = {0};
    cnn_model *model = NULL;
    static const char *const names[] = {"v", "w"};
    for (size_t i = 0; i < 2; i++) {
        struct cnn_text fields = {0};
        for (size_t k = 0; k < 4; k++)
            wire_int(&fields, 1, k < 2 ? 3 : 1);
        wire_int(&fields, 2, 1);
        wire_bytes(&fields, 9, "123", 3);
        onnx_tensor(&m, names[i], &fields);
    }
    onnx_input(&m, "x", "1 3 2 3");
    onnx_node(&m, "Conv", "x w", "a", "");
    onnx_node(&m, "Conv", "a v", "b", "");
    onnx_node(&m, "Conv", "b w", "c", "");
    onnx_output(&m, "c");
    assert_int_equal(import_text(s, onnx_finish(&m), NULL, &model, NULL), CNN_FAILED);
    assert_null(model);
    assert_int_equal(cnn_diag_count(s->diag), 2);
    for (size_t i = 0; i < 2; i++)
        assert_non_null(strstr(cnn_diag_get(s->diag, i)->text, "has 3 bytes, and its 9 numbers"));
}

static void test_an_input_that_is_too_large_is_no_input_without_a_size(void **state)
{
    struct scratch *s = *state;
    struct onnx_model m = {0};
    cnn_model *model = NULL;
    onnx_input(&m, "x", "1 3 100000 4");
    onnx_node(&m, "Relu", "x", "y", "");
    onnx_output(&m, "y");
    assert_int_equal(import_text(s, onnx_finish(&m), NULL, &model, NULL), CNN_INVALID);
    assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text,
                           "its input 'x' has 100000 rows, and at most 65536 are read"));
}

/* A key that is set by hand may change what a layer gives: the file no longer proves it. */
static void test_layers_of_another_size_are_not_compared(void **state)
{
    static const char *const wider[] = {"layers.features_0.padding=0"};
    struct scratch *s = *state;
    const cnn_open_options options = {.overrides = wider, .override_count = 1};
    struct cnn_text text = onnx_example("small");
    const char *path = scratch_write(s, "small.onnx", text.data, text.size);
    cnn_model *model = NULL;
    cnn_text_free(&text);
    assert_true(cnn_model_open(path, &options, &model, s->diag) != CNN_OK);
    assert_null(model);
    assert_true(cnn_diag_errors(s->diag) > 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_examples_become_these_layers),
        TEST(test_an_imported_network_gives_what_the_file_gives),
        TEST(test_the_dynamo_form_comes_in_with_its_external_weights),
        TEST(test_what_is_imported_is_a_checkpoint_like_any_other),
        TEST(test_names_of_classes_are_one_for_each_output),
        TEST(test_what_pixels_go_through_is_guessed_where_nobody_says_it),
        TEST(test_an_onnx_file_is_a_model),
        TEST(test_all_that_is_not_supported_is_named),
        TEST(test_a_size_that_is_left_open_is_asked_for),
        TEST(test_a_layer_that_differs_is_named),
        TEST(test_what_would_be_wrong_is_refused),
        TEST(test_files_that_mean_nothing_are_refused),
        TEST(test_a_transposition_is_the_same_from_either_end),
        TEST(test_padding_comes_before_what_changes_it),
        TEST(test_padding_is_transposed),
        TEST(test_padding_comes_behind_a_shuffle),
        TEST(test_prelu_stands_behind_a_dense_layer),
        TEST(test_a_last_logarithm_is_left_out),
        TEST(test_the_last_layer_is_compared_whatever_it_is),
        TEST(test_names_of_files_and_nodes_may_be_any),
        TEST(test_normalisation_over_an_even_number_of_channels_is_refused),
        TEST(test_numbers_that_no_layer_can_have_are_told_by_their_tensor),
        TEST(test_damaged_tensors_are_told_once),
        TEST(test_an_input_that_is_too_large_is_no_input_without_a_size),
        TEST(test_layers_of_one_name_are_numbered),
        TEST(test_places_between_pixels_are_those_of_a_layer_or_refused),
        TEST(test_layers_of_another_size_are_not_compared)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
