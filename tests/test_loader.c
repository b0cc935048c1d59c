/* Batches read ahead: the same content whatever the timing, every image once an epoch, and a clean
 * end at any time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "data/augment.h"
#include "data/format.h"
#include "data/loader.h"
#include "draws.h"
#include "util/diag.h"
#include "util/parallel.h"

#define IMAGES 50
#define BATCH  8
#define SIZE   16
#define VALUES (SIZE * SIZE * 3)

static struct cnn_dataset *dataset;
static const struct cnn_augmentation *flip_and_crop, *flip, *mixed;

static int open_dataset(void **state)
{
    (void)state;
    flip_and_crop = steps_of("[flip, {type: crop, padding: 2}]");
    flip = steps_of("[flip]");
    mixed = steps_of("[flip, {type: cutmix, alpha: 1}]");
    cnn_parallel_set_threads(4);
    struct cnn_data_settings settings = {.dataset = cnn_dataset_find("shapes"), .limit = IMAGES};
    enum cnn_split used;
    return cnn_dataset_open(&settings,
                            &(struct cnn_data_choice){.input = (cnn_shape){3, 3, SIZE, SIZE},
                                                      .split = CNN_SPLIT_TRAIN,
                                                      .seed = 1},
                            &dataset, &used, NULL) == CNN_OK
               ? 0
               : -1;
}

static int close_dataset(void **state)
{
    (void)state;
    cnn_dataset_free(dataset);
    return 0;
}

static struct cnn_loader *loader_new(bool shuffle, const struct cnn_augmentation *augmentation)
{
    struct cnn_loader_options options = {.dataset = dataset,
                                         .augmentation = augmentation,
                                         .shape = {3, 3, SIZE, SIZE},
                                         .batch = BATCH,
                                         .shuffle = shuffle,
                                         .seed = 5};
    options.normalization = (struct cnn_normalization){3, {0.5f, 0.4f, 0.3f}, {0.25f, 0.5f, 1}};
    struct cnn_loader *loader;
    assert_int_equal(cnn_loader_new(&options, &loader, NULL), CNN_OK);
    return loader;
}

static void wait_a_little(long microseconds)
{
    nanosleep(&(struct timespec){0, microseconds * 1000}, NULL);
}

/* An epoch's images and labels, read with a pause before each batch. */
static float *epoch_read(struct cnn_loader *loader, size_t epoch, size_t labels[IMAGES], long pause)
{
    float *images = calloc(IMAGES * VALUES, sizeof *images);
    assert_non_null(images);
    size_t count = 0;
    const struct cnn_batch *batch;
    cnn_loader_start(loader, epoch, 0);
    while ((batch = cnn_loader_next(loader)) != NULL) {
        wait_a_little(pause);
        assert_true(count + batch->n <= IMAGES);
        assert_int_equal((uintptr_t)batch->images % 64, 0);
        memcpy(images + count * VALUES, batch->images, batch->n * VALUES * sizeof *images);
        memcpy(labels + count, batch->labels, batch->n * sizeof *labels);
        count += batch->n;
    }
    assert_int_equal(count, IMAGES);
    assert_null(cnn_loader_next(loader));
    return images;
}

static void test_batches_are_the_images_in_order_when_not_shuffled(void **state)
{
    (void)state;
    size_t labels[IMAGES];
    struct cnn_loader *loader = loader_new(false, NULL);
    assert_int_equal(cnn_loader_batches(loader), 7);
    float *images = epoch_read(loader, 3, labels, 0);
    const float mean[3] = {0.5f, 0.4f, 0.3f}, std[3] = {0.25f, 0.5f, 1};
    for (size_t i = 0; i < IMAGES; i++) {
        const uint8_t *bytes = cnn_dataset_read(dataset, i, NULL);
        assert_int_equal(labels[i], cnn_dataset_label(dataset, i));
        for (size_t v = 0; v < VALUES; v++)
            assert_true(images[i * VALUES + v] ==
                        ((float)bytes[v] / 255 - mean[v % 3]) / std[v % 3]);
    }
    free(images);
    cnn_loader_free(loader);
}

