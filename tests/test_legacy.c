/* Import of Caffe's and Darknet's networks. What is right is computed here by plain sums; larger
 * networks are held against OpenCV by tests/opencv.sh. */
#include "scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "formats/darknet.h"
#include "formats/prototxt.h"
#include "legacy_models.h"
#include "model/model.h"

enum { SIDE = LEGACY_SIDE, PIXELS = SIDE * SIDE, MAPS = LEGACY_FILTERS };

/* ---- Imports ---- */

static cnn_status import_pair(struct scratch *s, const char *const *names,
                              const struct legacy_files *files, const cnn_import_options *options,
                              cnn_model **model, cnn_import_info *info)
{
    char paths[2][256];
    snprintf(paths[0], sizeof paths[0], "%s",
             scratch_write(s, names[0], files->network.data, files->network.size));
    snprintf(paths[1], sizeof paths[1], "%s",
             scratch_write(s, names[1], files->weights.data, files->weights.size));
    return cnn_import((const char *[]){paths[1], paths[0]}, 2, options, model, info, s->diag);
}

static const char *const caffe_names[] = {"net.prototxt", "net.caffemodel"};
static const char *const darknet_names[] = {"net.cfg", "net.weights"};

static void free_files(struct legacy_files *files)
{
    cnn_text_free(&files->network);
    cnn_text_free(&files->weights);
}

static cnn_model *import_example(struct scratch *s, const char *name,
                                 const cnn_import_options *options, cnn_import_info *info)
{
    struct legacy_files files = legacy_example(name);
    cnn_model *model = NULL;
    const char *const *names = strcmp(name, "tiny") == 0 ? darknet_names : caffe_names;
    if (import_pair(s, names, &files, options, &model, info) != CNN_OK)
        fail_msg("%s: %s", name, cnn_diag_get(s->diag, 0)->text);
    free_files(&files);
    return model;
}

/* "type:name" of each layer, with blanks between. */
static void expect_layers(const cnn_model *model, const char *want)
{
    char got[1000] = "";
    for (size_t i = 0; i < model->graph.count; i++) {
        size_t length = strlen(got);
        snprintf(got + length, sizeof got - length, "%s%s:%s", i > 0 ? " " : "",
                 model->graph.nodes[i].type->variant.name, model->graph.nodes[i].name);
    }
    assert_string_equal(got, want);
}

/* ---- The examples by hand ---- */

struct example {
    struct legacy_numbers n;
    bool turned;  /* the network reads the last channel first */
    bool biased;  /* the convolution has a bias, and no statistics */
    double slope; /* below 0 */
    double mean_divisor;
    double (*deviation)(double variance);
};

static double deviation_caffe(double variance)
{
    return sqrt(variance / 0.75 + 1e-3);
}

static double deviation_alexeyab(double variance)
{
    return sqrt(variance + 1e-5);
}

static double deviation_pjreddie(double variance)
{
    return sqrt(variance) + 1e-6;
}

static double convolve(const struct example *e, const float *image, int filter, int row, int column)
{
    double sum = 0;
    for (int c = 0; c < 3; c++)
        for (int k = 0; k < 9; k++) {
            int y = row + k / 3 - 1, x = column + k % 3 - 1;
            if (y >= 0 && y < SIDE && x >= 0 && x < SIDE)
                sum += (double)e->n.conv[(filter * 3 + c) * 9 + k] *
                       (double)image[(e->turned ? 2 - c : c) * PIXELS + y * SIDE + x];
        }
    return sum;
}

static double activate(const struct example *e, double sum, int filter)
{
    double y;
    if (e->biased)
        y = sum + (double)e->n.conv_bias[filter];
    else
        y = (sum + (e->mean_divisor != 1 ? (double)e->n.conv_bias[filter] : 0) -
             (double)e->n.mean[filter] / e->mean_divisor) /
                e->deviation((double)e->n.variance[filter]) * (double)e->n.gamma[filter] +
            (double)e->n.beta[filter];
    return y < 0 ? e->slope * y : y;
}

/* Windows of 2 x 2, of which those at the end hang over; then the dense layer. */
static void expected_logits(const struct example *e, const float *image, double *out)
{
    for (int u = 0; u < LEGACY_CLASSES; u++)
        out[u] = (double)e->n.dense_bias[u];
    for (int f = 0; f < MAPS; f++)
        for (int p = 0; p < LEGACY_POOLED * LEGACY_POOLED; p++) {
            double largest = -INFINITY;
            for (int k = 0; k < 4; k++) {
                int y = p / LEGACY_POOLED * 2 + k / 2, x = p % LEGACY_POOLED * 2 + k % 2;
                if (y < SIDE && x < SIDE)
                    largest = fmax(largest, activate(e, convolve(e, image, f, y, x), f));
            }
            for (int u = 0; u < LEGACY_CLASSES; u++)
                out[u] += largest * (double)e->n.dense[u * MAPS * 25 + f * 25 + p];
        }
}

