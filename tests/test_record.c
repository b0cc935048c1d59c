/* What checkpoints remember of their images: fingerprints, older checkpoints without any, damaged
 * ones. What runs do with them: tests/cli/run-images.test, tests/cli/trained-on.test. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/safetensors.h"
#include "data/dataset.h"
#include "data/format.h"
#include "runs.h"

enum { SIDE = 28, IMAGES = 8 };

/* Pixel k of image i is 7 * i + k modulo 256, and its label is i modulo 4; the images in this
 * order. */
static void write_digits(struct scratch *s, const size_t order[IMAGES])
{
    static const unsigned char images_head[] = {0, 0, 8, 3,    0, 0, 0, IMAGES,
                                                0, 0, 0, SIDE, 0, 0, 0, SIDE},
                               labels_head[] = {0, 0, 8, 1, 0, 0, 0, IMAGES};
    unsigned char images[sizeof images_head + IMAGES * SIDE * SIDE],
        labels[sizeof labels_head + IMAGES];
    memcpy(images, images_head, sizeof images_head);
    memcpy(labels, labels_head, sizeof labels_head);
    for (size_t i = 0; i < IMAGES; i++) {
        for (size_t k = 0; k < SIDE * SIDE; k++)
            images[sizeof images_head + i * SIDE * SIDE + k] = (unsigned char)(7 * order[i] + k);
        labels[sizeof labels_head + i] = (unsigned char)(order[i] % 4);
    }
    scratch_write(s, "train-images-idx3-ubyte", images, sizeof images);
    scratch_write(s, "train-labels-idx1-ubyte", labels, sizeof labels);
}

static uint64_t print_split(struct scratch *s, double val_split, enum cnn_split split)
{
    const struct cnn_data_settings settings = {.dataset = cnn_dataset_find("mnist"),
                                               .val_split = val_split};
    struct cnn_dataset *dataset;
    enum cnn_split used;
    assert_int_equal(
        cnn_dataset_open(&settings,
                         &(struct cnn_data_choice){.input = (cnn_shape){3, 1, SIDE, SIDE},
                                                   .path = s->folder,
                                                   .split = split,
                                                   .seed = 1},
                         &dataset, &used, s->diag),
        CNN_OK);
    uint64_t print = cnn_dataset_fingerprint(dataset);
    cnn_dataset_free(dataset);
    return print;
}

/* The sum over the images of SplitMix64's finaliser of CRC-32 of the pixels + (label + 1) * 2^32,
 * computed with Python's zlib. */
static void test_fingerprint_follows_from_pixels_and_labels_alone(void **state)
{
    struct scratch *s = *state;
    write_digits(s, (size_t[]){0, 1, 2, 3, 4, 5, 6, 7});
    assert_true(print_split(s, 0, CNN_SPLIT_TRAIN) == 0xc507c6fe58a6e8b7);
    write_digits(s, (size_t[]){2, 0, 3, 1, 7, 5, 4, 6});
    assert_true(print_split(s, 0, CNN_SPLIT_TRAIN) == 0xc507c6fe58a6e8b7);
    assert_true(print_split(s, 0.5, CNN_SPLIT_TRAIN) + print_split(s, 0.5, CNN_SPLIT_VAL) ==
                0xc507c6fe58a6e8b7);
    write_digits(s, (size_t[]){0, 1, 1, 1, 1, 1, 1, 1}); /* the lowest label is class 0 */
    assert_true(print_split(s, 0, CNN_SPLIT_TRAIN) ==
                0xe1b3f58e86b296d4 + 7 * (uint64_t)0x35037332430b0f0b);
}

/* The same checkpoint with another text for one key of its metadata; NULL: without the key. */
static void set_metadata(struct scratch *s, const char *name, const char *key, const char *text)
{
    struct cnn_safetensors *file;
    struct cnn_stored_pair pairs[64];
    size_t count = 0;
    char path[256];
    snprintf(path, sizeof path, "%s", scratch_path(s, name));
    assert_int_equal(cnn_safetensors_open(path, &file, s->diag), CNN_OK);
    assert_true(file->metadata_count < 64);
    for (size_t i = 0; i < file->metadata_count; i++) {
        bool same = strcmp(file->metadata[i].key, key) == 0;
        if (!same || text)
            pairs[count++] = (struct cnn_stored_pair){file->metadata[i].key,
                                                      same ? text : file->metadata[i].value};
    }
    assert_int_equal(
        cnn_safetensors_write(path, file->tensors, file->tensor_count, pairs, count, s->diag),
        CNN_OK);
    cnn_safetensors_close(file);
}

