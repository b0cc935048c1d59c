/* cnn_checkpoint_verify: what it says of whole files, and that it finds each kind of damage that a
 * reader would trip over, or worse, would not. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/safetensors.h"
#include "runs.h"

/* The run's file FROM again, as FOLDER/changed.safetensors, without the tensor or metadata of that
 * name (NULL: with all), or with another text for the latter; its path. */
static const char *rewrite(struct scratch *s, const char *from, const char *without,
                           const char *text)
{
    struct cnn_safetensors *file;
    struct cnn_stored_tensor tensors[64];
    struct cnn_stored_pair pairs[64];
    size_t tensor_count = 0, pair_count = 0;
    assert_int_equal(cnn_safetensors_open(scratch_path(s, from), &file, s->diag), CNN_OK);
    assert_true(file->tensor_count < 64 && file->metadata_count < 64);
    for (size_t i = 0; i < file->tensor_count; i++)
        if (!without || strcmp(file->tensors[i].name, without) != 0)
            tensors[tensor_count++] = file->tensors[i];
    for (size_t i = 0; i < file->metadata_count; i++) {
        bool named = without && strcmp(file->metadata[i].key, without) == 0;
        if (named && !text)
            continue;
        pairs[pair_count] = file->metadata[i];
        if (named)
            pairs[pair_count].value = text;
        pair_count++;
    }
    scratch_path(s, "changed.safetensors");
    assert_int_equal(
        cnn_safetensors_write(s->path, tensors, tensor_count, pairs, pair_count, s->diag), CNN_OK);
    cnn_safetensors_close(file);
    return s->path;
}

static struct scratch *train(void **state)
{
    struct scratch *s = runs_prepare(state);
    assert_int_equal(runs_train(s, "run", false, NULL, "train.epochs=1"), CNN_OK);
    return s;
}

static void test_whole_files_are_good(void **state)
{
    struct scratch *s = train(state);
    cnn_checkpoint_info *info = NULL;
    assert_int_equal(cnn_checkpoint_verify(scratch_path(s, "run/best.safetensors"), &info, s->diag),
                     CNN_OK);
    assert_true(info->checksum && info->description && !info->state);
    assert_string_equal(info->network, "tiny");
    assert_int_equal(info->tensors, 7);
    assert_int_equal(info->values, 4 * 27 + 4 * 4 + 640 + 10);
    assert_int_equal(info->step, 5);
    cnn_checkpoint_info_free(info);
    assert_int_equal(cnn_checkpoint_verify(scratch_path(s, "run/last.safetensors"), &info, s->diag),
                     CNN_OK);
    assert_true(info->state);
    assert_int_equal(info->tensors, 7 + 2 * 5); /* adam has two numbers for each trained one */
    cnn_checkpoint_info_free(info);
    assert_int_equal(cnn_checkpoint_verify(rewrite(s, "run/best.safetensors", "description", NULL),
                                           &info, s->diag),
                     CNN_OK);
    assert_false(info->description);
    assert_null(info->network);
    cnn_checkpoint_info_free(info);
}

static void test_files_that_cannot_be_used_are_bad(void **state)
{
    struct scratch *s = train(state);
    cnn_checkpoint_info *info = NULL;
    const struct {
        const char *from, *without, *text, *message;
    } cases[] = {
        {"run/best.safetensors", "dense1.bias", NULL, "has no tensor 'dense1.bias'"},
        {"run/last.safetensors", "@optimizer.v.dense1.bias", NULL,
         "cannot be resumed: it holds no @optimizer.v.dense1.bias"},
        {"run/last.safetensors", "training.epoch_images", "many",
         "its training.epoch_images is no number"},
        {"run/best.safetensors", "description", "layers: [", "a value was expected here"},
        {"run/best.safetensors", "classes", "[\"one\"]", "its metadata 'classes'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = rewrite(s, cases[i].from, cases[i].without, cases[i].text);
        assert_int_equal(cnn_checkpoint_verify(path, &info, s->diag), CNN_FAILED);
        runs_expect(s, cases[i].message);
    }
}

/* The checksum is right: it was written with them. */
static void test_numbers_that_are_not_finite_are_bad(void **state)
{
    struct scratch *s = train(state);
    const float wrong[] = {NAN, INFINITY, -INFINITY};
    cnn_checkpoint_info *info = NULL;
    cnn_model *model;
    float bias[10];
    assert_int_equal(cnn_model_open(scratch_path(s, "run"), NULL, &model, s->diag), CNN_OK);
    size_t last = cnn_model_tensors(model) - 1;
    assert_string_equal(cnn_model_tensor(model, last).name, "dense1.bias");
    for (size_t i = 0; i < 3; i++) {
        for (size_t k = 0; k < 10; k++)
            bias[k] = k == 7 ? wrong[i] : 3.4e38f;
        cnn_model_tensor_set(model, last, bias, NULL);
        assert_int_equal(cnn_model_write(model, scratch_path(s, "changed.safetensors"), s->diag),
                         CNN_OK);
        assert_int_equal(cnn_checkpoint_verify(s->path, &info, s->diag), CNN_FAILED);
        runs_expect(s, "tensor 'dense1.bias': number 8 of 10 is not finite");
    }
    bias[7] = 0;
    cnn_model_tensor_set(model, last, bias, NULL);
    assert_int_equal(cnn_model_write(model, scratch_path(s, "changed.safetensors"), s->diag),
                     CNN_OK);
    assert_int_equal(cnn_checkpoint_verify(s->path, &info, s->diag), CNN_OK);
    cnn_checkpoint_info_free(info);
    cnn_model_free(model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, scratch_setup, scratch_teardown)
        TEST(test_whole_files_are_good),
        TEST(test_files_that_cannot_be_used_are_bad),
        TEST(test_numbers_that_are_not_finite_are_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
