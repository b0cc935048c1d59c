/* Folders of images: which splits they have, classes and their order, limits, and files that cannot
 * be read. */
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/folder.h"
#include "data/image.h"
#include "pictures.h"
#include "util/file.h"

static const cnn_shape shape = {3, 1, 4, 4};

/* Grey images of one value in FOLDER/name. */
static void add_image(struct scratch *s, const char *name, uint8_t value)
{
    picture_write_plain(scratch_path(s, name), 4, 4, 1, value);
}

static void add_bad(struct scratch *s, const char *name)
{
    scratch_write(s, name, "no image", 8);
}

static struct cnn_images read_split(struct scratch *s, enum cnn_split split, size_t limit)
{
    struct cnn_images images;
    assert_int_equal(cnn_folder_read(s->folder, split, limit, shape, false, &images, s->diag),
                     CNN_OK);
    return images;
}

static uint8_t value_of(const struct cnn_images *images, size_t i)
{
    uint8_t pixels[16];
    assert_int_equal(cnn_image_read(images->files[i].path, shape, pixels, NULL), CNN_OK);
    assert_int_equal(pixels[0], pixels[15]);
    return pixels[0];
}

static void expect_images(struct cnn_images *images, size_t count, const uint8_t *values,
                          const uint16_t *labels)
{
    assert_int_equal(images->count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(value_of(images, i), values[i]);
        assert_int_equal(images->labels[i], labels[i]);
    }
    cnn_images_free(images);
}

static void expect_splits(struct scratch *s, bool train, bool val, bool test)
{
    bool has[3];
    assert_int_equal(cnn_folder_splits(s->folder, has, s->diag), CNN_OK);
    assert_int_equal(has[CNN_SPLIT_TRAIN], train);
    assert_int_equal(has[CNN_SPLIT_VAL], val);
    assert_int_equal(has[CNN_SPLIT_TEST], test);
}

static void expect_refused(struct scratch *s, enum cnn_split split, const char *text)
{
    struct cnn_images images;
    scratch_expect(s, cnn_folder_read(s->folder, split, 0, shape, false, &images, s->diag), text);
}

static void test_classes_and_files_are_in_natural_order_when_numbered(void **state)
{
    struct scratch *s = *state;
    add_image(s, "class10/a.png", 100);
    add_image(s, "class2/im10.png", 22);
    add_image(s, "class2/im9.png", 21);
    add_image(s, "Class1/z.BMP.png", 10);
    struct cnn_images images = read_split(s, CNN_SPLIT_TRAIN, 0);
    assert_int_equal(images.class_count, 3);
    assert_string_equal(images.class_names[0], "Class1");
    assert_string_equal(images.class_names[1], "class2");
    assert_string_equal(images.class_names[2], "class10");
    expect_images(&images, 4, (uint8_t[]){10, 21, 100, 22}, (uint16_t[]){0, 1, 2, 1});
}

/* A class whose name is part of another's, or of the path, is still only its folder's. */
static void test_labels_come_from_the_folder_when_names_contain_each_other(void **state)
{
    struct scratch *s = *state;
    add_image(s, "train/cat/dog_1.png", 1);
    add_image(s, "train/cattle/cat.png", 2);
    add_image(s, "train/dog/train.png", 3);
    struct cnn_images images = read_split(s, CNN_SPLIT_TRAIN, 0);
    expect_images(&images, 3, (uint8_t[]){1, 2, 3}, (uint16_t[]){0, 1, 2});
}

static void test_every_class_is_kept_when_a_limit_cuts(void **state)
{
    struct scratch *s = *state;
    add_image(s, "a/1.png", 11);
    add_image(s, "a/2.png", 12);
    add_image(s, "a/3.png", 13);
    add_image(s, "b/1.png", 21);
    add_image(s, "c/1.png", 31);
    add_image(s, "c/2.png", 32);
    struct cnn_images images = read_split(s, CNN_SPLIT_TRAIN, 4);
    expect_images(&images, 4, (uint8_t[]){11, 21, 31, 12}, (uint16_t[]){0, 1, 2, 0});
}

