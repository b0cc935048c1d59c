/* What the files of ONNX export share: the walk over the layers, of which each adds nodes. */
#ifndef CNN_FORMATS_ONNX_EXPORT_H
#define CNN_FORMATS_ONNX_EXPORT_H

#include "formats/export.h"
#include "formats/onnx_write.h"

/* int8: a value that went through its codes. */
struct cnn_onnx_codes {
    const char *name; /* NULL: it has not */
    float scale;
    int zero;
};

struct cnn_onnx_writer {
    struct cnn_onnx_draft draft;
    const cnn_model *model;
    const struct cnn_plan *plan;  /* int8: what computes it, for its integers; else NULL */
    const char **names;           /* of values in the file, by value */
    struct cnn_onnx_codes *codes; /* by value */
    /* the layer at hand */
    const struct cnn_node *node;
    const struct cnn_node *next; /* a batch_norm that is folded into it; NULL */
    bool folded;                 /* it is such a batch_norm */
    struct cnn_operation operation;
    size_t steps; /* nodes that it has so far */
};

/* Adds a node that is a part of the layer. Returns its name, which is that of what it gives; the
 * last one gets the layer's in the end. */
const char *cnn_onnx_emit(struct cnn_onnx_writer *w, const char *op_type, size_t input_count,
                          const char *const *inputs);
const char *cnn_onnx_emit1(struct cnn_onnx_writer *w, const char *op_type, const char *x);
const char *cnn_onnx_emit2(struct cnn_onnx_writer *w, const char *op_type, const char *x,
                           const char *y);
/* Input i of the layer. */
const char *cnn_onnx_input(const struct cnn_onnx_writer *w, size_t i);
/* The parameter with this suffix, in its own shape, or over the channels of the layer's output so
 * that it meets their places; NULL: there is none. */
const char *cnn_onnx_parameter(struct cnn_onnx_writer *w, const char *suffix);
const char *cnn_onnx_channels(struct cnn_onnx_writer *w, const char *suffix);
/* Numbers of it, in the model. */
const float *cnn_onnx_numbers(const struct cnn_onnx_writer *w, const char *suffix);

/* onnx_export_int8.c: what a quantized layer computes with: input, weights, bias (NULL: none). */
void cnn_onnx_coded_inputs(struct cnn_onnx_writer *w, const char *inputs[3]);
/* Input i of the layer at hand, which computes with it: through its codes where it is bytes. */
const char *cnn_onnx_computed_input(struct cnn_onnx_writer *w, size_t i);
/* The sums x of the layer at hand, through the codes that they have before an activation. */
const char *cnn_onnx_coded_sum(struct cnn_onnx_writer *w, const char *x);
/* The batch_norm that is folded into node i; NULL: none. */
const struct cnn_node *cnn_onnx_folded_norm(const struct cnn_graph *graph, size_t i);

/* OpenCV before 4.7 reads no Clip whose bounds are inputs, as they are from opset 11 on. So a
 * network that clips, and needs nothing newer, is written in opset 10. */
#define CNN_ONNX_OLD_OPSET 10

/* The nodes of the layer, by its operation; false: there is no writer for that. */
bool cnn_onnx_write_operation(struct cnn_onnx_writer *w);
/* Whether each kind of operation has one. */
bool cnn_onnx_writes(enum cnn_operation_kind kind);

/* onnx_export_activation.c: the nodes of the layer's activation of x. */
const char *cnn_onnx_activate(struct cnn_onnx_writer *w, const char *x);
/* A number as a constant of the layer. */
const char *cnn_onnx_number(struct cnn_onnx_writer *w, const char *suffix, float value);

/* onnx_export_check.c: the file is what the model is. */
cnn_status cnn_onnx_check_export(const struct cnn_export *e, const struct cnn_onnx_writer *w,
                                 const struct cnn_protobuf_bytes *bytes);

#endif
