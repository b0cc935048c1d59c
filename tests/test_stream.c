/* Images that are files: the same bytes however much of them is kept, files that turn out to be
 * damaged, windows cut out of whole pictures, and the data sets and batches made of them. */
#include "draws.h"
#include "scratch.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "data/image.h"
#include "data/loader.h"
#include "data/stream.h"
#include "datasets.h"
#include "pictures.h"
#include "util/arena.h"
#include "util/diag.h"
#include "util/file.h"
#include "util/parallel.h"
#include "util/text.h"

#define SIDE  8
#define BYTES ((size_t)SIDE * SIDE * 3)
#define COUNT 24 /* images, of three classes in turn */

static const cnn_shape shape = {3, 3, SIDE, SIDE};

/* Pixels that differ from image to image and from place to place. */
static void draw(size_t image, size_t side, uint8_t *pixels)
{
    for (size_t i = 0; i < side * side * 3; i++)
        pixels[i] = (uint8_t)(image * 37 + i * i % 251 + i / 7);
}

static const char *image_path(struct scratch *s, size_t image)
{
    char name[32];
    snprintf(name, sizeof name, "%c/%02zu.png", (char)('a' + image % 3), image / 3);
    return scratch_path(s, name);
}

static void add_images(struct scratch *s, size_t side)
{
    uint8_t pixels[4 * BYTES];
    for (size_t i = 0; i < COUNT; i++) {
        draw(i, side, pixels);
        picture_write(image_path(s, i), (int)side, (int)side, 3, pixels);
    }
}

static void damage(struct scratch *s, size_t image)
{
    picture_damage(image_path(s, image));
}

static struct cnn_images list(struct scratch *s)
{
    struct cnn_images images;
    assert_int_equal(dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_folder,
                                                             .path = s->folder,
                                                             .split = CNN_SPLIT_TRAIN,
                                                             .input = shape},
                                  &images, s->diag),
                     CNN_OK);
    assert_int_equal(images.count, COUNT);
    return images;
}

static struct cnn_image_stream *stream_new(const struct cnn_images *images, bool whole,
                                           size_t budget)
{
    struct cnn_image_stream *stream;
    assert_int_equal(cnn_image_stream_new(images, whole, budget, &stream, NULL), CNN_OK);
    return stream;
}

/* That reading `image` gives the pixels of `drawn`; -1: black. */
static void expect_image(struct cnn_image_stream *stream, size_t image, int drawn)
{
    uint8_t buffer[BYTES], want[BYTES] = {0};
    memset(buffer, 1, sizeof buffer);
    if (drawn >= 0)
        draw((size_t)drawn, SIDE, want);
    assert_memory_equal(cnn_image_stream_read(stream, image, buffer), want, BYTES);
}

/* ---- what is kept ---- */

static void test_images_are_the_same_however_many_are_kept(void **state)
{
    struct scratch *s = *state;
    static const size_t budgets[] = {0, 1, BYTES, 5 * BYTES + 7, COUNT * BYTES, SIZE_MAX};
    add_images(s, SIDE);
    struct cnn_images images = list(s);
    for (size_t b = 0; b < 2 * sizeof budgets / sizeof *budgets; b++) {
        struct cnn_image_stream *stream = stream_new(&images, b % 2, budgets[b / 2]);
        for (size_t pass = 0; pass < 2; pass++)
            for (size_t i = 0; i < COUNT; i++)
                expect_image(stream, (i * 7) % COUNT, (int)((i * 7) % COUNT));
        cnn_image_stream_free(stream);
    }
    cnn_images_free(&images);
}

/* Without their files, what was kept is still there: the first five images, in whatever order they
 * were read. */
static void test_the_first_images_that_fit_are_kept(void **state)
{
    struct scratch *s = *state;
    add_images(s, SIDE);
    struct cnn_images images = list(s);
    struct cnn_image_stream *stream = stream_new(&images, false, 6 * BYTES - 1);
    assert_int_equal(cnn_image_stream_room(stream), 5 * BYTES);
    for (size_t i = COUNT; i-- > 0;)
        expect_image(stream, i, (int)i);
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(unlink(image_path(s, i)), 0);
    for (size_t i = 0; i < 5; i++)
        expect_image(stream, i, (int)i);
    expect_image(stream, 5, 2); /* of its class, 2 alone is left */
    expect_image(stream, 6, 0);
    cnn_image_stream_free(stream);
    cnn_images_free(&images);
}

struct reading {
    struct cnn_image_stream *stream;
    bool wrong[CNN_MAX_THREADS];
};