static void test_other_files_are_passed_over(void **state)
{
    struct scratch *s = *state;
    add_image(s, "a/1.png", 11);
    add_image(s, "a/.hidden.png", 99);
    add_image(s, ".cache/1.png", 99);
    add_image(s, "a/deeper/1.png", 99);
    scratch_write(s, "a/notes.txt", "x", 1);
    scratch_write(s, "README.md", "x", 1);
    struct cnn_images images = read_split(s, CNN_SPLIT_TRAIN, 0);
    assert_int_equal(images.class_count, 1);
    expect_images(&images, 1, (uint8_t[]){11}, (uint16_t[]){0});
    assert_int_equal(cnn_diag_count(s->diag), 0);
}

static void test_splits_are_found_when_the_folder_is_divided(void **state)
{
    struct scratch *s = *state;
    add_image(s, "test/a/1.png", 3);
    expect_splits(s, false, false, true);
    add_image(s, "train/a/1.png", 1);
    expect_splits(s, true, false, true);
    add_image(s, "val/a/1.png", 2);
    expect_splits(s, true, true, true);
    for (uint8_t split = 0; split < 3; split++) {
        struct cnn_images images = read_split(s, (enum cnn_split)split, 0);
        expect_images(&images, 1, (uint8_t[]){(uint8_t)(split + 1)}, (uint16_t[]){0});
    }
}

static void test_a_class_named_train_is_a_class_when_images_are_in_it(void **state)
{
    struct scratch *s = *state;
    add_image(s, "bus/1.png", 1);
    add_image(s, "train/1.png", 2);
    expect_splits(s, true, false, false);
    struct cnn_images images = read_split(s, CNN_SPLIT_TRAIN, 0);
    assert_string_equal(images.class_names[1], "train");
    expect_images(&images, 2, (uint8_t[]){1, 2}, (uint16_t[]){0, 1});
}

static void test_reading_fails_when_there_are_no_class_folders(void **state)
{
    struct scratch *s = *state;
    bool has[3];
    add_image(s, "loose.png", 1);
    scratch_expect(s, cnn_folder_splits(s->folder, has, s->diag), "no class folders in DIR");
    scratch_path(s, "missing");
    scratch_expect(s, cnn_folder_splits(s->path, has, s->diag),
                   "cannot read the folder DIR/missing: No such file or directory");
}

static void test_reading_fails_when_a_class_folder_is_empty(void **state)
{
    struct scratch *s = *state;
    add_image(s, "a/1.png", 1);
    assert_int_equal(cnn_make_directories(scratch_path(s, "b"), NULL), CNN_OK);
    expect_refused(s, CNN_SPLIT_TRAIN, "no images in the class folder DIR/b");
}

static void test_reading_fails_when_the_splits_have_other_classes(void **state)
{
    struct scratch *s = *state;
    add_image(s, "train/a/1.png", 1);
    add_image(s, "train/b/1.png", 1);
    add_image(s, "test/a/1.png", 1);
    expect_refused(s, CNN_SPLIT_TEST, "DIR/test has no class 'b', which DIR/train has");
    add_image(s, "test/b/1.png", 1);
    add_image(s, "test/c/1.png", 1);
    expect_refused(s, CNN_SPLIT_TEST, "DIR/test has a class 'c', which DIR/train has not");
}

/* 200 image files in two classes, `bad` of which are no images. */
static void add_many(struct scratch *s, size_t bad)
{
    for (size_t i = 0; i < 200; i++) {
        char name[32];
        snprintf(name, sizeof name, "%c/%zu.png", i % 2 ? 'b' : 'a', i);
        add_image(s, name, (uint8_t)i);
        if (i >= 100 && i < 100 + bad)
            add_bad(s, name);
    }
}

static void test_unreadable_images_are_left_out_when_few(void **state)
{
    struct scratch *s = *state;
    add_many(s, 1);
    struct cnn_images images = read_split(s, CNN_SPLIT_TRAIN, 0);
    assert_int_equal(images.count, 199);
    for (size_t i = 0, value = 0; i < 199; i++, value++) {
        value += value == 100;
        assert_int_equal(value_of(&images, i), value);
        assert_int_equal(images.labels[i], value % 2);
    }
    cnn_images_free(&images);
    assert_int_equal(cnn_diag_errors(s->diag), 0);
    assert_int_equal(cnn_diag_count(s->diag), 2);
    assert_non_null(
        strstr(cnn_diag_get(s->diag, 0)->text, "a/100.png: not a PNG, JPEG or BMP image"));
    assert_non_null(strstr(cnn_diag_get(s->diag, 1)->text, "1 of 200 images in"));
}