static void test_batches_do_not_depend_on_timing_when_augmented(void **state)
{
    (void)state;
    size_t labels[3][IMAGES];
    struct cnn_loader *quick = loader_new(true, flip_and_crop),
                      *slow = loader_new(true, flip_and_crop);
    float *first = epoch_read(quick, 0, labels[0], 0),
          *again = epoch_read(slow, 0, labels[1], 2000),
          *next = epoch_read(quick, 1, labels[2], 100);
    assert_memory_equal(first, again, IMAGES * VALUES * sizeof(float));
    assert_memory_equal(labels[0], labels[1], sizeof labels[0]);
    assert_memory_not_equal(first, next, IMAGES * VALUES * sizeof(float));
    free(first);
    free(again);
    free(next);
    cnn_loader_free(quick);
    cnn_loader_free(slow);
}

struct mixture {
    float images[IMAGES * VALUES], shares[IMAGES];
    size_t labels[IMAGES], others[IMAGES];
};

static void mixture_read(const struct cnn_augmentation *augmentation, int threads, size_t first,
                         struct mixture *out)
{
    size_t count = first * BATCH;
    const struct cnn_batch *batch;
    memset(out, 0, sizeof *out);
    cnn_parallel_set_threads(threads);
    struct cnn_loader *loader = loader_new(true, augmentation);
    cnn_loader_start(loader, 3, first);
    while ((batch = cnn_loader_next(loader)) != NULL) {
        assert_true(!batch->others == (augmentation != mixed) &&
                    !batch->shares == (augmentation != mixed));
        memcpy(out->images + count * VALUES, batch->images,
               batch->n * VALUES * sizeof *out->images);
        memcpy(out->labels + count, batch->labels, batch->n * sizeof *out->labels);
        if (batch->others) {
            memcpy(out->others + count, batch->others, batch->n * sizeof *out->others);
            memcpy(out->shares + count, batch->shares, batch->n * sizeof *out->shares);
        }
        count += batch->n;
    }
    assert_int_equal(count, IMAGES);
    cnn_loader_free(loader);
    cnn_parallel_set_threads(4);
}

/* With the same draws but for the mixing, an image that is mixed agrees with the plain one in about
 * its share of the pixels. */
static void test_images_are_mixed_when_all_of_their_batch_are_there(void **state)
{
    (void)state;
    static struct mixture plain, one, many, middle;
    mixture_read(flip, 1, 0, &plain);
    mixture_read(mixed, 1, 0, &one);
    mixture_read(mixed, 8, 0, &many);
    mixture_read(mixed, 8, 4, &middle);
    assert_memory_equal(&one, &many, sizeof one);
    assert_memory_equal(one.images + 4 * BATCH * VALUES, middle.images + 4 * BATCH * VALUES,
                        (IMAGES - 4 * BATCH) * VALUES * sizeof(float));
    assert_memory_equal(one.shares + 4 * BATCH, middle.shares + 4 * BATCH,
                        (IMAGES - 4 * BATCH) * sizeof(float));
    assert_memory_equal(one.labels, plain.labels, sizeof one.labels);
    size_t changed = 0;
    for (size_t i = 0; i < IMAGES; i++) {
        size_t same = 0;
        for (size_t v = 0; v < VALUES; v++)
            same += one.images[i * VALUES + v] == plain.images[i * VALUES + v];
        assert_true((float)same >= one.shares[i] * VALUES - 0.5f);
        assert_true(one.shares[i] < 1 || same == VALUES);
        changed += same < VALUES;
    }
    assert_true(changed > IMAGES / 4);
}

static void test_every_image_comes_once_when_shuffled(void **state)
{
    (void)state;
    size_t labels[IMAGES], plain_labels[IMAGES], seen[IMAGES] = {0}, moved = 0;
    struct cnn_loader *loader = loader_new(true, NULL), *plain = loader_new(false, NULL);
    float *images = epoch_read(loader, 0, labels, 0),
          *in_order = epoch_read(plain, 0, plain_labels, 0);
    for (size_t i = 0; i < IMAGES; i++) {
        for (size_t j = 0; j < IMAGES; j++) {
            if (memcmp(images + i * VALUES, in_order + j * VALUES, VALUES * sizeof(float)) != 0)
                continue;
            seen[j]++;
            moved += i != j;
            assert_int_equal(labels[i], plain_labels[j]);
        }
    }
    for (size_t j = 0; j < IMAGES; j++)
        assert_int_equal(seen[j], 1);
    assert_true(moved > IMAGES / 2);
    free(images);
    free(in_order);
    cnn_loader_free(loader);
    cnn_loader_free(plain);
}

