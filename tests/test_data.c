/* The data settings, normalisation, and which images a split of a data set holds. */
#include "near.h"
#include "scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "data/augment_type.h"
#include "data/dataset.h"
#include "data/format.h"
#include "pictures.h"

static const cnn_shape shape = {3, 3, 16, 16};

/* ---- settings ---- */

static struct cnn_data_settings settings;
static struct cnn_arena *arena;

static int arena_setup(void **state)
{
    arena = cnn_arena_new();
    return arena ? scratch_setup(state) : -1;
}

static int arena_teardown(void **state)
{
    cnn_arena_free(arena);
    return scratch_teardown(state);
}

static cnn_status read_text(struct scratch *s, const char *yaml)
{
    struct cnn_yaml *node;
    cnn_diag_clear(s->diag);
    assert_int_equal(cnn_yaml_parse(arena, "test.yaml", yaml, strlen(yaml), &node, s->diag),
                     CNN_OK);
    return cnn_data_settings_read(arena, node, shape, &settings, s->diag);
}

static void expect_mistake(struct scratch *s, const char *yaml, size_t line, const char *part)
{
    assert_int_equal(read_text(s, yaml), CNN_INVALID);
    const cnn_message *message = cnn_diag_get(s->diag, 0);
    assert_non_null(message);
    assert_int_equal(message->line, line);
    if (!strstr(message->text, part))
        fail_msg("'%s' has no '%s'", message->text, part);
}

static void test_settings_have_defaults_when_only_the_data_set_is_named(void **state)
{
    assert_int_equal(read_text(*state, "dataset: cifar100"), CNN_OK);
    assert_int_equal(settings.dataset, cnn_dataset_find("cifar100"));
    assert_null(settings.path);
    assert_false(settings.normalize_auto);
    assert_int_equal(settings.fixed.channels, 0);
    assert_null(settings.augmentation);
    assert_true(settings.val_split == 0 && settings.limit == 0 && settings.shuffle);
}

static void test_settings_are_read_when_all_are_given(void **state)
{
    assert_int_equal(read_text(*state, "dataset: folder\npath: some/where\nnormalize: {mean: [0.5, "
                                       "0.25, 0], std: [0.5, 1, 0.125]}\n"
                                       "augment: [flip, {type: crop}, {type: crop, padding: "
                                       "2}]\nval_split: 0.25\nlimit: 7\nshuffle: false"),
                     CNN_OK);
    assert_string_equal(settings.path, "some/where");
    assert_int_equal(settings.fixed.channels, 3);
    assert_true(settings.fixed.mean[1] == 0.25f && settings.fixed.std[2] == 0.125f);
    const struct cnn_augmentation *a = settings.augmentation;
    assert_string_equal(a->type->variant.name, "flip");
    assert_string_equal(a->next->type->variant.name, "crop");
    assert_string_equal(a->next->next->type->variant.name, "crop");
    assert_null(a->next->next->next);
    assert_true(settings.val_split == 0.25 && settings.limit == 7 && !settings.shuffle);
    assert_int_equal(read_text(*state, "dataset: folder\nnormalize: auto"), CNN_OK);
    assert_true(settings.normalize_auto);
    assert_int_equal(read_text(*state, "dataset: folder\nnormalize: none\naugment: []"), CNN_OK);
    assert_true(!settings.normalize_auto && settings.fixed.channels == 0 && !settings.augmentation);
}

