/* ONNX files made by calls: nodes and tensors are added, and then the whole becomes bytes. */
#ifndef CNN_FORMATS_ONNX_BUILD_H
#define CNN_FORMATS_ONNX_BUILD_H

#include "formats/onnx.h"
#include "util/arena.h"

#define CNN_ONNX_BUILD_IR    8
#define CNN_ONNX_BUILD_OPSET 17

/* Want of memory sticks: failed becomes true, what is added later comes to nothing, and
 * cnn_onnx_build_bytes tells. All texts and arrays of numbers but those of cnn_onnx_build_tensor
 * are copied. */
struct cnn_onnx_build {
    struct cnn_arena *arena; /* the caller's */
    bool failed;
    struct cnn_onnx_node *nodes;
    size_t node_count, node_room;
    struct cnn_onnx_tensor *tensors;
    size_t tensor_count, tensor_room;
    struct cnn_onnx_pair *pairs; /* metadata */
    size_t pair_count, pair_room;
};

/* A node with these inputs (NULL: left out) and one output. Pointers are good until the next
 * node. */
void cnn_onnx_build_node(struct cnn_onnx_build *build, const char *op_type,
                         const char *const *inputs, size_t input_count, const char *output);
/* Of the newest node. */
void cnn_onnx_build_name(struct cnn_onnx_build *build, const char *name, const char *output);
void cnn_onnx_build_int(struct cnn_onnx_build *build, const char *name, int64_t value);
void cnn_onnx_build_float(struct cnn_onnx_build *build, const char *name, float value);
void cnn_onnx_build_text(struct cnn_onnx_build *build, const char *name, const char *value);
void cnn_onnx_build_ints(struct cnn_onnx_build *build, const char *name, size_t count,
                         const int64_t *values);

/* A tensor of the file. bytes: its numbers, which stay the caller's until the file has become
 * bytes. Returns its name. */
struct cnn_onnx_constant {
    const char *name;
    int64_t type; /* enum cnn_onnx_type */
    size_t rank, dims[CNN_ONNX_MAX_RANK], bytes;
    const void *data;
};
const char *cnn_onnx_build_tensor(struct cnn_onnx_build *build,
                                  const struct cnn_onnx_constant *constant);
/* A list of integers, or of floats; rank 0: a single one. Copied. */
const char *cnn_onnx_build_integers(struct cnn_onnx_build *build, const char *name, size_t count,
                                    const int64_t *values);
const char *cnn_onnx_build_number(struct cnn_onnx_build *build, const char *name, float value);

void cnn_onnx_build_metadata(struct cnn_onnx_build *build, const char *key, const char *value);

/* A value of the graph: float32, any number of images of this shape. */
struct cnn_onnx_end {
    const char *name;
    cnn_shape shape;
};

/* The whole file, cnn_malloc'ed. CNN_INVALID where it would be larger than a protocol buffer can
 * be. path: for messages. */
cnn_status cnn_onnx_build_bytes(struct cnn_onnx_build *build, const char *graph_name,
                                const struct cnn_onnx_end ends[2], const char *path,
                                struct cnn_protobuf_bytes *out, cnn_diag *diag);
void cnn_onnx_build_free(struct cnn_onnx_build *build); /* but for the arena */

#endif
