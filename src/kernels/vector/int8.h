/* Layers on bytes (conv_int8.c, bytes.c), for their table (table.c), and codes as vectors. The
 * contracts are those of kernels.h. */
#ifndef CNN_KERNELS_VECTOR_INT8_H
#define CNN_KERNELS_VECTOR_INT8_H

#include <stdint.h>

#include "kernels/kernels.h"
#include "kernels/vector/vector.h"

size_t CNN_INT8_NAME(cnn_conv_int8_packed_floats)(const struct cnn_conv *c);
size_t CNN_INT8_NAME(cnn_conv_int8_scratch_floats)(const struct cnn_conv *c, size_t n);
void CNN_INT8_NAME(cnn_conv_int8_pack)(const struct cnn_conv *c,
                                       const struct cnn_integers *integers,
                                       const signed char *codes, float *packed);
void CNN_INT8_NAME(cnn_conv_int8_forward)(const struct cnn_conv *c,
                                          const struct cnn_conv_int8_forward *pass);
void CNN_INT8_NAME(cnn_quantize)(size_t pixels, size_t channels, const float *x,
                                 struct cnn_codes codes, unsigned char *y);

void CNN_ISA_NAME(cnn_pool_bytes)(const struct cnn_pool *p, size_t n, const unsigned char *x,
                                  const struct cnn_integers *integers, void *y);
void CNN_ISA_NAME(cnn_add_bytes)(size_t size, const unsigned char *const *x,
                                 const struct cnn_integers *integers, unsigned char *y);
void CNN_ISA_NAME(cnn_multiply_bytes)(const struct cnn_scale *c, const unsigned char *const *x,
                                      const struct cnn_integers *integers, unsigned char *y);
void CNN_ISA_NAME(cnn_scale_bytes)(struct cnn_rows pixels, const unsigned char *x,
                                   const struct cnn_integers *integers, unsigned char *y);

/* y[i] = table[y[i]] for size bytes, in the calling thread; without a table y stays as it is. */
void CNN_ISA_NAME(cnn_look_up)(const unsigned char *table, size_t size, unsigned char *y);

/* The larger and the smaller one of whole numbers. */
static inline vint vmax_int(vint a, vint b)
{
#if defined(__AVX512F__)
    return (vint)_mm512_max_epi32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (vint)_mm256_max_epi32((__m256i)a, (__m256i)b);
#else
    const vint mask = a > b;
    return (a & mask) | (b & ~mask);
#endif
}

static inline vint vmin_int(vint a, vint b)
{
#if defined(__AVX512F__)
    return (vint)_mm512_min_epi32((__m512i)a, (__m512i)b);
#elif defined(__AVX2__)
    return (vint)_mm256_min_epi32((__m256i)a, (__m256i)b);
#else
    return ~vmax_int(~a, ~b);
#endif
}

/* The upper halves of the 64 bits of a * b; b is not below 0. */
static inline vint vmultiply_high(vint a, vint b)
{
#if defined(__AVX512F__)
    const __m512i x = (__m512i)a, y = (__m512i)b;
    const __m512i even = _mm512_mul_epi32(x, y),
                  odd = _mm512_mul_epi32(_mm512_srli_epi64(x, 32), _mm512_srli_epi64(y, 32));
    return (vint)_mm512_mask_shuffle_epi32(odd, 0x5555, even, (_MM_PERM_ENUM)0xf5);
#elif defined(__AVX2__)
    const __m256i x = (__m256i)a, y = (__m256i)b;
    const __m256i even = _mm256_srli_epi64(_mm256_mul_epi32(x, y), 32),
                  odd = _mm256_mul_epi32(_mm256_srli_epi64(x, 32), _mm256_srli_epi64(y, 32));
    return (vint)_mm256_blend_epi32(even, odd, 0xaa);
#elif defined(__SSE2__)
    /* of numbers without a sign, where a below 0 is 2^32 too large */
    const __m128i x = (__m128i)a, y = (__m128i)b;
    const __m128i even = _mm_srli_epi64(_mm_mul_epu32(x, y), 32),
                  odd = _mm_mul_epu32(_mm_srli_epi64(x, 32), _mm_srli_epi64(y, 32)),
                  high = _mm_set1_epi64x((long long)0xffffffff00000000);
    return (vint)_mm_or_si128(even, _mm_and_si128(odd, high)) - ((a >> 31) & b);
#else
    for (size_t i = 0; i < VLEN; i++)
        a[i] = (int)((int64_t)a[i] * b[i] >> 32);
    return a;
#endif
}

/* The first lanes <= VLEN of v, cut to what lies between low and high, 0 to 255, as bytes. Written
 * out for each instruction set: compilers make conversions of vectors to bytes one by one. */
static inline void vstore_bytes(unsigned char *p, size_t lanes, vint v, vint low, vint high)
{
    v = vmin_int(high, vmax_int(low, v));
#if defined(__AVX512F__)
    const __m128i bytes = _mm512_cvtepi32_epi8((__m512i)v);
    if (lanes == VLEN)
        _mm_storeu_si128((__m128i *)(void *)p, bytes);
    else
        _mm_mask_storeu_epi8(p, (__mmask16)((1u << lanes) - 1), bytes);
#elif defined(__SSE2__)
#if defined(__AVX2__)
    const __m128i pairs = _mm_packs_epi32(_mm256_castsi256_si128((__m256i)v),
                                          _mm256_extracti128_si256((__m256i)v, 1));
#else
    const __m128i pairs = _mm_packs_epi32((__m128i)v, (__m128i)v);
#endif
    const __m128i bytes = _mm_packus_epi16(pairs, pairs);
    if (lanes == VLEN)
        memcpy(p, &bytes, VLEN);
    else
        memcpy(p, &bytes, lanes);
#else
    for (size_t i = 0; i < lanes; i++)
        p[i] = (unsigned char)v[i];
#endif
}

