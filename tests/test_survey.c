/* The survey of a data set: what it counts and measures, copies within and between splits, files
 * that cannot be read, and the sheet of images. */
#include "data/format.h"
#include "scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/copies.h"
#include "data/loader.h"
#include "data/survey.h"
#include "near.h"
#include "pictures.h"
#include "report/data_sheet.h"
#include "util/parallel.h"

#define SIDE 4 /* pixels of images in folders */

/* Images of one byte, of which the hash says too much, or too little. */
static const uint8_t *read_byte(void *context, size_t image, uint8_t *buffer)
{
    buffer[0] = ((const uint8_t *)context)[image];
    return buffer;
}

static void test_images_of_equal_hash_are_copies_only_when_their_pixels_are(void **state)
{
    (void)state;
    uint8_t bytes[] = {7, 8, 7, 9, 8, 7}, a, b;
    /* Every image has the hash 1 but number 3. */
    struct cnn_hashed_image images[] = {{1, 5}, {1, 0}, {1, 1}, {2, 3}, {1, 2}, {1, 4}};
    const struct cnn_copies_reader reader = {read_byte, bytes, 1, {&a, &b}};
    const size_t starts[] = {0, 3, 5};
    struct cnn_copies copies;
    assert_true(cnn_copies_find(images, 6, starts, 3, &reader, &copies));
    assert_int_equal(copies.count, 3);
    const struct cnn_copy expected[] = {{0, 2}, {0, 5}, {1, 4}};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(copies.pairs[i].first, expected[i].first);
        assert_int_equal(copies.pairs[i].second, expected[i].second);
    }
    const size_t repeated[] = {1, 0, 0}, known[] = {0, 1, 1};
    for (size_t s = 0; s < 3; s++) {
        assert_int_equal(copies.repeated[s], repeated[s]);
        assert_int_equal(copies.known[s], known[s]);
    }
    free(copies.pairs);
}

static void test_hash_depends_on_every_byte(void **state)
{
    (void)state;
    uint8_t bytes[21] = {0};
    const uint64_t plain = cnn_image_hash(bytes, sizeof bytes);
    assert_int_equal(plain, cnn_image_hash(bytes, sizeof bytes));
    for (size_t i = 0; i < sizeof bytes; i++)
        for (int bit = 0; bit < 8; bit++) {
            bytes[i] ^= (uint8_t)(1 << bit);
            assert_true(cnn_image_hash(bytes, sizeof bytes) != plain);
            bytes[i] ^= (uint8_t)(1 << bit);
        }
}

/* A folder with an image of each kind: w x h pixels of one value. */
static void add_image(struct scratch *s, const char *name, int w, int h, uint8_t value)
{
    picture_write_plain(scratch_path(s, name), w, h, 3, value);
}

static void make_folder(struct scratch *s)
{
    add_image(s, "train/cat/1.png", 4, 4, 10);
    add_image(s, "train/cat/2.png", 4, 4, 10); /* again */
    add_image(s, "train/cat/3.png", 8, 4, 20); /* resized */
    add_image(s, "train/dog/1.png", 4, 4, 30);
    add_image(s, "train/dog/2.png", 2, 6, 10); /* the cat, once it is resized */
    add_image(s, "test/cat/1.png", 4, 4, 10);  /* known */
    add_image(s, "test/cat/2.png", 4, 4, 50);
    add_image(s, "test/dog/1.png", 4, 4, 50); /* the cat of the test images */
}

static const char folder_description[] = "name: folder\n"
                                         "input: [3, 4, 4]\n"
                                         "layers: [{type: flatten}, {type: dense, units: 2}]\n"
                                         "data: {dataset: folder, path: %s}\n"
                                         "train: {epochs: 1}\n";

static cnn_model *open_model(struct scratch *s, const char *text, const char *override)
{
    char description[1024];
    cnn_model *model;
    const cnn_open_options options = {
        .untrained = true, .overrides = &override, .override_count = override != NULL};
    int size = snprintf(description, sizeof description, text, s->folder);
    assert_int_equal(cnn_model_open(scratch_write(s, "model.yaml", description, (size_t)size),
                                    &options, &model, s->diag),
                     CNN_OK);
    return model;
}

