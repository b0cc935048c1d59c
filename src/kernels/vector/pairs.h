/* Numbers rounded to bfloat16, the upper half of a float, and laid side by side in pairs, as
 * cnn_products_bf16 of gemm.h wants them. Channels are paired with their neighbours, so values that
 * are stored as bfloat16 are pairs as they are; positions are paired number by number, for the
 * gradient of the weights. */
#ifndef CNN_KERNELS_VECTOR_PAIRS_H
#define CNN_KERNELS_VECTOR_PAIRS_H

#include "kernels/vector/gemm.h"

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

/* n numbers in a row as they are, each rounded to two bytes: neighbours are pairs. Only where
 * CNN_FAST_PAIRS. */
static inline void cnn_pair_neighbours(const float *from, size_t n, unsigned char *to)
{
#if defined(__AVX512BF16__)
    size_t i = 0;
    for (; i + CNN_PANEL <= n; i += CNN_PANEL)
        _mm512_storeu_si512(to + 2 * i,
                            (__m512i)_mm512_cvtne2ps_pbh(vload(from + i + VLEN), vload(from + i)));
    for (; i + VLEN <= n; i += VLEN)
        vstore_halves((unsigned short *)(void *)(to + 2 * i), vload(from + i));
    if (i < n)
        vstore_halves_tail((unsigned short *)(void *)(to + 2 * i), n - i,
                           vload_tail(from + i, n - i));
#else
    (void)from, (void)n, (void)to;
#endif
}

/* The same, with 0 behind an odd number of them. */
static inline void cnn_pair_channels(const float *from, size_t n, float *to)
{
    unsigned char *bytes = (unsigned char *)to;
    cnn_pair_neighbours(from, n, bytes);
    memset(bytes + 2 * n, 0, n % 2 * 2);
}

#if defined(__AVX512F__)
/* Numbers j and on of a row that are stored as bfloat16, each in the lower half of a lane; without
 * a row, 0. */
static inline __m512i vload_row_of_halves(const unsigned short *row, size_t j, __mmask16 mask)
{
    return row ? _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, row + j))
               : _mm512_setzero_si512();
}
#endif

#if defined(__AVX512F__)
/* CNN_PANEL numbers of two rows that are stored as bfloat16. */
static inline void cnn_pair_whole(const unsigned short *first, const unsigned short *second,
                                  float *to)
{
    const vint lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    /* as 16-bit numbers: 0, 32, 1, 33, ...; and 16 further */
    const __m512i lower = (__m512i)(lane + ((lane + 32) << 16)),
                  upper = _mm512_add_epi16(lower, _mm512_set1_epi16(16)),
                  a = _mm512_loadu_si512(first), b = _mm512_loadu_si512(second);
    vstore(to, (vfloat)_mm512_permutex2var_epi16(a, lower, b));
    vstore(to + VLEN, (vfloat)_mm512_permutex2var_epi16(a, upper, b));
}
#endif

/* Number by number, two rows of n each that are stored as bfloat16; without a row, its numbers are
 * 0. */
static inline void cnn_pair_rows_of_halves(const unsigned short *first,
                                           const unsigned short *second, size_t n, float *to)
{
#if defined(__AVX512F__)
    size_t j = 0;
    /* short: so the CPU sees far ahead, and asks memory for more at a time */
    for (; first && second && j + CNN_PANEL <= n; j += CNN_PANEL)
        cnn_pair_whole(first + j, second + j, to + j);
    for (; j < n; j += VLEN) {
        const size_t lanes = n - j < VLEN ? n - j : VLEN;
        const __mmask16 mask = (__mmask16)((1u << lanes) - 1);
        const __m512i low = vload_row_of_halves(first, j, mask),
                      high = vload_row_of_halves(second, j, mask);
        vstore_lanes(to + j, lanes, (vfloat)_mm512_or_si512(low, _mm512_slli_epi32(high, 16)));
    }
#else
    (void)first, (void)second, (void)n, (void)to;
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
