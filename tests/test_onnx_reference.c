/* The reference executor against the ONNX project's own tests, which Debian has as
 * libonnx-testdata: models with inputs and the outputs that are right. */
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

#include "onnx_suite.h"
#include "onnx_write.h"
#include "util/allocate.h"

static enum outcome run_set(const char *folder, const struct cnn_onnx *file, cnn_diag *diag)
{
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_onnx_array *in = calloc(file->input_count + 1, sizeof *in);
    struct cnn_onnx_array *out = calloc(file->output_count + 1, sizeof *out);
    enum outcome outcome = PASSED;
    char path[512];
    for (size_t i = 0; i < file->input_count && outcome == PASSED; i++) {
        snprintf(path, sizeof path, "%s/test_data_set_0/input_%zu.pb", folder, i);
        if (!suite_read_tensor(path, file, arena, &in[i], diag))
            outcome = REFUSED;
    }
    if (outcome == PASSED && cnn_onnx_execute(file, in, NULL, NULL, out, diag) != CNN_OK)
        outcome = REFUSED;
    for (size_t i = 0; i < file->output_count && outcome == PASSED; i++) {
        struct cnn_onnx_array want = {0};
        snprintf(path, sizeof path, "%s/test_data_set_0/output_%zu.pb", folder, i);
        if (!suite_read_tensor(path, file, arena, &want, diag))
            outcome = REFUSED;
        else if (!suite_is_close(&out[i], &want))
            outcome = FAILED;
        cnn_onnx_arrays_free(&want, 1);
    }
    cnn_onnx_arrays_free(in, file->input_count);
    cnn_onnx_arrays_free(out, file->output_count);
    free(in);
    free(out);
    cnn_arena_free(arena);
    return outcome;
}

static enum outcome run_case(const char *folder, cnn_diag *diag)
{
    struct cnn_onnx *file = NULL;
    char path[512];
    enum outcome outcome = REFUSED;
    snprintf(path, sizeof path, "%s/model.onnx", folder);
    if (strstr(folder, "BFLOAT16")) /* the suite has these numbers as uint16, and cut off */
        cnn_fail(diag, CNN_FAILED, NULL, "%s: its data are no bfloat16", path);
    else if (cnn_onnx_open(path, &file, diag) == CNN_OK)
        outcome = run_set(folder, file, diag);
    cnn_onnx_close(file);
    return outcome;
}

static void test_the_projects_own_tests_pass_or_are_refused(void **state)
{
    static const struct {
        const char *suite;
        size_t least; /* that pass */
    } suites[] = {
        {"node", 481}, {"simple", 6}, {"pytorch-operator", 31}, {"pytorch-converted", 79}};
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
        print_message("%-20s %4zu passed, %4zu refused, %4zu failed\n", suites[i].suite,
                      tally.counts[PASSED], tally.counts[REFUSED], tally.counts[FAILED]);
        assert_int_equal(tally.counts[FAILED], 0);
        assert_true(tally.counts[PASSED] >= suites[i].least);
    }
}

/* As numpy divides them, which ONNX's own tests use: 0.35f / 0.1f is 3.5 in float32, and less in
 * double. */
static void test_codes_are_numbers_divided_in_float32(void **state)
{
    static const double want[] = {4, 2, 12};
    struct onnx_model model = {0};
    struct cnn_onnx *file = NULL;
    double *data = cnn_malloc(3 * sizeof *data);
    struct cnn_onnx_array in = {.type = CNN_ONNX_FLOAT, .rank = 2, .dims = {1, 3}, .count = 3},
                          out = {0};
    (void)state;
    assert_non_null(data);
    data[0] = (double)0.35f;
    data[1] = (double)0.25f;
    data[2] = (double)1.15f;
    in.data = data;
    onnx_input(&model, "x", "batch 3");
    onnx_floats(&model, "scale", "", (const float[]){0.1f});
    onnx_node(&model, "QuantizeLinear", "x scale", "y", "");
    onnx_output(&model, "y");
    struct cnn_text bytes = onnx_finish(&model);
    assert_int_equal(cnn_onnx_open_memory("codes.onnx", bytes.data, bytes.size, &file, NULL),
                     CNN_OK);
    assert_int_equal(cnn_onnx_execute(file, &in, NULL, NULL, &out, NULL), CNN_OK);
    assert_int_equal(out.count, 3);
    assert_memory_equal(out.data, want, sizeof want);
    cnn_onnx_arrays_free(&in, 1);
    cnn_onnx_arrays_free(&out, 1);
    cnn_onnx_close(file);
    cnn_text_free(&bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_projects_own_tests_pass_or_are_refused),
        cmocka_unit_test(test_codes_are_numbers_divided_in_float32)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