static void read_one(void *context, size_t i, size_t thread)
{
    struct reading *reading = context;
    uint8_t buffer[BYTES], want[BYTES];
    draw(i % COUNT, SIDE, want);
    if (memcmp(cnn_image_stream_read(reading->stream, i % COUNT, buffer), want, BYTES) != 0)
        reading->wrong[thread] = true;
}

static void test_images_are_whole_when_many_threads_read_them_first(void **state)
{
    struct scratch *s = *state;
    add_images(s, SIDE);
    struct cnn_images images = list(s);
    cnn_parallel_set_threads(4);
    for (size_t round = 0; round < 8; round++) {
        struct reading reading = {.stream = stream_new(&images, false, COUNT / 2 * BYTES)};
        cnn_parallel_for(3 * COUNT, read_one, &reading);
        for (size_t t = 0; t < CNN_MAX_THREADS; t++)
            assert_false(reading.wrong[t]);
        cnn_image_stream_free(reading.stream);
    }
    cnn_images_free(&images);
}

/* ---- damaged files ---- */

static void note(void *context, const char *text)
{
    cnn_text_printf(context, "%s\n", text);
}

static void test_the_next_image_of_the_class_stands_in_when_a_file_is_damaged(void **state)
{
    struct scratch *s = *state;
    struct cnn_text told = {0};
    add_images(s, SIDE);
    damage(s, 4);
    damage(s, 22); /* the last of its class */
    damage(s, 1);
    struct cnn_images images = list(s);
    assert_int_equal(cnn_diag_count(s->diag), 0); /* it does not show */
    for (size_t budget = 0; budget < 2; budget++) {
        struct cnn_image_stream *stream = stream_new(&images, false, budget * COUNT * BYTES);
        for (size_t pass = 0; pass < 2; pass++)
            for (size_t i = 0; i < COUNT; i++)
                expect_image(stream, i, i == 4 || i == 1 || i == 22 ? 7 : (int)i);
        assert_int_equal(cnn_image_stream_report(stream, note, &told, s->diag), CNN_OK);
        const char *first = strstr(told.data, "a"), *second = strstr(told.data, "b/00.png"),
                   *third = strstr(told.data, "b/01.png");
        assert_true(first && second && third && second < third &&
                    third < strstr(told.data, "b/07.png"));
        assert_non_null(strstr(told.data, "3 of 24 images are damaged"));
        assert_int_equal(cnn_diag_count(s->diag), 0);
        cnn_text_free(&told);
        /* it was said */
        assert_int_equal(cnn_image_stream_report(stream, note, &told, s->diag), CNN_OK);
        assert_null(told.data);
        cnn_image_stream_free(stream);
    }
    cnn_images_free(&images);
}

/* Ten are let pass, and eleven where they are not more than 1 %; but never more than half. */
static void test_a_pass_fails_when_too_many_files_are_damaged(void **state)
{
    struct scratch *s = *state;
    assert_false(cnn_images_too_damaged(10, 24) || cnn_images_too_damaged(1, 2));
    assert_true(cnn_images_too_damaged(11, 24) && cnn_images_too_damaged(2, 3));
    assert_true(cnn_images_too_damaged(11, 1099) && cnn_images_too_damaged(1, 1));
    assert_false(cnn_images_too_damaged(11, 1100) || cnn_images_too_damaged(0, 1));
    add_images(s, SIDE);
    for (size_t i = 0; i < 11; i++)
        damage(s, i);
    struct cnn_images images = list(s);
    struct cnn_image_stream *stream = stream_new(&images, false, 0);
    uint8_t buffer[BYTES];
    for (size_t i = 0; i < COUNT; i++)
        cnn_image_stream_read(stream, i, buffer);
    assert_int_equal(cnn_image_stream_report(stream, NULL, NULL, s->diag), CNN_FAILED);
    assert_string_equal(cnn_diag_get(s->diag, cnn_diag_count(s->diag) - 1)->text,
                        "11 of 24 images are damaged, too many to go on with");
    cnn_image_stream_free(stream);
    cnn_images_free(&images);
}

static void test_a_black_image_stands_in_when_a_whole_class_is_damaged(void **state)
{
    struct scratch *s = *state;
    add_images(s, SIDE);
    for (size_t i = 2; i < COUNT; i += 3)
        damage(s, i);
    struct cnn_images images = list(s);
    struct cnn_image_stream *stream = stream_new(&images, false, SIZE_MAX);
    expect_image(stream, 5, -1);
    expect_image(stream, 6, 6);
    cnn_image_stream_free(stream);
    cnn_images_free(&images);
}

/* ---- windows ---- */