/* The nearest whole numbers, halves to the even one; v within 2^21. */
static inline vint vnearest(vfloat v)
{
#if defined(__AVX512F__)
    return (vint)_mm512_cvtps_epi32(v);
#elif defined(__AVX2__)
    return (vint)_mm256_cvtps_epi32(v);
#elif defined(__SSE2__)
    return (vint)_mm_cvtps_epi32(v);
#else
    /* with 1.5 * 2^23 added, they are the lowest bits */
    return (vint)(v + 12582912.0f) - 0x4b400000;
#endif
}

/* The first lanes <= VLEN bytes, a multiple of 4, as whole numbers; the other lanes are 0. */
static inline vint vload_bytes(const unsigned char *p, size_t lanes)
{
#if defined(__AVX512F__)
    const __mmask16 mask = (__mmask16)((1u << lanes) - 1);
    return (vint)_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(mask, p));
#elif defined(__AVX2__)
    __m128i bytes;
    if (lanes == VLEN) {
        bytes = _mm_loadl_epi64((const __m128i *)(const void *)p);
    } else {
        int four;
        memcpy(&four, p, sizeof four);
        bytes = _mm_cvtsi32_si128(four);
    }
    return (vint)_mm256_cvtepu8_epi32(bytes);
#elif defined(__SSE2__)
    int four;
    (void)lanes;
    memcpy(&four, p, sizeof four);
    const __m128i zero = _mm_setzero_si128();
    return (vint)_mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(four), zero), zero);
#else
    vint v = {0};
    for (size_t i = 0; i < lanes; i++)
        v[i] = p[i];
    return v;
#endif
}

/* All lanes shifted by the same number of bits, which is known only as the program runs. */
static inline vint vshift_left(vint v, int bits)
{
#if defined(__AVX512F__)
    return (vint)_mm512_sll_epi32((__m512i)v, _mm_cvtsi32_si128(bits));
#elif defined(__AVX2__)
    return (vint)_mm256_sll_epi32((__m256i)v, _mm_cvtsi32_si128(bits));
#elif defined(__SSE2__)
    return (vint)_mm_sll_epi32((__m128i)v, _mm_cvtsi32_si128(bits));
#else
    return v << ((vint){0} + bits);
#endif
}

static inline vint vshift_right(vint v, int bits)
{
#if defined(__AVX512F__)
    return (vint)_mm512_sra_epi32((__m512i)v, _mm_cvtsi32_si128(bits));
#elif defined(__AVX2__)
    return (vint)_mm256_sra_epi32((__m256i)v, _mm_cvtsi32_si128(bits));
#elif defined(__SSE2__)
    return (vint)_mm_sra_epi32((__m128i)v, _mm_cvtsi32_si128(bits));
#else
    return v >> ((vint){0} + bits);
#endif
}

/* What makes codes of the sums of one layer (bytes.h), in every lane. */
struct vfinish {
    vint half, zero, low, high;
    int left, shift;
};

static inline struct vfinish vfinish(const struct cnn_integers *k)
{
    const vint none = {0};
    const int half = (int)((unsigned)1 << (k->shift - 1));
    return (struct vfinish){.half = none + half,
                            .zero = none + k->zero,
                            .low = none + k->low,
                            .high = none + k->high,
                            .left = k->left,
                            .shift = k->shift};
}

/* Without the table. */
static inline void vround_shift(const struct vfinish *f, vint number, size_t lanes,
                                unsigned char *to)
{
    vstore_bytes(to, lanes, f->zero + vshift_right(number + f->half, f->shift), f->low, f->high);
}

/* The same of four whole vectors, which come to stand one behind the other. */
static inline void vround_shift_four(const struct vfinish *f, const vint numbers[4],
                                     unsigned char *to)
{
#if defined(__AVX2__) && !defined(__AVX512F__)
    /* by 16 bits, which cut off nothing that bytes do not; each half of a vector by itself */
    const __m256i zero = _mm256_packs_epi32((__m256i)f->zero, (__m256i)f->zero),
                  low = _mm256_packs_epi32((__m256i)f->low, (__m256i)f->low),
                  high = _mm256_packs_epi32((__m256i)f->high, (__m256i)f->high);
    __m256i pairs[2];
    for (size_t i = 0; i < 2; i++) {
        const vint a = vshift_right(numbers[2 * i] + f->half, f->shift),
                   b = vshift_right(numbers[2 * i + 1] + f->half, f->shift);
        pairs[i] = _mm256_adds_epi16(_mm256_packs_epi32((__m256i)a, (__m256i)b), zero);
        pairs[i] = _mm256_min_epi16(high, _mm256_max_epi16(low, pairs[i]));
    }
    const __m256i bytes = _mm256_packus_epi16(pairs[0], pairs[1]),
                  order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    _mm256_storeu_si256((__m256i *)(void *)to, _mm256_permutevar8x32_epi32(bytes, order));
#else
    for (size_t i = 0; i < 4; i++)
        vround_shift(f, numbers[i], VLEN, to + i * VLEN);
#endif
}

/* What is to be rounded, of sums. */
static inline vint vmultiply(const struct vfinish *f, vint sum, vint multiplier)
{
    return vmultiply_high(vshift_left(sum, f->left), multiplier);
}

static inline void vrequantize(const struct vfinish *f, vint sum, vint multiplier, size_t lanes,
                               unsigned char *to)
{
    vround_shift(f, vmultiply(f, sum, multiplier), lanes, to);
}

#endif
