/* Explanations: PyTorch's numbers (tests/golden/explanations) on each instruction set of this
 * machine, finite differences, geometry, refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "compare.h"
#include "networks.h"
#include "util/file.h"
#include "viz/attribution.h"

#define GOLDEN "tests/golden/"
#define BOUND  1e-4 /* of the largest magnitude */

/* override: what the description does not say. explanations.py takes all of them for networks of
 * pictures, whose pixels have bounds. */
static const struct network {
    const char *name, *description, *weights, *override;
} networks[] = {
    {"lenet", GOLDEN "traces/trace_lenet_momentum.yaml",
     GOLDEN "traces/trace_lenet_momentum.final.safetensors", NULL},
    {"vgg_small", GOLDEN "traces/trace_vgg_small_nesterov.yaml",
     GOLDEN "traces/trace_vgg_small_nesterov.final.safetensors", NULL},
    {"residual", GOLDEN "traces/trace_residual_adamw.yaml",
     GOLDEN "traces/trace_residual_adamw.final.safetensors", NULL},
    {"softmax", GOLDEN "explanations/softmax.yaml",
     GOLDEN "explanations/softmax.weights.safetensors", "data.dataset=folder"},
    {"depthwise", GOLDEN "explanations/depthwise.yaml",
     GOLDEN "explanations/depthwise.weights.safetensors", "data.dataset=folder"},
};

static cnn_model *open_network(const struct network *network)
{
    char *text;
    size_t size;
    cnn_model *model;
    struct cnn_safetensors *weights;
    assert_int_equal(cnn_file_read(network->description, 1 << 20, &text, &size, NULL), CNN_OK);
    const struct cnn_overrides overrides = {.words = &network->override,
                                            .count = network->override != NULL};
    assert_int_equal(
        cnn_model_from_text(network->description, text, size, &overrides, &model, NULL), CNN_OK);
    free(text);
    assert_int_equal(cnn_safetensors_open(network->weights, &weights, NULL), CNN_OK);
    assert_int_equal(cnn_model_load(model, weights, NULL), CNN_OK);
    cnn_safetensors_close(weights);
    return model;
}

/* A tensor [channels][pixels] of the file as [pixels][channels]. */
static float *read_tensor(const struct cnn_stored_tensor *t, size_t channels)
{
    float *stored = tensor_new(t->count), *turned = tensor_new(t->count);
    memcpy(stored, t->data, t->bytes);
    cnn_transpose(1, channels, t->count / channels, stored, turned);
    tensor_free(stored, t->count);
    return turned;
}

/* All that the file of one network holds. */
struct golden {
    cnn_model *model;
    struct cnn_safetensors *file;
    float *x, *fill;
    size_t class, channels;
};

static void compare_gradcam(struct golden *g, const char *name, const char *layer, float *found)
{
    assert_int_equal(
        cnn_gradcam(g->model, g->x, g->class, network_layer(g->model, layer) + 1, found, NULL),
        CNN_OK);
    const struct cnn_stored_tensor *t = cnn_safetensors_find(g->file, name);
    float *wanted = read_tensor(t, 1);
    for (size_t i = 0; i < t->count; i++)
        assert_true(found[i] >= 0);
    assert_floats_near(name, found, wanted, t->count, BOUND);
    tensor_free(wanted, t->count);
}

/* name: excite.LAYER.CHANNEL */
static void compare_excited(struct golden *g, const char *name, float *found)
{
    static const struct cnn_excite settings = {
        .steps = 20, .jitter = 2, .blur_every = 3, .rate = 0.2f, .blur = 0.7f, .seed = 5};
    char layer[64], other[96];
    size_t channel;
    float strength[2];
    assert_int_equal(sscanf(name, "excite.%63[^.].%zu", layer, &channel), 2);
    size_t value = network_layer(g->model, layer) + 1;
    assert_int_equal(
        cnn_excite(g->model, (struct cnn_unit){value, channel}, &settings, found, strength, NULL),
        CNN_OK);
    const struct cnn_stored_tensor *t = cnn_safetensors_find(g->file, name);
    float *wanted = read_tensor(t, g->channels);
    assert_floats_near(name, found, wanted, t->count, BOUND);
    tensor_free(wanted, t->count);
    snprintf(other, sizeof other, "strength.%s.%zu", layer, channel);
    wanted = read_tensor(cnn_safetensors_find(g->file, other), 1);
    assert_floats_near(other, strength, wanted, 2, BOUND);
    tensor_free(wanted, 2);
}