static void test_mistakes_are_reported_at_their_places(void **state)
{
    expect_mistake(*state, "dataset: cifar", 1, "cifar");
    expect_mistake(*state, "path: x", 1, "dataset");
    expect_mistake(*state, "dataset: mnist\nnormalize: automatic", 2, "automatic");
    expect_mistake(*state, "dataset: mnist\nnormalize: {mean: [0.5], std: [1, 1, 1]}", 2,
                   "mean has 1 number, the network's input has 3 channels");
    expect_mistake(*state, "dataset: mnist\nnormalize:\n  mean: [0.5, 0.5, 0.5]\n  std: [1, 0, 1]",
                   4, "0");
    expect_mistake(*state, "dataset: mnist\nnormalize:\n  mean: [125, 120, 110]\n  std: [1, 1, 1]",
                   3, "125");
    expect_mistake(*state, "dataset: mnist\nnormalize: {mean: [0, 0, 0]}", 2, "std");
    expect_mistake(*state, "dataset: mnist\naugment: flip", 2, "must be a list");
    expect_mistake(*state, "dataset: mnist\naugment:\n  - flip\n  - {type: crop, padding: 16}", 4,
                   "padding 16");
    expect_mistake(*state, "dataset: mnist\naugment: [{type: rotate}]", 2, "rotate");
    expect_mistake(*state, "dataset: mnist\nval_split: 1", 2, "val_split");
}

/* ---- normalisation ---- */

static void test_values_are_scaled_when_normalised(void **state)
{
    (void)state;
    const struct cnn_normalization normalization = {3, {0.5f, 0, 0.25f}, {0.25f, 1, 0.5f}};
    const uint8_t bytes[6] = {0, 0, 0, 255, 51, 255};
    const float want[6] = {-2, 0, -0.5f, 2, 0.2f, 1.5f};
    float out[6];
    cnn_normalize(&normalization, bytes, 2, out);
    for (size_t i = 0; i < 6; i++)
        assert_true(fabsf(out[i] - want[i]) < 1e-6f);
}

/* ---- splits ---- */

static struct cnn_dataset *open_split(const struct cnn_data_settings *from, const char *path,
                                      enum cnn_split split, uint64_t seed, enum cnn_split want)
{
    struct cnn_dataset *dataset;
    enum cnn_split used;
    assert_int_equal(
        cnn_dataset_open(
            from,
            &(struct cnn_data_choice){.input = shape, .path = path, .split = split, .seed = seed},
            &dataset, &used, NULL),
        CNN_OK);
    assert_int_equal(used, want);
    return dataset;
}

static bool datasets_share_an_image(const struct cnn_dataset *a, const struct cnn_dataset *b)
{
    for (size_t i = 0; i < cnn_dataset_count(a); i++) {
        for (size_t j = 0; j < cnn_dataset_count(b); j++) {
            if (memcmp(cnn_dataset_read(a, i, NULL), cnn_dataset_read(b, j, NULL), 16 * 16 * 3) ==
                0)
                return true;
        }
    }
    return false;
}

static void test_training_and_validation_share_nothing_when_split(void **state)
{
    (void)state;
    const struct cnn_data_settings shapes = {
        .dataset = cnn_dataset_find("shapes"), .val_split = 0.3, .limit = 101};
    struct cnn_dataset *train = open_split(&shapes, NULL, CNN_SPLIT_TRAIN, 1, CNN_SPLIT_TRAIN),
                       *val = open_split(&shapes, NULL, CNN_SPLIT_VAL, 1, CNN_SPLIT_VAL);
    assert_int_equal(cnn_dataset_count(val), 30);
    assert_int_equal(cnn_dataset_count(train), 71);
    assert_false(datasets_share_an_image(train, val));
    assert_int_equal(cnn_dataset_classes(val), 10);
    assert_string_equal(cnn_dataset_class(val, 9), cnn_dataset_class(train, 9));
    cnn_dataset_free(train);
    cnn_dataset_free(val);
}

