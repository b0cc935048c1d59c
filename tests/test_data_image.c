/* Images of data sets by name: the very bytes that evaluation sees, with their class, for each
 * kind of set, and what names cannot be. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/format.h"
#include "model/model.h"
#include "pictures.h"
#include "scratch.h"

enum { SIDE = 20 };

/* Image `number` is image `at` of a data set that was opened for evaluation. */
static void check_image(struct scratch *s, const char *name, const struct cnn_dataset *dataset,
                        size_t at)
{
    cnn_data_image *image = NULL;
    const size_t bytes = cnn_dataset_image_bytes(dataset);
    uint8_t *buffer = calloc(1, bytes);
    assert_true(cnn_data_image_named(name));
    assert_int_equal(cnn_data_image_open(name, &image, s->diag), CNN_OK);
    assert_int_equal(image->label, cnn_dataset_label(dataset, at));
    assert_string_equal(image->class_name, cnn_dataset_class(dataset, image->label));
    assert_int_equal(image->count, cnn_dataset_count(dataset));
    assert_int_equal(image->pixels.stride, 0);
    assert_memory_equal(image->pixels.data, cnn_dataset_read(dataset, at, buffer), bytes);
    cnn_data_image_free(image);
    free(buffer);
}

static void test_drawn_image_is_that_of_evaluation(void **state)
{
    struct scratch *s = *state;
    struct cnn_data_settings settings = {.dataset = cnn_dataset_find("shapes")};
    struct cnn_dataset *dataset = NULL;
    enum cnn_split used;
    const struct cnn_data_choice choice = {
        .input = {3, 3, 32, 32}, .split = CNN_SPLIT_TEST, .seed = 1};
    assert_int_equal(cnn_dataset_open(&settings, &choice, &dataset, &used, s->diag), CNN_OK);
    check_image(s, "shapes:test:0", dataset, 0);
    check_image(s, "shapes:test:0017", dataset, 17);
    check_image(s, "shapes:test:3999", dataset, 3999);
    cnn_dataset_free(dataset);
}

/* A folder of two classes with one picture a grey, and a description beside it. */
static void write_folder(struct scratch *s)
{
    static const char *const classes[2] = {"ant", "bee"};
    char name[64], text[512];
    uint8_t pixels[SIDE * 10 * 3];
    for (int i = 0; i < 12; i++) {
        for (size_t k = 0; k < sizeof pixels; k++)
            pixels[k] = (uint8_t)(k * 7 % 101 + (size_t)i * 11);
        snprintf(name, sizeof name, "d/train/%s/%d.png", classes[i % 2], i);
        picture_write(scratch_path(s, name), 10, SIDE, 3, pixels);
    }
    int length = snprintf(text, sizeof text,
                          "input: [3, %d, 10]\nlayers:\n  - {type: flatten}\n  - {type: dense, "
                          "units: 2}\ndata: {dataset: folder, path: %s/d, val_split: 0.34}\n"
                          "train: {seed: 7}\n",
                          SIDE, s->folder);
    scratch_write(s, "net.yaml", text, (size_t)length);
}

static void test_image_of_a_description_is_that_of_its_split(void **state)
{
    struct scratch *s = *state;
    char name[160];
    cnn_model *model = NULL;
    struct cnn_dataset *dataset = NULL;
    enum cnn_split used;
    write_folder(s);
    const cnn_open_options open = {.shapes = true, .untrained = true};
    assert_int_equal(cnn_model_open(scratch_path(s, "net.yaml"), &open, &model, s->diag), CNN_OK);
    for (int split = CNN_SPLIT_TRAIN; split <= CNN_SPLIT_VAL; split++) {
        const struct cnn_data_choice choice = {
            .input = model->graph.input, .split = (enum cnn_split)split, .seed = 7};
        assert_int_equal(cnn_dataset_open(&model->data, &choice, &dataset, &used, s->diag), CNN_OK);
        for (size_t i = 0; i < cnn_dataset_count(dataset); i++) {
            snprintf(name, sizeof name, "%s/net.yaml:%s:%zu", s->folder, cnn_split_names[split], i);
            check_image(s, name, dataset, i);
        }
        cnn_dataset_free(dataset);
    }
    cnn_model_free(model);
}

