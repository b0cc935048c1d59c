/* Models and pictures that are in memory: they give what their files give. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "pictures.h"
#include "scratch.h"
#include "util/file.h"

static const char description[] = "input: [%d, %d, %d]\n"
                                  "layers: [{type: conv, filters: 2, kernel_size: 3}]\n"
                                  "data: {dataset: mnist, normalize: {mean: [%s], std: [%s]}}\n";

/* A network that takes c channels of h x w, out of memory. */
static cnn_model *open_network(int c, int h, int w)
{
    static const char *const means[] = {"", "0.5", "", "0.25, 0.5, 0.75", "0.1, 0.2, 0.3, 0.4"},
                             *const stds[] = {"", "0.25", "", "0.5, 0.25, 0.125",
                                              "0.5, 0.25, 0.125, 1"};
    static const cnn_open_options options = {.untrained = true};
    char text[512];
    cnn_model *model = NULL;
    int size = snprintf(text, sizeof text, description, c, h, w, means[c], stds[c]);
    assert_int_equal(cnn_model_open_memory(text, (size_t)size, "net.yaml", &options, &model, NULL),
                     CNN_OK);
    return model;
}

static void test_a_description_in_memory(void **state)
{
    struct scratch *s = *state;
    static const char text[] = "input: [3, 4, 4]\nlayers: [{type: conv, filters: 2, wrong: 3}]\n",
                      bare[] = "input: [1, 2, 2]\nlayers: [{type: flatten}]\n";
    cnn_model *model = NULL;
    assert_int_equal(cnn_model_open_memory(text, sizeof text - 1, "shop", NULL, &model, s->diag),
                     CNN_INVALID);
    assert_null(model);
    assert_string_equal(cnn_diag_get(s->diag, 0)->file, "shop");
    assert_int_equal(cnn_diag_get(s->diag, 0)->line, 2);
    cnn_diag_clear(s->diag);
    /* The bytes need not end in NUL, and may go as soon as the model is there. */
    char *copy = malloc(sizeof bare - 1);
    memcpy(copy, bare, sizeof bare - 1);
    assert_int_equal(cnn_model_open_memory(copy, sizeof bare - 1, NULL, NULL, &model, s->diag),
                     CNN_OK);
    memset(copy, 'x', sizeof bare - 1);
    free(copy);
    assert_string_equal(cnn_model_source(model), "memory");
    assert_string_equal(cnn_model_name(model), "memory");
    cnn_model_free(model);
}

/* What a model makes of zeros to ones. */
static void run_ramp(cnn_model *model, float *output)
{
    float image[3 * 5 * 6];
    for (size_t i = 0; i < sizeof image / sizeof *image; i++)
        image[i] = (float)i / 90;
    assert_int_equal(cnn_model_run(model, image, 1, output, NULL), CNN_OK);
}

static void test_a_checkpoint_in_memory(void **state)
{
    struct scratch *s = *state;
    cnn_model *drawn = open_network(3, 5, 6), *model = NULL;
    float from_file[2 * 3 * 4], from_memory[2 * 3 * 4];
    char *bytes;
    size_t size;
    assert_int_equal(cnn_model_write(drawn, scratch_path(s, "a.safetensors"), s->diag), CNN_OK);
    assert_int_equal(cnn_file_read(s->path, 1 << 20, &bytes, &size, s->diag), CNN_OK);
    remove(s->path);
    assert_int_equal(cnn_model_open_memory(bytes, size, "asset", NULL, &model, s->diag), CNN_OK);
    assert_true(cnn_model_trained(model));
    run_ramp(drawn, from_file);
    run_ramp(model, from_memory);
    assert_memory_equal(from_file, from_memory, sizeof from_file);
    cnn_model_free(model);
    model = NULL;
    /* Every cut is found: each length into a block of its own, so that a byte too many is seen. */
    for (size_t cut = 9; cut < size; cut += cut < 64 ? 1 : 13) {
        char *part = malloc(cut);
        memcpy(part, bytes, cut);
        assert_int_equal(cnn_model_open_memory(part, cut, "asset", NULL, &model, s->diag),
                         CNN_FAILED);
        assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, "asset"));
        cnn_diag_clear(s->diag);
        free(part);
    }
    assert_null(model);
    cnn_model_free(drawn);
    free(bytes);
}

