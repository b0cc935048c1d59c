/* The ONNX project's own tests, which Debian has as libonnx-testdata: models with inputs and the
 * outputs that are right. */
#ifndef CNN_TESTS_ONNX_SUITE_H
#define CNN_TESTS_ONNX_SUITE_H

#include "formats/onnx_reference.h"

#define SUITE_DATA "/usr/share/libonnx-testdata/data"

enum outcome { PASSED, REFUSED, FAILED };

struct tally {
    size_t counts[3];
};

/* One test, in a folder of its own. What is refused has a message. */
typedef enum outcome suite_case(const char *folder, cnn_diag *diag);

/* All tests of a suite, a folder of SUITE_DATA. Those that fail are named. */
void suite_run(const char *suite, suite_case *run_case, struct tally *tally);

/* A tensor in a file of its own; its data are the caller's to free. file: for messages. */
bool suite_read_tensor(const char *path, const struct cnn_onnx *file, struct cnn_arena *arena,
                       struct cnn_onnx_array *out, cnn_diag *diag);

/* To the suite's tolerance: 1e-7 + 1e-3 of what is right. */
bool suite_is_close(const struct cnn_onnx_array *got, const struct cnn_onnx_array *want);

#endif