static void expect_output(struct scratch *s, cnn_model *model, const struct example *e,
                          bool probabilities)
{
    float image[3 * PIXELS], got[LEGACY_CLASSES];
    double want[LEGACY_CLASSES], sum = 0;
    for (int i = 0; i < 3 * PIXELS; i++)
        image[i] = (float)sin(i * i * 0.37);
    expected_logits(e, image, want);
    for (int u = 0; u < LEGACY_CLASSES; u++)
        sum += exp(want[u]);
    assert_int_equal(cnn_model_run(model, image, 1, got, s->diag), CNN_OK);
    for (int u = 0; u < LEGACY_CLASSES; u++) {
        double right = probabilities ? exp(want[u]) / sum : want[u];
        if (fabs(right - (double)got[u]) > 2e-5)
            fail_msg("output %d is %g, not %g", u, (double)got[u], right);
    }
}

static void test_caffe_network_computes_what_it_says(void **state)
{
    struct scratch *s = *state;
    cnn_import_info info = {0};
    struct example e = {.turned = true, .mean_divisor = 0.75, .deviation = deviation_caffe};
    legacy_numbers(&e.n);
    cnn_model *model = import_example(s, "small", NULL, &info);
    expect_layers(model, "conv:conv1 batch_norm:bn1 pool:pool1 flatten:flatten dense:fc");
    expect_output(s, model, &e, false);
    assert_int_equal(info.nodes, 10);
    assert_int_equal(info.opset, 0);
    assert_string_equal(info.producer, "Caffe");
    assert_string_equal(cnn_model_name(model), "small");
    assert_non_null(strstr(info.notes, "guessed: the file's network reads blue, green, red"));
    cnn_model_free(model);
}

/* Pixels of 0 to 255, blue first in the file and red first here: (p - mean) * scale. */
static void test_caffe_preprocessing_comes_from_the_data_layer(void **state)
{
    struct scratch *s = *state;
    static const double means[] = {123, 117, 104};
    cnn_model *model = import_example(s, "small", NULL, NULL);
    assert_true(model->has_data);
    for (size_t c = 0; c < 3; c++) {
        assert_true(fabs((double)model->normalization.mean[c] - means[c] / 255) < 1e-6);
        assert_true(fabs((double)model->normalization.std[c] - 1 / (255 * 0.017)) < 1e-6);
    }
    cnn_model_free(model);

    cnn_import_options o = CNN_IMPORT_OPTIONS_INIT;
    o.channels = CNN_CHANNELS_RGB;
    struct example e = {.mean_divisor = 0.75, .deviation = deviation_caffe};
    legacy_numbers(&e.n);
    model = import_example(s, "small", &o, NULL);
    expect_output(s, model, &e, false);
    assert_true(fabs((double)model->normalization.mean[0] - 104.0 / 255) < 1e-6);
    cnn_model_free(model);

    o.normalize = true;
    o.mean = (const double[]){0.25, 0.25, 0.25};
    o.std = (const double[]){0.5, 0.5, 0.5};
    o.mean_count = 3;
    model = import_example(s, "small", &o, NULL);
    assert_true(fabs((double)model->normalization.mean[2] - 0.25) < 1e-6);
    cnn_model_free(model);
}

static void test_caffe_files_of_the_first_version(void **state)
{
    struct scratch *s = *state;
    cnn_import_info info = {0};
    struct example e = {.turned = true, .biased = true};
    legacy_numbers(&e.n);
    cnn_model *model = import_example(s, "old", NULL, &info);
    expect_layers(model, "conv:conv1 pool:pool1 flatten:flatten dense:fc softmax:prob");
    expect_output(s, model, &e, true);
    assert_non_null(strstr(info.notes, "guessed: pixels go in as numbers from 0 to 255"));
    assert_true(fabs((double)model->normalization.std[1] - 1 / 255.0) < 1e-6);
    cnn_model_free(model);
}

static void test_darknet_network_computes_what_it_says(void **state)
{
    struct scratch *s = *state;
    cnn_import_info info = {0};
    cnn_import_options o = CNN_IMPORT_OPTIONS_INIT;
    struct example e = {.slope = 0.1, .mean_divisor = 1, .deviation = deviation_alexeyab};
    legacy_numbers(&e.n);
    cnn_model *model = import_example(s, "tiny", &o, &info);
    expect_layers(model, "conv:convolutional0 batch_norm:convolutional0_bn leaky_relu:"
                         "convolutional0_2 pool:maxpool1 flatten:flatten dense:connected3 "
                         "softmax:softmax4");
    expect_output(s, model, &e, true);
    assert_int_equal(info.nodes, 6);
    assert_string_equal(info.producer, "Darknet");
    assert_non_null(strstr(info.notes, "dropped: 2 "));
    cnn_model_free(model);

    o.darknet = CNN_DARKNET_PJREDDIE;
    e.deviation = deviation_pjreddie;
    model = import_example(s, "tiny", &o, NULL);
    expect_output(s, model, &e, true);
    cnn_model_free(model);
}

