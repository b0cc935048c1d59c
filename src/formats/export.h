/* Export formats: what a model can be written as for other programs, one file and one line in
 * exports.def each. export.c loops over them. */
#ifndef CNN_FORMATS_EXPORT_H
#define CNN_FORMATS_EXPORT_H

#include "model/model.h"

struct cnn_export { /* one export */
    cnn_model *model;
    const char *path; /* of the file */
    const char *name; /* of the network there: an identifier where it must be one */
    const cnn_export_options *options; /* never NULL */
    struct cnn_arena *arena;           /* freed at its end */
    cnn_export_info *info;             /* zeroed; texts are the model's */
    cnn_diag *diag;
};

struct cnn_export_type {
    cnn_export_format public;
    /* Why pixels are not normalised at a wish, as "its inputs are ..."; NULL: they are. */
    const char *inputs;
    /* Writes e->path, whole or not at all. */
    cnn_status (*write)(const struct cnn_export *e);
};

/* A network of `precision: bf16` rounds what the file's arithmetic does not: the same one in
 * float32, with the model's own parameters and its description alone; other models themselves.
 * _free: NULL is legal. */
cnn_status cnn_export_floats(const struct cnn_export *e, cnn_model **out);
void cnn_export_floats_free(const struct cnn_export *e, cnn_model *floats);

/* The padding behind the last row or column of an axis whose windows are `out`, before which
 * `before` was padded: as much as before where that gives as many windows, else what the last
 * window reaches. */
struct cnn_export_axis {
    size_t in, out, kernel, stride, dilation, before;
};
size_t cnn_export_pad_after(const struct cnn_export_axis *axis);
/* Those of a convolution: top, left, bottom, right. */
void cnn_export_conv_pads(const struct cnn_conv *conv, size_t pads[4]);
/* Those of a pooling with floor: padding as it is configured, and what windows that begin in the
 * map reach beyond it (over), by which their number is the same without rounding up. */
void cnn_export_pool_pads(const struct cnn_pool *pool, size_t pads[4], size_t over[2]);
/* Those of a transposed convolution, and what its output has more at the bottom and right. */
void cnn_export_deconv_pads(const struct cnn_conv *back, size_t pads[4], size_t extra[2]);

#endif
