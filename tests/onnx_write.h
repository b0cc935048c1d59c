/* Small ONNX files for tests, written here: protocol buffers, and models of a few nodes. */
#ifndef CNN_TESTS_ONNX_WRITE_H
#define CNN_TESTS_ONNX_WRITE_H

#include "util/text.h"

/* Fields of a message. */
void wire_int(struct cnn_text *out, unsigned field, int64_t value);
void wire_float(struct cnn_text *out, unsigned field, float value);
void wire_bytes(struct cnn_text *out, unsigned field, const void *bytes, size_t size);
void wire_text(struct cnn_text *out, unsigned field, const char *text);
/* message becomes a field of out, and is freed */
void wire_message(struct cnn_text *out, unsigned field, struct cnn_text *message);
void wire_varint(struct cnn_text *out, uint64_t value); /* alone, as packed fields have them */

struct onnx_model {
    struct cnn_text graph; /* fields so far, but for what follows */
    int64_t ir, opset;     /* 0: 8 and 17 */
};

/* A node. Names of values are separated by spaces; `-` is one that is left out. attributes:
 * "kernel_shape=[3,3] alpha=0.5 axis=1 mode='constant' to=[-1.5,2.0]". */
void onnx_node(struct onnx_model *model, const char *op_type, const char *inputs,
               const char *outputs, const char *attributes);
/* The same with another name than that of its first output. */
void onnx_named(struct onnx_model *model, const char *name, const char *op_type, const char *inputs,
                const char *outputs, const char *attributes);
/* Sizes are text: "8 3 3 3"; "" is a scalar. */
void onnx_floats(struct onnx_model *model, const char *name, const char *sizes,
                 const float *values);
void onnx_ints(struct onnx_model *model, const char *name, const char *sizes,
               const int64_t *values);
/* Numbers of a generator, between -1 and 1 (times scale, plus offset), of this seed. */
void onnx_random(struct onnx_model *model, const char *name, const char *sizes, unsigned seed,
                 float scale, float offset);
/* A tensor as the caller has written it (fields of TensorProto but for the name); freed. */
void onnx_tensor(struct onnx_model *model, const char *name, struct cnn_text *fields);
/* sizes: numbers, or words for those that are free: "batch 3 8 8" */
void onnx_input(struct onnx_model *model, const char *name, const char *sizes);
void onnx_output(struct onnx_model *model, const char *name);

/* The whole file; the model is empty then. free() the bytes with cnn_text_free. */
struct cnn_text onnx_finish(struct onnx_model *model);

#endif