/* Files of 2013 have an odd version, and the weights of dense layers the other way round. */
static void test_darknet_weights_may_be_transposed(void **state)
{
    struct scratch *s = *state;
    struct legacy_files files = legacy_example("tiny");
    struct example e = {.slope = 0.1, .mean_divisor = 1, .deviation = deviation_alexeyab};
    const size_t inputs = sizeof e.n.dense / sizeof e.n.dense[0] / LEGACY_CLASSES;
    const unsigned char header[16] = {0, 4};
    float turned[sizeof e.n.dense / sizeof e.n.dense[0]];
    struct cnn_text weights = {0};
    cnn_model *model = NULL;
    legacy_numbers(&e.n);
    for (size_t i = 0; i < LEGACY_CLASSES * inputs; i++)
        turned[i % inputs * LEGACY_CLASSES + i / inputs] = e.n.dense[i];
    cnn_text_append(&weights, (const char *)header, sizeof header);
    cnn_text_append(&weights, files.weights.data + 20, files.weights.size - 20 - sizeof turned);
    cnn_text_append(&weights, (const char *)turned, sizeof turned);
    cnn_text_free(&files.weights);
    files.weights = weights;
    assert_int_equal(import_pair(s, darknet_names, &files, NULL, &model, NULL), CNN_OK);
    expect_output(s, model, &e, true);
    cnn_model_free(model);
    free_files(&files);
}

/* Where variances are small the two are far apart. */
static void test_darknet_epsilon_stands_where_its_author_put_it(void **state)
{
    struct scratch *s = *state;
    for (int kind = 0; kind < 2; kind++) {
        struct legacy_files files = legacy_example("tiny");
        struct example e = {.slope = 0.1,
                            .mean_divisor = 1,
                            .deviation = kind == 0 ? deviation_alexeyab : deviation_pjreddie};
        cnn_import_options o = CNN_IMPORT_OPTIONS_INIT;
        cnn_model *model = NULL;
        legacy_numbers(&e.n);
        for (int i = 0; i < MAPS; i++)
            e.n.variance[i] = 1e-4F * (float)(i + 1);
        memcpy(files.weights.data + 20 + 3 * sizeof e.n.beta, e.n.variance, sizeof e.n.variance);
        o.darknet = kind == 0 ? CNN_DARKNET_ALEXEYAB : CNN_DARKNET_PJREDDIE;
        assert_int_equal(import_pair(s, darknet_names, &files, &o, &model, NULL), CNN_OK);
        const struct cnn_tensor_place *place = NULL;
        for (size_t i = 0; i < model->tensor_count; i++)
            if (strcmp(model->tensors[i].name, "convolutional0_bn.running_var") == 0)
                place = &model->tensors[i];
        assert_non_null(place);
        for (int i = 0; i < MAPS; i++) {
            double stored = (double)model->parameters[place->tensor->offset + (size_t)i];
            double got = sqrt(stored + (kind == 0 ? 1e-5 : 1e-12));
            assert_true(fabs(got / e.deviation((double)e.n.variance[i]) - 1) < 1e-6);
        }
        cnn_model_free(model);
        free_files(&files);
    }
}

/* ---- More of Darknet: routes, groups, windows ---- */

static void add_random(struct cnn_text *out, float *numbers, size_t count, double seed)
{
    for (size_t i = 0; i < count; i++)
        numbers[i] = (float)sin((double)(i * i) * 0.7 + seed);
    cnn_text_append(out, (const char *)numbers, count * sizeof *numbers);
}

static const char branches[] = "[net]\nheight=5\nwidth=4\nchannels=2\n"
                               "[convolutional]\nfilters=4\nsize=1\nactivation=linear\n"
                               "[route]\nlayers=-1\ngroups=2\ngroup_id=1\n"
                               "[maxpool]\nsize=2\nstride=1\n"
                               "[shortcut]\nfrom=-2\nactivation=relu\n"
                               "[upsample]\nstride=2\n"
                               "[route]\nlayers = -2, 0\n";

/* The shortcut adds the second half of the channels to the largest of each 2 x 2 window of them,
 * which at the end sees what there is. */