static void expect_image(const struct scratch *s, const cnn_survey_image *image, const char *split,
                         size_t label, const char *path)
{
    assert_string_equal(image->split, split);
    assert_int_equal(image->label, label);
    assert_int_equal(strncmp(image->path, s->folder, strlen(s->folder)), 0);
    assert_string_equal(image->path + strlen(s->folder) + 1, path);
}

static void test_copies_are_found_within_and_between_splits(void **state)
{
    struct scratch *s = *state;
    cnn_survey *survey = NULL;
    make_folder(s);
    cnn_model *model = open_model(s, folder_description, NULL);
    assert_int_equal(cnn_survey_data(model, NULL, &survey, s->diag), CNN_OK);
    assert_int_equal(survey->split_count, 2);
    assert_int_equal(survey->splits[0].repeated, 2);
    assert_int_equal(survey->splits[1].repeated, 1);
    assert_int_equal(survey->splits[0].known, 0);
    assert_int_equal(survey->splits[1].known, 1);
    assert_int_equal(survey->contradictions, 2);
    assert_int_equal(survey->contradicting_count, 2);
    expect_image(s, &survey->contradicting[0].first, "train", 0, "train/cat/1.png");
    expect_image(s, &survey->contradicting[0].second, "train", 1, "train/dog/2.png");
    /* classes come in turn */
    expect_image(s, &survey->contradicting[1].first, "test", 1, "test/dog/1.png");
    expect_image(s, &survey->contradicting[1].second, "test", 0, "test/cat/2.png");
    assert_int_equal(survey->repeated_count, 1);
    expect_image(s, &survey->repeated[0].second, "train", 0, "train/cat/2.png");
    assert_int_equal(survey->shared_count, 1);
    expect_image(s, &survey->shared[0].second, "test", 0, "test/cat/1.png");
    cnn_survey_free(survey);
    cnn_model_free(model);
}

static void test_classes_and_sizes_are_counted(void **state)
{
    struct scratch *s = *state;
    cnn_survey *survey = NULL;
    make_folder(s);
    cnn_model *model = open_model(s, folder_description, NULL);
    assert_int_equal(cnn_survey_data(model, NULL, &survey, s->diag), CNN_OK);
    assert_int_equal(cnn_diag_count(s->diag), 0);
    const cnn_survey_split *train = &survey->splits[0], *test = &survey->splits[1];
    assert_int_equal(survey->classes, 2);
    assert_string_equal(survey->class_names[1], "dog");
    assert_int_equal(survey->most_frequent, 0);
    assert_int_equal(train->class_images[0], 3);
    assert_int_equal(train->class_images[1], 2);
    assert_near(train->majority, 3.0 / 5, 1e-12);
    assert_near(test->majority, 2.0 / 3, 1e-12);
    const cnn_survey_sizes *sizes = &train->sizes;
    assert_int_equal(sizes->files, 5);
    assert_int_equal(sizes->smallest[0] * 100 + sizes->smallest[1], 206);
    assert_int_equal(sizes->largest[0] * 100 + sizes->largest[1], 804);
    assert_int_equal(sizes->most_common[0] * 100 + sizes->most_common[1], 404);
    assert_int_equal(sizes->most_common_files, 3);
    assert_int_equal(sizes->resized, 2);
    assert_near(sizes->aspect[0], 1.0 / 3, 1e-12);
    assert_near(sizes->aspect[1], 2, 1e-12);
    assert_near(train->mean[2], (10 + 10 + 20 + 30 + 10) / 5.0 / 255, 1e-12);
    assert_near(train->std[2], 8 / 255.0, 1e-12); /* variance (36 + 36 + 16 + 196 + 36) / 5 = 64 */
    cnn_survey_free(survey);
    cnn_model_free(model);
}

