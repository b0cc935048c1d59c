/* An ONNX graph that is made in memory: what readers of other formats translate their layers to,
 * and what becomes an ONNX file (onnx_write.h). Its operators are those of opset 17. A want of
 * memory sticks, and is told by cnn_onnx_draft_open. Texts and numbers that are handed over must
 * last as long as the graph. */
#ifndef CNN_FORMATS_ONNX_DRAFT_H
#define CNN_FORMATS_ONNX_DRAFT_H

#include "formats/onnx_internal.h"

struct cnn_onnx_draft {
    struct cnn_arena *arena; /* of all that the graph consists of */
    struct cnn_onnx_node *nodes;
    size_t node_count, node_room;
    struct cnn_onnx_tensor *tensors;
    size_t tensor_count, tensor_room;
    int64_t opset; /* of the file that it becomes; 0: 17 */
    bool failed;
};

/* A tensor of float32, little endian, which stays where it is; or of numbers, which are copied, as
 * float32 or as int64. Returns its name: "<layer>.<suffix>". */
struct cnn_onnx_dims {
    size_t rank;
    int64_t dims[4];
};
const char *cnn_onnx_draft_bytes(struct cnn_onnx_draft *draft, const char *layer,
                                 const char *suffix, struct cnn_onnx_dims dims,
                                 struct cnn_protobuf_bytes bytes);
const char *cnn_onnx_draft_floats(struct cnn_onnx_draft *draft, const char *layer,
                                  const char *suffix, struct cnn_onnx_dims dims,
                                  const float *values);
const char *cnn_onnx_draft_integers(struct cnn_onnx_draft *draft, const char *layer,
                                    const char *suffix, const int64_t *values, size_t count);

/* The newest tensor is of another type than float32. */
void cnn_onnx_draft_type(struct cnn_onnx_draft *draft, enum cnn_onnx_type type);

/* A node, then its attributes and what it reads; values are known by their names. add makes its
 * one output, which is called after the node: the name is returned. The newest node is meant. */
void cnn_onnx_draft_node(struct cnn_onnx_draft *draft, const char *op_type, const char *name);
void cnn_onnx_draft_input(struct cnn_onnx_draft *draft, const char *value); /* NULL: left out */
const char *cnn_onnx_draft_output(struct cnn_onnx_draft *draft);
/* Other names for the node and its one output, which nobody reads yet. */
void cnn_onnx_draft_rename(struct cnn_onnx_draft *draft, const char *name, const char *output);
void cnn_onnx_draft_int(struct cnn_onnx_draft *draft, const char *name, int64_t value);
void cnn_onnx_draft_ints(struct cnn_onnx_draft *draft, const char *name, const int64_t *values,
                         size_t count);
void cnn_onnx_draft_float(struct cnn_onnx_draft *draft, const char *name, double value);
void cnn_onnx_draft_word(struct cnn_onnx_draft *draft, const char *name, const char *value);

/* A node of one input and no attributes. */
const char *cnn_onnx_draft_unary(struct cnn_onnx_draft *draft, const char *op_type,
                                 const char *name, const char *value);
const char *cnn_onnx_draft_binary(struct cnn_onnx_draft *draft, const char *op_type,
                                  const char *name, const char *a, const char *b);

/* The graph, between one input and outputs[0..count). input: channels, rows, columns; c 0: unknown.
 * The draft's arena becomes the graph's; on failure it is freed. */
struct cnn_onnx_ends {
    const char *file;     /* for messages */
    const char *producer; /* "Caffe" */
    const char *input;
    cnn_shape shape;
    const char *const *outputs;
    size_t output_count;
};
cnn_status cnn_onnx_draft_open(struct cnn_onnx_draft *draft, const struct cnn_onnx_ends *ends,
                               struct cnn_onnx **out, cnn_diag *diag);

#endif