static void test_darknet_routes_shortcuts_and_windows(void **state)
{
    struct scratch *s = *state;
    struct legacy_files files = {{0}, {0}};
    const unsigned char header[16] = {0, 0, 0, 0, 1}; /* version 0.1: `seen` has 4 bytes */
    float bias[4], weights[8], image[2 * 20], got[6 * 20];
    double maps[4][20], want[6][20];
    cnn_model *model = NULL;
    cnn_text_append(&files.network, branches, strlen(branches));
    cnn_text_append(&files.weights, (const char *)header, sizeof header);
    add_random(&files.weights, bias, 4, 1);
    add_random(&files.weights, weights, 8, 2);
    for (int i = 0; i < 40; i++)
        image[i] = (float)cos(i * 1.7);
    for (int f = 0; f < 4; f++)
        for (int p = 0; p < 20; p++)
            maps[f][p] = (double)bias[f] + (double)weights[2 * f] * (double)image[p] +
                         (double)weights[2 * f + 1] * (double)image[20 + p];
    for (int f = 0; f < 2; f++)
        for (int p = 0; p < 20; p++) {
            double largest = -INFINITY;
            for (int k = 0; k < 4; k++)
                if (p / 4 + k / 2 < 5 && p % 4 + k % 2 < 4)
                    largest = fmax(largest, maps[2 + f][p + k / 2 * 4 + k % 2]);
            want[f][p] = fmax(0, largest + maps[2 + f][p]);
        }
    memcpy(want[2], maps, sizeof maps);
    if (import_pair(s, darknet_names, &files, NULL, &model, NULL) != CNN_OK)
        fail_msg("%s", cnn_diag_get(s->diag, 0)->text);
    expect_layers(model, "conv:convolutional0 slice:route1 pool:maxpool2 add:shortcut3 "
                         "concat:route5");
    assert_int_equal(cnn_model_run(model, image, 1, got, s->diag), CNN_OK);
    for (int i = 0; i < 120; i++)
        assert_true(fabs((double)got[i] - want[i / 20][i % 20]) < 1e-5);
    cnn_model_free(model);
    free_files(&files);
}

static const char narrow[] = "[net]\nheight=4\nwidth=6\nchannels=3\n"
                             "[convolutional]\nfilters=2\nsize=1\nstride=2\nactivation=linear\n"
                             "[convolutional]\nfilters=3\nsize=1\nactivation=linear\n"
                             "[shortcut]\nfrom=-2\n"
                             "[convolutional]\nfilters=2\nsize=1\nactivation=linear\n"
                             "[shortcut]\nfrom=2\n";

/* What is added has fewer channels, then more: those that both have are added. */
static void test_darknet_shortcut_between_unequal_maps(void **state)
{
    struct scratch *s = *state;
    struct legacy_files files = {{0}, {0}};
    const unsigned char header[20] = {0, 0, 0, 0, 2};
    float b0[2], w0[6], b1[3], w1[6], b3[2], w3[6], image[72], got[12];
    double x0[2][6], x2[3][6], want[2][6];
    cnn_model *model = NULL;
    cnn_text_append(&files.network, narrow, strlen(narrow));
    cnn_text_append(&files.weights, (const char *)header, sizeof header);
    add_random(&files.weights, b0, 2, 1);
    add_random(&files.weights, w0, 6, 2);
    add_random(&files.weights, b1, 3, 3);
    add_random(&files.weights, w1, 6, 4);
    add_random(&files.weights, b3, 2, 5);
    add_random(&files.weights, w3, 6, 6);
    for (int i = 0; i < 72; i++)
        image[i] = (float)cos(i * 1.3);
    for (int p = 0; p < 6; p++) {
        for (int f = 0; f < 2; f++) {
            x0[f][p] = (double)b0[f];
            for (int c = 0; c < 3; c++)
                x0[f][p] +=
                    (double)w0[f * 3 + c] * (double)image[c * 24 + p / 3 * 2 * 6 + p % 3 * 2];
        }
        for (int f = 0; f < 3; f++)
            x2[f][p] = (double)b1[f] + (double)w1[f * 2] * x0[0][p] +
                       (double)w1[f * 2 + 1] * x0[1][p] + (f < 2 ? x0[f][p] : 0);
        for (int f = 0; f < 2; f++)
            want[f][p] = (double)b3[f] + (double)w3[f * 3] * x2[0][p] +
                         (double)w3[f * 3 + 1] * x2[1][p] + (double)w3[f * 3 + 2] * x2[2][p] +
                         x2[f][p];
    }
    if (import_pair(s, darknet_names, &files, NULL, &model, NULL) != CNN_OK)
        fail_msg("%s", cnn_diag_get(s->diag, 0)->text);
    assert_int_equal(cnn_model_run(model, image, 1, got, s->diag), CNN_OK);
    for (int i = 0; i < 12; i++)
        assert_true(fabs((double)got[i] - want[i / 6][i % 6]) < 1e-5);
    cnn_model_free(model);
    free_files(&files);
}

static const char strided[] = "[net]\nheight=4\nwidth=6\nchannels=1\n"
                              "[activation]\nactivation=linear\n"
                              "[convolutional]\nfilters=2\nsize=1\nstride=2\n"
                              "activation=linear\n"
                              "[shortcut]\nfrom=0\nactivation=leaky\n";

