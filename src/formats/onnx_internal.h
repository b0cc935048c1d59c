/* What the readers of ONNX files share. */
#ifndef CNN_FORMATS_ONNX_INTERNAL_H
#define CNN_FORMATS_ONNX_INTERNAL_H

#include "formats/onnx.h"

struct cnn_onnx_graph_message;

struct cnn_onnx_opened {
    struct cnn_onnx public; /* first: the pointer handed out is this one */
    struct cnn_arena *arena;
    char *bytes;        /* cnn_malloc'ed; NULL where they are the caller's */
    const char *folder; /* of external data; NULL: none are read */
    const struct cnn_onnx_graph_message *graph;
};

extern const struct cnn_protobuf_message cnn_onnx_tensor_message;

/* Opens what an external tensor names, below folder, without following links; a descriptor, or -1
 * and a message. */
int cnn_onnx_external_open(const struct cnn_onnx_opened *file, const char *location,
                           const struct cnn_onnx_tensor *tensor, unsigned long long *size,
                           cnn_diag *diag);

#endif