static void compare_one(struct golden *g, const struct cnn_stored_tensor *t)
{
    static const struct cnn_occlusion patches = {.size = 6, .step = 5};
    cnn_shape in = cnn_model_input(g->model);
    struct cnn_occlusion geometry = {.size = patches.size,
                                     .step = patches.step,
                                     .rows = (in.h - 1) / patches.step + 1,
                                     .columns = (in.w - 1) / patches.step + 1,
                                     .fill = g->fill};
    float *found = tensor_new(t->count), *wanted = NULL;
    if (strncmp(t->name, "gradcam.", 8) == 0)
        compare_gradcam(g, t->name, t->name + 8, found);
    /* in twenty steps the rounding of Winograd's sums grows, where a relu turns */
    if (strncmp(t->name, "excite.", 7) == 0 && !cnn_winograd_wanted())
        compare_excited(g, t->name, found);
    if (strcmp(t->name, "saliency") == 0) {
        wanted = read_tensor(t, g->channels);
        assert_int_equal(cnn_saliency(g->model, g->x, g->class, found, NULL), CNN_OK);
    }
    if (strcmp(t->name, "smoothgrad") == 0) {
        wanted = read_tensor(t, g->channels);
        assert_int_equal(
            cnn_smoothgrad(g->model, g->x, g->class,
                           &(struct cnn_smoothgrad){.samples = 5, .noise = 0.15f, .seed = 11},
                           found, NULL),
            CNN_OK);
    }
    if (strcmp(t->name, "occlusion") == 0) {
        wanted = read_tensor(t, 1);
        assert_int_equal(t->count, geometry.rows * geometry.columns);
        assert_int_equal(cnn_occlusion(g->model, g->x, g->class, &geometry, found, NULL), CNN_OK);
    }
    if (wanted)
        assert_floats_near(t->name, found, wanted, t->count, BOUND);
    tensor_free(wanted, t->count);
    tensor_free(found, t->count);
}

static void test_explanations_match_pytorch(void **state)
{
    const struct network *network = *state;
    struct golden g = {.model = open_network(network)};
    char path[256];
    int64_t class;
    snprintf(path, sizeof path, GOLDEN "explanations/%s.safetensors", network->name);
    assert_int_equal(cnn_safetensors_open(path, &g.file, NULL), CNN_OK);
    cnn_shape in = cnn_model_input(g.model);
    g.channels = in.c;
    g.x = read_tensor(cnn_safetensors_find(g.file, "x"), in.c);
    g.fill = read_tensor(cnn_safetensors_find(g.file, "fill"), 1);
    memcpy(&class, cnn_safetensors_find(g.file, "class")->data, sizeof class);
    g.class = (size_t) class;
    for (size_t i = 0; i < g.file->tensor_count; i++)
        if (strcmp(g.file->tensors[i].dtype, "F32") == 0)
            compare_one(&g, &g.file->tensors[i]);
    tensor_free(g.x, cnn_shape_count(in));
    tensor_free(g.fill, in.c);
    cnn_safetensors_close(g.file);
    cnn_model_free(g.model);
}

static double logit(cnn_model *model, const float *x, size_t class)
{
    float nchw[512], y[16];
    cnn_shape in = cnn_model_input(model);
    assert_true(cnn_shape_count(in) <= 512 && cnn_model_outputs(model) <= 16);
    cnn_transpose(1, in.h * in.w, in.c, x, nchw);
    assert_int_equal(cnn_model_run(model, nchw, 1, y, NULL), CNN_OK);
    return (double)y[class];
}