static void test_every_class_gives_its_share_when_split(void **state)
{
    (void)state;
    const struct cnn_data_settings shapes = {
        .dataset = cnn_dataset_find("shapes"), .val_split = 0.25, .limit = 90};
    for (size_t seed = 1; seed < 6; seed++) {
        struct cnn_dataset *train =
                               open_split(&shapes, NULL, CNN_SPLIT_TRAIN, seed, CNN_SPLIT_TRAIN),
                           *val = open_split(&shapes, NULL, CNN_SPLIT_VAL, seed, CNN_SPLIT_VAL);
        assert_int_equal(cnn_dataset_count(val), 23);
        for (size_t c = 0; c < 10; c++) {
            double all =
                (double)(cnn_dataset_class_count(train, c) + cnn_dataset_class_count(val, c));
            assert_near((double)cnn_dataset_class_count(val, c), 0.25 * all, 0.999);
        }
        cnn_dataset_free(train);
        cnn_dataset_free(val);
    }
}

/* Opens a folder of classes with so many images, divided by val_split; gives how many of each class
 * are held for validation. */
static void expect_held(struct scratch *s, double val_split, const size_t *images, size_t *held)
{
    const struct cnn_data_settings folder = {
        .dataset = cnn_dataset_find("folder"), .path = s->folder, .val_split = val_split};
    size_t classes = 0;
    for (; images[classes] > 0; classes++)
        for (size_t i = 0; i < images[classes]; i++) {
            char name[64];
            snprintf(name, sizeof name, "%zu/%zu.png", classes, i);
            picture_write_plain(scratch_path(s, name), 4, 4, 3, (uint8_t)(16 * classes + i));
        }
    struct cnn_dataset *train = open_split(&folder, NULL, CNN_SPLIT_TRAIN, 1, CNN_SPLIT_TRAIN),
                       *val = open_split(&folder, NULL, CNN_SPLIT_VAL, 1, CNN_SPLIT_VAL);
    for (size_t c = 0; c < classes; c++) {
        held[c] = cnn_dataset_class_count(val, c);
        assert_int_equal(cnn_dataset_class_count(train, c) + held[c], images[c]);
        assert_true(held[c] < images[c]);
    }
    for (size_t i = 0; i < cnn_dataset_count(val); i++)
        for (size_t j = 0; j < cnn_dataset_count(train); j++)
            assert_string_not_equal(cnn_dataset_path(val, i), cnn_dataset_path(train, j));
    cnn_dataset_free(train);
    cnn_dataset_free(val);
}

static void test_every_class_keeps_an_image_when_split(void **state)
{
    size_t held[8];
    expect_held(*state, 0.3, (size_t[]){1, 1, 1, 1, 10, 1, 2, 0}, held);
    assert_int_equal(held[4], 3);
    expect_held(*state, 0.99, (size_t[]){1, 1, 1, 1, 10, 1, 2, 0}, held);
    assert_int_equal(held[4], 9);
    assert_int_equal(held[6], 1);
}

/* The share of each is less than half an image, that of all is one: one of the two gives it. */
static void test_the_largest_class_gives_an_image_when_none_would(void **state)
{
    size_t held[8];
    expect_held(*state, 0.1, (size_t[]){1, 1, 1, 1, 1, 1, 3, 0}, held);
    assert_int_equal(held[6], 1);
    expect_held(*state, 0.1, (size_t[]){4, 1, 1, 1, 1, 1, 3, 0}, held);
    assert_int_equal(held[0] + held[6], 1);
}

static void test_dividing_fails_when_it_leaves_none(void **state)
{
    struct scratch *s = *state;
    struct cnn_data_settings folder = {
        .dataset = cnn_dataset_find("folder"), .path = s->folder, .val_split = 0.5};
    struct cnn_dataset *dataset;
    enum cnn_split used;
    for (size_t i = 0; i < 4; i++) {
        char name[64];
        snprintf(name, sizeof name, "%zu/1.png", i);
        picture_write_plain(scratch_path(s, name), 4, 4, 3, 1);
    }
    assert_int_equal(
        cnn_dataset_open(
            &folder, &(struct cnn_data_choice){.input = shape, .split = CNN_SPLIT_TRAIN, .seed = 1},
            &dataset, &used, s->diag),
        CNN_INVALID);
    assert_string_equal(cnn_diag_get(s->diag, 0)->text,
                        "val_split 0.5 of 4 images leaves none for validation");
}