/* Checkpoints of older versions have no record. */
static void test_run_without_a_record_goes_on_and_gets_one(void **state)
{
    struct scratch *s = runs_prepare(state);
    struct watcher watcher = {.kind = CNN_EVENT_EPOCH, .at = 1};
    assert_int_equal(runs_train(s, "whole", false, NULL, NULL), CNN_OK);
    assert_int_equal(runs_train(s, "run", false, &watcher, NULL), CNN_INTERRUPTED);
    cnn_diag_clear(s->diag);
    set_metadata(s, "run/last.safetensors", "data", NULL);
    set_metadata(s, "run/best.safetensors", "data", NULL);
    watcher = (struct watcher){.kind = CNN_EVENT_EPOCH};
    assert_int_equal(runs_train(s, "run", true, &watcher, NULL), CNN_OK);
    assert_int_equal(watcher.warnings, 0);
    runs_assert_same_file(s, "whole", "run", "last.safetensors");
    /* a seed would have drawn other images */
    assert_int_equal(runs_train(s, "run", true, &watcher, "train.epochs=4"), CNN_OK);
    assert_int_equal(watcher.warnings, 0);
}

static void test_record_that_is_none_is_refused(void **state)
{
    struct scratch *s = runs_prepare(state);
    const char *part =
        "{\"from\": \"val\", \"fingerprint\": \"0123456789abcdef\", \"images\": [1]}";
    const char *const settings[] = {
        "\"dataset\": \"shapes\", \"seed\": 1, \"limit\": 0, \"val_split\": 0.5",
        "\"dataset\": \"shape\", \"seed\": 1, \"limit\": 0, \"val_split\": 0.5",
        "\"dataset\": \"shapes\", \"seed\": -1, \"limit\": 0, \"val_split\": 0.5",
        "\"dataset\": \"shapes\", \"seed\": 1, \"val_split\": 0.5",
        "\"dataset\": 7, \"seed\": 1, \"limit\": 0, \"val_split\": 0.5",
        "\"dataset\": \"shapes\", \"seed\": 1, \"limit\": 0, \"val_split\": \"x\""};
    const char *const parts[] = {
        part,
        "{\"from\": \"val\", \"fingerprint\": \"0123456789abcde\", \"images\": [1]}",
        "{\"from\": \"val\", \"fingerprint\": \"0123456789abcdef0\", \"images\": [1]}",
        "{\"from\": \"vale\", \"fingerprint\": \"0123456789abcdef\", \"images\": [1]}",
        "{\"from\": \"val\", \"fingerprint\": \"0123456789abcdef\", \"images\": [\"1\"]}",
        "[]"};
    cnn_model *model;
    assert_int_equal(runs_train(s, "run", false, NULL, "train.epochs=1"), CNN_OK);
    for (size_t i = 0; i < 6; i++)
        for (size_t k = 0; k < 6; k++) {
            char text[1024];
            snprintf(text, sizeof text, "{%s, \"train\": %s, \"val\": %s}", settings[i], part,
                     parts[k]);
            set_metadata(s, "run/best.safetensors", "data", text);
            cnn_status status =
                cnn_model_open(scratch_path(s, "run/best.safetensors"), NULL, &model, s->diag);
            assert_int_equal(status, i + k == 0 ? CNN_OK : CNN_FAILED);
            if (i + k == 0)
                cnn_model_free(model);
            else
                runs_expect(s, "its metadata 'data' is no record of the images");
        }
}

/* Other programs may call something else so. */
static void test_record_is_read_from_own_files_alone(void **state)
{
    struct scratch *s = runs_prepare(state);
    cnn_model *model;
    assert_int_equal(runs_train(s, "run", false, NULL, "train.epochs=1"), CNN_OK);
    set_metadata(s, "run/best.safetensors", "data", "photographs of 2020");
    const char *path = scratch_path(s, "run/best.safetensors");
    assert_int_equal(cnn_model_open(path, NULL, &model, s->diag), CNN_FAILED);
    runs_expect(s, "its metadata 'data' is no record of the images");
    set_metadata(s, "run/best.safetensors", "format", "pt");
    path = scratch_path(s, "run/best.safetensors");
    assert_int_equal(cnn_model_open(path, NULL, &model, s->diag), CNN_OK);
    cnn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fingerprint_follows_from_pixels_and_labels_alone,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_run_without_a_record_goes_on_and_gets_one,
                                        scratch_setup, scratch_teardown),
        cmocka_unit_test_setup_teardown(test_record_that_is_none_is_refused, scratch_setup,
                                        scratch_teardown),
        cmocka_unit_test_setup_teardown(test_record_is_read_from_own_files_alone, scratch_setup,
                                        scratch_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
