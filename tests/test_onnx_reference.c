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

#include "formats/onnx_reference.h"
#include "util/file.h"

#define DATA "/usr/share/libonnx-testdata/data"

enum outcome { PASSED, REFUSED, FAILED };

struct tally {
    size_t counts[3];
};

static bool read_tensor(const char *path, const struct cnn_onnx *file, struct cnn_arena *arena,
                        struct cnn_onnx_array *out, cnn_diag *diag)
{
    char *bytes = NULL;
    size_t size;
    struct cnn_onnx_tensor *tensor = NULL;
    bool read =
        cnn_file_read(path, (size_t)1 << 30, &bytes, &size, diag) == CNN_OK &&
        cnn_onnx_tensor_open(arena, path, bytes, size, &tensor, diag) == CNN_OK &&
        cnn_onnx_tensor_shape(file, tensor, &out->rank, out->dims, &out->count, diag) == CNN_OK;
    if (read) {
        out->type = tensor->data_type;
        out->data = calloc(out->count + 1, sizeof *out->data);
        assert_non_null(out->data);
        read = cnn_onnx_tensor_read(file, tensor, out->data, diag) == CNN_OK;
    }
    free(bytes);
    return read;
}

/* The suite's tolerance: 1e-7 + 1e-3 of what is right. */
static bool is_close(const struct cnn_onnx_array *got, const struct cnn_onnx_array *want)
{
    if (got->rank != want->rank || got->count != want->count || got->type != want->type ||
        memcmp(got->dims, want->dims, got->rank * sizeof *got->dims) != 0)
        return false;
    for (size_t i = 0; i < got->count; i++) {
        double a = got->data[i], b = want->data[i];
        if (!(fabs(a - b) <= 1e-7 + 1e-3 * fabs(b)) && !(isnan(a) && isnan(b)) && a != b)
            return false;
    }
    return true;
}

static enum outcome run_set(const char *folder, const struct cnn_onnx *file, cnn_diag *diag)
{
    struct cnn_arena *arena = cnn_arena_new();
    struct cnn_onnx_array *in = calloc(file->input_count + 1, sizeof *in);
    struct cnn_onnx_array *out = calloc(file->output_count + 1, sizeof *out);
    enum outcome outcome = PASSED;
    char path[512];
    for (size_t i = 0; i < file->input_count && outcome == PASSED; i++) {
        snprintf(path, sizeof path, "%s/test_data_set_0/input_%zu.pb", folder, i);
        if (!read_tensor(path, file, arena, &in[i], diag))
            outcome = REFUSED;
    }
    if (outcome == PASSED && cnn_onnx_execute(file, in, NULL, NULL, out, diag) != CNN_OK)
        outcome = REFUSED;
    for (size_t i = 0; i < file->output_count && outcome == PASSED; i++) {
        struct cnn_onnx_array want = {0};
        snprintf(path, sizeof path, "%s/test_data_set_0/output_%zu.pb", folder, i);
        if (!read_tensor(path, file, arena, &want, diag))
            outcome = REFUSED;
        else if (!is_close(&out[i], &want))
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

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static void run_suite(const char *suite, struct tally *tally)
{
    struct dirent **entries;
    char folder[400];
    snprintf(folder, sizeof folder, DATA "/%s", suite);
    int count = scandir(folder, &entries, NULL, by_name);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            cnn_diag *diag = cnn_diag_new();
            snprintf(folder, sizeof folder, DATA "/%s/%.200s", suite, entries[i]->d_name);
            enum outcome outcome = run_case(folder, diag);
            tally->counts[outcome]++;
            if (outcome == FAILED)
                print_message("%s/%s: another result\n", suite, entries[i]->d_name);
            /* what is refused says why */
            if (outcome == REFUSED)
                assert_int_not_equal(cnn_diag_count(diag), 0);
            if (outcome == REFUSED && getenv("VERBOSE"))
                print_message("%s: %s\n", entries[i]->d_name, cnn_diag_get(diag, 0)->text);
            cnn_diag_free(diag);
        }
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void test_the_projects_own_tests_pass_or_are_refused(void **state)
{
    static const struct {
        const char *suite;
        size_t least; /* that pass */
    } suites[] = {
        {"node", 474}, {"simple", 6}, {"pytorch-operator", 31}, {"pytorch-converted", 79}};
    (void)state;
    DIR *folder = opendir(DATA);
    if (!folder) {
        print_message("skipped: " DATA " is not there (package libonnx-testdata)\n");
        skip();
    }
    closedir(folder);
    for (size_t i = 0; i < sizeof suites / sizeof *suites; i++) {
        struct tally tally = {{0}};
        run_suite(suites[i].suite, &tally);
        print_message("%-20s %4zu passed, %4zu refused, %4zu failed\n", suites[i].suite,
                      tally.counts[PASSED], tally.counts[REFUSED], tally.counts[FAILED]);
        assert_int_equal(tally.counts[FAILED], 0);
        assert_true(tally.counts[PASSED] >= suites[i].least);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_projects_own_tests_pass_or_are_refused)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
