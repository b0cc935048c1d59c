/* What the readers of ONNX files share. */
#ifndef CNN_FORMATS_ONNX_INTERNAL_H
#define CNN_FORMATS_ONNX_INTERNAL_H

#include "formats/onnx.h"

/* ---- Messages of which a graph consists ---- */

struct cnn_onnx_shape_message {
    size_t at;
    struct cnn_protobuf_list dims; /* struct cnn_onnx_dimension */
};

struct cnn_onnx_tensor_type_message {
    size_t at;
    int64_t type;
    struct cnn_onnx_shape_message *shape;
};

struct cnn_onnx_type_message {
    size_t at;
    struct cnn_onnx_tensor_type_message *tensor;
};

struct cnn_onnx_value_message {
    size_t at;
    const char *name;
    struct cnn_onnx_type_message *type;
};

struct cnn_onnx_graph_message {
    size_t at;
    const char *name;
    struct cnn_protobuf_list nodes, initializers, inputs, outputs, sparse;
};

struct cnn_onnx_opened {
    struct cnn_onnx public; /* first: the pointer handed out is this one */
    struct cnn_arena *arena;
    char *bytes;        /* cnn_malloc'ed; NULL where they are the caller's */
    const char *folder; /* of external data; NULL: none are read */
    const struct cnn_onnx_graph_message *graph;
};

struct cnn_onnx_opset_message {
    size_t at;
    const char *domain;
    int64_t version;
};

struct cnn_onnx_model_message {
    size_t at;
    int64_t ir_version;
    const char *producer, *producer_version;
    struct cnn_onnx_graph_message *graph;
    struct cnn_protobuf_list opsets, metadata;
};

extern const struct cnn_protobuf_message cnn_onnx_tensor_message, cnn_onnx_model_message;

/* A graph that no ONNX file holds. Its arena, which has all of it, is the file's from now on; it is
 * freed on failure. */
struct cnn_onnx_made {
    struct cnn_arena *arena;
    const char *name, *producer;
    int64_t opset;
};
cnn_status cnn_onnx_open_graph(const struct cnn_onnx_made *made,
                               const struct cnn_onnx_graph_message *graph, struct cnn_onnx **out,
                               cnn_diag *diag);

#endif