static void test_image_files_in_memory(void **state)
{
    struct scratch *s = *state;
    static const char *const files[] = {"plain.png", "grey.png",    "alpha.png", "turned.png",
                                        "plain.jpg", "restart.jpg", "grey.jpg"};
    cnn_model *model = open_network(3, 7, 5);
    float expected[3 * 7 * 5], found[3 * 7 * 5];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[64], *bytes;
        size_t size;
        snprintf(path, sizeof path, "tests/pictures/%s", files[i]);
        assert_int_equal(cnn_model_load_image(model, path, expected, s->diag), CNN_OK);
        assert_int_equal(cnn_file_read(path, 1 << 20, &bytes, &size, s->diag), CNN_OK);
        memset(found, 0, sizeof found);
        assert_int_equal(cnn_model_decode_image(model, bytes, size, path, found, s->diag), CNN_OK);
        assert_memory_equal(expected, found, sizeof found);
        assert_int_equal(cnn_model_decode_image(model, bytes, size / 2, "half", found, s->diag),
                         CNN_FAILED);
        assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, "cannot read half: "));
        cnn_diag_clear(s->diag);
        free(bytes);
    }
    scratch_expect(s, cnn_model_decode_image(model, "", 0, NULL, found, s->diag),
                   "cannot read memory: it is empty");
    cnn_model_free(model);
}

/* By hand: (byte / 255 - mean) / std, channel by channel. */
static void test_pixels_are_normalised(void **state)
{
    struct scratch *s = *state;
    static const uint8_t bgr[] = {/* row 0 */ 255, 51, 0, 0, 102, 255, 9, 9,
                                  /* row 1 */ 1,   2,  3, 4, 5,   6};
    static const float expected[3][4] = {{(0 - 0.25f) / 0.5f, (1 - 0.25f) / 0.5f,
                                          (3 / 255.f - 0.25f) / 0.5f, (6 / 255.f - 0.25f) / 0.5f},
                                         {(0.2f - 0.5f) / 0.25f, (0.4f - 0.5f) / 0.25f,
                                          (2 / 255.f - 0.5f) / 0.25f, (5 / 255.f - 0.5f) / 0.25f},
                                         {(1 - 0.75f) / 0.125f, (0 - 0.75f) / 0.125f,
                                          (1 / 255.f - 0.75f) / 0.125f,
                                          (4 / 255.f - 0.75f) / 0.125f}};
    cnn_model *model = NULL;
    static const char text[] =
        "input: [3, 2, 2]\nlayers: [{type: flatten}]\n"
        "data: {dataset: mnist, normalize: {mean: [0.25, 0.5, 0.75], std: [0.5, 0.25, 0.125]}}\n";
    assert_int_equal(cnn_model_open_memory(text, sizeof text - 1, NULL, NULL, &model, s->diag),
                     CNN_OK);
    const cnn_pixels pixels = {bgr, 2, 2, 8, CNN_PIXELS_BGR};
    float found[3][4];
    assert_int_equal(cnn_model_load_pixels(model, &pixels, found[0], s->diag), CNN_OK);
    for (size_t c = 0; c < 3; c++)
        for (size_t i = 0; i < 4; i++)
            assert_float_equal(found[c][i], expected[c][i], 1e-5);
    cnn_model_free(model);
}

enum { MOST = 40, GAP = 5 };

/* The pixels that a file has, in another order of channels, with a gap of other bytes between rows.
 */
