/* Import against the ONNX project's own tests: a model that comes in gives the outputs that stand
 * beside it, and one that does not says why. Most tests are of a single operator whose weights are
 * inputs, so they are no networks; those that PyTorch wrote are. And the project's light networks,
 * where CNN_ONNX_LIGHT is the folder that has them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"
#include "onnx_suite.h"

/* What the model gives for the input, under the name and in the dimensions of want. */
static bool gives(cnn_model *model, const struct cnn_onnx_array *input,
                  const struct cnn_onnx_array *want, cnn_diag *diag)
{
    const size_t images = input->dims[0], count = images * cnn_model_outputs(model);
    float *x = calloc(input->count + 1, sizeof *x), *y = calloc(count + 1, sizeof *y);
    struct cnn_onnx_array got = *want;
    assert_non_null(x);
    assert_non_null(y);
    for (size_t i = 0; i < input->count; i++)
        x[i] = (float)input->data[i];
    bool same = count == want->count && cnn_model_run(model, x, images, y, diag) == CNN_OK;
    got.data = calloc(count + 1, sizeof *got.data);
    assert_non_null(got.data);
    for (size_t i = 0; same && i < count; i++)
        got.data[i] = (double)y[i];
    same = same && suite_is_close(&got, want);
    free(x);
    free(y);
    free(got.data);
    return same;
}

static enum outcome compare_set(const char *folder, cnn_model *model, cnn_diag *diag)
{
    struct cnn_arena *arena = cnn_arena_new();
    static const struct cnn_onnx named = {.name = "a tensor"};
    struct cnn_onnx_array input = {0}, want = {0};
    char path[512];
    snprintf(path, sizeof path, "%s/test_data_set_0/input_0.pb", folder);
    bool read = suite_read_tensor(path, &named, arena, &input, diag);
    snprintf(path, sizeof path, "%s/test_data_set_0/output_0.pb", folder);
    read = read && suite_read_tensor(path, &named, arena, &want, diag);
    enum outcome outcome = !read ? REFUSED : gives(model, &input, &want, diag) ? PASSED : FAILED;
    cnn_onnx_arrays_free(&input, 1);
    cnn_onnx_arrays_free(&want, 1);
    cnn_arena_free(arena);
    return outcome;
}

static enum outcome run_case(const char *folder, cnn_diag *diag)
{
    char path[512];
    cnn_model *model = NULL;
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    if (cnn_import((const char *const[]){path}, 1, NULL, &model, NULL, diag) != CNN_OK)
        /* a layer that differs from the file's graph is no refusal */
        return strstr(cnn_diag_get(diag, 0)->text, " gives ") ? FAILED : REFUSED;
    enum outcome outcome = compare_set(folder, model, diag);
    cnn_model_free(model);
    return outcome;
}

static void test_models_that_come_in_give_the_outputs_beside_them(void **state)
{
    static const struct {
        const char *suite;
        size_t least; /* that pass */
    } suites[] = {{"node", 30}, {"simple", 0}, {"pytorch-operator", 4}, {"pytorch-converted", 25}};
    (void)state;
    DIR *folder = opendir(SUITE_DATA);
    if (!folder) {
        print_message("skipped: " SUITE_DATA " is not there (package libonnx-testdata)\n");
        skip();
    }
    closedir(folder);
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        struct tally tally = {{0}};
        suite_run(suites[i].suite, run_case, &tally);
        print_message("%-20s %4zu imported and right, %4zu refused, %4zu failed\n", suites[i].suite,
                      tally.counts[PASSED], tally.counts[REFUSED], tally.counts[FAILED]);
        assert_int_equal(tally.counts[FAILED], 0);
        assert_true(tally.counts[PASSED] >= suites[i].least);
    }
}

/* The input that the outputs are of: i / count. */
static bool run_light(const char *path, cnn_diag *diag)
{
    cnn_model *model = NULL;
    struct cnn_arena *arena = cnn_arena_new();
    static const struct cnn_onnx named = {.name = "a tensor"};
    struct cnn_onnx_array input = {0}, want = {0};
    char output[512];
    snprintf(output, sizeof output, "%.*s_output_0.pb", (int)strlen(path) - 5, path);
    bool good = cnn_import((const char *const[]){path}, 1, NULL, &model, NULL, diag) == CNN_OK &&
                suite_read_tensor(output, &named, arena, &want, diag);
    if (good) {
        const cnn_shape in = cnn_model_input(model);
        input = (struct cnn_onnx_array){.rank = 4, .dims = {1}, .count = in.c * in.h * in.w};
        input.data = calloc(input.count, sizeof *input.data);
        assert_non_null(input.data);
        for (size_t i = 0; i < input.count; i++)
            input.data[i] = (double)i / (double)input.count;
        good = gives(model, &input, &want, diag);
    }
    cnn_onnx_arrays_free(&input, 1);
    cnn_onnx_arrays_free(&want, 1);
    cnn_model_free(model);
    cnn_arena_free(arena);
    return good;
}

static int is_model(const struct dirent *entry)
{
    const char *dot = strrchr(entry->d_name, '.');
    return dot && strcmp(dot, ".onnx") == 0;
}

static void test_light_networks_give_their_stored_outputs(void **state)
{
    const char *folder = getenv("CNN_ONNX_LIGHT");
    struct dirent **entries;
    size_t failed = 0;
    (void)state;
    int count = folder ? scandir(folder, &entries, is_model, alphasort) : -1;
    if (count < 1) {
        print_message("skipped: CNN_ONNX_LIGHT is no folder of light networks\n");
        skip();
    }
    for (int i = 0; i < count; i++) {
        char path[512];
        cnn_diag *diag = cnn_diag_new();
        snprintf(path, sizeof path, "%.200s/%.200s", folder, entries[i]->d_name);
        bool good = run_light(path, diag);
        print_message("%-40s %s\n", entries[i]->d_name,
                      good                       ? "as stored"
                      : cnn_diag_count(diag) > 0 ? cnn_diag_get(diag, 0)->text
                                                 : "another output");
        failed += !good;
        cnn_diag_free(diag);
        free(entries[i]);
    }
    free(entries);
    assert_int_equal(failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_models_that_come_in_give_the_outputs_beside_them),
        cmocka_unit_test(test_light_networks_give_their_stored_outputs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
