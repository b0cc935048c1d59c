/* What a layer computes in inference, told to whoever writes the network for another program: the
 * kind of operation, with the kernels' own structs for its sizes. The values of its parameters are
 * those of the node's tensors, which are found by their suffixes. */
#ifndef CNN_GRAPH_OPERATION_H
#define CNN_GRAPH_OPERATION_H

#include "kernels/kernels.h"

enum cnn_operation_kind {
    CNN_OPERATION_PASS,        /* gives what it reads */
    CNN_OPERATION_CONVOLVE,    /* conv; weight, bias */
    CNN_OPERATION_DECONVOLVE,  /* conv: the convolution that goes the other way; weight, bias */
    CNN_OPERATION_DENSE,       /* weight, bias */
    CNN_OPERATION_POOL,        /* pool */
    CNN_OPERATION_GLOBAL_POOL, /* pool: of the whole map */
    CNN_OPERATION_BATCH_NORM,  /* eps; weight, bias, running_mean, running_var */
    CNN_OPERATION_GROUP_NORM,  /* group_norm; weight, bias, or neither */
    CNN_OPERATION_LAYER_NORM,  /* eps; likewise */
    CNN_OPERATION_SCALE,       /* weight, bias */
    CNN_OPERATION_ACTIVATE,    /* the activation alone */
    CNN_OPERATION_PRELU,       /* weight: one for each channel, or one */
    CNN_OPERATION_LRN,         /* lrn */
    CNN_OPERATION_FLATTEN,
    CNN_OPERATION_PAD,            /* border */
    CNN_OPERATION_RESAMPLE,       /* resample */
    CNN_OPERATION_DEPTH_TO_SPACE, /* depth */
    CNN_OPERATION_SPACE_TO_DEPTH, /* depth */
    CNN_OPERATION_ADD,
    CNN_OPERATION_MULTIPLY, /* by a value of its shape, or of one number for each channel */
    CNN_OPERATION_CONCATENATE,
    CNN_OPERATION_SLICE,   /* range */
    CNN_OPERATION_SHUFFLE, /* groups */
    CNN_OPERATION_KINDS
};

struct cnn_operation {
    enum cnn_operation_kind kind;
    struct cnn_activation activation; /* of the result */
    const struct cnn_pool *pooled;    /* CONVOLVE, DENSE, in a plan: of that; NULL: not pooled */
    union {
        struct cnn_conv conv;
        struct cnn_pool pool;
        struct cnn_group_norm group_norm;
        struct cnn_lrn lrn;
        struct cnn_border border;
        struct cnn_resample resample;
        struct cnn_depth depth;
        struct cnn_channel_range range;
        float eps;
        size_t groups;
    };
};

#endif
