/* The pictures nearest to one: against a search image by image, with the numbers that
 * cnn_model_activation gives. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "data/dataset.h"
#include "networks.h"
#include "pictures.h"
#include "scratch.h"

enum { IMAGES = 45, SIDE = 16, PIXELS = 3 * SIDE * SIDE, MOST = 512, TOP = 7 };

static const char net[] =
    "{input: [3, 16, 16], layers: [{type: conv, filters: 6, kernel_size: 3, activation: relu}, "
    "{type: pool, pool_type: avg, kernel_size: 7}, {type: flatten}, {type: dense, units: 5, "
    "activation: tanh}, {type: dense, units: 10}], data: {dataset: shapes, limit: 45, normalize: "
    "{mean: [0.4, 0.5, 0.6], std: [0.2, 0.3, 0.25]}}, train: {seed: 5}}";

/* Numbers of the layer, the mean of each map, of length 1. */
static size_t features_of(const cnn_model *model, const float *image, size_t layer, double *out)
{
    const cnn_shape s = model->graph.nodes[layer].out;
    static float maps[6 * 14 * 14];
    double squares = 0;
    assert_int_equal(cnn_model_activation(model, image, layer, maps, NULL), CNN_OK);
    for (size_t c = 0; c < s.c; c++) {
        out[c] = 0;
        for (size_t p = 0; p < s.h * s.w; p++)
            out[c] += (double)maps[c * s.h * s.w + p] / (double)(s.h * s.w);
        squares += out[c] * out[c];
    }
    for (size_t c = 0; c < s.c; c++)
        out[c] /= sqrt(squares);
    return s.c;
}

static void read_image(const cnn_model *model, const struct cnn_dataset *dataset, size_t image,
                       float *out)
{
    float x[PIXELS];
    cnn_normalize(&model->normalization, cnn_dataset_read(dataset, image, NULL), SIDE * SIDE, x);
    cnn_transpose(1, SIDE * SIDE, 3, x, out);
}

static struct cnn_dataset *open_data(const cnn_model *model)
{
    struct cnn_dataset *dataset = NULL;
    enum cnn_split used;
    const struct cnn_data_choice choice = {
        .input = model->graph.input, .split = CNN_SPLIT_TRAIN, .seed = 5};
    assert_int_equal(cnn_dataset_open(&model->data, &choice, &dataset, &used, NULL), CNN_OK);
    assert_int_equal(cnn_dataset_count(dataset), IMAGES);
    return dataset;
}

static void check_layer(const cnn_model *model, const struct cnn_dataset *dataset, const char *name,
                        size_t layer)
{
    const cnn_similar_options o = {.layer = name, .top = TOP};
    cnn_similar *similar = NULL;
    float picture[PIXELS], other[PIXELS];
    double wanted[MOST], found[MOST], all[IMAGES];
    read_image(model, dataset, 11, picture);
    assert_int_equal(cnn_find_similar(model, picture, &o, &similar, NULL), CNN_OK);
    assert_int_equal(similar->count, TOP);
    assert_int_equal(similar->searched, IMAGES);
    assert_string_equal(similar->layer, model->graph.nodes[layer].name);
    assert_int_equal(similar->features, features_of(model, picture, layer, wanted));
    for (size_t i = 0; i < IMAGES; i++) {
        read_image(model, dataset, i, other);
        features_of(model, other, layer, found);
        all[i] = 0;
        for (size_t c = 0; c < similar->features; c++)
            all[i] += wanted[c] * found[c];
    }
    assert_int_equal(similar->images[0].image, 11); /* itself */
    for (size_t k = 0; k < TOP; k++) {
        const cnn_similar_image *image = &similar->images[k];
        char expected[32];
        size_t better = 0;
        snprintf(expected, sizeof expected, "train:%zu", image->image);
        assert_string_equal(image->name, expected);
        assert_string_equal(image->class_name,
                            cnn_dataset_class(dataset, cnn_dataset_label(dataset, image->image)));
        assert_true(fabs(image->similarity - all[image->image]) < 1e-5);
        for (size_t i = 0; i < IMAGES; i++)
            better += all[i] > all[image->image] + 1e-5;
        assert_true(better <= k);
    }
    cnn_similar_free(similar);
}