/* A quarter of the area of a picture of twice the size is a window of the wanted size: its pixels
 * are the picture's own. */
static void test_windows_are_cut_out_of_the_whole_picture(void **state)
{
    struct scratch *s = *state;
    const struct cnn_augmentation *step =
        steps_of("[{type: resized_crop, scale: [0.25, 0.25], ratio: [1, 1]}]");
    const struct cnn_normalization none = {3, {0}, {1, 1, 1}};
    bool places[2 * SIDE][2 * SIDE] = {{false}};
    size_t seen = 0;
    add_images(s, 2 * SIDE);
    struct cnn_images images = list(s);
    for (size_t budget = 0; budget < 2; budget++) {
        struct cnn_image_stream *stream = stream_new(&images, true, budget * COUNT / 2 * 4 * BYTES);
        for (size_t epoch = 0; epoch < 8; epoch++)
            for (size_t i = 0; i < COUNT; i++) {
                uint8_t buffer[BYTES], picture[4 * BYTES];
                struct cnn_crop_window window;
                struct cnn_draw drawn = cnn_draw_new(&none, 3, epoch, COUNT, i), same = drawn;
                assert_true(cnn_augment_window(step, 2 * SIDE, 2 * SIDE, &same.rng, &window));
                cnn_image_stream_read_window(stream, i, step, &drawn, buffer);
                draw(i, 2 * SIDE, picture);
                for (size_t y = 0; y < SIDE; y++)
                    assert_memory_equal(buffer + y * SIDE * 3,
                                        picture + ((window.top + y) * 2 * SIDE + window.left) * 3,
                                        SIDE * 3);
                seen += !places[window.top][window.left];
                places[window.top][window.left] = true;
            }
        cnn_image_stream_free(stream);
    }
    assert_true(seen > 50); /* of 81 places */
    cnn_images_free(&images);
}

/* ---- data sets and batches ---- */

static struct cnn_dataset *open_set(struct scratch *s, const struct cnn_data_settings *settings,
                                    enum cnn_split split)
{
    struct cnn_dataset *dataset;
    enum cnn_split used;
    assert_int_equal(
        cnn_dataset_open(
            settings,
            &(struct cnn_data_choice){.input = shape, .path = s->folder, .split = split, .seed = 1},
            &dataset, &used, s->diag),
        CNN_OK);
    return dataset;
}

static size_t find_drawn(const uint8_t *pixels)
{
    uint8_t want[BYTES];
    for (size_t i = 0; i < COUNT; i++) {
        draw(i, SIDE, want);
        if (memcmp(pixels, want, BYTES) == 0)
            return i;
    }
    fail_msg("no image that was drawn");
    return 0;
}

static void test_every_file_is_in_one_part_when_split(void **state)
{
    struct scratch *s = *state;
    size_t seen[COUNT] = {0}, counts[3] = {0};
    add_images(s, SIDE);
    for (enum cnn_split split = CNN_SPLIT_TRAIN; split <= CNN_SPLIT_VAL; split++) {
        const struct cnn_data_settings settings = {
            .dataset = cnn_dataset_find("folder"), .val_split = 0.25, .cache = split};
        struct cnn_dataset *dataset = open_set(s, &settings, split);
        assert_int_equal(cnn_dataset_count(dataset),
                         split == CNN_SPLIT_TRAIN ? COUNT / 4 * 3 : COUNT / 4);
        for (size_t i = 0, before = 0; i < cnn_dataset_count(dataset); i++) {
            uint8_t buffer[BYTES];
            size_t drawn = find_drawn(cnn_dataset_read(dataset, i, buffer));
            assert_true(i == 0 || drawn > before); /* in their order */
            assert_int_equal(cnn_dataset_label(dataset, i), drawn % 3);
            assert_string_equal(cnn_dataset_path(dataset, i), image_path(s, drawn));
            before = drawn;
            seen[drawn]++;
        }
        for (size_t c = 0; c < 3; c++)
            counts[c] += cnn_dataset_class_count(dataset, c);
        cnn_dataset_free(dataset);
    }
    for (size_t i = 0; i < COUNT; i++)
        assert_int_equal(seen[i], 1);
    for (size_t c = 0; c < 3; c++)
        assert_int_equal(counts[c], COUNT / 3);
}