static void test_saliency_is_the_slope_of_the_logit(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers(
        "[2, 6, 5]",
        "  - {type: conv, filters: 4, kernel_size: 3, activation: tanh}\n  - {type: batch_norm}\n"
        "  - {type: dropout, rate: 0.5}\n  - {type: flatten}\n  - {type: dense, units: 3}\n");
    float *x = tensor_random(60, 1), *found = tensor_new(60), wanted[60];
    assert_int_equal(cnn_saliency(model, x, 2, found, NULL), CNN_OK);
    for (size_t i = 0; i < 60; i++) {
        const float here = x[i], step = 0x1p-6f;
        x[i] = here + step;
        double above = logit(model, x, 2);
        x[i] = here - step;
        wanted[i] = (float)((above - logit(model, x, 2)) / (2 * (double)step));
        x[i] = here;
    }
    assert_floats_near("saliency", found, wanted, 60, 2e-3);
    tensor_free(x, 60);
    tensor_free(found, 60);
    cnn_model_free(model);
}

static void test_saliency_map_is_the_largest_magnitude_of_a_pixels_channels(void **state)
{
    (void)state;
    float map[2];
    cnn_saliency_map((const float[]){1, -3, 2, 0, 0.5f, -0.25f}, 2, 3, map);
    assert_floats_same("map", map, (const float[]){3, 0.5f}, 2);
    cnn_saliency_map((const float[]){NAN, 1, 1, NAN}, 2, 2, map);
    assert_true(isnan(map[0]) && isnan(map[1]));
}

static void expect_geometry(size_t h, size_t w, struct cnn_occlusion wanted)
{
    struct cnn_occlusion found = cnn_occlusion_geometry((cnn_shape){3, 3, h, w});
    assert_int_equal(found.size, wanted.size);
    assert_int_equal(found.step, wanted.step);
    assert_int_equal(found.rows, wanted.rows);
    assert_int_equal(found.columns, wanted.columns);
}

static void test_occlusion_geometry_covers_every_shape(void **state)
{
    (void)state;
    expect_geometry(1, 1, (struct cnn_occlusion){.size = 1, .step = 1, .rows = 1, .columns = 1});
    expect_geometry(5, 3, (struct cnn_occlusion){.size = 1, .step = 1, .rows = 5, .columns = 3});
    expect_geometry(28, 28,
                    (struct cnn_occlusion){.size = 7, .step = 2, .rows = 14, .columns = 14});
    expect_geometry(32, 32,
                    (struct cnn_occlusion){.size = 8, .step = 2, .rows = 16, .columns = 16});
    expect_geometry(224, 224,
                    (struct cnn_occlusion){.size = 56, .step = 14, .rows = 16, .columns = 16});
    expect_geometry(1, 1000,
                    (struct cnn_occlusion){.size = 8, .step = 2, .rows = 1, .columns = 500});
}

/* A network that adds its pixels up: hiding a patch takes away just what lies under it. */
static void test_occlusion_hides_patches_cut_off_at_the_borders(void **state)
{
    (void)state;
    cnn_model *model = network_open("input: [1, 3, 4]\nlayers:\n  - {type: flatten}\n  - {type: "
                                    "dense, units: 2, bias: false}\n  - {type: sigmoid}\n"
                                    "  - {type: softmax}\n");
    const float x[12] = {0.5f, 1, -1, 2, 0, 3, 1, 1, 2, -2, 0.25f, 4}, fill = 0.75f;
    const struct cnn_occlusion geometry = {
        .size = 2, .step = 2, .rows = 2, .columns = 2, .fill = &fill};
    float found[4], wanted[4], covered[12];
    double whole = logit(model, x, 1);
    for (size_t p = 0; p < 4; p++) {
        memcpy(covered, x, sizeof x);
        for (size_t row = p / 2 * 2; row < 3 && row < p / 2 * 2 + 2; row++)
            covered[row * 4 + p % 2 * 2] = covered[row * 4 + p % 2 * 2 + 1] = fill;
        wanted[p] = (float)(whole - logit(model, covered, 1));
    }
    assert_int_equal(cnn_occlusion(model, x, 1, &geometry, found, NULL), CNN_OK);
    assert_floats_near("drop", found, wanted, 4, 1e-5);
    cnn_model_free(model);
}