static void rearrange(const uint8_t *rgba, size_t w, size_t h, cnn_pixel_order order, uint8_t *out)
{
    static const size_t from[5][4] = {{0, 1, 2}, {2, 1, 0}, {0, 1, 2, 3}, {2, 1, 0, 3}, {0}},
                        channels[5] = {3, 3, 4, 4, 1};
    for (size_t y = 0; y < h; y++, out += GAP)
        for (size_t x = 0; x < w; x++, rgba += 4)
            for (size_t c = 0; c < channels[order]; c++)
                *out++ = rgba[from[order][c]];
}

/* A PNG file of the pixels, as far as the order has them, and the buffer give the same. */
static void check_pixels(struct scratch *s, cnn_pixel_order order, int c, int w, int h)
{
    static const int stored[5] = {3, 3, 4, 4, 1};
    static const size_t n = MOST * MOST;
    uint8_t rgba[4 * MOST * MOST], file[4 * MOST * MOST],
        *buffer = calloc((size_t)h, (size_t)w * (size_t)stored[order] + GAP);
    float expected[4 * 9 * 11], found[4 * 9 * 11] = {0};
    for (size_t i = 0; i < 4 * n; i++)
        rgba[i] = (uint8_t)(i * i % 251 + i % 4);
    for (size_t i = 0; i < (size_t)(w * h); i++)
        for (int k = 0; k < stored[order]; k++)
            file[i * (size_t)stored[order] + (size_t)k] = rgba[4 * i + (size_t)k];
    picture_write(scratch_path(s, "x.png"), w, h, stored[order], file);
    rearrange(rgba, (size_t)w, (size_t)h, order, buffer);
    const cnn_pixels pixels = {buffer, (size_t)w, (size_t)h,
                               (size_t)w * (size_t)stored[order] + GAP, order};
    cnn_model *model = open_network(c, 9, 11);
    size_t bytes = (size_t)c * 9 * 11 * sizeof(float);
    assert_int_equal(cnn_model_load_image(model, s->path, expected, s->diag), CNN_OK);
    assert_int_equal(cnn_model_load_pixels(model, &pixels, found, s->diag), CNN_OK);
    assert_memory_equal(expected, found, bytes);
    cnn_model_free(model);
    free(buffer);
}

static void test_pixels_are_those_of_a_file(void **state)
{
    static const int sizes[][2] = {{11, 9}, {40, 33}, {3, 2}, {1, 40}};
    static const int channels[] = {1, 3, 4};
    for (int order = 0; order <= CNN_PIXELS_GREY; order++)
        for (size_t c = 0; c < 3; c++)
            for (size_t i = 0; i < 4; i++)
                check_pixels(*state, (cnn_pixel_order)order, channels[c], sizes[i][0], sizes[i][1]);
}

static void test_pixels_without_gaps(void **state)
{
    struct scratch *s = *state;
    static const uint8_t grey[6] = {0, 50, 100, 150, 200, 250};
    const cnn_pixels plain = {.data = grey, .width = 3, .height = 2, .order = CNN_PIXELS_GREY},
                     same = {grey, 3, 2, 3, CNN_PIXELS_GREY};
    cnn_model *model = open_network(1, 4, 4);
    float a[16], b[16];
    assert_int_equal(cnn_model_load_pixels(model, &plain, a, s->diag), CNN_OK);
    assert_int_equal(cnn_model_load_pixels(model, &same, b, s->diag), CNN_OK);
    assert_memory_equal(a, b, sizeof a);
    cnn_model_free(model);
}

static void refuse(struct scratch *s, const cnn_model *model, cnn_pixels pixels, const char *text)
{
    float out[3 * 5 * 6];
    assert_int_equal(cnn_model_load_pixels(model, &pixels, out, s->diag), CNN_INVALID);
    assert_int_equal(cnn_diag_count(s->diag), 1);
    assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, text));
    cnn_diag_clear(s->diag);
}

