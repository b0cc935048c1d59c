/* An imported network held against its file: the reference computes the file's own graph, and each
 * layer must give the same numbers. */
#ifndef CNN_FORMATS_ONNX_COMPARE_H
#define CNN_FORMATS_ONNX_COMPARE_H

#include "formats/onnx_lower.h"

struct cnn_onnx_agreement {
    size_t layers;     /* that were compared */
    double error;      /* the largest difference, as a share of the largest number of its layer */
    const char *layer; /* where; NULL: none */
};

/* The file's input for the image, as often as its batch wants; its data the caller's to free. */
cnn_status cnn_onnx_compare_input(const struct cnn_lowering *lowering, const float *image,
                                  struct cnn_onnx_array *out, cnn_diag *diag);

/* image: c x h x w as the network sees it. CNN_FAILED, with the first layer that differs by more
 * than tolerance, the node and both numbers. *out (zeroed by the caller) takes in what is found. */
cnn_status cnn_onnx_compare(const struct cnn_lowering *lowering, cnn_model *model,
                            const float *image, double tolerance, struct cnn_onnx_agreement *out,
                            cnn_diag *diag);

/* The same of a network of bytes: each layer, from the same inputs, gives the same within one code,
 * or within tolerance where it gives floats.
 * It computes with bytes here even where floats are faster. Numbers of the image that lie between
 * two codes are moved a little. */
cnn_status cnn_onnx_compare_bytes(const struct cnn_lowering *lowering, const cnn_model *model,
                                  float *image, double tolerance, struct cnn_onnx_agreement *out,
                                  cnn_diag *diag);

#endif