static cnn_model *open_shipped(void)
{
    cnn_model *model = NULL;
    assert_int_equal(cnn_model_open("models/seed_cifar10.safetensors", NULL, &model, NULL), CNN_OK);
    return model;
}

static void expect_excitement(cnn_model *model, const char *layer, size_t channel, size_t steps,
                              float rise)
{
    struct cnn_excite settings = cnn_excite_defaults(cnn_model_input(model));
    const struct cnn_normalization *n = &model->normalization;
    size_t count = cnn_shape_count(model->graph.input);
    float *image = tensor_new(count), strength[2];
    settings.steps = steps;
    assert_int_equal(cnn_excite(model, (struct cnn_unit){network_layer(model, layer) + 1, channel},
                                &settings, image, strength, NULL),
                     CNN_OK);
    assert_true(strength[1] > strength[0] + rise);
    for (size_t i = 0; i < count; i++) {
        float pixel = image[i] * n->std[i % 3] + n->mean[i % 3];
        assert_true(pixel > -1e-5f && pixel < 1 + 1e-5f);
    }
    tensor_free(image, count);
}

static void test_excite_finds_what_the_shipped_model_likes(void **state)
{
    (void)state;
    cnn_model *model = open_shipped();
    expect_excitement(model, "dense1", 2, 24, 10);
    expect_excitement(model, "conv5", 3, 24, 0.2f);
    /* Channels of conv8 that noise of the first deviation does not wake. */
    expect_excitement(model, "conv8", 9, 24, 0.2f);
    expect_excitement(model, "conv8", 37, 24, 0.2f);
    cnn_model_free(model);
}

static void test_excite_says_that_a_dead_channel_stays_silent(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers(
        "[1, 5, 5]", "  - {type: conv, filters: 2, kernel_size: 3, activation: relu}\n");
    const float bias[2] = {-1000, 0};
    float image[25], strength[2] = {1, 1};
    struct cnn_excite settings = cnn_excite_defaults(cnn_model_input(model));
    cnn_model_tensor_set(model, network_tensor(model, "conv1.bias"), bias, NULL);
    assert_int_equal(cnn_excite(model, (struct cnn_unit){1, 0}, &settings, image, strength, NULL),
                     CNN_OK);
    assert_floats_same("strength", strength, (const float[]){0, 0}, 2);
    for (size_t i = 0; i < 25; i++)
        assert_true(isfinite(image[i]));
    assert_int_equal(cnn_excite(model, (struct cnn_unit){1, 1}, &settings, image, strength, NULL),
                     CNN_OK);
    assert_true(strength[1] > strength[0]);
    cnn_model_free(model);
}

