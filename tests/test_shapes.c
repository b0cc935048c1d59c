/* The shapes data set: what one drawing depends on, balance, and that it cannot be told by a pixel
 * alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "datasets.h"
#include "util/diag.h"
#include "util/parallel.h"

static const cnn_shape shape = {3, 3, 32, 32};
#define BYTES (32 * 32 * 3)

static struct cnn_images draw(bool train, uint64_t seed, size_t limit)
{
    struct cnn_images images;
    assert_int_equal(
        dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_shapes,
                                                .split = train ? CNN_SPLIT_TRAIN : CNN_SPLIT_TEST,
                                                .limit = limit,
                                                .input = shape,
                                                .seed = seed},
                     &images, NULL),
        CNN_OK);
    return images;
}

static void test_shapes_are_the_same_when_threads_and_limit_differ(void **state)
{
    (void)state;
    cnn_parallel_set_threads(1);
    struct cnn_images one = draw(true, 7, 230);
    cnn_parallel_set_threads(3);
    struct cnn_images three = draw(true, 7, 1000);
    cnn_parallel_set_threads(0);
    assert_int_equal(one.count, 230);
    assert_int_equal(three.count, 1000);
    assert_memory_equal(one.pixels, three.pixels, one.count * BYTES);
    assert_memory_equal(one.labels, three.labels, one.count * sizeof *one.labels);
    cnn_images_free(&one);
    cnn_images_free(&three);
}

static void test_shapes_differ_when_seed_or_split_differ(void **state)
{
    (void)state;
    struct cnn_images train = draw(true, 1, 50), test = draw(false, 1, 50),
                      other = draw(true, 2, 50);
    for (size_t i = 0; i < 50; i++) {
        for (size_t j = 0; j < 50; j++) {
            assert_memory_not_equal(train.pixels + i * BYTES, test.pixels + j * BYTES, BYTES);
            assert_memory_not_equal(train.pixels + i * BYTES, other.pixels + j * BYTES, BYTES);
            assert_true(i == j ||
                        memcmp(train.pixels + i * BYTES, train.pixels + j * BYTES, BYTES) != 0);
        }
    }
    cnn_images_free(&train);
    cnn_images_free(&test);
    cnn_images_free(&other);
}

static void test_shapes_are_balanced_and_named_when_all_are_drawn(void **state)
{
    (void)state;
    struct cnn_images images = draw(false, 1, 0);
    size_t counts[10] = {0};
    assert_int_equal(images.count, 4000);
    assert_int_equal(images.class_count, 10);
    for (size_t i = 0; i < images.count; i++)
        counts[images.labels[i]]++;
    for (size_t c = 0; c < 10; c++) {
        assert_int_equal(counts[c], 400);
        assert_true(strlen(images.class_names[c]) > 2);
    }
    cnn_images_free(&images);
}

/* The training bytes are part of what a published accuracy means: a change to the drawing must be a
 * decision. FNV-1a. */
static void test_shapes_bytes_stay_when_the_program_changes(void **state)
{
    (void)state;
    struct cnn_images images = draw(true, 1, 100);
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < images.count * BYTES; i++)
        hash = (hash ^ images.pixels[i]) * 1099511628211u;
    assert_int_equal(hash, 0xda420afc7b022d0d);
    cnn_images_free(&images);
}

static void test_shapes_fit_when_the_input_has_another_size(void **state)
{
    (void)state;
    struct cnn_images images;
    assert_int_equal(dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_shapes,
                                                             .split = CNN_SPLIT_TRAIN,
                                                             .limit = 20,
                                                             .input = (cnn_shape){3, 3, 48, 48},
                                                             .seed = 1},
                                  &images, NULL),
                     CNN_OK);
    assert_int_equal(images.height, 48);
    assert_int_equal(images.width, 48);
    cnn_images_free(&images);
}

static void test_shapes_are_refused_when_the_input_does_not_fit(void **state)
{
    (void)state;
    const cnn_shape wrong[] = {
        {3, 1, 32, 32}, {3, 3, 32, 33}, {3, 3, 15, 15}, {3, 3, 129, 129}, {1, 3, 1, 1}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct cnn_images images;
        cnn_diag *diag = cnn_diag_new();
        assert_int_equal(
            dataset_read(&(struct cnn_data_request){.format = &cnn_dataset_format_shapes,
                                                    .split = CNN_SPLIT_TRAIN,
                                                    .limit = 10,
                                                    .input = wrong[i],
                                                    .seed = 1},
                         &images, diag),
            CNN_INVALID);
        assert_int_equal(cnn_diag_errors(diag), 1);
        cnn_diag_free(diag);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes_are_the_same_when_threads_and_limit_differ),
        cmocka_unit_test(test_shapes_differ_when_seed_or_split_differ),
        cmocka_unit_test(test_shapes_are_balanced_and_named_when_all_are_drawn),
        cmocka_unit_test(test_shapes_bytes_stay_when_the_program_changes),
        cmocka_unit_test(test_shapes_fit_when_the_input_has_another_size),
        cmocka_unit_test(test_shapes_are_refused_when_the_input_does_not_fit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