static void test_reading_fails_when_many_images_are_unreadable(void **state)
{
    struct scratch *s = *state;
    struct cnn_images images;
    add_many(s, 15);
    assert_int_equal(cnn_folder_read(s->folder, CNN_SPLIT_TRAIN, 0, shape, false, &images, s->diag),
                     CNN_FAILED);
    assert_int_equal(cnn_diag_errors(s->diag), 1);
    assert_int_equal(cnn_diag_count(s->diag), 11); /* ten by name */
    assert_non_null(strstr(cnn_diag_get(s->diag, 10)->text, "15 of 200 images in"));
    assert_non_null(strstr(cnn_diag_get(s->diag, 10)->text, "more than 1 %"));
    cnn_diag_clear(s->diag);
    assert_int_equal(cnn_folder_read(s->folder, CNN_SPLIT_TRAIN, 0, shape, true, &images, s->diag),
                     CNN_OK);
    assert_int_equal(images.count, 185);
    assert_int_equal(images.left_out_count, 15);
    cnn_images_free(&images);
}

static void test_the_sizes_of_the_pictures_are_noted(void **state)
{
    struct scratch *s = *state;
    picture_write_plain(scratch_path(s, "a/wide.png"), 31, 7, 3, 50);
    picture_write_plain(scratch_path(s, "b/tall.bmp"), 5, 40, 3, 150);
    struct cnn_images images = read_split(s, CNN_SPLIT_TRAIN, 0);
    assert_true(images.files[0].width == 31 && images.files[0].height == 7);
    assert_true(images.files[1].width == 5 && images.files[1].height == 40);
    expect_images(&images, 2, (uint8_t[]){50, 150}, (uint16_t[]){0, 1});
}

static void expect_unusable(struct scratch *s, cnn_shape wanted, const char *first)
{
    struct cnn_images images;
    assert_int_equal(
        cnn_folder_read(s->folder, CNN_SPLIT_TRAIN, 0, wanted, false, &images, s->diag),
        CNN_FAILED);
    assert_int_equal(cnn_diag_count(s->diag), 3);
    assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, first));
    assert_non_null(strstr(cnn_diag_get(s->diag, 2)->text, "2 of 2 images in"));
    cnn_diag_clear(s->diag);
}

static void test_reading_fails_when_the_images_cannot_be_brought_to_the_size(void **state)
{
    struct scratch *s = *state;
    add_image(s, "a/1.png", 1);
    add_image(s, "b/1.png", 1);
    expect_unusable(s, (cnn_shape){3, 4, 65536, 65536},
                    "a/1.png from 4 x 4 to 65536 x 65536 pixels");
    expect_unusable(s, (cnn_shape){3, 4, SIZE_MAX / 2, 3},
                    "a/1.png from 4 x 4 to 3 x 9223372036854775807 pixels");
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_classes_and_files_are_in_natural_order_when_numbered),
        WITH_FOLDER(test_labels_come_from_the_folder_when_names_contain_each_other),
        WITH_FOLDER(test_every_class_is_kept_when_a_limit_cuts),
        WITH_FOLDER(test_other_files_are_passed_over),
        WITH_FOLDER(test_splits_are_found_when_the_folder_is_divided),
        WITH_FOLDER(test_a_class_named_train_is_a_class_when_images_are_in_it),
        WITH_FOLDER(test_reading_fails_when_there_are_no_class_folders),
        WITH_FOLDER(test_reading_fails_when_a_class_folder_is_empty),
        WITH_FOLDER(test_reading_fails_when_the_splits_have_other_classes),
        WITH_FOLDER(test_unreadable_images_are_left_out_when_few),
        WITH_FOLDER(test_reading_fails_when_many_images_are_unreadable),
        WITH_FOLDER(test_the_sizes_of_the_pictures_are_noted),
        WITH_FOLDER(test_reading_fails_when_the_images_cannot_be_brought_to_the_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
