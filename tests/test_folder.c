/* Folders of images: which splits they have, classes and their order, limits, and files that cannot
 * be read. */
#include "scratch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/image.h"
#include "datasets.h"
#include "pictures.h"
#include "util/file.h"

static cnn_status folder_splits(const char *path, bool has[3], cnn_diag *diag)
{
    return cnn_dataset_format_folder.splits(&(struct cnn_data_request){.path = path}, has, diag);
}

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

static void add_file(struct scratch *s, const char *name)
{
    char folder[256];
    snprintf(folder, sizeof folder, "%s", scratch_path(s, name));
    *strrchr(folder, '/') = '\0';
    assert_int_equal(cnn_make_directories(folder, NULL), CNN_OK);
    scratch_write(s, name, "x", 1);
}

static struct cnn_images read_split(struct scratch *s, enum cnn_split split, size_t limit)
{
    struct cnn_images images;
    assert_int_equal(dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_folder,
                                                             .path = s->folder,
                                                             .split = split,
                                                             .limit = limit,
                                                             .input = shape},
                                  &images, s->diag),
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
    assert_int_equal(folder_splits(s->folder, has, s->diag), CNN_OK);
    assert_int_equal(has[CNN_SPLIT_TRAIN], train);
    assert_int_equal(has[CNN_SPLIT_VAL], val);
    assert_int_equal(has[CNN_SPLIT_TEST], test);
}

static void expect_refused(struct scratch *s, enum cnn_split split, const char *text)
{
    struct cnn_images images;
    scratch_expect(s,
                   dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_folder,
                                                           .path = s->folder,
                                                           .split = split,
                                                           .input = shape},
                                &images, s->diag),
                   text);
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

/* DIR stands for the folder; behind ... anything may follow. */
static void expect_text(const struct scratch *s, const char *text, const char *expected)
{
    char shown[2048] = "";
    const char *rest = text, *dots = strstr(expected, "...");
    for (const char *found; (found = strstr(rest, s->folder)); rest = found + strlen(s->folder)) {
        strncat(shown, rest, (size_t)(found - rest));
        strcat(shown, "DIR");
    }
    strncat(shown, rest, sizeof shown / 2);
    if (dots)
        assert_memory_equal(shown, expected, (size_t)(dots - expected));
    else
        assert_string_equal(shown, expected);
}

static const cnn_message *message(struct scratch *s, size_t i)
{
    const cnn_message *found = cnn_diag_get(s->diag, i);
    assert_non_null(found);
    return found;
}

static void expect_warning(struct scratch *s, size_t i, const char *text, const char *hint)
{
    assert_true(message(s, i)->warning);
    expect_text(s, message(s, i)->text, text);
    if (hint)
        assert_non_null(strstr(message(s, i)->hint, hint));
    else
        assert_null(message(s, i)->hint);
}

/* Hidden files are the system's own, but for those that are named like pictures. */
static void test_other_files_are_counted_when_they_are_passed_over(void **state)
{
    struct scratch *s = *state;
    add_image(s, "a/1.png", 11);
    add_image(s, "a/.hidden.png", 99);
    add_image(s, ".cache/1.png", 99);
    add_file(s, "a/.DS_Store");
    add_file(s, "a/1.HEIC");
    add_file(s, "a/2.heic");
    add_file(s, "a/3.Gif");
    add_file(s, "a/notes");
    add_image(s, "b/1.png", 21);
    add_file(s, "b/4.heic");
    add_file(s, "README.md");
    struct cnn_images images = read_split(s, CNN_SPLIT_TRAIN, 0);
    assert_int_equal(images.class_count, 2);
    expect_images(&images, 2, (uint8_t[]){11, 21}, (uint16_t[]){0, 1});
    assert_int_equal(cnn_diag_count(s->diag), 1);
    expect_warning(s, 0,
                   "8 files in DIR are passed over (3 .heic, 1 .gif, 1 .md, 1 hidden, 1 hidden "
                   "folder, 1 no ending), for example DIR/a/1.HEIC",
                   "convert");
    assert_non_null(strstr(message(s, 0)->hint, ".png"));
}

