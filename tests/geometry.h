/* Geometries for tests of kernels; those that are random are the same on every run. */
#ifndef CNN_TESTS_GEOMETRY_H
#define CNN_TESTS_GEOMETRY_H

#include <stddef.h>

#include "kernels/kernels.h"

/* A number below bound. */
static inline unsigned pick(unsigned *state, unsigned bound)
{
    *state = *state * 1664525u + 1013904223u;
    return (*state >> 8) % bound;
}

/* The output size of one axis; 0 where the kernel does not fit. */
static inline size_t size_out(size_t in, size_t pad, size_t kernel, size_t stride, size_t dilation)
{
    size_t reach = (kernel - 1) * dilation + 1;
    return in + pad < reach ? 0 : (in + pad - reach) / stride + 1;
}

/* A square convolution whose output size follows; padding on all sides. */
struct square {
    size_t in, in_c, out_c, kernel, stride, pad, dilation, groups;
};

static inline struct cnn_conv conv_square(struct square s)
{
    size_t out = size_out(s.in, 2 * s.pad, s.kernel, s.stride, s.dilation);
    return (struct cnn_conv){.in_h = s.in,
                             .in_w = s.in,
                             .in_c = s.in_c,
                             .out_h = out,
                             .out_w = out,
                             .out_c = s.out_c,
                             .kernel_h = s.kernel,
                             .kernel_w = s.kernel,
                             .stride_h = s.stride,
                             .stride_w = s.stride,
                             .dilation_h = s.dilation,
                             .dilation_w = s.dilation,
                             .pad_top = s.pad,
                             .pad_left = s.pad,
                             .groups = s.groups,
                             .direct = true};
}

/* The pooling of 2 x 2 behind a convolution. */
static inline struct cnn_pool pool_behind(const struct cnn_conv *c, bool average)
{
    return (struct cnn_pool){.in_h = c->out_h,
                             .in_w = c->out_w,
                             .channels = c->out_c,
                             .out_h = c->out_h / 2,
                             .out_w = c->out_w / 2,
                             .kernel_h = 2,
                             .kernel_w = 2,
                             .stride_h = 2,
                             .stride_w = 2,
                             .average = average};
}

#endif
