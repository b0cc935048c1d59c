/* The ONNX project's own tests (onnx_suite.h). */
#include "onnx_suite.h"

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

#include "util/file.h"

bool suite_read_tensor(const char *path, const struct cnn_onnx *file, struct cnn_arena *arena,
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

bool suite_is_close(const struct cnn_onnx_array *got, const struct cnn_onnx_array *want)
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

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

void suite_run(const char *suite, suite_case *run_case, struct tally *tally)
{
    struct dirent **entries;
    char folder[400];
    snprintf(folder, sizeof folder, SUITE_DATA "/%s", suite);
    int count = scandir(folder, &entries, NULL, by_name);
    for (int i = 0; i < count; i++) {
        if (entries[i]->d_name[0] != '.') {
            cnn_diag *diag = cnn_diag_new();
            snprintf(folder, sizeof folder, SUITE_DATA "/%s/%.200s", suite, entries[i]->d_name);
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