static void test_statistics_are_exact_whatever_is_kept_and_however_many_threads(void **state)
{
    struct scratch *s = *state;
    struct cnn_normalization want = {.channels = 3};
    add_images(s, SIDE);
    for (size_t c = 0; c < 3; c++) {
        uint8_t pixels[BYTES];
        double sum = 0, squares = 0;
        for (size_t i = 0; i < COUNT; i++) {
            draw(i, SIDE, pixels);
            for (size_t k = c; k < BYTES; k += 3) {
                sum += pixels[k];
                squares += (double)pixels[k] * pixels[k];
            }
        }
        double n = (double)(COUNT * BYTES / 3), mean = sum / n;
        want.mean[c] = (float)(mean / 255);
        want.std[c] = (float)(sqrt(squares / n - mean * mean) / 255);
    }
    for (size_t k = 0; k < 4; k++) {
        const struct cnn_data_settings settings = {.dataset = cnn_dataset_find("folder"),
                                                   .cache = k / 2};
        struct cnn_normalization got;
        cnn_parallel_set_threads(k % 2 ? 4 : 1);
        struct cnn_dataset *dataset = open_set(s, &settings, CNN_SPLIT_TRAIN);
        assert_int_equal(cnn_dataset_statistics(dataset, &got, s->diag), CNN_OK);
        for (size_t c = 0; c < 3; c++)
            assert_true(got.mean[c] == want.mean[c] && got.std[c] == want.std[c]);
        cnn_dataset_free(dataset);
    }
}

/* Two epochs of batches: cache in MiB and threads must not matter. */
static float *read_epochs(struct scratch *s, const struct cnn_augmentation *augmentation,
                          size_t cache, int threads)
{
    const struct cnn_data_settings settings = {
        .dataset = cnn_dataset_find("folder"), .cache = cache, .augmentation = augmentation};
    float *values = calloc(2 * COUNT * BYTES, sizeof *values), *at = values;
    const struct cnn_batch *batch;
    struct cnn_loader *loader;
    assert_non_null(values);
    cnn_parallel_set_threads(threads);
    struct cnn_dataset *dataset = open_set(s, &settings, CNN_SPLIT_TRAIN);
    const struct cnn_loader_options options = {.dataset = dataset,
                                               .normalization = {3, {0}, {1, 1, 1}},
                                               .augmentation = augmentation,
                                               .shape = shape,
                                               .batch = 7,
                                               .shuffle = true,
                                               .seed = 2};
    assert_int_equal(cnn_loader_new(&options, &loader, s->diag), CNN_OK);
    for (size_t epoch = 0; epoch < 2; epoch++) {
        cnn_loader_start(loader, epoch, 0);
        while ((batch = cnn_loader_next(loader)) != NULL) {
            memcpy(at, batch->images, batch->n * BYTES * sizeof *at);
            at += batch->n * BYTES;
        }
    }
    assert_true(at == values + 2 * COUNT * BYTES);
    cnn_loader_free(loader);
    cnn_dataset_free(dataset);
    return values;
}

static void test_batches_are_the_same_whatever_is_kept_and_however_many_threads(void **state)
{
    struct scratch *s = *state;
    const struct cnn_augmentation *steps[2] = {
        steps_of("[{type: crop, padding: 2}, flip]"),
        steps_of("[{type: resized_crop, scale: [0.3, 1], ratio: [0.5, 2]}, flip]")};
    add_images(s, 2 * SIDE);
    damage(s, 9);
    for (size_t k = 0; k < 2; k++) {
        float *first = read_epochs(s, steps[k], 0, 1);
        for (int threads = 1; threads <= 8; threads *= 2) {
            float *again = read_epochs(s, steps[k], threads > 1, threads);
            assert_memory_equal(first, again, 2 * COUNT * BYTES * sizeof *first);
            free(again);
        }
        assert_memory_not_equal(first, first + COUNT * BYTES, COUNT * BYTES * sizeof *first);
        free(first);
    }
}

#define WITH_FOLDER(test) cmocka_unit_test_setup_teardown(test, scratch_setup, scratch_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_FOLDER(test_images_are_the_same_however_many_are_kept),
        WITH_FOLDER(test_the_first_images_that_fit_are_kept),
        WITH_FOLDER(test_images_are_whole_when_many_threads_read_them_first),
        WITH_FOLDER(test_the_next_image_of_the_class_stands_in_when_a_file_is_damaged),
        WITH_FOLDER(test_a_pass_fails_when_too_many_files_are_damaged),
        WITH_FOLDER(test_a_black_image_stands_in_when_a_whole_class_is_damaged),
        WITH_FOLDER(test_windows_are_cut_out_of_the_whole_picture),
        WITH_FOLDER(test_every_file_is_in_one_part_when_split),
        WITH_FOLDER(test_statistics_are_exact_whatever_is_kept_and_however_many_threads),
        WITH_FOLDER(test_batches_are_the_same_whatever_is_kept_and_however_many_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
