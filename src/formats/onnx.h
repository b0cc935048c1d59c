/* ONNX files as they stand: nodes, attributes, tensors. The format: onnx.proto of
 * https://github.com/onnx/onnx (Apache-2.0), version IR 13; opsets 6 to 21. */
#ifndef CNN_FORMATS_ONNX_H
#define CNN_FORMATS_ONNX_H

#include "formats/protobuf.h"

#define CNN_ONNX_MAX_RANK      8
#define CNN_ONNX_OPSET_LOWEST  6
#define CNN_ONNX_OPSET_HIGHEST 21
/* Numbers in one tensor, at most: those of the first dense layer of VGG are 103 million. */
#define CNN_ONNX_MAX_COUNT ((size_t)1 << 28)
#define CNN_ONNX_NONE      SIZE_MAX /* an input or output that is left out */

/* Element types of TensorProto that are read; bool holds 0 and 1. */
enum cnn_onnx_type {
    CNN_ONNX_FLOAT = 1,
    CNN_ONNX_UINT8 = 2,
    CNN_ONNX_INT8 = 3,
    CNN_ONNX_UINT16 = 4,
    CNN_ONNX_INT16 = 5,
    CNN_ONNX_INT32 = 6,
    CNN_ONNX_INT64 = 7,
    CNN_ONNX_BOOL = 9,
    CNN_ONNX_FLOAT16 = 10,
    CNN_ONNX_DOUBLE = 11,
    CNN_ONNX_UINT32 = 12,
    CNN_ONNX_UINT64 = 13,
    CNN_ONNX_BFLOAT16 = 16
};
const char *cnn_onnx_type_name(int64_t type); /* "float16"; "type 8" where it is not read */
bool cnn_onnx_type_whole(int64_t type);       /* integers and bool */

struct cnn_onnx_pair { /* StringStringEntryProto */
    size_t at;
    const char *key, *value;
};

struct cnn_onnx_tensor {
    size_t at;
    struct cnn_protobuf_list dims; /* int64_t */
    int64_t data_type;
    const char *name;
    struct cnn_protobuf_bytes raw_data;
    struct cnn_protobuf_list float_data, int32_data, int64_data, double_data, uint64_data;
    struct cnn_protobuf_list external_data; /* pairs */
    int64_t data_location;                  /* 1: external */
};

struct cnn_onnx_attribute {
    size_t at;
    const char *name;
    int64_t type; /* 1 f, 2 i, 3 s, 4 t, 6 floats, 7 ints, 8 strings */
    float f;
    int64_t i;
    struct cnn_protobuf_bytes s;
    struct cnn_onnx_tensor *t;
    struct cnn_protobuf_list floats, ints;
};

struct cnn_onnx_node {
    size_t at;
    const char *name, *op_type, *domain;      /* NULL where absent; op_type is there */
    struct cnn_protobuf_list inputs, outputs; /* const char * */
    struct cnn_protobuf_list attributes;
};

struct cnn_onnx_dimension {
    size_t at;
    int64_t value;         /* 0 where unknown */
    const char *parameter; /* "batch"; NULL */
};

/* A value of the graph: an input, a tensor that the file holds, or the output of a node. */
struct cnn_onnx_value {
    const char *name;
    const struct cnn_onnx_tensor *tensor; /* its numbers; NULL */
    size_t producer;                      /* step that computes it; CNN_ONNX_NONE */
    size_t readers;                       /* uses as an input of a node or output of the graph */
};

/* A node with its values by number. */
struct cnn_onnx_step {
    const struct cnn_onnx_node *node;
    const size_t *inputs, *outputs; /* CNN_ONNX_NONE where left out */
    size_t input_count, output_count;
};

struct cnn_onnx {
    const char *name; /* the path, for messages */
    int64_t ir_version, opset;
    const char *producer;   /* "pytorch 1.13.0"; "" */
    const char *graph_name; /* "" */
    const struct cnn_onnx_pair *metadata;
    size_t metadata_count;
    struct cnn_onnx_value *values;
    size_t value_count;
    struct cnn_onnx_step *steps; /* in an order in which they can be executed: that of the file */
    size_t step_count;
    const size_t *inputs, *outputs; /* values of the graph, without those that the file holds */
    size_t input_count, output_count;
};

/* Reads the file and sees that it is whole (else CNN_FAILED) and of an opset that is read (else
 * CNN_INVALID): each value is made once and before it is used, and outputs are made at all. Numbers
 * of tensors are not looked at before cnn_onnx_tensor_read. */
cnn_status cnn_onnx_open(const char *path, struct cnn_onnx **out, cnn_diag *diag);
/* The same for bytes, which must stay as they are; external data are refused. */
cnn_status cnn_onnx_open_memory(const char *name, const void *bytes, size_t size,
                                struct cnn_onnx **out, cnn_diag *diag);
void cnn_onnx_close(struct cnn_onnx *file); /* NULL is legal */

/* The shape that the file gives for an input: its rank, CNN_ONNX_NONE where it gives none. */
size_t cnn_onnx_input_shape(const struct cnn_onnx *file, size_t input,
                            const struct cnn_onnx_dimension **dims);

/* Whether operators of this domain are those of ONNX itself: NULL, "" or "ai.onnx". */
bool cnn_onnx_default_domain(const char *domain);

/* NULL where the node has none of this name. */
const struct cnn_onnx_attribute *cnn_onnx_attribute(const struct cnn_onnx_node *node,
                                                    const char *name);

/* Its shape; CNN_FAILED where that is none, or larger than what is read; CNN_INVALID where its type
 * is not read. */
cnn_status cnn_onnx_tensor_shape(const struct cnn_onnx *file, const struct cnn_onnx_tensor *tensor,
                                 size_t *rank, size_t *dims, size_t *count, cnn_diag *diag);
/* All numbers of it as doubles (integers beyond 2^53 are rounded), from wherever they are. */
cnn_status cnn_onnx_tensor_read(const struct cnn_onnx *file, const struct cnn_onnx_tensor *tensor,
                                double *values, cnn_diag *diag);
/* Whether they are there; of a type that is not read nothing is said. */
cnn_status cnn_onnx_tensor_check(const struct cnn_onnx *file, const struct cnn_onnx_tensor *tensor,
                                 cnn_diag *diag);

/* A tensor in a file of its own, as the ONNX project's tests have them. */
cnn_status cnn_onnx_tensor_open(struct cnn_arena *arena, const char *name, const void *bytes,
                                size_t size, struct cnn_onnx_tensor **out, cnn_diag *diag);

#endif