static void test_name_that_is_none_is_refused(void **state)
{
    struct scratch *s = *state;
    static const char *const none[] = {"mnist",         "mnist:test",
                                       "mnist:5",       ":test:5",
                                       "mnist:test:",   "mnist:test:-1",
                                       "mnist:tests:5", "mnist:test:5 ",
                                       "a.png",         ""};
    cnn_data_image *image = NULL;
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_false(cnn_data_image_named(none[i]));
        assert_int_equal(cnn_data_image_open(none[i], &image, NULL), CNN_INVALID);
    }
    assert_false(cnn_data_image_named(NULL));
    assert_null(image);
    /* a file of that name is a file */
    assert_true(cnn_data_image_named(scratch_path(s, "mnist:test:5")));
    assert_false(cnn_data_image_named(scratch_write(s, "mnist:test:5", "x", 1)));
}

struct mistake {
    const char *name, *text;
};

static void test_image_that_is_not_there_is_told(void **state)
{
    struct scratch *s = *state;
    static const struct mistake mistakes[] = {
        {"shapes:test:4000", "shapes:test:4000: the split test has images 0 to 3999"},
        {"shapes:test:99999999999999999999", "the split test has images 0 to 3999"},
        {"shapes:val:0", "shapes:val:0: there are no val images"},
        {"mnit:test:5", "mnit:test:5: 'mnit' is neither a data set nor a file"},
        {"folder:test:5", "folder alone does not say which images are meant"},
        {"memory:test:5", "memory alone does not say which images are meant"},
    };
    cnn_data_image *image = NULL;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        assert_int_not_equal(cnn_data_image_open(mistakes[i].name, &image, s->diag), CNN_OK);
        assert_int_equal(cnn_diag_count(s->diag), 1);
        const char *text = cnn_diag_get(s->diag, 0)->text;
        if (!strstr(text, mistakes[i].text))
            fail_msg("%s: %s", mistakes[i].name, text);
        cnn_diag_clear(s->diag);
    }
    cnn_data_image_open("mnit:test:5", &image, s->diag);
    assert_string_equal(cnn_diag_get(s->diag, 0)->hint, "did you mean 'mnist'?");
    assert_null(image);
}

/* A picture in memory is shown as the same one in a file. */
static void test_visualize_takes_pixels(void **state)
{
    struct scratch *s = *state;
    char folders[2][128], file[128], *pages[2];
    cnn_model *model = NULL;
    uint8_t pixels[12 * 8 * 3];
    static const char text[] = "{input: [3, 6, 5], layers: [{type: conv, filters: 2, kernel_size: "
                               "3}], train: {seed: 3}}";
    const cnn_pixels given = {.data = pixels, .width = 8, .height = 12, .order = CNN_PIXELS_RGB};
    for (size_t i = 0; i < sizeof pixels; i++)
        pixels[i] = (uint8_t)(i * 53 % 256);
    snprintf(file, sizeof file, "%s", scratch_path(s, "p.png"));
    picture_write(file, 8, 12, 3, pixels);
    const cnn_open_options open = {.untrained = true};
    assert_int_equal(cnn_model_open_memory(text, sizeof text - 1, NULL, &open, &model, s->diag),
                     CNN_OK);
    for (int i = 0; i < 2; i++) {
        snprintf(folders[i], sizeof folders[i], "%s", scratch_path(s, i ? "memory" : "file"));
        const cnn_visualize_options o = {.directory = folders[i],
                                         .kinds = 1U << CNN_PICTURE_HEATMAP,
                                         .pixels = i ? &given : NULL};
        assert_int_equal(cnn_visualize(model, i ? "p.png" : file, &o, s->diag), CNN_OK);
        char path[192];
        size_t size = 0;
        snprintf(path, sizeof path, "%s/index.html", folders[i]);
        pages[i] = calloc(1, 1 << 20);
        FILE *page = fopen(path, "r");
        assert_non_null(page);
        size = fread(pages[i], 1, (1 << 20) - 1, page);
        assert_true(size > 0);
        fclose(page);
    }
    assert_string_equal(pages[0], pages[1]);
    free(pages[0]);
    free(pages[1]);
    char command[512]; /* and the pictures are the same bytes */
    snprintf(command, sizeof command, "diff -r %s %s >/dev/null", folders[0], folders[1]);
    assert_int_equal(system(command), 0);
    const cnn_pixels empty = {.width = 8, .height = 12};
    const cnn_visualize_options o = {.directory = folders[0], .pixels = &empty};
    assert_int_equal(cnn_visualize(model, "p.png", &o, s->diag), CNN_INVALID);
    cnn_model_free(model);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_drawn_image_is_that_of_evaluation),
        TEST(test_image_of_a_description_is_that_of_its_split),
        TEST(test_name_that_is_none_is_refused),
        TEST(test_image_that_is_not_there_is_told),
        TEST(test_visualize_takes_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