static void test_labels_stay_with_their_images_when_split(void **state)
{
    (void)state;
    const struct cnn_data_settings all = {.dataset = cnn_dataset_find("shapes"), .limit = 60},
                                   split = {.dataset = cnn_dataset_find("shapes"),
                                            .limit = 60,
                                            .val_split = 0.5};
    struct cnn_dataset *whole = open_split(&all, NULL, CNN_SPLIT_TRAIN, 1, CNN_SPLIT_TRAIN),
                       *part = open_split(&split, NULL, CNN_SPLIT_VAL, 1, CNN_SPLIT_VAL);
    size_t found = 0;
    for (size_t i = 0; i < cnn_dataset_count(whole) && found < cnn_dataset_count(part); i++) {
        if (memcmp(cnn_dataset_read(whole, i, NULL), cnn_dataset_read(part, found, NULL),
                   16 * 16 * 3) == 0)
            assert_int_equal(cnn_dataset_label(whole, i), cnn_dataset_label(part, found++));
    }
    assert_int_equal(found, 30);
    cnn_dataset_free(whole);
    cnn_dataset_free(part);
}

static void test_validation_uses_the_test_images_when_nothing_is_split(void **state)
{
    (void)state;
    const struct cnn_data_settings shapes = {.dataset = cnn_dataset_find("shapes"), .limit = 20};
    struct cnn_dataset *train = open_split(&shapes, NULL, CNN_SPLIT_TRAIN, 1, CNN_SPLIT_TRAIN),
                       *val = open_split(&shapes, NULL, CNN_SPLIT_VAL, 1, CNN_SPLIT_TEST);
    assert_int_equal(cnn_dataset_count(train), 20);
    assert_int_equal(cnn_dataset_count(val), 4000);
    cnn_dataset_free(train);
    cnn_dataset_free(val);
}

static void test_opening_fails_when_a_split_would_be_empty(void **state)
{
    struct scratch *s = *state;
    const struct cnn_data_settings little = {
        .dataset = cnn_dataset_find("shapes"), .limit = 10, .val_split = 0.01};
    struct cnn_dataset *dataset;
    enum cnn_split used;
    assert_int_equal(
        cnn_dataset_open(
            &little, &(struct cnn_data_choice){.input = shape, .split = CNN_SPLIT_TRAIN, .seed = 1},
            &dataset, &used, s->diag),
        CNN_INVALID);
    assert_string_equal(cnn_diag_get(s->diag, 0)->text,
                        "val_split 0.01 of 10 images leaves none for validation");
}

static void add_images(struct scratch *s, const char *folder, size_t count, uint8_t value)
{
    for (size_t i = 0; i < count; i++) {
        char name[64];
        snprintf(name, sizeof name, "%s/%c/%zu.png", folder, i % 2 ? 'b' : 'a', i);
        picture_write_plain(scratch_path(s, name), 16, 16, 3, (uint8_t)(value + i));
    }
}

static void expect_split(struct scratch *s, double val_split, enum cnn_split split,
                         enum cnn_split used, size_t count)
{
    const struct cnn_data_settings folder = {
        .dataset = cnn_dataset_find("folder"), .path = s->folder, .val_split = val_split};
    struct cnn_dataset *dataset = open_split(&folder, NULL, split, 1, used);
    assert_int_equal(cnn_dataset_count(dataset), count);
    cnn_dataset_free(dataset);
}