static void test_images_belong_to_the_class_when_they_lie_deeper(void **state)
{
    struct scratch *s = *state;
    add_image(s, "a/2.png", 12);
    add_image(s, "a/10/1.png", 14);
    add_image(s, "a/9/x/1.png", 13);
    add_image(s, "a/9/.ipynb_checkpoints/1.png", 99);
    add_image(s, "b/y/1.png", 21);
    add_file(s, "b/y/z.txt");
    assert_int_equal(symlink("..", scratch_path(s, "b/y/up")), 0); /* leads back */
    struct cnn_images images = read_split(s, CNN_SPLIT_TRAIN, 0);
    assert_int_equal(images.class_count, 2);
    expect_images(&images, 4, (uint8_t[]){12, 21, 13, 14}, (uint16_t[]){0, 1, 0, 0});
    assert_int_equal(cnn_diag_count(s->diag), 2);
    expect_warning(s, 0,
                   "3 of 4 images in DIR lie in folders inside the class folders, for example "
                   "DIR/a/9/x; each belongs to the class whose folder it is in",
                   NULL);
    expect_warning(s, 1,
                   "2 files in DIR are passed over (1 .txt, 1 hidden folder), for example "
                   "DIR/b/y/z.txt",
                   NULL);
}

/* Two folders of splits that are called otherwise look like two classes. */
static void test_the_names_of_splits_are_hinted_at_when_all_images_lie_deeper(void **state)
{
    struct scratch *s = *state;
    add_image(s, "trn/a/1.png", 1);
    add_image(s, "trn/b/1.png", 2);
    add_image(s, "tst/a/1.png", 3);
    struct cnn_images images = read_split(s, CNN_SPLIT_TRAIN, 0);
    expect_images(&images, 3, (uint8_t[]){1, 3, 2}, (uint16_t[]){0, 1, 0});
    expect_warning(s, 0, "3 of 3 images in DIR lie in folders inside...", "called train");
}

/* Nothing but a file is opened: not a pipe, which would wait, and no link to nowhere. */
static void test_what_is_no_file_is_passed_over(void **state)
{
    struct scratch *s = *state;
    add_image(s, "a/1.png", 1);
    add_image(s, "b/1.png", 2);
    assert_int_equal(mkfifo(scratch_path(s, "a/2.png"), 0600), 0);
    assert_int_equal(symlink("/dev/zero", scratch_path(s, "a/3.png")), 0);
    assert_int_equal(symlink("gone", scratch_path(s, "a/4.png")), 0);
    assert_int_equal(symlink("1.png", scratch_path(s, "b/2.png")), 0); /* this is one */
    struct cnn_images images = read_split(s, CNN_SPLIT_TRAIN, 0);
    expect_images(&images, 3, (uint8_t[]){1, 2, 2}, (uint16_t[]){0, 1, 1});
    expect_warning(s, 0, "3 files in DIR are passed over (3 no file), for example DIR/a/2.png",
                   NULL);
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

static void test_splits_are_found_when_they_are_spelled_otherwise(void **state)
{
    struct scratch *s = *state;
    static const char *const names[][3] = {{"Train", "Valid", "TEST"},
                                           {"training", "validation", "testing"},
                                           {"TRAINING", "VAL", "Testing"}};
    for (size_t i = 0; i < 3; i++) {
        char root[8], name[64];
        snprintf(root, sizeof root, "%zu", i);
        for (uint8_t split = 0; split < 3; split++) {
            snprintf(name, sizeof name, "%s/%s/a/1.png", root, names[i][split]);
            add_image(s, name, (uint8_t)(10 * split));
        }
        for (uint8_t split = 0; split < 3; split++) {
            struct cnn_images images;
            assert_int_equal(
                dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_folder,
                                                        .path = scratch_path(s, root),
                                                        .split = (enum cnn_split)split,
                                                        .input = shape},
                             &images, s->diag),
                CNN_OK);
            expect_images(&images, 1, (uint8_t[]){(uint8_t)(10 * split)}, (uint16_t[]){0});
        }
    }
    assert_int_equal(cnn_diag_count(s->diag), 0);
}

static void test_reading_fails_when_a_split_is_there_twice(void **state)
{
    struct scratch *s = *state;
    bool has[3];
    add_image(s, "train/a/1.png", 1);
    add_image(s, "Valid/a/1.png", 1);
    add_image(s, "validation/a/1.png", 1);
    scratch_expect(s, folder_splits(s->folder, has, s->diag),
                   "DIR/Valid and DIR/validation both hold the val images");
}

static void test_other_folders_are_named_when_the_folder_is_divided(void **state)
{
    struct scratch *s = *state;
    add_image(s, "train/a/1.png", 1);
    add_image(s, "holdout/a/1.png", 2);
    add_image(s, "extra/a/1.png", 2);
    add_image(s, "test/1.png", 3); /* not in a class */
    add_image(s, "loose.png", 4);
    add_file(s, "labels.csv");
    expect_splits(s, true, false, false);
    assert_int_equal(cnn_diag_count(s->diag), 0);
    struct cnn_images images = read_split(s, CNN_SPLIT_TRAIN, 0);
    expect_images(&images, 1, (uint8_t[]){1}, (uint16_t[]){0});
    assert_int_equal(cnn_diag_count(s->diag), 3);
    expect_warning(s, 0, "not used, for DIR is divided: DIR/extra, DIR/holdout", "validation");
    expect_warning(s, 1, "not used, for there are no class folders in it: DIR/test",
                   "/test/<class>");
    expect_warning(s, 2, "1 file in DIR is passed over (1 .png), for example DIR/loose.png", NULL);
}

