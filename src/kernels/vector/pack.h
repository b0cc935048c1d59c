/* A matrix whose numbers lie anywhere, packed into one panel of those that the GEMM reads
 * (gemm.h). */
#ifndef CNN_KERNELS_VECTOR_PACK_H
#define CNN_KERNELS_VECTOR_PACK_H

#include <stdbool.h>
#include <stddef.h>

#include "kernels/vector/vector.h"

/* The steps that are packed together: whole cache lines of weights where they lie side by side. */
#define CNN_PACK_STEPS ((size_t)16)

/* One panel's columns: from[k * step + column * column_stride], k < depth, times the column's
 * scale. */
struct cnn_unpacked {
    const float *from, *scale; /* scale: of each column; NULL: none */
    ptrdiff_t step, column_stride;
    size_t depth;
    bool pairs;            /* a step is two numbers that follow each other (pairs.h) */
    size_t columns, width; /* width: of the panel; its columns beyond those used become 0 */
};

/* Steps k to k + steps of it: to[steps][width]. */
void CNN_BF16_NAME(cnn_pack_steps)(const struct cnn_unpacked *u, size_t k, size_t steps, float *to);

#endif
