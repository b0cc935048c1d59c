/* A graph that was made in memory as an ONNX file. */
#ifndef CNN_FORMATS_ONNX_WRITE_H
#define CNN_FORMATS_ONNX_WRITE_H

#include "formats/onnx_draft.h"

struct cnn_onnx_file {
    const char *path; /* for messages */
    const char *name; /* of the graph */
    /* of its input and output: float32, any number of images of these shapes */
    const char *ends[2];
    cnn_shape shapes[2];
    const struct cnn_onnx_pair *metadata;
    size_t metadata_count;
};

/* The whole file, cnn_malloc'ed. CNN_INVALID where it would be larger than a protocol buffer can
 * be. The draft stays the caller's. */
cnn_status cnn_onnx_write(const struct cnn_onnx_draft *draft, const struct cnn_onnx_file *file,
                          struct cnn_protobuf_bytes *out, cnn_diag *diag);

#endif