/* A class may be called valid or test. */
static void test_classes_are_classes_when_they_are_named_like_splits(void **state)
{
    struct scratch *s = *state;
    add_image(s, "invalid/2020/1.png", 1);
    add_image(s, "valid/2020/1.png", 2);
    struct cnn_images images = read_split(s, CNN_SPLIT_TRAIN, 0);
    assert_string_equal(images.class_names[1], "valid");
    expect_images(&images, 2, (uint8_t[]){1, 2}, (uint16_t[]){0, 1});
}

static void test_reading_fails_when_there_are_no_class_folders(void **state)
{
    struct scratch *s = *state;
    bool has[3];
    add_image(s, "loose.png", 1);
    scratch_expect(s, folder_splits(s->folder, has, s->diag), "no class folders in DIR");
    scratch_path(s, "missing");
    scratch_expect(s, folder_splits(s->path, has, s->diag),
                   "cannot read the folder DIR/missing: No such file or directory");
    add_image(s, "train/cat.1.png", 1);
    add_image(s, "test/1.png", 1);
    scratch_expect(s, folder_splits(s->folder, has, s->diag),
                   "no class folders in DIR: there are none in DIR/test, DIR/train");
}

static void test_folders_are_no_classes_when_they_hold_no_images(void **state)
{
    struct scratch *s = *state;
    add_image(s, "a/1.png", 1);
    add_image(s, "c/1.png", 3);
    assert_int_equal(cnn_make_directories(scratch_path(s, "b"), NULL), CNN_OK);
    add_file(s, "__MACOSX/a/._1.png");
    struct cnn_images images = read_split(s, CNN_SPLIT_TRAIN, 0);
    assert_string_equal(images.class_names[1], "c");
    expect_images(&images, 2, (uint8_t[]){1, 3}, (uint16_t[]){0, 1});
    assert_int_equal(cnn_diag_count(s->diag), 2);
    expect_warning(s, 0, "no images in DIR/__MACOSX, DIR/b", NULL);
    expect_warning(
        s, 1, "1 file in DIR is passed over (1 hidden), for example DIR/__MACOSX/a/._1.png", NULL);
}

static void test_reading_fails_when_no_folder_holds_images(void **state)
{
    struct scratch *s = *state;
    add_file(s, "a/1.heic");
    struct cnn_images images;
    assert_int_equal(dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_folder,
                                                             .path = s->folder,
                                                             .split = CNN_SPLIT_TRAIN,
                                                             .input = shape},
                                  &images, s->diag),
                     CNN_FAILED);
    expect_warning(s, 1, "1 file in DIR is passed over (1 .heic), for example DIR/a/1.heic",
                   "convert");
    expect_text(s, message(s, 2)->text, "no images in the folders of DIR");
}

static void test_labels_are_those_of_training_when_a_split_lacks_classes(void **state)
{
    struct scratch *s = *state;
    add_image(s, "train/a/1.png", 1);
    add_image(s, "train/b/1.png", 1);
    add_image(s, "train/c/1.png", 1);
    add_image(s, "train/d/1.png", 1);
    add_image(s, "test/b/1.png", 7);
    add_image(s, "test/d/1.png", 8);
    assert_int_equal(cnn_make_directories(scratch_path(s, "test/c"), NULL), CNN_OK);
    struct cnn_images images = read_split(s, CNN_SPLIT_TEST, 0);
    assert_int_equal(images.class_count, 4);
    assert_string_equal(images.class_names[3], "d");
    expect_images(&images, 2, (uint8_t[]){7, 8}, (uint16_t[]){1, 3});
    assert_int_equal(cnn_diag_count(s->diag), 1);
    expect_warning(s, 0, "DIR/test has no images of 2 of 4 classes: a, c", NULL);
}

static void test_reading_fails_when_a_split_has_other_classes(void **state)
{
    struct scratch *s = *state;
    add_image(s, "train/a/1.png", 1);
    add_image(s, "train/b/1.png", 1);
    add_image(s, "val/a/1.png", 1);
    add_image(s, "val/aa/1.png", 1);
    expect_refused(s, CNN_SPLIT_VAL,
                   "DIR/val has images of a class 'aa', of which DIR/train has none");
}

