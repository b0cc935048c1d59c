/* Nodes that together are one layer: activations that a file spells out, and LayerNorm. */
#ifndef CNN_FORMATS_ONNX_MATCH_H
#define CNN_FORMATS_ONNX_MATCH_H

#include "formats/onnx_reference.h"

/* What a step is part of. */
struct cnn_onnx_match {
    bool inside;        /* another step does its work, too */
    const char *type;   /* layer that this step and those inside are; NULL: it stands for itself */
    size_t root;        /* the value that the layer reads */
    size_t uses;        /* how often the steps read it */
    double numbers[2];  /* negative_slope; min and max; eps */
    size_t scale, bias; /* layer_norm: values; CNN_ONNX_NONE */
};

/* matches: one for each step, zeroed; arrays as cnn_onnx_infer gives them. Activations are known by
 * what they compute: any nodes that take number by number, with constants, are one function, whose
 * values are held against those of each activation. CNN_FAILED where memory was wanting. */
cnn_status cnn_onnx_find_matches(const struct cnn_onnx *file, const struct cnn_onnx_array *arrays,
                                 struct cnn_onnx_match *matches, cnn_diag *diag);

#endif