/* Every second row and column of larger maps. */
static void test_darknet_shortcut_from_larger_maps(void **state)
{
    struct scratch *s = *state;
    struct legacy_files files = {{0}, {0}};
    const unsigned char header[20] = {0, 0, 0, 0, 2};
    float bias[2], weights[2], image[24], got[12];
    cnn_model *model = NULL;
    cnn_text_append(&files.network, strided, strlen(strided));
    cnn_text_append(&files.weights, (const char *)header, sizeof header);
    add_random(&files.weights, bias, 2, 1);
    add_random(&files.weights, weights, 2, 2);
    for (int i = 0; i < 24; i++)
        image[i] = (float)cos(i * 1.3);
    if (import_pair(s, darknet_names, &files, NULL, &model, NULL) != CNN_OK)
        fail_msg("%s", cnn_diag_get(s->diag, 0)->text);
    assert_int_equal(cnn_model_run(model, image, 1, got, s->diag), CNN_OK);
    for (int i = 0; i < 12; i++) {
        double x = (double)image[i % 6 / 3 * 12 + i % 3 * 2];
        double y = (double)bias[i / 6] + (double)weights[i / 6] * x + (i < 6 ? x : 0);
        assert_true(fabs((double)got[i] - (y < 0 ? 0.1 * y : y)) < 1e-5);
    }
    cnn_model_free(model);
    free_files(&files);
}

/* ---- Mistakes ---- */

static struct legacy_files with_network(const char *example, const char *from, const char *to)
{
    struct legacy_files files = legacy_example(example);
    char *at = strstr(files.network.data, from);
    struct cnn_text changed = {0};
    assert_non_null(at);
    cnn_text_append(&changed, files.network.data, (size_t)(at - files.network.data));
    cnn_text_append(&changed, to, strlen(to));
    cnn_text_append(&changed, at + strlen(from), strlen(at + strlen(from)));
    cnn_text_free(&files.network);
    files.network = changed;
    return files;
}

static const struct {
    const char *example, *from, *to; /* in the text of the network */
    cnn_status status;
    const char *message; /* is in the first of them */
} mistakes[] = {
    {"small", "layer { name: 'relu1'", "layer  name: 'relu1'", CNN_FAILED,
     "15:8: a value is wanted here"},
    {"small", "num_output: 4", "num_output: four", CNN_FAILED,
     "9:35: 'num_output' is a whole number, not 'four'"},
    {"small", "'deploy'", "'deploy", CNN_FAILED, "the string is not closed on its line"},
    {"small", "bottom: 'pool1' top: 'fc'", "bottom: 'pool2' top: 'fc'", CNN_INVALID,
     "layer 'fc' (InnerProduct): no layer before it has the top 'pool2', which it reads"},
    {"small", "'ReLU'", "'BNLL'", CNN_INVALID, "layer 'relu1' (BNLL): no layer computes this"},
    {"small", "stride: 2", "stride: 2 dilation: 2", CNN_INVALID,
     "layer 'pool1' (Pooling): 'dilation' is not supported"},
    {"small", "kernel_size: 3", "kernel_size: 5", CNN_INVALID,
     "layer 'conv1' (Convolution): its weights are 108 numbers, and 4 filters of 25 places"},
    {"small", "name: 'fc'", "name: 'fc8'", CNN_INVALID,
     "it needs 2 blobs, and DIR/net.caffemodel has 0 for a layer of this name"},
    {"small", "num_output: 3", "num_output: 3 axis: 2", CNN_INVALID, "it needs num_output, and"},
    {"small", "mean_value: [104, 117, 123]", "mean_value: [104, 117]", CNN_INVALID,
     "2 numbers of mean_value for 3 channels"},
    {"small", "crop_size: 9", "crop_size: 0", CNN_INVALID,
     "its input 'data' does not say how many channels it has"},
    {"small", "phase: TEST }", "phase: TRAIN }", CNN_INVALID, "nothing says where images go in"},
    {"small", "name: 'pool1'", "name: 'bn1'", CNN_INVALID,
     "layer 'bn1' (Pooling): one before it has the same name"},
    {"small", "name: 'accuracy'", "name: 'conv1'", CNN_OK, ""},
    {"old", "type: SOFTMAX", "", CNN_FAILED, "this layer has no 'type' of its own"},
    {"old", "input_dim: 10", "", CNN_INVALID, "the input does not have the 4 dimensions of images"},
    {"tiny", "[net]", "[convolutional]", CNN_FAILED, "its first section is not [net]"},
    {"tiny", "size=3", "size 3", CNN_FAILED, "11:1: this is neither a section nor an option"},
    {"tiny", "size=3", "size=three", CNN_FAILED, "'size' is a whole number from 1 to 65536"},
    {"tiny", "size=3", "size=5", CNN_FAILED,
     "ends within layer 3 [connected], which wants 300 more numbers where 108 are left"},
    {"tiny", "size=3", "size=1", CNN_FAILED, "net.weights has 384 bytes more than"},
    {"tiny", "leaky", "stair", CNN_INVALID, "layer 0 [convolutional]: no layer has the activation"},
    {"tiny", "[dropout]", "[reorg]", CNN_INVALID, "layer 2 [reorg]: no layer computes this"},
    {"tiny", "pad=1", "pad=1\nantialiasing=1", CNN_INVALID,
     "layer 0 [convolutional]: 'antialiasing' is not supported"},
    {"tiny", "[dropout]", "[shortcut]\nfrom=-2\n[dropout]", CNN_INVALID,
     "layer 2 [shortcut]: it cannot add 4 x 9 x 9 to 4 x 5 x 5"},
    {"tiny", "[dropout]", "[route]\nlayers=-3\n[dropout]", CNN_INVALID,
     "layer 2 [route]: there is no layer -3 before it"},
    {"tiny", "[cost]", "[yolo]\nmask=0\n[softmax]\n", CNN_INVALID, "it reads the output of a head"},
    {"tiny", "height=9", "", CNN_INVALID, "how many rows and columns"}};