static void test_files_are_named_when_they_cannot_be_read(void **state)
{
    struct scratch *s = *state;
    const struct cnn_data_settings settings = {.dataset = cnn_dataset_find("folder"),
                                               .path = s->folder};
    struct cnn_survey_source source = {.names = {"train"}, .count = 1, .shape = {3, 3, SIDE, SIDE}};
    struct cnn_dataset *dataset;
    enum cnn_split used;
    struct cnn_arena *memory = cnn_arena_new();
    cnn_survey survey = {0};
    make_folder(s);
    assert_int_equal(
        cnn_dataset_open(
            &settings,
            &(struct cnn_data_choice){.input = source.shape, .split = CNN_SPLIT_TRAIN, .seed = 1},
            &dataset, &used, s->diag),
        CNN_OK);
    source.datasets[0] = dataset;
    assert_int_equal(unlink(scratch_path(s, "train/cat/1.png")), 0);
    assert_int_equal(cnn_survey_run(&source, &(cnn_survey_options){0}, memory, &survey, s->diag),
                     CNN_OK);
    assert_int_equal(survey.splits[0].unreadable_count, 1);
    assert_string_equal(survey.splits[0].unreadable[0], s->path);
    assert_int_equal(survey.splits[0].sizes.files, 4);
    assert_int_equal(survey.splits[0].repeated, 1); /* the cats are one fewer */
    assert_near(survey.splits[0].mean[0], (10 + 20 + 30 + 10) / 4.0 / 255, 1e-12);
    cnn_arena_free(memory);
    cnn_dataset_free(dataset);
}

static void test_files_are_named_once_when_the_data_set_leaves_them_out(void **state)
{
    struct scratch *s = *state;
    cnn_survey *survey = NULL;
    for (int i = 0; i < 200; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/%d.png", i % 2 ? "cat" : "dog", i);
        add_image(s, name, SIDE, SIDE, (uint8_t)i);
    }
    scratch_write(s, "dog/bad.png", "no image", 8);
    cnn_model *model = open_model(s, folder_description, "data.val_split=0.25");
    assert_int_equal(cnn_survey_data(model, NULL, &survey, s->diag), CNN_OK);
    assert_int_equal(survey->split_count, 2);
    assert_int_equal(survey->splits[0].images + survey->splits[1].images, 200);
    assert_int_equal(survey->splits[0].unreadable_count, 1);
    assert_string_equal(survey->splits[0].unreadable[0], scratch_path(s, "dog/bad.png"));
    assert_int_equal(survey->splits[1].unreadable_count, 0);
    cnn_survey_free(survey);
    cnn_model_free(model);
}

static const char shapes_description[] = "name: shapes\n"
                                         "input: [3, 16, 16]\n"
                                         "layers: [{type: flatten}, {type: dense, units: 10}]\n"
                                         "data: {dataset: shapes, limit: 300, val_split: 0.25, "
                                         "augment: [{type: flip}, {type: crop, padding: 2}]}\n"
                                         "train: {epochs: 1}\n";

/* Sums in double over the pixels, one after the other. */
static void measure(const struct cnn_dataset *dataset, size_t channel, double *mean, double *std)
{
    double sum = 0, squares = 0, count = (double)cnn_dataset_count(dataset) * 256;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < cnn_dataset_count(dataset); i++) {
            const uint8_t *pixels = cnn_dataset_read(dataset, i, NULL);
            for (size_t p = 0; p < 256; p++) {
                double value = pixels[p * 3 + channel] / 255.0;
                sum += pass ? 0 : value;
                squares += pass ? (value - *mean) * (value - *mean) : 0;
            }
        }
        *mean = sum / count;
    }
    *std = sqrt(squares / count);
}