static void test_buffers_that_cannot_be(void **state)
{
    struct scratch *s = *state;
    static const uint8_t data[12] = {0};
    static const char text[] = "input: [2, 5, 6]\nlayers: [{type: flatten}]\n";
    cnn_model *model = open_network(3, 5, 6), *two = NULL;
    const cnn_pixels good = {data, 2, 2, 6, CNN_PIXELS_RGB};
    cnn_pixels bad = good;
    bad.order = (cnn_pixel_order)5;
    refuse(s, model, bad, "there is no order of channels 5");
    bad = good;
    bad.width = 0;
    refuse(s, model, bad, "0 x 2 pixels");
    bad.width = SIZE_MAX;
    refuse(s, model, bad, "1 to 65536 a side");
    bad.width = bad.height = 65536;
    refuse(s, model, bad, "65536 x 65536 pixels");
    bad = good;
    bad.stride = 5;
    refuse(s, model, bad, "rows that begin every 5 bytes cannot hold 2 pixels of 3");
    bad.stride = SIZE_MAX;
    refuse(s, model, bad, "rows that begin every");
    bad = good;
    bad.data = NULL;
    refuse(s, model, bad, "without model, pixels with data, or out");
    assert_int_equal(cnn_model_open_memory(text, sizeof text - 1, NULL, NULL, &two, s->diag),
                     CNN_OK);
    refuse(s, two, good, "give 1, 3 or 4 channels");
    cnn_model_free(two);
    cnn_model_free(model);
}

/* ---- Data sets ---- */

enum { SIDE = 16, TRAIN = 60, TEST_IMAGES = 40 };

static const char shapes[] =
    "name: net\n"
    "input: [3, 16, 16]\n"
    "layers:\n"
    "  - {type: conv, filters: 4, kernel_size: 3, stride: 2, activation: relu}\n"
    "  - {type: flatten}\n"
    "  - {type: dense, units: 10}\n"
    "data: {dataset: %s, limit: 60, val_split: 0.25, normalize: {mean: [0.5, 0.4, 0.3], std: [0.3, "
    "0.2, 0.4]}}\n"
    "train: {epochs: 2, batch_size: 16, optimizer: {type: adam, lr: 0.01}}\n";

/* Images of a split, as a program might have them. */
struct pictures {
    uint8_t pixels[TRAIN * SIDE * SIDE * 3];
    size_t labels[TRAIN];
    size_t count;
};

static void read_pictures(const cnn_model *model, enum cnn_split split, size_t count,
                          struct pictures *out)
{
    struct cnn_data_settings settings = model->data;
    struct cnn_dataset *dataset = NULL;
    enum cnn_split used;
    settings.val_split = 0;
    assert_int_equal(cnn_dataset_open(&settings,
                                      &(struct cnn_data_choice){.input = model->graph.input,
                                                                .split = split,
                                                                .seed = model->recipe.seed},
                                      &dataset, &used, NULL),
                     CNN_OK);
    assert_true(cnn_dataset_count(dataset) >= count);
    out->count = count;
    for (size_t i = 0; i < count; i++) {
        out->labels[i] = cnn_dataset_label(dataset, i);
        memcpy(out->pixels + i * SIDE * SIDE * 3, cnn_dataset_read(dataset, i, NULL),
               SIDE * SIDE * 3);
    }
    cnn_dataset_free(dataset);
}

static cnn_memory_split split_of(const struct pictures *p)
{
    return (cnn_memory_split){p->pixels, p->labels, p->count};
}

static cnn_model *train_on(struct scratch *s, const char *dataset, const cnn_memory_data *data)
{
    char text[1000], config[300], directory[300];
    cnn_model *model = NULL;
    int size = snprintf(text, sizeof text, shapes, dataset);
    snprintf(config, sizeof config, "%s", scratch_write(s, "net.yaml", text, (size_t)size));
    snprintf(directory, sizeof directory, "%s", scratch_path(s, dataset));
    const cnn_train_options options = {.config = config, .directory = directory, .memory = data};
    if (cnn_train(&options, s->diag) != CNN_OK)
        fail_msg("%s", cnn_diag_get(s->diag, 0)->text);
    assert_int_equal(cnn_model_open(directory, NULL, &model, s->diag), CNN_OK);
    return model;
}