static void test_gradcam_looks_at_the_last_convolution_and_what_follows_it_alone(void **state)
{
    (void)state;
    static const struct {
        const char *layers, *wanted;
    } cases[] = {
        {"  - {type: conv, filters: 2, kernel_size: 3}\n  - {type: batch_norm}\n  - {type: relu}\n "
         " - {type: pool, pool_type: max, kernel_size: 2}\n"
         "  - {type: flatten}\n  - {type: dense, units: 2}\n",
         "relu1"},
        {"  - {type: conv, filters: 2, kernel_size: 3, name: a}\n  - {type: relu}\n  - {type: add, "
         "from: [a, relu1]}\n  - {type: flatten}\n",
         "a"},
        {"  - {type: conv, filters: 2, kernel_size: 3, name: a}\n"
         "  - {type: pool, pool_type: max, kernel_size: 1, name: p}\n"
         "  - {type: relu, from: a, name: r}\n  - {type: add, from: [p, r]}\n"
         "  - {type: flatten}\n",
         "a"},
        {"  - {type: conv, filters: 2, kernel_size: 3, name: a}\n  - {type: conv, filters: 2, "
         "kernel_size: 3, name: dead}\n"
         "  - {type: flatten, from: a}\n",
         "a"},
        {"  - {type: conv, filters: 2, kernel_size: 3, name: a}\n  - {type: conv, filters: 2, "
         "kernel_size: 4, name: b}\n  - {type: softmax}\n",
         "a"},
        {"  - {type: pool, pool_type: max, kernel_size: 2}\n  - {type: flatten}\n  - {type: dense, "
         "units: 2}\n",
         "pool1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        cnn_model *model = network_open_layers("[1, 6, 6]", cases[i].layers);
        size_t value = 0;
        assert_int_equal(cnn_gradcam_value(model, &value, NULL), CNN_OK);
        assert_string_equal(model->graph.nodes[value - 1].name, cases[i].wanted);
        cnn_model_free(model);
    }
}

/* The one message of a refusal and its hint. */
static void expect_refusal(cnn_status status, cnn_diag *diag, const char *text, const char *hint)
{
    assert_int_equal(status, CNN_INVALID);
    assert_int_equal(cnn_diag_count(diag), 1);
    assert_string_equal(cnn_diag_get(diag, 0)->text, text);
    if (hint)
        assert_string_equal(cnn_diag_get(diag, 0)->hint, hint);
    else
        assert_null(cnn_diag_get(diag, 0)->hint);
    cnn_diag_clear(diag);
}

static void test_wrong_class_or_layer_is_refused_with_its_reason(void **state)
{
    (void)state;
    cnn_model *model = network_open_layers(
        "[1, 6, 6]", "  - {type: conv, filters: 2, kernel_size: 3}\n  - {type: flatten}\n"
                     "  - {type: conv, filters: 2, kernel_size: 3, name: dead, from: conv1}\n"
                     "  - {type: dense, units: 3, from: flatten1}\n");
    cnn_diag *diag = cnn_diag_new();
    const struct cnn_excite settings = {.steps = 1};
    float x[36] = {0}, map[36], strength[2];
    const struct cnn_occlusion geometry = {
        .size = 2, .step = 2, .rows = 3, .columns = 3, .fill = x};
    static const char classes[] = "there is no class 3: the network has 3 classes, counted from 0",
                      last[] = "by default it looks at 'conv1'";
    expect_refusal(cnn_gradcam(model, x, 3, 1, map, diag), diag, classes, NULL);
    expect_refusal(cnn_saliency(model, x, 3, map, diag), diag, classes, NULL);
    expect_refusal(cnn_smoothgrad(model, x, 3,
                                  &(struct cnn_smoothgrad){.samples = 2, .noise = 0.1f, .seed = 1},
                                  map, diag),
                   diag, classes, NULL);
    expect_refusal(cnn_occlusion(model, x, 3, &geometry, map, diag), diag, classes, NULL);
    expect_refusal(cnn_gradcam(model, x, 0, 0, map, diag), diag,
                   "Grad-CAM looks at the maps of a layer, not at the network's input", last);
    expect_refusal(cnn_gradcam(model, x, 0, 2, map, diag), diag,
                   "Grad-CAM needs maps; flatten1 gives 32 numbers without a place", last);
    expect_refusal(cnn_gradcam(model, x, 0, 3, map, diag), diag,
                   "Grad-CAM needs a layer that has part in the class's number; dead has none",
                   last);
    expect_refusal(cnn_excite(model, (struct cnn_unit){0, 0}, &settings, map, strength, diag), diag,
                   "what excites a layer is found, not what excites the network's input", NULL);
    expect_refusal(cnn_excite(model, (struct cnn_unit){1, 2}, &settings, map, strength, diag), diag,
                   "there is no channel 2: conv1 has 2, counted from 0", NULL);
    cnn_diag_free(diag);
    cnn_model_free(model);
}

static void test_network_without_classes_or_maps_is_refused(void **state)
{
    (void)state;
    cnn_diag *diag = cnn_diag_new();
    float x[36] = {0}, y[36];
    size_t value;
    cnn_model *model =
        network_open_layers("[1, 6, 6]", "  - {type: conv, filters: 2, kernel_size: 3}\n");
    expect_refusal(
        cnn_saliency(model, x, 0, y, diag), diag,
        "the last layer gives 2 x 4 x 4 numbers; to explain a class takes one number per class",
        "end with {type: flatten} and {type: dense, units: CLASSES}, or with {type: global_pool} "
        "after a conv of CLASSES filters");
    cnn_model_free(model);
    model = network_open_layers("[36, 1, 1]", "  - {type: softmax}\n");
    expect_refusal(cnn_saliency(model, x, 0, y, diag), diag,
                   "the softmax reads the network's input: there is no layer to explain", NULL);
    cnn_model_free(model);
    model = network_open_layers("[1, 6, 6]", "  - {type: flatten}\n  - {type: dense, units: 2}\n");
    expect_refusal(cnn_gradcam_value(model, &value, diag), diag,
                   "test.yaml has no layer with maps for Grad-CAM to look at", NULL);
    cnn_model_free(model);
    cnn_diag_free(diag);
}

static void test_stop_interrupts_what_takes_long(void **state)
{
    (void)state;
    cnn_model *model =
        network_open_layers("[1, 4, 4]", "  - {type: flatten}\n  - {type: dense, units: 2}\n");
    cnn_flag stop = {0};
    cnn_flag_raise(&stop);
    struct cnn_occlusion geometry = cnn_occlusion_geometry(cnn_model_input(model));
    struct cnn_excite settings = cnn_excite_defaults(cnn_model_input(model));
    cnn_diag *diag = cnn_diag_new();
    float x[16] = {0}, y[16], strength[2];
    geometry.fill = x;
    geometry.stop = settings.stop = &stop;
    assert_int_equal(cnn_smoothgrad(model, x, 0,
                                    &(struct cnn_smoothgrad){
                                        .samples = 4, .noise = 0.1f, .seed = 1, .stop = &stop},
                                    y, diag),
                     CNN_INTERRUPTED);
    assert_int_equal(cnn_occlusion(model, x, 0, &geometry, y, diag), CNN_INTERRUPTED);
    assert_int_equal(cnn_excite(model, (struct cnn_unit){2, 0}, &settings, y, strength, diag),
                     CNN_INTERRUPTED);
    assert_int_equal(cnn_diag_count(diag), 0);
    cnn_diag_free(diag);
    cnn_model_free(model);
}

#define ALL_FLOATS (64 + 2 * 3072 + 256 + 3072)

/* Every explanation of one picture by the shipped model, one after the other. */
static void explain_all(cnn_model *model, const float *x, float *out)
{
    const struct cnn_excite settings = {
        .steps = 3, .jitter = 2, .blur_every = 2, .rate = 0.2f, .blur = 0.7f, .seed = 1};
    const float fill[3] = {0};
    struct cnn_occlusion geometry = cnn_occlusion_geometry(cnn_model_input(model));
    float strength[2];
    size_t value;
    geometry.fill = fill;
    assert_int_equal(cnn_gradcam_value(model, &value, NULL), CNN_OK);
    assert_int_equal(cnn_gradcam(model, x, 1, value, out, NULL), CNN_OK);
    assert_int_equal(cnn_saliency(model, x, 1, out + 64, NULL), CNN_OK);
    assert_int_equal(
        cnn_smoothgrad(model, x, 1,
                       &(struct cnn_smoothgrad){.samples = 9, .noise = 0.1f, .seed = 1},
                       out + 64 + 3072, NULL),
        CNN_OK);
    assert_int_equal(cnn_occlusion(model, x, 1, &geometry, out + 64 + 2 * 3072, NULL), CNN_OK);
    assert_int_equal(cnn_excite(model, (struct cnn_unit){value, 1}, &settings,
                                out + 64 + 2 * 3072 + 256, strength, NULL),
                     CNN_OK);
}

static void test_explanations_are_the_same_bits_when_threads_differ(void **state)
{
    (void)state;
    cnn_model *model = open_shipped();
    float *x = tensor_random(3072, 2), *wanted = tensor_new(ALL_FLOATS),
          *found = tensor_new(ALL_FLOATS);
    float *parameters = tensor_new(model->graph.parameter_floats);
    int threads = cnn_threads();
    memcpy(parameters, model->parameters, model->graph.parameter_floats * sizeof *parameters);
    cnn_set_threads(1);
    explain_all(model, x, wanted);
    for (int t = 2; t <= 5; t += 3) {
        cnn_set_threads(t);
        explain_all(model, x, found);
        assert_floats_same("explanations", found, wanted, ALL_FLOATS);
    }
    cnn_set_threads(threads);
    assert_floats_same("parameters", model->parameters, parameters, model->graph.parameter_floats);
    tensor_free(x, 3072);
    tensor_free(wanted, ALL_FLOATS);
    tensor_free(found, ALL_FLOATS);
    tensor_free(parameters, model->graph.parameter_floats);
    cnn_model_free(model);
}

#define GOLDEN_TEST(i)                                                                             \
    {                                                                                              \
        "test_explanations_match_pytorch", test_explanations_match_pytorch, NULL, NULL,            \
            (void *)(uintptr_t)&networks[i]                                                        \
    }

static int run_all(const char *kernels, bool fastest)
{
    const struct CMUnitTest golden[] = {GOLDEN_TEST(0), GOLDEN_TEST(1), GOLDEN_TEST(2),
                                        GOLDEN_TEST(3), GOLDEN_TEST(4)};
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_saliency_is_the_slope_of_the_logit),
        cmocka_unit_test(test_saliency_map_is_the_largest_magnitude_of_a_pixels_channels),
        cmocka_unit_test(test_occlusion_geometry_covers_every_shape),
        cmocka_unit_test(test_occlusion_hides_patches_cut_off_at_the_borders),
        cmocka_unit_test(test_excite_finds_what_the_shipped_model_likes),
        cmocka_unit_test(test_excite_says_that_a_dead_channel_stays_silent),
        cmocka_unit_test(test_gradcam_looks_at_the_last_convolution_and_what_follows_it_alone),
        cmocka_unit_test(test_wrong_class_or_layer_is_refused_with_its_reason),
        cmocka_unit_test(test_network_without_classes_or_maps_is_refused),
        cmocka_unit_test(test_stop_interrupts_what_takes_long),
        cmocka_unit_test(test_explanations_are_the_same_bits_when_threads_differ),
    };
    char group[64];
    snprintf(group, sizeof group, "explanations, %s", kernels);
    int failed = _cmocka_run_group_tests(group, golden, sizeof golden / sizeof *golden, NULL, NULL);
    if (fastest) /* the rest is the same whatever computes it */
        failed += cmocka_run_group_tests(tests, NULL, NULL);
    return failed;
}

int main(int argc, char **argv)
{
    (void)argc;
    const char *kernels = getenv("CNN_CPU"), *fastest = "";
    for (size_t i = 0; cnn_kernels_at(i); i++)
        fastest = cnn_kernels_at(i)->name;
    return (kernels ? run_all(kernels, strcmp(kernels, fastest) == 0 && cnn_winograd_wanted())
                    : network_run_each(argv)) != 0;
}