static void test_folder_splits_fall_back_when_some_are_missing(void **state)
{
    struct scratch *s = *state;
    const struct cnn_data_settings folder = {.dataset = cnn_dataset_find("folder"),
                                             .path = s->folder};
    struct cnn_dataset *dataset;
    enum cnn_split used;
    add_images(s, ".", 10, 0);
    expect_split(s, 0.2, CNN_SPLIT_TRAIN, CNN_SPLIT_TRAIN, 8);
    expect_split(s, 0.2, CNN_SPLIT_VAL, CNN_SPLIT_VAL, 2);
    expect_split(s, 0.2, CNN_SPLIT_TEST, CNN_SPLIT_VAL, 2);
    expect_split(s, 0, CNN_SPLIT_TRAIN, CNN_SPLIT_TRAIN, 10);
    scratch_expect(s,
                   cnn_dataset_open(
                       &folder,
                       &(struct cnn_data_choice){.input = shape, .split = CNN_SPLIT_VAL, .seed = 1},
                       &dataset, &used, s->diag),
                   "DIR has no images for validation");
    add_images(s, "train", 20, 0);
    add_images(s, "test", 4, 100);
    expect_split(s, 0, CNN_SPLIT_VAL, CNN_SPLIT_TEST, 4);
    expect_split(s, 0.2, CNN_SPLIT_VAL, CNN_SPLIT_VAL, 4);
    expect_split(s, 0.2, CNN_SPLIT_TEST, CNN_SPLIT_TEST, 4);
    add_images(s, "val", 6, 200);
    expect_split(s, 0.2, CNN_SPLIT_TRAIN, CNN_SPLIT_TRAIN, 20);
    expect_split(s, 0.2, CNN_SPLIT_VAL, CNN_SPLIT_VAL, 6);
}

static void test_the_given_path_wins_when_the_settings_have_one_too(void **state)
{
    struct scratch *s = *state;
    const struct cnn_data_settings folder = {.dataset = cnn_dataset_find("folder"),
                                             .path = "no/such/folder"};
    add_images(s, "x", 2, 0);
    struct cnn_dataset *dataset =
        open_split(&folder, scratch_path(s, "x"), CNN_SPLIT_TRAIN, 1, CNN_SPLIT_TRAIN);
    assert_int_equal(cnn_dataset_count(dataset), 2);
    cnn_dataset_free(dataset);
}

static void test_the_default_place_is_used_when_no_path_is_given(void **state)
{
    struct scratch *s = *state;
    const struct cnn_data_settings mnist = {.dataset = cnn_dataset_find("mnist")},
                                   folder = {.dataset = cnn_dataset_find("folder")};
    struct cnn_dataset *dataset;
    enum cnn_split used;
    assert_int_equal(setenv("CNN_DATA", s->folder, 1), 0);
    assert_int_equal(cnn_dataset_open(&mnist,
                                      &(struct cnn_data_choice){.input = (cnn_shape){3, 1, 28, 28},
                                                                .split = CNN_SPLIT_TRAIN,
                                                                .seed = 1},
                                      &dataset, &used, s->diag),
                     CNN_FAILED);
    assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, scratch_path(s, "mnist")));
    assert_int_equal(unsetenv("CNN_DATA"), 0);
    cnn_diag_clear(s->diag);
    assert_int_equal(
        cnn_dataset_open(
            &folder, &(struct cnn_data_choice){.input = shape, .split = CNN_SPLIT_TRAIN, .seed = 1},
            &dataset, &used, s->diag),
        CNN_INVALID);
    assert_string_equal(cnn_diag_get(s->diag, 0)->text, "dataset folder needs a path");
}

