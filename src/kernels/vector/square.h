/* Squares of VLEN x VLEN numbers, transposed in registers. */
#ifndef CNN_KERNELS_VECTOR_SQUARE_H
#define CNN_KERNELS_VECTOR_SQUARE_H

#include "kernels/vector/vector.h"

/* Numbers of two vectors in turn: of their lower halves, and of their upper ones. */
#if VLEN == 16
#define CNN_LOWER 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define CNN_UPPER 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif VLEN == 8
#define CNN_LOWER 0, 8, 1, 9, 2, 10, 3, 11
#define CNN_UPPER 4, 12, 5, 13, 6, 14, 7, 15
#else
#define CNN_LOWER 0, 4, 1, 5
#define CNN_UPPER 2, 6, 3, 7
#endif
#if defined(__clang__)
#define CNN_TAKE(a, b, lanes) __builtin_shufflevector(a, b, lanes)
#else
#define CNN_TAKE(a, b, lanes) __builtin_shuffle(a, b, (vint){lanes})
#endif

/* to[i * width + j] = from[j * stride + i] of a square. Rows i and i + VLEN / 2 are shuffled like
 * halves of a pack of cards until each has become a column. */
static inline void cnn_transpose_square(const float *from, ptrdiff_t stride, float *to,
                                        size_t width)
{
    vfloat v[VLEN], next[VLEN];
#pragma GCC unroll 16
    for (size_t i = 0; i < VLEN; i++)
        v[i] = vload(from + (ptrdiff_t)i * stride);
#pragma GCC unroll 4
    for (size_t pass = 1; pass < VLEN; pass *= 2) {
#pragma GCC unroll 8
        for (size_t i = 0; i < VLEN / 2; i++) {
            next[2 * i] = CNN_TAKE(v[i], v[i + VLEN / 2], CNN_LOWER);
            next[2 * i + 1] = CNN_TAKE(v[i], v[i + VLEN / 2], CNN_UPPER);
        }
        memcpy(v, next, sizeof v);
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < VLEN; i++)
        vstore(to + i * width, v[i]);
}

#endif
