/* What the passes of a convolution share: the layout of packed weights, and the correlation that is both the forward pass and the gradient of the
 * data. */
#ifndef CNN_KERNELS_VECTOR_CONV_INTERNAL_H
#define CNN_KERNELS_VECTOR_CONV_INTERNAL_H

#include "kernels/vector/windows.h"

/* Packed weights: for the forward pass [group][panel][kernel row, kernel column, channel][column], columns being filters; then, if wanted, for the
 * gradient of the data [phase][group][panel][tap row, tap column, filter][column], columns being channels. Depthwise: one group whose columns are
 * channels, and no third index. */
size_t CNN_ISA_NAME(cnn_conv_forward_floats)(const struct cnn_conv *c);

/* One axis of a phase of the gradient of the data. Where the stride is s, the input rows i with (i + pad) % s == residue are reached only by the taps
 * t with t * dilation % s == residue: on their own they are a correlation with stride 1 of dy and those taps, last tap first (Dumoulin and Visin, "A
 * guide to convolution arithmetic for deep learning", 2016, without its inserted zeros). */
struct cnn_phase {
    size_t first, count;      /* the input rows: first, first + stride, ... */
    size_t taps;              /* may be 0 */
    size_t last_tap, between; /* the taps: last_tap, last_tap - between, ... */
    size_t dilation;          /* in dy, between taps */
    ptrdiff_t pad;            /* of dy; negative: rows never read */
};

struct cnn_phase CNN_ISA_NAME(cnn_phase_at)(size_t residue, size_t size, size_t kernel, size_t stride, size_t dilation, size_t pad);

/* y[position][filter] = activation(bias + sum over taps and channels of x[position + tap][channel] * packed), for every group. */
struct cnn_correlation {
    struct cnn_windows windows;
    size_t groups, group_in, group_out;
    bool by_channel; /* groups == 1, group_in == group_out */
    const float *x, *packed;
    struct cnn_epilogue epilogue;
    float *y;
    ptrdiff_t y_stride[3]; /* from pixel to pixel, line to line, image to image; before pooling */
    float *scratch;
    /* How it is cut, by cnn_correlation_plan: */
    struct cnn_blocks blocks;
    size_t part_columns, parts, copy_floats, thread_floats, unpooled_floats;
    bool copy;
};

/* Fills in the plan from windows, groups, group_in, group_out, by_channel, epilogue. thread_floats: the scratch of one thread. */
void CNN_ISA_NAME(cnn_correlation_plan)(struct cnn_correlation *k);
void CNN_ISA_NAME(cnn_correlate)(struct cnn_correlation *k);

/* Pools two lines of `pixels` pixels with `columns` numbers each to `to`, whose pixels are y_step floats apart. Lines are read up to VLEN floats
 * beyond their end. */
void CNN_ISA_NAME(cnn_pool_lines)(bool average, const float *upper, const float *lower, size_t pixels, size_t columns, float *to, ptrdiff_t y_step);

/* Scratch, all threads together, of each pass. */
size_t CNN_ISA_NAME(cnn_conv_forward_scratch)(const struct cnn_conv *c, size_t n);
size_t CNN_ISA_NAME(cnn_conv_backward_data_scratch)(const struct cnn_conv *c, size_t n);
size_t CNN_ISA_NAME(cnn_conv_backward_weights_scratch)(const struct cnn_conv *c, size_t n);

#endif