/* The folder of the test becomes DIR. */
static bool tells(const struct scratch *s, const char *message)
{
    char want[600] = "";
    const char *dir = strstr(message, "DIR");
    if (dir)
        snprintf(want, sizeof want, "%.*s%s%s", (int)(dir - message), message, s->folder, dir + 3);
    else
        snprintf(want, sizeof want, "%s", message);
    for (size_t i = 0; i < cnn_diag_count(s->diag); i++) {
        const cnn_message *m = cnn_diag_get(s->diag, i);
        char got[1000];
        snprintf(got, sizeof got, "%zu:%zu: %s", m->line, m->column, m->text);
        if (strstr(got, want))
            return true;
    }
    return false;
}

static void test_mistakes_are_named(void **state)
{
    struct scratch *s = *state;
    size_t wrong = 0;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        struct legacy_files files =
            with_network(mistakes[i].example, mistakes[i].from, mistakes[i].to);
        const bool darknet = strcmp(mistakes[i].example, "tiny") == 0;
        cnn_model *model = NULL;
        cnn_diag_clear(s->diag);
        cnn_status status =
            import_pair(s, darknet ? darknet_names : caffe_names, &files, NULL, &model, NULL);
        if (status == mistakes[i].status && (status == CNN_OK || tells(s, mistakes[i].message))) {
            cnn_model_free(model);
            free_files(&files);
            continue;
        }
        wrong++;
        print_error("%s, '%s' for '%s': %d, %s\n", mistakes[i].example, mistakes[i].to,
                    mistakes[i].from, (int)status,
                    status == CNN_OK ? "imported" : cnn_diag_get(s->diag, 0)->text);
        free_files(&files);
    }
    assert_int_equal(wrong, 0);
    cnn_diag_clear(s->diag);
}

