/* The reference: an ONNX graph executed operator by operator, in double, as the text of the
 * operators says (docs/Operators.md of ONNX). It shares nothing with the layers and kernels of this
 * library, whose results are held against it. */
#ifndef CNN_FORMATS_ONNX_REFERENCE_H
#define CNN_FORMATS_ONNX_REFERENCE_H

#include "formats/onnx.h"

/* Constants of so many numbers, at most, are computed with the shapes, and stay. */
#define CNN_ONNX_FEW_NUMBERS ((size_t)1 << 16)

/* A tensor in memory. type 0: nothing is known of it. data NULL: its shape is known alone. */
struct cnn_onnx_array {
    int64_t type; /* enum cnn_onnx_type; whole numbers are whole in data, too */
    size_t rank, dims[CNN_ONNX_MAX_RANK], count;
    double *data;  /* for cnn_free */
    bool constant; /* the same whatever the inputs hold, as long as their shapes stay */
};

/* Shapes of all values for inputs of these shapes (one for each of file->inputs; data are not
 * looked at), and the numbers of those that depend on shapes alone, where they are few. arrays: one
 * for each value, zeroed. All mistakes are reported: nodes behind one that fails are passed over.
 */
cnn_status cnn_onnx_infer(const struct cnn_onnx *file, const struct cnn_onnx_array *inputs,
                          struct cnn_onnx_array *arrays, cnn_diag *diag);

/* The numbers of a value that is constant, after cnn_onnx_infer, into arrays[value].data, where
 * they stay until the caller frees them. */
cnn_status cnn_onnx_compute_constant(const struct cnn_onnx *file, struct cnn_onnx_array *arrays,
                                     size_t value, cnn_diag *diag);

/* Sees each value once it is computed, and may change its numbers: what reads the value is computed
 * from these. A status other than CNN_OK ends the execution. */
typedef cnn_status cnn_onnx_observer(void *context, size_t value, struct cnn_onnx_array *array);

/* Computes everything. A value is freed after its last reader; outputs: the graph's, their data the
 * caller's to free; may be NULL. observer may be NULL. */
cnn_status cnn_onnx_execute(const struct cnn_onnx *file, const struct cnn_onnx_array *inputs,
                            cnn_onnx_observer *observer, void *context,
                            struct cnn_onnx_array *outputs, cnn_diag *diag);

/* Frees the data of count arrays, which become those of nothing. */
void cnn_onnx_arrays_free(struct cnn_onnx_array *arrays, size_t count);

/* One node alone, on arrays of the caller's (NULL: left out); out: one zeroed array for each
 * output. */
cnn_status cnn_onnx_run_node(const struct cnn_onnx *file, size_t step,
                             const struct cnn_onnx_array *const *in, struct cnn_onnx_array *out,
                             cnn_diag *diag);

/* cnn_fail about a node: names it, its operator, and the nodes before and behind it. */
cnn_status cnn_onnx_fail(const struct cnn_onnx *file, size_t step, cnn_diag *diag,
                         const char *format, ...) __attribute__((format(printf, 4, 5)));

#endif