static void test_channels_are_measured_like_the_pixels_they_are_made_of(void **state)
{
    struct scratch *s = *state;
    cnn_survey *survey = NULL, *again = NULL;
    cnn_model *model = open_model(s, shapes_description, NULL);
    struct cnn_dataset *train;
    enum cnn_split used;
    cnn_parallel_set_threads(1);
    assert_int_equal(cnn_survey_data(model, NULL, &survey, s->diag), CNN_OK);
    cnn_parallel_set_threads(3);
    assert_int_equal(cnn_survey_data(model, NULL, &again, s->diag), CNN_OK);
    cnn_parallel_set_threads(0);
    assert_int_equal(cnn_dataset_open(&model->data,
                                      &(struct cnn_data_choice){.input = model->graph.input,
                                                                .split = CNN_SPLIT_TRAIN,
                                                                .seed = 1},
                                      &train, &used, NULL),
                     CNN_OK);
    assert_int_equal(survey->split_count, 3);
    assert_int_equal(survey->splits[0].images, 225);
    assert_int_equal(survey->splits[1].images, 75);
    /* no image is in both parts */
    assert_int_equal(survey->splits[0].known + survey->splits[1].known, 0);
    for (size_t c = 0; c < 3; c++) {
        double mean, std;
        measure(train, c, &mean, &std);
        assert_near(survey->splits[0].mean[c], mean, 1e-9);
        assert_near(survey->splits[0].std[c], std, 1e-9);
        assert_memory_equal(survey->splits[0].mean, again->splits[0].mean,
                            3 * sizeof *survey->splits[0].mean);
        assert_memory_equal(survey->splits[0].std, again->splits[0].std,
                            3 * sizeof *survey->splits[0].std);
    }
    cnn_survey_free(survey);
    cnn_survey_free(again);
    cnn_dataset_free(train);
    cnn_model_free(model);
}

/* Whether the sheet has the image somewhere, each pixel a square of scale x scale; says where. */
static bool find_tile(const struct cnn_canvas *sheet, const uint8_t *pixels, size_t side,
                      size_t scale, size_t *left, size_t *top)
{
    for (size_t y = 0; y + side * scale <= sheet->height; y++)
        for (size_t x = 0; x + side * scale <= sheet->width; x++) {
            size_t i = 0;
            for (; i < side * side; i++) {
                struct cnn_colour c =
                    cnn_canvas_get(sheet, x + i % side * scale, y + i / side * scale);
                struct cnn_colour d = cnn_canvas_get(sheet, x + i % side * scale + scale - 1,
                                                     y + i / side * scale + scale - 1);
                if (c.r != pixels[3 * i] || c.g != pixels[3 * i + 1] || c.b != pixels[3 * i + 2] ||
                    d.r != c.r || d.g != c.g || d.b != c.b)
                    break;
            }
            *left = x;
            *top = y;
            if (i == side * side)
                return true;
        }
    return false;
}

/* Image `image` as the training of an epoch sees it, in bytes. */
static void load_augmented(const cnn_model *model, const struct cnn_dataset *train, size_t epoch,
                           size_t image, uint8_t *out)
{
    const struct cnn_loader_options options = {.dataset = train,
                                               .normalization = {3, {0, 0, 0}, {1, 1, 1}},
                                               .augmentation = model->data.augmentation,
                                               .shape = model->graph.input,
                                               .batch = 1,
                                               .seed = model->recipe.seed};
    struct cnn_loader *loader;
    assert_int_equal(cnn_loader_new(&options, &loader, NULL), CNN_OK);
    cnn_loader_start(loader, epoch, image);
    const struct cnn_batch *batch = cnn_loader_next(loader);
    for (size_t i = 0; i < 3 * 256; i++)
        out[i] = (uint8_t)lrintf(255 * batch->images[i]);
    cnn_loader_free(loader);
}

