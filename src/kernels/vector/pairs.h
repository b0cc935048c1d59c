/* Numbers rounded to bfloat16, the upper half of a float, and laid side by side in pairs, as
 * cnn_products_bf16 of gemm.h wants them. What is paired may lie anywhere, so long as both operands
 * pair the same: channels are paired with those half of all channels further on, lane by lane, and
 * need no shuffle. */
#ifndef CNN_KERNELS_VECTOR_PAIRS_H
#define CNN_KERNELS_VECTOR_PAIRS_H

#include "kernels/vector/vector.h"

/* Whether products of pairs are faster than those of floats: without the CPU's own instruction they
 * are not. */
#if defined(__AVX512BF16__)
#define CNN_FAST_PAIRS 1
#else
#define CNN_FAST_PAIRS 0
#endif

/* Pairs that n numbers make; the last one of an odd n is paired with 0. */
static inline size_t cnn_pairs(size_t n)
{
    return n / 2 + n % 2;
}

/* Each lane the pair of a number of first and one of second, rounded to nearest, ties to even; NaN
 * stays NaN. */
static inline vfloat vpair_bf16(vfloat first, vfloat second)
{
#if defined(__AVX512BF16__)
    const vint lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    /* as 16-bit numbers: 0, 16, 1, 17, ... */
    const __m512i order = (__m512i)(lane + ((lane + 16) << 16));
    return (vfloat)_mm512_permutexvar_epi16(order, (__m512i)_mm512_cvtne2ps_pbh(second, first));
#else
    typedef unsigned bits __attribute__((vector_size(sizeof(vfloat))));
    bits a = (bits)first, b = (bits)second;
    a = (bits)vselect(first != first, (vfloat)(a | 0x400000), (vfloat)(a + 0x7fff + (a >> 16 & 1)));
    b = (bits)vselect(second != second, (vfloat)(b | 0x400000),
                      (vfloat)(b + 0x7fff + (b >> 16 & 1)));
    return (vfloat)(a >> 16 | (b & 0xffff0000));
#endif
}

/* The pairs of n numbers in a row, the first half with the second. */
static inline void cnn_pair_halves(const float *from, size_t n, float *to)
{
    const size_t half = cnn_pairs(n), seconds = n - half;
    size_t j = 0;
    for (; j + VLEN <= seconds; j += VLEN)
        vstore(to + j, vpair_bf16(vload(from + j), vload(from + half + j)));
    if (j < half)
        vstore_lanes(
            to + j, half - j,
            vpair_bf16(vload_lanes(from + j, half - j), vload_lanes(from + half + j, seconds - j)));
}

/* n numbers in a row as they are, each rounded to two bytes: neighbours are pairs. Only where
 * CNN_FAST_PAIRS. */
static inline void cnn_pair_neighbours(const float *from, size_t n, unsigned char *to)
{
#if defined(__AVX512BF16__)
    size_t i = 0;
    for (; i + VLEN <= n; i += VLEN)
        _mm256_storeu_si256((__m256i *)(void *)(to + 2 * i),
                            (__m256i)_mm512_cvtneps_pbh(vload(from + i)));
    if (i < n)
        _mm256_mask_storeu_epi16(to + 2 * i, (__mmask16)((1u << (n - i)) - 1),
                                 (__m256i)_mm512_cvtneps_pbh(vload_tail(from + i, n - i)));
#else
    (void)from, (void)n, (void)to;
#endif
}

/* Number by number, two rows of n each; without a second one, its numbers are 0. */
static inline void cnn_pair_rows(const float *first, const float *second, size_t n, float *to)
{
    for (size_t j = 0; j < n; j += VLEN) {
        size_t lanes = n - j < VLEN ? n - j : VLEN;
        vstore_lanes(to + j, lanes,
                     vpair_bf16(first ? vload_lanes(first + j, lanes) : (vfloat){0},
                                second ? vload_lanes(second + j, lanes) : (vfloat){0}));
    }
}

#endif