/* What a format forgets would show as a crash, or as images that are not the user's. */
static void test_every_format_is_whole(void **state)
{
    struct scratch *s = *state;
    const char *empty = scratch_path(s, "empty");
    assert_int_equal(mkdir(empty, 0755), 0);
    for (size_t i = 0; i < cnn_dataset_format_count; i++) {
        const struct cnn_dataset_format *format = cnn_dataset_formats[i];
        const struct cnn_data_request request = {
            .format = format, .path = empty, .split = CNN_SPLIT_TRAIN, .limit = 5, .input = shape};
        struct cnn_images images = {0};
        bool has_files = format->home || format->wants_path;
        assert_string_equal(format->name, cnn_dataset_names[i]);
        assert_int_equal(cnn_dataset_find(format->name), i);
        assert_non_null(format->title);
        assert_non_null(format->read);
        const bool given = strcmp(format->name, "memory") == 0; /* by a program, not here */
        assert_int_equal(has_files + format->drawn + given, 1);
        if (format->home)
            assert_true(format->home->address && format->home->size &&
                        !format->home->fetch == (format->home->checksum != NULL));
        cnn_diag_clear(s->diag);
        assert_int_equal(format->read(&request, &images, s->diag), has_files ? CNN_FAILED
                                                                   : given   ? CNN_INVALID
                                                                             : CNN_OK);
        assert_int_equal(cnn_diag_count(s->diag) > 0, !format->drawn);
        cnn_images_free(&images);
    }
    assert_int_equal(cnn_dataset_find("shape"), -1);
}

static void test_statistics_are_those_of_all_pixels(void **state)
{
    struct scratch *s = *state;
    const struct cnn_data_settings folder = {.dataset = cnn_dataset_find("folder"),
                                             .path = s->folder};
    uint8_t pixels[16 * 16 * 3];
    for (size_t i = 0; i < 256; i++) {
        pixels[3 * i] = (uint8_t)(i % 2 ? 255 : 0);
        pixels[3 * i + 1] = 51;
        pixels[3 * i + 2] = (uint8_t)i;
    }
    picture_write(scratch_path(s, "a/1.png"), 16, 16, 3, pixels);
    picture_write(scratch_path(s, "b/1.png"), 16, 16, 3, pixels);
    struct cnn_dataset *dataset = open_split(&folder, NULL, CNN_SPLIT_TRAIN, 1, CNN_SPLIT_TRAIN);
    struct cnn_normalization n;
    assert_int_equal(cnn_dataset_statistics(dataset, &n, s->diag), CNN_OK);
    /* sqrt((256^2 - 1) / 12) / 255; a constant channel is not divided */
    const float mean[3] = {0.5f, 0.2f, 0.5f}, std[3] = {0.5f, 1, 0.2898050f};
    assert_int_equal(n.channels, 3);
    for (size_t c = 0; c < 3; c++)
        assert_true(fabsf(n.mean[c] - mean[c]) < 1e-6f && fabsf(n.std[c] - std[c]) < 1e-6f);
    cnn_dataset_free(dataset);
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)
#define WITH_ARENA(test)  cmocka_unit_test_setup_teardown(test, arena_setup, arena_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_ARENA(test_settings_have_defaults_when_only_the_data_set_is_named),
        WITH_ARENA(test_settings_are_read_when_all_are_given),
        WITH_ARENA(test_mistakes_are_reported_at_their_places),
        cmocka_unit_test(test_values_are_scaled_when_normalised),
        cmocka_unit_test(test_training_and_validation_share_nothing_when_split),
        cmocka_unit_test(test_every_class_gives_its_share_when_split),
        cmocka_unit_test_setup_teardown(test_every_class_keeps_an_image_when_split, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_the_largest_class_gives_an_image_when_none_would,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_dividing_fails_when_it_leaves_none, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test(test_labels_stay_with_their_images_when_split),
        cmocka_unit_test(test_validation_uses_the_test_images_when_nothing_is_split),
        WITH_FOLDER(test_opening_fails_when_a_split_would_be_empty),
        WITH_FOLDER(test_folder_splits_fall_back_when_some_are_missing),
        WITH_FOLDER(test_the_given_path_wins_when_the_settings_have_one_too),
        WITH_FOLDER(test_the_default_place_is_used_when_no_path_is_given),
        WITH_FOLDER(test_every_format_is_whole),
        WITH_FOLDER(test_statistics_are_those_of_all_pixels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