static void test_nearest_are_those_of_a_search(void **state)
{
    (void)state;
    cnn_model *model = network_open(net);
    network_stir(model);
    struct cnn_dataset *dataset = open_data(model);
    check_layer(model, dataset, NULL, network_layer(model, "dense1")); /* what dense2 reads */
    check_layer(model, dataset, "conv1", network_layer(model, "conv1"));
    check_layer(model, dataset, "flatten1", network_layer(model, "flatten1"));
    cnn_dataset_free(dataset);
    cnn_model_free(model);
}

/* Files in any order, and a page with all of them. */
static void test_files_and_the_page(void **state)
{
    struct scratch *s = *state;
    static const uint8_t greys[4] = {10, 240, 90, 200};
    char paths[4][128], page[128];
    const char *given[4];
    float picture[PIXELS];
    cnn_model *model = network_open(net);
    cnn_similar *similar = NULL;
    for (int i = 0; i < 4; i++) {
        uint8_t pixels[PIXELS];
        char name[16];
        for (size_t k = 0; k < PIXELS; k++)
            pixels[k] = (uint8_t)(k % 3 == (size_t)i % 3 ? greys[i] : k * 7 % 50);
        snprintf(name, sizeof name, "%d.png", i);
        snprintf(paths[i], sizeof paths[i], "%s", scratch_path(s, name));
        picture_write(paths[i], SIDE, SIDE, 3, pixels);
        given[i] = paths[i];
    }
    snprintf(page, sizeof page, "%s", scratch_path(s, "similar.html"));
    const cnn_similar_options o = {.paths = given, .path_count = 4, .page = page};
    assert_int_equal(cnn_model_load_image(model, paths[2], picture, s->diag), CNN_OK);
    assert_int_equal(cnn_find_similar(model, picture, &o, &similar, s->diag), CNN_OK);
    assert_int_equal(similar->count, 4);
    assert_string_equal(similar->images[0].name, paths[2]);
    assert_null(similar->images[0].class_name);
    assert_true(fabs(similar->images[0].similarity - 1) < 1e-6);
    cnn_similar_free(similar);
    cnn_similar_free(NULL);
    FILE *file = fopen(page, "r");
    assert_non_null(file);
    char *text = calloc(1, 1 << 20);
    size_t pictures = 0;
    assert_true(fread(text, 1, (1 << 20) - 1, file) > 0);
    fclose(file);
    for (const char *at = text; (at = strstr(at, "<figure")); at++)
        pictures++;
    assert_int_equal(pictures, 5);
    assert_non_null(strstr(text, "your picture"));
    free(text);
    cnn_model_free(model);
}

static int stop_at_once(void *context, size_t images, size_t total)
{
    (void)context;
    assert_true(images <= total);
    return 1;
}

static void test_mistakes_are_told(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = network_open(net);
    float picture[PIXELS] = {0};
    const char *missing = "no.png";
    cnn_similar *similar = NULL;
    cnn_similar_options o = {.layer = "conv9"};
    assert_int_equal(cnn_find_similar(model, picture, &o, &similar, s->diag), CNN_INVALID);
    cnn_diag_clear(s->diag);
    o = (cnn_similar_options){.split = "tset"};
    assert_int_equal(cnn_find_similar(model, picture, &o, &similar, s->diag), CNN_INVALID);
    assert_string_equal(cnn_diag_get(s->diag, 0)->text,
                        "there is no split 'tset': train, val or test");
    cnn_diag_clear(s->diag);
    o = (cnn_similar_options){.paths = &missing, .path_count = 1};
    assert_int_equal(cnn_find_similar(model, picture, &o, &similar, s->diag), CNN_FAILED);
    o = (cnn_similar_options){.progress = stop_at_once};
    assert_int_equal(cnn_find_similar(model, picture, &o, &similar, NULL), CNN_INTERRUPTED);
    picture[3] = NAN;
    assert_int_equal(cnn_find_similar(model, picture, NULL, &similar, NULL), CNN_FAILED);
    assert_null(similar);
    cnn_model_free(model);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nearest_are_those_of_a_search),
        TEST(test_files_and_the_page),
        TEST(test_mistakes_are_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