static void test_sheet_shows_images_as_training_sees_them(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_model(s, shapes_description, NULL);
    const struct cnn_normalization normalization = {3, {0.5f, 0.4f, 0.3f}, {0.2f, 0.25f, 0.3f}};
    struct cnn_canvas sheet;
    struct cnn_dataset *train;
    enum cnn_split used;
    size_t row = 0, image = 0, left, top, before;
    uint8_t pixels[3 * 256];
    assert_int_equal(cnn_dataset_open(&model->data,
                                      &(struct cnn_data_choice){.input = model->graph.input,
                                                                .split = CNN_SPLIT_TRAIN,
                                                                .seed = 1},
                                      &train, &used, NULL),
                     CNN_OK);
    assert_int_equal(cnn_data_sheet(model, train, &normalization, &sheet, s->diag), CNN_OK);
    for (size_t class = 0; class < 10; class += 9) { /* the first row and the last */
        for (image = 0; cnn_dataset_label(train, image) != class;)
            image++;
        assert_true(find_tile(&sheet, cnn_dataset_read(train, image, NULL), 16, 6, &left, &top));
        assert_true(class == 0 || top > row);
        row = top;
        for (size_t epoch = 0; epoch < 7; epoch += 3) {
            before = left;
            load_augmented(model, train, epoch, image, pixels);
            assert_true(find_tile(&sheet, pixels, 16, 6, &left, &top));
            assert_int_equal(top, row);
            assert_true(left > before);
        }
    }
    cnn_canvas_free(&sheet);
    cnn_dataset_free(train);
    cnn_model_free(model);
}

static void test_sheet_shows_several_images_of_a_class_when_nothing_changes_them(void **state)
{
    struct scratch *s = *state;
    cnn_model *model = open_model(s, shapes_description, "data.augment=[]");
    const struct cnn_normalization normalization = {3, {0, 0, 0}, {1, 1, 1}};
    struct cnn_canvas sheet;
    struct cnn_dataset *train;
    enum cnn_split used;
    size_t left, top, row = 0, count = 0;
    assert_int_equal(cnn_dataset_open(&model->data,
                                      &(struct cnn_data_choice){.input = model->graph.input,
                                                                .split = CNN_SPLIT_TRAIN,
                                                                .seed = 1},
                                      &train, &used, NULL),
                     CNN_OK);
    assert_int_equal(cnn_data_sheet(model, train, &normalization, &sheet, s->diag), CNN_OK);
    for (size_t image = 0; count < 9; image++) {
        if (cnn_dataset_label(train, image) != 3)
            continue;
        bool found = find_tile(&sheet, cnn_dataset_read(train, image, NULL), 16, 6, &left, &top);
        assert_int_equal(found, count < 8);
        assert_true(count == 0 || !found || top == row);
        row = count++ == 0 ? top : row;
    }
    cnn_canvas_free(&sheet);
    cnn_dataset_free(train);
    cnn_model_free(model);
}

static int stop_it(void *context, size_t images, size_t total)
{
    assert_true(images <= total);
    if (context)
        cnn_flag_raise(context);
    return !context;
}

static void test_survey_ends_when_it_is_stopped(void **state)
{
    struct scratch *s = *state;
    cnn_flag stop = {0};
    cnn_model *model = open_model(s, shapes_description, NULL);
    cnn_survey_options options = {.progress = stop_it, .context = &stop, .stop = &stop};
    cnn_survey *survey = NULL;
    assert_int_equal(cnn_survey_data(model, &options, &survey, s->diag), CNN_INTERRUPTED);
    options = (cnn_survey_options){.progress = stop_it};
    assert_int_equal(cnn_survey_data(model, &options, &survey, s->diag), CNN_INTERRUPTED);
    cnn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images_of_equal_hash_are_copies_only_when_their_pixels_are),
        cmocka_unit_test(test_hash_depends_on_every_byte),
        cmocka_unit_test_setup_teardown(test_copies_are_found_within_and_between_splits,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_classes_and_sizes_are_counted, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_files_are_named_when_they_cannot_be_read,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_files_are_named_once_when_the_data_set_leaves_them_out,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_channels_are_measured_like_the_pixels_they_are_made_of,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_sheet_shows_images_as_training_sees_them,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(
            test_sheet_shows_several_images_of_a_class_when_nothing_changes_them, scratch_setup,
            scratch_teardown),
        cmocka_unit_test_setup_teardown(test_survey_ends_when_it_is_stopped, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