/* The data set `shapes` is drawn, and the same images given as memory: a run is the same bits, and
 * so is what comes of the test images. */
static void test_a_data_set_in_memory_is_like_any_other(void **state)
{
    struct scratch *s = *state;
    static struct pictures train, test;
    cnn_model *drawn = train_on(s, "shapes", NULL), *given;
    cnn_evaluation *results[2] = {NULL, NULL};
    const cnn_evaluate_options options = {.split = "val"};
    read_pictures(drawn, CNN_SPLIT_TRAIN, TRAIN, &train);
    read_pictures(drawn, CNN_SPLIT_TEST, TEST_IMAGES, &test);
    cnn_memory_data data = {.train = split_of(&train), .class_count = 10};
    given = train_on(s, "memory", &data);
    assert_memory_equal(given->parameters, drawn->parameters,
                        drawn->graph.parameter_floats * sizeof(float));
    assert_int_equal(cnn_model_set_data(given, &data, s->diag), CNN_OK);
    assert_int_equal(cnn_evaluate(drawn, &options, &results[0], s->diag), CNN_OK);
    assert_int_equal(cnn_evaluate(given, &options, &results[1], s->diag), CNN_OK);
    assert_int_equal(results[0]->images, TRAIN / 4);
    assert_int_equal(results[1]->images, TRAIN / 4);
    assert_true(results[0]->loss == results[1]->loss);
    cnn_evaluation_free(results[1]);
    data.test = split_of(&test);
    assert_int_equal(cnn_evaluate(given, NULL, &results[1], s->diag), CNN_OK);
    assert_int_equal(results[1]->images, TEST_IMAGES);
    cnn_evaluation_free(results[0]);
    cnn_evaluation_free(results[1]);
    cnn_model_free(drawn);
    cnn_model_free(given);
}

static void test_images_that_cannot_be_are_refused(void **state)
{
    struct scratch *s = *state;
    char text[1000];
    cnn_model *model = NULL;
    static struct pictures train;
    const size_t beyond[] = {9, 10};
    const char *const names[10] = {"a", "b"};
    int size = snprintf(text, sizeof text, shapes, "memory");
    const cnn_open_options untrained = {.untrained = true};
    assert_int_equal(
        cnn_model_open_memory(text, (size_t)size, "net.yaml", &untrained, &model, NULL), CNN_OK);
    cnn_evaluation *result = NULL;
    assert_int_equal(cnn_evaluate(model, NULL, &result, s->diag), CNN_INVALID);
    assert_string_equal(cnn_diag_get(s->diag, 0)->text,
                        "`dataset: memory` is for programs that give their images to the library");
    const cnn_memory_data wrong[] = {
        {.train = {train.pixels, train.labels, 1}},
        {.train = {train.pixels, train.labels, 1}, .class_count = 65536},
        {.train = {NULL, train.labels, 1}, .class_count = 10},
        {.train = {train.pixels, NULL, 1}, .class_count = 10},
        {.test = {train.pixels, beyond, 2}, .class_count = 10},
        {.train = {train.pixels, train.labels, 1}, .class_count = 10, .classes = names}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const cnn_train_options options = {.config =
                                               scratch_write(s, "net.yaml", text, (size_t)size),
                                           .directory = "none",
                                           .memory = &wrong[i]};
        assert_int_equal(cnn_train(&options, NULL), CNN_INVALID);
        assert_int_equal(cnn_model_set_data(model, &wrong[i], NULL), CNN_INVALID);
    }
    cnn_model_free(model);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_a_description_in_memory),
        TEST(test_a_checkpoint_in_memory),
        TEST(test_image_files_in_memory),
        TEST(test_pixels_are_normalised),
        TEST(test_pixels_are_those_of_a_file),
        TEST(test_pixels_without_gaps),
        TEST(test_buffers_that_cannot_be),
        TEST(test_a_data_set_in_memory_is_like_any_other),
        TEST(test_images_that_cannot_be_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
