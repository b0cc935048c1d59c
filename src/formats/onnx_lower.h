/* From an ONNX graph to layers: a list of them with their settings and parameters. */
#ifndef CNN_FORMATS_ONNX_LOWER_H
#define CNN_FORMATS_ONNX_LOWER_H

#include "formats/onnx_match.h"
#include "formats/onnx_view.h"
#include "util/text.h"

struct cnn_normalization;

#define CNN_LOWERED_TENSORS 5
#define CNN_LOWERED_INPUTS  256

struct cnn_lowered_tensor {
    const char *suffix; /* "weight" */
    float *values;      /* for cnn_free */
    size_t count;
};

struct cnn_lowered_layer {
    const char *type, *name;
    const size_t *inputs; /* numbers of layers, from 1; 0: the network's input */
    size_t input_count;
    struct cnn_text keys;   /* "filters: 3, kernel_size: 3": what a description has */
    const char *activation; /* of the layer; NULL */
    cnn_shape shape;
    struct cnn_lowered_tensor tensors[CNN_LOWERED_TENSORS];
    size_t value;          /* of the file, that it computes; CNN_ONNX_NONE: none */
    struct cnn_view order; /* in which the value has its numbers */
    bool logarithm;        /* the value is the logarithm of what the layer gives */
    bool needed;           /* by the output */
};

struct cnn_lowering {
    const struct cnn_onnx *file;
    struct cnn_arena *arena;
    cnn_diag *diag;
    struct cnn_onnx_array *arrays; /* of the file's values */
    struct cnn_onnx_match *matches;
    struct cnn_view *views; /* likewise; unknown for constants, and behind what failed */
    bool *needed;           /* steps that the output depends on */
    float (*ranges)[2];     /* of values that went through codes; else 0, 0 */
    bool codes;             /* some layer reads such values */
    bool channels_last;     /* the file's input is rows, columns, channels */
    cnn_shape input;
    /* what the file does to its input before the network sees it; NULL: nothing */
    const struct cnn_normalization *normalization;
    struct cnn_lowered_layer *layers; /* number 1 is the first */
    size_t count, capacity;
    size_t output;             /* number of the layer that is the output */
    struct cnn_text notes;     /* lines: what was dropped, folded, guessed */
    size_t constants, dropped; /* steps that compute constants; that do nothing */
    bool wrong;
    bool damaged; /* wrong, and no matter of what is supported */
};

/* Shapes for the input (channels, rows, columns; zeros: as the file says), matches and layers. All
 * that cannot be said in layers is reported; CNN_INVALID then. */
cnn_status cnn_onnx_lower(struct cnn_lowering *lowering, cnn_shape input);
void cnn_onnx_lowering_free(struct cnn_lowering *lowering); /* but for file, arena, diag */

/* The file's input for one image, of channels, rows, columns: its shape and type alone. */
cnn_status cnn_onnx_input_array(const struct cnn_lowering *lowering, struct cnn_onnx_array *out);

#endif