/* A layer that cannot be translated shows by its message whether it is there in phase TEST. */
static void test_phases_levels_and_stages_decide_what_there_is(void **state)
{
    struct scratch *s = *state;
    static const struct {
        const char *rules;
        bool there;
    } cases[] = {{"", true},
                 {"include { phase: TEST }", true},
                 {"include { phase: TRAIN }", false},
                 {"include { phase: 1 }", true},
                 {"include { phase: 0 }", false},
                 {"include { phase: TRAIN } include { phase: TEST }", true},
                 {"exclude { phase: TRAIN }", true},
                 {"exclude { phase: TEST }", false},
                 {"exclude { phase: TRAIN } exclude { }", false},
                 {"include { stage: 'deploy' }", false},
                 {"include { not_stage: 'deploy' }", true},
                 {"exclude { stage: 'deploy' }", true},
                 {"include { min_level: 1 }", false},
                 {"include { min_level: 0 max_level: 0 }", true},
                 {"include { max_level: -1 }", false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char layer[300];
        snprintf(layer, sizeof layer,
                 "layer { name: 'b' type: 'BNLL' bottom: 'fc' top: 'fc' %s }\n"
                 "layer { name: 'accuracy'",
                 cases[i].rules);
        struct legacy_files files = with_network("small", "layer { name: 'accuracy'", layer);
        cnn_model *model = NULL;
        cnn_status status = import_pair(s, caffe_names, &files, NULL, &model, NULL);
        if (status != (cases[i].there ? CNN_INVALID : CNN_OK))
            fail_msg("'%s': %d", cases[i].rules, (int)status);
        cnn_diag_clear(s->diag);
        cnn_model_free(model);
        free_files(&files);
    }
}

/* What a BatchNorm gives is read by another layer, too: its Scale is a layer of its own. */
static void test_caffe_scale_is_not_taken_from_others(void **state)
{
    struct scratch *s = *state;
    struct legacy_files files = with_network(
        "small",
        "top: 'conv1'\n  scale_param { bias_term: true } }\n"
        "layer { name: 'relu1' type: 'ReLU' bottom: 'conv1' top: 'conv1' }",
        "top: 'scaled'\n  scale_param { bias_term: true } }\n"
        "layer { name: 'add' type: 'Eltwise' bottom: 'scaled' bottom: 'conv1' top: 'conv1' }");
    cnn_model *model = NULL;
    assert_int_equal(import_pair(s, caffe_names, &files, NULL, &model, NULL), CNN_OK);
    expect_layers(model, "conv:conv1 batch_norm:bn1 scale:scale1 add:add pool:pool1 "
                         "flatten:flatten dense:fc");
    cnn_model_free(model);
    free_files(&files);
}

static void test_caffe_blob_has_as_many_numbers_as_its_shape(void **state)
{
    struct scratch *s = *state;
    struct legacy_files files = legacy_example("small");
    cnn_model *model = NULL;
    for (size_t i = 0; i + 4 < files.weights.size; i++)
        if (memcmp(files.weights.data + i, "\4\3\3\3", 4) == 0) {
            files.weights.data[i + 3] = 4;
            break;
        }
    assert_int_equal(import_pair(s, caffe_names, &files, NULL, &model, NULL), CNN_FAILED);
    assert_true(tells(s, "a blob of 144 numbers has 432 bytes, not 576"));
    cnn_diag_clear(s->diag);
    free_files(&files);
}

/* Each is named, though the first would do. */
static void test_all_problems_are_named_in_one_run(void **state)
{
    struct scratch *s = *state;
    struct legacy_files files = with_network("small", "'ReLU'", "'MVN'");
    char *dropout = strstr(files.network.data, "'Dropout'"), *fc = strstr(dropout, "num_output: 3");
    cnn_model *model = NULL;
    memcpy(dropout, "'Absolut'", 9);
    memcpy(fc, "num_output: 7", 13);
    assert_int_equal(import_pair(s, caffe_names, &files, NULL, &model, NULL), CNN_INVALID);
    assert_int_equal(cnn_diag_count(s->diag), 3);
    cnn_diag_clear(s->diag);
    free_files(&files);
}

static void test_one_file_of_a_pair_is_not_enough(void **state)
{
    struct scratch *s = *state;
    static const char *const examples[][2] = {
        {"small", "describes a network, and holds no weights"}, {"tiny", "describes a network"}};
    for (size_t i = 0; i < 2; i++) {
        struct legacy_files files = legacy_example(examples[i][0]);
        cnn_model *model = NULL;
        const char *path = scratch_write(s, "net", files.network.data, files.network.size);
        assert_int_equal(cnn_import(&path, 1, NULL, &model, NULL, s->diag), CNN_INVALID);
        assert_true(tells(s, examples[i][1]));
        cnn_diag_clear(s->diag);
        path = scratch_write(s, i == 0 ? "a.caffemodel" : "a.weights", files.weights.data,
                             files.weights.size);
        assert_int_equal(cnn_import(&path, 1, NULL, &model, NULL, s->diag), CNN_INVALID);
        assert_true(tells(s, "holds weights, and not the network for them"));
        cnn_diag_clear(s->diag);
        free_files(&files);
    }
}

/* Every beginning of the weights is refused, and so is one byte more. */
static void test_weights_that_are_cut_are_refused(void **state)
{
    struct scratch *s = *state;
    static const char *const examples[] = {"small", "old", "tiny"};
    for (size_t i = 0; i < 3; i++) {
        struct legacy_files files = legacy_example(examples[i]);
        const size_t whole = files.weights.size;
        for (size_t size = 0; size < whole; size += size < 40 ? 1 : 97) {
            cnn_model *model = NULL;
            files.weights.size = size;
            cnn_status status =
                import_pair(s, i == 2 ? darknet_names : caffe_names, &files, NULL, &model, NULL);
            if (status == CNN_OK)
                fail_msg("%s: %zu of %zu bytes are enough", examples[i], size, whole);
            cnn_diag_clear(s->diag);
        }
        free_files(&files);
    }
}

/* ---- The text format ---- */

static cnn_status parse(struct cnn_arena *arena, const char *text, struct cnn_prototxt_field **root,
                        cnn_diag *diag)
{
    struct cnn_source *source = cnn_arena_alloc(arena, sizeof *source);
    *source = (struct cnn_source){"t", text, strlen(text)};
    return cnn_prototxt_read(arena, source, root, diag);
}

static void test_prototxt_values(void **state)
{
    struct scratch *s = *state;
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_prototxt_field *root = NULL, *f;
    int64_t whole = 0;
    double real = 0;
    bool flag = false;
    const char *text = "a: 0x10, b: -1.5e-1f; c: true d: 'x\\n\\101\\x41' \"y\" # c: 3\n"
                       "e { a: 1 e < a: [2, 3] > } e: {} f: WORD g: []";
    assert_int_equal(parse(arena, text, &root, s->diag), CNN_OK);
    assert_int_equal(cnn_prototxt_integer(cnn_prototxt_find(root, "a"), 0, 20, &whole, NULL), 0);
    assert_int_equal(whole, 16);
    assert_int_equal(cnn_prototxt_real(cnn_prototxt_find(root, "b"), &real, NULL), CNN_OK);
    assert_true(fabs(real + 0.15) < 1e-12);
    assert_int_equal(cnn_prototxt_bool(cnn_prototxt_find(root, "c"), &flag, NULL), CNN_OK);
    assert_true(flag);
    assert_string_equal(cnn_prototxt_find(root, "d")->text, "x\nAAy");
    f = cnn_prototxt_find(cnn_prototxt_find(cnn_prototxt_find(root, "e"), "e"), "a");
    assert_string_equal(f->text, "2");
    assert_string_equal(cnn_prototxt_next(f)->text, "3");
    assert_null(cnn_prototxt_next(cnn_prototxt_next(f)));
    assert_null(cnn_prototxt_next(cnn_prototxt_find(root, "e"))->first);
    assert_int_equal(cnn_prototxt_find(root, "f")->where.line, 2);
    assert_int_equal(cnn_prototxt_find(root, "f")->where.column, 37);
    assert_null(cnn_prototxt_find(root, "g"));
    assert_int_equal(cnn_prototxt_integer(cnn_prototxt_find(root, "a"), 0, 9, &whole, NULL),
                     CNN_FAILED);
    assert_int_equal(cnn_prototxt_integer(cnn_prototxt_find(root, "d"), 0, 9, &whole, NULL),
                     CNN_FAILED);
    assert_int_equal(cnn_prototxt_bool(cnn_prototxt_find(root, "e"), &flag, NULL), CNN_FAILED);
    cnn_arena_free(arena);
}

static void test_prototxt_that_is_wrong(void **state)
{
    struct scratch *s = *state;
    static const char *const texts[] = {
        "a",        "a:",          "a: }",     "a { b: 1", "}",          "a: 1 }",   "a: 'x",
        "a: 'x\n'", "a: [1",       "a: [1 2]", "a: '\\q'", "a: '\\400'", ": 1",      "a 1",
        "[x.y]: 1", "a: \"\xff\"", "a < 1 ",   "a: '\\0'", "a: 'a' b }", "a: , b: 2"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct cnn_arena *arena = cnn_arena_new();
        struct cnn_prototxt_field *root = NULL;
        if (parse(arena, texts[i], &root, s->diag) != CNN_FAILED)
            fail_msg("'%s' is read", texts[i]);
        assert_true(cnn_diag_get(s->diag, 0)->line > 0);
        cnn_diag_clear(s->diag);
        cnn_arena_free(arena);
    }
}

static cnn_status parse_nested(struct scratch *s, size_t levels)
{
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_prototxt_field *root = NULL;
    struct cnn_text text = {0};
    for (size_t i = 0; i < levels; i++)
        cnn_text_append(&text, "a{", 2);
    for (size_t i = 0; i < levels; i++)
        cnn_text_append(&text, "}", 1);
    cnn_status status = parse(arena, text.data, &root, s->diag);
    cnn_text_free(&text);
    cnn_arena_free(arena);
    return status;
}

static void test_prototxt_is_not_nested_for_ever(void **state)
{
    struct scratch *s = *state;
    assert_int_equal(parse_nested(s, 32), CNN_OK);
    assert_int_equal(parse_nested(s, 33), CNN_FAILED);
    assert_true(tells(s, "more than 32 messages within each other"));
    assert_int_equal(parse_nested(s, 100000), CNN_FAILED);
    cnn_diag_clear(s->diag);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(test_caffe_network_computes_what_it_says),
                                       TEST(test_caffe_preprocessing_comes_from_the_data_layer),
                                       TEST(test_caffe_files_of_the_first_version),
                                       TEST(test_darknet_network_computes_what_it_says),
                                       TEST(test_darknet_weights_may_be_transposed),
                                       TEST(test_darknet_epsilon_stands_where_its_author_put_it),
                                       TEST(test_darknet_routes_shortcuts_and_windows),
                                       TEST(test_darknet_shortcut_between_unequal_maps),
                                       TEST(test_darknet_shortcut_from_larger_maps),
                                       TEST(test_mistakes_are_named),
                                       TEST(test_phases_levels_and_stages_decide_what_there_is),
                                       TEST(test_caffe_scale_is_not_taken_from_others),
                                       TEST(test_caffe_blob_has_as_many_numbers_as_its_shape),
                                       TEST(test_all_problems_are_named_in_one_run),
                                       TEST(test_one_file_of_a_pair_is_not_enough),
                                       TEST(test_weights_that_are_cut_are_refused),
                                       TEST(test_prototxt_values),
                                       TEST(test_prototxt_that_is_wrong),
                                       TEST(test_prototxt_is_not_nested_for_ever)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