/* Each of the six orders of three images comes in about a sixth of the epochs. */
static void test_every_order_is_as_likely_when_shuffled(void **state)
{
    (void)state;
    enum { EPOCHS = 600 };
    const struct cnn_data_settings settings = {.dataset = cnn_dataset_find("shapes"), .limit = 3};
    const cnn_shape shape = {3, 3, SIZE, SIZE};
    struct cnn_dataset *three;
    enum cnn_split used;
    assert_int_equal(cnn_dataset_open(&settings,
                                      &(struct cnn_data_choice){
                                          .input = shape, .split = CNN_SPLIT_TRAIN, .seed = 1},
                                      &three, &used, NULL),
                     CNN_OK);
    const struct cnn_loader_options options = {
        .dataset = three, .shape = shape, .batch = 3, .shuffle = true, .seed = 5};
    struct cnn_loader *loader;
    size_t counts[3][3] = {{0}}; /* by the labels of the first and the second image */
    assert_int_equal(cnn_loader_new(&options, &loader, NULL), CNN_OK);
    for (size_t epoch = 0; epoch < EPOCHS; epoch++) {
        cnn_loader_start(loader, epoch, 0);
        const size_t *labels = cnn_loader_next(loader)->labels;
        assert_true(labels[0] < 3 && labels[1] < 3 && labels[0] != labels[1]);
        counts[labels[0]][labels[1]]++;
    }
    for (size_t i = 0; i < 3; i++)
        for (size_t k = 0; k < 3; k++)
            if (i != k) /* five standard errors */
                assert_in_range(counts[i][k], 55, 145);
    cnn_loader_free(loader);
    cnn_dataset_free(three);
}

static void test_batches_are_those_of_the_whole_epoch_when_started_in_its_middle(void **state)
{
    (void)state;
    size_t labels[IMAGES];
    struct cnn_loader *loader = loader_new(true, flip_and_crop);
    float *whole = epoch_read(loader, 4, labels, 0);
    cnn_loader_start(loader, 9, 0);
    cnn_loader_next(loader);
    cnn_loader_start(loader, 4, 5);
    const struct cnn_batch *batch = cnn_loader_next(loader);
    assert_memory_equal(batch->images, whole + 5 * BATCH * VALUES, BATCH * VALUES * sizeof(float));
    batch = cnn_loader_next(loader);
    assert_int_equal(batch->n, IMAGES - 6 * BATCH);
    assert_memory_equal(batch->labels, labels + 6 * BATCH, batch->n * sizeof *labels);
    assert_null(cnn_loader_next(loader));
    cnn_loader_start(loader, 4, 7);
    assert_null(cnn_loader_next(loader));
    free(whole);
    cnn_loader_free(loader);
}

static void test_a_batch_stays_as_it_is_while_others_are_read_ahead(void **state)
{
    (void)state;
    struct cnn_loader *loader = loader_new(true, flip_and_crop);
    static float copy[BATCH * VALUES];
    cnn_loader_start(loader, 0, 0);
    cnn_loader_next(loader);
    const struct cnn_batch *batch = cnn_loader_next(loader);
    memcpy(copy, batch->images, sizeof copy);
    wait_a_little(20000);
    assert_memory_equal(copy, batch->images, sizeof copy);
    cnn_loader_free(loader);
}

static void test_loader_ends_cleanly_when_freed_at_any_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < 60; i++) {
        struct cnn_loader *loader = loader_new(true, flip_and_crop);
        if (i % 4 != 0)
            cnn_loader_start(loader, i, i % 7);
        for (size_t k = 0; k < i % 5; k++)
            cnn_loader_next(loader);
        if (i % 3 == 0)
            cnn_loader_start(loader, i + 1, 0);
        wait_a_little((long)(i % 6) * 50);
        cnn_loader_free(loader);
    }
    cnn_loader_free(NULL);
}