/* Nothing of a folder that cannot be seen whole is replaced by something else. */
static void test_reading_fails_when_a_folder_is_not_text(void **state)
{
    struct scratch *s = *state;
    add_image(s, "train/a/1.png", 1);
    add_image(s, "val/\xc3(/1.png", 1);
    add_image(s, "test/a/1.png", 1);
    expect_splits(s, true, true, true);
    expect_refused(s, CNN_SPLIT_VAL, "the name of the folder DIR/val/\xc3( is not UTF-8 text");
    assert_int_equal(cnn_make_directories(scratch_path(s, "flat/a"), NULL), CNN_OK);
    assert_int_equal(cnn_make_directories(scratch_path(s, "flat/\x80"), NULL), CNN_OK);
    struct cnn_images images;
    scratch_path(s, "flat");
    scratch_expect(s,
                   dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_folder,
                                                           .path = s->path,
                                                           .split = CNN_SPLIT_TRAIN,
                                                           .input = shape},
                                &images, s->diag),
                   "the name of the folder DIR/flat/\x80 is not UTF-8 text");
    /* a file's name is only a path */
    add_image(s, "files/a/\xff.png", 5);
    assert_int_equal(dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_folder,
                                                             .path = scratch_path(s, "files"),
                                                             .split = CNN_SPLIT_TRAIN,
                                                             .input = shape},
                                  &images, s->diag),
                     CNN_OK);
    expect_images(&images, 1, (uint8_t[]){5}, (uint16_t[]){0});
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
    assert_non_null(strstr(cnn_diag_get(s->diag, 0)->text, "a/100.png: not a PNG, JPEG"));
    assert_non_null(strstr(cnn_diag_get(s->diag, 1)->text, "1 of 200 images in"));
}

static void test_reading_fails_when_many_images_are_unreadable(void **state)
{
    struct scratch *s = *state;
    struct cnn_images images;
    add_many(s, 15);
    assert_int_equal(dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_folder,
                                                             .path = s->folder,
                                                             .split = CNN_SPLIT_TRAIN,
                                                             .input = shape},
                                  &images, s->diag),
                     CNN_FAILED);
    assert_int_equal(cnn_diag_errors(s->diag), 1);
    assert_int_equal(cnn_diag_count(s->diag), 11); /* ten by name */
    assert_non_null(strstr(cnn_diag_get(s->diag, 10)->text, "15 of 200 images in"));
    assert_non_null(strstr(cnn_diag_get(s->diag, 10)->text, "too many"));
    cnn_diag_clear(s->diag);
    assert_int_equal(dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_folder,
                                                             .path = s->folder,
                                                             .split = CNN_SPLIT_TRAIN,
                                                             .input = shape,
                                                             .any_damage = true},
                                  &images, s->diag),
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
    assert_int_equal(dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_folder,
                                                             .path = s->folder,
                                                             .split = CNN_SPLIT_TRAIN,
                                                             .input = wanted},
                                  &images, s->diag),
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
        WITH_FOLDER(test_other_files_are_counted_when_they_are_passed_over),
        WITH_FOLDER(test_images_belong_to_the_class_when_they_lie_deeper),
        WITH_FOLDER(test_the_names_of_splits_are_hinted_at_when_all_images_lie_deeper),
        WITH_FOLDER(test_what_is_no_file_is_passed_over),
        WITH_FOLDER(test_splits_are_found_when_the_folder_is_divided),
        WITH_FOLDER(test_a_class_named_train_is_a_class_when_images_are_in_it),
        WITH_FOLDER(test_splits_are_found_when_they_are_spelled_otherwise),
        WITH_FOLDER(test_reading_fails_when_a_split_is_there_twice),
        WITH_FOLDER(test_other_folders_are_named_when_the_folder_is_divided),
        WITH_FOLDER(test_classes_are_classes_when_they_are_named_like_splits),
        WITH_FOLDER(test_reading_fails_when_there_are_no_class_folders),
        WITH_FOLDER(test_folders_are_no_classes_when_they_hold_no_images),
        WITH_FOLDER(test_reading_fails_when_no_folder_holds_images),
        WITH_FOLDER(test_labels_are_those_of_training_when_a_split_lacks_classes),
        WITH_FOLDER(test_reading_fails_when_a_split_has_other_classes),
        WITH_FOLDER(test_reading_fails_when_a_folder_is_not_text),
        WITH_FOLDER(test_unreadable_images_are_left_out_when_few),
        WITH_FOLDER(test_reading_fails_when_many_images_are_unreadable),
        WITH_FOLDER(test_the_sizes_of_the_pictures_are_noted),
        WITH_FOLDER(test_reading_fails_when_the_images_cannot_be_brought_to_the_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
