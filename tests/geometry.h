/* Random geometries for tests of kernels, the same on every run. */
#ifndef CNN_TESTS_GEOMETRY_H
#define CNN_TESTS_GEOMETRY_H

#include <stddef.h>

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

#endif