/* Sizes of an epoch's batches of `size`, whose images must be those of the set in order. */
static void check_sizes(size_t size, bool two_or_more, size_t smallest, const size_t *want,
                        size_t count)
{
    struct cnn_loader_options options = {.dataset = dataset,
                                         .shape = {3, 3, SIZE, SIZE},
                                         .batch = size,
                                         .two_or_more = two_or_more,
                                         .seed = 5};
    struct cnn_loader *loader;
    const struct cnn_batch *batch;
    options.normalization = (struct cnn_normalization){3, {0.5f, 0.4f, 0.3f}, {0.25f, 0.5f, 1}};
    assert_int_equal(cnn_loader_new(&options, &loader, NULL), CNN_OK);
    assert_int_equal(cnn_loader_batches(loader), count);
    assert_int_equal(cnn_loader_smallest(loader), smallest);
    for (size_t begin = 0; begin < count; begin++) { /* as a resumed run begins */
        size_t image = 0;
        for (size_t b = 0; b < begin; b++)
            image += want[b];
        cnn_loader_start(loader, 0, begin);
        for (size_t b = begin; (batch = cnn_loader_next(loader)); b++) {
            assert_int_equal(batch->n, want[b]);
            for (size_t i = 0; i < batch->n; i++)
                assert_int_equal(batch->labels[i], cnn_dataset_label(dataset, image++));
        }
        assert_int_equal(image, IMAGES);
    }
    cnn_loader_free(loader);
}

static void test_no_image_is_alone_when_two_are_wanted(void **state)
{
    (void)state;
    check_sizes(7, false, 1, (const size_t[]){7, 7, 7, 7, 7, 7, 7, 1}, 8);
    check_sizes(7, true, 2, (const size_t[]){7, 7, 7, 7, 7, 7, 6, 2}, 8);
    check_sizes(49, true, 2, (const size_t[]){48, 2}, 2);
    check_sizes(8, true, 2, (const size_t[]){8, 8, 8, 8, 8, 8, 2}, 7);
    check_sizes(12, true, 2, (const size_t[]){12, 12, 12, 12, 2}, 5);
    check_sizes(60, true, 50, (const size_t[]){50}, 1);
}

static void test_one_short_batch_comes_when_the_batch_is_larger_than_the_set(void **state)
{
    (void)state;
    struct cnn_loader_options options = {.dataset = dataset,
                                         .normalization = {3, {0}, {1, 1, 1}},
                                         .shape = {3, 3, SIZE, SIZE},
                                         .batch = SIZE_MAX};
    struct cnn_loader *loader;
    assert_int_equal(cnn_loader_new(&options, &loader, NULL), CNN_OK);
    assert_int_equal(cnn_loader_batches(loader), 1);
    cnn_loader_start(loader, 0, 0);
    assert_int_equal(cnn_loader_next(loader)->n, IMAGES);
    assert_null(cnn_loader_next(loader));
    cnn_loader_free(loader);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_batches_are_the_images_in_order_when_not_shuffled),
        cmocka_unit_test(test_batches_do_not_depend_on_timing_when_augmented),
        cmocka_unit_test(test_images_are_mixed_when_all_of_their_batch_are_there),
        cmocka_unit_test(test_every_image_comes_once_when_shuffled),
        cmocka_unit_test(test_every_order_is_as_likely_when_shuffled),
        cmocka_unit_test(test_batches_are_those_of_the_whole_epoch_when_started_in_its_middle),
        cmocka_unit_test(test_a_batch_stays_as_it_is_while_others_are_read_ahead),
        cmocka_unit_test(test_loader_ends_cleanly_when_freed_at_any_time),
        cmocka_unit_test(test_no_image_is_alone_when_two_are_wanted),
        cmocka_unit_test(test_one_short_batch_comes_when_the_batch_is_larger_than_the_set),
    };
    return cmocka_run_group_tests(tests, open_dataset, close_dataset);
}
